"""Special: what an installation sets of a call that is no option of Ollama's.

How it thinks and what is shown of that, its instructions, its form, how long the model
stays loaded (specification: gateway, sections 5 and 5.1).
"""

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from app.exchange import Exchange, Wish
from app.gateway.overrides import Merged
from app.gateway.rules import Rule
from app.settings import Settings
from app.wire import ollama

from .reasoning import think
from .thinking import HIDING

#: What counts for one call, by name.
Rules: TypeAlias = Mapping[str, Merged]

#: What can stand in a header as it is.
_PLAIN = re.compile(r"[A-Za-z0-9._+-]{1,32}")


def noted(name: str, value: Any) -> str:
    """What ``X-Pannier-Adjusted`` says of a value that came into force."""
    if value is None:
        return f"{name}=removed"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"{name}={text if _PLAIN.fullmatch(text) else 'set'}"


class Special:
    """Puts such parameters into calls."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def keep(self, exchange: Exchange, call: Any, rules: Rules) -> None:
        """What any call has: how long the model stays, whether a text may be cut."""
        for name in ("keep_alive", "truncate", "shift"):
            if name in rules and hasattr(call, name):
                _put(exchange, call, name, rules[name])

    def amend(self, exchange: Exchange, call: Any, rules: Rules) -> None:
        """All that a text which a client wants has."""
        self.keep(exchange, call, rules)
        if "think" in rules:
            self._think(exchange, call, rules["think"])
        if "exclude_reasoning" in rules or "reasoning_field" in rules:
            self._hide(exchange, rules)
        # Code has neither instructions nor a form.
        if exchange.filling is not None:
            return
        held = exchange.tools is not None and exchange.tools[1] is not None
        if "format" in rules and not held:
            _put(exchange, call, "format", rules["format"])
        if "system" in rules and rules["system"].rule is not None:
            said = _instructions(call)
            _instruct(call, rules["system"].rule)
            if said and (now := _instructions(call)) != said:
                exchange.adjusted.append(f"system={'set' if now else 'removed'}")
        if "tools_mode" in rules and not held:
            self._without_tools(exchange, call, rules["tools_mode"])

    def _think(self, exchange: Exchange, call: Any, found: Merged) -> None:
        """A default is not for code: nobody at an editor waits for thoughts."""
        wish, rule = exchange.wish, found.rule
        asked = wish is not None and bool(wish.field)
        if rule is None or (not found.forces and (asked or exchange.filling)):
            return
        if wish is not None and asked and wish.level != rule.value:
            exchange.adjusted.append(noted("think", rule.value))
        exchange.wish = None if rule.value is None else Wish("", rule.value)
        call.think = think(exchange.wish)

    def _hide(self, exchange: Exchange, rules: Rules) -> None:
        """Where the reasoning goes; a field of ``none`` hides it in all dialects."""
        placed = rules["reasoning_field"].rule if "reasoning_field" in rules else None
        exchange.reasoning_field = (placed and placed.value) or ""
        hidden = self._settings.exclude_reasoning
        found = rules.get("exclude_reasoning")
        if found is not None and found.rule is not None:
            hidden = hidden if found.rule.value is None else found.rule.value
        said, wanted = HIDING in exchange.given, exchange.hidden
        if said and not (found and found.forces):
            hidden = wanted
        field = exchange.reasoning_field or self._settings.reasoning_field
        exchange.hidden = hidden or field == "none"
        if said and exchange.hidden != wanted:
            exchange.adjusted.append(noted(HIDING, exchange.hidden))

    def _without_tools(self, exchange: Exchange, call: Any, found: Merged) -> None:
        off = found.rule is not None and found.rule.value == "off"
        if off and getattr(call, "tools", None):
            call.tools = None
            exchange.adjusted.append("tools=removed")


def _put(exchange: Exchange, call: Any, name: str, found: Merged) -> None:
    """One field of a call, as its rule has it."""
    given = getattr(call, name)
    # A format of "text" is said, and nothing of it is in the call.
    said = given is not None or (name == "format" and name in exchange.given)
    if found.rule is None or (said and not found.forces):
        return
    value = found.rule.value
    if said and given != value:
        exchange.adjusted.append(noted(name, value))
    setattr(call, name, value)


def _instructions(call: Any) -> list[str]:
    """What the model is told before all, and later on."""
    if isinstance(call, ollama.ChatRequest):
        return [one.content for one in call.messages if one.role == "system"]
    return list(filter(None, [getattr(call, "system", "")]))


def _instruct(call: Any, rule: Rule) -> None:
    """What the model is told before all, among what the client tells it."""
    if isinstance(call, ollama.GenerateRequest) and not call.raw:
        call.system = _told(call.system, rule)
    if not isinstance(call, ollama.ChatRequest):
        return
    said = [one for one in call.messages if one.role == "system"]
    if rule.mode == "default" and said:
        return
    rest = call.messages
    first = ""
    if rule.mode not in ("prepend", "append"):
        rest = [one for one in rest if one.role != "system"]
    elif said and rest[0] is said[0]:
        first, rest = rest[0].content, rest[1:]
    text = _told(first, rule)
    call.messages = [ollama.Message("system", text), *rest] if text else rest


def _told(given: str, rule: Rule) -> str:
    """Instructions with those of a rule."""
    text: str = rule.value or ""
    if rule.mode == "default":
        return given or text
    if rule.mode == "prepend":
        return "\n\n".join(filter(None, [text, given]))
    if rule.mode == "append":
        return "\n\n".join(filter(None, [given, text]))
    return text
