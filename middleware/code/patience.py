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
#: Seconds beyond its time after which a text is taken to have fallen silent: one that
#: goes on is ended in peace, by its writer.
GRACE = 2.0


class _Wait(NamedTuple):
    """One wait: when it began, and from when on the model has its time."""

    watch: Watch
    begun: Callable[[], float | None]
    model: str
    started: float
    since: float


class Patience:
    """Ends requests whose text does not begin in time.

    ``first_token`` are the seconds that a loaded model has, ``load`` those that one may
    take which is being loaded, and ``text`` those of a whole text; ``absent`` says
    whether a model is being loaded, and may wait for Ollama.
    """

    def __init__(
        self,
        first_token: float,
        load: float,
        text: float,
        absent: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first_token = first_token
        self._load = load
        self._text = text
        self._absent = absent
        self._clock = clock

    def begin(
        self, watch: Watch, begun: Callable[[], float | None], model: str
    ) -> None:
        """Wait from now on; ``begun`` says when the text has begun, if it has."""
        now = self._clock()
        self._wait(_Wait(watch, begun, model, now, now))

    def _wait(self, wait: _Wait) -> None:
        """Look again soon, and at the latest when it is late."""
        left = wait.since + self._first_token - self._clock()
        wait.watch.after(min(LOOK, left), partial(self._look, wait))

    def _look(self, wait: _Wait) -> None:
        loading = wait.begun() is None and self._absent(wait.model)
        now = self._clock()
        if (at := wait.begun()) is not None:  # or has while Ollama was asked
            left = at + self._text + GRACE - now
            wait.watch.after(max(left, 0), partial(wait.watch.end_with, _silent()))
        elif loading and now - wait.started < self._load:
            # It may be loaded at any moment before the next look.
            self._wait(wait._replace(since=now + LOOK))
        elif not loading and now - wait.since < self._first_token:
            self._wait(wait)
        else:
            wait.watch.end_with(self._late())

    def _late(self) -> UpstreamTimeout:
        return UpstreamTimeout(
            "The model did not begin its text within"
            f" {self._first_token:g} seconds (PANNIER_CODE_FIRST_TOKEN_TIMEOUT).",
            headers=[("x-should-retry", "false")],  # who types asks anew anyway
        )


def _silent() -> UpstreamTimeout:
    return UpstreamTimeout("The model fell silent in its text (PANNIER_CODE_TIMEOUT).")
