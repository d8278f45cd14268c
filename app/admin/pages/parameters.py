"""Parameters: what a form of overrides knows of each, made of what the rules know."""

from collections.abc import Iterator
from typing import Any

import msgspec

from ...gateway.parameters import (
    INTEGERS,
    KNOWN,
    MAX_INTEGER,
    NUMBERS,
    RANGES,
    RUNNER,
)
from ...gateway.rules import FIELDS, LEVELS, SPECIAL, SPELLINGS

#: What each is for, in the order in which they are offered; all others come last.
HINTS = {
    "temperature": "How freely it chooses: 0 is always the likeliest.",
    "top_p": "It chooses among the likeliest that together have this share.",
    "top_k": "It chooses among so many of the likeliest.",
    "min_p": "Nothing that is less likely than this share of the likeliest.",
    "typical_p": "1 is off.",
    "seed": "The same question and seed give the same answer.",
    "repeat_penalty": "Above 1, what was said is less likely to be said again.",
    "repeat_last_n": "How many tokens back that looks; -1 is all of them.",
    "frequency_penalty": "Against what was said often.",
    "presence_penalty": "Against what was said at all.",
    "stop": "Where the answer ends: one text on each line, \\n is a line break.",
    "num_predict": "The longest answer, in tokens; -1 has no end.",
    "num_ctx": "How much it sees at once, in tokens. More takes more memory.",
    "num_keep": "Tokens of the beginning that stay when the context is full.",
    "think": "Whether, or how much, it thinks before it answers.",
    "exclude_reasoning": "Whether its thinking is left out of answers.",
    "reasoning_field": "Where its thinking goes in answers.",
    "system": "A text for the model before all else.",
    "format": "json, or a JSON schema that answers keep to.",
    "tools_mode": "off leaves tools out, for models that cannot use them.",
    "keep_alive": "How long it stays in memory: seconds, or such as 30m; -1 for ever.",
    "request_timeout": "The longest that a whole answer may take; 0 is no limit.",
    "first_token_timeout": "The longest wait for the first token of a stream.",
    "idle_timeout": "The longest silence inside a stream.",
    "truncate": "Whether what is too long is cut, instead of refused.",
    "shift": "Whether the oldest is left out when the context is full.",
}
#: What a value is, of those that are no options of Ollama's.
_KINDS = {
    "first_token_timeout": "milliseconds",
    "format": "format",
    "idle_timeout": "milliseconds",
    "keep_alive": "duration",
    "request_timeout": "milliseconds",
    "system": "text",
}
_CHOICES: dict[str, tuple[Any, ...]] = {
    "reasoning_field": FIELDS,
    "think": (True, False, *LEVELS),
    "tools_mode": ("native", "off"),
}


class Parameter(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of them; ``choices`` are JSON, ``least`` and ``most`` are of numbers."""

    name: str
    kind: str
    hint: str = ""
    choices: tuple[Any, ...] = ()
    least: float | None = None
    most: float | None = None
    loads: bool = False


def parameters() -> Iterator[Parameter]:
    """All that can be set by name."""
    for name in sorted(KNOWN | SPECIAL.keys(), key=_place):
        least, most = RANGES.get(name, (None, None))
        yield Parameter(
            name=name,
            kind=_kind(name),
            hint=HINTS.get(name, ""),
            choices=_CHOICES.get(name, ()),
            least=least,
            most=None if most == MAX_INTEGER else most,
            loads=name in RUNNER,
        )


def _place(name: str) -> tuple[int, str]:
    known = list(HINTS)
    return known.index(name) if name in HINTS else len(known), name


def _kind(name: str) -> str:
    if name in _KINDS:
        return _KINDS[name]
    if name in _CHOICES:
        return "choice"
    if name in INTEGERS:
        return "integer"
    if name in NUMBERS:
        return "number"
    return "texts" if name == "stop" else "boolean"


#: For the form's script: all of them, and other spellings of their names.
FORM = {"parameters": tuple(parameters()), "spellings": SPELLINGS}
