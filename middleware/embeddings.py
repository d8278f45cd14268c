"""EmbeddingsMiddleware: Embeddings over Ollama's ``/api/embed``."""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from app.errors import BadRequest
from app.exchange import Exchange
from app.vocabulary import is_tokens, text_of
from app.wire import ollama, openai
from writers.embed import EmbedWriter

from .base import RewriteMiddleware
from .effects import without_effect
from .options import keep_alive, options
from .validation import integer, model_name


class EmbeddingsMiddleware(RewriteMiddleware[openai.EmbeddingRequest]):
    """``POST /v1/embeddings``; many inputs are split into several calls."""

    request_type = openai.EmbeddingRequest

    def rewrite(
        self, request: openai.EmbeddingRequest, exchange: Exchange
    ) -> ollama.EmbedRequest:
        """The call to ``/api/embed``."""
        exchange.stream = False
        exchange.ignored += without_effect(request)
        _encoding(request.encoding_format)
        chosen = options(request, self.settings, exchange)
        exchange.given = chosen.keys()
        return ollama.EmbedRequest(
            model=model_name(request.model),
            input=self._input(request.input),
            dimensions=integer(request.dimensions, "dimensions", 1),
            options=dict(chosen) or None,
            keep_alive=keep_alive(request),
            truncate=request.truncate,
        )

    def calls(
        self,
        request: openai.EmbeddingRequest,
        call: ollama.EmbedRequest,
        exchange: Exchange,
    ) -> list[ollama.EmbedRequest]:
        """One call for every ``embedding_batch`` inputs."""
        texts, size = call.input, self.settings.embedding_batch
        if isinstance(texts, str) or len(texts) <= size:
            return [call]
        return [
            msgspec.structs.replace(call, input=texts[start : start + size])
            for start in range(0, len(texts), size)
        ]

    def answer(
        self,
        exchange: Exchange,
        request: openai.EmbeddingRequest,
        start_response: StartResponse,
        environs: list[WSGIEnvironment],
    ) -> Iterable[bytes]:
        """Make the calls and write their one answer."""
        writer = self.writer(exchange, request, start_response)
        if len(environs) == 1:
            return writer.answer(self.app, environs[0])
        return writer.answer_all(self.app, environs, self.settings.embedding_batch)

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
            inputs=_count(request.input),
            dimensions=integer(request.dimensions, "dimensions"),
            as_base64=_encoding(request.encoding_format) == "base64",
        )

    def _input(self, given: Any) -> str | list[str]:
        if isinstance(given, str):
            return given or [given]  # "" alone would give no vector at all
        if given is None or given == []:
            raise _invalid("invalid input", "invalid_value")
        if not isinstance(given, list):
            raise _invalid("invalid input type", "invalid_type")
        if is_tokens(given):
            return [text_of(given, "input")]
        if len(given) > (most := self.settings.max_embedding_inputs):
            raise _invalid(
                f"Too many inputs: at most {most} are accepted.", "invalid_value"
            )
        if all(isinstance(text, str) for text in given):
            return given
        if not all(is_tokens(entry) for entry in given):
            raise _invalid("invalid input type", "invalid_type")
        return [text_of(entry, "input") for entry in given]


def _count(given: Any) -> int:
    """How many inputs there are: a text or a token array is one."""
    return 1 if isinstance(given, str) or is_tokens(given) else len(given)


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


def _invalid(message: str, code: str) -> BadRequest:
    return BadRequest(message, code=code, param="input")
