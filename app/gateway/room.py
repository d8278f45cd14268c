"""Room: what one key has had of its limits, and the arithmetic on it.

It holds the requests of the last minute by the second, the tokens of a day, and who has
how many requests under way.  The minute is of whole seconds, with the one that has
begun: 60 to 61 seconds, so that never more than its limit fall into any 60.
"""

from struct import Struct as Layout
from typing import NamedTuple

from msgspec import Struct, field

from .taken import Taken

WINDOW = 61
DAY = 86_400
#: Seconds after which a worker that says nothing counts as dead.
LEASE = 20
#: Workers that can have requests of one key under way, each counted for itself.
WORKERS = 16

#: In a file: whose it is, and when it was last in use; then the newest second, the
#: requests of the minute and those of each second, the day with its tokens, the leases.
OWNER = Layout("<16sQ")
_LAYOUT = Layout(f"<QQ{WINDOW}IQq{3 * WORKERS}Q")
SIZE = OWNER.size + _LAYOUT.size


class Had(NamedTuple):
    """What one key has had by now: requests of the minute, under way, tokens today."""

    requests: int
    running: int
    tokens: int


class Room(Struct):
    """What one key has had.

    ``used`` are the requests of the minute that ends with ``second``, ``cells`` those
    of each second, at its number modulo ``WINDOW``.  ``tokens`` are those of ``day``;
    days count from 1970.  ``leases`` are a worker, what it has under way, and until
    when it is believed, again and again.
    """

    second: int = 0
    used: int = 0
    cells: list[int] = field(default_factory=lambda: [0] * WINDOW)
    day: int = 0
    tokens: int = 0
    leases: list[int] = field(default_factory=lambda: [0] * 3 * WORKERS)

    @classmethod
    def of(cls, data: bytes) -> "Room":
        """What a file has; a fresh room where that can be no counts at all."""
        second, used, *cells = _LAYOUT.unpack_from(data, OWNER.size)
        day, tokens, *leases = cells[WINDOW:]
        del cells[WINDOW:]
        if used != sum(cells) or not 0 <= tokens < 2**62:
            return cls()
        return cls(second, used, cells, day, tokens, leases)

    def packed(self) -> bytes:
        """The same for a file, behind the owner."""
        return _LAYOUT.pack(
            *(self.second, self.used, *self.cells, self.day, self.tokens, *self.leases)
        )

    def enter(self, taken: Taken, now: float, others: int, running: int) -> None:
        """Count one request in, if the terms of its key allow it; it is told.

        ``others`` is how many other workers have under way, ``running`` this one.
        """
        terms, second = taken.key.terms, int(now)
        if terms.tpd is not None:
            taken.tokens = self._tokens_at(second)
        rpm, most = terms.rpm, terms.max_concurrent
        if rpm is not None:
            if second != self.second:
                self._turn(second)
            taken.requests, taken.reset = self.used, self.second + WINDOW - now
            if self.used >= rpm:
                self._refuse(taken, now, rpm)
                return
        if most is not None and others + running >= most:
            taken.refused, taken.wait = "concurrent", 1.0
        elif rpm is not None:
            self.cells[self.second % WINDOW] += 1
            self.used = taken.requests = self.used + 1

    def had(self, now: float, running: int) -> Had:
        """What the key has had, with so many requests under way; nothing is changed."""
        second = int(now)
        newest, requests = max(second, self.second), 0
        if abs(second - self.second) < WINDOW:
            counted = range(newest - WINDOW + 1, self.second + 1)
            requests = sum(self.cells[one % WINDOW] for one in counted)
        return Had(requests, running, self._tokens_at(second))

    def _tokens_at(self, second: int) -> int:
        return self.tokens if self.day == second // DAY else 0

    def _turn(self, second: int) -> None:
        """Forget what was a minute before a second."""
        if abs(second - self.second) >= WINDOW:
            self.used, self.cells = 0, [0] * WINDOW
        elif second < self.second:  # the clock was put back a little
            return
        for one in range(self.second + 1, second + 1) if self.used else ():
            self.used -= self.cells[one % WINDOW]
            self.cells[one % WINDOW] = 0
        self.second = second

    def _refuse(self, taken: Taken, now: float, rpm: int) -> None:
        """Say when a request may come in again, and when none counts any more."""
        left = self.used
        taken.refused, taken.wait = "requests", float(WINDOW)
        for second in range(self.second - WINDOW + 1, self.second + 1):
            if count := self.cells[second % WINDOW]:
                taken.reset = second + WINDOW - now
                left -= count
                if left < rpm <= left + count:
                    taken.wait = taken.reset

    def reserve(self, taken: Taken, amount: int, tpd: int) -> bool:
        """Take so many tokens of a day, if that many are left; the request is told.

        Where the next day has begun here they are of that one.
        """
        if taken.day == self.day - 1:
            taken.day = self.day
        used = self.tokens if self.day == taken.day else 0
        if used + amount > tpd:
            taken.tokens = used
            return False
        self.day, self.tokens = taken.day, used + amount
        taken.tokens = used + amount
        taken.reserved += amount
        return True

    def settle(self, day: int, more: int) -> None:
        """Correct what was taken of a day, unless a later one has begun."""
        if self.day == day:
            self.tokens = max(0, self.tokens + more)
        elif self.day < day and more > 0:
            self.day, self.tokens = day, more

    def running_elsewhere(self, worker: int, now: float) -> int:
        """How many requests other workers have under way, as far as these live."""
        leases = self.leases
        return sum(
            leases[at + 1]
            for at in range(0, len(leases), 3)
            if leases[at] != worker and now < leases[at + 2] <= now + 2 * LEASE
        )

    def note_running(self, worker: int, running: int, now: float) -> None:
        """Say how many requests a worker has under way, which is alive now."""
        leases = self.leases
        places = range(0, len(leases), 3)
        free = (at for at in places if leases[at + 2] <= now)
        own = (at for at in places if leases[at] == worker)
        at = next(own, None)
        if at is None:
            at = next(free, places[-1])
        leases[at : at + 3] = [worker, running, int(now) + LEASE if running else 0]
