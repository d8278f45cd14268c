"""Sampling options: from a dialect's fields to Ollama's ``options``, pure.

Shared by the endpoints that generate text (specification: chat, section 1).
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from app.errors import BadRequest
from app.wire.generating import GeneratingRequest

from .fields import Fields
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
_KNOWN = _INTEGERS | _NUMBERS | _BOOLEANS | {"stop"}
#: Ollama computes in float32, where larger ones can become infinite.
MAX_NUMBER = 1e6

#: A ``repeat_penalty`` outside of this ends Ollama's runner instead of the request.
_REPEAT = (0.01, 100)

#: What Go's ``time.ParseDuration`` reads; possessive: nothing is looked at twice.
_DURATION = re.compile(
    r"[-+]?(?:0|(?:(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:ns|us|µs|ms|s|m|h))++)"
)


def _whole(name: str, minimum: int | None = None) -> Callable[[Any], Any]:
    return partial(integer, param=name, minimum=minimum)


def _between(name: str, minimum: float, maximum: float) -> Callable[[Any], Any]:
    return partial(within, param=name, minimum=minimum, maximum=maximum)


def stop(value: str | list[str]) -> list[str] | None:
    """Stop sequences as a list, ``None`` for none.

    An empty text would end the answer at once, an empty list would take away the
    model's own.
    """
    given = [value] if isinstance(value, str) else value
    return [text for text in given if text] or None


#: Fields with the options that they set, the later one winning: those of the dialects,
#: then those that are options of Ollama's by name, where -1 often means all of it.
_FIELDS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "max_tokens": ("num_predict", _whole("max_tokens", 1)),
    "max_completion_tokens": ("num_predict", _whole("max_completion_tokens", 1)),
    "max_output_tokens": ("num_predict", _whole("max_output_tokens", 1)),
    "temperature": ("temperature", _between("temperature", 0, 2)),
    "top_p": ("top_p", _between("top_p", 0, 1)),
    "random_seed": ("seed", _whole("random_seed")),
    "seed": ("seed", _whole("seed")),
    "stop": ("stop", stop),
    "stop_sequences": ("stop", stop),
    "repetition_penalty": ("repeat_penalty", _between("repetition_penalty", *_REPEAT)),
    "n_keep": ("num_keep", _whole("n_keep", -1)),
    "n_predict": ("num_predict", _whole("n_predict", -2)),
    "num_ctx": ("num_ctx", _whole("num_ctx", 1)),
    "num_keep": ("num_keep", _whole("num_keep", -1)),
    "num_predict": ("num_predict", _whole("num_predict", -2)),
    "repeat_last_n": ("repeat_last_n", _whole("repeat_last_n", -1)),
    "top_k": ("top_k", _whole("top_k")),
    "min_p": ("min_p", _between("min_p", 0, 1)),
    "typical_p": ("typical_p", _between("typical_p", 0, 1)),
    "repeat_penalty": ("repeat_penalty", _between("repeat_penalty", *_REPEAT)),
}
_given = Fields(*_FIELDS)
_penalties = Fields("frequency_penalty", "presence_penalty")


def unknown_options(given: dict[str, Any] | None) -> list[str]:
    """Names that are no option of an Ollama that we know; they are sent anyway."""
    if not given:
        return []
    return [f"options.{name}" for name in given if name not in _KNOWN]


def options(
    request: GeneratingRequest,
    defaults: dict[str, Any],
    strict: bool,
    adjusted: list[str],
) -> dict[str, Any]:
    """Ollama's options for a request.

    The request's ``options`` win, then fields with names of Ollama's, then those of its
    dialect, then the ``defaults``.  What had to be changed is added to ``adjusted``;
    ``strict`` refuses it.
    """
    chosen = dict(defaults)
    for field, value in _given.of(request):
        name, check = _FIELDS[field]
        if (checked := check(value)) is not None:
            chosen[name] = checked
    for name, value in _penalties.of(request):
        chosen[name] = penalty(value, name, strict, adjusted)
    if request.options:
        native = native_options(request.options)
        within(native.get("repeat_penalty"), "options.repeat_penalty", *_REPEAT)
        chosen |= native
    return chosen


def penalty(value: float, name: str, strict: bool, adjusted: list[str]) -> float | None:
    """A penalty of -2 to 2; others are brought there, or refused where ``strict``."""
    nearest = max(-2.0, min(2.0, value))
    if strict or nearest == value:
        return within(value, name, -2, 2)
    adjusted.append(f"{name}={nearest:g}")
    return nearest


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
