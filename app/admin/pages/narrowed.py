"""Narrowed: what a page about usage is of, as its address says it.

Sums know some filters, single records all of them.  A period is one of ``RANGES``, up
to now, or has times of its own.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

import msgspec

from ...moment import now_ms
from ...storage.usage_metrics import METRICS
from ...storage.usage_queries import GROUPS
from ...storage.usage_tables import DAY, HOUR
from ..asked import Asked
from ..query import Query, wrong
from ..usage import TIMES

RANGES = {
    "1h": ("Last hour", HOUR),
    "6h": ("Last 6 hours", 6 * HOUR),
    "24h": ("Last 24 hours", DAY),
    "7d": ("Last 7 days", 7 * DAY),
    "30d": ("Last 30 days", 30 * DAY),
    "90d": ("Last 90 days", 90 * DAY),
}
#: What a period of its own is called.
OWN = "own"
SUMS = tuple(GROUPS)
#: What single records alone are known by.
SINGLE = ("protocol", "stream", "user", "error")
#: All that an address of these pages may say.
NAMES = ("range", *TIMES, *SUMS, *SINGLE, "group", "metric")


class Narrowed(NamedTuple):
    """The period in Unix milliseconds, filters, and how sums are told apart."""

    range: str
    start: int
    end: int
    sums: Mapping[str, str]
    single: Mapping[str, str]
    group: str
    metric: str

    @classmethod
    def of(cls, asked: Asked) -> Self:
        """What is asked; raises ``BadRequest``, 422.  What is empty says nothing."""
        given = {name: text for name, text in asked.query.items() if text}
        query = Query(msgspec.structs.replace(asked, query=given))
        has_times = any(name in given for name in TIMES)
        range = query.one_of("range", (*RANGES, OWN), OWN if has_times else "24h")
        start, end = _own(query) if range == OWN else _until_now(range)
        return cls(
            range,
            start,
            end,
            {name: given[name] for name in SUMS if name in given},
            {name: given[name] for name in SINGLE if name in given},
            query.one_of("group", GROUPS, "model"),
            query.one_of("metric", METRICS, "requests"),
        )

    @property
    def filters(self) -> dict[str, str]:
        """All filters."""
        return {**self.sums, **self.single}

    @property
    def times(self) -> dict[str, str]:
        """The period, as the API reads it."""
        return {"from": str(self.start), "to": str(self.end)}

    def query(self, **changed: str | None) -> str:
        """The query of an address that says the same, but for what is changed."""
        times = self.times if self.range == OWN else {}
        same = {"range": self.range, **times, **self.filters}
        said: dict[str, Any] = {**same, "group": self.group, "metric": self.metric}
        said |= changed
        return urlencode({name: text for name, text in said.items() if text})

    @property
    def wanted(self) -> str:
        """The query with which the API gives the same records."""
        return urlencode({**self.times, **self.filters})


def _until_now(range: str) -> tuple[int, int]:
    end = now_ms()
    return end - RANGES[range][1], end


def _own(query: Query) -> tuple[int, int]:
    now = now_ms()
    latest = now + DAY  # nothing was used later, and charts have a point for each step
    end = query.moment("to", now)
    start = query.moment("from", max(0, min(end, latest) - DAY))
    if start >= end:
        raise wrong("from", "The time from which on has to be before the other one.")
    if start >= latest:
        raise wrong("from", "The time from which on is still to come.")
    return start, min(end, latest)
