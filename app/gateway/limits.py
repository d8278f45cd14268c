"""Limits: how much a key may have, and how much of that it has had.

Counted are requests in the last minute, requests under way, and the tokens of a day of
UTC.  Where there is a Redis, all workers and machines count there together; where it
does not answer, and where there is none, those of this machine do
(docs/decisions/0018).  Nothing is loaded, opened or asked before a key has limits.
"""

import time
from collections.abc import Callable, Sequence
from itertools import count
from typing import TYPE_CHECKING

import gevent

from .limits_local import Local
from .room import DAY, Had
from .taken import Taken

if TYPE_CHECKING:
    from .limits_redis import Shared

#: Seconds until what is in memory is written, and how many times as many pass between
#: two signs of life of those who have requests under way.
PERIOD, RENEWAL = 1.0, 5


class Unavailable(Exception):
    """The others cannot be asked at the moment."""


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
        if self._keeping is None:
            self._keeping = gevent.spawn(self._keep)
        if self._url:
            try:
                self._others().enter(taken)
                return
            except Unavailable:
                pass
        self._local.enter(taken)

    def reserve(self, taken: Taken, tokens: int) -> bool:
        """Whether the day has as many tokens left for a request; they are its own then.

        What was reserved before is part of them, unless that was of another day.
        """
        tpd = taken.key.terms.tpd
        if tpd is None:
            return True
        day = int(self._clock()) // DAY
        if taken.day != day:
            taken.day, taken.reserved = day, 0
        more = max(tokens, 1) - taken.reserved
        if more <= 0:
            return True
        if not self._reserve(taken, more, tpd):
            taken.refused, taken.wait = "tokens", self.left_of_day()
            return False
        return True

    def leave(self, taken: Taken, tokens: int) -> None:
        """A request is over, which used so many tokens."""
        running, taken.running = taken.running, False
        more = tokens - taken.reserved if taken.reserved else 0
        if taken.shared and self._shared is not None:
            self._shared.leave(taken, running, more)
            return
        if running or more:
            self._local.leave(taken.key.id, running, taken.day, more)

    def had(self, keys: Sequence[str]) -> dict[str, Had] | None:
        """What keys have had by now, by their ids; ``None`` while nobody knows.

        Nothing is taken, and nobody waits for it.
        """
        if not self._url:
            return self._local.had(keys)
        try:
            return self._others().had(keys)
        except Unavailable:
            return None

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

    def _reserve(self, taken: Taken, more: int, tpd: int) -> bool:
        if taken.shared:
            try:
                return self._others().reserve(taken, more, tpd)
            except Unavailable:
                # All that it has there is given back, and taken here.  What was not
                # answered may have been taken or not: it is not given back.
                self._others().leave(taken, taken.running, -taken.reserved)
                more += taken.reserved
                taken.shared, taken.running, taken.reserved = False, False, 0
        return self._local.reserve(taken, more, tpd)

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
