"""Models, aliases and settings, as they are kept.

Each function is one part of the caller's transaction.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..gateway.entries import AliasEntry, ModelEntry
from ..moment import now_ms
from ..settings import options
from ..wire.names import key as key_of
from . import storable
from .audit import HIDDEN, change, changed, write_changes
from .refusal import Refused
from .tables import ALIAS_ENTRY, MODEL_ENTRY, SETTING
from .writing import execute_all

Entry = TypeVar("Entry", ModelEntry, AliasEntry)


def models(connection: Connection, unread: list[str] | None = None) -> list[ModelEntry]:
    """What was set for models, by name.

    Models whose entries cannot be read are disabled, since they may be; they are named
    in ``unread``.
    """
    found = []
    for name, entry in _entries(connection, MODEL_ENTRY, ModelEntry):
        if entry is None and unread is not None:
            unread.append(f"the model '{name}'")
        found.append(entry or ModelEntry(name=name, enabled=False))
    return found


def set_model(connection: Connection, entry: ModelEntry, actor: str) -> None:
    """Set all that is set for a model; raises ``Refused``."""
    _set(connection, MODEL_ENTRY, key_of(entry.name), entry, actor)


def remove_model(connection: Connection, name: str, actor: str) -> None:
    """Forget what was set for a model; raises ``Refused`` where nothing was."""
    _remove(connection, MODEL_ENTRY, key_of(name), name, actor)


def aliases(
    connection: Connection, unread: list[str] | None = None
) -> list[AliasEntry]:
    """All aliases, by name, but those that cannot be read: ``unread`` names them."""
    found = []
    for name, entry in _entries(connection, ALIAS_ENTRY, AliasEntry):
        if entry is not None:
            found.append(entry)
        elif unread is not None:
            unread.append(f"the alias '{name}'")
    return found


def set_alias(connection: Connection, entry: AliasEntry, actor: str) -> None:
    """Set an alias, in the place of that of the same name; raises ``Refused``."""
    _set(connection, ALIAS_ENTRY, entry.name.lower(), entry, actor)


def remove_alias(connection: Connection, name: str, actor: str) -> None:
    """Remove an alias; raises ``Refused`` where there is none."""
    _remove(connection, ALIAS_ENTRY, name.lower(), name, actor)


def settings(connection: Connection, unread: list[str] | None = None) -> dict[str, Any]:
    """The values that were set, by field."""
    found = {}
    rows = connection.execute(sa.select(SETTING.c.field, SETTING.c.value))
    for field, value in rows.all():
        try:
            found[field] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            if unread is not None:
                unread.append(f"the setting '{field}'")
    return found


class Entries:
    """Removals and settings of models, or of aliases, written with a few statements.

    Nothing is written before ``write``; what was there is removed first.
    """

    def __init__(self, table: sa.Table, actor: str) -> None:
        self._table, self._actor = table, actor
        self._gone: list[dict[str, str]] = []
        self._rows: list[dict[str, Any]] = []

    @classmethod
    def of_models(cls, actor: str) -> "Entries":
        """For models."""
        return cls(MODEL_ENTRY, actor)

    @classmethod
    def of_aliases(cls, actor: str) -> "Entries":
        """For aliases."""
        return cls(ALIAS_ENTRY, actor)

    def set(self, key: str, entry: ModelEntry | AliasEntry) -> None:
        """Set one; raises ``Refused`` for what could not be kept."""
        body = storable.body(entry)
        row = {"key": key, "name": entry.name, "body": body}
        self._rows.append(dict(storable.row(row)))

    def remove(self, key: str, name: str) -> None:
        """Remove one that is there."""
        self._gone.append({"wanted": key, "name": name})

    def write(self, connection: Connection) -> None:
        """Write them, with one version more and an entry for each."""
        if not (self._gone or self._rows):
            return
        here = self._table.c
        there = connection.execute(sa.select(here.key, here.body))
        before = {row.key: row.body for row in there}
        notes = [
            self._note("remove", one["name"], before.get(one["wanted"]), None)
            for one in self._gone
        ] + [
            self._note("set", row["name"], before.get(row["key"]), row["body"])
            for row in self._rows
        ]
        old = [{"wanted": one["wanted"]} for one in self._gone]
        old += [{"wanted": row["key"]} for row in self._rows if row["key"] in before]
        delete = sa.delete(self._table).where(here.key == sa.bindparam("wanted"))
        execute_all(connection, delete, old)
        execute_all(connection, sa.insert(self._table), self._rows)
        write_changes(connection, notes)

    def _note(
        self, what: str, name: str, old: bytes | None, new: bytes | None
    ) -> dict[str, Any]:
        before = None if old is None else _fields(old)
        after = None if new is None else _fields(new)
        return change(self._actor, f"{_word(self._table)}.{what}", name, before, after)


def set_settings(connection: Connection, values: Mapping[str, Any], actor: str) -> None:
    """Set fields to values that JSON can have; ``None`` removes one."""
    before = settings(connection)
    fixed = {"updated_at": now_ms(), "updated_by": actor}
    for field, value in storable.row(values).items():
        connection.execute(sa.delete(SETTING).where(SETTING.c.field == field))
        if value is not None:
            row = {"field": field, "value": msgspec.json.encode(value), **fixed}
            connection.execute(sa.insert(SETTING), row)
    old, new = _said(values, before), _said(values, values)
    changed(connection, actor, "settings", ", ".join(sorted(values)), old, new)


def _said(fields: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit log says of settings; some may hold passwords.

    Two that differ are hidden in different ways, so that it says that they do.
    """
    secret = {option.field for option in options() if option.secret}
    said = {field: values.get(field) for field in fields}
    return {
        field: str(value).encode() if field in secret and value is not None else value
        for field, value in said.items()
    }


def _entries(
    connection: Connection, table: sa.Table, kind: type[Entry]
) -> list[tuple[str, Entry | None]]:
    """Names and what was set for them; None where that cannot be read."""
    decode = msgspec.json.Decoder(kind).decode
    found: list[tuple[str, Entry | None]] = []
    rows = connection.execute(sa.select(table.c.name, table.c.body))
    for name, body in sorted(rows.all()):
        try:
            found.append((name, decode(body)))
        except msgspec.DecodeError:
            found.append((name, None))
    return found


def _set(
    connection: Connection,
    table: sa.Table,
    key: str,
    entry: ModelEntry | AliasEntry,
    actor: str,
) -> None:
    body = storable.body(entry)
    row = storable.row({"key": key, "name": entry.name, "body": body})
    before = _removed(connection, table, key)
    connection.execute(sa.insert(table), row)
    action = f"{_word(table)}.set"
    changed(connection, actor, action, entry.name, before, _fields(body))


def _remove(
    connection: Connection, table: sa.Table, key: str, name: str, actor: str
) -> None:
    storable.row({"name": name})
    before = _removed(connection, table, key)
    if before is None:
        what = f"There is nothing set for the {_word(table)} '{name[:128]}'."
        raise Refused(what, "name", unknown=True)
    changed(connection, actor, f"{_word(table)}.remove", name, before, None)


def _removed(connection: Connection, table: sa.Table, key: str) -> Any:
    """The fields of an entry that is removed; None where there was none."""
    here = table.c.key == key
    body = connection.scalar(sa.select(table.c.body).where(here))
    connection.execute(sa.delete(table).where(here))
    return None if body is None else _fields(body)


def _fields(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {"body": HIDDEN}


def _word(table: sa.Table) -> str:
    return table.name.removesuffix("_entry")
