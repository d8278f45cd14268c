"""Ticker: looks in on many things a few times a second, with one timer for all.

A timer of each thing's own would cost as much as what it watches over
(specification: performance, section 4).  The timer is alive only while there is
something to look at; it runs in the event loop itself, where nothing may wait.
"""

import time
from typing import Any, Protocol

import gevent

#: Seconds between two looks: limits hold within as much.
TICK = 0.25


class Ticking(Protocol):
    """What a ticker looks in on."""

    def tick(self, now: float) -> None:
        """Do what is due at ``now`` on the monotonic clock, without waiting."""


class Ticker:
    """Calls ``tick`` of everything in it."""

    def __init__(self, seconds: float = TICK) -> None:
        self._seconds = seconds
        self._all: set[Ticking] = set()
        self._timer: Any = None

    def add(self, one: Ticking) -> None:
        """Look in on it from now on."""
        self._all.add(one)
        if self._timer is None:
            loop = gevent.get_hub().loop
            self._timer = loop.timer(self._seconds, self._seconds)
            self._timer.start(self._tick)

    def discard(self, one: Ticking) -> None:
        """No more; of a thing that is not in it, too."""
        self._all.discard(one)

    def _tick(self) -> None:
        now = time.monotonic()
        for one in tuple(self._all):
            if one in self._all:  # what came before may have ended it
                one.tick(now)
        if not self._all:
            self._timer.close()
            self._timer = None
