"""OpenAI's shapes: Chat Completions, Completions, Models, Embeddings.

In requests ``null`` means absent, and a type is as wide as what Pannier accepts; the
middlewares refuse what the types let pass.  ``Any`` fields either need a check of
their own or have no effect yet.  In answers ``UNSET`` leaves a key out, while ``None``
is written as ``null``, and the order of fields is the order on the wire (Ollama's
``openai/openai.go``).
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

# ---------------------------------------------------------------- requests


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


class ToolCall(Struct):
    """A call in a message of the assistant."""

    function: FunctionCall
    id: str | None = None
    type: str | None = None
    index: Any = None


class ReasoningDetail(Struct):
    """A piece of reasoning in OpenRouter's form."""

    text: str | None = None


class Message(Struct):
    """One message of the conversation."""

    role: str | None = None
    content: str | list[ContentPart] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[ReasoningDetail] | None = None


class Function(Struct):
    """The declaration of a function; ``parameters`` is a JSON schema."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Struct):
    """A tool that the model may call."""

    type: str
    function: Function | None = None


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


class Reasoning(Struct):
    """OpenRouter's and the Responses API's way to ask for an effort."""

    effort: str | None = None


class Sampling(Struct, kw_only=True):
    """What Chat Completions and Completions have in common."""

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | float | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | float | None = None
    stop: str | list[str] | None = None
    response_format: ResponseFormat | None = None

    # Ollama's own powers, by their own names.
    options: dict[str, Any] | None = None
    num_ctx: int | float | None = None
    top_k: int | float | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    repetition_penalty: float | None = None
    keep_alive: str | int | float | None = None
    think: bool | str | None = None
    truncate: bool | None = None
    shift: bool | None = None
    debug_render_only: bool | None = field(default=None, name="_debug_render_only")

    # No effect (yet): named to the client where the value asks for something.
    n: Any = None
    logit_bias: Any = None
    user: Any = None


class ChatCompletionRequest(Sampling, kw_only=True):
    """``POST /v1/chat/completions``."""

    messages: list[Message] | None = None
    max_completion_tokens: int | float | None = None
    tools: list[Tool] | None = None
    tool_choice: Any = None
    reasoning: Reasoning | None = None
    reasoning_effort: str | None = None
    logprobs: bool | None = None
    top_logprobs: int | float | None = None

    audio: Any = None
    function_call: Any = None
    functions: Any = None
    metadata: Any = None
    modalities: Any = None
    moderation: Any = None
    parallel_tool_calls: Any = None
    prediction: Any = None
    prompt_cache_key: Any = None
    prompt_cache_options: Any = None
    prompt_cache_retention: Any = None
    safety_identifier: Any = None
    service_tier: Any = None
    store: Any = None
    verbosity: Any = None
    web_search_options: Any = None


class CompletionRequest(Sampling, kw_only=True):
    """``POST /v1/completions``."""

    prompt: Any = None
    suffix: str | None = None
    logprobs: int | float | None = None

    best_of: Any = None
    echo: Any = None


class EmbeddingRequest(Struct, kw_only=True):
    """``POST /v1/embeddings``."""

    model: str | None = None
    input: Any = None
    dimensions: int | float | None = None
    encoding_format: str | None = None

    options: dict[str, Any] | None = None
    keep_alive: str | int | float | None = None
    truncate: bool | None = None

    user: Any = None


# ----------------------------------------------------------------- answers


class Usage(Struct):
    """Tokens of one answer."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class EmbeddingUsage(Struct):
    """Tokens of one embeddings answer."""

    prompt_tokens: int = 0
    total_tokens: int = 0


class TopLogprob(Struct):
    """One alternative of a token."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprob(Struct):
    """One token of the answer; OpenAI's SDK wants every key, also when empty."""

    token: str
    logprob: float
    bytes: list[int] | None
    top_logprobs: list[TopLogprob]


class ChoiceLogprobs(Struct):
    """``choices[].logprobs`` of Chat Completions."""

    content: list[TokenLogprob]
    refusal: None = None


class AnswerFunction(Struct):
    """A called function; ``arguments`` is JSON text."""

    name: str | UnsetType = UNSET
    arguments: str = ""


class AnswerToolCall(Struct):
    """A call in a whole answer."""

    id: str
    type: str
    function: AnswerFunction


class DeltaToolCall(Struct):
    """A call, or a piece of one, in a stream; ``index`` tells which."""

    index: int
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    function: AnswerFunction | UnsetType = UNSET


class AnswerMessage(Struct):
    """The message of a whole answer."""

    role: str
    content: str | None
    refusal: None = None
    reasoning: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[AnswerToolCall] | UnsetType = UNSET


class Choice(Struct):
    """The one choice of a whole answer."""

    index: int
    message: AnswerMessage
    finish_reason: str
    logprobs: ChoiceLogprobs | None = None


class ChatCompletion(Struct, kw_only=True):
    """A whole answer of Chat Completions."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    system_fingerprint: str = "fp_ollama"
    choices: list[Choice]
    usage: Usage
    service_tier: str | UnsetType = UNSET
    debug_info: Any = field(default=UNSET, name="_debug_info")


class Delta(Struct):
    """What one chunk adds to the message."""

    role: str | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    reasoning: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[DeltaToolCall] | UnsetType = UNSET


class ChunkChoice(Struct):
    """The one choice of a chunk."""

    index: int
    delta: Delta
    finish_reason: str | None = None
    logprobs: ChoiceLogprobs | UnsetType = UNSET


class ChatCompletionChunk(Struct, kw_only=True):
    """One chunk of a streamed answer of Chat Completions."""

    id: str
    object: str = "chat.completion.chunk"
    created: int
    model: str
    system_fingerprint: str = "fp_ollama"
    choices: list[ChunkChoice]
    usage: Usage | UnsetType | None = UNSET


class CompletionLogprobs(Struct):
    """The older form of logprobs, four parallel lists."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class CompletionChoice(Struct):
    """The one choice of a completion, whole or streamed."""

    text: str
    index: int
    finish_reason: str | None
    logprobs: CompletionLogprobs | None = None


class Completion(Struct, kw_only=True):
    """An answer of Completions, whole or one chunk of a stream."""

    id: str
    object: str = "text_completion"
    created: int
    model: str
    system_fingerprint: str = "fp_ollama"
    choices: list[CompletionChoice]
    usage: Usage | UnsetType | None = UNSET


class Model(Struct, kw_only=True):
    """A model; ``created`` is when it was last modified, in epoch seconds."""

    id: str
    object: str = "model"
    created: int
    owned_by: str


class ListCompletion(Struct, kw_only=True):
    """The list of models."""

    object: str = "list"
    data: list[Model]


class Embedding(Struct, kw_only=True):
    """One vector: raw JSON numbers, or base64 of little-endian float32."""

    object: str = "embedding"
    embedding: Any
    index: int


class EmbeddingList(Struct, kw_only=True):
    """The answer of Embeddings."""

    object: str = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


class Error(Struct):
    """OpenAI's error; all four keys are always there."""

    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorResponse(Struct):
    """The envelope of an error, whole or as the last event of a stream."""

    error: Error
