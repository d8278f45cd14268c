"""Tools of the Responses API, pure.

Functions, tools that take text and namespaces of them can be offered to a model.  What
OpenAI runs itself (searching the web, say) cannot: it is named to the client.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from app.errors import BadRequest
from app.wire import openai, responses
from writers.call import PLAIN, CallForm

from .choice import NO_TOOLS, Choice, chosen
from .responses_input import flat
from .tools import Tool, custom, few, function, not_large
from .validation import converted, missing

#: What a choice can name.
_NAMED = ("function", "custom")


def choice(request: responses.ResponsesRequest, ignored: list[str]) -> Choice:
    """The tools that may be called, and whether one must be; raises ``BadRequest``.

    What has no effect is added to ``ignored``.
    """
    given = dict(_given(request))
    if not (given or request.tool_choice):
        return NO_TOOLS
    wanted = _without_hosted(request.tool_choice)
    return chosen(wanted, _offered(given, ignored), "tool_choice")


def call_form(request: responses.ResponsesRequest, offered: list[Tool]) -> CallForm:
    """How the client wants calls to look."""
    if not offered:
        return PLAIN
    return CallForm(
        first_only=request.parallel_tool_calls is False,
        customs=frozenset(tool.name for tool in offered if tool.custom),
    )


def namespaces(request: responses.ResponsesRequest) -> dict[str, tuple[str, str]]:
    """Namespace and name of each tool in one, by what a model calls it."""
    return {
        flat(space, name): (space, name)
        for _, space, name in _names(_given(request))
        if space is not None
    }


def _names(
    given: Iterable[tuple[str, dict[str, Any]]],
) -> Iterator[tuple[str, str | None, str]]:
    """Place, namespace and name of each tool that is offered; all are good."""
    for param, tool in given:
        if tool["type"] in _NAMED:
            yield param, None, tool["name"]
        elif tool["type"] == "namespace":
            for index, inner in enumerate(tool["tools"]):
                if inner["type"] in _NAMED:
                    yield f"{param}.tools[{index}]", tool["name"], inner["name"]


def _apart(given: dict[str, dict[str, Any]]) -> None:
    """Raise ``BadRequest`` where a model would call two tools by one name."""
    known: dict[str, tuple[str | None, str]] = {}
    for param, space, name in _names(given.items()):
        if known.setdefault(flat(space, name), (space, name)) != (space, name):
            raise BadRequest(
                f"Invalid value for '{param}.name': a model would call it"
                f" '{flat(space, name)[:128]}', as it would another tool.",
                code="invalid_value",
                param=f"{param}.name",
            )


def _given(request: responses.ResponsesRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    """All tools that a request brings, in an item of its input too, by their place."""
    for index, tool in enumerate(request.tools or ()):
        yield f"tools[{index}]", tool
    items = request.input if isinstance(request.input, list) else ()
    for index, item in enumerate(items):
        if item.get("type") == "additional_tools":
            more = converted(item, responses.ToolsItem, f"input[{index}]")
            for number, tool in enumerate(more.tools):
                yield f"input[{index}].tools[{number}]", tool


def _offered(given: dict[str, dict[str, Any]], ignored: list[str]) -> list[Tool]:
    """Those that can be offered; the places of others are added to ``ignored``."""
    few(list(given), "tools")
    found = [
        tool
        for param, one in given.items()
        for tool in _tools(one, param, None, ignored)
    ]
    few(found, "tools")
    _apart(given)
    return not_large(found, "tools")


def _tools(
    given: dict[str, Any], param: str, namespace: str | None, ignored: list[str]
) -> Iterator[Tool]:
    kind = _kind(given, param)
    if kind == "function":
        yield _function(converted(given, openai.Function, param), param, namespace)
    elif kind == "custom":
        tool = converted(given, openai.CustomTool, param)
        yield _custom(tool, param, namespace, ignored)
    elif kind == "namespace" and namespace is None:
        space = converted(given, responses.NamespaceTool, param)
        for index, inner in enumerate(space.tools):
            yield from _tools(inner, f"{param}.tools[{index}]", space.name, ignored)
    else:
        ignored.append(param)


def _kind(tool: dict[str, Any], param: str) -> str:
    kind = tool.get("type")
    if kind is None:
        raise missing(f"{param}.type")
    if not isinstance(kind, str):
        raise BadRequest(
            f"Invalid type for '{param}.type': expected a string.",
            code="invalid_type",
            param=f"{param}.type",
        )
    return kind


def _function(tool: openai.Function, param: str, namespace: str | None) -> Tool:
    name = flat(namespace, tool.name)
    return function(
        openai.Function(name, tool.description, tool.parameters, tool.strict), param
    )


def _custom(
    tool: openai.CustomTool, param: str, namespace: str | None, ignored: list[str]
) -> Tool:
    """A tool that takes text; a grammar cannot be kept, so the model is told of it."""
    about, wanted = tool.description or "", tool.format or {}
    if wanted.get("type", "text") != "text":
        ignored.append(f"{param}.format")
        grammar, syntax = wanted.get("definition"), wanted.get("syntax")
        if isinstance(grammar, str) and isinstance(syntax, str):
            about += f"\n\nThe input follows this {syntax} grammar:\n\n{grammar}"
    name = flat(namespace, tool.name)
    return custom(openai.CustomTool(name, about.strip()), param)


def _without_hosted(wanted: str | dict[str, Any] | None) -> Any:
    """A choice among tools without those that nobody offers here."""
    if not isinstance(wanted, dict) or wanted.get("type") != "allowed_tools":
        return wanted
    listed = wanted.get("tools")
    if not isinstance(listed, list):
        return wanted
    kept = [
        one
        for one in listed
        if not isinstance(one, dict) or one.get("type") in (*_NAMED, None)
    ]
    return {**wanted, "tools": kept}
