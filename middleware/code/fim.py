"""FimMiddleware and TabbyMiddleware: the forms of Mistral's and of Tabby's editors."""

from wsgiref.types import StartResponse

from app.exchange import Exchange
from app.wire import code
from writers.code_shapes import FimWriter, TabbyWriter

from .filling import Filling
from .form import CodeMiddleware, writing
from .hole import File, Hole
from .parser import known


class FimMiddleware(CodeMiddleware[code.FimRequest]):
    """``POST /v1/fim/completions``."""

    request_type = code.FimRequest

    def filling(self, request: code.FimRequest, exchange: Exchange) -> Filling:
        """Prompt and suffix as they are."""
        return Filling(Hole(request.prompt or "", request.suffix or ""))

    def writer(
        self,
        exchange: Exchange,
        request: code.FimRequest,
        start_response: StartResponse,
    ) -> FimWriter:
        """Mistral's answer."""
        return FimWriter(exchange, start_response, **writing(exchange, request))


class TabbyMiddleware(CodeMiddleware[code.TabbyRequest]):
    """``POST /v1/completions`` with ``segments``."""

    request_type = code.TabbyRequest

    def filling(self, request: code.TabbyRequest, exchange: Exchange) -> Filling:
        """What the editor knows of the place; changed files weigh most."""
        if exchange.spent is not None:
            exchange.spent.protocol = "tabby"
        known_of = request.segments or code.Segments()
        pieces = [
            *(known_of.relevant_snippets_from_recently_opened_files or ()),
            *(known_of.declarations or ()),
            *(known_of.relevant_snippets_from_changed_files or ()),
        ]
        hole = Hole(
            known_of.prefix or "",
            known_of.suffix or "",
            request.language or "",
            known_of.filepath or "",
            known_of.git_url or "",
            tuple(File(one.filepath or "", one.body) for one in pieces if one.body),
        )
        return Filling(known(hole))

    def writer(
        self,
        exchange: Exchange,
        request: code.TabbyRequest,
        start_response: StartResponse,
    ) -> TabbyWriter:
        """Tabby's answer."""
        return TabbyWriter(exchange, start_response, **writing(exchange, request))
