"""EmbeddingsMiddleware: Embeddings over Ollama's ``/api/embed``."""

from typing import Any
from wsgiref.types import StartResponse

from app.errors import BadRequest
from app.exchange import Exchange
from app.wire import ollama, openai
from writers.embed import EmbedWriter

from .base import RewriteMiddleware
from .effects import without_effect
from .options import keep_alive, native_options
from .validation import integer, model_name


class EmbeddingsMiddleware(RewriteMiddleware[openai.EmbeddingRequest]):
    """``POST /v1/embeddings``."""

    request_type = openai.EmbeddingRequest
    path = "/api/embed"

    def rewrite(
        self, request: openai.EmbeddingRequest, exchange: Exchange
    ) -> ollama.EmbedRequest:
        """The call to ``/api/embed``."""
        exchange.stream = False
        exchange.ignored += without_effect(request)
        _encoding(request.encoding_format)
        return ollama.EmbedRequest(
            model=model_name(request.model),
            input=self._input(request.input),
            dimensions=integer(request.dimensions, "dimensions", 1),
            options=native_options(request.options) or None,
            keep_alive=keep_alive(request.keep_alive),
            truncate=request.truncate,
        )

    def writer(
        self,
        exchange: Exchange,
        request: openai.EmbeddingRequest,
        start_response: StartResponse,
    ) -> EmbedWriter:
        """An ``EmbedWriter`` for the encoding that was asked."""
        return EmbedWriter(
            exchange,
            start_response,
            model=exchange.model,
            as_base64=_encoding(request.encoding_format) == "base64",
        )

    def _input(self, given: Any) -> str | list[str]:
        if isinstance(given, str):
            return given or [given]  # "" alone would give no vector at all
        if given is None or given == []:
            raise _invalid("invalid input", "invalid_value")
        if not isinstance(given, list):
            raise _invalid("invalid input type", "invalid_type")
        if len(given) > (most := self.settings.max_embedding_inputs):
            raise _invalid(
                f"Too many inputs: at most {most} are accepted.", "invalid_value"
            )
        if not all(isinstance(text, str) for text in given):
            raise _not_text(given)
        return given


def _encoding(given: str | None) -> str:
    encoding = (given or "float").lower()
    if encoding not in ("float", "base64"):
        raise BadRequest(
            f"Invalid value for 'encoding_format' = {(given or '')[:64]}."
            " Supported values: ['float', 'base64'].",
            code="invalid_value",
            param="encoding_format",
        )
    return encoding


def _not_text(given: list[Any]) -> BadRequest:
    lists = [entry if isinstance(entry, list) else [entry] for entry in given]
    if all(isinstance(token, int) for entry in lists for token in entry):
        return _invalid(
            "token array input is not supported by this server; send text",
            "unsupported_value",
        )
    return _invalid("invalid input type", "invalid_type")


def _invalid(message: str, code: str) -> BadRequest:
    return BadRequest(message, code=code, param="input")
