"""Thinking: what a request wishes of it, in every spelling that is in use, pure.

The first spelling that says something counts; the order and the meanings are the
specification's (gateway, section 5.1), the efforts Ollama's (``openai/openai.go``,
``thinkFromReasoningEffort``).  What becomes of a wish is ``middleware.reasoning``'s.
"""

from collections.abc import Callable
from typing import Any, Literal

from app.errors import BadRequest
from app.exchange import Wish
from app.wire.generating import GeneratingRequest, Reasoning

from .fields import Fields
from .validation import integer

#: Efforts, and how much each asks for; an empty one asks for nothing.
_EFFORTS: dict[str, bool | str] = {
    "none": False,
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "max": "max",
    "xhigh": "max",
    "ultra": "max",
}
#: Anthropic's types of thinking that leave to the model how much; and the others.
_FREE = ("adaptive", "between_tools")
_TYPES = {"enabled": True, "disabled": False}
#: Budgets in tokens below which the effort is low, or medium.
_LOW = 2048
_MEDIUM = 8192
#: The name under which a request is known to hide, or to show, the reasoning.
HIDING = "exclude_reasoning"
_HIDING = (HIDING, "hide_reasoning")

_hiding = Fields("reasoning", "include_reasoning", *_HIDING, "thinking", "metadata")


def wish(request: GeneratingRequest, default: Literal["auto", "off"]) -> Wish | None:
    """The wish of a request, else that of the setting; ``None`` where neither has one.

    Raises ``BadRequest`` for a level that nobody knows.
    """
    found = None
    if request.think is not None:
        found = Wish("think", _checked_think(request.think))
    if given := _wishing.of(request):
        found = found or _first(given)
        _refuse_contradiction(dict(given))
    return found or (Wish("", level=False) if default == "off" else None)


def excluded(request: GeneratingRequest) -> bool | None:
    """Whether to hide the reasoning; ``None`` where a request does not say."""
    for name, value in _hiding.of(request):
        if (hide := _hidden(name, value)) is not None:
            return hide
    return None


def knows_type(thinking: Any) -> bool:
    """Whether a type of thinking, where one is given, is one that Anthropic has."""
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    return not isinstance(kind, str) or bool(_kind(kind))


def _first(given: list[tuple[str, Any]]) -> Wish | None:
    for name, value in given:
        if (found := _SPELLINGS[name](value)) is not None:
            return found
    # What thinks as much as it likes thinks, unless something else says how much.
    free = any(name == "thinking" and _kind(value) in _FREE for name, value in given)
    return Wish("thinking", level=True) if free else None


def _hidden(name: str, value: Any) -> bool | None:
    """What one field says of hiding the reasoning, if anything."""
    if name == "reasoning":
        hide: bool | None = value.exclude
        return hide
    if name == "include_reasoning":
        return not value
    if name == "thinking":
        display = value.get("display") if isinstance(value, dict) else None
        return True if display == "omitted" else None
    return _excluded_by_metadata(value) if name == "metadata" else bool(value)


# ------------------------------------------------- one function a spelling


def _by_effort(effort: str) -> Wish | None:
    return _effort(effort, "reasoning_effort")


def _by_reasoning(reasoning: Reasoning) -> Wish | None:
    if reasoning.effort:
        return _effort(reasoning.effort, "reasoning.effort")
    if reasoning.enabled is not None:
        return Wish("reasoning.enabled", reasoning.enabled)
    return _budget(reasoning.max_tokens, "reasoning.max_tokens")


def _by_thinking(thinking: bool | str | dict[str, Any]) -> Wish | None:
    if isinstance(thinking, bool):
        return Wish("thinking", thinking)
    if isinstance(thinking, dict):
        return _anthropic(thinking)
    return _by_type(thinking) if _kind(thinking) else _effort(thinking, "thinking")


def _by_output_config(config: dict[str, Any]) -> Wish | None:
    effort = _member(config, "output_config", "effort", str)
    return _effort(effort, "output_config.effort")


def _by_template(kwargs: dict[str, Any]) -> Wish | None:
    name = "chat_template_kwargs"
    value = _member(kwargs, name, "enable_thinking", bool)
    return None if value is None else Wish(f"{name}.enable_thinking", value)


def _by_switch(value: bool) -> Wish | None:
    return Wish("enable_thinking", value)


#: By field, in the order in which they count.
_SPELLINGS: dict[str, Callable[[Any], Wish | None]] = {
    "reasoning_effort": _by_effort,
    "reasoning": _by_reasoning,
    "thinking": _by_thinking,
    "output_config": _by_output_config,
    "chat_template_kwargs": _by_template,
    "enable_thinking": _by_switch,
}
_wishing = Fields(*_SPELLINGS)


# ----------------------------------------------------------------- values


def _effort(effort: str | None, field: str) -> Wish | None:
    if not effort:
        return None
    if effort not in _EFFORTS:
        raise BadRequest(
            f'invalid reasoning value: "{effort[:64]}" (must be "minimal", "low",'
            ' "medium", "high", "xhigh", "ultra", "max", or "none")',
            code="invalid_value",
            param=field,
        )
    return Wish(field, _EFFORTS[effort])


def _budget(tokens: float | None, field: str) -> Wish | None:
    number = integer(tokens, field, 0)
    if number is None:
        return None
    if number == 0:
        return Wish(field, level=False)
    level = "low" if number < _LOW else "medium" if number < _MEDIUM else "high"
    return Wish(field, level, rough=True)


def _anthropic(thinking: dict[str, Any]) -> Wish | None:
    """``{"type": …, "budget_tokens": …}``; what is disabled has no budget."""
    kind = _member(thinking, "thinking", "type", str)
    if kind is not None and not _kind(kind):
        raise BadRequest(
            f"Invalid value: '{kind[:64]}'. Supported values are: 'enabled',"
            " 'disabled', 'adaptive', and 'between_tools'.",
            code="invalid_value",
            param="thinking.type",
        )
    tokens = _member(thinking, "thinking", "budget_tokens", int, float)
    budget = _budget(tokens, "thinking.budget_tokens")
    return budget if budget and kind != "disabled" else _by_type(kind)


def _by_type(kind: str | None) -> Wish | None:
    return Wish("thinking", _TYPES[kind]) if kind in _TYPES else None


def _kind(thinking: Any) -> str:
    """Anthropic's type of thinking, if it is one."""
    kind = thinking.get("type") if isinstance(thinking, dict) else thinking
    return kind if kind in _TYPES or kind in _FREE else ""


def _checked_think(value: bool | str) -> bool | str:
    if isinstance(value, str) and value not in ("low", "medium", "high", "max"):
        raise BadRequest(
            f'invalid think value: "{value[:64]}" (must be "high", "medium", "low",'
            ' "max", true, or false)',
            code="invalid_value",
            param="think",
        )
    return value


def _refuse_contradiction(given: dict[str, Any]) -> None:
    reasoning = given.get("reasoning")
    if reasoning is None or reasoning.enabled is not False:
        return
    for effort in (reasoning.effort, given.get("reasoning_effort")):
        if effort and effort != "none":
            raise BadRequest(
                f"'reasoning.enabled' is false, which contradicts the effort"
                f" '{effort[:64]}'.",
                code="invalid_value",
                param="reasoning.enabled",
            )


def _excluded_by_metadata(metadata: dict[str, Any]) -> bool | None:
    """OpenAI's metadata holds texts, so the words count as well."""
    for name in _HIDING:
        value = metadata.get(name)
        if isinstance(value, str) and value in ("true", "false"):
            return value == "true"
        if value is not None:
            hide: bool = _member(metadata, "metadata", name, bool)
            return hide
    return None


_KINDS = {bool: "a boolean", int: "a number", str: "a string"}


def _member(given: dict[str, Any] | None, field: str, name: str, *kinds: type) -> Any:
    """A member of a free-form object, of one of the ``kinds``; ``None`` if absent."""
    value = given.get(name) if given else None
    if value is not None and type(value) not in kinds:
        raise BadRequest(
            f"Invalid type for '{field}.{name}': expected {_KINDS[kinds[0]]}.",
            code="invalid_type",
            param=f"{field}.{name}",
        )
    return value
