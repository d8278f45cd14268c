"""Tool choice: which tools the model may call, and whether it must, pure.

Ollama has no such option: what may not be called is not offered, and a call that must
come is forced (``forced_calls``).
"""

from typing import Any, NamedTuple

from app.errors import BadRequest
from app.wire import openai
from writers.call import PLAIN, CallForm

from .tools import MAX_TOOLS, Tool, tools


class Choice(NamedTuple):
    """The tools that may be called; ``must`` one be, and was it ``named``?"""

    tools: list[Tool]
    must: bool = False
    named: bool = False


NO_TOOLS = Choice([])


def choice(request: openai.ChatCompletionRequest, ignored: list[str]) -> Choice:
    """What a request says of its tools; raises ``BadRequest``.

    What has no effect is added to ``ignored``.
    """
    if not (
        request.tools
        or request.functions
        or request.tool_choice
        or request.function_call
    ):
        return NO_TOOLS
    given = tools(request, ignored)
    if request.functions:
        return chosen(_modern(request.function_call), given, "function_call")
    if request.function_call not in (None, "none", "auto"):
        raise _without_tools("function_call")
    return chosen(request.tool_choice, given, "tool_choice")


def call_form(request: openai.ChatCompletionRequest, offered: list[Tool]) -> CallForm:
    """How the client wants calls to look."""
    if not offered:
        return PLAIN
    legacy = bool(request.functions)
    return CallForm(
        legacy=legacy,
        first_only=legacy or request.parallel_tool_calls is False,
        customs=frozenset(tool.name for tool in offered if tool.custom),
    )


# ------------------------------------------------------ what is wanted


def _modern(wanted: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """``function_call`` in the terms of ``tool_choice``."""
    if not isinstance(wanted, dict):
        return wanted
    return {"type": "function", "name": wanted.get("name")}


def chosen(
    wanted: str | dict[str, Any] | None, given: list[Tool], param: str
) -> Choice:
    """What OpenAI's ``tool_choice`` says of tools; raises ``BadRequest``."""
    if wanted is None or wanted == "auto":
        return Choice(given)
    if wanted == "none":
        return NO_TOOLS
    if wanted == "required" and param == "tool_choice":
        return must_call(given, param)
    if isinstance(wanted, dict):
        kind = wanted.get("type")
        if kind in ("function", "custom"):
            name = _name(wanted, _names(_some(given, param)), param)
            return the_one(name, given, param)
        if kind == "allowed_tools" and param == "tool_choice":
            return _allowed(wanted, _some(given, param))
    raise BadRequest(
        f"Invalid value for '{param}'. Supported values are: 'none', 'auto',"
        + (" 'required', 'allowed_tools'" if param == "tool_choice" else "")
        + " and one function by its name.",
        code="invalid_value",
        param=param,
    )


def must_call(given: list[Tool], param: str) -> Choice:
    """One of the tools has to be called; raises ``BadRequest`` if there is none."""
    return Choice(_some(given, param), must=True)


def the_one(name: str, given: list[Tool], param: str) -> Choice:
    """The tool of this name has to be called; raises ``BadRequest`` if it is not."""
    for tool in _some(given, param):
        if tool.name == name:
            return Choice([tool], must=True, named=True)
    raise _not_among(name, param)


def _allowed(wanted: dict[str, Any], given: list[Tool]) -> Choice:
    """Some of the tools; the Responses API says it without the inner object."""
    inner = wanted.get("allowed_tools", wanted)
    mode, listed = None, None
    if isinstance(inner, dict):
        mode, listed = inner.get("mode", "auto"), inner.get("tools")
    if mode not in ("auto", "required"):
        raise _invalid("mode", "'auto' or 'required'")
    if not isinstance(listed, list) or not listed:
        raise _invalid("tools", "a list of tools")
    if len(listed) > MAX_TOOLS:
        raise _invalid("tools", f"at most {MAX_TOOLS} tools")
    known = _names(given)
    names = {_name(one, known, "tool_choice") for one in listed}
    return Choice([t for t in given if t.name in names], must=mode == "required")


def _names(given: list[Tool]) -> set[str]:
    return {tool.name for tool in given}


def _name(wanted: Any, known: set[str], param: str) -> str:
    """What ``{"type": kind, kind: {"name": name}}`` names, or the flat form."""
    name = None
    if isinstance(wanted, dict):
        inner = wanted.get(str(wanted.get("type")), wanted)
        name = inner.get("name") if isinstance(inner, dict) else None
    if not isinstance(name, str):
        raise BadRequest(
            f"Invalid value for '{param}': a tool is chosen by its name.",
            code="invalid_value",
            param=param,
        )
    if name in known:
        return name
    raise _not_among(name, param)


def _not_among(name: str, param: str) -> BadRequest:
    return BadRequest(
        f"Invalid value for '{param}': '{name[:64]}' is not among the tools.",
        code="invalid_value",
        param=param,
    )


def _some(given: list[Tool], param: str) -> list[Tool]:
    if not given:
        raise _without_tools(param)
    return given


def _without_tools(param: str) -> BadRequest:
    return BadRequest(
        f"Invalid value for '{param}': there are no tools to choose from; those that a"
        " provider runs itself cannot be called here.",
        code="invalid_value",
        param=param,
    )


def _invalid(name: str, expected: str) -> BadRequest:
    param = f"tool_choice.allowed_tools.{name}"
    return BadRequest(
        f"Invalid value for '{param}': expected {expected}.",
        code="invalid_value",
        param=param,
    )
