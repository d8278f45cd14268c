"""Periods of usage, as sums have them: of whole minutes, hours or days.

Some hours are added up of minutes, some days of hours, all else of days; a period
begins and ends with one of them.
"""

from ..moment import now_ms
from .usage_sums import KEPT
from .usage_tables import DAY, HOUR, MINUTE

#: From and to, in Unix milliseconds.
Period = tuple[int, int]

STEPS = {"minute": MINUTE, "hour": HOUR, "day": DAY}
#: Periods, in milliseconds, up to which minutes and hours are added up.
SHORT = {MINUTE: 6 * HOUR, HOUR: 7 * DAY}


def width_of(period: Period, times: int = 1) -> int:
    """The narrowest sums that are there and are not too many.

    They are there for so many such periods, of which this is the last.
    """
    now, length = now_ms(), period[1] - period[0]
    for width, longest in SHORT.items():
        # A period grows by as much as two of its sums, and so does each before it.
        begin = period[0] - (times - 1) * (length + 2 * width)
        if length <= longest and begin >= now - KEPT[width] + width:
            return width
    return DAY


def step_of(period: Period) -> str:
    """The step of a series of this period, by itself."""
    width = width_of(period)
    return next(name for name, one in STEPS.items() if one == width)


def rounded(period: Period, width: int) -> Period:
    """The period as whole buckets have it."""
    return period[0] // width * width, -(-period[1] // width) * width
