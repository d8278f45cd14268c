"""Strategy: how a model is asked to fill a hole, by what is known of it; pure.

Specification: code completion, section 4.
"""

from typing import Literal, TypeAlias

from app.catalog import Facts
from app.gateway.entries import CodeStrategy

from .families import Family

#: By its family's template, by Ollama's with a suffix, by a question, by the text
#: before the hole alone; ``plain`` is a prompt as it is.
Strategy: TypeAlias = CodeStrategy | Literal["plain"]
Setting: TypeAlias = CodeStrategy | Literal["auto"]


def strategy_for(
    setting: Setting,
    family: Family | None,
    facts: Facts | None,
    *,
    prefix: bool,
) -> Strategy:
    """How to ask; ``setting`` is how it is wanted, ``auto`` for the model's own way.

    ``prefix`` says whether anything stands before the hole.
    """
    own = family.strategy if family is not None else _by_ability(facts)
    wanted = own if setting == "auto" else setting
    if wanted == "raw" and own != "raw":
        return "prefix"  # there is no template
    if wanted == "suffix" and not prefix:
        # Ollama's answer to an empty prompt is to load the model.
        return _without_suffix(facts) if own == "suffix" else own
    return wanted


def _by_ability(facts: Facts | None) -> Strategy:
    """How to ask a model of no known family."""
    inserts = facts is None or facts.inserts
    return "suffix" if inserts else _without_suffix(facts)


def _without_suffix(facts: Facts | None) -> Strategy:
    """How to ask a model if Ollama does not know how to fill in with it."""
    return "prefix" if facts is not None and facts.bare else "chat"
