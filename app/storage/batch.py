"""Batch: changes of keys, made ready before the database is locked to write them.

What may be is the same for one change as for ten thousand; these are written with a
few statements, so that no other writer waits for long.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..gateway.keys import Key
from . import storable
from .audit import change, write_changes
from .refusal import Refused
from .tables import API_KEY
from .writing import execute_all

_K = API_KEY.c
_FIELDS = Key.__struct_fields__
_REMOVE = sa.delete(API_KEY).where(_K.id == sa.bindparam("wanted"))
#: What a change leaves alone: the last use is noted by others, at any time.
_OWN = {"id", "last_used_at", "last_used_ip"}
_SET = [column for column in _K if column.name not in _OWN]
# There may be terms that could not be read: they stay unless they are what changes.
_CHANGE = (
    sa.update(API_KEY)
    .where(_K.id == sa.bindparam("wanted"))
    .values(
        {one: sa.bindparam(f"new_{one.name}", type_=one.type) for one in _SET}
        | {
            _K.terms: sa.func.coalesce(
                sa.bindparam("new_terms", None, sa.LargeBinary), _K.terms
            )
        }
    )
)


class Batch:
    """Removals, changes and additions of keys, which are written in this order.

    ``there`` are the keys there are, or those of them that have an id, a name or a
    secret in common with the others.  Each change raises ``Refused`` where it cannot
    be, given those before it.  Nothing is written before ``write``.
    """

    def __init__(self, there: Iterable[Key], actor: str) -> None:
        self._actor = actor
        self._keys: dict[str, Key] = {}
        self._names: dict[str, Key] = {}
        self._secrets: dict[bytes, Key] = {}
        self._removed: list[dict[str, Any]] = []
        self._changed: list[dict[str, Any]] = []
        self._added: list[dict[str, Any]] = []
        self._notes: list[dict[str, Any]] = []
        for key in there:
            self._enter(key)

    def add(self, key: Key) -> None:
        """Add a key."""
        values = row(key)
        if key.id in self._keys:
            raise Refused(f"There is a key with the id '{key.id}' already.", "id")
        self._must_be_free(key)
        self._enter(key)
        self._added.append(values)
        self._note("key.create", key.name, None, key)

    def change(
        self, id: str, changes: Mapping[str, Any], action: str = "key.change"
    ) -> Key:
        """Change fields of a key that is there; returns what it is then.

        ``action`` is what the audit log calls it.
        """
        old = self._keys[id]
        new = msgspec.structs.replace(old, **changes)
        values = row(new)
        self._must_be_free(new)
        self._leave(old)
        self._enter(new)
        if "terms" not in changes:
            values["terms"] = None
        new_values = {f"new_{one.name}": values[one.name] for one in _SET}
        self._changed.append({"wanted": id, **new_values})
        self._note(action, old.name, old, new)
        return new

    def remove(self, id: str) -> None:
        """Remove a key that is there, for ever."""
        old = self._keys[id]
        self._leave(old)
        self._removed.append({"wanted": id})
        self._note("key.remove", old.name, old, None)

    def write(self, connection: Connection) -> None:
        """Write them, with one version more and an entry for each."""
        if not self._notes:
            return
        execute_all(connection, _REMOVE, self._removed)
        execute_all(connection, _CHANGE, self._changed)
        execute_all(connection, sa.insert(API_KEY), self._added)
        write_changes(connection, self._notes)

    def _enter(self, key: Key) -> None:
        self._keys[key.id] = self._names[name_key(key.name)] = key
        for digest in _digests(key):
            self._secrets[digest] = key

    def _leave(self, key: Key) -> None:
        del self._keys[key.id]
        self._names.pop(name_key(key.name), None)
        for digest in _digests(key):
            self._secrets.pop(digest, None)

    def _must_be_free(self, key: Key) -> None:
        """Raise ``Refused`` where another key has its name or one of its secrets."""
        same = self._names.get(name_key(key.name), key)
        if same.id != key.id:
            state = "" if same.revoked_at is None else ", which is revoked"
            raise Refused(f"There is a key '{key.name}' already{state}.", "name")
        for digest in _digests(key):
            same = self._secrets.get(digest, key)
            if same.id != key.id:
                what = f"The key '{same.name}' has that secret already."
                raise Refused(what, "key")

    def _note(
        self, action: str, name: str, before: Key | None, after: Key | None
    ) -> None:
        old = None if before is None else _said(before)
        new = None if after is None else _said(after)
        self._notes.append(change(self._actor, action, name, old, new))


def name_key(name: str) -> str:
    """What names have in common that are the same."""
    return name.casefold()


def row(key: Key) -> dict[str, Any]:
    """A key as a row; raises ``Refused`` for what could not be read again."""
    own = {field: getattr(key, field) for field in _FIELDS if field != "terms"}
    values = storable.row(own)
    terms = storable.body(key.terms)
    storable.body(key)
    return {**values, "terms": terms, "name_key": name_key(key.name)}


def _digests(key: Key) -> list[bytes]:
    return [one for one in (key.digest, key.previous_digest) if one is not None]


def _said(key: Key) -> dict[str, Any]:
    """What the audit log says of a key: its fields and those of its terms."""
    own = {field: getattr(key, field) for field in _FIELDS}
    terms = own.pop("terms")
    hidden = {"id", "last_used_at", "last_used_ip"}
    said = {name: value for name, value in own.items() if name not in hidden}
    return said | msgspec.structs.asdict(terms)
