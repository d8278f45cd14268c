"""Query: what stands behind the question mark of a request, read with care.

What is wrong is refused with its name (422); so is a name that means nothing to the
route, before any handler is called.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from ..errors import BadRequest
from ..moment import LAST
from .asked import Asked

T = TypeVar("T")

#: What pages of lists by name take.
PAGES = ("cursor", "limit", "q")
#: Characters of a text, and entries of a page.
LONGEST, MOST = 1024, 500


def wrong(param: str, message: str) -> BadRequest:
    """The refusal of a field."""
    return BadRequest(message, status=422, code="invalid_value", param=param)


def check(given: Mapping[str, str], known: Collection[str]) -> None:
    """Raise ``BadRequest``, 422, for a name that is none of ``known``, or no text."""
    for name, text in given.items():
        if name not in known:
            meant = f" ({', '.join(known)})" if known else ""
            raise wrong(name[:64], f"There is no parameter {name[:64]!r}{meant}.")
        if len(text) > LONGEST or "\0" in text:
            raise wrong(name, f"{name!r} is too long, or no text.")


class Query:
    """The query of one request, of the names that its route knows."""

    def __init__(self, asked: Asked) -> None:
        self._query = asked.query

    def text(self, name: str, default: str = "") -> str:
        """A text."""
        return self._query.get(name, default)

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number in a range."""
        text = self._query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) <= 19):
            raise wrong(name, f"{name!r} is a whole number.")
        if not least <= int(text) <= most:
            raise wrong(name, f"{name!r} is a number from {least} to {most}.")
        return int(text)

    def flag(self, name: str) -> bool:
        """Whether something is wanted."""
        return self.one_of(name, ("0", "1", "false", "true"), "0") in ("1", "true")

    def one_of(self, name: str, choices: Collection[str], default: str) -> str:
        """One of a few words."""
        text = self._query.get(name, default)
        if text != default and text not in choices:
            raise wrong(name, f"{name!r} is one of {', '.join(choices)}.")
        return text

    def moment(self, name: str, default: int) -> int:
        """A time in Unix milliseconds, given so or as RFC 3339 has it."""
        text = self._query.get(name)
        if text is None:
            return default
        if text.isascii() and text.isdigit():
            return self.number(name, default, 0, LAST)
        try:
            found = datetime.fromisoformat(text)
            if found.tzinfo is None:
                found = found.replace(tzinfo=UTC)
            at = int(found.timestamp() * 1000)
        except (ValueError, OverflowError):
            at = -1
        if not 0 <= at <= LAST:
            raise wrong(
                name, f"{name!r} is a time: Unix milliseconds, or 2026-01-31T08:00:00Z."
            )
        return at


def window(query: Query) -> tuple[str, str, int]:
    """After which name, with which part in it, and how many: all names in folded case.

    ``query`` is of ``PAGES``; ``q`` is a part of the name.
    """
    after, part = query.text("cursor"), query.text("q").casefold()
    return after, part, query.number("limit", 100, 1, MOST)


def page(
    entries: Iterable[T], name_of: Callable[[T], str], query: Query
) -> tuple[list[T], str]:
    """A page of ``entries`` by name, and the cursor of the next; empty at the end."""
    after, part, most = window(query)
    by_name = sorted(
        ((name_of(entry).casefold(), entry) for entry in entries),
        key=lambda one: one[0],
    )
    left = [one for one in by_name if one[0] > after and part in one[0]]
    taken = left[:most]
    cursor = taken[-1][0] if len(left) > most else ""
    return [entry for _, entry in taken], cursor
