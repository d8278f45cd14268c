"""Explain: what would be sent to Ollama, without sending it.

Asked for by ``X-Pannier-Explain: 1`` or ``?explain=1``.
"""

from typing import Any
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from app.exchange import Exchange
from app.wire import ollama
from app.wire.decoding import decode

from .effects import effect

#: Calls that are shown of many; the others differ in their prompt, or their seed.
MAX_SHOWN = 8

_encode = msgspec.json.Encoder().encode
_anything = msgspec.json.Decoder(msgspec.Raw)


def wants_explanation(environ: WSGIEnvironment) -> bool:
    """Whether the client asks for an explanation instead of an answer."""
    if environ.get("HTTP_X_PANNIER_EXPLAIN") == "1":
        return True
    query = environ.get("QUERY_STRING")
    return bool(query) and parse_qs(query).get("explain") == ["1"]


def explained(
    exchange: Exchange, calls: list[Any], start_response: StartResponse
) -> list[bytes]:
    """The answer that explains: the first calls, and what became of the request."""
    shown = calls[:MAX_SHOWN]
    return _told(
        exchange,
        {
            "object": "pannier.explanation",
            "endpoint": calls[0].path if calls else None,
            "model": {
                "requested": exchange.model,
                "resolved": calls[0].model if calls else None,
            },
            "calls": len(calls),
            "requests": shown,
            "ignored": [
                {"field": name, "reason": effect(name, exchange.unknown).why}
                for name in exchange.ignored
            ],
            "adjusted": exchange.adjusted,
            "reasoning_hidden": exchange.hidden,
            "num_ctx": _num_ctx(exchange),
            "prompt_tokens_estimate": exchange.prompt_estimate,
            "code": exchange.filling.told() if exchange.filling else None,
        },
        start_response,
    )


def passed_on(
    environ: WSGIEnvironment, body: bytes, start_response: StartResponse
) -> list[bytes]:
    """The answer that explains a request of Ollama's own, which goes on as it came."""
    try:
        text = body.decode(errors="replace")
        request: Any = decode(_anything, text.encode())
    except msgspec.DecodeError:
        request = text
    return _told(
        Exchange.of(environ),
        {
            "object": "pannier.explanation",
            "endpoint": ollama.GenerateRequest.path,
            "passed_on": True,
            "calls": 1,
            "requests": [request],
        },
        start_response,
    )


def _told(
    exchange: Exchange, explanation: dict[str, Any], start_response: StartResponse
) -> list[bytes]:
    if exchange.spent is not None:
        exchange.spent.note_explained()
    payload = _encode(explanation)
    length = ("Content-Length", str(len(payload)))
    start_response("200 OK", [("Content-Type", "application/json"), length])
    return [payload]


def _num_ctx(exchange: Exchange) -> int | None:
    """The context in force, looked up where a setting cares for it."""
    prompt = exchange.prompt
    if exchange.num_ctx is None and prompt is not None and prompt.estimate is not None:
        return prompt.context()
    return exchange.num_ctx
