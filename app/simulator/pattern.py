"""A string that matches a regular expression, for the ``pattern`` of a schema.

Walks Python's own parse of the expression.  Look-around and back references to
nothing sensible are best effort: what does not match in the end is not used.
"""

import random
import re
import string
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

_CLASSES = {
    _constants.CATEGORY_DIGIT: string.digits,
    _constants.CATEGORY_WORD: string.ascii_lowercase,
    _constants.CATEGORY_SPACE: " ",
    _constants.CATEGORY_NOT_DIGIT: string.ascii_lowercase,
    _constants.CATEGORY_NOT_WORD: "-",
    _constants.CATEGORY_NOT_SPACE: string.ascii_lowercase,
}


def example(expression: str, chance: random.Random) -> str | None:
    """A string in which ``expression`` is found; ``None`` when we know none."""
    try:
        text = _sequence(_parser.parse(expression), chance, {})
        return text if re.search(expression, text) else None
    except (re.error, ValueError, KeyError, IndexError, RecursionError):
        return None


def _sequence(items: Any, chance: random.Random, groups: dict[int, str]) -> str:
    return "".join(_piece(kind, value, chance, groups) for kind, value in items)


def _piece(kind: Any, value: Any, chance: random.Random, groups: dict[int, str]) -> str:
    if kind is _constants.LITERAL:
        return chr(value)
    if kind is _constants.NOT_LITERAL:
        return "a" if value != ord("a") else "b"
    if kind is _constants.ANY:
        return "a"
    if kind is _constants.IN:
        return chance.choice(_members(value))
    if kind in _REPEATS:
        least, most, item = value
        count = least if least or most == 0 else min(1, most)
        return "".join(_sequence(item, chance, groups) for _ in range(count))
    if kind is _constants.SUBPATTERN:
        text = _sequence(value[3], chance, groups)
        groups[value[0]] = text
        return text
    if kind is _constants.BRANCH:
        return _sequence(chance.choice(value[1]), chance, groups)
    if kind is _constants.GROUPREF:
        return groups[value]
    return ""


_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)


def _members(items: Any) -> str:
    """Some characters of a class."""
    found = ""
    negative = items[0][0] is _constants.NEGATE
    for kind, value in items[negative:]:
        if kind is _constants.LITERAL:
            found += chr(value)
        elif kind is _constants.RANGE:
            found += "".join(
                map(chr, range(value[0], min(value[1], value[0] + 200) + 1))
            )
        elif kind is _constants.CATEGORY:
            found += _CLASSES[value]
    if negative:
        found = "".join(set(string.ascii_letters + string.digits) - set(found))
        return "".join(sorted(found))
    return found
