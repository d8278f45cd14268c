"""Charts of usage: what the API answers, as ``charts.js`` draws it.  Pure."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from ...storage.usage_queries import OTHERS
from . import filters
from .overview import TONES
from .timeline import times

Answer = Mapping[str, Any]
Chart = dict[str, Any]
#: Series of one chart; what is in none of them is one more, where it can be added up.
APART = 7
_NOT_ADDED = ("_avg", "_max", "_p50", "_p95", "_p99", "_per_s")
_REST = "all others"


def is_added(metric: str) -> bool:
    """Whether that of all is what its parts add up to."""
    return not metric.endswith(_NOT_ADDED)


def unit(metric: str) -> str:
    """What a metric is counted in, as ``charts.js`` calls it."""
    if metric.startswith("bytes"):
        return "bytes"
    if metric.endswith("_per_s"):
        return "speed"
    if metric.endswith("tokens"):
        return "tokens"
    if metric in ("requests", "errors"):
        return "number"
    return "ms"


def over_time(
    answer: Answer, group: str, metric: str, called: Callable[[str], str]
) -> Chart:
    """A metric of each group over time; those with most requests apart.

    Where nothing was, there is nothing of what can be added up, and a gap otherwise.
    """
    x = times(answer["from"], answer["to"], answer["step"])
    place = {at: number for number, at in enumerate(x)}
    weights: dict[str, float] = defaultdict(float)
    values: dict[str, list[Any]] = {}
    added = is_added(metric)
    for point in answer["points"]:
        name = point[group]
        row = values.setdefault(name, [0 if added else None] * len(x))
        row[place[point["at"]]] = _told(point.get("value", point.get(metric)))
        weights[name] += point.get("requests", point.get("value"))
    names = sorted(values, key=lambda name: (name == OTHERS, -weights[name]))
    drawn, left = names[:APART], names[APART:]
    series = [
        {"label": called(name), "values": values[name], **_tone(group, name)}
        for name in drawn
    ]
    if left and added:
        columns = zip(*(values[name] for name in left), strict=True)
        rest = [_told(sum(column)) for column in columns]
        series.append({"label": _REST, "values": rest, "tone": "quiet"})
    kind = "stack" if added else "line"
    return {"x": x, "series": series, "kind": kind, "unit": unit(metric)}


def _told(value: float | None) -> float | None:
    """What of a number can be seen in a chart; digits are bytes of a page."""
    return value if value is None else round(value, 1 if abs(value) < 100 else None)


def durations(answer: Answer) -> Chart:
    """How many requests took how many seconds."""
    some = [(_upto(one), one["requests"]) for one in answer["classes"]]
    return _named(some, "requests")


def sizes(answer: Answer) -> Chart:
    """How many answers had how many tokens."""
    some = [(filters.short(one["to"]), one["requests"]) for one in answer["classes"]]
    return _named(some, "records")


def _upto(one: Mapping[str, Any]) -> str:
    """Seconds at which a class ends."""
    milliseconds = one["to_ms"]
    return "more" if milliseconds is None else f"{milliseconds / 1000:g}"


def _named(some: list[tuple[str, int]], label: str) -> Chart:
    """One bar for each class, but for empty ones at both ends."""
    full = [number for number, (_, many) in enumerate(some) if many]
    kept = some[full[0] : full[-1] + 1] if full else []
    return {
        "names": [name for name, _ in kept],
        "series": [{"label": label, "values": [many for _, many in kept]}],
        "kind": "bars",
        "unit": "number",
    }


def _tone(group: str, name: str) -> dict[str, Any]:
    if name == OTHERS:
        return {"tone": "quiet"}
    return {"tone": TONES[name]} if group == "status" and name in TONES else {}
