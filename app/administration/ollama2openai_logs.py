"""The requests that Ollama2OpenAI has noted, as rows of usage."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta

from ..gateway.usage import Row
from ..moment import LAST
from ..storage.refusal import Refused
from ..wire.names import short
from .foreign import File, at, entries, moment

LOGS = "logs.json"
#: Tokens, or milliseconds, of one request: far more than any had, and of a million such
#: rows databases still have the sum (specification: gateway, section 2).
_MOST = 2**42
_Tokens = Annotated[int, Meta(ge=0, le=_MOST)]


class _Log(msgspec.Struct, rename="camel"):
    """An entry of logs.json."""

    timestamp: str
    id: str | int = ""
    api_key_id: str | int = ""
    api_key_name: str = ""
    model: str = ""
    prompt_tokens: _Tokens | None = None
    completion_tokens: _Tokens | None = None
    # Below 0 where a clock was put back.
    response_time: Annotated[float, Meta(le=_MOST)] = 0
    status: str = "success"
    endpoint: str = ""
    user_agent: str = ""
    ip: str = ""


def rows(
    place: File, keys: Mapping[str, str], models: Mapping[str, str]
) -> Iterator[Row]:
    """The rows; ``keys`` are ids of keys here by those there.

    ``models`` are the models by the names that were shown for them.
    """
    for where, entry in entries(place / LOGS, _Log):
        with at(where):
            came = moment(entry.timestamp, "timestamp")
            if came is None or not 0 < came <= LAST:
                raise Refused("timestamp: a time is wanted.", "timestamp")
            model = short(models.get(entry.model, entry.model))
            yield _row(entry, came, keys.get(str(entry.api_key_id), ""), model)


def _row(entry: _Log, came: int, key_id: str, model: str) -> Row:
    good = entry.status == "success"
    return Row(
        id=_id(entry, came),
        at=came,
        request_id="",
        key_id=key_id,
        key_name=entry.api_key_name,
        requested_model=entry.model,
        resolved_model=model if entry.model else "",
        endpoint=_endpoint(entry.endpoint),
        protocol="anthropic" if "messages" in entry.endpoint else "openai",
        stream=False,
        http_status=200 if good else None,
        status="ok" if good else "upstream_error",
        error_code="",
        prompt_tokens=entry.prompt_tokens or None,
        completion_tokens=entry.completion_tokens or None,
        reasoning_tokens=None,
        estimated=False,
        queue_ms=None,
        load_ms=None,
        ttft_ms=None,
        prompt_ms=None,
        eval_ms=None,
        duration_ms=max(0, int(entry.response_time)),
        finish_reason="",
        n_messages=None,
        n_tools=None,
        n_tool_calls=None,
        n_images=None,
        bytes_in=0,
        bytes_out=0,
        think="",
        client_ip=entry.ip,
        user_agent=entry.user_agent[:120],
        end_user="",
    )


def _id(entry: _Log, came: int) -> str:
    """The same for the same entry, so that it counts once."""
    tail = hashlib.sha256(msgspec.json.encode(entry)).hexdigest()
    return f"{came:012x}7{tail[:3]}8{tail[3:18]}"


def _endpoint(path: str) -> str:
    """The group of endpoints that a path there belongs to."""
    for group in ("embeddings", "messages"):
        if group in path:
            return group
    return "chat"
