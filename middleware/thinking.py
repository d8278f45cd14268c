"""Thinking: what a request wishes of it, in every spelling that is in use, pure.

The first spelling that says something counts; the order and the meanings are the
specification's (gateway, section 5.1), the efforts Ollama's (``openai/openai.go``,
``thinkFromReasoningEffort``).  What becomes of a wish is ``middleware.reasoning``'s.
"""

from collections.abc import Callable
from typing import Any, Literal

from app.errors import BadRequest
from app.exchange import Wish
from app.wire import openai

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
#: Anthropic's types of thinking; an adaptive model thinks as much as it likes.
_TYPES: dict[str, bool | str] = {"enabled": True, "adaptive": True, "disabled": False}
#: Budgets in tokens below which the effort is low, or medium.
_LOW = 2048
_MEDIUM = 8192
_HIDING = ("exclude_reasoning", "hide_reasoning")

Chat = openai.ChatCompletionRequest

_wishing = Fields(
    "reasoning_effort",
    "reasoning",
    "thinking",
    "output_config",
    "chat_template_kwargs",
    "enable_thinking",
)
_hiding = Fields("reasoning", "include_reasoning", *_HIDING, "metadata")


def wish(request: openai.Sampling, default: Literal["auto", "off"]) -> Wish | None:
    """The wish of a request, else that of the setting; ``None`` where neither has one.

    Raises ``BadRequest`` for a level that nobody knows.
    """
    found = None
    if request.think is not None:
        found = Wish("think", _checked_think(request.think))
    if isinstance(request, Chat) and _wishing.of(request):
        found = found or _first(request)
        _refuse_contradiction(request)
    return found or (Wish("", level=False) if default == "off" else None)


def excluded(request: openai.Sampling) -> bool | None:
    """Whether to hide the reasoning; ``None`` where a request does not say."""
    if not (isinstance(request, Chat) and _hiding.of(request)):
        return None
    if request.reasoning is not None and request.reasoning.exclude is not None:
        return request.reasoning.exclude
    if request.include_reasoning is not None:
        return not request.include_reasoning
    if request.exclude_reasoning is not None:
        return request.exclude_reasoning
    if request.hide_reasoning is not None:
        return request.hide_reasoning
    return _excluded_by_metadata(request.metadata) if request.metadata else None


def _first(request: Chat) -> Wish | None:
    for spelling in _SPELLINGS:
        if (found := spelling(request)) is not None:
            return found
    return None


# ------------------------------------------------- one function a spelling


def _by_effort(request: Chat) -> Wish | None:
    return _effort(request.reasoning_effort, "reasoning_effort")


def _by_reasoning(request: Chat) -> Wish | None:
    reasoning = request.reasoning
    if reasoning is None:
        return None
    if reasoning.effort:
        return _effort(reasoning.effort, "reasoning.effort")
    if reasoning.enabled is not None:
        return Wish("reasoning.enabled", reasoning.enabled)
    return _budget(reasoning.max_tokens, "reasoning.max_tokens")


def _by_thinking(request: Chat) -> Wish | None:
    thinking = request.thinking
    if isinstance(thinking, bool):
        return Wish("thinking", thinking)
    if isinstance(thinking, dict):
        return _anthropic(thinking)
    if thinking in _TYPES:
        return Wish("thinking", _TYPES[thinking])
    return _effort(thinking, "thinking")


def _by_output_config(request: Chat) -> Wish | None:
    effort = _member(request.output_config, "output_config", "effort", str)
    return _effort(effort, "output_config.effort")


def _by_template(request: Chat) -> Wish | None:
    name = "chat_template_kwargs"
    value = _member(request.chat_template_kwargs, name, "enable_thinking", bool)
    return None if value is None else Wish(f"{name}.enable_thinking", value)


def _by_switch(request: Chat) -> Wish | None:
    value = request.enable_thinking
    return None if value is None else Wish("enable_thinking", value)


#: In the order in which they count.
_SPELLINGS: tuple[Callable[[Chat], Wish | None], ...] = (
    _by_effort,
    _by_reasoning,
    _by_thinking,
    _by_output_config,
    _by_template,
    _by_switch,
)


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
    if kind is not None and kind not in _TYPES:
        raise BadRequest(
            f"Invalid value: '{kind[:64]}'. Supported values are: 'enabled',"
            " 'disabled', and 'adaptive'.",
            code="invalid_value",
            param="thinking.type",
        )
    tokens = _member(thinking, "thinking", "budget_tokens", int, float)
    budget = _budget(tokens, "thinking.budget_tokens")
    if kind is not None and (budget is None or kind == "disabled"):
        return Wish("thinking", _TYPES[kind])
    return budget


def _checked_think(value: bool | str) -> bool | str:
    if isinstance(value, str) and value not in ("low", "medium", "high", "max"):
        raise BadRequest(
            f'invalid think value: "{value[:64]}" (must be "high", "medium", "low",'
            ' "max", true, or false)',
            code="invalid_value",
            param="think",
        )
    return value


def _refuse_contradiction(request: Chat) -> None:
    reasoning = request.reasoning
    if reasoning is None or reasoning.enabled is not False:
        return
    for effort in (reasoning.effort, request.reasoning_effort):
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
