"""Cards: what stands for a whole period, and how that differs from the one before."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .filters import percent, short, span

#: From which share of failures on that is bad.
BAD = 0.1
#: What is no change to speak of.
_SAME = 0.005

Totals = Mapping[str, Any]


class Card(NamedTuple):
    """One figure; ``note`` says what it was before."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


def cards(total: Totals, before: Totals) -> list[Card]:
    """The figures of a period, beside those of the period before it."""

    def card(label: str, metric: str, shown: Callable[[Any], str]) -> Card:
        now, then = total[metric], before[metric]
        return Card(label, shown(now), change(now, then, shown))

    failed, failed_before = _share(total), _share(before)
    return [
        card("Requests", "requests", short),
        Card(
            "Failed",
            percent(failed),
            "" if failed_before is None else f"{percent(failed_before)} before",
            "bad" if failed is not None and failed >= BAD else "",
        ),
        card("Tokens in", "prompt_tokens", short),
        card("Tokens out", "completion_tokens", short),
        card("Tokens a second", "tokens_per_s", short),
        card("First token, p50", "ttft_p50", span),
        card("First token, p95", "ttft_p95", span),
        card("Duration, p50", "duration_p50", span),
        card("Duration, p95", "duration_p95", span),
    ]


def change(now: float | None, before: float | None, shown: Callable[[Any], str]) -> str:
    """How a figure differs from that before: ``+12 % from 1.2 k``."""
    if now is None or before is None:
        return ""
    if before == 0:
        return "as before" if now == 0 else "none before"
    part = now / before - 1
    if abs(part) < _SAME:
        return "as before"
    sign = "+" if part > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(part) * 100:,.0f} % from {shown(before)}"


def _share(total: Totals) -> float | None:
    """Which part of the requests failed, if there were any."""
    return total["errors"] / total["requests"] if total["requests"] else None
