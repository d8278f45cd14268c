"""CompletionsMiddleware: (legacy) Completions over Ollama's ``/api/generate``."""

from typing import Any
from wsgiref.types import StartResponse

from app.errors import BadRequest
from app.exchange import Exchange
from app.wire import ollama, openai
from writers.completion import CompleteWriter

from .generation import GenerationMiddleware, alternatives, includes_usage
from .validation import missing

MAX_LOGPROBS = 5


class CompletionsMiddleware(GenerationMiddleware[openai.CompletionRequest]):
    """``POST /v1/completions``."""

    request_type = openai.CompletionRequest
    path = "/api/generate"

    def rewrite(
        self, request: openai.CompletionRequest, exchange: Exchange
    ) -> ollama.GenerateRequest:
        """The call to ``/api/generate``."""
        logprobs = alternatives(request.logprobs, "logprobs", MAX_LOGPROBS)
        return ollama.GenerateRequest(
            **self.common(request, exchange),
            prompt=_prompt(request.prompt),
            suffix=request.suffix or "",
            logprobs=True if logprobs else None,
            top_logprobs=logprobs or None,
        )

    def writer(
        self,
        exchange: Exchange,
        request: openai.CompletionRequest,
        start_response: StartResponse,
    ) -> CompleteWriter:
        """A ``CompleteWriter`` for what was asked."""
        return CompleteWriter(
            exchange,
            start_response,
            model=exchange.model,
            stream=bool(exchange.stream),
            include_usage=includes_usage(request),
        )


def _prompt(prompt: Any) -> str:
    """The prompt; without one Ollama would only load the model."""
    if prompt is None or prompt == "":
        raise missing("prompt")
    if isinstance(prompt, str):
        return prompt
    if not isinstance(prompt, list):
        raise BadRequest(
            "Invalid type for 'prompt': expected a string.",
            code="invalid_type",
            param="prompt",
        )
    if len(prompt) == 1 and isinstance(prompt[0], str) and prompt[0]:
        return prompt[0]
    if all(isinstance(text, str) for text in prompt):
        message = "arrays of prompts are not supported; send one prompt"
    else:
        message = "token array prompts are not supported; send text"
    raise BadRequest(message, code="unsupported_value", param="prompt")
