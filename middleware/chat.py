"""ChatMiddleware: Chat Completions over Ollama's ``/api/chat``."""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication

from msgspec import UNSET

from app.exchange import Exchange
from app.settings import Settings
from app.wire import ollama, openai
from writers.call import PLAIN
from writers.chat import ChatWriter
from writers.forced import ForcedCallWriter

from .base import DEFAULTS, Policy
from .choice import Choice, call_form, choice
from .content import messages
from .forced_calls import force, forced, refused, remind
from .formats import answer_check
from .generation import GenerationMiddleware, bounded, includes_usage
from .images import Fetch, Images
from .schemas import Allowance

MAX_TOP_LOGPROBS = 20


class ChatMiddleware(GenerationMiddleware[openai.ChatCompletionRequest]):
    """``POST /v1/chat/completions``; ``fetch`` gets images that are given by URL."""

    request_type = openai.ChatCompletionRequest
    path = "/api/chat"

    def __init__(
        self,
        app: WSGIApplication,
        policies: Iterable[Policy] = (),
        settings: Settings = DEFAULTS,
        fetch: Fetch | None = None,
    ) -> None:
        super().__init__(app, policies, settings)
        self.fetch = fetch

    def rewrite(
        self, request: openai.ChatCompletionRequest, exchange: Exchange
    ) -> ollama.ChatRequest:
        """The call to ``/api/chat``."""
        chosen = choice(request, exchange.ignored)
        must = self.settings.tool_choice if chosen.must else None
        if must == "reject":
            raise refused(request)
        images = Images(self.fetch)
        call = ollama.ChatRequest(
            **self.common(request, exchange),
            messages=messages(request.messages, exchange.ignored, images),
            tools=None if must == "emulate" else _native(chosen),
            logprobs=request.logprobs,
            top_logprobs=bounded(
                request.top_logprobs, "top_logprobs", 0, MAX_TOP_LOGPROBS
            ),
        )
        if images.wanted:
            exchange.prepare = images.fetch
        if chosen.tools:  # once for all writers: schemas are dear to compile
            form = call_form(request, chosen.tools)
            exchange.tools = form, forced(chosen, form) if must == "emulate" else None
        if must == "emulate":
            exchange.ignored += force(call, chosen, request)
        elif must == "hint":
            remind(call, chosen)
        return call

    def writer(
        self,
        exchange: Exchange,
        request: openai.ChatCompletionRequest,
        start_response: StartResponse,
    ) -> ChatWriter:
        """A ``ChatWriter`` for what was asked, after ``rewrite``."""
        form, forcing = exchange.tools or (PLAIN, None)
        writer = (ForcedCallWriter if forcing else ChatWriter)(
            exchange,
            start_response,
            model=exchange.model,
            stream=bool(exchange.stream),
            include_usage=includes_usage(request),
            reasoning_field=self.settings.reasoning_field,
            service_tier="default" if request.service_tier else UNSET,
            metadata=(request.metadata if request.store else None) or UNSET,
            form=form,
        )
        if forcing and isinstance(writer, ForcedCallWriter):
            writer.forced = forcing
        else:
            writer.check = answer_check(request)
        return writer


def _native(chosen: Choice) -> list[dict[str, Any]] | None:
    if not chosen.tools:
        return None
    allowance = Allowance()
    return [tool.native(allowance) for tool in chosen.tools]
