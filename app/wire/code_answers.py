"""Answers of code completion: what Ollama says, and what each kind of editor reads.

Field names and their order are those of the programs that the editors were written for
(specification: code completion, sections 1, 2.1 and 6).
"""

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from . import ollama, openai


class FillResponse(ollama.GenerateResponse):
    """One line of Ollama's, of ``/api/generate`` or of ``/api/chat``.

    Durations are in nanoseconds, as far as they can be trusted (``ollama.count``).
    """

    message: ollama.ReplyMessage | None = None
    total_duration: Any = 0
    load_duration: Any = 0
    prompt_eval_duration: Any = 0
    eval_duration: Any = 0

    @property
    def text(self) -> str:
        """What it adds to the text."""
        message = self.message
        return self.response or (message.content if message is not None else "") or ""


class SeedAnswer(Struct):
    """The answer of the code API, or with ``done`` false a line of it.

    ``created_at`` is local time without a zone, ``total_duration`` in seconds.
    """

    model: str
    created_at: str
    response: str
    input_tokens: int | UnsetType = UNSET
    output_tokens: int | UnsetType = UNSET
    total_duration: float | UnsetType = UNSET
    done: bool = False
    done_reason: str | UnsetType = UNSET
    resolved_model: str | UnsetType = UNSET
    template: str | UnsetType = UNSET


class OllamaAnswer(Struct, omit_defaults=True, kw_only=True):
    """Ollama's own answer, or a line of it; it too leaves zeros out."""

    model: str
    created_at: str
    response: str
    done: bool
    done_reason: str = ""
    total_duration: int = 0
    load_duration: int = 0
    prompt_eval_count: int = 0
    prompt_eval_duration: int = 0
    eval_count: int = 0
    eval_duration: int = 0


class TabbyChoice(Struct):
    """Tabby's one choice."""

    index: int
    text: str


class TabbyAnswer(Struct):
    """Tabby's answer."""

    id: str
    choices: list[TabbyChoice]


class FimMessage(Struct):
    """The text, as a message; in a stream ``role`` comes once."""

    content: str
    role: str | UnsetType = UNSET


class FimChoice(Struct):
    """Mistral's one choice; others look for ``text``."""

    index: int
    message: FimMessage
    text: str
    finish_reason: str


class FimAnswer(Struct, kw_only=True):
    """Mistral's answer."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[FimChoice]
    usage: openai.Usage


class FimDelta(Struct):
    """What a chunk adds."""

    index: int
    delta: FimMessage
    text: str
    finish_reason: str | None = None


class FimChunk(Struct, kw_only=True):
    """A chunk of Mistral's; the last has the usage."""

    id: str
    object: str = "chat.completion.chunk"
    created: int
    model: str
    choices: list[FimDelta]
    usage: openai.Usage | UnsetType = UNSET


class Timings(Struct):
    """llama.cpp's timings of prompt and text, in tokens and milliseconds."""

    prompt_n: int = 0
    prompt_ms: float = 0.0
    prompt_per_token_ms: float = 0.0
    prompt_per_second: float = 0.0
    predicted_n: int = 0
    predicted_ms: float = 0.0
    predicted_per_token_ms: float = 0.0
    predicted_per_second: float = 0.0


class InfillAnswer(Struct, kw_only=True):
    """llama.cpp's answer; in a stream the last frame, without content.

    ``stop_type`` is ``eos``, ``limit`` or ``word``.
    """

    content: str
    stop: bool = True
    model: str
    tokens_predicted: int
    tokens_evaluated: int
    tokens_cached: int = 0
    truncated: bool = False
    stop_type: str
    stopping_word: str
    generation_settings: dict[str, Any] = field(default_factory=dict)
    timings: Timings


class InfillFrame(Struct):
    """A frame of llama.cpp's with some of the text; tokens are counted so far."""

    content: str
    tokens_predicted: int
    index: int = 0
    tokens: list[int] = []
    stop: bool = False
    id_slot: int = 0
    tokens_evaluated: int = 0


class InfillFields(Struct):
    """What ``response_fields`` wants of an answer, by the paths that it names."""


class TabbyVersion(Struct):
    """Of what Tabby's editors are told; only the last says anything here."""

    build_date: str = ""
    build_timestamp: str = ""
    git_sha: str = ""
    git_describe: str = ""


class TabbyHealth(Struct):
    """Tabby's health; ``model`` is empty where there is none for code."""

    model: str
    device: str
    arch: str
    cpu_info: str
    cpu_count: int
    cuda_devices: list[str]
    version: TabbyVersion


class LlamaDefaults(Struct):
    """What llama.cpp's editors look for in its settings: the context in tokens."""

    n_ctx: int


class LlamaProps(Struct):
    """llama.cpp's properties; ``model_path`` is the model's name, or empty."""

    default_generation_settings: LlamaDefaults
    total_slots: int
    model_path: str
    chat_template: str
    build_info: str


class ErrorResponse(Struct):
    """Ollama's envelope of an error."""

    error: str
