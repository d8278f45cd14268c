"""What is asked of the tables of usage.  Loads SQLAlchemy.

Totals come from the sums, which are kept for longer than rows.  A period begins and
ends with a bucket: minutes for some hours, hours for some days, days for all else.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..moment import now_ms
from .usage_metrics import METRICS, Metric
from .usage_sums import KEPT
from .usage_tables import (
    COUNTS,
    DAY,
    HISTOGRAMS,
    HOUR,
    MAXIMA,
    MINUTE,
    TIMES,
    USAGE_RECORD,
    USAGE_ROLLUP,
)
from .usage_writing import first_id

Period = tuple[int, int]
Filters = Mapping[str, Any]

STEPS = {"minute": MINUTE, "hour": HOUR, "day": DAY}
GROUPS = {"key": "key_id", "model": "model", "endpoint": "endpoint", "status": "status"}
#: Periods, in milliseconds, up to which minutes and hours are added up.
SHORT = {MINUTE: 6 * HOUR, HOUR: 7 * DAY}
#: Points of a series, and groups in it; what is in no such group is ``OTHERS``.
POINTS, MANY = 1500, 20
OTHERS = "*"
#: Rows that are looked at for one page of those that a filter fits.
LOOKED = 10_000
#: The largest count that is told (specification: gateway, section 2).
MOST = 2**53
#: What did as it was asked, or was not wanted any more.
_FINE = ("ok", "cancelled")
_CURSOR = re.compile(r"[0-9a-f]{12,64}")

_R, _U = USAGE_RECORD.c, USAGE_ROLLUP.c
_ROW_FILTERS = {
    "key": _R.key_id,
    "model": _R.resolved_model,
    "endpoint": _R.endpoint,
    "status": _R.status,
    "protocol": _R.protocol,
    "stream": _R.stream,
}
_SUMMED = {
    # SQLite refuses a sum of whole numbers that has more than 64 bits.
    **{n: sa.func.sum(sa.cast(_U[n], sa.Float)) for n in COUNTS},
    **{n: sa.func.sum(_U[n]) for n in (*TIMES, *HISTOGRAMS)},
    **{n: sa.func.max(_U[n]) for n in MAXIMA},
    "errors": sa.func.sum(sa.case((_U.status.in_(_FINE), 0), else_=_U.requests)),
}


def summary(connection: Connection, period: Period, filters: Filters) -> dict[str, Any]:
    """All metrics of a period, and its requests by status."""
    width = _width(period)
    start, end = rounded(period, width)
    by_status = {}
    total: dict[str, Any] = dict.fromkeys(_SUMMED, 0)
    for row in _rows(connection, list(_SUMMED), width, (start, end), filters, "status"):
        by_status[row["status"]] = row["requests"]
        for name in _SUMMED:
            known = total[name], row[name]
            added = max(known) if name in MAXIMA else round(sum(known), 3)
            total[name] = min(added, MOST)
    found = {name: of(total) for name, (_, of) in METRICS.items()}
    return {"from": start, "to": end, **found, "by_status": by_status}


def series(
    connection: Connection,
    metric: str,
    period: Period,
    step: str,
    group: str,
    filters: Filters,
) -> list[dict[str, Any]]:
    """A metric over time, for the largest groups apart."""
    columns, of = _metric(metric)
    width = _known(STEPS, step, "step") if step else _width(period)
    start, end = rounded(period, width)
    if width < DAY and (end - start) // width > POINTS:
        raise ValueError(f"that is more than {POINTS} points: take a longer step")
    largest: list[str] = []
    if group:
        top_ones = top(connection, group, period, "requests", MANY, filters)
        largest = [one[group] for one in top_ones]
    rows = _rows(
        connection, columns, width, (start, end), filters, group, largest, by_time=True
    )
    return [
        {"at": row["bucket_start"]}
        | ({group: row[group]} if group else {})
        | {"value": of(row)}
        for row in rows
    ]


def top(
    connection: Connection,
    by: str,
    period: Period,
    metric: str,
    limit: int,
    filters: Filters,
) -> list[dict[str, Any]]:
    """Those with most of a metric; with it come their requests, errors and tokens."""
    _, of = _metric(metric)
    names = dict.fromkeys(("requests", "errors", "tokens", "gpu_ms", metric))
    columns = list(
        dict.fromkeys(column for name in names for column in METRICS[name][0])
    )
    width = _width(period)
    _known(GROUPS, by, "group")
    rows = _rows(connection, columns, width, rounded(period, width), filters, by)
    rows.sort(key=lambda row: (-(of(row) or 0), row[by]))
    return [
        {by: row[by]} | {name: METRICS[name][1](row) for name in names}
        for row in rows[: min(max(limit, 1), 100)]
    ]


def _rows(
    connection: Connection,
    columns: "list[str] | tuple[str, ...]",
    width: int,
    period: Period,
    filters: Filters,
    group: str = "",
    largest: "list[str] | None" = None,
    *,
    by_time: bool = False,
) -> list[dict[str, Any]]:
    """Sums of a period, by time or a group or both; in the order of time."""
    by: list[sa.ColumnElement[Any]] = [_U.bucket_start] if by_time else []
    if group:
        column: sa.ColumnElement[Any] = _U[_known(GROUPS, group, "group")]
        if largest is not None and len(largest) == MANY:
            column = sa.case((column.in_(largest), column), else_=OTHERS)
        by.append(column.label(group))
    statement = (
        sa.select(*by, *(_SUMMED[name].label(name) for name in columns))
        .where(_U.width == width, _U.grain == _grain({*filters, group}))
        .where(_U.bucket_start >= period[0], _U.bucket_start < period[1])
        .where(*_narrowed(filters))
    )
    if by:
        names = ["bucket_start"] * by_time + [group] * bool(group)
        statement = statement.group_by(*map(sa.text, names)).order_by(
            *map(sa.text, names)
        )
    texts = ("bucket_start", group)
    return [
        {n: v if n in texts else _number(n, v) for n, v in row.items()}
        for row in connection.execute(statement).mappings()
    ]


def _number(name: str, value: Any) -> Any:
    """A sum as Python has it: databases may say Decimal, or nothing.

    What can be no count, which rows of another program may have brought, is the next.
    """
    if name in TIMES:
        return round(float(value or 0), 3)
    return min(max(int(value or 0), 0), MOST)


def _grain(names: Collection[str]) -> str:
    """Which sums tell these apart: the fewest that do."""
    apart = [GROUPS[name] for name in names if name in GROUPS and name != "status"]
    if len(apart) > 1:
        return "each"
    return apart[0] if apart else "none"


def _narrowed(filters: Filters) -> list[sa.ColumnElement[bool]]:
    return [
        _U[_known(GROUPS, name, "filter")] == value for name, value in filters.items()
    ]


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
    end = first_id(period[1])
    before = min(cursor, end) if cursor else end
    inside = [_R.id >= first_id(period[0]), _R.id < before]
    wanted = [
        _known(_ROW_FILTERS, name, "filter") == value for name, value in filters.items()
    ]
    looked = None
    if wanted:
        key = [_R.key_id == filters["key"]] if "key" in filters else []
        looked = _look(connection, [*inside, *key])
        inside.append(_R.id >= looked if looked else sa.true())
    rows = connection.execute(
        sa.select(USAGE_RECORD)
        .where(*inside, *wanted)
        .order_by(_R.id.desc())
        .limit(limit)
    )
    found = [_shown(dict(row)) for row in rows.mappings()]
    if len(found) == limit:
        return found, found[-1]["id"]
    return found, looked or ""


def _look(connection: Connection, where: list[sa.ColumnElement[bool]]) -> str | None:
    """The oldest of those rows that are looked at for a page; None: all are."""
    ids = sa.select(_R.id).where(*where).order_by(_R.id.desc())
    return connection.scalar(ids.offset(LOOKED).limit(1))


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    taken, tokens = row["eval_ms"], row["completion_tokens"]
    speed = round(1000 * tokens / taken, 2) if taken and tokens else None
    return row | {"tokens_per_s": speed}


def _metric(name: str) -> Metric:
    found: Metric = _known(METRICS, name, "metric")
    return found


def _known(names: Mapping[str, Any], name: str, what: str) -> Any:
    if name not in names:
        raise ValueError(f"there is no {what} {name[:64]!r}: {', '.join(names)}")
    return names[name]


def _width(period: Period) -> int:
    """The narrowest sums that are there and are not too many."""
    now = now_ms()
    for width, longest in SHORT.items():
        is_kept = period[0] >= now - KEPT[width] + width
        if period[1] - period[0] <= longest and is_kept:
            return width
    return DAY


def rounded(period: Period, width: int) -> Period:
    """The period as whole buckets have it."""
    return period[0] // width * width, -(-period[1] // width) * width
