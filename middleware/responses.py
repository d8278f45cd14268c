"""ResponsesMiddleware: OpenAI's Responses API over Ollama's ``/api/chat``."""

import logging
from functools import partial
from typing import Any, ClassVar

from app.errors import GatewayError
from app.exchange import Exchange
from app.logs import Faults
from app.storage import Item
from app.turns import in_turns
from app.wire import ollama, responses
from writers.call import CallForm
from writers.responses import ForcedResponsesWriter, Keep, ResponsesWriter

from .choice import Choice
from .conversation import ConversationMiddleware
from .effects import unsupported
from .formats import Format, of_kind
from .generation import MAX_TOP_LOGPROBS, bounded
from .images import Images
from .responses_echo import echo, logprobs_wanted, not_included, truncation
from .responses_input import InputItems
from .responses_kept import Keeper, encoded, given, owner_of, to_keep
from .responses_recalled import Recalled
from .responses_tools import call_form, choice, namespaces
from .validation import missing

log = logging.getLogger("pannier")


class ResponsesMiddleware(ConversationMiddleware[responses.ResponsesRequest]):
    """``POST /v1/responses``; ``keeper`` keeps responses, ``None`` keeps none."""

    request_type = responses.ResponsesRequest
    writers = ResponsesWriter, ForcedResponsesWriter
    defaults: ClassVar = {"temperature": 1.0}
    honoured = frozenset(
        [
            "include",
            "metadata",
            "reasoning.generate_summary",
            "reasoning.summary",
            "store",
            "top_logprobs",
        ]
    )

    def __init__(
        self, *arguments: Any, keeper: Keeper | None = None, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.keeper = keeper
        self._faults = Faults()

    def common(
        self, request: responses.ResponsesRequest, exchange: Exchange
    ) -> dict[str, Any]:
        """What every call has, and what else of these requests has no effect."""
        if request.prompt is not None:
            raise unsupported("prompt")
        fields = super().common(request, exchange)
        exchange.ignored += not_included(request)
        if request.store and self.keeper is None:
            exchange.ignored.append("store")
        if truncation(request) == "disabled":
            if self.settings.strict:
                for name in ("truncate", "shift"):
                    fields[name] = False if fields[name] is None else fields[name]
            else:
                exchange.ignored.append("truncation")
        return fields

    def format_of(self, request: responses.ResponsesRequest) -> Format | None:
        """What ``text.format`` says."""
        wanted = request.text.format if request.text else None
        if wanted is None:
            return None
        param = "text.format"
        if wanted.type.strip().lower() == "json_schema" and wanted.schema is None:
            raise missing(f"{param}.schema")
        return of_kind(wanted.type, wanted.schema, bool(wanted.strict), param, param)

    def says_format(self, request: responses.ResponsesRequest) -> bool:
        """Whether there is a ``text.format``."""
        return request.text is not None and request.text.format is not None

    def choice(self, request: responses.ResponsesRequest, exchange: Exchange) -> Choice:
        """What ``tools`` and ``tool_choice`` say."""
        return choice(request, exchange.ignored)

    def form(self, request: responses.ResponsesRequest, chosen: Choice) -> CallForm:
        """Calls of functions, and of tools that take text."""
        return call_form(request, chosen.tools)

    def messages(
        self, request: responses.ResponsesRequest, exchange: Exchange, images: Images
    ) -> list[ollama.Message]:
        """The conversation so far, and the items of this request.

        These are put in the place of what they refer to, for they may be kept.
        """
        request.previous_response_id = request.previous_response_id or None
        room = self.settings.max_body_bytes - exchange.size
        recalled = Recalled(self.keeper, room, owner_of(exchange))
        request.input = items = recalled.resolved(given(request))
        conversation = InputItems(request.instructions, images)
        previous = request.previous_response_id
        for item in in_turns(recalled.before(previous, len(items))):
            conversation.take(item, "previous_response_id")
        for index, item in in_turns(enumerate(items)):
            if not conversation.take(item, f"input[{index}]"):
                exchange.ignored.append(f"input[{index}]")
        return conversation.messages()

    def freely(
        self, request: responses.ResponsesRequest, call: ollama.ChatRequest
    ) -> None:
        """Log probabilities, which are included on demand."""
        most = bounded(request.top_logprobs, "top_logprobs", 0, MAX_TOP_LOGPROBS)
        if logprobs_wanted(request):
            call.logprobs, call.top_logprobs = True, most

    def without_force(self, request: responses.ResponsesRequest) -> list[str]:
        """Log probabilities, and any other format."""
        wanted = request.text.format if request.text else None
        return [
            *(["include"] if logprobs_wanted(request) else []),
            *(["text.format"] if wanted and wanted.type != "text" else []),
        ]

    def told(
        self, exchange: Exchange, request: responses.ResponsesRequest
    ) -> dict[str, Any]:
        """What the answer repeats of the request, and who keeps it."""
        keeps = self.keeper is not None and request.store is not False
        keeps = keeps and not request.debug_render_only
        repeated = echo(request, exchange.model, store=keeps)
        return {
            "reasoning_field": exchange.reasoning_field
            or self.settings.reasoning_field,
            "echo": repeated,
            "namespaces": namespaces(request),
            "keep": self._keep(request, repeated.id, exchange) if keeps else None,
        }

    def _keep(
        self, request: responses.ResponsesRequest, id: str, exchange: Exchange
    ) -> Keep:
        """What keeps the response; of the request it holds no more than it keeps."""
        assert isinstance(request.input, list)
        items = to_keep(request.input, id)
        owner = owner_of(exchange)
        return partial(self._kept, items, request.previous_response_id, owner)

    def _kept(
        self,
        items: list[Item],
        previous: str | None,
        owner: str,
        response: responses.Response,
    ) -> bool:
        """Keep a response; where that fails, the answer goes out all the same."""
        assert self.keeper is not None
        said = [Item(one.id, encoded(one), output=True) for one in response.output]
        try:
            kept = self.keeper.keep(
                response.id,
                previous,
                encoded(response),
                items + said,
                response.created_at,
                owner,
            )
        except GatewayError as error:
            if self._faults.untold(error) is not None:
                log.warning("Responses are not kept: %s", error.detail or error.message)
            return False
        if not kept:
            log.warning("Response %s is too large to be kept", response.id)
        return kept
