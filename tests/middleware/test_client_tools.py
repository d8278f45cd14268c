"""Anthropic's tools of all kinds, and the choice among them, as they are offered."""

import json
from typing import Any

import msgspec
import pytest
from support.messages import HI, MESSAGES, error, events, followed
from support.ollama import Ollama, ask
from support.plausible import Plausible
from support.stack import linted

from app.errors import BadRequest
from app.wire import anthropic
from middleware.client_tools import choice, one_at_a_time, tools
from middleware.tools import MAX_NAME, MAX_TOOLS

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
F = {"name": "f", "description": "does f", "input_schema": CITY}
G = {"name": "g", "input_schema": {"type": "object"}}
OPENAI = {
    "type": "function",
    "function": {"name": "f", "description": "does f", "parameters": CITY},
}
NATIVE = {"name": "f", "description": "does f", "parameters": CITY}


def request(**fields: Any) -> anthropic.MessagesRequest:
    """A request for a message."""
    body = {"model": "m", "messages": HI, **fields}
    return msgspec.convert(body, anthropic.MessagesRequest)


def found(*given: Any) -> tuple[list[Any], list[str]]:
    """What is offered for these tools, and what cannot be."""
    ignored: list[str] = []
    offered = tools(request(tools=[*given]), ignored)
    return [tool.native()["function"] for tool in offered], ignored


def refused(**fields: Any) -> BadRequest:
    """Why tools, or a choice, are refused."""
    with pytest.raises(BadRequest) as caught:
        choice(request(**fields), [])
    return caught.value


# ------------------------------------------------------------------- declarations


@pytest.mark.parametrize(
    "given",
    [
        F,
        F | {"type": "custom"},
        F | {"type": None},
        OPENAI,
        {"function": OPENAI["function"]},
        F
        | {
            "cache_control": {"type": "ephemeral"},
            "defer_loading": True,
            "input_examples": [{"city": "Oslo"}],
            "eager_input_streaming": True,
            "allowed_callers": ["direct"],
        },
    ],
    ids=["bare", "custom", "null", "OpenAI's", "without a type", "labelled"],
)
def test_a_function(given: Any) -> None:
    """A tool in Anthropic's shape, or OpenAI's, is a function; labels do not matter."""
    assert found(given) == ([NATIVE], [])


@pytest.mark.parametrize("given", [{"name": "f"}, {"name": "f", "input_schema": {}}])
def test_a_function_of_nothing(given: Any) -> None:
    """Without a schema it takes an object of anything."""
    ((offered,), ignored) = found(given)
    assert offered["name"] == "f"
    assert offered["parameters"]["type"] == "object"
    assert ignored == []


def test_null_in_a_schema_is_absent() -> None:
    """Anthropic's types allow it for properties and what is required of them."""
    schema = {"type": "object", "properties": None, "required": None}
    tool = {"name": "f", "input_schema": schema}
    ((offered,), _) = found(tool)
    assert None not in offered["parameters"].values()
    call, *_ = asked(False, tools=[tool], tool_choice="any")
    assert call["format"]["type"] == "object"


@pytest.mark.parametrize("schema", ["lossy", "referring"])
def test_schemas_are_prepared(schema: str) -> None:
    """What Ollama would lose of a schema is put in place, as for chat's tools."""
    city = {"type": "string", "minLength": 2}
    given = {
        "lossy": {"type": "object", "properties": {"a": city}},
        "referring": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/a"}},
            "additionalProperties": False,
            "$defs": {"a": city},
        },
    }[schema]
    ((offered,), _) = found({"name": "f", "input_schema": given})
    prepared = offered["parameters"]["properties"]["a"]
    assert prepared["type"] == "string"
    assert "2" in prepared["description"]


@pytest.mark.parametrize(
    ("kind", "name", "properties"),
    [
        ("bash_20250124", "bash", {"command", "restart"}),
        (
            "text_editor_20250728",
            "str_replace_based_edit_tool",
            {"command", "path", "file_text", "old_str", "new_str", "view_range"},
        ),
        ("text_editor_20241022", "str_replace_based_edit_tool", {"command", "path"}),
        ("memory_20250818", "memory", {"command", "path", "old_path", "new_path"}),
    ],
)
def test_tools_that_clients_run(kind: str, name: str, properties: set[str]) -> None:
    """Those that Anthropic's models were taught are offered with their schema."""
    ((offered,), ignored) = found({"type": kind})
    assert offered["name"] == name
    assert offered["description"]
    assert set(offered["parameters"]["properties"]) >= properties
    assert ignored == []
    ((named,), _) = found({"type": kind, "name": "mine", "description": "d"})
    assert (named["name"], named["description"]) == ("mine", "d")


@pytest.mark.parametrize(
    "kind",
    [
        "web_search_20250305",
        "web_fetch_20250910",
        "computer_20250124",
        "code_execution_20250825",
        "tool_search_tool_bm25_20251119",
        "mcp_toolset",
        "bash",
        "x",
    ],
)
def test_tools_that_nobody_here_runs(kind: str) -> None:
    """They are not offered, and named by their place."""
    offered, ignored = found(F, {"type": kind, "name": "w"})
    assert offered == [NATIVE]
    assert ignored == ["tools[1]"]


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({}, "tools[0].name", "missing_required_parameter"),
        ({"name": ""}, "tools[0].name", "missing_required_parameter"),
        ({"type": "custom"}, "tools[0].name", "missing_required_parameter"),
        ({"name": "x" * (MAX_NAME + 1)}, "tools[0].name", "invalid_value"),
        (
            {"type": "bash_20250124", "name": "x" * (MAX_NAME + 1)},
            "tools[0].name",
            "invalid_value",
        ),
        ({"type": "function"}, "tools[0].function", "missing_required_parameter"),
        (
            {"type": "function", "function": {"name": ""}},
            "tools[0].function.name",
            "missing_required_parameter",
        ),
    ],
)
def test_tools_that_are_none(given: Any, param: str, code: str) -> None:
    """A tool has a name; the 400 says where it is missing."""
    error = refused(tools=[given])
    assert (error.param, error.code) == (param, code)


def test_too_many_tools() -> None:
    """There is a limit, and one for all schemas together."""
    assert refused(tools=[F] * (MAX_TOOLS + 1)).param == "tools"
    long = {"name": "f", "input_schema": {"description": "x" * 600_000}}
    assert "too large" in refused(tools=[long]).message


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"properties": []}, ".properties"),
        ({"required": True}, ".required"),
        ({"properties": {"a": {"type": 5}}}, ".properties.a.type"),
    ],
)
def test_schemas_that_are_none(schema: Any, place: str) -> None:
    """A 400 names the place in the schema."""
    (tool,) = tools(request(tools=[{"name": "f", "input_schema": schema}]), [])
    with pytest.raises(BadRequest) as caught:
        tool.native()
    assert caught.value.param == f"tools[0].input_schema{place}"


# ------------------------------------------------------------------- the choice

NAMED = {"type": "tool", "name": "g"}


@pytest.mark.parametrize(
    ("wanted", "names", "must"),
    [
        (None, ["f", "g"], False),
        ({"type": "auto"}, ["f", "g"], False),
        ("auto", ["f", "g"], False),
        ({"type": "none"}, [], False),
        ("none", [], False),
        ({"type": "any"}, ["f", "g"], True),
        ("any", ["f", "g"], True),
        ("required", ["f", "g"], True),
        (NAMED, ["g"], True),
        ({"type": "function", "function": {"name": "g"}}, ["g"], True),
        ({"type": "function", "name": "g"}, ["g"], True),
    ],
)
def test_the_choice(wanted: Any, names: list[str], must: bool) -> None:
    """In Anthropic's words, or in those of OpenAI's clients."""
    chosen = choice(request(tools=[F, G], tool_choice=wanted), [])
    assert [tool.name for tool in chosen.tools] == names
    assert chosen.must is must


@pytest.mark.parametrize(
    ("wanted", "param", "code"),
    [
        ({}, "tool_choice.type", "invalid_value"),
        ({"type": None}, "tool_choice.type", "invalid_value"),
        ({"type": 5}, "tool_choice.type", "invalid_value"),
        ({"type": "all"}, "tool_choice.type", "invalid_value"),
        ("all", "tool_choice.type", "invalid_value"),
        ("tool", "tool_choice.type", "invalid_value"),
        ({"type": "tool"}, "tool_choice.name", "missing_required_parameter"),
        (
            {"type": "tool", "name": 5},
            "tool_choice.name",
            "missing_required_parameter",
        ),
        (
            {"type": "function", "function": {}},
            "tool_choice.name",
            "missing_required_parameter",
        ),
        ({"type": "tool", "name": "h"}, "tool_choice", "invalid_value"),
        (
            {"type": "auto", "disable_parallel_tool_use": "no"},
            "tool_choice.disable_parallel_tool_use",
            "invalid_type",
        ),
    ],
)
def test_choices_that_are_none(wanted: Any, param: str, code: str) -> None:
    """A 400 says what may be chosen."""
    error = refused(tools=[F, G], tool_choice=wanted)
    assert (error.param, error.code) == (param, code)


@pytest.mark.parametrize("wanted", [{"type": "any"}, "any", NAMED])
@pytest.mark.parametrize("given", [None, [], [{"type": "web_search_20250305"}]])
def test_nothing_to_choose_from(wanted: Any, given: Any) -> None:
    """Whoever must call a tool has to bring one."""
    error = refused(tools=given, tool_choice=wanted)
    assert (error.param, error.code) == ("tool_choice", "invalid_value")
    assert "no tools" in error.message


@pytest.mark.parametrize("wanted", [None, "auto", {"type": "auto"}, {"type": "none"}])
def test_no_tools(wanted: Any) -> None:
    """Without tools there is nothing to say of them."""
    assert choice(request(tool_choice=wanted), []).tools == []


@pytest.mark.parametrize(
    ("wanted", "single"),
    [
        (None, False),
        ("any", False),
        ({"type": "auto"}, False),
        ({"type": "auto", "disable_parallel_tool_use": None}, False),
        ({"type": "auto", "disable_parallel_tool_use": False}, False),
        ({"type": "auto", "disable_parallel_tool_use": True}, True),
        ({"type": "any", "disable_parallel_tool_use": True}, True),
    ],
)
def test_one_at_a_time(wanted: Any, single: bool) -> None:
    """``disable_parallel_tool_use`` asks for one call at most."""
    assert one_at_a_time(request(tool_choice=wanted)) is single


# ------------------------------------------------------------- through everything


def asked(stream: bool, settings: Any = None, **fields: Any) -> tuple[Any, Any, Any]:
    """What Ollama was sent, the message that came of it, and the answer."""
    ollama = Plausible()
    body = {"model": "m", "messages": HI, "stream": stream, "tools": [F, G], **fields}
    answer = ask(linted(ollama, **settings or {}), "POST", MESSAGES, body)
    assert answer.status == 200, answer.body
    message: Any = answer.json if not stream else None
    if stream:
        told, failed = followed(events(answer))
        assert failed is None
        assert told is not None
        message = told.to_dict()
    return ollama.calls[0].json, message, answer


@pytest.mark.parametrize("stream", [True, False])
def test_calls_that_may_come(stream: bool) -> None:
    """The tools are offered, and their calls are blocks with ids."""
    call, message, _ = asked(stream)
    assert [tool["function"]["name"] for tool in call["tools"]] == ["f", "g"]
    assert [block["name"] for block in message["content"]] == ["f", "g"]
    assert message["stop_reason"] == "tool_use"
    assert all(block["id"].startswith("toolu_") for block in message["content"])


@pytest.mark.parametrize("stream", [True, False])
def test_one_call_at_most(stream: bool) -> None:
    """Only the first call is passed on."""
    wanted = {"type": "auto", "disable_parallel_tool_use": True}
    _, message, _ = asked(stream, tool_choice=wanted)
    assert [block["name"] for block in message["content"]] == ["f"]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"type": "any"}, {"f", "g"}),
        ({"type": "tool", "name": "f"}, {"f"}),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": True}, {"f"}),
        ("required", {"f", "g"}),
    ],
)
def test_forced_calls(wanted: Any, names: set[str], stream: bool) -> None:
    """A call that must come does: the model is held to it, and it is one block."""
    call, message, _ = asked(stream, tool_choice=wanted)
    assert isinstance(call["format"], dict)
    assert "tools" not in call
    assert "Answer with a call" in call["messages"][0]["content"]
    (block,) = message["content"]
    assert (block["type"], message["stop_reason"]) == ("tool_use", "tool_use")
    assert block["name"] in names
    assert names != {"f"} or list(block["input"]) == ["city"]


@pytest.mark.parametrize("stream", [True, False])
def test_forced_calls_hinted(stream: bool) -> None:
    """Where calls are only asked for, the tools are offered and the model is told."""
    call, message, _ = asked(stream, {"tool_choice": "hint"}, tool_choice="any")
    assert len(call["tools"]) == 2
    assert "format" not in call
    assert "now" in call["messages"][0]["content"]
    assert [block["name"] for block in message["content"]] == ["f", "g"]


@pytest.mark.parametrize("stream", [True, False])
def test_forced_calls_refused(stream: bool) -> None:
    """Where they are refused it is a 400 that names the field."""
    ollama = Ollama()
    body = {"model": "m", "messages": HI, "tools": [F], "stream": stream}
    app = linted(ollama, tool_choice="reject")
    answer = ask(app, "POST", MESSAGES, body | {"tool_choice": {"type": "any"}})
    assert "tool_choice" in error(answer, 400, "invalid_request_error")
    assert ollama.calls == []
    assert ask(app, "POST", MESSAGES, body).status == 200


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {}}}},
            "output_config.format",
        ),
        ({"output_format": {"type": "json_schema", "schema": {}}}, "output_format"),
    ],
)
def test_a_forced_call_and_a_format(fields: Any, named: str) -> None:
    """The call has a format of its own: the other one is named."""
    _, _, answer = asked(False, tool_choice="any", **fields)
    assert answer.headers["X-Pannier-Ignored"] == named


def test_a_forced_call_with_a_schema_that_is_none() -> None:
    """It is a 400 that names the place."""
    tool = {"name": "f", "input_schema": {"type": "array"}}
    body = {"model": "m", "messages": HI, "tools": [tool], "tool_choice": "any"}
    answer = ask(linted(Ollama()), "POST", MESSAGES, body)
    assert "tools[0].input_schema" in error(answer, 400, "invalid_request_error")


def test_strict_tools() -> None:
    """``strict`` is named where the call is free, and kept where it is forced."""
    given = [F | {"strict": True}]
    assert asked(False, tools=given)[2].headers["X-Pannier-Ignored"] == (
        "tools[0].strict"
    )
    forced = asked(False, tools=given, tool_choice="any")[2]
    assert "X-Pannier-Ignored" not in forced.headers


def test_what_the_model_is_told_of_a_forced_call() -> None:
    """The instruction joins the system's own words."""
    call, *_ = asked(
        False, system="Be kind.", tool_choice={"type": "tool", "name": "f"}
    )
    first = call["messages"][0]
    assert first["content"].startswith("Be kind.\n\nAnswer with a call")
    assert json.dumps(CITY).replace(" ", "") in first["content"]
