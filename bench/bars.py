"""The bars: what Pannier's speed has to be, and whether a benchmark found it so."""

import re
from collections.abc import Callable
from typing import NamedTuple

from .contestants import DIRECT, HELLO, NAIVE, PANNIER, PASSING
from .results import Results

Values = Callable[[Results], list[float | None]]


class Bar(NamedTuple):
    """A bar as it was set; ``values`` are what is held against it, in its order.

    Where there are more values than bars the last bar is for the rest of them.
    """

    figure: str
    bar: str
    beyond: str
    values: Values

    def measured(self, results: Results) -> str:
        """The values, to three digits, with the units of the bars."""
        values = self.values(results)
        units = [unit for _, _, unit in _bounds(self.bar, len(values))]
        return "; ".join(
            "–" if value is None else f"{value:#.3g} {unit}".strip()  # noqa: RUF001
            for value, unit in zip(values, units, strict=True)
        )

    def verdict(self, results: Results) -> str:
        """``beyond``, ``held``, ``missed`` or ``not measured``."""
        values = self.values(results)
        if not all(_meets(self.bar, values)):
            return "missed"
        if None in values:
            return "not measured"
        return "beyond" if all(_meets(self.beyond, values)) else "held"


def _meets(bar: str, values: list[float | None]) -> list[bool]:
    return [
        value is None or (value <= at if sign == "≤" else value >= at)
        for value, (sign, at, _) in zip(values, _bounds(bar, len(values)), strict=True)
    ]


def _bounds(bar: str, count: int) -> list[tuple[str, float, str]]:
    """The bounds in a bar's words: direction, number, unit."""
    found = re.findall(r"([≤≥]) ([0-9.]+) ?(\w*)", bar)
    found += found[-1:] * (count - len(found))
    return [(sign, float(number), unit) for sign, number, unit in found]


def _ratio(figure: str, other: str, *trials: str) -> Values:
    return lambda found: [found.ratio(one, figure, PANNIER, other) for one in trials]


def _added(found: Results) -> list[float | None]:
    return [found.difference("chat-1", "first", PANNIER, DIRECT)]


def _first_token(found: Results) -> list[float | None]:
    figures = found.median("paced-200", PANNIER)
    return [figures.first99 if figures else None]


def _gaps(found: Results) -> list[float | None]:
    return [
        found.difference("paced-200", "gap99", PANNIER, PASSING),
        found.ratio("paced-1000", "gap99", PANNIER, PASSING),
    ]


def _memory(found: Results) -> list[float | None]:
    memory = found.memory.get(PANNIER)
    return [memory.fresh, memory.growth] if memory else [None, None]


def _start(found: Results) -> list[float | None]:
    return [found.start()]


BARS = [
    Bar(
        "chat, 16 at once: CPU a request ÷ that of a bare gunicorn+gevent"
        ' "hello" POST',
        "≤ 1.6", "≤ 1.3", _ratio("cpu", HELLO, "chat-16"),
    ),
    Bar(
        "chat requests/s ÷ requests + iter_lines translator",
        "≥ 3.5", "≥ 4.5", _ratio("rate", NAIVE, "chat-16"),
    ),
    Bar(
        "chat, one at a time: added p50 over the upstream direct",
        "≤ 0.4 ms", "≤ 0.25 ms", _added,
    ),
    Bar(
        "stream flat out: chunks/s ÷ nginx pass-through",
        "≥ 1.2", "≥ 1.8", _ratio("rate", PASSING, "flat"),
    ),
    Bar(
        "200 and 500 paced streams: CPU a chunk ÷ nginx pass-through (an ideal Go"
        " sidecar: 2.05, 1.83)",
        "≤ 2.2", "≤ 1.8", _ratio("cpu", PASSING, "paced-200", "paced-500"),
    ),
    Bar("200 paced streams: first token p99", "≤ 6 ms", "≤ 4 ms", _first_token),
    Bar(
        "200 paced streams: gap p99 − nginx's; 1,000 paced: gap p99 ÷ nginx's (this"  # noqa: RUF001
        " machine is full there)",
        "≤ 2 ms; ≤ 1.3", "≤ 0.5 ms; ≤ 1.0", _gaps,
    ),
    Bar(
        "embeddings base64 16×1,024: requests/s ÷ requests + iter_lines",  # noqa: RUF001
        "≥ 2.0", "≥ 2.5", _ratio("rate", NAIVE, "base64"),
    ),
    Bar(
        "memory: PSS of master and one worker; growth at 1,000 open streams",
        "≤ 55 MB; ≤ 30 MB", "≤ 40 MB; ≤ 20 MB", _memory,
    ),
    Bar(
        "embeddings float 16×1,024: CPU a request ÷ requests + iter_lines",  # noqa: RUF001
        "≤ 0.12", "≤ 0.06", _ratio("cpu", NAIVE, "floats"),
    ),
    Bar("first request served after `gunicorn` starts", "≤ 1.5 s", "≤ 0.8 s", _start),
]  # fmt: skip
