"""What is asked of the rows of usage, one for each request.  Loads SQLAlchemy."""

import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from .usage_periods import Period
from .usage_queries import FINE, Filters, known
from .usage_tables import USAGE_RECORD
from .usage_writing import first_id

#: Rows that are looked at for one page of those that a filter fits.
LOOKED = 10_000
_CURSOR = re.compile(r"[0-9a-f]{12,64}")
_R = USAGE_RECORD.c
#: By name: which rows a value fits.
_FILTERS: dict[str, Callable[[Any], sa.ColumnElement[bool]]] = {
    "key": _R.key_id.__eq__,
    "model": _R.resolved_model.__eq__,
    "endpoint": _R.endpoint.__eq__,
    "status": _R.status.__eq__,
    "protocol": _R.protocol.__eq__,
    "stream": _R.stream.__eq__,
    "user": lambda begin: _R.end_user.startswith(begin.lower(), autoescape=True),
    "error": lambda part: _R.error_code.icontains(part, autoescape=True),
    "failed": lambda yes: _R.status.not_in(FINE) if yes else _R.status.in_(FINE),
}


def records(
    connection: Connection,
    period: Period,
    cursor: str,
    limit: int,
    filters: Filters,
) -> tuple[list[dict[str, Any]], str]:
    """A page of rows, newest first, and the cursor of the next."""
    if cursor and not _CURSOR.fullmatch(cursor):
        raise ValueError("that is no cursor")
    first, end = map(first_id, period)
    before = min(cursor, end) if cursor else end
    looked = _look(connection, first, before, filters) if filters else None
    # One bound at each end: of several SQLite takes the first for its index.
    rows = connection.execute(
        sa.select(USAGE_RECORD)
        .where(_R.id >= (looked or first), _R.id < before, *_wanted(filters))
        .order_by(_R.id.desc())
        .limit(limit)
    )
    found = [_shown(dict(row)) for row in rows.mappings()]
    if len(found) == limit:
        return found, found[-1]["id"]
    return found, looked or ""


def _wanted(filters: Filters) -> list[sa.ColumnElement[bool]]:
    return [known(_FILTERS, name, "filter")(value) for name, value in filters.items()]


def _look(
    connection: Connection, first: str, before: str, filters: Filters
) -> str | None:
    """The first of these rows, newest first, behind ``LOOKED``; None: there is none."""
    ids = sa.select(_R.id).where(_R.id >= first, _R.id < before)
    if "key" in filters:
        ids = ids.where(_R.key_id == filters["key"])
    return connection.scalar(ids.order_by(_R.id.desc()).offset(LOOKED).limit(1))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    taken, tokens = row["eval_ms"], row["completion_tokens"]
    speed = round(1000 * tokens / taken, 2) if taken and tokens else None
    return row | {"tokens_per_s": speed}


def tokens(connection: Connection, period: Period, filters: Filters) -> dict[str, Any]:
    """How many of the newest requests had how many completion tokens.

    Classes end with powers of two.  ``rows`` are those that were found, some of which
    may have no count; ``is_complete`` says that all of the period were looked at.
    """
    first, before = map(first_id, period)
    looked = _look(connection, first, before, filters)
    after = _R.id > looked if looked else _R.id >= first
    counted = connection.execute(
        sa.select(_R.completion_tokens, sa.func.count())
        .where(after, _R.id < before, *_wanted(filters))
        .group_by(_R.completion_tokens)
    )
    by_count: dict[int | None, int] = dict(tuple(row) for row in counted)
    return {
        "classes": _powers(by_count),
        "rows": sum(by_count.values()),
        "is_complete": looked is None,
    }


def _powers(by_count: dict[int | None, int]) -> list[dict[str, int]]:
    """Requests by the power of two up to which their count is; from 0 on."""
    requests: list[int] = []
    for count, rows in by_count.items():
        if count is not None:
            number = max(count - 1, 0).bit_length()
            requests += [0] * (number + 1 - len(requests))
            requests[number] += rows
    return [
        {"from": 2 ** (number - 1) if number else 0, "to": 2**number, "requests": many}
        for number, many in enumerate(requests)
    ]
