"""What is asked of the sums of usage.  Loads SQLAlchemy.

They are kept for longer than rows.  A period begins and ends with one of them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from .usage_metrics import METRICS
from .usage_periods import STEPS, Period, rounded, width_of
from .usage_tables import (
    BOUNDS,
    CLASSED,
    COUNTS,
    DAY,
    HISTOGRAMS,
    MAXIMA,
    TIMES,
    USAGE_ROLLUP,
)

Filters = Mapping[str, Any]

GROUPS = {"key": "key_id", "model": "model", "endpoint": "endpoint", "status": "status"}
#: Points of a series: the hours of 90 days; fewer for each of several groups.
POINTS, APART = 2500, 1500
#: Groups of a series; what is in no such group is ``OTHERS``.
MANY, OTHERS = 20, "*"
#: The largest count that is told (specification: gateway, section 2).
MOST = 2**53
#: What did as it was asked, or was not wanted any more.
FINE = ("ok", "cancelled")

_U = USAGE_ROLLUP.c
_SUMMED = {
    # SQLite refuses a sum of whole numbers that has more than 64 bits.
    **{n: sa.func.sum(sa.cast(_U[n], sa.Float)) for n in COUNTS},
    **{n: sa.func.sum(_U[n]) for n in (*TIMES, *HISTOGRAMS)},
    **{n: sa.func.max(_U[n]) for n in MAXIMA},
    "errors": sa.func.sum(sa.case((_U.status.in_(FINE), 0), else_=_U.requests)),
}
#: When the last sum begins in which there is something.
_LAST = "last"


def summary(
    connection: Connection, period: Period, filters: Filters, before: bool
) -> dict[str, Any]:
    """All metrics of a period, its requests by status; of that ``before`` it, too."""
    width = width_of(period, 2 if before else 1)
    start, end = rounded(period, width)
    found = _summary(connection, width, (start, end), filters)
    if before:
        earlier = (2 * start - end, start)
        found["before"] = _summary(connection, width, earlier, filters)
    return found


def _summary(
    connection: Connection, width: int, period: Period, filters: Filters
) -> dict[str, Any]:
    by_status = {}
    total: dict[str, Any] = dict.fromkeys(_SUMMED, 0)
    for row in _rows(connection, list(_SUMMED), width, period, filters, "status"):
        by_status[row["status"]] = row["requests"]
        for name in _SUMMED:
            known = total[name], row[name]
            added = max(known) if name in MAXIMA else round(sum(known), 3)
            total[name] = min(added, MOST)
    found = {name: of(total) for name, (_, of) in METRICS.items()}
    return {"from": period[0], "to": period[1], **found, "by_status": by_status}


def series(
    connection: Connection,
    metrics: str | Sequence[str],
    period: Period,
    step: str,
    group: str,
    filters: Filters,
) -> list[dict[str, Any]]:
    """Metrics over time, for the largest groups apart."""
    names = [metrics] if isinstance(metrics, str) else metrics
    made = {name: known(METRICS, name, "metric")[1] for name in names}
    width = known(STEPS, step, "step") if step else width_of(period)
    start, end = rounded(period, width)
    most = APART if group else POINTS
    if width < DAY and (end - start) // width > most:
        raise ValueError(f"that is more than {most} points: take a longer step")
    largest: list[str] = []
    if group:
        top_ones = top(connection, group, period, "requests", MANY, filters)
        largest = [one[group] for one in top_ones]
    columns = _columns(names)
    rows = _rows(
        connection, columns, width, (start, end), filters, group, largest, by_time=True
    )
    if isinstance(metrics, str):
        made = {"value": made[metrics]}
    return [
        {"at": row["bucket_start"]}
        | ({group: row[group]} if group else {})
        | {name: of(row) for name, of in made.items()}
        for row in rows
    ]


def distribution(
    connection: Connection, of: str, period: Period, filters: Filters
) -> list[dict[str, Any]]:
    """How many requests took how long, by the classes of sums; the last has no end."""
    if of not in CLASSED:
        raise ValueError(f"there is no distribution of {of[:64]!r}")
    names = [f"{of}_{number}" for number in range(len(BOUNDS) + 1)]
    width = width_of(period)
    (row,) = _rows(connection, names, width, rounded(period, width), filters)
    edges = zip((0, *BOUNDS), (*BOUNDS, None), names, strict=True)
    return [
        {"from_ms": above, "to_ms": up_to, "requests": row[name]}
        for above, up_to, name in edges
    ]


def by_day(
    connection: Connection, ids: Collection[str], period: Period
) -> dict[str, dict[int, int]]:
    """Requests of these keys by the beginning of the day (UTC)."""
    start, end = rounded(period, DAY)
    requests = _SUMMED["requests"].label("requests")
    rows = connection.execute(
        sa.select(_U.key_id, _U.bucket_start, requests)
        .where(_U.width == DAY, _U.grain == "key_id", _U.key_id.in_(ids))
        .where(_U.bucket_start >= start, _U.bucket_start < end)
        .group_by(_U.key_id, _U.bucket_start)
    )
    found: dict[str, dict[int, int]] = {}
    for id, at, many in rows:
        found.setdefault(id, {})[at] = _number("requests", many)
    return found


def top(
    connection: Connection,
    by: str,
    period: Period,
    metric: str,
    limit: int,
    filters: Filters,
) -> list[dict[str, Any]]:
    """Those with most of a metric; with it come their requests, errors and tokens.

    ``last`` is when the last minute, hour or day began in which there were any.
    """
    _, of = known(METRICS, metric, "metric")
    names = dict.fromkeys(("requests", "errors", "tokens", "gpu_ms", metric))
    width = width_of(period)
    known(GROUPS, by, "group")
    columns = [*_columns(names), _LAST]
    rows = _rows(connection, columns, width, rounded(period, width), filters, by)
    rows.sort(key=lambda row: (-(of(row) or 0), row[by]))
    return [
        {by: row[by], _LAST: row[_LAST]}
        | {name: METRICS[name][1](row) for name in names}
        for row in rows[: min(max(limit, 1), 100)]
    ]


def _columns(metrics: Iterable[str]) -> list[str]:
    """What is to be added up for these metrics, each once."""
    found = (column for name in metrics for column in METRICS[name][0])
    return list(dict.fromkeys(found))


def _rows(
    connection: Connection,
    columns: list[str],
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
        column: sa.ColumnElement[Any] = _U[known(GROUPS, group, "group")]
        if largest is not None and len(largest) == MANY:
            column = sa.case((column.in_(largest), column), else_=OTHERS)
        by.append(column.label(group))
    statement = (
        sa.select(*by, *(_sum(name).label(name) for name in columns))
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


def _sum(name: str) -> sa.ColumnElement[Any]:
    return sa.func.max(_U.bucket_start) if name == _LAST else _SUMMED[name]


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
        _U[known(GROUPS, name, "filter")] == value for name, value in filters.items()
    ]


def known(names: Mapping[str, Any], name: str, what: str) -> Any:
    """What is of that name; raises ``ValueError``."""
    if name not in names:
        raise ValueError(f"there is no {what} {name[:64]!r}: {', '.join(names)}")
    return names[name]
