"""MessagesMiddleware: Anthropic's Messages over Ollama's ``/api/chat``."""

from typing import Any, ClassVar

from app.errors import BadRequest
from app.exchange import Exchange
from app.prompt import roughly
from app.signatures import Signatures
from app.wire import anthropic, ollama
from writers.call import CallForm
from writers.messages import ForcedMessagesWriter, MessagesWriter

from .blocks import Conversation
from .choice import Choice
from .client_tools import choice, one_at_a_time
from .conversation import ConversationMiddleware
from .formats import Format, of_kind
from .images import Images
from .thinking import knows_type
from .validation import missing


class MessagesMiddleware(ConversationMiddleware[anthropic.MessagesRequest]):
    """``POST /v1/messages``; ``signatures`` sign what a model thought."""

    request_type = anthropic.MessagesRequest
    writers = MessagesWriter, ForcedMessagesWriter
    defaults: ClassVar[dict[str, Any]] = {}
    honoured = frozenset(["output_config.format"])
    relaxes_think = True

    def __init__(self, *arguments: Any, signatures: Signatures, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.signatures = signatures

    def rewrite(
        self, request: anthropic.MessagesRequest, exchange: Exchange
    ) -> ollama.ChatRequest:
        """The call to ``/api/chat``; for a stream with about how long the prompt is."""
        if request.thread is not None:
            raise _threadless()
        if request.max_tokens is not None and request.max_tokens <= 0:
            raise BadRequest(
                "max_tokens is required and must be positive",
                code="integer_below_min_value",
                param="max_tokens",
            )
        if not knows_type(request.thinking):
            exchange.ignored.append("thinking.type")
            request.thinking = None
        call = super().rewrite(request, exchange)
        if self.settings.reasoning_field == "none":
            exchange.hidden = True  # here it has but one place
        if exchange.stream:
            exchange.prompt_estimate = roughly(call)
        return call

    def choice(self, request: anthropic.MessagesRequest, exchange: Exchange) -> Choice:
        """What ``tools`` and ``tool_choice`` say."""
        return choice(request, exchange.ignored)

    def form(self, request: anthropic.MessagesRequest, chosen: Choice) -> CallForm:
        """One call, or as many as there are."""
        return CallForm(first_only=one_at_a_time(request))

    def messages(
        self, request: anthropic.MessagesRequest, exchange: Exchange, images: Images
    ) -> list[ollama.Message]:
        """The conversation, its system prompt first."""
        conversation = Conversation(exchange.ignored, images, self.signatures.verify)
        return conversation.messages(request.system, request.messages)

    def format_of(self, request: anthropic.MessagesRequest) -> Format | None:
        """What ``output_config.format`` says, or its older name."""
        found = _formats(request)
        return _format(*found[0]) if found else None

    def says_format(self, request: anthropic.MessagesRequest) -> bool:
        """Whether either name of it is there."""
        return bool(_formats(request))

    def without_force(self, request: anthropic.MessagesRequest) -> list[str]:
        """Any other format."""
        return [param for _, param in _formats(request)]

    def told(
        self, exchange: Exchange, request: anthropic.MessagesRequest
    ) -> dict[str, Any]:
        """Who signs."""
        return {"sign": self.signatures.begin}


def _threadless() -> BadRequest:
    """Clients that leave the conversation to the server, and would lose it."""
    return BadRequest(
        "thread: conversations are not kept here; send all messages, without thread",
        code="thread_unsupported_request",
        param="thread",
    )


def _formats(request: anthropic.MessagesRequest) -> list[tuple[Any, str]]:
    """The formats that a request names, and where: the first one counts."""
    named = (request.output_config or {}).get("format"), request.output_format
    places = "output_config.format", "output_format"
    return [(one, at) for one, at in zip(named, places, strict=True) if one is not None]


def _format(wanted: Any, param: str) -> Format | None:
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if not isinstance(kind, str):
        raise BadRequest(
            f"Invalid value for '{param}': expected an object with a 'type'.",
            code="invalid_value",
            param=param,
        )
    schema = wanted.get("schema")
    if schema is not None and not isinstance(schema, dict | bool):
        raise BadRequest(
            f"Invalid type for '{param}.schema': expected an object.",
            code="invalid_type",
            param=f"{param}.schema",
        )
    if schema is None and kind == "json_schema":
        raise missing(f"{param}.schema")
    return of_kind(kind, schema, True, param, param)
