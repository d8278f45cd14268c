"""Usage: what was used, in all, over time, and by whom."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ...storage.usage_queries import OTHERS
from .. import usage as api
from ..asked import Admin, Asked
from . import charted
from .narrowed import NAMES, OWN, RANGES, SUMS, Narrowed
from .overview import unkept
from .page import Page

#: Of each group so many are in the table, and so many are offered for filters: a page
#: has to be small.
ROWS, OFFERED = 12, 50
#: What metrics are called, by what they are about.
METRICS = {
    "How much": {
        "requests": "Requests",
        "errors": "Errors",
        "tokens": "Tokens",
        "prompt_tokens": "Tokens in",
        "completion_tokens": "Tokens out",
        "reasoning_tokens": "Reasoning tokens",
        "bytes_in": "Bytes in",
        "bytes_out": "Bytes out",
    },
    "How long, in all": {
        "gpu_ms": "GPU time",
        "queue_ms": "Waiting",
        "load_ms": "Loading models",
        "prompt_ms": "Reading prompts",
        "eval_ms": "Generating",
    },
    "How fast": {
        "tokens_per_s": "Tokens per second",
        "ttft_avg": "First token, average",
        "ttft_p50": "First token, median",
        "ttft_p95": "First token, 95 %",
        "ttft_p99": "First token, 99 %",
        "ttft_max": "First token, longest",
        "duration_avg": "Duration, average",
        "duration_p50": "Duration, median",
        "duration_p95": "Duration, 95 %",
        "duration_p99": "Duration, 99 %",
        "duration_max": "Duration, longest",
    },
}
LABELS = {name: label for some in METRICS.values() for name, label in some.items()}
_WORDS = {**api.WORDS, "group": SUMS}
#: What the table has beside the metric.
_SUMMED = ("requests", "errors", "tokens", "gpu_ms")


def sums(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """The page; what single records alone know, its sums cannot be narrowed by."""
    seen = Narrowed.of(asked)
    found = {**frame(admin, asked, seen), "metrics": METRICS}
    if seen.single:
        return {**found, "total": None}
    total = ask(admin, asked, api.summary, seen)
    found |= {"total": total, "rows": [], "charts": {}, "whole": True}
    return found | _told(admin, asked, seen) if total["requests"] else found


def frame(admin: Admin, asked: Asked, seen: Narrowed) -> dict[str, Any]:
    """What all pages about usage have: the filters, and why there may be nothing."""
    return {
        "seen": seen,
        "ranges": {name: words for name, (words, _) in RANGES.items()} | {OWN: "Own"},
        "offered": _offered(admin, asked, seen),
        "words": {name: _spoken(words) for name, words in _WORDS.items()},
        "labels": LABELS,
        "unkept": unkept(admin),
        "days": admin.settings.usage_days,
    }


def _spoken(words: Iterable[str]) -> list[tuple[str, str]]:
    return [(word, word.replace("_", " ")) for word in words]


def ask(
    admin: Admin,
    asked: Asked,
    handler: Callable[[Admin, Asked], Any],
    seen: Narrowed,
    **query: str,
) -> Any:
    """What a handler of the API says of this period, narrowed as sums can be."""
    query = {**seen.times, **seen.sums, **query}
    return handler(admin, msgspec.structs.replace(asked, query=query))


def _told(admin: Admin, asked: Asked, seen: Narrowed) -> dict[str, Any]:
    """Charts, and the table of those with most."""
    group, metric = seen.group, seen.metric
    metrics = ",".join(dict.fromkeys(("requests", metric)))
    series = ask(admin, asked, api.series, seen, metric=metrics, group=group)
    first, whole, tokens = (
        ask(admin, asked, api.distribution, seen, of=of)
        for of in ("ttft", "duration", "tokens")
    )
    found = ask(
        admin, asked, api.top, seen, by=group, metric=metric, limit=str(ROWS + 1)
    )
    called = caller(group, {**series.get("names", {}), **found.get("names", {})})
    there = {key.id for key in admin.installation.current.now.keys.values()}
    return {
        "charts": {
            "time": charted.over_time(series, group, metric, called),
            "ttft": charted.durations(first),
            "duration": charted.durations(whole),
            "tokens": charted.sizes(tokens),
        },
        "whole": tokens["is_complete"],
        "step": series["step"],
        "rows": [_row(one, group, called, there) for one in found["top"][:ROWS]],
        "more": len(found["top"]) > ROWS,
        "columns": list(dict.fromkeys((metric, *_SUMMED))),
        "units": {name: charted.unit(name) for name in (metric, *_SUMMED)},
        "added": charted.is_added(metric),
    }


def _row(
    one: Mapping[str, Any], group: str, called: Callable[[str], str], there: set[str]
) -> dict[str, Any]:
    id, name = one[group], called(one[group])
    is_key = group == "key" and id != ""
    value = name if is_key and id in there else id
    return {**one, "value": value, "name": name, "gone": is_key and id not in there}


def caller(group: str, names: Mapping[str, str]) -> Callable[[str], str]:
    """What something of a group is called."""

    def called(id: str) -> str:
        if id == OTHERS:
            return "all others"
        if group == "status":
            return id.replace("_", " ")
        return names.get(id) or id or f"no {group}"

    return called


def _offered(admin: Admin, asked: Asked, seen: Narrowed) -> dict[str, Any]:
    """What filters may be set to: those that have used most in this period."""
    every = seen._replace(sums={})
    keys, models = (
        ask(admin, asked, api.top, every, by=by, limit=str(OFFERED))
        for by in ("key", "model")
    )
    names, held = keys["names"], admin.installation.current.now.keys.values()
    there = {key.id for key in held}
    ids = [one["key"] for one in keys["top"] if one["key"]]
    return {
        # A deleted key is found by its id alone: another may have its name.
        "keys": [
            (names.get(id, id), "") if id in there else (id, names.get(id, id))
            for id in ids
        ],
        "models": [one["model"] for one in models["top"] if one["model"]],
    }


PAGES: list[Page] = [Page("/usage", "usage.html", sums, NAMES)]
