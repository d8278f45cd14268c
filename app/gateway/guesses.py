"""Guesses: wrong keys, counted by the address that they came from.

Nobody finds a key by trying; whoever tries all the same shall not cost much, nor keep
others out (specification: reliability, K7; gateway, section 3).
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

#: Wrong keys of one address that are nothing but wrong, in so many seconds.
ALLOWED, PERIOD = 30, 60.0
#: Addresses that are remembered; the longest known ones give way.
MOST = 10_000


class Guesses:
    """How many there were; ``clock`` gives seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        #: When a period began, and how many there were in it; the oldest come first.
        self._periods: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._periods)

    def count(self, address: str) -> int:
        """Count one; seconds after which the next may come, 0 for at once."""
        now = self._clock()
        began, many = self._periods.get(address, (now, 0))
        if many == 0 or now - began >= PERIOD:
            began, many = now, 0
            self._begin(address)
        self._periods[address] = (began, many + 1)
        return 0 if many < ALLOWED else math.ceil(began + PERIOD - now)

    def _begin(self, address: str) -> None:
        self._periods.pop(address, None)
        if len(self._periods) >= MOST:
            self._periods.popitem(last=False)
