"""Audit: who set what and when, and the version of all that is set.

Each change raises the version and leaves one entry, in the transaction of the change.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..moment import now_ms
from ..redaction import Redaction
from .tables import AUDIT_LOG, CONFIG_VERSION
from .writing import execute_all

#: Entries that are kept, and beside them those of failed attempts to sign in: strangers
#: can make as many of these as they like, and push nothing else out.
MOST, MOST_FAILED = 100_000, 10_000
FAILED = ("login.failure", "password.failure")
HIDDEN = "***"

_A = AUDIT_LOG.c
_NEWEST = sa.select(*_A).order_by(_A.id.desc()).limit(sa.bindparam("limit"))
#: What an entry can be found by.
_FOUND_BY = (_A.action, _A.object, _A.actor, _A.ip)
_redacted = Redaction().redacted


class AuditEntry(msgspec.Struct, frozen=True):
    """One change; ``diff`` has [before, after] by field, with no secret in it.

    ``at`` is in Unix milliseconds; ``before`` of what is new is None, ``after`` of what
    is removed.
    """

    id: int
    at: int
    actor: str
    ip: str
    action: str
    object: str
    diff: dict[str, tuple[Any, Any]]


class Actor(str):
    """Who changes something; ``ip`` is from where, if it came from elsewhere."""

    ip: str = ""

    @classmethod
    def at(cls, name: str, ip: str) -> "Actor":
        """Somebody at an address."""
        actor = cls(name)
        actor.ip = ip
        return actor


def read_version(connection: Connection) -> int:
    """The version of what is set; 0 where nothing ever was."""
    return connection.scalar(sa.select(CONFIG_VERSION.c.n)) or 0


def changed(
    connection: Connection,
    actor: str,
    action: str,
    object: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    """Raise the version and note what was changed."""
    write_changes(connection, [change(actor, action, object, before, after)])


def change(
    actor: str,
    action: str,
    object: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """A change as an entry, to be written."""
    return _row(actor, action, object, _diff(before or {}, after or {}))


def write_changes(connection: Connection, entries: list[dict[str, Any]]) -> None:
    """Raise the version, once, and leave these entries."""
    connection.execute(sa.update(CONFIG_VERSION).values(n=CONFIG_VERSION.c.n + 1))
    *many, last = entries
    execute_all(connection, sa.insert(AUDIT_LOG), many)
    _leave(connection, last, len(entries))


def note(
    connection: Connection,
    actor: str,
    action: str,
    object: str,
    diff: Mapping[str, tuple[Any, Any]],
    ip: str = "",
) -> None:
    """Leave an entry; beyond what is kept the oldest of its kind go."""
    _leave(connection, _row(actor, action, object, diff, ip))


def _row(
    actor: str,
    action: str,
    object: str,
    diff: Mapping[str, tuple[Any, Any]],
    ip: str = "",
) -> dict[str, Any]:
    where = ip or getattr(actor, "ip", "")
    row = {"at": now_ms(), "actor": str(actor), "ip": where, "action": action}
    return {**row, "object": object, "diff": msgspec.json.encode(diff)}


def _leave(connection: Connection, row: dict[str, Any], new: int = 1) -> None:
    """Leave the last of so many new entries; some others may have to go."""
    done = connection.execute(sa.insert(AUDIT_LOG), row)
    id = done.inserted_primary_key
    assert id is not None
    failed = row["action"] in FAILED
    kind = _A.action.in_(FAILED) if failed else _A.action.not_in(FAILED)
    most = MOST_FAILED if failed else MOST
    if id[0] % max(most // 1000, 1) >= new:  # to count them takes a while
        return
    last = sa.select(_A.id).where(kind).order_by(_A.id.desc()).offset(most).limit(1)
    old = _A.id <= last.scalar_subquery()
    connection.execute(sa.delete(AUDIT_LOG).where(kind, old))


def audit(
    connection: Connection,
    limit: int,
    before: int | None = None,
    words: Iterable[str] = (),
) -> list[AuditEntry]:
    """The newest entries, newest first; with ``before`` those older than that id.

    Of those with ``words`` each stands in what was done, to what, by whom or from
    where; upper and lower case are the same, of A to Z at least.
    """
    statement = _NEWEST if before is None else _NEWEST.where(_A.id < before)
    for word in words:
        found = (column.icontains(word, autoescape=True) for column in _FOUND_BY)
        statement = statement.where(sa.or_(*found))
    return [
        AuditEntry(**{**row._mapping, "diff": _decode(row.diff)})
        for row in connection.execute(statement, {"limit": limit})
    ]


#: What lists show of a key's secret: it would be taken for all of one.
_OPEN = ("prefix", "suffix")
_Diff = dict[str, tuple[Any, Any]]
_decode = msgspec.json.Decoder(_Diff).decode


def _diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> _Diff:
    def said(field: str) -> tuple[Any, Any]:
        pair = before.get(field), after.get(field)
        return pair if field in _OPEN else (_shown(pair[0]), _shown(pair[1]))

    fields = {**before, **after}
    return {one: said(one) for one in fields if before.get(one) != after.get(one)}


def _shown(value: Any) -> Any:
    """A value without secrets: digests are some, and a URL may have a password."""
    if isinstance(value, bytes):
        return HIDDEN
    if isinstance(value, str):
        return _redacted(value)
    if isinstance(value, dict):
        return {name: _shown(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(one) for one in value]
    return value
