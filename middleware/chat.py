"""ChatMiddleware: Chat Completions over Ollama's ``/api/chat``."""

from typing import Any

from msgspec import UNSET

from app.exchange import Exchange
from app.wire import ollama, openai
from writers.call import CallForm
from writers.chat import ChatWriter
from writers.forced import ForcedCallWriter

from .choice import Choice, call_form, choice
from .choices import ChoicesMiddleware, includes_usage
from .content import messages
from .conversation import ConversationMiddleware
from .generation import MAX_TOP_LOGPROBS, bounded
from .images import Images


class ChatMiddleware(
    ConversationMiddleware[openai.ChatCompletionRequest],
    ChoicesMiddleware[openai.ChatCompletionRequest],
):
    """``POST /v1/chat/completions``."""

    request_type = openai.ChatCompletionRequest
    writers = ChatWriter, ForcedCallWriter

    def choice(
        self, request: openai.ChatCompletionRequest, exchange: Exchange
    ) -> Choice:
        """What ``tools`` and ``tool_choice`` say, or the older ``functions``."""
        return choice(request, exchange.ignored)

    def choice_field(self, request: openai.ChatCompletionRequest) -> str:
        """``tool_choice``, or its older name."""
        return "function_call" if request.functions else "tool_choice"

    def form(self, request: openai.ChatCompletionRequest, chosen: Choice) -> CallForm:
        """Calls as they were asked for."""
        return call_form(request, chosen.tools)

    def messages(
        self,
        request: openai.ChatCompletionRequest,
        exchange: Exchange,
        images: Images,
    ) -> list[ollama.Message]:
        """One message stays one message."""
        return messages(request.messages, exchange.ignored, images)

    def freely(
        self, request: openai.ChatCompletionRequest, call: ollama.ChatRequest
    ) -> None:
        """Log probabilities."""
        call.logprobs = request.logprobs
        call.top_logprobs = bounded(
            request.top_logprobs, "top_logprobs", 0, MAX_TOP_LOGPROBS
        )

    def without_force(self, request: openai.ChatCompletionRequest) -> list[str]:
        """Log probabilities, and any other format."""
        asked = request.response_format
        return [
            *(["logprobs"] if request.logprobs else []),
            *(["response_format"] if asked and asked.type != "text" else []),
        ]

    def told(
        self, exchange: Exchange, request: openai.ChatCompletionRequest
    ) -> dict[str, Any]:
        """What OpenAI's answers repeat of the request, and where reasoning goes."""
        return {
            "include_usage": includes_usage(request),
            "reasoning_field": exchange.reasoning_field
            or self.settings.reasoning_field,
            "service_tier": "default" if request.service_tier else UNSET,
            "metadata": (request.metadata if request.store else None) or UNSET,
        }
