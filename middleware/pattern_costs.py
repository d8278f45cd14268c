"""What regular expressions cost to compile: an estimate by their text, pure.

A few characters can come to megabytes: what is repeated is compiled as often as it may
repeat, and a class of Unicode holds thousands of byte sequences.  So the cost is
estimated before anything is compiled, rather too high than too low.
"""

import re
from collections.abc import Iterator
from typing import Any

#: About 0.1 microseconds and 60 bytes each; as measured, with some room.
CHARACTER, WIDE, BOUNDARY, PROPERTY, PATTERN = 2, 25, 250, 1700, 100

_PIECE = re.compile(
    r"\\[pPxuU]\{[^}]*\}|\\[pP][^{]|\\.|\[\^?(?:\\.|[^\]\\])*\]"
    r"|\{\s*\d*\s*(?:,\s*\d*\s*)?\}|\(\?[\w-]+[:)]|.",
    re.DOTALL,
)
_PROPERTY = re.compile(r"\\[pP]")
_WIDE = re.compile(r"\\[sSDW]|\[\^|^\.$|[^\x00-\x7F]-|-[^\x00-\x7F]|-\\[xu]")
_BOUNDARY = re.compile(r"\\[bB]")
_FLAGS = re.compile(r"\(\?([a-zA-Z-]+)[:)]")
#: What engines read in different ways: a class in a class, one without members.
_UNCLEAR = re.compile(r"\[\^?(?:\]|(?:\\.|[^\]\\])*?\[)", re.DOTALL)
_MANY = 10**9


def patterns_in(schema: Any) -> set[str]:
    """The distinct expressions in a schema; equal ones are compiled once."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            found |= set(_own(one))
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
    return found


def cost(pattern: str) -> int:
    """What it takes to compile an expression, which need not be one."""
    flags = "".join(_FLAGS.findall(pattern))
    clear = "x" not in flags and not _UNCLEAR.search(pattern)
    summed = _nested(pattern, "i" in flags) if clear else None
    if summed is None:
        summed = _multiplied(pattern, "i" in flags)
    return PATTERN + min(summed, _MANY)


def _own(schema: dict[str, Any]) -> Iterator[str]:
    if isinstance(pattern := schema.get("pattern"), str):
        yield pattern
    if isinstance(named := schema.get("patternProperties"), dict):
        yield from named


def _nested(pattern: str, folded: bool) -> int | None:
    """Every part as often as it and what is around it repeat; ``None`` if unclear."""
    sums, last = [0], 0
    for piece in _PIECE.findall(pattern):
        if piece.startswith("(") and not (piece.startswith("(?") and piece[-1] == ")"):
            sums.append(0)
            last = 0
        elif piece == ")":
            if len(sums) == 1:
                return None
            last = sums.pop()
            sums[-1] += last
        elif piece[0] == "{" and len(piece) > 1:
            more = min(last * (_times(piece) - 1), _MANY)
            last += more
            sums[-1] += more
        elif piece not in "*+?":
            last = _piece_cost(piece, folded)
            sums[-1] += last
    return sums[0] if len(sums) == 1 else None


def _multiplied(pattern: str, folded: bool) -> int:
    """The most it can be, however its groups and classes are read."""
    pieces = _PIECE.findall(pattern)
    total = sum(_piece_cost(piece, folded) for piece in pieces)
    for text in re.findall(r"\d+", pattern):
        total = min(total * max(int(text[:9]), 1), _MANY)
    return total


def _times(piece: str) -> int:
    """How often at most something is repeated, as far as it is spelt out."""
    return max([1, *(int(text[:9]) for text in re.findall(r"\d+", piece))])


def _piece_cost(piece: str, folded: bool) -> int:
    properties = len(_PROPERTY.findall(piece))
    wide = len(_WIDE.findall(piece))
    units = CHARACTER * len(piece) + WIDE * wide + PROPERTY * properties
    units += BOUNDARY * len(_BOUNDARY.findall(piece))
    return units * (20 if wide else 5) if folded else units
