"""Aged: an answer that costs a call, and is good for a while."""

import math
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
Clock = Callable[[], float]


class Aged(Generic[T]):
    """An answer that is asked for again when it is too old, by one caller at a time.

    ``ask`` gives ``None`` where nobody can say: what was known before stays.
    """

    def __init__(self, ask: Callable[[], T | None], first: T, clock: Clock) -> None:
        self._ask = ask
        self._value = first
        self._clock = clock
        self._asked = -math.inf
        self._lock = threading.Lock()

    def get(self, age: float) -> T:
        """The answer, at most so many seconds old if it can be had."""
        now = self._clock()
        if now - self._asked >= age:
            with self._lock:
                if now - self._asked >= age:  # nobody did meanwhile
                    answer = self._ask()
                    self._value = self._value if answer is None else answer
                    self._asked = self._clock()
        return self._value

    def forget(self) -> None:
        """Let the next caller ask, however young the answer is."""
        self._asked = -math.inf
