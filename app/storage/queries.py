"""What is asked of the tables about responses.  Times are in milliseconds here.

``owner`` is who asks: what is another's is not there.
"""

from collections.abc import Collection, Iterator

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from .items import Item, Kept, TooMuch
from .tables import RESPONSE, RESPONSE_BODY, RESPONSE_ITEM

#: Responses, and about how many bytes of them, that one transaction removes: it shall
#: hold nobody up.
FEW, LITTLE = 200, 16 * 1024 * 1024
#: Responses of one conversation, at most; those of more are never all looked at.
DEEPEST = 10_000

_R, _B, _I = RESPONSE.c, RESPONSE_BODY.c, RESPONSE_ITEM.c
_ALIVE = sa.and_(_R.expires_at > sa.bindparam("now"), _R.owner == sa.bindparam("owner"))


def _chain(*alive: sa.ColumnElement[bool]) -> sa.CTE:
    """A response, depth 0, and all before it, up to a bound."""
    first = sa.select(_R.id, _R.previous_id, sa.literal(0).label("depth"))
    chain = first.where(_R.id == sa.bindparam("from_id"), *alive).cte(
        "chain", recursive=True
    )
    before = sa.select(_R.id, _R.previous_id, chain.c.depth + 1).where(
        _R.id == chain.c.previous_id, chain.c.depth < DEEPEST, *alive
    )
    return chain.union_all(before)


_LIVING = _chain(_ALIVE)
_ITS_ITEMS = sa.outerjoin(_LIVING, RESPONSE_ITEM, _I.response_id == _LIVING.c.id)
_CONVERSATION = (
    sa.select(_LIVING.c.previous_id, _I.position, _I.id, _I.body, _I.output)
    .select_from(_ITS_ITEMS)
    .order_by(_LIVING.c.depth.desc(), _I.position)
)
_BYTES = sa.func.coalesce(sa.func.sum(sa.func.length(_I.body)), 0)
_EXTENT = sa.select(
    sa.func.max(_LIVING.c.depth), sa.func.count(_I.position), _BYTES
).select_from(_ITS_ITEMS)
_GET = (
    sa.select(_R.id, _R.previous_id, _R.created_at, _B.body)
    .join(RESPONSE_BODY)
    .where(_R.id == sa.bindparam("wanted"), _ALIVE)
)
_ITEMS = (
    sa.select(_I.id, _I.body, _I.output)
    .join(RESPONSE)
    .where(_R.id == sa.bindparam("wanted"), _ALIVE)
    .order_by(_I.position)
)
_FOUND = (_I.id.in_(sa.bindparam("ids", expanding=True)), _ALIVE)
_FOUND_BYTES = sa.select(_BYTES).join_from(RESPONSE_ITEM, RESPONSE).where(*_FOUND)
_FOUND_ITEMS = sa.select(_I.id, _I.body).join(RESPONSE).where(*_FOUND)
_KNOWN = sa.select(_R.id).where(_R.id == sa.bindparam("wanted"))
_PROLONG = (
    sa.update(RESPONSE)
    .where(_R.id.in_(sa.select(_chain().c.id)), _R.expires_at < sa.bindparam("end"))
    .values(expires_at=sa.bindparam("end"))
)
_DUE = (
    sa.select(_R.id, _R.size)
    .where(_R.expires_at <= sa.bindparam("now"))
    .order_by(_R.expires_at)
    .limit(FEW)
)
_TOTAL = sa.select(sa.func.coalesce(sa.func.sum(_R.size), 0))
_ENDS = (
    sa.select(_R.expires_at, sa.func.sum(_R.size))
    .group_by(_R.expires_at)
    .order_by(_R.expires_at)
)


def keep(
    connection: Connection,
    kept: Kept,
    items: list[Item],
    size: int,
    end: int,
    owner: str,
) -> None:
    """Keep a response that is not there yet, and all before it as long as this one."""
    if connection.scalar(_KNOWN, {"wanted": kept.id}) is not None:
        return
    row = {"previous_id": kept.previous_id, "created_at": kept.created_at}
    row |= {"id": kept.id, "expires_at": end, "size": size, "owner": owner}
    connection.execute(sa.insert(RESPONSE), row)
    body = {"response_id": kept.id, "body": kept.body}
    connection.execute(sa.insert(RESPONSE_BODY), body)
    rows = [
        {
            "response_id": kept.id,
            "position": position,
            "id": item.id,
            "output": item.output,
            "body": item.body,
        }
        for position, item in enumerate(items)
    ]
    if rows:
        connection.execute(sa.insert(RESPONSE_ITEM), rows)
    if kept.previous_id is not None:
        connection.execute(_PROLONG, {"from_id": kept.previous_id, "end": end})


def get(connection: Connection, id: str, now: int, owner: str) -> Kept | None:
    """A response, or ``None``."""
    wanted = {"wanted": id, "now": now, "owner": owner}
    row = connection.execute(_GET, wanted).one_or_none()
    return row and Kept(row.id, row.previous_id, row.created_at, row.body)


def items(connection: Connection, id: str, now: int, owner: str) -> list[Item]:
    """Its items."""
    rows = connection.execute(_ITEMS, {"wanted": id, "now": now, "owner": owner})
    return [Item(row.id, row.body, row.output) for row in rows]


def conversation(
    connection: Connection, id: str, now: int, owner: str, most: int, most_bytes: int
) -> list[Item] | None:
    """The items of a response and of all before it, or ``None`` if one is missing.

    Raises ``TooMuch`` before it has read them.
    """
    wanted = {"from_id": id, "now": now, "owner": owner}
    depth, count, size = connection.execute(_EXTENT, wanted).one()
    if depth == DEEPEST or count > most or size > most_bytes:
        raise TooMuch
    rows = connection.execute(_CONVERSATION, wanted).all()
    if not rows or rows[0].previous_id is not None:
        return None
    # A response without items is a row without one.
    return [
        Item(row.id, row.body, row.output) for row in rows if row.position is not None
    ]


def found(
    connection: Connection, ids: Collection[str], now: int, owner: str, most_bytes: int
) -> dict[str, bytes]:
    """The items that are there, by their ids; raises ``TooMuch`` before reading."""
    wanted = {"ids": list(ids), "now": now, "owner": owner}
    if (connection.scalar(_FOUND_BYTES, wanted) or 0) > most_bytes:
        raise TooMuch
    return {row.id: row.body for row in connection.execute(_FOUND_ITEMS, wanted)}


def delete(connection: Connection, id: str, now: int, owner: str) -> bool:
    """Remove a response; ``False`` if there is none."""
    found = get(connection, id, now, owner) is not None
    connection.execute(sa.delete(RESPONSE).where(_R.id == id, _R.owner == owner))
    return found


def is_long(connection: Connection, end: int) -> bool:
    """Whether anything would be kept for longer than until then."""
    statement = sa.select(_R.id).where(_R.expires_at > end).limit(1)
    return connection.execute(statement).first() is not None


def shorten(connection: Connection, end: int) -> None:
    """Let nothing live longer: the setting may have been another once."""
    statement = sa.update(RESPONSE).where(_R.expires_at > end)
    connection.execute(statement.values(expires_at=end))


def excess(connection: Connection, most: int) -> int:
    """The end of those that have to go when all together have more than ``most`` bytes.

    Then a tenth of it becomes free.  Whole conversations go: no response ends before
    one that follows it.  0 where nothing has to.
    """
    total = connection.scalar(_TOTAL) or 0
    if total <= most:
        return 0
    return next(_ends(connection, total - most * 9 // 10), 0)


def _ends(connection: Connection, surplus: int) -> Iterator[int]:
    for end, size in connection.execute(_ENDS):
        surplus -= size
        if surplus <= 0:
            yield end


def remove(connection: Connection, end: int) -> int:
    """Remove a few of those that end by then; how many there were."""
    ids, room = [], LITTLE
    for id, size in connection.execute(_DUE, {"now": end}):
        ids.append(id)
        room -= size
        if room <= 0:
            break
    if ids:
        connection.execute(sa.delete(RESPONSE).where(_R.id.in_(ids)))
    return len(ids)


def is_due(connection: Connection, end: int) -> bool:
    """Whether there is anything to remove that ends by then."""
    return connection.execute(_DUE.limit(1), {"now": end}).first() is not None


def summary(connection: Connection) -> tuple[int, int]:
    """How many responses there are, and their bytes."""
    count = connection.scalar(sa.select(sa.func.count()).select_from(RESPONSE))
    return count or 0, int(connection.scalar(_TOTAL) or 0)
