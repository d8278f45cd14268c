"""Sums of rows of usage, as they are added to those that are there.  Pure.

Rows are added up in lists of numbers, one for each of ``COLUMNS``: that is quick, and
it is done for every request of a gateway.
"""

from bisect import bisect_left
from collections.abc import Iterable

from ..gateway.usage import Row
from .usage_tables import (
    BOUNDS,
    COUNTS,
    DAY,
    DIMENSIONS,
    EVERY,
    HISTOGRAMS,
    HOUR,
    MAXIMA,
    MINUTE,
    TIMES,
    WIDTHS,
)

#: For how long sums are kept, by their width; those of days are for ever.
KEPT = {MINUTE: 2 * DAY, HOUR: 90 * DAY}
#: Characters of a text that are kept.
LONGEST = 512

#: What tells sums apart, and what they are of: added, or the largest.
KEY = ("width", "grain", "bucket_start", *DIMENSIONS)
ADDED = (*COUNTS, *TIMES, *HISTOGRAMS)
COLUMNS = (*ADDED, *MAXIMA)

_Numbers = list[float]
#: Key, model, endpoint, status.
_Group = tuple[str, str, str, str]

Grains = tuple[tuple[str, _Group], ...]

_TTFT = COLUMNS.index("ttft_0")
_DURATION = COLUMNS.index("duration_0")
_MANY = len(ADDED)


def sums(rows: Iterable[Row], now: int) -> list[tuple[object, ...]]:
    """The sums of rows in all widths that are still kept: ``KEY``, then ``COLUMNS``.

    They are in one order, so that those who write them do not wait for each other in a
    circle.  ``now`` is in Unix milliseconds.
    """
    minutes: dict[tuple[int, _Group], _Numbers] = {}
    for row in rows:
        model = storable(model_of(row))
        moment = row.at // MINUTE, (row.key_id, model, row.endpoint, row.status)
        total = minutes.get(moment)
        if total is None:
            minutes[moment] = total = [0] * len(COLUMNS)
        _count(row, total)
    found: dict[tuple[object, ...], _Numbers] = {}
    for (minute, of), numbers in minutes.items():
        at = minute * MINUTE
        for width in WIDTHS:
            start = at // width * width
            if start >= now - KEPT.get(width, now):
                for grain, group in _grains(*of):
                    key = (width, grain, start, *group)
                    known = found.get(key)
                    found[key] = _together(known, numbers) if known else numbers
    return [(*key, *numbers) for key, numbers in sorted(found.items())]


def _grains(key_id: str, model: str, endpoint: str, status: str) -> Grains:
    """The groups that a row counts for, each with what it keeps apart."""
    return (
        ("each", (key_id, model, endpoint, status)),
        ("key_id", (key_id, EVERY, EVERY, status)),
        ("model", (EVERY, model, EVERY, status)),
        ("endpoint", (EVERY, EVERY, endpoint, status)),
        ("none", (EVERY, EVERY, EVERY, status)),
    )


def _count(row: Row, total: _Numbers) -> None:
    """Add a row, in the order of ``COLUMNS``."""
    completion = row.completion_tokens or 0
    total[0] += 1
    total[1] += row.prompt_tokens or 0
    total[2] += completion
    total[3] += row.reasoning_tokens or 0
    total[4] += completion if row.eval_ms else 0
    total[5] += row.duration_ms
    total[7] += row.bytes_in
    total[8] += row.bytes_out
    total[9] += row.queue_ms or 0
    total[10] += row.load_ms or 0
    total[11] += row.prompt_ms or 0
    total[12] += row.eval_ms or 0
    total[_DURATION + class_of(row.duration_ms)] += 1
    total[_MANY] = max(total[_MANY], row.duration_ms)
    if row.ttft_ms is not None:
        total[6] += row.ttft_ms
        total[_TTFT + class_of(row.ttft_ms)] += 1
        total[_MANY + 1] = max(total[_MANY + 1], row.ttft_ms)


def _together(one: _Numbers, other: _Numbers) -> _Numbers:
    added = [a + b for a, b in zip(one, other, strict=True)]
    added[_MANY:] = map(max, one[_MANY:], other[_MANY:])
    return added


def model_of(row: Row) -> str:
    """The model that a row counts for: what clients make up counts for none."""
    if row.http_status == 404 or row.error_code == "model_not_found":
        return ""
    return row.resolved_model or row.requested_model


def class_of(milliseconds: int) -> int:
    """The class of a duration: up to 50 ms, up to 100 ms, and so on."""
    return bisect_left(BOUNDS, milliseconds)


def storable(text: str) -> str:
    """A text that every database takes: PostgreSQL knows no NUL."""
    if len(text) <= LONGEST and text.isprintable():
        return text
    return "".join([c if c.isprintable() else "\ufffd" for c in text[:LONGEST]])
