"""Thinking: from OpenAI's efforts to Ollama's ``think``, pure.

Ollama's own table (``openai/openai.go``, ``thinkFromReasoningEffort``).
"""

from typing import Literal

from app.errors import BadRequest
from app.wire import openai

_EFFORTS: dict[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "max": "max",
    "xhigh": "max",
    "ultra": "max",
}


def think(
    request: openai.Sampling, default: Literal["auto", "off"]
) -> bool | str | None:
    """Whether and how much to think; Ollama's own ``think`` wins."""
    if request.think is not None:
        return _checked_think(request.think)
    effort = _effort(request)
    if not effort:  # an empty one asks for nothing
        return False if default == "off" else None
    if effort not in _EFFORTS:
        raise BadRequest(
            f'invalid reasoning value: "{effort[:64]}" (must be "minimal", "low",'
            ' "medium", "high", "xhigh", "ultra", "max", or "none")',
            code="invalid_value",
            param="reasoning_effort",
        )
    return _EFFORTS[effort]


def _effort(request: openai.Sampling) -> str | None:
    if not isinstance(request, openai.ChatCompletionRequest):
        return None
    if request.reasoning is not None:  # wins even when its effort is empty
        return request.reasoning.effort
    return request.reasoning_effort


def _checked_think(value: bool | str) -> bool | str:
    if isinstance(value, str) and value not in ("low", "medium", "high", "max"):
        raise BadRequest(
            f'invalid think value: "{value[:64]}" (must be "high", "medium", "low",'
            ' "max", true, or false)',
            code="invalid_value",
            param="think",
        )
    return value
