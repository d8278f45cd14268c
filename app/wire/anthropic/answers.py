"""What Anthropic's clients expect back.

The ``type`` of each is its tag on the wire.  ``UNSET`` leaves a key out, ``None`` is
written as ``null``.
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field


class OutputTokensDetails(Struct):
    """How the tokens of an answer divide; Ollama does not say, so it is estimated."""

    thinking_tokens: int


class Usage(Struct, kw_only=True):
    """Tokens of one answer; nothing is cached at a price."""

    input_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    output_tokens: int = 0
    output_tokens_details: OutputTokensDetails | UnsetType = UNSET
    service_tier: str | UnsetType = "standard"


class TextBlock(Struct, tag="text"):
    """A piece of the answer's text."""

    text: str


class ThinkingBlock(Struct, tag="thinking"):
    """What the model thought; ``signature`` says that it was us who wrote it down."""

    thinking: str
    signature: str


class ToolUseBlock(Struct, tag="tool_use"):
    """A call of a tool; ``input`` is an object, mostly raw JSON."""

    id: str
    name: str
    input: Any


class Message(Struct, tag="message", kw_only=True):
    """An answer: whole, or as far as it is known when a stream begins."""

    id: str
    role: str = "assistant"
    model: str
    content: list[TextBlock | ThinkingBlock | ToolUseBlock]
    stop_reason: str | None = None
    stop_sequence: None = None
    usage: Usage
    debug_info: Any = field(default=UNSET, name="_debug_info")


class MessageStart(Struct, tag="message_start"):
    """The first event of a stream."""

    message: Message


class ContentBlockStart(Struct, tag="content_block_start"):
    """A block begins; it is empty as yet."""

    index: int
    content_block: TextBlock | ThinkingBlock | ToolUseBlock


class TextDelta(Struct, tag="text_delta"):
    """More text."""

    text: str


class ThinkingDelta(Struct, tag="thinking_delta"):
    """More of what the model thinks."""

    thinking: str


class SignatureDelta(Struct, tag="signature_delta"):
    """The signature of what was thought."""

    signature: str


class InputJsonDelta(Struct, tag="input_json_delta"):
    """A piece of a call's input, as JSON text."""

    partial_json: str


class ContentBlockDelta(Struct, tag="content_block_delta"):
    """A piece of the block that has begun."""

    index: int
    delta: TextDelta | ThinkingDelta | SignatureDelta | InputJsonDelta


class ContentBlockStop(Struct, tag="content_block_stop"):
    """A block is complete."""

    index: int


class MessageDelta(Struct):
    """Why the answer is over."""

    stop_reason: str
    stop_sequence: None = None


class MessageDeltaEvent(Struct, tag="message_delta"):
    """The last event but one; its ``usage`` counts all of the answer."""

    delta: MessageDelta
    usage: Usage


class MessageStop(Struct, tag="message_stop"):
    """The last event of a stream that is complete."""


class Ping(Struct, tag="ping"):
    """Says that the stream lives."""


class MessageTokensCount(Struct):
    """How many tokens a request has."""

    input_tokens: int


class Model(Struct, tag="model", kw_only=True):
    """A model; ``created_at`` is when it was last modified."""

    id: str
    display_name: str
    created_at: str
    lifecycle: str = "active"
    max_input_tokens: int | UnsetType | None = UNSET


class ModelList(Struct, kw_only=True):
    """One page of models."""

    data: list[Model]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


class ErrorDetails(Struct):
    """What a program can tell a failure by."""

    error_code: str


class Error(Struct):
    """What went wrong."""

    type: str
    message: str
    details: ErrorDetails | UnsetType = UNSET


class ErrorResponse(Struct, tag="error"):
    """The envelope of an error, whole or as the last event of a stream."""

    error: Error
    request_id: str
