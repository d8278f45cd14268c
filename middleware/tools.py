"""Tools: from OpenAI's declarations to Ollama's, pure.

Ollama decodes a tool's parameters into a narrow type and drops what does not fit
(``api/types.go``); ``schemas`` prepares them so that little is lost.
"""

from typing import Any

from app.errors import BadRequest
from app.wire import openai

from .schemas import prepared
from .validation import missing

MAX_TOOLS = 1024


def tools(
    request: openai.ChatCompletionRequest, ignored: list[str]
) -> list[dict[str, Any]] | None:
    """The tools to offer, ``None`` for none.

    A tool that is no function cannot be offered: its place is added to ``ignored``.
    ``tool_choice: "none"`` means that the model must not call, so nothing is offered.
    """
    given = request.tools or []
    if len(given) > MAX_TOOLS:
        raise BadRequest(
            f"Too many tools: at most {MAX_TOOLS} are accepted.",
            code="invalid_value",
            param="tools",
        )
    offered = [
        _function(tool.function, f"tools[{index}].function")
        for index, tool in enumerate(given)
        if tool.type == "function"
    ]
    ignored += [
        f"tools[{index}]" for index, tool in enumerate(given) if tool.type != "function"
    ]
    return None if request.tool_choice == "none" else offered or None


def _function(function: openai.Function | None, param: str) -> dict[str, Any]:
    if function is None:
        raise missing(param)
    if not function.name:
        raise missing(f"{param}.name")
    declared: dict[str, Any] = {"name": function.name}
    if function.description:
        declared["description"] = function.description
    declared["parameters"] = prepared(function.parameters, f"{param}.parameters")
    return {"type": "function", "function": declared}
