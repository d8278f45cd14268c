"""What was used: totals, series, the largest, records, and files of these."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from typing import Any, get_args

from ..administration import Refused
from ..gateway.keys import Key
from ..gateway.usage import Status
from ..gateway.usage_export import csv_lines, ndjson_lines
from ..moment import LAST, now_ms
from ..storage.usage import MOST, Filters, Ledger, Period
from ..storage.usage_metrics import METRICS
from ..storage.usage_periods import STEPS, rounded, step_of
from ..storage.usage_queries import GROUPS
from ..storage.usage_tables import CLASSED, DAY
from ..wire.names import short
from .asked import Admin, Asked, Route, Sent
from .query import Query, wrong

#: Filters of sums, and of records beside.
_SUMS = tuple(GROUPS)
_RECORDS = (*_SUMS, "protocol", "stream", "user", "error", "failed")
TIMES = ("from", "to")
_SUMMED, _FILE = (*TIMES, *_SUMS), (*TIMES, *_RECORDS)
#: What there can be of each of these in a row (docs/usage.md).
WORDS = {
    "status": get_args(Status),
    "endpoint": (
        "chat",
        "completions",
        "responses",
        "messages",
        "embeddings",
        "audio",
        "code",
        "native",
    ),
    "protocol": ("openai", "anthropic", "ollama", "llamacpp", "tabby"),
}
_ID = re.compile(r"[0-9a-f]{12,64}")
#: Metrics of one series.
_METRICS = 12
#: Lines of a file that are sent at once.
_LINES = 500


def summary(admin: Admin, asked: Asked) -> Any:
    """All metrics of a period, and its requests by status; of that before it, too."""
    query = Query(asked)
    filters = _filters(admin, query, _SUMS)
    return _ledger(admin).summary(_period(query), filters, before=query.flag("before"))


def series(admin: Admin, asked: Asked) -> Any:
    """Some metrics over time."""
    query = Query(asked)
    metrics = _metrics(query)
    group = query.one_of("group", GROUPS, "")
    filters = _filters(admin, query, _SUMS)
    period = _period(query)
    step = query.one_of("step", STEPS, "") or step_of(period)
    try:
        points = _ledger(admin).series(
            metrics if len(metrics) > 1 else metrics[0],
            period,
            step=step,
            group=group,
            filters=filters,
        )
    except ValueError as error:
        raise wrong("step", f"step: {error}.") from None
    start, end = rounded(period, STEPS[step])
    said = {"from": start, "to": end, "step": step, "points": points}
    return {**said, **_names(admin, group, points)}


def distribution(admin: Admin, asked: Asked) -> Any:
    """How many requests took how long, or wrote how much."""
    query = Query(asked)
    of = query.one_of("of", (*CLASSED, "tokens"), "duration")
    period, filters = _period(query), _filters(admin, query, _SUMS)
    if of == "tokens":
        return {"of": of, **_ledger(admin).tokens(period, filters)}
    return {"of": of, "classes": _ledger(admin).distribution(of, period, filters)}


def top(admin: Admin, asked: Asked) -> Any:
    """Those with most of a metric."""
    query = Query(asked)
    by = query.one_of("by", GROUPS, "model")
    found = _ledger(admin).top(
        by,
        _period(query),
        metric=query.one_of("metric", METRICS, "requests"),
        limit=query.number("limit", 10, 1, 100),
        filters=_filters(admin, query, _SUMS),
    )
    return {"top": found, **_names(admin, by, found)}


def records(admin: Admin, asked: Asked) -> Any:
    """A page of records, newest first."""
    query = Query(asked)
    cursor = query.text("cursor")
    if cursor and not _ID.fullmatch(cursor):
        raise wrong("cursor", "'cursor' comes from the page before.")
    page = _ledger(admin).records(
        _period(query),
        cursor=cursor,
        limit=query.number("limit", 100, 1, MOST),
        filters=_filters(admin, query, _RECORDS),
    )
    names = names_of(admin, {row["key_id"] for row in page.records})
    return {"records": page.records, "cursor": page.cursor, "names": names}


def record(admin: Admin, asked: Asked) -> Any:
    """One record."""
    id = asked.path["id"]
    found: list[dict[str, Any]] = []
    if _ID.fullmatch(id):
        at = int(id[:12], 16)
        # What comes before the next possible id, and is of that time: it, if at all.
        found = _ledger(admin).records((at, at + 1), cursor=f"{id}0", limit=1).records
    if not found or found[0]["id"] != id:
        raise Refused(f"There is no record {id[:64]!r}.", "id", unknown=True)
    return found[0]


def export(
    lines: Callable[[Iterable[Any]], Iterator[bytes]],
    name: str,
    type: str,
    admin: Admin,
    asked: Asked,
) -> Sent:
    """All records of a period as a file, read a page at a time."""
    query = Query(asked)
    found = _ledger(admin).every(_period(query), _filters(admin, query, _RECORDS))
    body = _pieces(lines(found))
    # Whatever stands against it is said before there is an answer.
    first = list(islice(body, 1))
    headers = (("Content-Disposition", f'attachment; filename="{name}"'),)
    return Sent(body=chain(first, body), type=type, headers=headers)


def of_key(admin: Admin, asked: Asked, key: Key) -> Any:
    """What a key has used: in all, by day, and of which models."""
    query = Query(asked)
    period, filters = _period(query, 30), {"key": key.id}
    ledger = _ledger(admin)
    return {
        "summary": ledger.summary(period, filters),
        "days": {
            metric: ledger.series(metric, period, step="day", filters=filters)
            for metric in ("requests", "tokens")
        },
        "models": ledger.top("model", period, filters=filters),
    }


def _pieces(lines: Iterator[bytes]) -> Iterator[bytes]:
    while piece := b"".join(islice(lines, _LINES)):
        yield piece


def _ledger(admin: Admin) -> Ledger:
    return admin.installation.ledger


def _period(query: Query, days: int = 1) -> Period:
    """From when to when, in Unix milliseconds: the last days, by itself."""
    end = query.moment("to", now_ms())
    start = query.moment("from", max(0, end - days * DAY))
    if start >= end:
        raise wrong("from", "'from' is before 'to'.")
    return start, min(end, LAST)


def _metrics(query: Query) -> list[str]:
    """The metrics that are wanted, each once."""
    names = list(dict.fromkeys(query.text("metric", "requests").split(",")))
    if len(names) > _METRICS:
        raise wrong("metric", f"'metric' has at most {_METRICS} names.")
    for name in names:
        if name not in METRICS:
            raise wrong("metric", f"'metric' is of {', '.join(METRICS)}.")
    return names


def _filters(admin: Admin, query: Query, known: Iterable[str]) -> Filters:
    found: dict[str, Any] = {n: text for n in known if (text := query.text(n))}
    for name, words in WORDS.items():
        if name in found:
            query.one_of(name, words, "")
    if "key" in found:
        found["key"] = _key(admin, found["key"])
    if "model" in found:  # rows have one name for all spellings
        found["model"] = short(found["model"])
    for name in {"stream", "failed"} & found.keys():
        found[name] = query.flag(name)
    return found


def _key(admin: Admin, wanted: str) -> str:
    """The id of a key; raises ``BadRequest``, 422."""
    if id := _ledger(admin).key_id(wanted):
        return id
    message = (
        f"There is no key {wanted[:128]!r}; one that was deleted is asked by its id."
    )
    raise wrong("key", message)


def _names(admin: Admin, group: str, found: Iterable[Any]) -> dict[str, Any]:
    """The names of keys by their ids, where those are what is told apart."""
    if group != "key":
        return {}
    return {"names": names_of(admin, {one["key"] for one in found})}


def names_of(admin: Admin, ids: set[str]) -> dict[str, str]:
    """What keys are called by their ids, or were when they used something last."""
    keys = admin.installation.current.now.keys.values()
    names = {key.id: key.name for key in keys if key.id in ids}
    gone = ids - names.keys() - {""}
    return names | (_ledger(admin).names(gone) if gone else {})


_CSV = partial(export, csv_lines, "usage.csv", "text/csv; charset=utf-8")
_NDJSON = partial(export, ndjson_lines, "usage.ndjson", "application/x-ndjson")

ROUTES: list[Route] = [
    Route("GET", "/usage/summary", summary, ("before", *_SUMMED)),
    Route("GET", "/usage/series", series, ("metric", "group", "step", *_SUMMED)),
    Route("GET", "/usage/distribution", distribution, ("of", *_SUMMED)),
    Route("GET", "/usage/top", top, ("by", "metric", "limit", *_SUMMED)),
    Route("GET", "/usage/records", records, ("cursor", "limit", *_FILE)),
    Route("GET", "/usage/records/<id>", record),
    Route("GET", "/usage/export.csv", _CSV, _FILE),
    Route("GET", "/usage/export.ndjson", _NDJSON, _FILE),
]
