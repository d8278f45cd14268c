"""Words: times, limits and tables, as people write and read them."""

import argparse
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from ..gateway.keys import Moment

#: Milliseconds.
_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DURATION = re.compile(r"(\d{1,9})([smhdw])")


def duration(text: str) -> int:
    """``30d``, ``1h`` and the like, in milliseconds."""
    found = _DURATION.fullmatch(text.strip().lower())
    if text.strip() == "0":
        return 0
    if found is None:
        raise argparse.ArgumentTypeError(
            f"{text!r}: a number with s, m, h, d or w is wanted, such as 12h"
        )
    return int(found[1]) * _UNITS[found[2]]


def expiry(text: str) -> tuple[str, int]:
    """``30d`` from now, ``2027-01-01`` in UTC, or ``never``.

    As ``("in", milliseconds)`` or ``("at", Unix milliseconds)``; 0 at is never.
    """
    if text.strip().lower() == "never":
        return "at", 0
    if _DURATION.fullmatch(text.strip().lower()):
        return "in", duration(text)
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r}: a time such as 30d, 2027-01-01 or 'never' is wanted"
        ) from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return "at", int(at.timestamp() * 1000)


def limit(text: str) -> int | None:
    """A whole number, or ``none``."""
    if text.strip().lower() == "none":
        return None
    if not re.fullmatch(r"\d{1,16}", text.strip()):
        raise argparse.ArgumentTypeError(
            f"{text!r}: a whole number is wanted, or 'none'"
        )
    return int(text)


def mapping(text: str, such: str = '{"num_ctx": 8192}') -> dict[str, Any]:
    """A JSON object; ``such`` is one for the message where it is none."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        found = None
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError(f"a JSON object is wanted, such as '{such}'")
    return found


def json_of(value: Any) -> str:
    """A value as JSON for people, and for programs."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def line_of(value: Any) -> str:
    """A value as JSON in one line."""
    return msgspec.json.encode(value).decode()


def moment(at: Moment | None) -> str:
    """A time in UTC, to the minute; any number is one, also if no calendar has it."""
    if at is None:
        return "-"
    try:
        return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return "after 9999" if at > 0 else "before 1"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    """The lines of a table, in columns."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        yield "  ".join(cells).rstrip()
