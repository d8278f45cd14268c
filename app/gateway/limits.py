"""Limits: how much a key may have, and how much of that it has had.

Counted are requests in the last minute, requests under way, and the tokens of a day of
UTC.  Where there is a Redis, all workers and machines count there together; where it
does not answer, and where there is none, those of this machine do
(docs/decisions/0018).  Nothing is loaded, opened or asked before a key has limits.
"""

import time
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, Any

import gevent
from msgspec import Struct

from ..ids import new_id
from .keys import Key, Terms
from .limits_counts import DAY, Entered, Reserved
from .limits_local import Local

if TYPE_CHECKING:
    from .limits_redis import Shared

#: Seconds until what is in memory is written, and how many times as many pass between
#: two signs of life of those who have requests under way.
PERIOD, RENEWAL = 1.0, 5


class Unavailable(Exception):
    """The others cannot be asked at the moment."""


class Taken(Struct):
    """What one request has taken of its key's limits.

    ``ticket`` tells the request from all others in Redis.  ``refused`` is the limit
    that does not let it through, if one does: ``requests``, ``concurrent`` or
    ``tokens``; ``wait`` is the seconds until a request may go through again.
    ``requests`` are those of the minute, ``reset`` the seconds until none is counted
    any more; ``tokens`` are those of the day, with the ``reserved`` ones of this
    request; of these ``prompt`` are for what it asks and ``answer`` for what each of
    its calls may answer.  ``several`` takes what several calls need, where tokens are
    limited.  ``asked`` says that Ollama has been asked.
    """

    key: Key
    ticket: str = ""
    refused: str = ""
    wait: float = 0.0
    requests: int = 0
    reset: float = 0.0
    tokens: int = 0
    day: int = 0
    prompt: int = 0
    reserved: int = 0
    answer: int = 0
    several: Callable[["Taken", list[Any]], None] | None = None
    asked: bool = False
    running: bool = False
    shared: bool = False

    @property
    def terms(self) -> Terms:
        """What the key grants."""
        return self.key.terms


class Limits:
    """Counts for all keys.

    ``url`` names a Redis to count in, or is empty; ``directory`` is where the workers
    of this machine count together, or one that is ``alone`` keeps what it counted;
    empty for neither.  ``clock`` is Unix time.
    """

    def __init__(
        self,
        url: str = "",
        directory: str = "",
        clock: Callable[[], float] = time.time,
        *,
        alone: bool = False,
    ) -> None:
        self._url = url
        self._clock = clock
        self._local = Local(directory, clock, alone)
        self._shared: Shared | None = None
        self._keeping: gevent.Greenlet | None = None

    def enter(self, taken: Taken) -> None:
        """Count a request in, if its limits allow it; ``taken`` says whether.

        Whatever becomes of that, and be it interrupted: ``leave`` when it is over.
        """
        terms = taken.terms
        taken.running = terms.max_concurrent is not None
        entered = self._entered(taken)
        taken.refused, taken.wait = entered.refused, entered.wait
        taken.requests, taken.reset = entered.requests, entered.reset
        taken.tokens = entered.tokens
        if entered.refused:
            taken.running = False

    def reserve(self, taken: Taken, tokens: int) -> bool:
        """Whether the day has as many tokens left for a request; they are its own then.

        What was reserved before is part of them.
        """
        tpd = taken.terms.tpd
        more = max(tokens, 1) - taken.reserved
        if tpd is None or more <= 0:
            return True
        taken.day = taken.day or int(self._clock()) // DAY
        found = self._reserved(taken, more, tpd)
        taken.tokens = found.tokens
        if not found.granted:
            taken.reserved -= more
            taken.refused, taken.wait = "tokens", self.left_of_day()
        return found.granted

    def leave(self, taken: Taken, tokens: int) -> None:
        """A request is over, which used so many tokens."""
        running, taken.running = taken.running, False
        more = tokens - taken.reserved if taken.reserved else 0
        if taken.shared and self._shared is not None:
            self._shared.leave(taken, running, more)
            return
        if running or more:
            self._local.leave(taken.key.id, running, taken.day, more)

    def left_of_day(self) -> float:
        """Seconds until tomorrow begins in UTC."""
        return DAY - self._clock() % DAY

    def now(self) -> float:
        """Unix time."""
        return self._clock()

    def close(self) -> None:
        """Let go of what is open."""
        if self._keeping is not None:
            self._keeping.kill()
            self._keeping = None
        if self._shared is not None:
            self._shared.close()
        self._local.close()

    def _entered(self, taken: Taken) -> Entered:
        if self._keeping is None:
            self._keeping = gevent.spawn(self._keep)
        if self._url:
            try:
                taken.shared = True
                taken.ticket = taken.ticket or new_id("")
                return self._others().enter(taken)
            except Unavailable:
                taken.shared = False
        # Who is interrupted before has nothing to give back.
        running, taken.running = taken.running, False
        entered = self._local.enter(taken.key.id, taken.terms)
        taken.running = running
        return entered

    def _reserved(self, taken: Taken, more: int, tpd: int) -> Reserved:
        taken.reserved += more  # already: an interrupted request gives it back
        if taken.shared:
            try:
                return self._others().reserve(taken, more, tpd)
            except Unavailable:
                # All that it has there is given back, and taken here.
                self._others().leave(taken, taken.running, -taken.reserved)
                taken.shared = taken.running = False
                more = taken.reserved
        taken.reserved -= more  # the other way round: nothing is taken before
        found = self._local.reserve(taken.key.id, more, tpd, taken.day)
        taken.reserved += more
        return found

    def _others(self) -> "Shared":
        if self._shared is None:
            from .limits_redis import Shared

            self._shared = Shared(self._url)
        return self._shared

    def _keep(self) -> None:
        """Write what was counted; others may take for dead who says nothing."""
        for second in count(1):
            gevent.sleep(PERIOD)
            self._local.write()
            if second % RENEWAL == 0:
                self._local.renew()
                if self._shared is not None:
                    self._shared.renew()
