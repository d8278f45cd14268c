"""Records: single requests, newest first, and each of them by itself."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from .. import usage as api
from ..asked import Admin, Asked
from .narrowed import NAMES, Narrowed
from .page import Page
from .usage import frame

#: Records of a page.
MANY = 50


class Column(NamedTuple):
    """What a column is called, whether it is shown by itself, and how it is written."""

    label: str
    shown: bool = False
    form: str = "text"


COLUMNS = {
    "status": Column("Status", True, "status"),
    "key_id": Column("Key", True, "key"),
    "resolved_model": Column("Model", True),
    "requested_model": Column("Asked for"),
    "endpoint": Column("Endpoint"),
    "protocol": Column("Protocol"),
    "stream": Column("Stream", False, "flag"),
    "http_status": Column("HTTP"),
    "prompt_tokens": Column("Tokens in", True, "number"),
    "completion_tokens": Column("Tokens out", True, "number"),
    "reasoning_tokens": Column("Reasoning", False, "number"),
    "ttft_ms": Column("First token", True, "span"),
    "duration_ms": Column("Duration", True, "span"),
    "error_code": Column("Error", True),
    "queue_ms": Column("Waiting", False, "span"),
    "load_ms": Column("Loading", False, "span"),
    "tokens_per_s": Column("Tokens/s", False, "speed"),
    "finish_reason": Column("Finish"),
    "client_ip": Column("Client"),
    "user_agent": Column("User agent"),
    "end_user": Column("User"),
    "bytes_in": Column("Size in", False, "size"),
    "bytes_out": Column("Size out", False, "size"),
    "request_id": Column("Request id"),
}
#: What a request's time was spent on, as Ollama measured it.
PARTS = {
    "queue_ms": "Waiting",
    "load_ms": "Loading the model",
    "prompt_ms": "Reading the prompt",
    "eval_ms": "Generating",
}
#: Width of a time line, in its own units.
WIDE = 1000


def listed(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """A page of them."""
    seen = Narrowed.of(asked)
    query = {**seen.times, **seen.filters, "limit": str(MANY)}
    if cursor := asked.query.get("cursor"):
        query["cursor"] = cursor
    found = api.records(admin, msgspec.structs.replace(asked, query=query))
    return {
        **frame(admin, asked, seen),
        "columns": COLUMNS,
        "rows": found["records"],
        "names": found["names"],
        "there": _there(admin),
        "cursor": cursor or "",
        "older": found["cursor"],
    }


def shown(admin: Admin, asked: Asked) -> Mapping[str, Any]:
    """One of them."""
    row = api.record(admin, asked)
    return {
        "row": row,
        "names": api.names_of(admin, {row["key_id"]}),
        "there": _there(admin),
        "parts": timed(row),
        "first": _first(row),
        "wide": WIDE,
    }


def timed(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of a request's time one after the other, and what is left of it."""
    known = [(label, row[name]) for name, label in PARTS.items()]
    spent = sum(part or 0 for _, part in known)
    rest = max(row["duration_ms"] - spent, 0)
    scale = WIDE / (spent + rest or 1)
    found, at = [], 0.0
    for number, (label, part) in enumerate([*known, ("All else", rest)], 1):
        width = (part or 0) * scale
        tone = "quiet" if label == "All else" else str(number)
        x, wide = round(at, 1), round(width, 1)
        found.append({"label": label, "ms": part, "x": x, "width": wide, "tone": tone})
        at += width
    return found


def _first(row: Mapping[str, Any]) -> float | None:
    """Where the first piece came, on a time line."""
    whole = max(row["duration_ms"], sum(row[name] or 0 for name in PARTS))
    if row["ttft_ms"] is None or not whole:
        return None
    share: float = min(row["ttft_ms"] / whole, 1)
    return round(share * WIDE, 1)


def _there(admin: Admin) -> set[str]:
    return {key.id for key in admin.installation.current.now.keys.values()}


PAGES: list[Page] = [
    Page("/usage/records", "records.html", listed, (*NAMES, "cursor")),
    Page("/usage/records/<id>", "record.html", shown),
]
