"""Remarks: what is said of what was set, though nothing has to be wrong with it."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from ..administration import Administration
from ..aliases import aliases
from ..gateway import globs, parameters, rules
from .installed import installed
from .terminal import Terminal

#: What may be said beside Ollama's options.
_NAMES = parameters.KNOWN | rules.SPECIAL.keys() | rules.SPELLINGS.keys()


def of_overrides(terminal: Terminal, given: Mapping[str, Any] | None) -> None:
    """Note names that are handed on, but mean nothing to any Ollama that is known."""
    for name in given or ():
        if name not in _NAMES:
            close = get_close_matches(name, sorted(_NAMES), 1)
            meant = f" (is {close[0]!r} meant?)" if close else ""
            terminal.note(f"Ollama is not known to have an option {name!r}{meant}.")


def of_patterns(
    terminal: Terminal, administration: Administration, patterns: Iterable[str]
) -> None:
    """Note patterns that fit no model now; who says ``*`` means none of them."""
    settings = administration.choices.in_force()
    called = [entry.name for entry in administration.aliases.list()]
    others = list(map(globs.alias_names, (*called, *aliases(settings.aliases))))
    asked = [one for one in patterns if one != "*" and not _fits(one, others)]
    if not asked:
        return
    there = installed(settings)
    if there is None:
        terminal.note(
            "Ollama does not answer, so it was not checked whether it has models that"
            f" fit {', '.join(map(repr, asked))}."
        )
        return
    known = list(map(globs.names, there))
    for one in asked:
        if not _fits(one, known):
            terminal.note(f"No model that Ollama has now fits {one!r}.")


def _fits(pattern: str, known: Iterable[Sequence[str]]) -> bool:
    """Whether a pattern fits one of the models, each of which has several names."""
    return any(map(globs.matcher((pattern,), ()).admits, known))
