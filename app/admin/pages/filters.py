"""Filters: numbers, sizes and times as templates write them.

What nobody knows (``None``) is a dash.  Times are Unix milliseconds: the browser puts
them into its own zone, and without its help they are UTC.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from markupsafe import Markup

NONE = "\u2013"
_THOUSANDS = ("", " k", " M", " G", " T")
_BYTES = (" B", " KiB", " MiB", " GiB", " TiB")


def number(value: float | None, digits: int = 0) -> str:
    """All digits of a number, in groups of three."""
    return NONE if value is None else f"{value:,.{digits}f}"


def short(value: float | None) -> str:
    """About as large, in few characters: ``12.3 k``."""
    return _scaled(value, 1000, _THOUSANDS)


def size(value: float | None) -> str:
    """Bytes: ``2.4 GiB``."""
    return _scaled(value, 1024, _BYTES)


def span(milliseconds: float | None) -> str:
    """A duration: ``83 ms``, ``1.25 s``, ``3 min 20 s``, ``2 h 5 min``, ``4 d 1 h``."""
    if milliseconds is None:
        return NONE
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    if milliseconds < 9_995:
        return f"{milliseconds / 1000:.2f} s"
    if milliseconds < 59_950:
        return f"{milliseconds / 1000:.1f} s"
    seconds = round(milliseconds / 1000)
    for unit, name, part, of_part in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= unit:
            rest = seconds % unit // part
            return f"{seconds // unit} {name}" + (f" {rest} {of_part}" if rest else "")
    return f"{seconds} s"


def percent(part: float | None, whole: float | None = 1) -> str:
    """How much of the whole: ``4.2 %``; nothing of nothing is a dash."""
    if part is None or not whole:
        return NONE
    return f"{_rounded(100 * part / whole)} %"


def when(moment: int | None, form: str = "both") -> str:
    """A time, as the forms of ``app.js`` have it: ``both`` is day and time."""
    if moment is None:
        return NONE
    try:
        at = datetime.fromtimestamp(moment / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return NONE
    text = at.strftime("%Y-%m-%d %H:%M") + " UTC"
    return Markup('<time datetime="{}" data-form="{}">{}</time>').format(
        at.isoformat(timespec="milliseconds"), form, text
    )


def json(value: Any) -> str:
    """JSON, to stand in an attribute: what stands around it escapes it."""
    return msgspec.json.encode(value).decode()


def pretty(value: Any) -> str:
    """JSON for people to read."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def words(values: Iterable[Any] | None) -> str:
    """Several, with commas."""
    return ", ".join(map(str, values or ())) or NONE


def _scaled(value: float | None, base: int, names: Sequence[str]) -> str:
    """A number by the largest of these powers of ``base`` that it reaches."""
    if value is None:
        return NONE
    left, step = float(value), 0
    while abs(left) >= base - 0.5 and step < len(names) - 1:
        left, step = left / base, step + 1
    return f"{_rounded(left)}{names[step]}"


def _rounded(value: float) -> str:
    """About three digits."""
    digits = 0 if abs(value) >= 99.5 or value == int(value) else 1
    return f"{value:.{digits}f}"


FILTERS: dict[str, Callable[..., str]] = {
    "number": number,
    "short": short,
    "size": size,
    "span": span,
    "percent": percent,
    "when": when,
    "json": json,
    "pretty": pretty,
    "words": words,
}
