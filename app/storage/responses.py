"""Responses: what /v1/responses keeps, for as long as the settings say.

A response is kept with the items that its request added and those of its answer.  With
the responses before it (``previous_id``) they are a conversation.  Conversations live
as long as their newest response: each moves the end of all before it to its own.  They
belong to the key that made them (``owner``, its id, or empty where none was needed):
for all others they are not there.
"""

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from gevent.lock import Semaphore

from ..errors import GatewayError
from .items import Item, Kept
from .writing import Run, write

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from .database import Database

#: Seconds between two looks for what is to be removed.
PERIOD = 60.0
#: That look comes early when a part of what may be kept was written: so many parts are
#: the whole.
PARTS = 32
#: What a row has beside its bodies, about.
_ROW = 256
#: No id of ours is longer, or has anything else than letters, digits and signs.
_LONGEST = 255


class Responses:
    """Keeps responses and finds them again; each call waits for the database.

    Each raises ``GatewayError`` (503, ``storage_unavailable``) where that cannot be
    used.  ``ttl`` is in seconds, and ``clock`` says the Unix time.
    """

    def __init__(
        self, run: Run, ttl: float, max_bytes: int, clock: Callable[[], float]
    ) -> None:
        self._run = run
        self._ttl = ttl
        self._max_bytes = max_bytes
        self._clock = clock
        self._written = 0
        self._much = Event()
        self._turn = Semaphore()
        self._tidying: gevent.Greenlet | None = None

    def keep(
        self,
        id: str,
        previous_id: str | None,
        body: bytes,
        items: list[Item],
        created_at: int,
        owner: str = "",
    ) -> bool:
        """Keep a response; again is the same as once.

        ``False`` says that it is too large to be kept: more than a tenth of all that
        may be.  Items are kept with whatever id they have, but found by a sound one
        alone.  What raises is not kept, not later either.
        """
        items = [item if _may_be(item.id) else _nameless(item) for item in items]
        size = _ROW + len(body) + sum(_ROW + len(item.body) for item in items)
        if size > self._max_bytes // 10:
            return False
        kept = Kept(id, previous_id, created_at, body)

        def keeping(connection: "Connection") -> None:
            from .queries import keep

            keep(connection, kept, items, size, self._end(), owner)

        write(self._run, keeping)
        self._note_written(size)
        return True

    def get(self, id: str, owner: str = "") -> Kept | None:
        """A response, or ``None``."""

        def job(database: "Database") -> Kept | None:
            from .queries import get

            with database.reading() as connection:
                return get(connection, id, self._now(), owner)

        return self._run(job) if _may_be(id) else None

    def items(self, id: str, owner: str = "", *, output: bool = True) -> list[Item]:
        """The items of a response in their order, without those before it.

        ``output=False`` leaves its answer's out.  None where there is no response.
        """

        def job(database: "Database") -> list[Item]:
            from .queries import items

            with database.reading() as connection:
                return items(connection, id, self._now(), owner)

        found = self._run(job) if _may_be(id) else []
        return [item for item in found if output or not item.output]

    def conversation(
        self, id: str, most: int, most_bytes: int, owner: str = ""
    ) -> list[Item] | None:
        """All items from the first response to this one, oldest first.

        ``None`` if this one or any before it is unknown, deleted or expired.  Raises
        ``TooMuch`` for more than ``most`` items, or so many bytes of them, at little
        cost.
        """

        def job(database: "Database") -> list[Item] | None:
            from .queries import conversation

            with database.reading() as connection:
                now = self._now()
                return conversation(connection, id, now, owner, most, most_bytes)

        return self._run(job) if _may_be(id) else None

    def found(
        self, ids: Collection[str], most_bytes: int, owner: str = ""
    ) -> dict[str, bytes]:
        """The JSON of those items of these ids that are there, in one look.

        Raises ``TooMuch`` where they have more bytes.  Who keeps items sees to it that
        no two have the same id: which of them is found is left open.
        """
        ids = [id for id in ids if _may_be(id)]

        def job(database: "Database") -> dict[str, bytes]:
            from .queries import found

            with database.reading() as connection:
                return found(connection, ids, self._now(), owner, most_bytes)

        return self._run(job) if ids else {}

    def delete(self, id: str, owner: str = "") -> bool:
        """Remove a response and its items; ``False`` if there is none.

        What raises removes nothing, not later either.
        """

        def deleting(connection: "Connection") -> bool:
            from .queries import delete

            return delete(connection, id, self._now(), owner)

        return _may_be(id) and write(self._run, deleting)

    def tidy(self) -> None:
        """Remove what is over, and what is too much; a little at a time.

        Whoever asks for something else meanwhile comes in between.
        """
        with self._turn:
            self._tidy()

    def _tidy(self) -> None:
        written, self._written = self._written, 0
        end = self._run(lambda database: self._removable(database, bool(written)))
        while self._run(lambda database: _removed(database, end)):
            pass

    def close(self) -> None:
        """Look for nothing more to remove."""
        if self._tidying is not None:
            self._tidying.kill()
            self._tidying = None

    def _now(self) -> int:
        return int(self._clock() * 1000)

    def _end(self) -> int:
        return int((self._clock() + self._ttl) * 1000)

    def _note_written(self, size: int) -> None:
        self._written += size
        if self._written > self._max_bytes // PARTS:
            self._much.set()
        if self._tidying is None:
            self._tidying = gevent.spawn(self._tidy_always)

    def _tidy_always(self) -> None:
        while True:
            try:
                self.tidy()
            except GatewayError as error:
                log = logging.getLogger("pannier")
                log.warning("Old responses were not removed: %s", error.detail)
            self._much.clear()
            self._much.wait(PERIOD)

    def _removable(self, database: "Database", has_written: bool) -> int:
        """The time up to which everything goes."""
        from .queries import excess, is_long, shorten

        with database.reading() as connection:
            too_long = is_long(connection, self._end())
            surplus = excess(connection, self._max_bytes) if has_written else 0
        if too_long:
            with database.writing() as connection:
                shorten(connection, self._end())
        return max(surplus, self._now())


def _removed(database: "Database", end: int) -> int:
    from .queries import is_due, remove

    with database.reading() as connection:  # hardly ever, and reading waits for nobody
        if not is_due(connection, end):
            return 0
    with database.writing() as connection:
        return remove(connection, end)


def _nameless(item: Item) -> Item:
    return Item("", item.body, item.output)


def _may_be(id: str) -> bool:
    """Whether it can be an id at all: PostgreSQL refuses what none can be."""
    return 0 < len(id) <= _LONGEST and id.isprintable()
