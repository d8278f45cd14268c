"""Tools: from OpenAI's declarations to Ollama's, pure.

Ollama decodes a tool's parameters into a narrow type and drops what does not fit
(``api/types.go``); ``schemas`` prepares them so that little is lost.  A custom tool,
which takes text, is offered as a function with one argument.
"""

from typing import Any, NamedTuple

import msgspec

from app.errors import BadRequest
from app.wire import openai

from .schemas import Allowance, prepared
from .validation import missing

MAX_TOOLS = 1024
#: Characters of a name; OpenAI takes 64.
MAX_NAME = 256
#: Bytes of all parameters together: more than most models could read.
MAX_PARAMETERS = 512 * 1024

#: What a custom tool takes, as a function's parameters.
_TEXT = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}

_encode = msgspec.json.Encoder().encode


class Tool(NamedTuple):
    """A tool that can be offered; ``param`` is its place in the request."""

    name: str
    description: str
    parameters: dict[str, Any]
    custom: bool
    param: str

    def native(self, allowance: Allowance | None = None) -> dict[str, Any]:
        """The tool as Ollama takes it; one ``allowance`` is for all of a request."""
        declared: dict[str, Any] = {"name": self.name}
        if self.description:
            declared["description"] = self.description
        declared["parameters"] = prepared(
            self.parameters, f"{self.param}.parameters", allowance
        )
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
    offered = [tool for tool in found if tool is not None]
    size = sum(len(_encode(tool.parameters)) for tool in offered)
    if size > MAX_PARAMETERS:
        raise BadRequest(
            f"The parameters of all tools are too large: at most {MAX_PARAMETERS}"
            f" bytes together are accepted, these have {size}.",
            code="invalid_value",
            param="functions" if functions else "tools",
        )
    return offered


def _tool(tool: openai.Tool, param: str) -> Tool | None:
    if tool.type == "function":
        return _function(tool.function, f"{param}.function")
    if tool.type == "custom":
        return _custom(tool.custom, f"{param}.custom")
    return None


def _function(function: openai.Function | None, param: str) -> Tool:
    if function is None:
        raise missing(param)
    _check_name(function.name, f"{param}.name")
    return Tool(
        function.name,
        function.description or "",
        function.parameters or {},
        False,
        param,
    )


def _check_name(name: str, param: str) -> None:
    if not name:
        raise missing(param)
    if len(name) > MAX_NAME:
        raise BadRequest(
            f"Invalid value for '{param}': a name has at most {MAX_NAME} characters.",
            code="invalid_value",
            param=param,
        )


def _custom(custom: openai.CustomTool | None, param: str) -> Tool:
    if custom is None:
        raise missing(param)
    _check_name(custom.name, f"{param}.name")
    if (custom.format or {}).get("type", "text") != "text":
        raise BadRequest(
            f"Unsupported value for '{param}.format': custom tools can only take free"
            " text, Ollama has no grammars for them.",
            code="unsupported_value",
            param=f"{param}.format",
        )
    return Tool(custom.name, custom.description or "", _TEXT, True, param)
