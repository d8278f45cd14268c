"""Which rows of usage were counted before.  Loads SQLAlchemy.

A row that is kept is known by its id.  Rows go after some days, and their sums stay: of
an older one only these tell that it, or others of its day and kind, were there.
"""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..gateway.usage import BATCH, Row
from .usage_sums import model_of, storable
from .usage_tables import DAY, USAGE_RECORD, USAGE_ROLLUP

_R, _U = USAGE_RECORD.c, USAGE_ROLLUP.c
_IDS = sa.select(_R.id).where(_R.id.in_(sa.bindparam("ids", expanding=True)))
_DAYS = sa.select(_U.bucket_start, _U.key_id, _U.model, _U.endpoint, _U.status).where(
    _U.width == DAY,
    _U.grain == "each",
    _U.bucket_start.in_(sa.bindparam("days", expanding=True)),
)


def new(connection: Connection, rows: Sequence[Row], before: int) -> list[Row]:
    """Those that were never counted; of times ``before`` then no row is kept."""
    there = _kept(connection, [row.id for row in rows])
    left = [row for row in rows if row.id not in there]
    counted = _counted(connection, {_day(row) for row in left if row.at < before})
    return [row for row in left if row.at >= before or _kind(row) not in counted]


def _kept(connection: Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), BATCH):
        found.update(connection.scalars(_IDS, {"ids": ids[start : start + BATCH]}))
    return found


def _counted(connection: Connection, days: Iterable[int]) -> set[tuple[object, ...]]:
    found: set[tuple[object, ...]] = set()
    ordered = sorted(days)
    for start in range(0, len(ordered), BATCH):
        some = {"days": ordered[start : start + BATCH]}
        found.update(tuple(row) for row in connection.execute(_DAYS, some))
    return found


def _kind(row: Row) -> tuple[object, ...]:
    """What a row shares with those that are of one sum of its day."""
    model = storable(model_of(row))
    return _day(row), row.key_id, model, row.endpoint, row.status


def _day(row: Row) -> int:
    return row.at // DAY * DAY
