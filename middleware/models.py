"""ListMiddleware and RetrieveMiddleware: the models, as OpenAI lists them."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.errors import BadRequest, UpstreamRefused
from app.exchange import Exchange
from app.wire import ollama
from writers.list import ListWriter
from writers.retrieve import RetrieveWriter

from .base import calling
from .validation import model_name

_encode = msgspec.json.Encoder().encode


class ListMiddleware:
    """``GET /v1/models`` over ``/api/tags``."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        exchange = Exchange.of(environ)
        exchange.stream = False
        writer = ListWriter(exchange, start_response)
        return writer.answer(self.app, calling(environ, "/api/tags", None, "GET"))


class RetrieveMiddleware:
    """``GET /v1/models/{model}`` over ``/api/show``; names may hold slashes.

    ``prefix`` is what comes before the name in the path.
    """

    def __init__(self, app: WSGIApplication, prefix: str = "/v1/models/") -> None:
        self.app = app
        self.prefix = prefix

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        exchange = Exchange.of(environ)
        exchange.stream = False
        # WSGI hands the path's bytes on as latin-1 (PEP 3333).
        raw = environ["PATH_INFO"].removeprefix(self.prefix).encode("latin-1")
        try:
            name = _name(raw.decode())
        except (BadRequest, UnicodeDecodeError) as exc:
            raise _unknown(raw.decode(errors="replace")) from exc
        exchange.model = name
        writer = RetrieveWriter(exchange, start_response, model=name)
        call = calling(environ, "/api/show", _encode(ollama.ShowRequest(name)))
        try:
            return writer.answer(self.app, call)
        except UpstreamRefused as exc:
            if exc.status == 404 or exc.message == "invalid model name":
                raise _unknown(name) from exc
            raise


def _name(name: str) -> str:
    """A name that may be one; tricks with paths never are (reliability, A1)."""
    if "\\" in name or not {"", ".", ".."}.isdisjoint(name.split("/")):
        raise _unknown(name)
    return model_name(name)


def _unknown(name: str) -> BadRequest:
    return BadRequest(
        f"The model '{name[:512]}' does not exist",
        status=404,
        code="model_not_found",
        param="model",
    )
