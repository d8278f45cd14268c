"""Ollama's native shapes (``api/types.go``): what we send and what we read.

Requests are complete as far as Pannier sends them; ``None`` means "not sent".
Replies hold only what the writers use, so that decoding a line stays cheap.  Counters
come as they are (``Any``): an odd one must not cost the answer (see ``count``).
"""

import time
from datetime import datetime
from typing import Any, ClassVar

import msgspec
from msgspec import Struct, field

#: Larger integers are not exact in JavaScript, so no honest counter reaches them.
MAX_COUNT = 2**53


class ToolCallFunction(Struct):
    """The call itself: ``arguments`` is a JSON object."""

    name: str
    arguments: dict[str, Any]
    index: int = 0


class ToolCall(Struct, omit_defaults=True):
    """One call of a tool, in a message of the assistant."""

    function: ToolCallFunction
    id: str = ""


class Message(Struct, omit_defaults=True):
    """One message of a conversation.

    ``images``, audio among them, are base64 with padding.
    """

    role: str
    content: str
    thinking: str = ""
    images: list[str] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_name: str = ""
    tool_call_id: str = ""


class GenerationRequest(Struct, omit_defaults=True, kw_only=True):
    """What the generating calls share.

    ``stream`` is always sent: Ollama's default is true.
    """

    model: str
    stream: bool
    options: dict[str, Any] | None = None
    format: Any = None
    think: bool | str | None = None
    keep_alive: str | float | None = None
    truncate: bool | None = None
    shift: bool | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    debug_render_only: bool | None = field(default=None, name="_debug_render_only")


class ChatRequest(GenerationRequest, kw_only=True):
    """``POST /api/chat``."""

    path: ClassVar[str] = "/api/chat"

    messages: list[Message]
    tools: list[Any] | None = None


class GenerateRequest(GenerationRequest, kw_only=True):
    """``POST /api/generate``."""

    path: ClassVar[str] = "/api/generate"

    prompt: str
    suffix: str = ""
    system: str = ""
    template: str = ""
    raw: bool | None = None


class EmbedRequest(Struct, omit_defaults=True):
    """``POST /api/embed``."""

    path: ClassVar[str] = "/api/embed"

    model: str
    input: str | list[str]
    dimensions: int | None = None
    options: dict[str, Any] | None = None
    keep_alive: str | float | None = None
    truncate: bool | None = None


class ShowRequest(Struct):
    """``POST /api/show``."""

    model: str


class DeleteRequest(Struct):
    """``DELETE /api/delete``."""

    model: str


class PullRequest(Struct):
    """``POST /api/pull``."""

    model: str
    insecure: bool = False
    stream: bool = True


class Progress(Struct, omit_defaults=True):
    """One line of ``/api/pull``; what is ``None`` was not in it."""

    status: str | None = None
    digest: str | None = None
    total: Any = None
    completed: Any = None
    error: Any = None


class TokenLogprob(Struct):
    """One alternative of a token."""

    token: str
    logprob: float
    bytes: list[int] | None = None


class Logprob(Struct):
    """One token of the answer with its alternatives."""

    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[TokenLogprob] | None = None


class ReplyFunction(Struct):
    """A call as Ollama reports it; ``arguments`` should be an object."""

    name: str = ""
    arguments: Any = None


class ReplyToolCall(Struct):
    """A complete call; neither ``id`` nor ``index`` can be relied on."""

    function: ReplyFunction
    id: str | None = None


class ReplyMessage(Struct):
    """The message of one line: in a stream its texts are deltas."""

    content: str | None = None
    thinking: str | None = None
    tool_calls: list[ReplyToolCall] | None = None


class Reply(Struct):
    """What every line of a generating call carries."""

    model: str | None = None
    created_at: str | None = None
    done: bool | None = False
    done_reason: str | None = None
    error: Any = None
    logprobs: list[Logprob] | None = None
    prompt_eval_count: Any = 0
    eval_count: Any = 0
    total_duration: Any = 0
    load_duration: Any = 0
    prompt_eval_duration: Any = 0
    eval_duration: Any = 0
    debug_info: Any = field(default=None, name="_debug_info")


class ChatResponse(Reply):
    """One line of ``/api/chat``."""

    message: ReplyMessage | None = None


class GenerateResponse(Reply):
    """One line of ``/api/generate``."""

    response: str | None = None
    thinking: str | None = None


class EmbedResponse(Struct):
    """The answer of ``/api/embed`` with its vectors untouched (raw JSON)."""

    embeddings: list[msgspec.Raw] | None = None
    prompt_eval_count: Any = 0
    total_duration: Any = 0
    load_duration: Any = 0
    error: Any = None


class ListModel(Struct):
    """One installed model."""

    name: str | None = None
    model: str | None = None
    modified_at: str | None = None
    digest: Any = None
    size: Any = None

    @property
    def called(self) -> str:
        """Its full name, empty where there is none."""
        return self.model or self.name or ""


class LoadedModel(ListModel):
    """One model in memory; ``context_length`` is the one it was loaded with."""

    context_length: Any = 0
    size_vram: Any = None
    expires_at: Any = None


class ListResponse(Struct):
    """``GET /api/tags`` or ``/api/ps``; entries are decoded one by one: odd ones go."""

    models: list[msgspec.Raw] | None
    error: Any = None


class ShowResponse(Struct):
    """``POST /api/show``, as far as anybody needs it; facts come as they are."""

    modified_at: str | None = None
    capabilities: Any = None
    details: Any = None
    model_info: Any = None
    parameters: Any = None
    template: Any = None
    error: Any = None


def count(value: object) -> int:
    """A counter that can be trusted: an integer from 0 to 2^53, else 0."""
    if type(value) is int and 0 <= value <= MAX_COUNT:
        return value
    return 0


def epoch(timestamp: str | None) -> int:
    """Seconds since 1970 of an RFC 3339 time; now for none, a bad or a zero one."""
    try:
        seconds = int(datetime.fromisoformat(timestamp or "").timestamp())
    except (ValueError, OverflowError):
        seconds = 0
    return seconds if seconds > 0 else int(time.time())
