"""Client tools: Anthropic's tools of all kinds as tools that can be offered, pure.

Some of Anthropic's tools are known by their type alone, since its models were taught
them.  Those that the client itself runs are offered with their schema; those that
Anthropic's servers would run cannot be (specification: messages, section 3).
"""

from typing import Any

from app.errors import BadRequest
from app.wire import anthropic

from .choice import NO_TOOLS, Choice, must_call, the_one
from .tools import Tool, check_name, few, function, not_large
from .validation import missing


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _number(description: str) -> dict[str, Any]:
    return {"type": "integer", "description": description}


def _one_of(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


_RANGE = {
    "type": "array",
    "items": {"type": "integer"},
    "description": "for view: the first and the last line, counted from 1",
}

_SINGLE = "disable_parallel_tool_use"

#: By the beginning of the type: usual name, what it does, and what it takes.
_TAUGHT: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bash": (
        "bash",
        "Run a command in a shell that stays open.",
        _object(
            [],
            command=_text("the command to run"),
            restart={"type": "boolean", "description": "start the shell anew"},
        ),
    ),
    "text_editor": (
        "str_replace_based_edit_tool",
        "View, create and edit text files.",
        _object(
            ["command", "path"],
            command=_one_of("view", "create", "str_replace", "insert", "undo_edit"),
            path=_text("the file or directory"),
            file_text=_text("for create: the text of the file"),
            old_str=_text("for str_replace: the text to replace, there only once"),
            new_str=_text("for str_replace and insert: the new text"),
            insert_text=_text("for insert: the new text"),
            insert_line=_number("for insert: the line after which to insert"),
            view_range=_RANGE,
        ),
    ),
    "memory": (
        "memory",
        "Keep notes in files that are there in later conversations.",
        _object(
            ["command"],
            command=_one_of(
                "view", "create", "str_replace", "insert", "delete", "rename"
            ),
            path=_text("the file or directory, below /memories"),
            file_text=_text("for create: the text of the file"),
            old_str=_text("for str_replace: the text to replace, there only once"),
            new_str=_text("for str_replace: the new text"),
            insert_line=_number("for insert: the line after which to insert"),
            insert_text=_text("for insert: the new text"),
            old_path=_text("for rename: the name now"),
            new_path=_text("for rename: the new name"),
            view_range=_RANGE,
        ),
    ),
}


def tools(request: anthropic.MessagesRequest, ignored: list[str]) -> list[Tool]:
    """The tools that a request brings; raises ``BadRequest``.

    One that cannot be offered is added to ``ignored`` by its place.
    """
    given = request.tools or []
    few(given, "tools")
    found = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(given)]
    ignored += [f"tools[{index}]" for index, one in enumerate(found) if one is None]
    return not_large([tool for tool in found if tool is not None], "tools")


def choice(request: anthropic.MessagesRequest, ignored: list[str]) -> Choice:
    """The tools that may be called, and whether one must be; raises ``BadRequest``."""
    one_at_a_time(request)  # what is no boolean is wrong without any tool, too
    if not request.tools and request.tool_choice is None:
        return NO_TOOLS
    given, wanted = tools(request, ignored), request.tool_choice
    kind = wanted.get("type") if isinstance(wanted, dict) else wanted
    if wanted is None or kind == "auto":
        return Choice(given)
    if kind == "none":
        return NO_TOOLS
    if kind in ("any", "required"):
        return must_call(given, "tool_choice")
    if kind in ("tool", "function") and isinstance(wanted, dict):
        return the_one(_name(wanted), given, "tool_choice")
    raise BadRequest(
        "Invalid value for 'tool_choice.type'. Supported values are: 'auto', 'any',"
        " 'tool', and 'none'.",
        code="invalid_value",
        param="tool_choice.type",
    )


def one_at_a_time(request: anthropic.MessagesRequest) -> bool:
    """Whether an answer may have one call at most."""
    wanted = request.tool_choice
    single = wanted.get(_SINGLE) if isinstance(wanted, dict) else None
    if not isinstance(single, bool | None):
        raise BadRequest(
            f"Invalid type for 'tool_choice.{_SINGLE}': expected a boolean.",
            code="invalid_type",
            param=f"tool_choice.{_SINGLE}",
        )
    return bool(single)


def _name(wanted: dict[str, Any]) -> str:
    """The tool that is chosen by its name, in Anthropic's way or in OpenAI's."""
    function = wanted.get("function")
    name = (function if isinstance(function, dict) else wanted).get("name")
    if not isinstance(name, str):
        raise missing("tool_choice.name")
    return name


def _tool(tool: anthropic.Tool, param: str) -> Tool | None:
    if tool.function is not None or tool.type == "function":
        return function(tool.function, f"{param}.function")
    if tool.type in (None, "custom"):
        return _declared(tool, param)
    for kind, (name, about, schema) in _TAUGHT.items():
        if (tool.type or "").startswith(f"{kind}_"):
            name, about = tool.name or name, tool.description or about
            check_name(name, f"{param}.name")
            return Tool(name, about, schema, param)
    return None


def _declared(tool: anthropic.Tool, param: str) -> Tool:
    if tool.name is None:
        raise missing(f"{param}.name")
    check_name(tool.name, f"{param}.name")
    return Tool(
        tool.name,
        tool.description or "",
        {k: v for k, v in (tool.input_schema or {}).items() if v is not None},
        param,
        strict=bool(tool.strict),
        schema_name="input_schema",
    )
