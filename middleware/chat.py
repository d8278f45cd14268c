"""ChatMiddleware: Chat Completions over Ollama's ``/api/chat``."""

from wsgiref.types import StartResponse

from msgspec import UNSET

from app.exchange import Exchange
from app.wire import ollama, openai
from writers.chat import ChatWriter

from .content import messages
from .generation import GenerationMiddleware, alternatives, includes_usage
from .tools import tools

MAX_TOP_LOGPROBS = 20


class ChatMiddleware(GenerationMiddleware[openai.ChatCompletionRequest]):
    """``POST /v1/chat/completions``."""

    request_type = openai.ChatCompletionRequest
    path = "/api/chat"

    def rewrite(
        self, request: openai.ChatCompletionRequest, exchange: Exchange
    ) -> ollama.ChatRequest:
        """The call to ``/api/chat``."""
        return ollama.ChatRequest(
            **self.common(request, exchange),
            messages=messages(request.messages, exchange.ignored),
            tools=tools(request, exchange.ignored),
            logprobs=request.logprobs,
            top_logprobs=alternatives(
                request.top_logprobs, "top_logprobs", MAX_TOP_LOGPROBS
            ),
        )

    def writer(
        self,
        exchange: Exchange,
        request: openai.ChatCompletionRequest,
        start_response: StartResponse,
    ) -> ChatWriter:
        """A ``ChatWriter`` for what was asked."""
        return ChatWriter(
            exchange,
            start_response,
            model=exchange.model,
            stream=bool(exchange.stream),
            include_usage=includes_usage(request),
            reasoning_field=self.settings.reasoning_field,
            service_tier="default" if request.service_tier else UNSET,
        )
