"""CodeMiddleware: what the forms of a request for a text in a file have in common.

A form adds what its request says (``filling``) and which writer answers it.  Ollama's
answer always streams, so that it can be ended early, and its first token be noticed;
the client gets what it asked for.
"""

from collections.abc import Iterable
from typing import Any, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.exchange import Exchange
from app.settings import Settings
from app.wire import code, ollama
from app.wire.generating import GeneratingRequest
from writers.base import ResponseWriter

from ..aliases import DEFAULT
from ..base import DEFAULTS, Policy
from ..formats import Format
from ..generation import GenerationMiddleware
from . import filling
from .filling import Filling, Session
from .hole import File

Request = TypeVar("Request", bound=GeneratingRequest)
#: Ollama's answer where nothing was asked of it.
_NOTHING = b'{"response":"","done":true,"done_reason":"stop"}\n'


class EditorMiddleware(GenerationMiddleware[Request]):
    """Translates one endpoint where editors ask for code, be it among others.

    ``session`` tells them apart.
    """

    def __init__(
        self,
        app: WSGIApplication,
        policies: Iterable[Policy] = (),
        settings: Settings = DEFAULTS,
        session: Session = lambda environ: (),
    ) -> None:
        super().__init__(app, policies, settings)
        self.session = session

    def prepared(
        self, environ: WSGIEnvironment, exchange: Exchange
    ) -> tuple[Request, Any]:
        """The request and its call; the exchange knows who asks for code."""
        request, call = super().prepared(environ, exchange)
        if exchange.filling is not None:
            exchange.filling.session += self.session(environ)
        return request, call


class CodeMiddleware(EditorMiddleware[Request]):
    """Translates one form."""

    def rewrite(self, request: Request, exchange: Exchange) -> ollama.GenerateRequest:
        """The call for a hole, whose texts ``Fill`` puts where they belong."""
        if not (request.model or "").strip():
            request.model = DEFAULT
        if request.debug_render_only:  # Ollama's answer would be a prompt, no text
            exchange.ignored.append("_debug_render_only")
            request.debug_render_only = None
        exchange.filling = found = self.filling(request, exchange)
        call = ollama.GenerateRequest(
            **self.common(request, exchange),
            prompt=found.hole.prefix,
            suffix=found.hole.suffix,
        )
        exchange.stream = call.stream = True
        return call

    def usual(self, exchange: Exchange) -> dict[str, Any]:
        """A few tokens of what is most likely."""
        return filling.DEFAULTS

    def format_of(self, request: Request) -> Format | None:
        """None: code is no JSON."""
        return None

    def calls(self, request: Request, call: Any, exchange: Exchange) -> list[Any]:
        """One call, or none where there is nothing to go by."""
        found: Filling = exchange.filling
        return [] if found.empty else [found.call(call)]

    def answer(
        self,
        exchange: Exchange,
        request: Request,
        start_response: StartResponse,
        environs: list[WSGIEnvironment],
    ) -> Iterable[bytes]:
        """Make the call, if there is one, and write its answer."""
        writer = self.writer(exchange, request, start_response)
        if not environs:
            return unasked(exchange, writer)
        return writer.answer(self.app, environs[0])

    def filling(self, request: Request, exchange: Exchange) -> Filling:
        """What a request wants to be filled in; pure but for the exchange's notes."""
        raise NotImplementedError


def unasked(exchange: Exchange, writer: ResponseWriter[Any]) -> Iterable[bytes]:
    """The answer where nothing is to be asked of any model, which names one for itself.

    Nobody has seen whether there is such a model: nothing is counted for it.
    """
    exchange.model = exchange.resolved = ""
    return writer.answer(nothing, {})


def nothing(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Ollama, if it had found nothing to say."""
    start_response("200 OK", [("Content-Type", "application/x-ndjson")])
    return [_NOTHING]


def writing(exchange: Exchange, request: GeneratingRequest) -> dict[str, Any]:
    """What the writers of all forms are told."""
    found: Filling = exchange.filling
    told = {"model": exchange.model, "stream": bool(request.stream)}
    return told | found.writing()


def files(given: list[code.File] | None) -> tuple[File, ...]:
    """Other files, the one that was in use last at the end."""
    if not given:
        return ()
    if all(isinstance(one.time, int | float) for one in given):
        given = sorted(given, key=lambda one: one.time)
    return tuple(File(one.filename or "", one.text) for one in given if one.text)
