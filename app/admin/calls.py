"""Calls that Pannier makes to Ollama for an operator, who hears its own words."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from ..carriers.base import Request, Response, Timeouts
from ..catalog import in_memory
from ..errors import GatewayError, UpstreamBroken, UpstreamError
from ..ndjson import LineBuffer
from ..redaction import Redaction
from ..refusal import of_answer
from ..relay import AGENT
from ..upstream import MAX_ANSWER, Upstream, whole
from ..wire import ollama

T = TypeVar("T")

_HEADERS = [("Content-Type", "application/json"), ("User-Agent", AGENT)]
_encode = msgspec.json.Encoder().encode
_redacted = Redaction().redacted


def begun(
    upstream: Upstream,
    method: str,
    path: str,
    payload: Any,
    timeouts: Timeouts,
    *,
    lines: bool = False,
) -> Response:
    """An answer whose head is there, to be closed; raises ``UpstreamError``."""
    request = Request(
        method=method,
        target=path,
        headers=_HEADERS,
        body=_encode(payload),
        timeouts=timeouts,
        retry=False,
        lines=lines,
    )
    response = upstream.send(request)
    try:
        if response.status >= 400:
            raise of_answer(response.status, response, response.headers)
        if response.status != 200:
            raise UpstreamBroken(
                "Ollama answered with a status that makes no sense here.",
                detail=f"status {response.status}",
            )
    except BaseException:  # nobody else could close it
        response.close()
        raise
    return response


def answered(
    upstream: Upstream, method: str, path: str, payload: Any, timeouts: Timeouts
) -> bytes:
    """A whole answer; raises ``UpstreamError``."""
    response = begun(upstream, method, path, payload, timeouts)
    try:
        return whole(response, MAX_ANSWER)
    finally:
        response.close()


def lines(response: Response) -> Iterator[bytes]:
    """The lines of an answer as they come."""
    buffer = LineBuffer()
    for data in response:
        yield from buffer.feed(data)
    yield from buffer.flush()


def incomplete() -> UpstreamBroken:
    """The failure of an answer that ended before it said so."""
    return UpstreamBroken(
        "Ollama's answer ended before it was complete.", code="upstream_incomplete"
    )


def understood(decode: Callable[[bytes], T], data: bytes) -> T:
    """What Ollama said; raises ``UpstreamBroken`` where that makes no sense."""
    try:
        return decode(data)
    except msgspec.DecodeError as exc:
        raise UpstreamBroken(
            "Ollama's answer could not be understood.", detail=str(exc)
        ) from exc


def running(upstream: Upstream, seconds: float) -> dict[str, ollama.LoadedModel]:
    """The models in memory, by ``names.key``; raises ``UpstreamError``."""
    return understood(in_memory, upstream.control("GET", "/api/ps", timeout=seconds))


def in_ram(model: ollama.LoadedModel | None) -> dict[str, int | None]:
    """How a model is in memory; ``None`` is what nobody knows."""
    found = model or ollama.LoadedModel()
    return {
        "expires_at": _moment(found.expires_at),
        "size_vram": found.size_vram if _is_size(found.size_vram) else None,
        "context_length": ollama.count(found.context_length) or None,
    }


def told(error: GatewayError) -> str:
    """An error as those may hear it who run Pannier (reliability, W8)."""
    if isinstance(error, UpstreamError) and error.detail:
        return f"{error.message} ({_redacted(error.detail)})"
    return error.message


def _is_size(value: object) -> bool:
    return type(value) is int and ollama.count(value) == value


def _moment(timestamp: object) -> int | None:
    """Unix milliseconds of an RFC 3339 time; ``None`` for what is none."""
    try:
        found = datetime.fromisoformat(str(timestamp)).timestamp()
    except (ValueError, OverflowError):
        return None
    return round(found * 1000) if found > 0 else None
