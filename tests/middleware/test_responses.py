"""ResponsesMiddleware: what a request becomes, and what is kept of it."""

import gzip
import json
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from openai.types.responses import InputTokenCountParams, ResponseInputItem, Tool
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from support.able import Able
from support.events import accepted, check_response, events
from support.keeping import FakeKeeper
from support.ollama import Answer, Ollama, ask
from support.pictures import PNG, text
from support.plausible import Plausible
from support.recordings import wav
from support.stack import linted

from app.inflate import zstd
from app.wire.responses import ResponsesRequest

RESPONSES = "/v1/responses"
USER = {"role": "user", "content": "hi"}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": 1}'}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "5"}
NATIVE_CALL = {"function": {"name": "f", "arguments": {"a": 1}, "index": 0}, "id": "c"}
NATIVE_RESULT = {
    "role": "tool",
    "content": "5",
    "tool_name": "f",
    "tool_call_id": "c",
}


def asked(
    body: dict[str, Any],
    keeper: FakeKeeper | None = None,
    path: str = RESPONSES,
    headers: dict[str, str] | None = None,
    **settings: Any,
) -> tuple[Answer, list[dict[str, Any]]]:
    """The answer to a request, and the calls that it led to."""
    ollama = Plausible()
    app = linted(ollama, control=Able(), keeper=keeper, **settings)
    answer = ask(app, "POST", path, {"model": "m", **body}, **headers or {})
    return answer, [call.json for call in ollama.calls]


def call_of(body: dict[str, Any], **options: Any) -> dict[str, Any]:
    """The one call that a good request becomes."""
    answer, calls = asked(body, **options)
    assert answer.status == 200, answer.body
    (call,) = calls
    return call


def messages(*items: Any, **body: Any) -> list[dict[str, Any]]:
    """The messages that items become."""
    found: list[dict[str, Any]] = call_of({"input": list(items), **body})["messages"]
    return found


def error_of(body: dict[str, Any], **options: Any) -> tuple[str, str]:
    """Code and param of a refusal, before which nothing was asked."""
    answer, calls = asked(body, **options)
    assert (answer.status, calls) == (400, [])
    return answer.error["code"], answer.error["param"]


def ignored(answer: Answer) -> list[str]:
    """What has no effect, as the client is told."""
    listed = answer.headers.get("X-Pannier-Ignored", "")
    return [name for name in listed.split(", ") if name]


# ------------------------------------------------------------------- the input

SAYS = {"role": "assistant", "content": "ok"}
IMAGE = {"type": "input_image", "image_url": f"data:image/png;base64,{text(PNG)}"}
ITEMS: dict[str, tuple[list[Any], list[dict[str, Any]]]] = {
    "a message": ([USER], [USER]),
    "with its type": ([{"type": "message", **USER}], [USER]),
    "developer": (
        [{"role": "developer", "content": "d"}, USER],
        [{"role": "system", "content": "d"}, USER],
    ),
    "parts": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "a"},
                    {"type": "text", "text": "b"},
                    {"type": "output_text", "text": "c"},
                    {"type": "summary_text", "text": "d"},
                    {"type": "refusal", "refusal": "e"},
                ],
            }
        ],
        [{"role": "user", "content": "a\n\nb\n\nc\n\nd\n\ne"}],
    ),
    "no parts": (
        [{"role": "user", "content": []}],
        [{"role": "user", "content": ""}],
    ),
    "an image": (
        [{"role": "user", "content": [{"type": "input_text", "text": "?"}, IMAGE]}],
        [{"role": "user", "content": "?", "images": [text(PNG)]}],
    ),
    "audio": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_audio", "input_audio": {"data": text(wav())}}
                ],
            }
        ],
        [{"role": "user", "content": "", "images": [text(wav())]}],
    ),
    "a file": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "input_file", "file_data": "data:text/plain;base64,aGk="}
                ],
            }
        ],
        [{"role": "user", "content": "hi"}],
    ),
    "a call and its result": (
        [USER, CALL, RESULT],
        [
            USER,
            {"role": "assistant", "content": "", "tool_calls": [NATIVE_CALL]},
            NATIVE_RESULT,
        ],
    ),
    "a call after a text": (
        [SAYS, CALL, RESULT],
        [SAYS | {"tool_calls": [NATIVE_CALL]}, NATIVE_RESULT],
    ),
    "a text between a call and its result": (
        [CALL, SAYS, RESULT],
        [SAYS | {"tool_calls": [NATIVE_CALL]}, NATIVE_RESULT],
    ),
    "two calls": (
        [CALL, CALL | {"call_id": "d"}, RESULT],
        [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    NATIVE_CALL,
                    {
                        "function": {"name": "f", "arguments": {"a": 1}, "index": 1},
                        "id": "d",
                    },
                ],
            },
            NATIVE_RESULT,
        ],
    ),
    "calls in turn": (
        [CALL, RESULT, CALL, RESULT],
        [
            {"role": "assistant", "content": "", "tool_calls": [NATIVE_CALL]},
            NATIVE_RESULT,
        ]
        * 2,
    ),
    "two texts": ([SAYS, SAYS], [SAYS, SAYS]),
    "no arguments": (
        [CALL | {"arguments": ""}],
        [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "function": {"name": "f", "arguments": {}, "index": 0},
                        "id": "c",
                    }
                ],
            }
        ],
    ),
    "a call that was cut": (
        [CALL | {"arguments": '{"a', "status": "incomplete"}, RESULT],
        [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "function": {"name": "f", "arguments": {}, "index": 0},
                        "id": "c",
                    }
                ],
            },
            NATIVE_RESULT,
        ],
    ),
    "a call of what takes text": (
        [
            {"type": "custom_tool_call", "call_id": "c", "name": "g", "input": "ls"},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "x"},
        ],
        [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "function": {
                            "name": "g",
                            "arguments": {"input": "ls"},
                            "index": 0,
                        },
                        "id": "c",
                    }
                ],
            },
            {"role": "tool", "content": "x", "tool_name": "g", "tool_call_id": "c"},
        ],
    ),
    "a call in a namespace": (
        [CALL | {"namespace": "n"}, RESULT],
        [
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {
                        "function": {"name": "n.f", "arguments": {"a": 1}, "index": 0},
                        "id": "c",
                    }
                ],
            },
            NATIVE_RESULT | {"tool_name": "n.f"},
        ],
    ),
    "a result of nobody's call": (
        [RESULT | {"name": "g", "namespace": "n"}, USER],
        [NATIVE_RESULT | {"tool_name": "n.g"}, USER],
    ),
    "a result with an image": (
        [CALL, RESULT | {"output": [{"type": "input_text", "text": "5"}, IMAGE]}],
        [
            {"role": "assistant", "content": "", "tool_calls": [NATIVE_CALL]},
            NATIVE_RESULT | {"images": [text(PNG)]},
        ],
    ),
}


def thinking(**fields: Any) -> dict[str, Any]:
    """A reasoning item."""
    return {"type": "reasoning", "id": "rs_1", "summary": [], **fields}


def summary(*texts: str) -> list[dict[str, str]]:
    """A summary of so many parts."""
    return [{"type": "summary_text", "text": one} for one in texts]


OWN = {"encrypted_content": "hm", "summary": summary("hm")}
ITEMS |= {
    "a thought, a text": ([thinking(**OWN), SAYS], [SAYS | {"thinking": "hm"}]),
    "a thought, a call": (
        [thinking(**OWN), CALL],
        [
            {
                "role": "assistant",
                "content": "",
                "thinking": "hm",
                "tool_calls": [NATIVE_CALL],
            }
        ],
    ),
    "a thought alone": (
        [USER, thinking(**OWN)],
        [USER, {"role": "assistant", "content": "", "thinking": "hm"}],
    ),
    "a thought before a question": (
        [thinking(**OWN), USER],
        [{"role": "assistant", "content": "", "thinking": "hm"}, USER],
    ),
    "thoughts between calls": (
        [thinking(**OWN), CALL, thinking(**OWN), SAYS, RESULT],
        [
            SAYS | {"thinking": "hm\n\nhm", "tool_calls": [NATIVE_CALL]},
            NATIVE_RESULT,
        ],
    ),
    "a summary only": (
        [thinking(summary=summary("a", "b")), SAYS],
        [SAYS | {"thinking": "a\n\nb"}],
    ),
    "its text only": (
        [thinking(content=[{"type": "reasoning_text", "text": "t"}]), SAYS],
        [SAYS | {"thinking": "t"}],
    ),
    "what OpenAI encrypted": (
        [thinking(encrypted_content="gAAAAABo", summary=summary("a")), SAYS],
        [SAYS | {"thinking": "a"}],
    ),
    "a thought of nothing": ([thinking(), SAYS], [SAYS]),
}


@pytest.mark.parametrize(("items", "native"), ITEMS.values(), ids=ITEMS)
def test_input_items(items: list[Any], native: list[dict[str, Any]]) -> None:
    """Items become the messages that Ollama takes."""
    assert messages(*items, model="hearing") == native


def test_a_text_and_instructions() -> None:
    """A text is a message of the user's; instructions come before all."""
    call = call_of({"input": "hi", "instructions": "Be kind."})
    assert call["messages"] == [{"role": "system", "content": "Be kind."}, USER]


#: Items of kinds that nobody here can serve.
FOREIGN = [
    *("web_search_call", "file_search_call", "computer_call", "computer_call_output"),
    *("code_interpreter_call", "image_generation_call", "local_shell_call"),
    *("local_shell_call_output", "shell_call", "shell_call_output", "apply_patch_call"),
    *("apply_patch_call_output", "mcp_list_tools", "mcp_approval_request"),
    *("mcp_approval_response", "mcp_call", "compaction", "tool_search_call"),
    *("tool_search_output", "configuration_update", "program", "what_comes_next"),
]


@pytest.mark.parametrize("kind", FOREIGN)
def test_foreign_items(kind: str) -> None:
    """What no model can be told of is named, and refused in strict mode."""
    item = {"type": kind, "id": "x", "action": {}, "output": [{"stdout": ""}]}
    answer, calls = asked({"input": [USER, item]})
    assert (answer.status, ignored(answer)) == (200, ["input[1]"])
    assert calls[0]["messages"] == [USER]
    refused = error_of({"input": [USER, item]}, strict=True)
    assert refused == ("unsupported_parameter", "input[1]")


def literals(kind: Any) -> set[str]:
    """The types that a union of OpenAI's knows."""
    if isinstance(kind, str):
        return {kind}
    fields = getattr(kind, "model_fields", None)
    inner = get_args(fields["type"].annotation) if fields else get_args(kind)
    return set().union(*map(literals, inner))


def test_every_kind_of_item() -> None:
    """Whatever OpenAI's types know is served, or left out; nothing is an error."""
    known = literals(ResponseInputItem)
    served = {"message", "function_call", "function_call_output", "reasoning"}
    served |= {"custom_tool_call", "custom_tool_call_output", "item_reference"}
    served |= {"additional_tools"}
    assert len(known) > 25
    assert served <= known
    foreign = sorted(known - served)
    answer, _ = asked({"input": [USER, *({"type": kind} for kind in foreign)]})
    assert answer.status == 200, answer.body
    assert ignored(answer)[0] == "input[1]"
    assert {*foreign} >= {*FOREIGN} - {"what_comes_next"}


def test_every_kind_of_tool() -> None:
    """So it is with tools."""
    hosted = sorted(literals(Tool) - {"function", "custom", "namespace"})
    assert len(hosted) > 10
    answer, (call,) = asked({"input": "hi", "tools": [{"type": k} for k in hosted]})
    assert answer.status == 200
    assert len(ignored(answer)) == len(hosted)
    assert "tools" not in call


def test_every_field_of_the_client() -> None:
    """Each field that OpenAI's client can send is known."""
    client = set(get_type_hints(ResponseCreateParamsBase)) | {"stream"}
    known = {field.encode_name for field in msgspec.structs.fields(ResponsesRequest)}
    assert client - known == set()
    count = set(get_type_hints(InputTokenCountParams))
    assert count - known == {"personality"}


def test_an_image_that_the_model_cannot_see() -> None:
    """The field that holds it is named."""
    body = {"model": "plain", "input": [{"role": "user", "content": [IMAGE]}]}
    assert error_of(body) == ("unsupported_value", "input")


# --------------------------------------------------------------------- options


@pytest.mark.parametrize(
    ("body", "native"),
    [
        ({}, {"options": {"temperature": 1.0}}),
        ({"max_output_tokens": 5}, {"options": {"temperature": 1.0, "num_predict": 5}}),
        (
            {"temperature": 0, "top_p": 0.5},
            {"options": {"temperature": 0, "top_p": 0.5}},
        ),
        ({"reasoning": {"effort": "high"}}, {"think": "high"}),
        ({"reasoning_effort": "none"}, {"think": False}),
        ({"think": True}, {"think": True}),
        ({"text": {"format": {"type": "json_object"}}}, {"format": "json"}),
        ({"text": {"format": {"type": "text"}}}, {"format": None}),
        (
            {"text": {"format": {"type": "json_schema", "name": "s", "schema": {}}}},
            {"format": {}},
        ),
        (
            {"include": ["message.output_text.logprobs"]},
            {"logprobs": True, "top_logprobs": None},
        ),
        (
            {"include": ["message.output_text.logprobs"], "top_logprobs": 2},
            {"logprobs": True, "top_logprobs": 2},
        ),
        ({"top_logprobs": 2}, {"logprobs": None, "top_logprobs": None}),
        ({"truncation": "disabled"}, {"truncate": None, "shift": None}),
        ({"truncation": "auto"}, {"truncate": None, "shift": None}),
        ({"num_ctx": 64, "keep_alive": "5m"}, {"keep_alive": "5m"}),
    ],
    ids=str,
)
def test_fields(body: dict[str, Any], native: dict[str, Any]) -> None:
    """Fields become what Ollama calls them; top_p is sent only where it is given."""
    call = call_of({"input": "hi", **body})
    assert {name: call.get(name) for name in native} == native


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"truncation": "disabled"}, (False, False)),
        ({"truncation": "disabled", "shift": True}, (False, True)),
        ({"truncation": "auto"}, (None, None)),
        ({}, (None, None)),
    ],
    ids=str,
)
def test_truncation_in_strict_mode(body: dict[str, Any], sent: Any) -> None:
    """What is not to be truncated is not, where that was asked for strictly."""
    call = call_of({"input": "hi", **body}, strict=True)
    assert (call.get("truncate"), call.get("shift")) == sent


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, []),
        ({"include": ["reasoning.encrypted_content"]}, []),
        ({"include": ["message.input_image.image_url"]}, []),
        ({"include": ["web_search_call.results"]}, ["include[0]"]),
        ({"reasoning": {"summary": "auto"}}, []),
        ({"metadata": {"a": "b"}}, []),
        ({"store": False}, []),
        ({"store": True}, ["store"]),
        ({"top_logprobs": 2}, ["top_logprobs"]),
        ({"text": {"verbosity": "low"}}, ["text.verbosity"]),
        ({"text": {"verbosity": "medium"}}, []),
        ({"background": False}, []),
        ({"truncation": "auto"}, []),
        ({"truncation": "disabled"}, ["truncation"]),
        ({"user": "u", "safety_identifier": "s"}, ["safety_identifier", "user"]),
        ({"service_tier": "flex"}, ["service_tier"]),
        ({"prompt_cache_key": "k"}, ["prompt_cache_key"]),
        ({"max_tool_calls": 3}, ["max_tool_calls"]),
        ({"stream_options": {"include_obfuscation": False}}, []),
        ({"context_management": [{"type": "compaction"}]}, ["context_management"]),
        ({"client_metadata": {"a": "b"}}, ["client_metadata"]),
        ({"n": 2}, ["n"]),
        ({"tools": [{"type": "web_search"}]}, ["tools[0]"]),
        (
            {"tools": [{"type": "function", "name": "f", "strict": True}]},
            ["tools[0].strict"],
        ),
    ],
    ids=str,
)
def test_without_effect(body: dict[str, Any], named: list[str]) -> None:
    """What has no effect is named, and nothing else."""
    answer, _ = asked({"input": "hi", **body})
    assert (answer.status, ignored(answer)) == (200, named)


# ----------------------------------------------------------------------- tools

F: dict[str, Any] = {
    "type": "function",
    "name": "f",
    "description": "d",
    "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
C = {"type": "custom", "name": "c", "description": "d"}
SPACE = {"type": "namespace", "name": "n", "description": "", "tools": [F, C]}


def names(call: dict[str, Any]) -> list[str]:
    """Of the tools that a call offers."""
    return [tool["function"]["name"] for tool in call.get("tools") or ()]


def test_tools() -> None:
    """Functions, tools that take text and namespaces are offered, hosted ones not."""
    hosted = [
        {"type": kind}
        for kind in (
            *("web_search", "web_search_preview", "file_search", "code_interpreter"),
            *("image_generation", "local_shell", "shell", "apply_patch", "mcp"),
            *("computer_use_preview", "tool_search", "programmatic_tool_calling"),
        )
    ]
    answer, calls = asked({"input": "hi", "tools": [F, C, SPACE, *hosted]})
    assert names(calls[0]) == ["f", "c", "n.f", "n.c"]
    assert ignored(answer) == [f"tools[{3 + n}]" for n in range(len(hosted))]
    first, second = calls[0]["tools"][:2]
    assert first["function"] == {
        "name": "f",
        "description": "d",
        "parameters": F["parameters"],
    }
    assert second["function"]["parameters"]["required"] == ["input"]


def test_calls_come_back_as_they_were_declared() -> None:
    """Each by its own type, those of a namespace by both names."""
    answer, _ = asked({"model": "plain", "input": "hi", "tools": [F, C, SPACE]})
    found = [
        (item["type"], item.get("namespace"), item["name"])
        for item in answer.json["output"]
    ]
    assert found == [
        ("function_call", None, "f"),
        ("custom_tool_call", None, "c"),
        ("function_call", "n", "f"),
        ("custom_tool_call", "n", "c"),
    ]
    check_response(answer.json)


def test_a_grammar() -> None:
    """A model is told of it, and the client that it is not kept."""
    tools = [C | {"format": GRAMMAR}]
    answer, calls = asked({"input": "hi", "tools": tools})
    assert (answer.status, ignored(answer)) == (200, ["tools[0].format"])
    assert (
        "lark grammar:\n\nstart: x" in calls[0]["tools"][0]["function"]["description"]
    )
    refused = error_of({"input": "hi", "tools": tools}, strict=True)
    assert refused == ("unsupported_parameter", "tools[0].format")
    free = C | {"format": {"type": "text"}}
    assert ignored(asked({"input": "hi", "tools": [free]})[0]) == []


def test_tools_in_the_input() -> None:
    """Agents bring tools in an item: they are offered, and called by their names."""
    item = {
        "type": "additional_tools",
        "role": "developer",
        "tools": [SPACE, {"type": "shell"}],
    }
    answer, calls = asked({"model": "plain", "input": [item, USER], "tools": [F]})
    assert names(calls[0]) == ["f", "n.f", "n.c"]
    assert ignored(answer) == ["input[0].tools[1]"]
    assert answer.json["output"][1]["namespace"] == "n"
    assert answer.json["tools"] == [F]


@pytest.mark.parametrize(
    ("choice", "offered", "forced"),
    [
        (None, ["f", "c"], False),
        ("auto", ["f", "c"], False),
        ("none", [], False),
        ("required", [], True),
        ({"type": "function", "name": "f"}, [], True),
        ({"type": "custom", "name": "c"}, [], True),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}],
            },
            ["f"],
            False,
        ),
        (
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "web_search"}],
            },
            [],
            True,
        ),
    ],
    ids=str,
)
def test_tool_choice(choice: Any, offered: list[str], *, forced: bool) -> None:
    """What may be called is offered; what must be is forced; and it is repeated."""
    for stream in (False, True):
        body = {"input": "hi", "tools": [F, C], "tool_choice": choice, "stream": stream}
        answer, (call,) = asked(body)
        assert (names(call), "format" in call) == (offered, forced)
        if stream:
            response = events(answer)[-1]["response"]
            accepted(events(answer))
        else:
            response = answer.json
        assert response["tool_choice"] == (choice or "auto")
        called = [item for item in response["output"] if "call_id" in item]
        assert bool(called) == (forced or bool(offered))


def test_one_call_at_a_time() -> None:
    """Where calls are not to be parallel there is one."""
    body = {"input": "hi", "tools": [F, C], "parallel_tool_calls": False}
    answer, _ = asked(body)
    assert len(answer.json["output"]) == 1
    assert answer.json["parallel_tool_calls"] is False


# ------------------------------------------------------------------------ echo


def test_what_is_repeated() -> None:
    """A response says what it was asked for, whole and in each event."""
    body: dict[str, Any] = {
        "instructions": "Be kind.",
        "max_output_tokens": 50.0,
        "max_tool_calls": 3,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "prompt_cache_key": "k",
        "reasoning": {"effort": "low", "summary": "auto"},
        "safety_identifier": "s",
        "temperature": 0.5,
        "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "tool_choice": "none",
        "tools": [F, {"type": "web_search", "filters": {"allowed_domains": ["a"]}}],
        "top_logprobs": 2,
        "top_p": 0.25,
        "truncation": "auto",
        "user": "u",
    }
    answer, _ = asked({"input": "hi", **body})
    streamed = events(asked({"input": "hi", "stream": True, **body})[0])
    told = [answer.json, *(e["response"] for e in streamed if "response" in e)]
    assert len(told) == 4
    for response in told:
        assert {name: response[name] for name in body} == body
        assert response["model"] == "m"


def test_what_is_said_of_itself() -> None:
    """Where a request says nothing, OpenAI's defaults stand."""
    answer, _ = asked({"input": "hi"})
    response = answer.json
    assert response["text"] == {"format": {"type": "text"}}
    assert (response["temperature"], response["top_p"]) == (1.0, 1.0)
    assert (response["tools"], response["tool_choice"]) == ([], "auto")
    assert (response["metadata"], response["truncation"]) == ({}, "disabled")
    assert response["reasoning"] is None
    assert "user" not in response


def test_a_schema_without_a_name() -> None:
    """OpenAI's types want one."""
    wanted = {"type": "json_schema", "schema": {"type": "object"}}
    answer, _ = asked({"input": "hi", "text": {"format": wanted}})
    assert answer.json["text"] == {"format": wanted | {"name": "response"}}


# --------------------------------------------------- what it shares with the chat


def test_explained() -> None:
    """What would be sent can be asked for."""
    answer, calls = asked({"input": "hi"}, headers={"X_Pannier_Explain": "1"})
    assert calls == []
    assert answer.json["endpoint"] == "/api/chat"
    assert answer.json["requests"][0]["messages"] == [USER]


def test_aliases() -> None:
    """A name of the client's is answered by it, and asked for by the model's."""
    answer, (call,) = asked({"model": "gpt-5", "input": "hi"}, aliases="gpt-*=plain")
    assert (answer.json["model"], call["model"]) == ("gpt-5", "plain")


@pytest.mark.parametrize("path", [RESPONSES, "/responses"])
def test_with_and_without_v1(path: str) -> None:
    """Both paths are the endpoint."""
    assert asked({"input": "hi"}, path=path)[0].status == 200


def test_context_policy() -> None:
    """A conversation may be made to be refused rather than cut."""
    assert call_of({"input": "hi"}, context="strict")["truncate"] is False


def test_a_prompt_that_is_too_long() -> None:
    """The field that holds it is named."""
    message = b'{"error":"the input length exceeds the context length"}'
    refusing = linted(Ollama(message, status="400 Bad Request"))
    answer = ask(refusing, "POST", RESPONSES, {"model": "m", "input": "hi"})
    assert answer.status == 400
    assert (answer.error["code"], answer.error["param"]) == (
        "context_length_exceeded",
        "input",
    )


def test_levels_of_thinking() -> None:
    """A wish goes as the model can take it; hidden thoughts stay hidden."""
    body = {"model": "levelled", "input": "hi", "reasoning": {"effort": "none"}}
    answer, (call,) = asked(body)
    assert call["think"] == "low"
    assert [item["type"] for item in answer.json["output"]] == ["message"]
    shown, _ = asked({"model": "switched", "input": "hi", "think": True})
    assert [item["type"] for item in shown.json["output"]] == ["reasoning", "message"]


@pytest.mark.parametrize("field", ["none", "both", "think_tags"])
def test_where_reasoning_goes(field: str) -> None:
    """An item of its own, unless the setting wants none."""
    answer, _ = asked(
        {"model": "switched", "input": "hi", "think": True}, reasoning_field=field
    )
    types = [item["type"] for item in answer.json["output"]]
    assert types == (["message"] if field == "none" else ["reasoning", "message"])


@pytest.mark.parametrize("coding", ["zstd", "gzip"])
def test_compressed_bodies(coding: str) -> None:
    """Agents send them compressed."""
    body = json.dumps({"model": "m", "input": "hi"}).encode()
    packed = {"zstd": zstd.compress, "gzip": gzip.compress}[coding](body)
    answer = ask(
        linted(Plausible()), "POST", RESPONSES, packed, Content_Encoding=coding
    )
    assert answer.status == 200
    assert answer.json["output"][0]["type"] == "message"


def test_rendered_only() -> None:
    """What Ollama would have the model read is shown, and nothing is kept."""
    keeper = FakeKeeper()
    answer, _ = asked({"input": "hi", "_debug_render_only": True}, keeper)
    assert answer.json["_debug_info"]
    assert (answer.json["output"], keeper.kept) == ([], {})


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Upgrade": "websocket"}, 426, "unsupported_value"),
        ({}, 405, "method_not_allowed"),
    ],
)
def test_no_web_socket(headers: dict[str, str], status: int, code: str) -> None:
    """Who asks for a web socket learns at once that there is none."""
    answer = ask(linted(Ollama()), "GET", RESPONSES, None, **headers)
    assert (answer.status, answer.error["code"]) == (status, code)


# ------------------------------------------------------------- what is kept


class Talk:
    """One client that talks to one Pannier."""

    def __init__(self, **settings: Any) -> None:
        self.keeper = FakeKeeper()
        self.ollama = Plausible()
        self.app = linted(self.ollama, control=Able(), keeper=self.keeper, **settings)

    def say(self, *, stream: bool = False, **body: Any) -> dict[str, Any]:
        """A response to one more request."""
        body = {"model": "plain", "input": "hi", "stream": stream, **body}
        answer = ask(self.app, "POST", RESPONSES, body)
        assert answer.status == 200, answer.body
        if not stream:
            return answer.json  # type: ignore[no-any-return]
        found = events(answer)
        accepted(found)
        response: dict[str, Any] = found[-1]["response"]
        return response

    def get(self, path: str, method: str = "GET") -> Answer:
        """What one of the other routes says."""
        return ask(self.app, method, f"{RESPONSES}/{path}")

    @property
    def told(self) -> list[dict[str, Any]]:
        """What the model was told last."""
        found: list[dict[str, Any]] = self.ollama.calls[-1].json["messages"]
        return found


@pytest.mark.parametrize("stream", [False, True])
def test_going_on(*, stream: bool) -> None:
    """Three turns, each told only what is new: the model hears all of it."""
    talk = Talk()
    first = talk.say(stream=stream, tools=[F], instructions="Be kind.")
    (call,) = first["output"]
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "5"}
    second = talk.say(stream=stream, input=[result], previous_response_id=first["id"])
    assert second["previous_response_id"] == first["id"]
    third = talk.say(
        stream=stream, input="And?", previous_response_id=second["id"], think=True
    )
    assert third["store"] is True
    roles = [message["role"] for message in talk.told]
    assert roles == ["user", "assistant", "tool", "assistant", "user"]
    assert talk.told[1]["tool_calls"][0]["id"] == call["call_id"]
    assert talk.told[2]["tool_name"] == "f"


def test_thoughts_go_on() -> None:
    """What a model thought is told to it again."""
    talk = Talk()
    first = talk.say(model="switched", think=True)
    talk.say(model="switched", previous_response_id=first["id"])
    assert talk.told[1] == {
        "role": "assistant",
        "content": "Hello, llama!",
        "thinking": "Let me see.",
    }


def test_nothing_new_to_say() -> None:
    """A conversation can go on without any input."""
    talk = Talk()
    first = talk.say()
    talk.say(input=[], previous_response_id=first["id"])
    assert [message["role"] for message in talk.told] == ["user", "assistant"]


def test_an_incomplete_response_can_be_gone_on_from() -> None:
    """It is kept as it is."""
    keeper = FakeKeeper()
    line = b'{"message":{"content":"Hel"},"done":true,"done_reason":"length"}\n'
    app = linted(Ollama(line), keeper=keeper)
    answer = ask(app, "POST", RESPONSES, {"model": "m", "input": "hi"})
    (kept,) = keeper.kept.values()
    assert json.loads(kept.body) == answer.json
    assert answer.json["status"] == "incomplete"


@pytest.mark.parametrize("stream", [False, True])
def test_a_failed_response_is_not_kept(*, stream: bool) -> None:
    """Nobody goes on from it in silence: its id is unknown."""
    keeper = FakeKeeper()
    app = linted(Ollama(b'{"message":{"content":"Hel"}}\n'), keeper=keeper)
    body = {"model": "m", "input": "hi", "stream": stream}
    answer = ask(app, "POST", RESPONSES, body)
    assert keeper.kept == {}
    if stream:
        last = events(answer)[-1]["response"]
        assert (last["status"], last["store"]) == ("failed", False)
        again = ask(app, "POST", RESPONSES, body | {"previous_response_id": last["id"]})
        assert again.error["code"] == "previous_response_not_found"


def test_not_kept_where_it_must_not_be() -> None:
    """``store: false`` keeps nothing, and says so."""
    talk = Talk()
    response = talk.say(store=False)
    assert response["store"] is False
    assert talk.keeper.asked == 0


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("room", [False, True])
def test_q2_keeping_fails(
    caplog: pytest.LogCaptureFixture, *, stream: bool, room: bool
) -> None:
    """The answer goes out all the same, with ``store: false``; the log says why."""
    talk = Talk()
    talk.keeper.room, talk.keeper.failing = room, room
    response = talk.say(stream=stream)
    assert response["store"] is False
    assert response["status"] == "completed"
    (line,) = caplog.messages
    assert ("the disk is full" in line) == room
    assert ("too large" in line) == (not room)


def test_why_it_cannot_go_on() -> None:
    """A response may be there without those before it; that is said."""
    talk = Talk()
    first = talk.say()
    second = talk.say(previous_response_id=first["id"])
    assert talk.get(first["id"], "DELETE").status == 200
    body = {"model": "m", "input": "hi", "previous_response_id": second["id"]}
    error = ask(talk.app, "POST", RESPONSES, body).error
    assert error["code"] == "previous_response_not_found"
    assert "one of those was deleted" in error["message"]
    assert talk.get(second["id"]).status == 200


def test_q2_looking_up_fails() -> None:
    """A conversation that cannot be found for now is a 503; nothing is asked."""
    talk = Talk()
    first = talk.say()
    talk.keeper.failing = True
    body = {"model": "m", "input": "hi", "previous_response_id": first["id"]}
    answer = ask(talk.app, "POST", RESPONSES, body)
    assert (answer.status, answer.error["code"]) == (503, "storage_unavailable")
    assert len(talk.ollama.calls) == 1
    assert talk.get(first["id"]).status == 503


def test_getting_and_deleting() -> None:
    """A response is given back as it was answered, until it is deleted."""
    talk = Talk()
    response = talk.say(stream=True)
    got = talk.get(response["id"])
    assert (got.status, got.json) == (200, response)
    assert got.headers["x-request-id"]
    assert talk.get(f"{response['id']}?include=x").json == response
    deleted = talk.get(response["id"], "DELETE")
    assert deleted.json == {"id": response["id"], "object": "response", "deleted": True}
    for method in ("GET", "DELETE"):
        gone = talk.get(response["id"], method)
        assert (gone.status, gone.error["code"]) == (404, "response_not_found")
        assert gone.error["type"] == "not_found_error"


@pytest.mark.parametrize(
    "path", ["x", "x/input_items", "x/y", "x/y/input_items", "\u00e9"]
)
def test_unknown_responses(path: str) -> None:
    """Whatever is asked for, what is not there is a 404; also where nothing is kept."""
    for app in (Talk().app, linted(Ollama())):
        answer = ask(app, "GET", f"{RESPONSES}/{path}")
        assert (answer.status, answer.error["code"]) == (404, "response_not_found")


def test_a_stream_of_what_is_kept() -> None:
    """That is for work in the background."""
    talk = Talk()
    answer = talk.get(f"{talk.say()['id']}?stream=true")
    assert (answer.status, answer.error["param"]) == (400, "stream")


def test_kept_items() -> None:
    """Items are kept whole, each with an id; the answer's are not the input's."""
    talk = Talk()
    foreign = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    response = talk.say(input=[USER, {"id": "msg_own", **SAYS}, CALL, RESULT, foreign])
    answer = talk.get(f"{response['id']}/input_items?order=asc")
    assert answer.json["has_more"] is False
    found = answer.json["data"]
    assert (answer.json["first_id"], answer.json["last_id"]) == (
        found[0]["id"],
        found[-1]["id"],
    )
    assert len({item["id"] for item in found}) == 5
    ids = [item.pop("id") for item in found]
    assert (ids[1], ids[4]) == ("msg_own", "ws_1")
    done = {"status": "completed"}
    part = {"type": "output_text", "text": "ok", "annotations": []}
    assert found == [
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "hi"}],
            **done,
        },
        {"type": "message", "role": "assistant", "content": [part], **done},
        CALL | done,
        RESULT | done,
        {"type": "web_search_call", **done},
    ]


@pytest.mark.parametrize(
    ("query", "found", "more"),
    [
        ("", [4, 3, 2, 1, 0], False),
        ("order=desc&limit=2", [4, 3], True),
        ("order=asc&limit=2", [0, 1], True),
        ("order=asc&limit=5", [0, 1, 2, 3, 4], False),
        ("order=asc&after=m1", [2, 3, 4], False),
        ("after=m1", [0], False),
        ("after=m0", [], False),
        ("include=x", [4, 3, 2, 1, 0], False),
    ],
)
def test_pages_of_items(query: str, found: list[int], *, more: bool) -> None:
    """Newest first unless asked otherwise, twenty on a page unless asked otherwise."""
    talk = Talk()
    response = talk.say(input=[USER | {"id": f"m{n}"} for n in range(5)])
    page = talk.get(f"{response['id']}/input_items?{query}").json
    assert [item["id"] for item in page["data"]] == [f"m{n}" for n in found]
    assert page["has_more"] is more
    assert page["object"] == "list"


@pytest.mark.parametrize(
    ("query", "param"),
    [
        *[(f"limit={given}", "limit") for given in ("0", "101", "-1", "x", "1e3", "٣")],
        ("order=up", "order"),
        ("after=nothing", "after"),
    ],
)
def test_pages_that_are_none(query: str, param: str) -> None:
    """What is wrong with a page is a 400 that names it."""
    talk = Talk()
    answer = talk.get(f"{talk.say()['id']}/input_items?{query}")
    assert (answer.status, answer.error["param"]) == (400, param)


def test_items_by_reference() -> None:
    """An item can be named by its id; what is kept then is the item."""
    talk = Talk()
    first = talk.say()
    reference = {"type": "item_reference", "id": first["output"][0]["id"]}
    short = {"id": first["output"][0]["id"]}
    second = talk.say(input=[reference, short, USER])
    assert [message["content"] for message in talk.told] == [
        *("Hello, llama!", "Hello, llama!", "hi"),
    ]
    talk.say(previous_response_id=second["id"])
    assert talk.told[0]["content"] == "Hello, llama!"


def test_ids_that_clients_chose() -> None:
    """They are easy to guess, so nobody gets an item by one, be it kept."""
    talk = Talk()
    talk.say(input=[USER | {"id": "msg_1"}])
    asked_before = talk.keeper.asked
    body = {"model": "m", "input": [{"type": "item_reference", "id": "msg_1"}]}
    answer = ask(talk.app, "POST", RESPONSES, body)
    assert (answer.status, answer.error["param"]) == (400, "input[0].id")
    assert talk.keeper.asked == asked_before


@pytest.mark.parametrize("id", [None, "", 5, "a b", "\u0000", "x" * 129, "\ud800"])
def test_odd_ids_of_items(id: Any) -> None:
    """They are not kept: the item gets one of ours, as does one without."""
    talk = Talk()
    response = talk.say(input=[USER | {"id": id}])
    ((item, *_),) = talk.keeper.items_of.values()
    assert item.id == f"msg_{response['id'].removeprefix('resp_')}_i0"
    assert json.loads(item.body)["id"] == item.id


def test_a_forced_call_in_a_namespace() -> None:
    """It has both of its names, too."""
    talk = Talk()
    for stream in (False, True):
        space = SPACE | {"tools": [F]}
        response = talk.say(stream=stream, tools=[space], tool_choice="required")
        (call,) = response["output"]
        assert (call["namespace"], call["name"]) == ("n", "f")


def test_counting_what_is_kept() -> None:
    """The tokens of a request that goes on are those of all of it."""
    talk = Talk()
    first = talk.say(input="word " * 100)
    counts = []
    for previous in (None, first["id"]):
        body = {"model": "plain", "input": "hi", "previous_response_id": previous}
        answer = ask(talk.app, "POST", f"{RESPONSES}/input_tokens", body)
        assert answer.json["object"] == "response.input_tokens"
        counts.append(answer.json["input_tokens"])
    assert counts[1] > counts[0] + 50
