"""Loading: models into Ollama's memory and out of it, and whether one answers."""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import msgspec

from ..administration.checks import said_of
from ..carriers.base import Response
from ..errors import GatewayError, UpstreamBroken
from ..exchange import Exchange
from ..gateway import rules
from ..refusal import in_stream
from ..relay import bounds
from ..wire import ollama
from ..wire.decoding import decode
from ..wire.names import key as key_of
from .asked import Admin, Asked, Route
from .calls import answered, begun, in_ram, incomplete, lines, running, understood
from .models import meant

T = TypeVar("T")

#: Seconds in which Ollama says what it has in memory.
PATIENCE = 5.0
#: What a model is asked, to see whether it answers, and how much it may say.
QUESTION, TOKENS = "Say hello.", 32
#: Nanoseconds, in which Ollama counts.
_SECOND, _MILLISECOND = 1e9, 1e6

_chat = partial(decode, msgspec.json.Decoder(ollama.ChatResponse))
_generated = partial(decode, msgspec.json.Decoder(ollama.GenerateResponse))
_embeddings = partial(decode, msgspec.json.Decoder(ollama.EmbedResponse))


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a model is to stay: seconds, or a duration such as 10m."""

    keep_alive: str | float | None = None


def load(admin: Admin, asked: Asked) -> dict[str, Any]:
    """Load a model as requests would, and say how it is in memory then."""
    wanted = asked.json(Wanted) if asked.body else Wanted()
    if (kept := wanted.keep_alive) is not None:
        said_of(partial(rules.check, {"keep_alive": kept}), "keep_alive")
    model, exchange = _named(admin, asked)
    call: Any = ollama.GenerateRequest(model=model, stream=False, prompt="")
    if _embeds(admin, model):
        call = ollama.EmbedRequest(model, [])
    call.keep_alive = kept
    admin.amend(exchange, call)
    start = time.monotonic()
    _have(admin, exchange, call)
    took = _since(start)
    _note(admin, asked, "model.load", model)
    found = None
    with suppress(GatewayError):  # it is loaded, whether or not Ollama can say how
        found = running(admin.upstream, PATIENCE).get(key_of(model))
    return {"model": model, "load_ms": took, **in_ram(found)}


def unload(admin: Admin, asked: Asked) -> dict[str, Any]:
    """Take a model out of memory, as soon as nobody uses it."""
    asked.check_empty()
    model, exchange = _named(admin, asked)
    there = key_of(model) in running(admin.upstream, PATIENCE)
    if there:
        # To Ollama this is no generating, and so it is for models that embed, too.
        call = ollama.GenerateRequest(
            model=model, stream=False, prompt="", keep_alive=0
        )
        _have(admin, exchange, call)
        _note(admin, asked, "model.unload", model)
    return {"model": model, "unloaded": there}


def test(admin: Admin, asked: Asked) -> dict[str, Any]:
    """Ask a model something short; its failure is raised."""
    asked.check_empty()
    model, exchange = _named(admin, asked)
    found = (_embedded if _embeds(admin, model) else _spoken)(admin, exchange)
    admin.catalog.forget()
    said = {"ttft_ms": None, "load_ms": None, "tokens_per_s": None, "text": None}
    return {"model": model, "ok": True, **said, "dimensions": None, **found}


def _have(admin: Admin, exchange: Exchange, call: Any) -> None:
    """Have Ollama do it; raises ``UpstreamError`` unless it says that it has."""
    embeds = isinstance(call, ollama.EmbedRequest)
    reply: Any = _reply(admin, exchange, call, _embeddings if embeds else _generated)
    if reply.error is not None:
        raise in_stream(reply.error)
    is_whole = reply.embeddings is not None if embeds else reply.done
    if not is_whole:
        raise incomplete()


def _spoken(admin: Admin, exchange: Exchange) -> dict[str, Any]:
    model = exchange.model
    facts = admin.catalog.facts(model)
    thinks = facts is not None and "thinking" in (facts.capabilities or ())
    call = ollama.ChatRequest(
        model=model,
        stream=True,
        messages=[ollama.Message("user", QUESTION)],
        options={"num_predict": TOKENS},
        think=False if thinks else None,  # it would say nothing else
    )
    exchange.stream, exchange.given = True, {"num_predict"}
    admin.amend(exchange, call)
    timeouts = exchange.timeouts or bounds(admin.settings, True)
    start = time.monotonic()
    response = begun(admin.upstream, "POST", call.path, call, timeouts, lines=True)
    try:
        return _heard(response, start)
    finally:
        response.close()


def _heard(response: Response, start: float) -> dict[str, Any]:
    """What was said, and how fast; raises ``UpstreamError`` unless that is all."""
    first, text, thought = None, "", ""
    for line in lines(response):
        reply = understood(_chat, line)
        if reply.error is not None:
            raise in_stream(reply.error)
        message = reply.message or ollama.ReplyMessage()
        text += message.content or ""
        thought += message.thinking or ""
        if first is None and (text or thought):
            first = _since(start)
        if reply.done:
            response.release()
            took = ollama.count(reply.eval_duration) / _SECOND
            speed = ollama.count(reply.eval_count) / took if took else None
            return {
                "ttft_ms": first,
                "load_ms": _milliseconds(reply.load_duration),
                "tokens_per_s": None if speed is None else round(speed, 1),
                "text": text or thought,
            }
    raise incomplete()


def _embedded(admin: Admin, exchange: Exchange) -> dict[str, Any]:
    call = ollama.EmbedRequest(exchange.model, QUESTION)
    admin.amend(exchange, call)
    reply = _reply(admin, exchange, call, _embeddings)
    try:
        vector = msgspec.json.decode((reply.embeddings or [])[0], type=list[float])
    except (IndexError, msgspec.DecodeError):
        raise UpstreamBroken("Ollama's answer has no embedding in it.") from None
    took = _milliseconds(reply.load_duration)
    return {"load_ms": took, "dimensions": len(vector)}


def _reply(
    admin: Admin, exchange: Exchange, call: Any, decode: Callable[[bytes], T]
) -> T:
    """What Ollama says to a call, in one piece; raises ``UpstreamError``."""
    timeouts = exchange.timeouts or bounds(admin.settings, False)
    body = answered(admin.upstream, "POST", call.path, call, timeouts)
    return understood(decode, body)


def _named(admin: Admin, asked: Asked) -> tuple[str, Exchange]:
    """The model that the path names, by itself or by an alias, and a call to it."""
    names = admin.office(asked.actor).aliases.names()
    model, alias = meant(admin, asked, names)
    return model, Exchange(model=model, alias=alias, stream=False)


def _embeds(admin: Admin, model: str) -> bool:
    """Whether a model only embeds; one that nobody knows is taken to generate."""
    facts = admin.catalog.facts(model)
    return facts is not None and not facts.chats


def _note(admin: Admin, asked: Asked, action: str, model: str) -> None:
    admin.catalog.forget()
    with suppress(GatewayError):  # it is done, whether or not that can be noted
        admin.office(asked.actor).note(action, model)


def _since(start: float) -> int:
    return round((time.monotonic() - start) * 1000)


def _milliseconds(duration: object) -> int | None:
    return round(ollama.count(duration) / _MILLISECOND) if duration else None


ROUTES: list[Route] = [
    Route("POST", "/models/<path:name>/load", load),
    Route("POST", "/models/<path:name>/unload", unload),
    Route("POST", "/models/<path:name>/test", test),
]
