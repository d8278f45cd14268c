"""Tools: from OpenAI's declarations to Ollama's, pure.

Ollama decodes a tool's parameters into a narrow type and drops what does not fit
(``api/types.go``); ``schemas`` prepares them so that little is lost.  A custom tool,
which takes text, is offered as a function with one argument.
"""

from typing import Any, NamedTuple

from app.errors import BadRequest
from app.wire import openai

from .schemas import prepared
from .validation import missing

MAX_TOOLS = 1024

#: What a custom tool takes, as a function's parameters.
_TEXT = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}


class Tool(NamedTuple):
    """A tool that can be offered; ``param`` is its place in the request."""

    name: str
    description: str
    parameters: dict[str, Any]
    custom: bool
    param: str

    def native(self) -> dict[str, Any]:
        """The tool as Ollama takes it."""
        declared: dict[str, Any] = {"name": self.name}
        if self.description:
            declared["description"] = self.description
        declared["parameters"] = prepared(self.parameters, f"{self.param}.parameters")
        return {"type": "function", "function": declared}


def tools(request: openai.ChatCompletionRequest, ignored: list[str]) -> list[Tool]:
    """The tools that a request brings, older functions among them.

    A tool of another kind cannot be offered: its place is added to ``ignored``.
    """
    functions, given = request.functions or [], request.tools or []
    if functions and given:
        raise BadRequest(
            "'functions' and 'tools' cannot be given together; use 'tools'.",
            code="invalid_value",
            param="functions",
        )
    if max(len(functions), len(given)) > MAX_TOOLS:
        raise BadRequest(
            f"Too many tools: at most {MAX_TOOLS} are accepted.",
            code="invalid_value",
            param="functions" if functions else "tools",
        )
    ignored += [
        f"tools[{index}]"
        for index, tool in enumerate(given)
        if tool.type not in ("function", "custom")
    ]
    found = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(given)]
    found += [_function(f, f"functions[{i}]") for i, f in enumerate(functions)]
    return [tool for tool in found if tool is not None]


def _tool(tool: openai.Tool, param: str) -> Tool | None:
    if tool.type == "function":
        return _function(tool.function, f"{param}.function")
    if tool.type == "custom":
        return _custom(tool.custom, f"{param}.custom")
    return None


def _function(function: openai.Function | None, param: str) -> Tool:
    if function is None:
        raise missing(param)
    if not function.name:
        raise missing(f"{param}.name")
    return Tool(
        function.name,
        function.description or "",
        function.parameters or {},
        False,
        param,
    )


def _custom(custom: openai.CustomTool | None, param: str) -> Tool:
    if custom is None:
        raise missing(param)
    if not custom.name:
        raise missing(f"{param}.name")
    if (custom.format or {}).get("type", "text") != "text":
        raise BadRequest(
            f"Unsupported value for '{param}.format': custom tools can only take free"
            " text, Ollama has no grammars for them.",
            code="unsupported_value",
            param=f"{param}.format",
        )
    return Tool(custom.name, custom.description or "", _TEXT, True, param)
