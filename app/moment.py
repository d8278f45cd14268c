"""Moments: the time of day as all that is kept or shown of the gateway has it."""

import time

#: The last moment that there is: the end of the year 9999.
LAST = 253_402_300_799_999


def now_ms() -> int:
    """Unix milliseconds, by the wall clock: nothing is to be measured with it."""
    return time.time_ns() // 1_000_000
