"""What clients of the Responses API expect back.

``UNSET`` leaves a key out, while ``None`` is written as ``null``; the order of fields
is the order on the wire (Ollama's ``openai/responses.go``).
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from ..openai import TokenLogprob
from .requests import TextConfig


class SummaryText(Struct, tag_field="type", tag="summary_text"):
    """A part of a reasoning item's summary."""

    text: str


class ReasoningItem(Struct, kw_only=True, tag_field="type", tag="reasoning"):
    """What a model thought."""

    id: str
    summary: list[SummaryText]
    encrypted_content: str | UnsetType = UNSET


class OutputText(Struct, kw_only=True, tag_field="type", tag="output_text"):
    """The one part of an answer's message."""

    text: str
    annotations: list[Any] = []
    logprobs: list[TokenLogprob] = []


class Message(Struct, kw_only=True, tag_field="type", tag="message"):
    """What a model said."""

    id: str
    status: str
    role: str = "assistant"
    content: list[OutputText]


class FunctionCall(Struct, kw_only=True, tag_field="type", tag="function_call"):
    """A call of a function; ``arguments`` is JSON text."""

    id: str
    status: str
    call_id: str
    name: str
    namespace: str | UnsetType = UNSET
    arguments: str


class CustomCall(Struct, kw_only=True, tag_field="type", tag="custom_tool_call"):
    """A call of a tool that takes text."""

    id: str
    status: str
    call_id: str
    name: str
    namespace: str | UnsetType = UNSET
    input: str


OutputItem = ReasoningItem | Message | FunctionCall | CustomCall


class InputTokensDetails(Struct):
    """Ollama does not say what of the prompt it had cached."""

    cached_tokens: int = 0
    cache_write_tokens: int = 0


class OutputTokensDetails(Struct):
    """How the tokens of an answer divide; estimated."""

    reasoning_tokens: int = 0


class Usage(Struct, kw_only=True):
    """Tokens of one response."""

    input_tokens: int
    input_tokens_details: InputTokensDetails
    output_tokens: int
    output_tokens_details: OutputTokensDetails
    total_tokens: int


class ResponseError(Struct):
    """Why a response failed."""

    code: str
    message: str
    type: str | UnsetType = UNSET
    param: str | UnsetType = UNSET


class Response(Struct, kw_only=True):
    """A response, whole or as an event shows it; times are in epoch seconds.

    What the request said is repeated as it was given; it may be JSON already.
    """

    id: str
    object: str = "response"
    created_at: int = 0
    completed_at: int | None = None
    status: str = "in_progress"
    incomplete_details: dict[str, str] | None = None
    model: str
    previous_response_id: str | None = None
    instructions: str | None = None
    output: list[OutputItem] = []
    error: ResponseError | None = None
    tools: list[dict[str, Any]] = []
    tool_choice: str | dict[str, Any] = "auto"
    truncation: str = "disabled"
    parallel_tool_calls: bool = True
    text: TextConfig
    top_p: float = 1.0
    presence_penalty: float = 0
    frequency_penalty: float = 0
    top_logprobs: int = 0
    temperature: float = 1.0
    reasoning: dict[str, Any] | None = None
    usage: Usage | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    store: bool = False
    background: bool = False
    service_tier: str = "default"
    metadata: dict[str, Any] = {}
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    user: str | UnsetType = UNSET
    debug_info: Any = field(default=UNSET, name="_debug_info")


class Event(Struct, kw_only=True):
    """One event of a stream; ``type`` says what else is in it."""

    type: str
    sequence_number: int
    response: Response | UnsetType = UNSET
    item_id: str | UnsetType = UNSET
    output_index: int | UnsetType = UNSET
    content_index: int | UnsetType = UNSET
    summary_index: int | UnsetType = UNSET
    item: OutputItem | UnsetType = UNSET
    part: OutputText | SummaryText | UnsetType = UNSET
    name: str | UnsetType = UNSET
    delta: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET
    input: str | UnsetType = UNSET
    logprobs: list[TokenLogprob] | UnsetType = UNSET


class InputTokens(Struct):
    """How many tokens a request would have."""

    input_tokens: int
    object: str = "response.input_tokens"


class ResponseDeleted(Struct):
    """What is left of a response that was deleted."""

    id: str
    object: str = "response"
    deleted: bool = True


class ItemList(Struct, kw_only=True):
    """Input items of a response."""

    object: str = "list"
    data: list[Any]
    first_id: str
    last_id: str
    has_more: bool
