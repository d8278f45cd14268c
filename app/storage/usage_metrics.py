"""What can be asked of sums of usage: metrics, and the columns that each is of.

Averages and percentiles are about as good as the classes of durations are narrow.
"""

from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

from .usage_tables import BOUNDS, CLASSES, MAXIMA, TIMES

Sums = Mapping[str, Any]
#: Columns, and what is made of their sums.
Metric = tuple[tuple[str, ...], Callable[[Sums], Any]]

_PERCENTS = (50, 95, 99)


def _plain(name: str) -> Metric:
    return (name,), lambda sums: sums[name]


def _average(name: str) -> Metric:
    columns = _classes(name)

    def average(sums: Sums) -> float | None:
        count = sum(sums[column] for column in columns)
        return round(sums[f"{name}_ms"] / count, 1) if count else None

    return (*columns, f"{name}_ms"), average


def _percentile(name: str, percent: int) -> Metric:
    columns = _classes(name)

    def found(sums: Sums) -> float | None:
        counts = [sums[column] for column in columns]
        return percentile(counts, percent, sums[f"{name}_max"])

    return (*columns, f"{name}_max"), found


def _classes(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{n}" for n in range(CLASSES))


def _speed(sums: Sums) -> float | None:
    taken = sums["eval_ms"]
    return round(1000 * sums["eval_tokens"] / taken, 2) if taken else None


#: By name: the columns that a metric is of, and what it makes of their sums.
METRICS: dict[str, Metric] = {
    **{
        name: _plain(name)
        for name in (
            *("requests", "errors", "prompt_tokens", "completion_tokens"),
            *("reasoning_tokens", "bytes_in", "bytes_out", *TIMES, *MAXIMA),
        )
    },
    "tokens": (
        ("prompt_tokens", "completion_tokens"),
        lambda sums: sums["prompt_tokens"] + sums["completion_tokens"],
    ),
    "gpu_ms": (
        ("load_ms", "prompt_ms", "eval_ms"),
        lambda sums: round(sums["load_ms"] + sums["prompt_ms"] + sums["eval_ms"], 3),
    ),
    "tokens_per_s": (("eval_tokens", "eval_ms"), _speed),
    **{f"{name}_avg": _average(name) for name in ("ttft", "duration")},
    **{
        f"{name}_p{percent}": _percentile(name, percent)
        for name in ("ttft", "duration")
        for percent in _PERCENTS
    },
}


def percentile(counts: list[int], percent: int, largest: int) -> float | None:
    """About how long that many of a hundred took at most, by counts of classes."""
    rank = sum(counts) * percent / 100
    if not rank:
        return None
    for number, so_far in enumerate(accumulate(counts)):
        if so_far >= rank:
            below = BOUNDS[number - 1] if number else 0
            above = BOUNDS[number] if number < len(BOUNDS) else max(largest, below)
            above = min(above, max(largest, below))
            share = 1 - (so_far - rank) / counts[number]
            return round(below + (above - below) * share, 1)
    return None
