"""Rules: what override JSON says, one rule for each name, pure.

A value counts where a request says nothing; an object ``{"value": …, "mode": …}`` can
say more (specification: gateway, section 5).  Which rule wins is known to
``overrides``.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from . import parameters
from .parameters import INTEGERS, NUMBERS, RANGES, is_duration, is_number
from .requested import INSTEAD, REQUESTED

#: Other spellings of a name.  Most are those of Ollama2OpenAI and of OpenAI's fields.
SPELLINGS = {
    "hide_reasoning": "exclude_reasoning",
    "keepAlive": "keep_alive",
    "max_completion_tokens": "num_predict",
    "max_output_tokens": "num_predict",
    "max_tokens": "num_predict",
    "repetition_penalty": "repeat_penalty",
    "requestTimeout": "request_timeout",
    "stop_sequences": "stop",
    "timeout": "request_timeout",
    "timeoutMs": "request_timeout",
    "timeout_ms": "request_timeout",
}
#: What a rule does.  The last three are those of a system prompt alone.
MODES = ("default", "force", "min", "max", "remove", "prepend", "replace", "append")
_BOUNDS = ("min", "max")
_SYSTEM = MODES[5:]
FIELDS = ("both", "reasoning", "reasoning_content", "think_tags", "none")
LEVELS = ("low", "medium", "high", "max")
#: Names go into headers, where an answer says what was changed.
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
#: The longest time that may be set, in milliseconds: ten years.
_LONGEST = 10 * 366 * 86_400_000


class OverrideError(ValueError):
    """Override JSON is wrong: ``path`` is where, the text says what is wanted there."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path}: {text}" if path else text)
        self.path = path


class Rule(NamedTuple):
    """What one layer says of one name; ``origin`` is the layer."""

    value: Any
    mode: str
    origin: str


# ---------------------------------------------------------------- values


def _one_of(*known: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in known:
            raise TypeError(_listed(known))
        chosen: str = value
        return chosen

    return read


def _listed(known: Iterable[Any]) -> str:
    return "one of " + ", ".join(str(one).lower() for one in known)


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("true or false")
    return value


def _think(value: Any) -> bool | str:
    if isinstance(value, bool) or value in LEVELS:
        level: bool | str = value
        return level
    raise TypeError(_listed((True, False, *LEVELS)))


def _milliseconds(value: Any) -> float:
    """Seconds, infinite for 0: no limit."""
    if not is_number(value) or not 0 <= value <= _LONGEST:
        raise TypeError("a number of milliseconds; 0 is no limit")
    return value / 1000 if value else math.inf


def _keep_alive(value: Any) -> str | float:
    if is_number(value) or (isinstance(value, str) and is_duration(value)):
        kept: str | float = value
        return kept
    raise TypeError("a number of seconds, or a duration such as 5m")


def _format(value: Any) -> Any:
    if value == "json" or (isinstance(value, dict) and value):
        return value
    raise TypeError('"json" or a JSON schema')


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text")
    return value


#: What is no option of Ollama's, and how its value is read.
SPECIAL: dict[str, Callable[[Any], Any]] = {
    "exclude_reasoning": _boolean,
    "first_token_timeout": _milliseconds,
    "format": _format,
    "idle_timeout": _milliseconds,
    "keep_alive": _keep_alive,
    "reasoning_field": _one_of(*FIELDS),
    "request_timeout": _milliseconds,
    "shift": _boolean,
    "system": _text,
    "think": _think,
    "tools_mode": _one_of("native", "off"),
    "truncate": _boolean,
}


def _option(name: str, value: Any) -> Any:
    found = parameters.normal(name, value)
    least, most = RANGES.get(name, (-math.inf, math.inf))
    if is_number(found) and not least <= found <= most:
        wanted = f"{least:g} to {most:g}" if most < 1000 else f"{least:g} or more"
        raise TypeError(f"a number of {wanted}")
    if isinstance(found, dict):
        raise TypeError("a value, or an object of value and mode")
    return found


# ------------------------------------------------------------------ rules


def check(given: Any, path: str = "") -> None:
    """Raise ``OverrideError`` for the first thing in override JSON that is wrong.

    ``path`` is where the JSON itself is; names that nobody knows are Ollama's options.
    """
    if not isinstance(given, Mapping):
        raise OverrideError(path, "an object of parameters by name is wanted")
    seen: dict[str, str] = {}
    for name, said in given.items():
        place = f"{path}.{name}" if path else str(name)
        try:
            known, _ = _rule(str(name), said, "")
        except TypeError as wanted:
            raise OverrideError(place, f"{wanted}") from None
        if known in seen:
            raise OverrideError(place, f"{seen[known]} says the same already")
        seen[known] = str(name)


def read(given: Mapping[str, Any], origin: str) -> dict[str, Rule]:
    """The rules of one layer by name; what cannot be read is left out."""
    rules: dict[str, Rule] = {}
    for name, said in given.items():
        try:
            known, rule = _rule(name, said, origin)
        except TypeError:
            continue
        if rule is not None:
            rules.setdefault(known, rule)
    return rules


def why_not(name: str) -> str:
    """Why nothing can be set by this name; empty if it can be."""
    name = SPELLINGS.get(name, name)
    if name not in REQUESTED and _NAME.fullmatch(name):
        return ""
    word = INSTEAD.get(name)
    return "this cannot be set here" + (f", but {word!r} can" if word else "")


def settable(given: Mapping[str, Any]) -> dict[str, Any]:
    """What of override JSON has a name by which something can be set."""
    return {name: said for name, said in given.items() if not why_not(name)}


def _rule(name: str, said: Any, origin: str) -> tuple[str, Rule | None]:
    """A rule under the one spelling of its name; ``None``, as JSON's null, is none.

    Raises ``TypeError``, whose text is what is wanted.
    """
    name = SPELLINGS.get(name, name)
    if reason := why_not(name):
        raise TypeError(reason)
    value, mode = said, "default"
    if isinstance(said, dict) and said and said.keys() <= {"value", "mode"}:
        value, mode = said.get("value"), said.get("mode", "default")
        if mode not in MODES or (mode in _SYSTEM and name != "system"):
            raise TypeError(f"a mode is {_listed(MODES[:5])}")
        if mode in _BOUNDS and not (name in INTEGERS or name in NUMBERS):
            raise TypeError(f"only a number can have the mode {mode}")
        if mode == "remove":
            return name, Rule(None, mode, origin)
        if value is None:
            raise TypeError(f"a value is wanted for the mode {mode}")
    if value is None:
        return name, None
    of_special = SPECIAL.get(name)
    read = of_special(value) if of_special else _option(name, value)
    return name, Rule(read, mode, origin)


def shown(name: str, value: Any) -> Any:
    """A value as it is written in JSON."""
    if not name.endswith("_timeout") or value is None:
        return value
    return 0 if value == math.inf else round(value * 1000)
