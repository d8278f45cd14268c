"""A writer around a prepared answer of Ollama's, for tests of what writers write."""

from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.exchange import Exchange
from middleware.errors import ErrorMiddleware
from writers.base import ResponseWriter

from .ollama import Answer, Ollama, ask

Make = Callable[[Exchange, StartResponse], ResponseWriter[Any]]


def written(make: Make, ollama: WSGIApplication, path: str = "/v1/x") -> Answer:
    """What a client gets from a writer around ``ollama``, errors rendered."""

    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        return make(Exchange.of(environ), start).answer(ollama, environ)

    return ask(ErrorMiddleware(app), "GET", path)


def lines(*replies: Any) -> bytes:
    """Replies as NDJSON; bytes stay as they are."""
    return b"".join(
        [r if isinstance(r, bytes) else msgspec.json.encode(r) + b"\n" for r in replies]
    )


def answered(*replies: Any, **options: Any) -> Ollama:
    """An Ollama that answers with these replies, each in a block of its own."""
    return Ollama(*[lines(reply) for reply in replies], **options)
