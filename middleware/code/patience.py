"""Patience: how long a text may keep its reader waiting before it begins.

A completion is worth nothing after some seconds, but a model that is being loaded needs
its time, and who waits for that has waited for those who come after, too
(specification: code completion, section 6).
"""

import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from app.errors import UpstreamTimeout
from app.inflight import Watch

#: Seconds between two looks at whether a model that says nothing is being loaded.
LOOK = 1.0


class _Wait(NamedTuple):
    """One wait: when it began, and from when on the model has its time."""

    watch: Watch
    begun: Callable[[], bool]
    model: str
    started: float
    since: float


class Patience:
    """Ends requests whose text does not begin in time.

    ``first_token`` are the seconds that a loaded model has, ``load`` those that one may
    take which is being loaded; ``absent`` says whether it is, and may wait for Ollama.
    """

    def __init__(
        self,
        first_token: float,
        load: float,
        absent: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first_token = first_token
        self._load = load
        self._absent = absent
        self._clock = clock

    def begin(self, watch: Watch, begun: Callable[[], bool], model: str) -> None:
        """Wait from now on; ``begun`` says whether the text has begun."""
        now = self._clock()
        self._wait(_Wait(watch, begun, model, now, now))

    def _wait(self, wait: _Wait) -> None:
        """Look again soon, and at the latest when it is late."""
        left = wait.since + self._first_token - self._clock()
        wait.watch.after(min(LOOK, left), partial(self._look, wait))

    def _look(self, wait: _Wait) -> None:
        if wait.begun():
            return
        loading, now = self._absent(wait.model), self._clock()
        if wait.begun():  # while Ollama was asked
            return
        if loading and now - wait.started < self._load:
            # It may be loaded at any moment before the next look.
            self._wait(wait._replace(since=now + LOOK))
        elif not loading and now - wait.since < self._first_token:
            self._wait(wait)
        else:
            wait.watch.end_with(
                UpstreamTimeout("The model did not begin its text within the time.")
            )
