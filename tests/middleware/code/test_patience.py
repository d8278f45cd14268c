"""How long is waited for a first token: of a loaded model, and of one that loads."""

import math
from collections.abc import Callable
from typing import Any

import pytest

from app.errors import GatewayError
from middleware.code.patience import LOOK, Patience

FIRST, LOAD = 10.0, 120.0


class Waiting:
    """A request in a time that the test makes; ``tick`` is how late alarms are."""

    def __init__(
        self, loaded: float, begins: float = 1e9, tick: float = 0.0, asking: float = 0.0
    ) -> None:
        self.now = 1000.0
        self.alarm: tuple[float, Callable[[], object]] | None = None
        self.error: GatewayError | None = None
        self.asked = 0
        self._loaded, self._begins = 1000 + loaded, 1000 + begins
        self._tick, self._asking = tick, asking
        watch: Any = self
        patience = Patience(FIRST, LOAD, 30.0, self.absent, lambda: self.now)
        patience.begin(watch, self.begun, "m")
        while self.alarm is not None:
            (at, act), self.alarm = self.alarm, None
            self.now = at + tick
            act()

    def begun(self) -> float | None:
        """When the text began, which then goes on without an end."""
        return math.inf if self.now >= self._begins else None

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """As a watch does it."""
        if seconds == math.inf:
            return
        assert 0 < seconds <= LOOK
        self.alarm = (self.now + seconds, act)

    def end_with(self, error: GatewayError) -> None:
        """As a watch does it."""
        self.error = error

    def absent(self, model: str) -> bool:
        """Whether the model is still being loaded; to ask may take a while."""
        assert model == "m"
        self.asked += 1
        found = self.now < self._loaded
        self.now += self._asking
        return found

    @property
    def ended(self) -> float | None:
        """After how many seconds it was given up, if it was."""
        return None if self.error is None else self.now - 1000


@pytest.mark.parametrize("tick", [0.0, 0.25])
@pytest.mark.parametrize(
    ("loaded", "begins", "ended"),
    [
        (-1, 9.9, None),
        (-1, 1e9, FIRST),
        (9.9, 10.2, None),  # in memory just before the limit
        (9.9, 19.9, None),
        (50, 59.5, None),
        (50, 1e9, 50 + FIRST),
        (119, 1e9, 119 + FIRST),
        (1e9, 1e9, LOAD),
        (1e9, 119.9, None),
    ],
)
def test_waits(loaded: float, begins: float, ended: float | None, tick: float) -> None:
    """A loaded model has its time from when it was loaded, a loading one its own."""
    waiting = Waiting(loaded, begins, tick)
    if ended is None:
        assert waiting.error is None
    else:
        assert waiting.ended is not None
        assert ended <= waiting.ended <= ended + LOOK + 2 * tick
        assert waiting.error is not None
        assert (waiting.error.status, waiting.error.code) == (504, "upstream_timeout")


def test_never_too_early() -> None:
    """A loaded model has all of its time, to the moment."""
    assert Waiting(-1).ended == FIRST


def test_nobody_is_asked_for_what_is_quick() -> None:
    """Of a text that begins soon nobody asks whether its model is loaded."""
    assert Waiting(-1, 0.9).asked == 0


def test_begun_while_asking() -> None:
    """A text that begins while Ollama is asked is not given up."""
    assert Waiting(-1, FIRST + 0.3, tick=0.25, asking=0.1).error is None
