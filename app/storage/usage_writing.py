"""How rows of usage get into the tables, and out again.  Loads SQLAlchemy.

A row and its part of the sums are of one transaction, so that sums are always those of
the rows that ever were there.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..gateway.usage import Row
from .usage_tables import (
    BOUNDS,
    COUNTS,
    DAY,
    DIMENSIONS,
    HISTOGRAMS,
    HOUR,
    MAXIMA,
    MINUTE,
    TIMES,
    USAGE_RECORD,
    USAGE_ROLLUP,
    WIDTHS,
)

#: Rows that one transaction removes: it shall hold nobody up.
FEW = 1000
#: For how long sums are kept, by their width; those of days are for ever.
KEPT = {MINUTE: 2 * DAY, HOUR: 90 * DAY}
#: Characters of a text that are kept.
LONGEST = 512

Sums = dict[str, Any]
Group = tuple[str, ...]

_TEXTS = [c.name for c in USAGE_RECORD.columns if isinstance(c.type, sa.Text)]
_ADDED = (*COUNTS, *TIMES, *HISTOGRAMS)
_KEY = ("width", "bucket_start", *DIMENSIONS)
_KNOWN = sa.select(USAGE_RECORD.c.id).where(
    USAGE_RECORD.c.id.in_(sa.bindparam("ids", expanding=True))
)
_INSERT = sa.insert(USAGE_RECORD)
_R, _U = USAGE_RECORD.c, USAGE_ROLLUP.c


def _upsert() -> sa.TextClause:
    """One statement for both databases: what is there is added to."""
    names = [*_KEY, *_ADDED, *MAXIMA]
    added = [f"{n} = usage_rollup.{n} + excluded.{n}" for n in _ADDED]
    largest = [
        f"{n} = CASE WHEN excluded.{n} > usage_rollup.{n}"
        f" THEN excluded.{n} ELSE usage_rollup.{n} END"
        for n in MAXIMA
    ]
    return sa.text(
        f"INSERT INTO usage_rollup ({', '.join(names)})"  # noqa: S608 - our own names
        f" VALUES ({', '.join(':' + name for name in names)})"
        f" ON CONFLICT ({', '.join(_KEY)})"
        f" DO UPDATE SET {', '.join(added + largest)}"
    )


_UPSERT = _upsert()


def add(connection: Connection, rows: Iterable[Row]) -> int:
    """Keep rows that are not there yet, and add them up; how many those are."""
    new = {row.id: row for row in rows}
    if not new:
        return 0
    for id in connection.scalars(_KNOWN, {"ids": list(new)}):
        del new[id]
    if not new:
        return 0
    connection.execute(_INSERT, [_storable(row) for row in new.values()])
    connection.execute(_UPSERT, _sums(new.values()))
    return len(new)


def _storable(row: Row) -> dict[str, Any]:
    """A row as the tables take it."""
    values = msgspec.structs.asdict(row)
    for name in _TEXTS:
        values[name] = _storable_text(values[name])
    return values


def _storable_text(text: str) -> str:
    """A text that every database takes: PostgreSQL knows no NUL."""
    if len(text) <= LONGEST and text.isprintable():
        return text
    return "".join([c if c.isprintable() else "\ufffd" for c in text[:LONGEST]])


def _sums(rows: Iterable[Row]) -> list[Sums]:
    """The sums of rows in all widths, in one order: writers do not cross each other."""
    minutes: dict[Group, list[Row]] = {}
    for row in rows:
        group = (row.key_id, _storable_text(model_of(row)), row.endpoint, row.status)
        minutes.setdefault((str(row.at // MINUTE), *group), []).append(row)
    sums: dict[tuple[Any, ...], Counter[str]] = {}
    for (minute, *of), some in minutes.items():
        counted = _counted(some)
        for width in WIDTHS:
            start = int(minute) * MINUTE // width * width
            total = sums.setdefault((width, start, *of), Counter())
            for name, value in counted.items():
                was = total[name]
                total[name] = max(was, value) if name in MAXIMA else was + value
    return [
        dict(zip(_KEY, key, strict=True))
        | {name: total[name] for name in (*_ADDED, *MAXIMA)}
        for key, total in sorted(sums.items())
    ]


def model_of(row: Row) -> str:
    """The model that a row counts for: what clients make up counts for none."""
    if row.http_status == 404 or row.error_code == "model_not_found":
        return ""
    return row.resolved_model or row.requested_model


def _counted(rows: list[Row]) -> Counter[str]:
    """The sums of some rows, by column."""
    total: Counter[str] = Counter(requests=len(rows))
    for row in rows:
        total["prompt_tokens"] += row.prompt_tokens or 0
        total["completion_tokens"] += row.completion_tokens or 0
        total["reasoning_tokens"] += row.reasoning_tokens or 0
        total["duration_ms"] += row.duration_ms
        total["bytes_in"] += row.bytes_in
        total["bytes_out"] += row.bytes_out
        total["duration_max"] = max(total["duration_max"], row.duration_ms)
        total[f"duration_{class_of(row.duration_ms)}"] += 1
        if row.ttft_ms is not None:
            total["ttft_ms"] += row.ttft_ms
            total["ttft_max"] = max(total["ttft_max"], row.ttft_ms)
            total[f"ttft_{class_of(row.ttft_ms)}"] += 1
        if row.eval_ms:
            total["eval_tokens"] += row.completion_tokens or 0
        for name in TIMES:
            total[name] += getattr(row, name) or 0
    return total


def class_of(milliseconds: int) -> int:
    """The class of a duration: up to 50 ms, up to 100 ms, and so on."""
    return bisect_left(BOUNDS, milliseconds)


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
    """Remove old sums of one width, a few of its oldest starts; how many starts."""
    starts = sa.select(_U.bucket_start).where(*old).order_by(_U.bucket_start)
    found = connection.scalars(starts.limit(FEW)).all()
    if found:
        last = _U.bucket_start <= found[-1]
        connection.execute(sa.delete(USAGE_ROLLUP).where(*old, last))
    return len(found)


def _old() -> list[list[sa.ColumnElement[bool]]]:
    now = int(time.time() * 1000)
    return [
        [_U.width == width, _U.bucket_start < now - kept]
        for width, kept in KEPT.items()
    ]
