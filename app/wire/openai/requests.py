"""What OpenAI's clients send.

``null`` means absent, and a type is as wide as what Pannier accepts; the middlewares
refuse what the types let pass.  ``Any`` fields either need a check of their own or have
no effect yet.
"""

from typing import Any

from msgspec import Struct

from ..generating import CallingRequest, GeneratingRequest, Reasoning


class ImageURL(Struct):
    """An image by URL; ``detail`` has no counterpart in Ollama."""

    url: str
    detail: Any = None


class InputAudio(Struct):
    """Audio as base64; the format is recognised from the bytes."""

    data: str | None = None
    format: Any = None


class ContentPart(Struct):
    """One part of a message's content; which field counts depends on ``type``."""

    type: str
    text: str | None = None
    refusal: str | None = None
    image_url: str | ImageURL | None = None
    input_audio: InputAudio | None = None
    file: Any = None


class FunctionCall(Struct):
    """A function's name and its arguments as JSON text (an object is taken too)."""

    name: str
    arguments: str | dict[str, Any] | None = None


class CustomCall(Struct):
    """A custom tool's name and the text that it was given."""

    name: str
    input: str = ""


class ToolCall(Struct):
    """A call in a message of the assistant, of a function or of a custom tool."""

    function: FunctionCall | None = None
    custom: CustomCall | None = None
    id: str | None = None
    type: str | None = None
    index: Any = None


class ReasoningDetail(Struct):
    """A piece of reasoning in OpenRouter's form."""

    text: str | None = None


class Message(Struct):
    """One message of the conversation; ``images`` are base64, as in Ollama's own."""

    role: str | None = None
    content: str | list[ContentPart] | None = None
    images: list[str] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None
    tool_call_id: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None
    audio: Any = None


class Function(Struct):
    """The declaration of a function; ``parameters`` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class CustomTool(Struct):
    """A tool that takes free text; grammars have no counterpart in Ollama."""

    name: str
    description: str | None = None
    format: dict[str, Any] | None = None


class Tool(Struct):
    """A tool that the model may call."""

    type: str
    function: Function | None = None
    custom: CustomTool | None = None


class JSONSchema(Struct):
    """A named schema of ``response_format``."""

    schema: dict[str, Any] | bool | None = None
    name: str | None = None
    strict: bool | None = None
    description: str | None = None


class ResponseFormat(Struct):
    """``response_format``: ``text``, ``json_object`` or ``json_schema``."""

    type: str
    json_schema: JSONSchema | None = None


class StreamOptions(Struct):
    """``stream_options``; obfuscation is never sent."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class Sampling(GeneratingRequest, kw_only=True):
    """What Chat Completions and Completions have in common."""

    stream_options: StreamOptions | None = None
    max_tokens: int | float | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | float | None = None
    stop: str | list[str] | None = None
    response_format: ResponseFormat | None = None

    n: int | float | None = None

    # No effect: named to the client where the value asks for something.
    logit_bias: dict[str, Any] | None = None
    user: str | None = None


class ChatCompletionRequest(Sampling, kw_only=True):
    """``POST /v1/chat/completions``."""

    messages: list[Message] | None = None
    max_completion_tokens: int | float | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Function] | None = None
    function_call: str | dict[str, Any] | None = None
    logprobs: bool | None = None
    top_logprobs: int | float | None = None

    # As in ``ConversationRequest``: a struct cannot have two bases.
    reasoning: Reasoning | None = None
    reasoning_effort: str | None = None
    thinking: bool | str | dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    enable_thinking: bool | None = None
    include_reasoning: bool | None = None
    exclude_reasoning: bool | None = None
    hide_reasoning: bool | None = None

    audio: Any = None
    metadata: dict[str, Any] | None = None
    modalities: list[str] | None = None
    moderation: Any = None
    prediction: Any = None
    prompt_cache_key: str | None = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    verbosity: str | None = None
    web_search_options: Any = None


class CompletionRequest(Sampling, kw_only=True):
    """``POST /v1/completions``."""

    prompt: Any = None
    suffix: str | None = None
    logprobs: int | float | None = None

    best_of: int | float | None = None
    echo: bool | None = None
    raw: bool | None = None
    system: str | None = None
    template: str | None = None


class EmbeddingRequest(CallingRequest, kw_only=True):
    """``POST /v1/embeddings``."""

    model: str | None = None
    input: Any = None
    dimensions: int | float | None = None
    encoding_format: str | None = None

    num_ctx: int | float | None = None
    truncate: bool | None = None

    user: str | None = None


class TranscriptionRequest(Struct, kw_only=True):
    """``POST /v1/audio/transcriptions``, a form; ``file`` is the recording itself."""

    file: bytes | None = None
    model: str | None = None
    response_format: str | None = None
    language: str | None = None
    prompt: str | None = None
    temperature: float | None = None
    stream: bool | None = None

    # No effect: named to the client.
    chunking_strategy: Any = None
    include: Any = None
    keywords: Any = None
    known_speaker_names: Any = None
    known_speaker_references: Any = None
    languages: Any = None
    timestamp_granularities: Any = None
