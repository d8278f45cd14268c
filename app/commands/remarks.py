"""Remarks: what is said of what was set, though nothing has to be wrong with it."""

from collections.abc import Iterable, Mapping
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
    asked = [one for one in patterns if one != "*"]
    if not asked:
        return
    settings = administration.choices.in_force()
    there = installed(settings)
    if there is None:
        terminal.note(
            "Ollama does not answer, so it was not checked whether it has models that"
            f" fit {', '.join(map(repr, asked))}."
        )
        return
    called = [entry.name for entry in administration.aliases.list()]
    others = map(globs.alias_names, (*called, *aliases(settings.aliases)))
    known = [*map(globs.names, there), *others]
    for one in asked:
        fits = globs.matcher((one,), ()).admits
        if not any(map(fits, known)):
            terminal.note(f"No model that Ollama has now fits {one!r}.")
