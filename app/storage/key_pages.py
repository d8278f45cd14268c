"""Pages of keys in an order that somebody wants.  Loads SQLAlchemy."""

from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from ..gateway.keys import Key, Moment
from . import storable
from .keys import ALL, read_key
from .tables import API_KEY
from .usage_tables import DAY, USAGE_ROLLUP

Order = Literal["name", "last_used", "requests"]
State = Literal["active", "disabled", "expired", "revoked"]

_K, _U = API_KEY.c, USAGE_ROLLUP.c


class Wanted(NamedTuple):
    """Which keys: at most so many that come after a cursor and have a part in theirs.

    ``part`` is of names as ``name_key`` has them.  Those used last come first, and so
    do those with most requests ``since`` then.  ``now`` decides what has expired.
    """

    most: int
    now: Moment
    after: str = ""
    part: str = ""
    state: State | None = None
    order: Order = "name"
    since: Moment = 0


def key_page(connection: Connection, wanted: Wanted) -> tuple[list[Key], str]:
    """A page of keys, and the cursor of the next; empty at the end.

    Raises ``ValueError`` for a cursor of another order.
    """
    storable.row({"cursor": wanted.after, "q": wanted.part})
    # Databases differ in how they sort, but for the order of characters' numbers.
    collation = "C" if connection.dialect.name == "postgresql" else "BINARY"
    name = sa.collate(_K.name_key, collation)
    found = ALL.add_columns(_K.name_key).where(
        _K.name_key.contains(wanted.part, autoescape=True)
    )
    if wanted.state is not None:
        found = found.where(*_is(wanted.state, wanted.now))
    if wanted.order == "name":
        found = found.add_columns(sa.literal(0)).where(name > wanted.after)
        found = found.order_by(name)
    else:
        found = _ranked(found, wanted, name)
    rows = connection.execute(found.limit(wanted.most + 1)).all()
    cursor = ""
    if len(rows) > wanted.most:
        rows = rows[: wanted.most]
        cursor = rows[-1].name_key
        if wanted.order != "name":
            cursor = f"{rows[-1][-1]}:{cursor}"
    return [read_key(row[:-2], {}, []) for row in rows], cursor


def _ranked(
    found: sa.Select[Any], wanted: Wanted, name: sa.ColumnElement[str]
) -> sa.Select[Any]:
    """Those with the largest value first, and of one value by name."""
    value: sa.ColumnElement[int] = sa.func.coalesce(_K.last_used_at, 0)
    if wanted.order == "requests":
        many = _requests(wanted.since)
        value = sa.func.coalesce(many.c.many, 0)
        found = found.outerjoin(many, many.c.key_id == _K.id)
    if wanted.after:
        reached, _, last = wanted.after.partition(":")
        if not (reached.isascii() and reached.isdigit() and len(reached) < 19):
            raise ValueError("that cursor is of another order")
        same = sa.and_(value == int(reached), name > last)
        found = found.where(sa.or_(value < int(reached), same))
    return found.add_columns(value).order_by(value.desc(), name)


def _requests(since: Moment) -> sa.Subquery:
    """How many requests keys had since then, a day (UTC)."""
    many = sa.cast(sa.func.sum(_U.requests), sa.BigInteger).label("many")
    return (
        sa.select(_U.key_id, many)
        .where(_U.width == DAY, _U.grain == "key_id", _U.bucket_start >= since)
        .group_by(_U.key_id)
        .subquery()
    )


def good_ids(connection: Connection, now: Moment, most: int) -> list[str]:
    """The ids of at most so many keys that are good."""
    found = sa.select(_K.id).where(*_is("active", now)).limit(most)
    return list(connection.scalars(found))


def _is(state: State, now: Moment) -> list[sa.ColumnElement[bool]]:
    """What makes a key be in a state, as ``views.state`` has it."""
    revoked = _K.revoked_at.is_not(None)
    expired = sa.func.coalesce(_K.expires_at, now + 1) <= now
    if state == "revoked":
        return [revoked]
    if state == "expired":
        return [~revoked, expired]
    enabled = _K.enabled if state == "active" else ~_K.enabled
    return [~revoked, ~expired, enabled]
