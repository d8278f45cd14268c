"""Sampling options: from OpenAI's fields to Ollama's ``options``, pure.

Shared by the endpoints that generate text (specification: chat, section 1).
"""

import re
from typing import Any

from app.errors import BadRequest
from app.settings import Settings
from app.wire import openai

from .validation import MAX_INTEGER, integer, within

#: Types of Ollama's options (``api/types.go``); a wrong one would be a 500 there.
_INTEGERS = {
    "draft_num_predict",
    "main_gpu",
    "num_batch",
    "num_ctx",
    "num_gpu",
    "num_keep",
    "num_predict",
    "num_thread",
    "repeat_last_n",
    "seed",
    "top_k",
}
_NUMBERS = {
    "frequency_penalty",
    "min_p",
    "presence_penalty",
    "repeat_penalty",
    "temperature",
    "top_p",
    "typical_p",
}
_BOOLEANS = {"use_mmap"}
#: Ollama computes in float32, where larger ones can become infinite.
MAX_NUMBER = 1e6

#: What Go's ``time.ParseDuration`` reads.
_DURATION = re.compile(
    r"[-+]?(?:0|(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:ns|us|µs|ms|s|m|h))+)"
)


def options(
    request: openai.Sampling, settings: Settings, adjusted: list[str]
) -> dict[str, Any]:
    """Ollama's options for a request.

    The request's ``options`` win, then fields with names of Ollama's, then OpenAI's.
    What had to be changed is added to ``adjusted``.
    """
    penalties = {
        name: penalty(request, name, settings.strict, adjusted)
        for name in ("frequency_penalty", "presence_penalty")
    }
    chosen = {
        "num_predict": max_tokens(request),
        "temperature": within(request.temperature, "temperature", 0, 2),
        "top_p": within(request.top_p, "top_p", 0, 1),
        **penalties,
        "seed": integer(request.seed, "seed"),
        "stop": stop(request.stop),
        "repeat_penalty": request.repetition_penalty,
    }
    if settings.openai_defaults:
        for name in ("temperature", "top_p"):
            if chosen[name] is None:
                chosen[name] = 1.0
    found = _given(chosen) | _given(_named_as_ollama_does(request))
    found |= native_options(request.options)
    # A value outside ends Ollama's runner instead of the request.
    within(found.get("repeat_penalty"), "repeat_penalty", 0.01, 100)
    return found


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _named_as_ollama_does(request: openai.Sampling) -> dict[str, Any]:
    """The fields that are options of Ollama's by name; -1 often means all of it."""
    return {
        "num_ctx": integer(request.num_ctx, "num_ctx", 1),
        "num_keep": integer(request.num_keep, "num_keep", -1),
        "num_predict": integer(request.num_predict, "num_predict", -2),
        "repeat_last_n": integer(request.repeat_last_n, "repeat_last_n", -1),
        "top_k": integer(request.top_k, "top_k"),
        "min_p": within(request.min_p, "min_p", 0, 1),
        "typical_p": within(request.typical_p, "typical_p", 0, 1),
        "repeat_penalty": request.repeat_penalty,
    }


def penalty(
    request: openai.Sampling, name: str, strict: bool, adjusted: list[str]
) -> float | None:
    """A penalty of -2 to 2; others are brought there, or refused where ``strict``."""
    value: float | None = getattr(request, name)
    if strict or value is None:
        return within(value, name, -2, 2)
    nearest = max(-2.0, min(2.0, value))
    if nearest != value:
        adjusted.append(f"{name}={nearest:g}")
        return nearest
    return value


def max_tokens(request: openai.Sampling) -> int | None:
    """The most tokens to generate; ``max_completion_tokens`` wins."""
    older = integer(request.max_tokens, "max_tokens", 1)
    newer = getattr(request, "max_completion_tokens", None)
    limit = integer(newer, "max_completion_tokens", 1)
    return older if limit is None else limit


def stop(value: str | list[str] | None) -> list[str] | None:
    """Stop sequences as a list, ``None`` for none.

    An empty text would end the answer at once, an empty list would take away the
    model's own.
    """
    given = [value] if isinstance(value, str) else value or []
    return [text for text in given if text] or None


def native_options(given: dict[str, Any] | None) -> dict[str, Any]:
    """Options in Ollama's own names, their types checked; unknown ones pass."""
    return {
        name: _native_option(name, value)
        for name, value in (given or {}).items()
        if value is not None
    }


def _native_option(name: str, value: Any) -> Any:
    if name == "stop":
        wanted, fits = "an array of strings", _is_texts(value)
        value = [value] if isinstance(value, str) else value
    elif name in _INTEGERS:
        wanted, fits = "an integer", _is_integer(value)
        value = int(value) if fits else value
    elif name in _NUMBERS:
        wanted, fits = "a number", _is_number(value) and abs(value) <= MAX_NUMBER
    elif name in _BOOLEANS:
        wanted, fits = "a boolean", isinstance(value, bool)
    else:
        return value
    if not fits:
        raise BadRequest(
            f"Invalid type for 'options.{name}': expected {wanted}.",
            code="invalid_type",
            param=f"options.{name}",
        )
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return _is_number(value) and value == int(value) and abs(value) <= MAX_INTEGER


def _is_texts(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def keep_alive(value: str | float | None) -> str | float | None:
    """How long the model stays loaded: seconds, or a duration as Go writes it."""
    if isinstance(value, str) and not _DURATION.fullmatch(value):
        raise BadRequest(
            "Invalid 'keep_alive': expected a number of seconds or a duration such as"
            ' "5m" or "1h30m".',
            code="invalid_value",
            param="keep_alive",
        )
    return value
