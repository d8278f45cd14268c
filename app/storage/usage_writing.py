"""How rows of usage get into the tables, and out again.  Loads SQLAlchemy.

A row and its part of the sums are of one transaction, so that sums are always those of
the rows that ever were there.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection

from ..gateway.usage import Row
from ..moment import now_ms
from .usage_sums import ADDED, COLUMNS, KEPT, KEY, storable, sums
from .usage_tables import GRAINS, MAXIMA, USAGE_RECORD, USAGE_ROLLUP

#: Rows that one transaction removes: it shall hold nobody up.
FEW = 1000
#: Rows of one statement.
TOGETHER = 100

_FIELDS = Row.__struct_fields__
_TEXTS = [
    n
    for n, name in enumerate(_FIELDS)
    if isinstance(USAGE_RECORD.c[name].type, sa.Text)
]
_KNOWN = sa.select(USAGE_RECORD.c.id).where(
    USAGE_RECORD.c.id.in_(sa.bindparam("ids", expanding=True))
)
_R, _U = USAGE_RECORD.c, USAGE_ROLLUP.c


def _put(
    connection: Connection,
    table: str,
    columns: tuple[str, ...],
    rows: list[tuple[Any, ...]],
    conflict: str = "",
) -> None:
    """Put rows into a table, as the driver takes them: SQLAlchemy takes twice as long.

    They go in few statements, of many rows: PostgreSQL plans each, and with each of
    SQLite's this thread takes its turn from the one that answers requests.
    """
    mark, together = "%s", TOGETHER
    if connection.dialect.name == "sqlite":
        from sqlite3 import SQLITE_LIMIT_VARIABLE_NUMBER as LIMIT

        driver: Any = connection.connection.dbapi_connection
        most = driver.getlimit(LIMIT)
        mark, together = "?", min(TOGETHER, most // len(columns))
    for start in range(0, len(rows), together):
        some = rows[start : start + together]
        statement = _into(table, columns, mark, len(some)) + conflict
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(some)))


def _into(table: str, columns: tuple[str, ...], mark: str, many: int) -> str:
    names = ", ".join([f'"{name}"' for name in columns])
    values = f"({', '.join([mark] * len(columns))})"
    # Names are our own.
    return f"INSERT INTO {table} ({names}) VALUES {', '.join([values] * many)}"  # noqa: S608


def _added() -> str:
    """What becomes of a sum that is there: it is added to."""
    added = [f"{n} = usage_rollup.{n} + excluded.{n}" for n in ADDED]
    largest = [
        f"{n} = CASE WHEN excluded.{n} > usage_rollup.{n}"
        f" THEN excluded.{n} ELSE usage_rollup.{n} END"
        for n in MAXIMA
    ]
    updates = ", ".join(added + largest)
    return f" ON CONFLICT ({', '.join(KEY)}) DO UPDATE SET {updates}"


_ADDED = _added()
#: What a key was called last; nothing is written where it is called so still.
_NAMED = (
    " ON CONFLICT (id) DO UPDATE SET name = excluded.name"
    " WHERE usage_key.name <> excluded.name"
)


def add(connection: Connection, rows: Iterable[Row]) -> int:
    """Keep rows that are not there yet, and add them up; how many those are."""
    new = {row.id: row for row in rows}
    try:
        with connection.begin_nested():
            return _add(connection, new.values())
    except exc.IntegrityError:  # a try before had come to its end after all
        for id in connection.scalars(_KNOWN, {"ids": list(new)}):
            del new[id]
        return _add(connection, new.values())


def _add(connection: Connection, rows: Iterable[Row]) -> int:
    stored = [_stored(row) for row in rows]
    if stored:
        _put(connection, "usage_record", _FIELDS, stored)
        totals = sums(rows, now_ms())
        _put(connection, "usage_rollup", (*KEY, *COLUMNS), totals, _ADDED)
        names = {row.key_id: storable(row.key_name) for row in rows if row.key_id}
        if names:  # without keys nobody has one
            _put(connection, "usage_key", ("id", "name"), sorted(names.items()), _NAMED)
    return len(stored)


def _stored(row: Row) -> tuple[Any, ...]:
    """A row as the tables take it, in the order of its fields."""
    values = list(msgspec.structs.astuple(row))
    for number in _TEXTS:
        values[number] = storable(values[number])
    return tuple(values)


def first_id(at: int) -> str:
    """The id that comes before all of that time, in Unix milliseconds."""
    return f"{max(at, 0):012x}"


def is_due(connection: Connection, before: int) -> bool:
    """Whether anything is to be removed."""
    rows = sa.select(_R.id).where(_R.id < first_id(before)).limit(1)
    if connection.execute(rows).first() is not None:
        return True
    return any(
        connection.execute(sa.select(_U.width).where(*old).limit(1)).first() is not None
        for old in _old()
    )


def remove(connection: Connection, before: int) -> bool:
    """Remove a few rows from before then, and old sums; whether there may be more."""
    due = sa.select(_R.id).where(_R.id < first_id(before)).order_by(_R.id).limit(FEW)
    ids = connection.scalars(due).all()
    if ids:
        connection.execute(sa.delete(USAGE_RECORD).where(_R.id <= ids[-1]))
    full = len(ids) == FEW
    for old in _old():
        full = _removed(connection, old) == FEW or full
    return full


def _removed(connection: Connection, old: list[sa.ColumnElement[bool]]) -> int:
    """Remove old sums of one kind, a few of its oldest starts; how many starts."""
    starts = sa.select(_U.bucket_start).where(*old).order_by(_U.bucket_start)
    found = connection.scalars(starts.limit(FEW)).all()
    if found:
        last = _U.bucket_start <= found[-1]
        connection.execute(sa.delete(USAGE_ROLLUP).where(*old, last))
    return len(found)


def _old() -> list[list[sa.ColumnElement[bool]]]:
    now = now_ms()
    return [
        [_U.width == width, _U.grain == grain, _U.bucket_start < now - kept]
        for width, kept in KEPT.items()
        for grain in GRAINS
    ]
