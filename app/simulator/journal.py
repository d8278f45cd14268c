"""What the simulator was asked and how each exchange ended, for tests to look at."""

import collections
import itertools
import time
from typing import Any

import gevent.event

KEPT = 100
BODY = 64 * 1024


class Entry:
    """One request; ``outcome`` is "open" until the exchange is over."""

    def __init__(self, number: int, method: str, target: str, headers: Any) -> None:
        self.number = number
        self.method = method
        self.target = target
        self.headers = headers
        self.body = bytearray()
        self.started = time.time()
        self.first_line: float | None = None
        self.closed: float | None = None
        self.outcome = "open"

    def shown(self) -> dict[str, Any]:
        """The entry as the log prints it; times are Unix seconds."""
        return {
            "id": self.number,
            "method": self.method,
            "target": self.target,
            "headers": [list(pair) for pair in self.headers],
            "body": bytes(self.body).decode("utf-8", "replace"),
            "started": self.started,
            "first_line": self.first_line,
            "closed": self.closed,
            "outcome": self.outcome,
        }

    def fits(self, query: dict[str, str]) -> bool:
        """Whether method, path, outcome and the least id are as asked for."""
        path = self.target.partition("?")[0]
        return (
            query.get("method", self.method) == self.method
            and query.get("path", path) == path
            and query.get("outcome", self.outcome) == self.outcome
            and int(query.get("after", 0)) < self.number
            and query.get("body", "") in bytes(self.body).decode("utf-8", "replace")
        )


class Journal:
    """The last requests, those being answered, and a bell that rings on changes."""

    def __init__(self) -> None:
        self.entries: collections.deque[Entry] = collections.deque(maxlen=KEPT)
        self.open = 0
        self._numbers = itertools.count(1)
        self._bell = gevent.event.Event()

    def begin(self, method: str, target: str, headers: Any) -> Entry:
        """Note a request whose head has arrived."""
        entry = Entry(next(self._numbers), method, target, headers)
        self.entries.append(entry)
        self.open += 1
        self._ring()
        return entry

    def end(self, entry: Entry, outcome: str) -> None:
        """Note how an exchange ended; only the first word counts."""
        if entry.closed is None:
            entry.closed = time.time()
            entry.outcome = outcome
            self.open -= 1
            self._ring()

    def _ring(self) -> None:
        bell, self._bell = self._bell, gevent.event.Event()
        bell.set()

    def wait(self, query: dict[str, str], timeout: float) -> Entry | None:
        """The newest entry that fits, waiting for one as long as ``timeout``."""
        deadline = time.monotonic() + timeout
        while True:
            bell = self._bell
            for entry in reversed(self.entries):
                if entry.fits(query):
                    return entry
            left = deadline - time.monotonic()
            if left <= 0 or not bell.wait(left):
                return None
