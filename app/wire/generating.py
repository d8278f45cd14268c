"""What all requests for generated text have, whatever the dialect.

Beside the model these are Ollama's own powers, by their own names, and for
conversations the spellings of a wish to think, which mean the same in every dialect.
"""

from typing import Any

from msgspec import Struct, field


class CallingRequest(Struct, kw_only=True):
    """A request for which a model is called; ``None`` says nothing.

    The names of one thing: options in other places, how long the call may take
    (milliseconds), how long the model stays in memory.
    """

    options: dict[str, Any] | None = None
    ollama_options: dict[str, Any] | None = None
    ollama: dict[str, Any] | None = None
    keep_alive: str | int | float | None = None
    keepAlive: str | int | float | None = None
    timeout: int | float | None = None
    timeout_ms: int | float | None = None
    timeoutMs: int | float | None = None
    request_timeout: int | float | None = None
    requestTimeout: int | float | None = None


class GeneratingRequest(CallingRequest, kw_only=True):
    """A request for text; ``None`` says nothing."""

    model: str | None = None
    stream: bool | None = None

    num_ctx: int | float | None = None
    num_keep: int | float | None = None
    num_predict: int | float | None = None
    repeat_last_n: int | float | None = None
    typical_p: float | None = None
    top_k: int | float | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    repetition_penalty: float | None = None
    think: bool | str | None = None
    truncate: bool | None = None
    shift: bool | None = None
    debug_render_only: bool | None = field(default=None, name="_debug_render_only")


class Reasoning(Struct):
    """OpenRouter's and the Responses API's way to speak of reasoning."""

    effort: str | None = None
    enabled: bool | None = None
    exclude: bool | None = None
    max_tokens: int | float | None = None
    summary: str | None = None
    generate_summary: str | None = None


class ConversationRequest(GeneratingRequest, kw_only=True):
    """A request for an answer in a conversation.

    It speaks of thinking in every spelling that is in use (gateway, section 5.1).
    """

    reasoning: Reasoning | None = None
    reasoning_effort: str | None = None
    thinking: bool | str | dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    enable_thinking: bool | None = None
    include_reasoning: bool | None = None
    exclude_reasoning: bool | None = None
    hide_reasoning: bool | None = None
