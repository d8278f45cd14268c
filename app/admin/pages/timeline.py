"""Timeline: points of a series as a chart wants them, without holes in time.

Where nothing was, counts are nought; how long it took is known of nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ...storage.usage_periods import STEPS

#: How metrics end of which nought would be a lie: ``ttft_p95``, ``tokens_per_s``.
_UNKNOWN = ("_p50", "_p95", "_p99", "_avg", "_max", "_per_s")

Points = Iterable[Mapping[str, Any]]


def times(start: int, end: int, step: str) -> list[int]:
    """When the steps of a period begin, in Unix milliseconds."""
    width = STEPS[step]
    return list(range(start // width * width, end, width))


def lines(x: Sequence[int], points: Points, metrics: Iterable[str]) -> dict[str, Any]:
    """The values of metrics at these times, by their names."""
    found = {point["at"]: point for point in points}
    return {
        name: [
            found[at][name] if at in found else (None if name.endswith(_UNKNOWN) else 0)
            for at in x
        ]
        for name in metrics
    }


def groups(x: Sequence[int], points: Points, group: str) -> dict[str, list[Any]]:
    """The values of a count, for each of a group apart."""
    found: dict[str, dict[int, Any]] = {}
    for point in points:
        found.setdefault(point[group], {})[point["at"]] = point["value"]
    return {name: [values.get(at, 0) for at in x] for name, values in found.items()}
