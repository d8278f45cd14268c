import json
import time
from collections import Counter
from typing import Any

import msgspec
import pytest
from support.ollama import Ollama, ask
from support.stack import linted

from app.exchange import Exchange
from middleware import chat, forced_calls
from middleware.chat import ChatMiddleware
from middleware.tools import MAX_TOOLS
from middleware.validation import parse

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
F = {"type": "function", "function": {"name": "f", "parameters": CITY}}
G = {"type": "function", "function": {"name": "g", "description": "does g"}}
X = {"type": "custom", "custom": {"name": "x"}}
HI = {"role": "user", "content": "hi"}
REQUIRED = {"tool_choice": "required"}
F_FORMAT = CITY
G_FORMAT = {"properties": {}, "type": "object"}
X_FORMAT = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}


def wrapped(name: str, arguments: Any) -> Any:
    """One call among several, as a schema; the name comes first."""
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "arguments": arguments},
        "required": ["name", "arguments"],
    }


def body(**fields: Any) -> dict[str, Any]:
    """A request with three tools, unless it says otherwise."""
    return {"model": "m", "messages": [HI], "tools": [F, G, X], **fields}


def sent(settings: dict[str, Any] | None = None, **fields: Any) -> Any:
    """The call that Ollama gets; what answers it does not matter."""
    ollama = Ollama(
        b'{"message":{"role":"assistant","content":"{\\"name\\":\\"g\\",'
        b'\\"arguments\\":{}}"},"done":true,"done_reason":"length"}'
    )
    answer = ask(linted(ollama, **(settings or {})), body=body(**fields))
    assert answer.status == 200, answer.body
    return ollama.calls[0].json


def names(call: Any) -> list[str]:
    """The tools that are offered."""
    return [tool["function"]["name"] for tool in call.get("tools", [])]


def named(name: str, kind: str = "function") -> dict[str, Any]:
    """One tool as a choice."""
    return {"type": kind, kind: {"name": name}}


def allowed(mode: str, *tools: Any) -> dict[str, Any]:
    """Some tools as a choice."""
    inner = {"mode": mode, "tools": list(tools)}
    return {"type": "allowed_tools", "allowed_tools": inner}


@pytest.mark.parametrize(
    ("choice", "offered"),
    [
        (None, ["f", "g", "x"]),
        ("auto", ["f", "g", "x"]),
        ("none", []),
        (allowed("auto", named("g")), ["g"]),
        (allowed("auto", named("x", "custom"), named("f")), ["f", "x"]),
        ({"type": "allowed_tools", "mode": "auto", "tools": [F, X]}, ["f", "x"]),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}],
            },
            ["f"],
        ),
    ],
)
def test_free_choices(choice: Any, offered: list[str]) -> None:
    """The model is offered what it may call, and nothing else changes."""
    call = sent(tool_choice=choice)
    assert names(call) == offered
    assert "format" not in call
    assert call["messages"] == [HI]


@pytest.mark.parametrize(
    ("choice", "format_"),
    [
        (named("f"), F_FORMAT),
        ({"type": "function", "name": "g"}, G_FORMAT),
        (named("x", "custom"), X_FORMAT),
        (allowed("required", named("f")), F_FORMAT),
        (
            allowed("required", named("f"), named("g")),
            {"anyOf": [wrapped("f", F_FORMAT), wrapped("g", G_FORMAT)]},
        ),
        (
            "required",
            {
                "anyOf": [
                    wrapped("f", F_FORMAT),
                    wrapped("g", G_FORMAT),
                    wrapped("x", X_FORMAT),
                ]
            },
        ),
    ],
)
def test_forced_choices(choice: Any, format_: Any) -> None:
    """A call that must come is the only thing that the model can say."""
    call = sent(tool_choice=choice)
    assert "tools" not in call
    assert call["format"] == format_
    inner = call["format"].get("anyOf", [])
    assert all(next(iter(one["properties"])) == "name" for one in inner)
    hint, last = call["messages"]
    assert (hint["role"], last) == ("system", HI)
    assert "JSON" in hint["content"]


def test_the_model_is_told() -> None:
    """The hint names each allowed tool, says what it does and what it takes."""
    call = sent(tool_choice=allowed("required", named("f"), named("g")))
    hint = call["messages"][0]["content"]
    for word in ("`f`", "`g`", "does g", json.dumps(CITY["required"])):
        assert word in hint
    assert "`x`" not in hint


def test_a_system_message_stays_the_first() -> None:
    """The hint joins what the model was told already."""
    system = {"role": "system", "content": "Be brief."}
    call = sent(messages=[system, HI], **REQUIRED)
    assert [message["role"] for message in call["messages"]] == ["system", "user"]
    assert call["messages"][0]["content"].startswith("Be brief.\n\nAnswer with")
    empty = {"role": "system", "content": ""}
    call = sent(messages=[empty, HI], **REQUIRED)
    assert call["messages"][0]["content"].startswith("Answer with")


def test_definitions_do_not_mix() -> None:
    """Tools may call their definitions the same."""

    def tool(name: str, value: int) -> Any:
        parameters = {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}},
            "$defs": {"A": {"const": value}},
        }
        return {
            "type": "function",
            "function": {"name": name, "parameters": parameters},
        }

    found = sent(tools=[tool("one", 1), tool("two", 2)], **REQUIRED)["format"]
    for value, one in enumerate(found["anyOf"], 1):
        reference = one["properties"]["arguments"]["properties"]["a"]["$ref"]
        assert found["$defs"][reference.removeprefix("#/$defs/")] == {"const": value}


@pytest.mark.parametrize(
    ("fields", "ignored"),
    [
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"logprobs": True, "top_logprobs": 2}, "logprobs"),
        ({"response_format": {"type": "text"}}, None),
        ({"logprobs": False}, None),
    ],
)
def test_what_a_forced_call_leaves_out(fields: Any, ignored: str | None) -> None:
    """A forced call has its own format and no log probabilities; that is said."""
    ollama = Ollama(
        b'{"message":{"content":"{\\"city\\":\\"a\\"}"},"done":true,"logprobs":[]}'
    )
    asked = body(tool_choice=named("f"), **fields)
    answer = ask(linted(ollama), body=asked)
    assert answer.status == 200
    assert answer.headers.get("X-Pannier-Ignored") == ignored
    assert "logprobs" not in ollama.calls[0].json
    assert ollama.calls[0].json["format"] == F_FORMAT


@pytest.mark.parametrize("choice", ["required", named("f")])
def test_hint(choice: Any) -> None:
    """``hint`` only asks: tools as ever, and a word to the model."""
    call = sent({"tool_choice": "hint"}, tool_choice=choice)
    assert names(call) == (["f", "g", "x"] if choice == "required" else ["f"])
    assert "format" not in call
    hint = call["messages"][0]
    assert (hint["role"], "`f`" in hint["content"]) == ("system", True)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": named("f")}, "tool_choice"),
        (
            {
                "tools": None,
                "functions": [{"name": "f"}],
                "function_call": {"name": "f"},
            },
            "function_call",
        ),
    ],
)
def test_reject(fields: Any, param: str) -> None:
    """``reject`` refuses what could not be promised, and only that."""
    ollama = Ollama()
    answer = ask(linted(ollama, tool_choice="reject"), body=body(**fields))
    assert (answer.status, answer.error["code"]) == (400, "unsupported_value")
    assert answer.error["param"] == param
    assert ollama.calls == []
    assert names(sent({"tool_choice": "reject"}, tool_choice="auto")) != []


CHOICE = "tool_choice"
ALLOWED = "tool_choice.allowed_tools"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({CHOICE: "any"}, CHOICE),
        ({CHOICE: ""}, CHOICE),
        ({CHOICE: {}}, CHOICE),
        ({CHOICE: {"type": "web_search"}}, CHOICE),
        ({CHOICE: {"type": ["function"]}}, CHOICE),
        ({CHOICE: {"type": "function"}}, CHOICE),
        ({CHOICE: {"type": "function", "function": {}}}, CHOICE),
        ({CHOICE: {"type": "function", "function": "f"}}, CHOICE),
        ({CHOICE: {"type": "function", "function": {"name": 5}}}, CHOICE),
        ({CHOICE: named("nope")}, CHOICE),
        ({CHOICE: named("nope", "custom")}, CHOICE),
        ({CHOICE: allowed("auto", named("nope"))}, CHOICE),
        ({CHOICE: allowed("auto", "f")}, CHOICE),
        ({CHOICE: allowed("auto", None)}, CHOICE),
        ({CHOICE: allowed("auto")}, f"{ALLOWED}.tools"),
        (
            {CHOICE: allowed("auto", *[named("f")] * (MAX_TOOLS + 1))},
            f"{ALLOWED}.tools",
        ),
        ({CHOICE: allowed("never", named("f"))}, f"{ALLOWED}.mode"),
        ({CHOICE: {"type": "allowed_tools", "allowed_tools": 5}}, f"{ALLOWED}.mode"),
        (
            {CHOICE: {"type": "allowed_tools", "allowed_tools": {"tools": 5}}},
            f"{ALLOWED}.tools",
        ),
        ({CHOICE: "required", "tools": None}, CHOICE),
        ({CHOICE: "required", "tools": [{"type": "mcp"}]}, CHOICE),
        ({CHOICE: named("f"), "tools": []}, CHOICE),
        ({CHOICE: allowed("auto", named("f")), "tools": None}, CHOICE),
        ({"function_call": {"name": "f"}, "tools": None}, "function_call"),
        ({"function_call": {"name": "f"}}, "function_call"),
        (
            {"function_call": "required", "functions": [{"name": "f"}], "tools": None},
            "function_call",
        ),
        (
            {"function_call": {}, "functions": [{"name": "f"}], "tools": None},
            "function_call",
        ),
        (
            {
                "function_call": {"name": "g"},
                "functions": [{"name": "f"}],
                "tools": None,
            },
            "function_call",
        ),
    ],
)
def test_bad_choices(fields: Any, param: str) -> None:
    """A choice of what is not there, or of no known shape, is a 400."""
    ollama = Ollama()
    answer = ask(linted(ollama), body=body(**fields))
    assert (answer.status, answer.error["code"]) == (400, "invalid_value")
    assert answer.error["param"] == param
    assert ollama.calls == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "array"},
        {"type": ["object", "null"]},
        {"properties": {"a": {"type": "nope"}}},
        {"$ref": "http://127.0.0.1:1/x"},
        {"properties": {"a": {"pattern": "(?=a)"}}},
    ],
)
def test_parameters_that_no_call_could_keep(parameters: Any) -> None:
    """A forced call needs a schema that can be checked; a free one does not."""
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    ollama = Ollama()
    answer = ask(linted(ollama), body=body(tools=[tool], **REQUIRED))
    assert (answer.status, answer.error["code"]) == (400, "invalid_value")
    assert answer.error["param"] == "tools[0].function.parameters"
    assert ollama.calls == []
    assert names(sent(tools=[tool])) == ["f"]


@pytest.mark.parametrize(
    ("choice", "offered"),
    [(None, ["f", "g"]), ("auto", ["f", "g"]), ("none", [])],
)
def test_older_choices(choice: Any, offered: list[str]) -> None:
    """``function_call`` chooses among ``functions``."""
    functions = [F["function"], G["function"]]
    call = sent(tools=None, functions=functions, function_call=choice)
    assert names(call) == offered


def test_an_older_forced_choice() -> None:
    """``function_call`` by name forces as ``tool_choice`` does."""
    call = sent(tools=None, functions=[F["function"]], function_call={"name": "f"})
    assert "tools" not in call
    assert call["format"] == F_FORMAT


def test_no_tools_no_choice() -> None:
    """Choices that need no tools are taken without any."""
    for choice in ("auto", "none"):
        assert names(sent(tools=None, tool_choice=choice)) == []
        assert names(sent(tools=None, function_call=choice)) == []


def test_requests_are_left_alone() -> None:
    """A request without tools is encoded as it always was."""
    ollama = Ollama()
    ask(linted(ollama), body={"model": "m", "messages": [HI]})
    assert set(msgspec.json.decode(ollama.calls[0].body)) == {
        "model",
        "messages",
        "stream",
        "options",
    }


def test_many_tools_are_chosen_soon() -> None:
    """To choose as many tools as there may be takes no time to speak of."""
    tools = [{"type": "function", "function": {"name": f"f{i}"}} for i in range(1024)]
    listed = [named(f"f{i}") for i in reversed(range(1024))]
    began = time.process_time()
    call = sent(tools=tools, tool_choice=allowed("auto", *listed))
    assert time.process_time() - began < 1
    assert len(names(call)) == 1024


@pytest.mark.parametrize("n", [1, 8])
def test_schemas_are_read_once(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many choices there are, each tool is looked at once."""
    seen: Counter[str] = Counter()

    def check(schema: Any, param: str) -> Any:
        seen[param] += 1
        return lambda text: None

    def choice(*arguments: Any) -> Any:
        seen["choice"] += 1
        return chosen(*arguments)

    chosen = chat.choice  # type: ignore[attr-defined]
    monkeypatch.setattr(forced_calls, "check", check)
    monkeypatch.setattr(chat, "choice", choice)
    answer = (
        b'{"message":{"content":"{\\"name\\":\\"g\\",\\"arguments\\":{}}"},"done":true}'
    )
    found = ask(linted(Ollama(answer)), body=body(n=n, **REQUIRED))
    assert [one["finish_reason"] for one in found.json["choices"]] == ["tool_calls"] * n
    assert seen.pop("choice") == 1
    assert list(seen.values()) == [1, 1, 1]


@pytest.mark.parametrize(
    "parameters",
    [
        {"properties": {"a": {"type": "integer", "exclusiveMinimum": 0}}},
        {"properties": {"a": {"minimum": 0, "exclusiveMinimum": True}}},
        {"x": [{}] * 80, "properties": {"a": {"$ref": "#/x/79"}}},
    ],
    ids=["plain", "older-draft", "references"],
)
def test_many_forced_tools_take_no_long(parameters: Any) -> None:
    """A thousand schemas, each another, and eight writers cost a moment."""
    tools = [
        {
            "type": "function",
            "function": {
                "name": f"f{i}",
                "parameters": {**parameters, "title": f"{i}"},
            },
        }
        for i in range(1000)
    ]
    asked, _ = parse(
        chat.ChatMiddleware.request_type,
        json.dumps(body(tools=tools, **REQUIRED)).encode(),
    )
    middleware, exchange = ChatMiddleware(lambda environ, start: []), Exchange()
    began = time.process_time()
    middleware.rewrite(asked, exchange)
    for _ in range(8):
        middleware.writer(exchange, asked, lambda *arguments: lambda data: None)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("keyed", [False, True])
def test_patterns_are_bounded(keyed: bool) -> None:
    """Patterns of all tools of which one must be called may cost only so much."""

    def tools(count: int) -> list[Any]:
        if keyed:
            schema: Any = {"patternProperties": {f"^a{i}$": {} for i in range(count)}}
        else:
            schema = {"anyOf": [{"pattern": f"^a{i}$"} for i in range(count)]}
        function = {"name": "h", "parameters": {"properties": {"a": schema}}}
        return [G, {"type": "function", "function": function}]

    assert sent(tools=tools(500), **REQUIRED)["format"]
    ollama = Ollama()
    many = body(tools=tools(10_000), **REQUIRED)
    answer = ask(linted(ollama), body=many)
    assert (answer.status, answer.error["code"]) == (400, "invalid_value")
    assert (answer.error["param"], ollama.calls) == ("tools", [])
    assert names(sent(tools=tools(10_000))) == ["g", "h"]
