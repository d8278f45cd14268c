"""Tools: from OpenAI's declarations to Ollama's, pure.

Ollama decodes a tool's parameters into a narrow type and drops what does not fit
(``api/types.go``); ``schemas`` prepares them so that little is lost.  A custom tool,
which takes text, is offered as a function with one argument.
"""

from collections.abc import Sequence
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
    """A tool that can be offered.

    ``custom`` takes text, ``strict`` wants to be called by its schema only, ``param``
    is its place in the request, in which its schema is called ``schema_name``.
    """

    name: str
    description: str
    parameters: dict[str, Any]
    param: str
    custom: bool = False
    strict: bool = False
    schema_name: str = "parameters"

    @property
    def parameters_param(self) -> str:
        """The place of its schema in the request."""
        return f"{self.param}.{self.schema_name}"

    def native(self, allowance: Allowance | None = None) -> dict[str, Any]:
        """The tool as Ollama takes it; one ``allowance`` is for all of a request."""
        declared: dict[str, Any] = {"name": self.name}
        if self.description:
            declared["description"] = self.description
        declared["parameters"] = prepared(
            self.parameters, self.parameters_param, allowance
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
    field = "functions" if functions else "tools"
    few([*functions, *given], field)
    ignored += [
        f"tools[{index}]"
        for index, tool in enumerate(given)
        if tool.type not in ("function", "custom")
    ]
    found = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(given)]
    found += [function(f, f"functions[{i}]") for i, f in enumerate(functions)]
    return not_large([tool for tool in found if tool is not None], field)


def few(given: Sequence[object], param: str) -> None:
    """Raise ``BadRequest`` for more tools than anybody can choose from."""
    if len(given) > MAX_TOOLS:
        raise BadRequest(
            f"Too many tools: at most {MAX_TOOLS} are accepted.",
            code="invalid_value",
            param=param,
        )


def not_large(offered: list[Tool], param: str) -> list[Tool]:
    """The tools, if their parameters are not too large; raises ``BadRequest``."""
    size = sum(len(_encode(tool.parameters)) for tool in offered)
    if size > MAX_PARAMETERS:
        raise BadRequest(
            f"The parameters of all tools are too large: at most {MAX_PARAMETERS}"
            f" bytes together are accepted, these have {size}.",
            code="invalid_value",
            param=param,
        )
    return offered


def _tool(tool: openai.Tool, param: str) -> Tool | None:
    if tool.type == "function":
        return function(tool.function, f"{param}.function")
    if tool.type == "custom":
        return custom(tool.custom, f"{param}.custom")
    return None


def function(given: openai.Function | None, param: str) -> Tool:
    """A function, as OpenAI declares it; raises ``BadRequest``."""
    if given is None:
        raise missing(param)
    check_name(given.name, f"{param}.name")
    return Tool(
        given.name,
        given.description or "",
        given.parameters or {},
        param,
        strict=bool(given.strict),
    )


def check_name(name: str, param: str) -> None:
    """Raise ``BadRequest`` for what cannot be a tool's name."""
    if not name:
        raise missing(param)
    if len(name) > MAX_NAME:
        raise BadRequest(
            f"Invalid value for '{param}': a name has at most {MAX_NAME} characters.",
            code="invalid_value",
            param=param,
        )


def custom(given: openai.CustomTool | None, param: str) -> Tool:
    """A tool that takes text, as a function with one argument."""
    if given is None:
        raise missing(param)
    check_name(given.name, f"{param}.name")
    if (given.format or {}).get("type", "text") != "text":
        raise BadRequest(
            f"Unsupported value for '{param}.format': custom tools can only take free"
            " text, Ollama has no grammars for them.",
            code="unsupported_value",
            param=f"{param}.format",
        )
    return Tool(given.name, given.description or "", _TEXT, param, custom=True)
