from typing import Any

import msgspec
import pytest
from support.ollama import Ollama, ask, frames
from support.stack import linted

from app.errors import BadRequest
from app.wire import openai
from middleware.choice import choice
from middleware.tools import MAX_NAME, MAX_PARAMETERS, MAX_TOOLS

F = {"type": "function", "function": {"name": "f"}}
F_OF_NOTHING = {"name": "f", "parameters": {"anyOf": [1]}}
NATIVE = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}
CUSTOM = {"type": "custom", "custom": {"name": "x", "description": "d"}}
NATIVE_CUSTOM = {
    "type": "function",
    "function": {
        "name": "x",
        "description": "d",
        "parameters": {
            "type": "object",
            "properties": {"input": {"type": "string"}},
            "required": ["input"],
            "additionalProperties": False,
        },
    },
}
GRAMMAR = {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a"}}


def offered(**fields: Any) -> tuple[Any, list[str]]:
    """The tools that the model may call, and what is ignored."""
    ignored: list[str] = []
    request = msgspec.convert(fields, openai.ChatCompletionRequest)
    chosen = choice(request, ignored)
    return [tool.native() for tool in chosen.tools], ignored


@pytest.mark.parametrize("given", [None, []])
def test_no_tools(given: Any) -> None:
    """No tools are not sent."""
    assert offered(tools=given) == ([], [])
    assert offered(functions=given) == ([], [])


def test_a_function() -> None:
    """Name, description and parameters go on; strict is advice."""
    parameters = {"type": "object", "properties": {"a": {"type": "string"}}}
    function = {"name": "g", "description": "d", "parameters": parameters}
    given = {"type": "function", "function": function | {"strict": True}}
    want = [NATIVE, {"type": "function", "function": function}]
    assert offered(tools=[F, given]) == (want, [])
    assert offered(functions=[{"name": "f"}, function]) == (want, [])


def test_a_custom_tool() -> None:
    """A custom tool is a function with one text; free text is all it can take."""
    assert offered(tools=[CUSTOM, F]) == ([NATIVE_CUSTOM, NATIVE], [])
    free = {"name": "x", "description": "d", "format": {"type": "text"}}
    assert offered(tools=[{"type": "custom", "custom": free}]) == ([NATIVE_CUSTOM], [])


def test_other_tools_are_named() -> None:
    """A tool that is neither has no effect, and that is said."""
    assert offered(tools=[{"type": "mcp"}, F, {"type": "web_search"}]) == (
        [NATIVE],
        ["tools[0]", "tools[2]"],
    )
    assert offered(tools=[{"type": "mcp"}]) == ([], ["tools[0]"])


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
        ({"type": "custom"}, "tools[1].custom", "missing_required_parameter"),
        (
            {"type": "custom", "custom": {"name": ""}},
            "tools[1].custom.name",
            "missing_required_parameter",
        ),
        (
            {"type": "custom", "custom": {"name": "x", "format": GRAMMAR}},
            "tools[1].custom.format",
            "unsupported_value",
        ),
    ],
)
def test_bad_tools(tool: Any, param: str, code: str) -> None:
    """A tool that cannot be offered is refused by its place."""
    with pytest.raises(BadRequest) as caught:
        offered(tools=[F, tool])
    assert (caught.value.param, caught.value.code) == (param, code)


def test_functions_and_tools() -> None:
    """The older field and the newer one exclude each other."""
    with pytest.raises(BadRequest) as caught:
        offered(tools=[F], functions=[{"name": "f"}])
    assert caught.value.param == "functions"


@pytest.mark.parametrize("kind", ["function", "custom"])
def test_long_names(kind: str) -> None:
    """A name may be so long, and not one character more."""
    found, _ = offered(tools=[{"type": kind, kind: {"name": "f" * MAX_NAME}}])
    assert found[0]["function"]["name"] == "f" * MAX_NAME
    with pytest.raises(BadRequest) as caught:
        offered(tools=[F, {"type": kind, kind: {"name": "f" * (MAX_NAME + 1)}}])
    assert caught.value.param == f"tools[1].{kind}.name"
    assert caught.value.code == "invalid_value"


@pytest.mark.parametrize("field", ["tools", "functions"])
def test_large_parameters(field: str) -> None:
    """The parameters of all tools are so large at most, however many they are for."""

    def functions(size: int) -> list[Any]:
        halves = (size // 2, size - size // 2)
        made = [
            {"name": f"f{i}", "parameters": {"a": "x" * (half - len('{"a":""}'))}}
            for i, half in enumerate(halves)
        ]
        if field == "functions":
            return made
        return [{"type": "function", "function": one} for one in made]

    found, _ = offered(**{field: functions(MAX_PARAMETERS)})
    assert len(found) == 2
    with pytest.raises(BadRequest) as caught:
        offered(**{field: functions(MAX_PARAMETERS + 1)})
    assert (caught.value.param, caught.value.code) == (field, "invalid_value")
    assert str(MAX_PARAMETERS) in caught.value.message


@pytest.mark.parametrize(("field", "one"), [("tools", F), ("functions", {"name": "f"})])
def test_limit(field: str, one: Any) -> None:
    """So many tools, and not one more."""
    found, _ = offered(**{field: [one] * MAX_TOOLS})
    assert len(found) == MAX_TOOLS == 1024
    with pytest.raises(BadRequest, match="Too many tools") as caught:
        offered(**{field: [one] * (MAX_TOOLS + 1)})
    assert caught.value.param == field


CALLS = (
    b'{"created_at":"2026-01-02T03:04:05Z","message":{"role":"assistant","content":"",'
    b'"tool_calls":[{"id":"call_a","function":{"name":"f","arguments":{"a":1}}},'
    b'{"id":"call_b","function":{"name":"x","arguments":{"input":"hi"}}}]},'
    b'"done":true,"done_reason":"stop","prompt_eval_count":7,"eval_count":3}\n'
)


def asked(stream: bool, **fields: Any) -> Any:
    """What a client gets when the model calls f and x."""
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
    answer = ask(linted(Ollama(CALLS)), body=body | {"stream": stream})
    assert answer.status == 200
    if not stream:
        return answer.json["choices"][0]
    return [event["choices"][0] for event in frames(answer.body)[:-1]]


def test_calls_of_both_kinds() -> None:
    """A custom tool is called as one, whole and streamed."""
    choice = asked(False, tools=[F, CUSTOM])
    assert choice["message"]["tool_calls"] == [
        {
            "id": "call_a",
            "type": "function",
            "function": {"name": "f", "arguments": '{"a":1}'},
        },
        {"id": "call_b", "type": "custom", "custom": {"name": "x", "input": "hi"}},
    ]
    deltas = [one["delta"] for one in asked(True, tools=[F, CUSTOM])]
    assert [delta.get("tool_calls") for delta in deltas[2:]] == [
        [
            {
                "index": 1,
                "id": "call_b",
                "type": "custom",
                "custom": {"name": "x", "input": ""},
            }
        ],
        [{"index": 1, "custom": {"input": "hi"}}],
        None,
    ]


def test_no_parallel_calls() -> None:
    """``parallel_tool_calls: false`` passes on one call, whole and streamed."""
    fields = {"tools": [F, CUSTOM], "parallel_tool_calls": False}
    choice = asked(False, **fields)
    assert [call["id"] for call in choice["message"]["tool_calls"]] == ["call_a"]
    assert choice["finish_reason"] == "tool_calls"
    who, what, finish = asked(True, **fields)
    assert who["delta"]["tool_calls"][0]["id"] == "call_a"
    assert what["delta"]["tool_calls"][0]["function"] == {"arguments": '{"a":1}'}
    assert (finish["delta"], finish["finish_reason"]) == ({}, "tool_calls")


def test_older_functions() -> None:
    """``functions`` are answered by ``function_call``, whole and streamed."""
    fields = {"functions": [{"name": "f"}, {"name": "x"}]}
    choice = asked(False, **fields)
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "function_call": {"name": "f", "arguments": '{"a":1}'},
    }
    assert choice["finish_reason"] == "function_call"
    chunks = asked(True, **fields)
    assert [chunk["delta"] for chunk in chunks] == [
        {
            "role": "assistant",
            "content": None,
            "function_call": {"name": "f", "arguments": ""},
        },
        {"function_call": {"arguments": '{"a":1}'}},
        {},
    ]
    assert chunks[-1]["finish_reason"] == "function_call"


def test_custom_calls_in_the_conversation() -> None:
    """What a custom tool was given comes back to the model as its argument."""
    call = {"id": "c", "type": "custom", "custom": {"name": "x", "input": "hi"}}
    said = [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]
    ollama = Ollama()
    body = {"model": "m", "messages": said, "tools": [CUSTOM]}
    assert ask(linted(ollama), body=body).status == 200
    assistant, tool = ollama.calls[0].json["messages"]
    function = assistant["tool_calls"][0]["function"]
    assert (function["name"], function["arguments"]) == ("x", {"input": "hi"})
    assert tool["tool_name"] == "x"


def test_a_call_of_nothing_in_the_conversation() -> None:
    """A call in the conversation that says neither is refused by its place."""
    said = [{"role": "assistant", "tool_calls": [{"id": "c", "type": "function"}]}]
    answer = ask(linted(Ollama()), body={"model": "m", "messages": said})
    assert answer.status == 400
    assert answer.error["param"] == "messages[0].tool_calls[0].function"
