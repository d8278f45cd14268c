"""What editors send that want a text at a place in a file, in each of their forms.

``null`` means absent.  ``Any`` fields are checked by hand, or have no effect.
"""

from typing import Any

from msgspec import Struct

from .generating import GeneratingRequest


class File(Struct):
    """Another file to look at; ``time`` is when it was last in use, if known.

    A number is one; llama.vim's are pairs, and already in order.
    """

    text: str | None = None
    filename: str | None = None
    time: Any = None


class GenerateRequest(GeneratingRequest, kw_only=True):
    """``POST /api/generate`` in code mode, and ``POST /code/generate``.

    ``language``, ``path``, ``repo``, ``extra`` and ``max_lines`` are ours; the first
    two win over what the prompt says.
    """

    prompt: str | None = None
    suffix: str | None = None

    language: str | None = None
    path: str | None = None
    repo: str | None = None
    extra: list[File] | None = None
    max_lines: int | float | None = None

    # As in OpenAI's form; Ollama has them among its options.
    max_tokens: int | float | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | float | None = None
    stop: str | list[str] | None = None

    # No effect, and nobody misses it: the prompt always is.
    raw: Any = None

    # No effect: named to the client.
    system: Any = None
    template: Any = None
    context: Any = None
    images: Any = None
    format: Any = None
    logprobs: Any = None
    top_logprobs: Any = None


class FimRequest(GeneratingRequest, kw_only=True):
    """``POST /v1/fim/completions``, Mistral's form."""

    prompt: str | None = None
    suffix: str | None = None
    max_tokens: int | float | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    stop: str | list[str] | None = None
    random_seed: int | float | None = None
    seed: int | float | None = None

    # No effect, and nobody misses it: a stream always ends with what it used.
    stream_options: Any = None

    # No effect: named to the client.
    min_tokens: Any = None
    metadata: dict[str, Any] | None = None


class Declaration(Struct):
    """A piece of another file, in Tabby's form."""

    filepath: str | None = None
    body: str | None = None


class Segments(Struct):
    """What Tabby's editors know of the place."""

    prefix: str | None = None
    suffix: str | None = None
    filepath: str | None = None
    git_url: str | None = None
    clipboard: Any = None
    declarations: list[Declaration] | None = None
    relevant_snippets_from_changed_files: list[Declaration] | None = None
    relevant_snippets_from_recently_opened_files: list[Declaration] | None = None
    edit_history: Any = None


class TabbyRequest(GeneratingRequest, kw_only=True):
    """``POST /v1/completions`` with ``segments``, Tabby's form."""

    language: str | None = None
    segments: Segments | None = None
    temperature: float | None = None
    seed: int | float | None = None
    mode: Any = None
    user: str | None = None
    debug_options: Any = None


class CompletionRequest(GeneratingRequest, kw_only=True):
    """``POST /completion``, llama.cpp's form; times are in milliseconds."""

    prompt: Any = None
    n_predict: int | float | None = None
    n_keep: int | float | None = None
    max_tokens: int | float | None = None
    n_indent: int | float | None = None
    t_max_predict_ms: int | float | None = None
    id_slot: int | float | None = None
    response_fields: list[str] | None = None
    stop: str | list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | float | None = None

    # No effect, and nobody misses it.
    t_max_prompt_ms: Any = None

    # No effect: named to the client.
    samplers: Any = None
    cache_prompt: Any = None
    n_cmpl: Any = None
    lora: Any = None
    n_probs: Any = None
    grammar: Any = None
    json_schema: Any = None
    return_tokens: Any = None
    timings_per_token: Any = None
    post_sampling_probs: Any = None


class InfillRequest(CompletionRequest, kw_only=True):
    """``POST /infill``: its ``prompt`` is the text of the line before the cursor."""

    input_prefix: str | None = None
    input_suffix: str | None = None
    input_extra: list[File] | None = None
