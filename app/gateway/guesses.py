"""Guesses: wrong keys, counted by the address that they came from.

Nobody finds a key by trying, unless it is a short one; whoever tries all the same shall
not cost much, nor keep others out (specification: reliability, K7; gateway, section 3).
Of IPv6 who has one address mostly has all of its /64, so these are one.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address

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
        now, address = self._clock(), _place(address)
        began, many = self._periods.get(address, (now, 0))
        if many == 0 or now - began >= PERIOD:
            began, many = now, 0
            self._begin(address)
        self._periods[address] = (began, many + 1)
        return 0 if many < ALLOWED else math.ceil(began + PERIOD - now)

    def wait(self, address: str) -> int:
        """Seconds after which one may come that is more than wrong, 0 for at once."""
        if not self._periods:
            return 0
        began, many = self._periods.get(_place(address), (0.0, 0))
        left = math.ceil(began + PERIOD - self._clock())
        return left if many >= ALLOWED and left > 0 else 0

    def _begin(self, address: str) -> None:
        self._periods.pop(address, None)
        if len(self._periods) >= MOST:
            self._periods.popitem(last=False)


def _place(address: str) -> str:
    """What an address counts as; texts that are none stand for themselves."""
    if ":" not in address:
        return address
    try:
        found = IPv6Address(address)
    except ValueError:
        return address
    return str(found.ipv4_mapped or f"{int(found) >> 64:x}/64")
