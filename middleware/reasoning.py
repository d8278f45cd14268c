"""Reasoning: what becomes of a wish to think, by what the model is able to.

A policy.  There are three kinds of model: one that always thinks and takes a level
(gpt-oss), one that thinks or does not, and one that cannot.  Where Ollama does not say
which, the wish goes to it as its own OpenAI layer would put it (specification: gateway,
section 5.1).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from app.catalog import Facts
from app.errors import BadRequest
from app.exchange import Exchange, Wish
from app.settings import Settings

_LEVELLED = frozenset(["gptoss", "gpt-oss"])


class _Sent(NamedTuple):
    """What Ollama's ``think`` is for one level, by the kind of the model."""

    levelled: str
    switched: bool | str
    unknown: bool | str


_SENT: dict[bool | str, _Sent] = {
    True: _Sent("medium", True, True),
    False: _Sent("low", False, False),
    "minimal": _Sent("low", False, "low"),
    "low": _Sent("low", "low", "low"),
    "medium": _Sent("medium", "medium", "medium"),
    "high": _Sent("high", "high", "high"),
    "max": _Sent("high", "max", "max"),
}


def think(wish: Wish | None) -> bool | str | None:
    """What is sent as long as nobody knows the model."""
    if wish is None:
        return None
    return True if wish.rough else _SENT[wish.level].unknown


class Reasoning:
    """Puts a call's ``think`` as its model can take it.

    ``facts`` says what a model is; it is asked only where there is a wish.
    """

    def __init__(
        self, facts: Callable[[str], Facts | None], settings: Settings
    ) -> None:
        self._facts = facts
        self._minimal = settings.think_minimal == "low"
        self._refuse = settings.think_unsupported == "error" or settings.strict

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Amend the call; raises ``BadRequest`` for a wish that must be kept."""
        wish = exchange.wish
        if wish is None or (facts := self._facts(call.model)) is None:
            return
        if facts.family in _LEVELLED:
            _levelled(exchange, call, wish)
        elif facts.capabilities is not None:
            if "thinking" in facts.capabilities:
                call.think = self._switched(wish)
            else:
                call.think = None
                self._dropped(exchange, wish)

    def _switched(self, wish: Wish) -> bool | str:
        minimal = self._minimal and wish.level == "minimal"
        return True if wish.rough or minimal else _SENT[wish.level].switched

    def _dropped(self, exchange: Exchange, wish: Wish) -> None:
        if wish.level in (False, "minimal") or not wish.field:
            return  # as good as kept, or no client's
        if self._refuse:
            raise BadRequest(
                f'"{exchange.model}" does not support thinking',
                code="unsupported_value",
                param=wish.field,
            )
        exchange.ignored.append(wish.field)


def _levelled(exchange: Exchange, call: Any, wish: Wish) -> None:
    """Such a model cannot be kept from thinking, but its thoughts can be hidden."""
    call.think = _SENT[wish.level].levelled
    if wish.level is False:
        exchange.hidden = True
    if wish.field and wish.level in (False, "max"):
        exchange.adjusted.append(f"think={call.think}")
