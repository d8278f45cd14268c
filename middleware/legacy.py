"""The older behaviour: Ollama's OpenAI layer as it was in 2024 (``PANNIER_LEGACY``).

For clients that were tuned against it.  ``DIFFERENCES`` is the whole of it: what is
restored, old beside new.  What nobody can have built on is not restored: calls lost
beside a text, errors lost because they were no JSON, one of ``n`` choices.
"""

from typing import Any, NamedTuple
from wsgiref.types import StartResponse

from msgspec.structs import replace

from app.exchange import Exchange
from app.wire import ollama, openai
from writers.legacy import LegacyChatWriter, LegacyCompleteWriter

from .chat import ChatMiddleware
from .completions import CompletionsMiddleware


class Difference(NamedTuple):
    """One point: where, what it was, what it is now."""

    where: str
    old: str
    new: str


DIFFERENCES = [
    Difference("`temperature`", "sent doubled", "sent as it is"),
    Difference("`frequency_penalty`", "sent doubled", "sent as it is"),
    Difference("`presence_penalty` of chat", "not sent", "sent as it is"),
    Difference("`presence_penalty` of completions", "sent doubled", "sent as it is"),
    Difference("penalties of completions, absent", "0 is sent", "nothing is sent"),
    Difference("`top_p: 0` of completions", "1 is sent", "0 is sent"),
    Difference("`max_completion_tokens`", "not sent", "counts before `max_tokens`"),
    Difference(
        "`response_format`", "only `json_object` counts", "`json_schema` counts too"
    ),
    Difference("`tool_choice`, `functions`", "no effect", "honoured"),
    Difference("`best_of`, `echo`, `_debug_render_only`", "no effect", "honoured"),
    Difference(
        "`suffix` of completions",
        "sent as it is, for Ollama to fill in",
        "filled in for any model",
    ),
    Difference(
        "parts of a message's content", "a message for each", "one message for all"
    ),
    Difference("`stream_options.include_usage`", "no effect", "a chunk with usage"),
    Difference("role in a stream", "in every chunk", "in the first chunk"),
    Difference("end of a stream", "reason in the last text chunk", "a chunk for it"),
    Difference("`created` in a stream", "now, in each chunk", "one time"),
    Difference(
        "`finish_reason`",
        "Ollama's word, `null` for none; `tool_calls` with any call",
        "one of OpenAI's; `length` stays `length`",
    ),
    Difference("`content` beside calls", "an empty string", "`null`"),
    Difference("a model's reasoning", "left out", "in `reasoning`"),
    Difference("tool calls in a stream", "left out", "as deltas"),
    Difference(
        "`logprobs`, `refusal` in answers", "left out", "`null` where there are none"
    ),
    Difference("errors of Ollama's", "type `api_error`, no `code`", "type by status"),
]


class LegacyChatMiddleware(ChatMiddleware):
    """``POST /v1/chat/completions`` as it was."""

    def rewrite(
        self, request: openai.ChatCompletionRequest, exchange: Exchange
    ) -> ollama.ChatRequest:
        """The call as it was made then."""
        exchange.ignored += _dropped(request, *_DROPPED)
        if _only_json(request.response_format) is not request.response_format:
            exchange.ignored.append("response_format")
        parted = [one for given in request.messages or () for one in _parted(given)]
        older = replace(
            request,
            messages=parted,
            presence_penalty=None,
            max_completion_tokens=None,
            tool_choice=None,
            functions=None,
            function_call=None,
            debug_render_only=None,
            response_format=_only_json(request.response_format),
        )
        call = super().rewrite(older, exchange)
        call.options = _doubled(call.options, request)
        return call

    def writer(  # type: ignore[override]
        self,
        exchange: Exchange,
        request: openai.ChatCompletionRequest,
        start_response: StartResponse,
    ) -> LegacyChatWriter:
        """The writer as it was."""
        return LegacyChatWriter(
            exchange,
            start_response,
            model=exchange.model,
            stream=bool(exchange.stream),
        )


#: Fields that were unknown then, or lost.
_DROPPED = (
    "presence_penalty",
    "max_completion_tokens",
    "tool_choice",
    "functions",
    "function_call",
    "debug_render_only",
    "logprobs",
)
_DROPPED_TEXT = ("logprobs", "response_format", "debug_render_only", "echo", "best_of")


class LegacyCompletionsMiddleware(CompletionsMiddleware):
    """``POST /v1/completions`` as it was."""

    def rewrite(
        self, request: openai.CompletionRequest, exchange: Exchange
    ) -> ollama.GenerateRequest:
        """The call as it was made then."""
        exchange.ignored += _dropped(request, *_DROPPED_TEXT)
        older = replace(
            request,
            frequency_penalty=request.frequency_penalty or 0.0,
            presence_penalty=request.presence_penalty or 0.0,
            top_p=request.top_p or None,
            logprobs=None,
            debug_render_only=None,
            response_format=None,
        )
        call = super().rewrite(older, exchange)
        call.options = _doubled(call.options, older)
        return call

    def writer(  # type: ignore[override]
        self,
        exchange: Exchange,
        request: openai.CompletionRequest,
        start_response: StartResponse,
    ) -> LegacyCompleteWriter:
        """The writer as it was."""
        return LegacyCompleteWriter(
            exchange,
            start_response,
            model=exchange.model,
            stream=bool(exchange.stream),
        )

    def _fills(self, request: openai.CompletionRequest) -> bool:
        """What is filled in, Ollama fills in."""
        return False

    def _choices_and_tries(self, request: openai.CompletionRequest) -> tuple[int, int]:
        n, _ = super()._choices_and_tries(request)
        return n, n


def _dropped(request: openai.Sampling, *names: str) -> list[str]:
    """Which of these fields ask for something that is not done."""
    return [name for name in names if getattr(request, name) not in (None, False, [])]


def _parted(message: openai.Message) -> list[openai.Message]:
    """A message for each part of its content; the last one has the ``images``."""
    if not isinstance(message.content, list) or len(message.content) < 2:
        return [message]
    *before, last = message.content
    parted = [replace(message, content=[part], images=None) for part in before]
    return [*parted, replace(message, content=[last])]


def _only_json(wanted: openai.ResponseFormat | None) -> openai.ResponseFormat | None:
    return wanted if wanted and wanted.type == "json_object" else None


def _doubled(options: dict[str, Any] | None, request: openai.Sampling) -> Any:
    """Options with what the request names of these twice as large."""
    found = dict(options or {})
    for name in ("temperature", "frequency_penalty", "presence_penalty"):
        if getattr(request, name) is not None and name in found:
            found[name] *= 2
    return found or None
