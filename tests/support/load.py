"""Clients that ask one after the other, all the while a test does something else."""

import http.client
import threading
import time
from collections.abc import Callable
from typing import Self

from .leaving import eventually
from .raw import Got
from .server import PATIENCE


class Load:
    """So ``many`` clients that call ``ask`` again and again, until it is over.

    ``done`` has when each request was answered well, by its id, as the monotonic clock
    has it; ``statuses`` has all statuses, ``broken`` how many had no answer.
    ``slowest`` is the longest wait for an answer, in seconds.
    """

    def __init__(self, ask: Callable[[], Got], many: int = 4) -> None:
        self._ask = ask
        self.done: dict[str, float] = {}
        self.statuses: list[int] = []
        self.broken = 0
        self.slowest = 0.0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(many)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._one()
            except (OSError, http.client.HTTPException):
                self.broken += 1

    def _one(self) -> None:
        begun = time.monotonic()
        got = self._ask()
        now = time.monotonic()
        self.statuses.append(got.status)
        if got.status == 200:
            self.slowest = max(self.slowest, now - begun)
            self.done[str(got.header("x-request-id"))] = now

    def more(self, many: int) -> None:
        """Wait until so many more are answered well."""
        enough = len(self.done) + many
        eventually(lambda: len(self.done) >= enough)

    def go_on(self, seconds: float) -> None:
        """Have answers for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.more(10)
