"""What OpenAI's clients expect back.

``UNSET`` leaves a key out, while ``None`` is written as ``null``; the order of fields
is the order on the wire (Ollama's ``openai/openai.go``).
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field


class CompletionTokensDetails(Struct):
    """How the tokens of an answer divide; Ollama does not say, so it is estimated."""

    reasoning_tokens: int = 0


class Usage(Struct):
    """Tokens of one answer."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    completion_tokens_details: CompletionTokensDetails | UnsetType = UNSET


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


class AnswerCustom(Struct):
    """A called custom tool; ``input`` is text."""

    name: str | UnsetType = UNSET
    input: str = ""


class AnswerToolCall(Struct):
    """A call in a whole answer, of a function or of a custom tool."""

    id: str
    type: str
    function: AnswerFunction | UnsetType = UNSET
    custom: AnswerCustom | UnsetType = UNSET


class DeltaToolCall(Struct):
    """A call, or a piece of one, in a stream; ``index`` tells which."""

    index: int
    id: str | UnsetType = UNSET
    type: str | UnsetType = UNSET
    function: AnswerFunction | UnsetType = UNSET
    custom: AnswerCustom | UnsetType = UNSET


class AnswerMessage(Struct):
    """The message of a whole answer."""

    role: str
    content: str | None
    refusal: None = None
    reasoning: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[AnswerToolCall] | UnsetType = UNSET
    function_call: AnswerFunction | UnsetType = UNSET


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
    metadata: dict[str, Any] | UnsetType = UNSET
    debug_info: Any = field(default=UNSET, name="_debug_info")


class Delta(Struct):
    """What one chunk adds to the message."""

    role: str | UnsetType = UNSET
    content: str | UnsetType | None = UNSET
    reasoning: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[DeltaToolCall] | UnsetType = UNSET
    function_call: AnswerFunction | UnsetType = UNSET


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
    debug_info: Any = field(default=UNSET, name="_debug_info")


class Model(Struct, kw_only=True):
    """A model; ``created`` is when it was last modified, in epoch seconds.

    What follows ``owned_by`` is ours, and ``None`` is what nobody knows.
    """

    id: str
    object: str = "model"
    created: int
    owned_by: str
    context_length: int | UnsetType | None = UNSET
    capabilities: list[str] | UnsetType | None = UNSET
    quantization: str | UnsetType | None = UNSET
    parameter_size: str | UnsetType | None = UNSET
    family: str | UnsetType | None = UNSET
    loaded: bool | UnsetType = UNSET


class ModelDeleted(Struct, kw_only=True):
    """What is left of a model that was deleted."""

    id: str
    object: str = "model"
    deleted: bool = True


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


class TranscriptionUsage(Struct, kw_only=True):
    """Tokens of one transcription."""

    type: str = "tokens"
    input_tokens: int
    output_tokens: int
    total_tokens: int


class Transcription(Struct):
    """The answer of Audio Transcriptions."""

    text: str
    usage: TranscriptionUsage


class TranscriptionDelta(Struct, kw_only=True):
    """One event of a streamed transcription: what is new of the text."""

    type: str = "transcript.text.delta"
    delta: str


class TranscriptionDone(Struct, kw_only=True):
    """The last event of a streamed transcription: all of the text."""

    type: str = "transcript.text.done"
    text: str
    usage: TranscriptionUsage


class TranscriptionVerbose(Struct, kw_only=True):
    """The longer answer; models here do not tell times, so ``segments`` is empty."""

    task: str = "transcribe"
    language: str
    duration: float
    text: str
    segments: list[Any] = []
