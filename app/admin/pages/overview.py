"""Overview: what has been going on, and how everything is.

The page comes in parts: ``figures`` are fetched again while somebody looks, and
``standing``, for which Ollama is asked, comes when the page is there already.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from ...moment import now_ms
from ...storage.usage_periods import STEPS
from ...storage.usage_tables import DAY, HOUR
from .. import live, usage
from ..asked import Admin, Asked
from ..health import health
from ..query import Query
from .cards import cards
from .page import Page
from .timeline import groups, lines, times

#: Keys and models of which most is told.
MOST = 5
#: Days of which the heat map has at least all weekdays.
WEEK = 7 * DAY
#: What a model that is to stay has for its end: years from now.
_EVER = 3650 * DAY

_TIMED = tuple(f"{n}_p{p}" for n in ("ttft", "duration") for p in (50, 95, 99))
_TOKENS = ("prompt_tokens", "completion_tokens")
#: How ends of requests are coloured, in the order in which they lie upon each other.
TONES = {
    "ok": "good",
    "cancelled": "quiet",
    "client_error": "warn",
    "auth_error": 7,
    "rate_limited": 6,
    "timeout": 4,
    "upstream_error": "bad",
}


class Range(NamedTuple):
    """Until now: what that is called, milliseconds, the step of charts, seconds."""

    words: str
    length: int
    step: str
    again: int = 60


RANGES = {
    "1h": Range("1 h", HOUR, "minute", 10),
    "6h": Range("6 h", 6 * HOUR, "minute"),
    "24h": Range("24 h", DAY, "hour"),
    "7d": Range("7 d", WEEK, "hour"),
    "30d": Range("30 d", 30 * DAY, "day"),
    "90d": Range("90 d", 90 * DAY, "day"),
}


class _Look:
    """One look at the time until now, by what the API answers."""

    def __init__(self, admin: Admin, asked: Asked) -> None:
        query = Query(asked)
        self.admin = admin
        self.asked = asked
        self.name = query.one_of("range", RANGES, "24h")
        self.range = RANGES[self.name]
        self.refreshes = query.one_of("refresh", ("on", "off"), "on") == "on"
        self._now = now_ms()

    def ask(
        self, handler: Callable[[Admin, Asked], Any], length: int = 0, **query: str
    ) -> Any:
        """The answer about the last milliseconds, those of the range by itself."""
        start = max(0, self._now - (length or self.range.length))
        query |= {"from": str(start), "to": str(self._now)}
        return handler(self.admin, msgspec.structs.replace(self.asked, query=query))


def overview(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """The page, but for what Ollama says."""
    look = _Look(admin, asked)
    return {
        **_figures(look),
        "heat": _heat(look),
        "door": door(admin),
        "ranges": {name: one.words for name, one in RANGES.items()},
    }


def figures(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """Totals and charts of the range."""
    return _figures(_Look(admin, asked))


def standing(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """How Ollama, the database and the rest are; waits for Ollama, if not for long."""
    return {"health": health(admin, asked), "ever": now_ms() + _EVER}


def _figures(look: _Look) -> dict[str, Any]:
    total = look.ask(usage.summary, before="1")
    once = msgspec.structs.replace(look.asked, query={"once": "1"})
    return {
        "range": look.name,
        "words": look.range.words,
        "again": look.range.again if look.refreshes else 0,
        "noted": unkept(look.admin),
        "requests": total["requests"],
        "cards": cards(total, total["before"]),
        "running": live.look(look.admin, once).value.total,
        "charts": _charts(look) if total["requests"] else {},
        "top": {by: _top(look, by) for by in ("key", "model")},
    }


def _charts(look: _Look) -> dict[str, Any]:
    step = look.range.step
    ended = look.ask(usage.series, group="status", step=step)
    metrics = (*_TOKENS, *_TIMED)
    told = look.ask(usage.series, metric=",".join(metrics), step=step)
    x = times(told["from"], told["to"], step)
    by_status = groups(x, ended["points"], "status")
    line = lines(x, told["points"], metrics)
    statuses = [
        {"label": name.replace("_", " "), "values": by_status[name], "tone": tone}
        for name, tone in TONES.items()
        if name in by_status
    ]
    tokens = [
        {"label": label, "values": line[name], "tone": tone}
        for name, label, tone in zip(_TOKENS, ("in", "out"), (3, 1), strict=True)
    ]
    # A list of times would be most of what is sent.
    at = {"from": x[0], "step": STEPS[step], "count": len(x)}
    return {
        "statuses": {"x": at, "kind": "stack", "unit": "number", "series": statuses},
        "tokens": {"x": at, "kind": "stack", "unit": "tokens", "series": tokens},
        "ttft": _percentiles(at, line, "ttft"),
        "duration": _percentiles(at, line, "duration"),
    }


def _percentiles(at: Any, line: dict[str, Any], name: str) -> dict[str, Any]:
    series = [
        {"label": percent, "values": line[f"{name}_{percent}"], "tone": tone}
        for percent, tone in (("p50", 1), ("p95", 2), ("p99", 4))
    ]
    return {"x": at, "kind": "line", "unit": "ms", "series": series}


def _top(look: _Look, by: str) -> list[dict[str, Any]]:
    """The busiest; what has no name, as requests without a key, goes without."""
    found = look.ask(usage.top, by=by, limit=str(MOST))
    names = found.get("names", {})
    return [
        {**one, "id": one[by], "name": names.get(one[by], one[by])}
        for one in found["top"]
    ]


def _heat(look: _Look) -> dict[str, Any]:
    """Requests of each hour, of a week at least; each hour of a week equally often."""
    length = max(WEEK, look.range.length)
    found = look.ask(usage.series, length, step="hour")
    points = [{**one, "requests": one["value"]} for one in found["points"]]
    x = times(found["from"], found["to"], "hour")[-length // HOUR :]
    hours = lines(x, points, ["requests"])["requests"] if points else []
    return {"days": length // DAY, "from": x[0], "hours": hours}


def unkept(admin: Admin) -> str:
    """Why nothing is noted of requests; empty where it is."""
    kept = admin.settings.usage
    if kept == "auto" and not admin.installation.current.now.keys:
        return "no key"
    return kept if kept == "off" else ""


def door(admin: Admin) -> str:
    """Who may come in, where that is everybody (``open``, ``off``) or nobody."""
    current = admin.installation.current
    if not current.closed:
        return "off" if admin.settings.auth == "off" else "open"
    good = any(not key.fault(time.time) for key in current.now.keys.values())
    return "" if good else "shut"


PAGES: list[Page] = [
    Page("/", "overview.html", overview, ("range", "refresh")),
    Page("/overview/figures", "overview_figures.html", figures, ("range", "refresh")),
    Page("/overview/standing", "overview_standing.html", standing),
]
