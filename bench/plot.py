"""Plots as SVG, written by hand: bars side by side, and curves of growth.

Logarithmic scales throughout, since contestants lie a hundredfold apart.  The same
results give the same bytes.
"""

import math
from xml.sax.saxutils import escape

from .contestants import DIRECT, OTHER, PANNIER
from .growth import Curve
from .results import Results

WIDTH, MARGIN = 430, 12
ROW, CURVE = 21, 210  # heights
OURS, THEIRS, FAINT, INK = "#c2410c", "#7b8ba3", "#d8dee6", "#1f2933"

#: What is shown side by side: title, trial, figure.
PANELS = [
    ("Chat, 16 clients: CPU µs a request", "chat-16", "cpu"),
    ("Chat, 16 clients: requests a second", "chat-16", "rate"),
    ("Streams as fast as they go: CPU µs a chunk", "flat", "cpu"),
    ("50 streams of 50 tokens/s: CPU µs a chunk", "paced-50", "cpu"),
    ("200 streams of 50 tokens/s: CPU µs a chunk", "paced-200", "cpu"),
    ("Embeddings, 16 x 1,024 floats: CPU µs a request", "floats", "cpu"),
]


def costs(results: Results) -> str:
    """Everybody's costs as bars."""
    panels = []
    for title, trial, figure in PANELS:
        found = {
            name: results.median(trial, name) for name in results.contestants(trial)
        }
        left_out = (OTHER, DIRECT) if figure == "cpu" else (OTHER,)
        rows = [
            (name, float(getattr(figures, figure)))
            for name, figures in found.items()
            if figures and name not in left_out
        ]
        if rows:
            panels.append(_bars(title, rows))
    return _sheet(panels)


def curves(growth: list[Curve]) -> str:
    """How costs grow, as lines; the dashed one would be linear."""
    return _sheet([_curve(curve) for curve in growth])


def _sheet(panels: list[tuple[int, str]]) -> str:
    """Panels in two columns, on white, so that it is read on any page."""
    top, placed = MARGIN, []
    for at in range(0, len(panels), 2):
        pair = panels[at : at + 2]
        for column, (_, inside) in enumerate(pair):
            left = MARGIN + column * (WIDTH + MARGIN)
            placed.append(f'<g transform="translate({left} {top})">\n{inside}</g>\n')
        top += max(height for height, _ in pair) + MARGIN
    width = MARGIN + 2 * (WIDTH + MARGIN)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}"'
        f' width="{width}" height="{top}" font-family="system-ui, sans-serif"'
        f' font-size="12" fill="{INK}">\n'
        f'<rect width="{width}" height="{top}" fill="#ffffff"/>\n'
        f"{''.join(placed)}</svg>\n"
    )


def _bars(title: str, rows: list[tuple[str, float]]) -> tuple[int, str]:
    low, high = _decades([value for _, value in rows], 1.5)
    left, right = 150, WIDTH - 60
    bottom = 24 + ROW * len(rows)
    drawn = _text(0, 14, title, weight="bold")
    for power in range(low, high + 1):
        x = _scale(10.0**power, low, high, left, right)
        drawn += _line(x, 24, x, bottom)
        drawn += _text(x, bottom + 14, _number(10.0**power), anchor="middle", size=10)
    for number, (name, value) in enumerate(rows):
        y, end = 24 + ROW * number, _scale(value, low, high, left, right)
        colour = OURS if name == PANNIER else THEIRS
        weight = "bold" if name == PANNIER else "normal"
        drawn += (
            f'<rect x="{left}" y="{y + 3}" width="{end - left:.1f}" height="{ROW - 6}"'
            f' fill="{colour}"/>\n'
        )
        drawn += _text(left - 8, y + 15, name, anchor="end", weight=weight)
        drawn += _text(end + 5, y + 15, _number(value), weight=weight)
    return bottom + 22, drawn


def _curve(curve: Curve) -> tuple[int, str]:
    xs, ys = zip(*curve.points, strict=True)
    left, right, top, bottom = 66, WIDTH - 30, 46, CURVE - 34
    x_low, x_high = math.log10(xs[0]), math.log10(xs[-1])
    y_low, y_high = _decades(list(ys), 1.0)
    drawn = _text(0, 14, curve.title, weight="bold")
    drawn += _text(0, 30, f"{curve.y}, by {curve.x}", size=10)
    for power in range(y_low, y_high + 1):
        y = _scale(10.0**power, y_low, y_high, bottom, top)
        drawn += _line(left, y, right, y)
        drawn += _text(left - 16, y + 4, _number(10.0**power), anchor="end", size=10)
    places = [
        (_scale(x, x_low, x_high, left, right), _scale(y, y_low, y_high, bottom, top))
        for x, y in curve.points
    ]
    slope = (bottom - top) / (y_high - y_low) / ((right - left) / (x_high - x_low))
    reach = min(right - left, (places[0][1] - top) / slope)  # as far as there is room
    end = left + reach, places[0][1] - reach * slope
    drawn += _line(*places[0], *end, 'stroke-dasharray="4 4"')
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    drawn += f'<polyline points="{path}" fill="none" stroke="{OURS}"/>\n'
    for (x, y), (size, cost) in zip(places, curve.points, strict=True):
        drawn += f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{OURS}"/>\n'
        drawn += _text(x, y - 7, _number(cost), anchor="middle", size=10)
        drawn += _text(x, bottom + 16, _number(size), anchor="middle", size=10)
    return CURVE, drawn


def _decades(values: list[float], room: float) -> tuple[int, int]:
    """The powers of ten around values, at least one apart."""
    low = math.floor(math.log10(min(values) / room))
    return low, max(low + 1, math.ceil(math.log10(max(values))))


def _scale(value: float, low: float, high: float, start: float, end: float) -> float:
    return start + (math.log10(value) - low) / (high - low) * (end - start)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _line(x1: float, y1: float, x2: float, y2: float, more: str = "") -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        f' stroke="{FAINT}" {more}/>\n'
    )


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 12,
    weight: str = "normal",
) -> str:  # fmt: skip
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
        f' font-weight="{weight}">{escape(text)}</text>\n'
    )
