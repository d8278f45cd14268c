from typing import Any

import msgspec
import pytest

from app.errors import BadRequest
from app.wire import openai
from middleware.tools import MAX_TOOLS, tools

F = {"type": "function", "function": {"name": "f"}}
F_OF_NOTHING = {"name": "f", "parameters": {"anyOf": [1]}}
NATIVE = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}


def offered(**fields: Any) -> tuple[Any, list[str]]:
    """The tools that the model may call, and what is ignored."""
    ignored: list[str] = []
    request = msgspec.convert(fields, openai.ChatCompletionRequest)
    return tools(request, ignored), ignored


@pytest.mark.parametrize("given", [None, []])
def test_no_tools(given: Any) -> None:
    """No tools are not sent."""
    assert offered(tools=given) == (None, [])


def test_a_function() -> None:
    """Name, description and parameters go on; strict is advice."""
    parameters = {"type": "object", "properties": {"a": {"type": "string"}}}
    function = {"name": "g", "description": "d", "parameters": parameters}
    given = {"type": "function", "function": function | {"strict": True}}
    assert offered(tools=[F, given]) == (
        [NATIVE, {"type": "function", "function": function}],
        [],
    )


def test_tool_choice_none_offers_nothing() -> None:
    """The model must not call, so it is not told of tools."""
    assert offered(tools=[F], tool_choice="none") == (None, [])
    assert offered(tools=[F], tool_choice="auto") == ([NATIVE], [])


def test_other_tools_are_named() -> None:
    """A tool that is no function has no effect, and that is said."""
    custom = {"type": "custom", "custom": {"name": "x"}}
    assert offered(tools=[custom, F, {"type": "web_search"}]) == (
        [NATIVE],
        ["tools[0]", "tools[2]"],
    )
    assert offered(tools=[custom]) == (None, ["tools[0]"])


@pytest.mark.parametrize(
    ("tool", "param", "code"),
    [
        ({"type": "function"}, "tools[1].function", "missing_required_parameter"),
        (
            {"type": "function", "function": {"name": ""}},
            "tools[1].function.name",
            "missing_required_parameter",
        ),
        (
            {"type": "function", "function": F_OF_NOTHING},
            "tools[1].function.parameters.anyOf[0]",
            "invalid_type",
        ),
    ],
)
def test_bad_functions(tool: Any, param: str, code: str) -> None:
    """A function that cannot be declared is refused by its place."""
    with pytest.raises(BadRequest) as caught:
        offered(tools=[F, tool])
    assert (caught.value.param, caught.value.code) == (param, code)


def test_limit() -> None:
    """So many tools, and not one more."""
    found, _ = offered(tools=[F] * MAX_TOOLS)
    assert len(found) == MAX_TOOLS == 1024
    with pytest.raises(BadRequest, match="Too many tools"):
        offered(tools=[F] * (MAX_TOOLS + 1))
