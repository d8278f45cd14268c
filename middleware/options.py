"""Sampling options: from a dialect's fields to Ollama's ``options``, pure.

Shared by the endpoints that generate text (specification: chat, section 1; gateway,
section 5).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from app.errors import BadRequest
from app.exchange import Exchange
from app.gateway.parameters import KNOWN, RANGES, is_duration, is_number, normal
from app.settings import Settings
from app.wire.generating import CallingRequest

from .effects import unsupported
from .fields import Fields
from .validation import integer, within


def _whole(name: str, minimum: int | None = None) -> Callable[[Any], Any]:
    return partial(integer, param=name, minimum=minimum)


#: The range of ``repeat_penalty``, which has two names here.
_REPEAT = RANGES["repeat_penalty"]


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
#: Objects that hold options by their own names, the least of them first.
_OBJECTS = ("ollama", "ollama_options", "options")
#: Options that have a range there too; of all others Ollama takes what it takes.  A
#: ``num_ctx`` below 1 would load the model anew, with room for next to nothing.
_BOUNDED = ("repeat_penalty", "temperature")
_given = Fields(*_OBJECTS, *_FIELDS)
_penalties = Fields("frequency_penalty", "presence_penalty")


def options(
    request: CallingRequest, settings: Settings, exchange: Exchange
) -> dict[str, Any]:
    """Ollama's options as a request sets them.

    Fields with names of Ollama's win, then those of its dialect, then its ``options``,
    then ``ollama_options``, then those of ``ollama``.  The exchange is told what had to
    be changed and what Ollama is not known to have.  Raises ``BadRequest`` for what is
    wrong, or not wanted here.
    """
    chosen: dict[str, Any] = {}
    for field, value in _given.of(request):
        if field in _OBJECTS:
            chosen |= _of_object(field, value)
            continue
        name, check = _FIELDS[field]
        if (checked := check(value)) is not None:
            chosen[name] = checked
    for name, value in _penalties.of(request):
        chosen[name] = penalty(value, name, settings.strict, exchange.adjusted)
    # The others have names of their own.
    if request.options or request.ollama_options or request.ollama:
        return _without_unknown(chosen, settings, exchange.ignored)
    return chosen


def _of_object(place: str, value: dict[str, Any]) -> dict[str, Any]:
    """The options that an object of a request holds."""
    given: Any = value
    if place == "ollama":
        place, given = "ollama.options", value.get("options")
    if given is not None and not isinstance(given, dict):
        raise _mistyped(place, "an object")
    found = native_options(given, place)
    for name in _BOUNDED:
        within(found.get(name), f"{place}.{name}", *RANGES[name])
    integer(found.get("num_ctx"), f"{place}.num_ctx", minimum=1)
    return found


def _without_unknown(
    chosen: dict[str, Any], settings: Settings, ignored: list[str]
) -> dict[str, Any]:
    """The options without those of no Ollama that we know; all where they may pass.

    What is unknown is added to ``ignored`` in any case, unless it is refused.
    """
    unknown = [f"options.{name}" for name in chosen if name not in KNOWN]
    if unknown and settings.unknown_options == "reject":
        raise unsupported(unknown[0])
    ignored += unknown
    if settings.unknown_options == "allow":
        return chosen
    return {name: value for name, value in chosen.items() if name in KNOWN}


def penalty(value: float, name: str, strict: bool, adjusted: list[str]) -> float | None:
    """A penalty of -2 to 2; others are brought there, or refused where ``strict``."""
    nearest = max(-2.0, min(2.0, value))
    if strict or nearest == value:
        return within(value, name, -2, 2)
    adjusted.append(f"{name}={nearest:g}")
    return nearest


def native_options(
    given: dict[str, Any] | None, place: str = "options"
) -> dict[str, Any]:
    """Options in Ollama's own names, their types checked; unknown ones pass."""
    return {
        name: _native_option(name, value, place)
        for name, value in (given or {}).items()
        if value is not None
    }


def _native_option(name: str, value: Any, place: str) -> Any:
    try:
        return normal(name, value)
    except TypeError as wanted:
        raise _mistyped(f"{place}.{name}", str(wanted)) from None


def _mistyped(param: str, wanted: str) -> BadRequest:
    return BadRequest(
        f"Invalid type for '{param}': expected {wanted}.",
        code="invalid_type",
        param=param,
    )


def keep_alive(request: CallingRequest) -> str | float | None:
    """How long the model stays loaded: seconds, or a duration as Go writes it.

    Raises ``BadRequest`` for other texts.
    """
    name, value = "keep_alive", request.keep_alive
    if value is None:
        name, value = "keepAlive", request.keepAlive
        if value is None:
            return _kept(getattr(request, "metadata", None))
    if isinstance(value, str) and not is_duration(value):
        raise BadRequest(
            f"Invalid '{name}': expected a number of seconds or a duration such as"
            ' "5m" or "1h30m".',
            code="invalid_value",
            param=name,
        )
    return value


def _kept(metadata: dict[str, Any] | None) -> str | float | None:
    """What metadata say of it; the texts there may be of anything else."""
    if metadata is None:
        return None
    for name in ("keep_alive", "keepAlive"):
        value: Any = metadata.get(name)
        if is_number(value) or (isinstance(value, str) and is_duration(value)):
            seconds: str | float = value
            return seconds
    return None
