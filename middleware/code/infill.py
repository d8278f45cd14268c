"""InfillMiddleware and LlamaMiddleware: llama.cpp's ``/infill`` and ``/completion``."""

from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar
from wsgiref.types import StartResponse, WSGIEnvironment

from app.errors import BadRequest
from app.exchange import Exchange
from app.wire import code
from writers.code_shapes import InfillWriter

from ..validation import integer
from .filling import Filling
from .form import CodeMiddleware, files, nothing, writing
from .hole import Hole
from .parser import known, markers, parse

Request = TypeVar("Request", bound=code.CompletionRequest)


class LlamaMiddleware(CodeMiddleware[Request]):
    """``POST /completion``: a prompt that goes on, or that an editor has marked."""

    request_type: ClassVar[Any] = code.CompletionRequest

    def filling(self, request: Request, exchange: Exchange) -> Filling:
        """The prompt, with markers or as it is."""
        prompt = text(request.prompt, "prompt")
        marks = markers(prompt) if self.settings.code_rewrite else ""
        hole = known(parse(prompt)) if marks else Hole(prompt)
        if exchange.spent is not None:
            exchange.spent.protocol = "llamacpp"
        return self._bounded(Filling(hole, prompt, marks, plain=not marks), request)

    def _bounded(self, found: Filling, request: Request) -> Filling:
        """The filling within the limits that only llama.cpp knows."""
        milliseconds = integer(request.t_max_predict_ms, "t_max_predict_ms")
        found.indent = integer(request.n_indent, "n_indent", 0) or 0
        found.line_seconds = max(milliseconds or 0, 0) / 1000
        found.session = (integer(request.id_slot, "id_slot"),)
        found.ahead = request.n_predict == 0
        return found

    def calls(self, request: Request, call: Any, exchange: Exchange) -> list[Any]:
        """The call; what is only to be read ahead says one token."""
        calls = super().calls(request, call, exchange)
        if exchange.filling.ahead:
            for one in calls:
                one.options["num_predict"] = 1
        return calls

    def answer(
        self,
        exchange: Exchange,
        request: Request,
        start_response: StartResponse,
        environs: list[WSGIEnvironment],
    ) -> Iterable[bytes]:
        """Make the call and write its answer; nobody waits for what is read ahead."""
        if not exchange.filling.ahead:
            return super().answer(exchange, request, start_response, environs)
        if exchange.filling.read_ahead is not None and environs:
            exchange.filling.read_ahead(environs[0])
        writer = self.writer(exchange, request, start_response)
        return writer.answer(nothing, {})

    def writer(
        self, exchange: Exchange, request: Request, start_response: StartResponse
    ) -> InfillWriter:
        """llama.cpp's answer, or what of it is wanted."""
        return InfillWriter(
            exchange,
            start_response,
            **writing(exchange, request),
            response_fields=request.response_fields,
        )


class InfillMiddleware(LlamaMiddleware[code.InfillRequest]):
    """``POST /infill``."""

    request_type = code.InfillRequest

    def filling(self, request: code.InfillRequest, exchange: Exchange) -> Filling:
        """The hole, whose prefix ends with the line before the cursor."""
        hole = Hole(
            (request.input_prefix or "") + text(request.prompt, "prompt"),
            request.input_suffix or "",
            files=files(request.input_extra),
        )
        return self._bounded(Filling(hole), request)


def text(given: Any, param: str) -> str:
    """A text; llama.cpp takes tokens too.  Raises ``BadRequest``."""
    if given is None:
        return ""
    if not isinstance(given, str):
        raise BadRequest(
            f"Invalid type for '{param}': expected a string.",
            code="invalid_type",
            param=param,
        )
    return given
