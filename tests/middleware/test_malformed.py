"""Requests that are wrong, through all layers and endpoints, a WSGI linter in each gap.

Every one gets a 4xx in OpenAI's envelope that names the field, and nothing is sent to
Ollama.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from support.ollama import Answer, Ollama, ask
from support.stack import linted

from app.wire import openai

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
EMBED = "/v1/embeddings"
BOTH = (CHAT, TEXT)
GOOD: dict[str, dict[str, Any]] = {
    CHAT: {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    TEXT: {"model": "m", "prompt": "hi"},
    EMBED: {"model": "m", "input": "hi"},
}
STRUCTS = {
    CHAT: openai.ChatCompletionRequest,
    TEXT: openai.CompletionRequest,
    EMBED: openai.EmbeddingRequest,
}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
#: Where each inner struct sits in a request: its path, a good one, and the request.
INNER: list[tuple[str, type[msgspec.Struct], str, dict[str, Any], Any]] = [
    (
        CHAT,
        openai.Message,
        "messages[1]",
        {"role": "user", "content": "x"},
        lambda it: {"messages": [{"role": "user", "content": "hi"}, it]},
    ),
    (
        CHAT,
        openai.ContentPart,
        "messages[0].content[0]",
        {"type": "text", "text": "x"},
        lambda it: {"messages": [{"role": "user", "content": [it]}]},
    ),
    (
        CHAT,
        openai.ImageURL,
        "messages[0].content[0].image_url",
        {"url": "AAAA"},
        lambda it: {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": it}]}
            ]
        },
    ),
    (
        CHAT,
        openai.InputAudio,
        "messages[0].content[0].input_audio",
        {"data": "AAAA"},
        lambda it: {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "input_audio", "input_audio": it}],
                }
            ]
        },
    ),
    (
        CHAT,
        openai.ToolCall,
        "messages[0].tool_calls[0]",
        CALL,
        lambda it: {"messages": [{"role": "assistant", "tool_calls": [it]}]},
    ),
    (
        CHAT,
        openai.FunctionCall,
        "messages[0].tool_calls[0].function",
        {"name": "f"},
        lambda it: {
            "messages": [{"role": "assistant", "tool_calls": [CALL | {"function": it}]}]
        },
    ),
    (
        CHAT,
        openai.ReasoningDetail,
        "messages[0].reasoning_details[0]",
        {"text": "x"},
        lambda it: {
            "messages": [
                {"role": "assistant", "content": "", "reasoning_details": [it]}
            ]
        },
    ),
    (
        CHAT,
        openai.Tool,
        "tools[0]",
        {"type": "function", "function": {"name": "f"}},
        lambda it: {"tools": [it]},
    ),
    (
        CHAT,
        openai.Function,
        "tools[0].function",
        {"name": "f"},
        lambda it: {"tools": [{"type": "function", "function": it}]},
    ),
    (
        CHAT,
        openai.ResponseFormat,
        "response_format",
        {"type": "text"},
        lambda it: {"response_format": it},
    ),
    (
        TEXT,
        openai.JSONSchema,
        "response_format.json_schema",
        {"schema": {}},
        lambda it: {"response_format": {"type": "json_schema", "json_schema": it}},
    ),
    (
        TEXT,
        openai.StreamOptions,
        "stream_options",
        {"include_usage": True},
        lambda it: {"stream_options": it},
    ),
    (
        CHAT,
        openai.Reasoning,
        "reasoning",
        {"effort": "low"},
        lambda it: {"reasoning": it},
    ),
]
SAMPLES = ["text", 5, 1.5, True, [], {}, [None], [5], [[]], [{}]]


def _misfits(type_: Any) -> Iterator[Any]:
    """Values that are not of a type."""
    for value in SAMPLES:
        try:
            msgspec.convert(value, type_)
        except msgspec.ValidationError:
            yield value


def _mistyped() -> Iterator[Any]:
    for path, struct in STRUCTS.items():
        for field in msgspec.structs.fields(struct):
            for value in _misfits(field.type):
                body = GOOD[path] | {field.encode_name: value}
                name = f"{path} {field.encode_name}={value!r}"
                yield pytest.param(path, body, field.encode_name, id=name)
    for path, struct, place, good, request in INNER:
        for field in msgspec.structs.fields(struct):
            for value in _misfits(field.type):
                body = GOOD[path] | request(good | {field.encode_name: value})
                param = f"{place}.{field.encode_name}"
                yield pytest.param(path, body, param, id=f"{param}={value!r}")
        for value in ("text", 5, True, []):
            if struct is openai.ImageURL and value == "text":
                continue
            body = GOOD[path] | request(value)
            yield pytest.param(path, body, place, id=f"{place}={value!r}")


MISTYPED = list(_mistyped())

IMAGE = "messages[0].content[0].image_url"


def image(url: Any) -> dict[str, Any]:
    """A message with one image."""
    part = {"type": "image_url", "image_url": {"url": url}}
    return {"messages": [{"role": "user", "content": [part]}]}


def said(**message: Any) -> dict[str, Any]:
    """A conversation of one message."""
    return {"messages": [{"role": "user", "content": "hi"} | message]}


def formatted(**wanted: Any) -> dict[str, Any]:
    """A wish for a format."""
    return {"response_format": wanted}


def declared(function: Any) -> dict[str, Any]:
    """A tool."""
    return {"tools": [{"type": "function", "function": function}]}


MISSING = "missing_required_parameter"
TOO_SMALL = "integer_below_min_value"
TOO_LARGE = "integer_above_max_value"
ONE_PART = [{"type": "text", "text": "x"}]
#: Endpoint, what is put into a good request, param, code.
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    *[(path, {"model": None}, "model", MISSING) for path in GOOD],
    *[(path, {"model": ""}, "model", MISSING) for path in GOOD],
    *[(path, {"model": "  "}, "model", MISSING) for path in GOOD],
    *[(path, {"model": "a\r\nb"}, "model", "invalid_value") for path in GOOD],
    *[(path, {"model": "x" * 513}, "model", "invalid_value") for path in GOOD],
    *[(path, {"keep_alive": "soon"}, "keep_alive", "invalid_value") for path in GOOD],
    *[
        (path, {"options": {"num_ctx": "x"}}, "options.num_ctx", "invalid_type")
        for path in GOOD
    ],
    *[(path, {"max_tokens": 0}, "max_tokens", TOO_SMALL) for path in BOTH],
    *[(path, {"max_tokens": 1.5}, "max_tokens", "invalid_type") for path in BOTH],
    *[(path, {"max_tokens": 1e30}, "max_tokens", "invalid_type") for path in BOTH],
    *[(path, {"temperature": 2.5}, "temperature", "invalid_value") for path in BOTH],
    *[(path, {"temperature": -1}, "temperature", "invalid_value") for path in BOTH],
    *[(path, {"top_p": 2}, "top_p", "invalid_value") for path in BOTH],
    *[(path, {"seed": 0.5}, "seed", "invalid_type") for path in BOTH],
    *[(path, {"stop": ["a", 5]}, "stop[1]", "invalid_type") for path in BOTH],
    *[(path, {"stop": [None]}, "stop[0]", "invalid_type") for path in BOTH],
    *[(path, {"think": "hard"}, "think", "invalid_value") for path in BOTH],
    *[(path, {"num_ctx": 0}, "num_ctx", TOO_SMALL) for path in BOTH],
    *[(path, {"min_p": -1}, "min_p", "invalid_value") for path in BOTH],
    *[
        (path, {"frequency_penalty": 3}, "frequency_penalty", "invalid_value")
        for path in BOTH
    ],
    *[
        (path, {"presence_penalty": -3}, "presence_penalty", "invalid_value")
        for path in BOTH
    ],
    *[
        (path, formatted(type="xml"), "response_format.type", "invalid_value")
        for path in BOTH
    ],
    (CHAT, formatted(), "response_format.type", MISSING),
    (CHAT, formatted(type="json_schema"), "response_format.json_schema", MISSING),
    (
        CHAT,
        formatted(type="json_schema", json_schema={"name": "n"}),
        "response_format.json_schema",
        MISSING,
    ),
    (CHAT, {"max_completion_tokens": 0}, "max_completion_tokens", TOO_SMALL),
    (CHAT, {"top_logprobs": -1}, "top_logprobs", TOO_SMALL),
    (CHAT, {"top_logprobs": 21}, "top_logprobs", TOO_LARGE),
    (CHAT, {"top_logprobs": 1.5}, "top_logprobs", "invalid_type"),
    (CHAT, {"reasoning_effort": "extreme"}, "reasoning_effort", "invalid_value"),
    (CHAT, {"reasoning": {"effort": "x"}}, "reasoning.effort", "invalid_value"),
    (CHAT, {"messages": None}, "messages", "invalid_value"),
    (CHAT, {"messages": []}, "messages", "invalid_value"),
    (CHAT, {"messages": [None]}, "messages[0]", "invalid_type"),
    (CHAT, {"messages": [{}]}, "messages[0].role", MISSING),
    (CHAT, {"messages": [{"content": "x"}]}, "messages[0].role", MISSING),
    (CHAT, said(role="robot"), "messages[0].role", "invalid_value"),
    (CHAT, said(content=None), "messages[0].content", "invalid_type"),
    (CHAT, said(content=[]), "messages[0].content", "invalid_value"),
    (CHAT, said(content=ONE_PART * 1025), "messages[0].content", "invalid_value"),
    (CHAT, said(content=[None]), "messages[0].content[0]", "invalid_type"),
    (CHAT, said(content=["x"]), "messages[0].content[0]", "invalid_type"),
    (CHAT, said(content=[{}]), "messages[0].content[0].type", MISSING),
    (
        CHAT,
        said(content=[{"type": "x"}]),
        "messages[0].content[0].type",
        "invalid_value",
    ),
    (CHAT, said(content=[{"type": "text"}]), "messages[0].content[0]", "invalid_type"),
    (CHAT, image(""), IMAGE, "invalid_image"),
    (CHAT, image("http://x/y.png"), IMAGE, "invalid_image"),
    (CHAT, image("/etc/passwd"), IMAGE, "invalid_image"),
    (CHAT, image("file:///x"), IMAGE, "invalid_image"),
    (CHAT, image("data:text/html;base64,AAAA"), IMAGE, "invalid_image"),
    (CHAT, image("data:image/png;base64,A"), IMAGE, "invalid_image"),
    (CHAT, image("!"), IMAGE, "invalid_image"),
    (CHAT, image(None), f"{IMAGE}.url", "invalid_type"),
    (
        CHAT,
        said(content=[{"type": "input_audio", "input_audio": {}}]),
        "messages[0].content[0].input_audio.data",
        MISSING,
    ),
    (
        CHAT,
        said(content=[{"type": "file", "file": {"file_id": "f"}}]),
        "messages[0].content[0].file",
        "unsupported_value",
    ),
    (
        CHAT,
        said(tool_calls=[{}]),
        "messages[0].tool_calls[0].function",
        MISSING,
    ),
    (
        CHAT,
        said(tool_calls=[{"function": {}}]),
        "messages[0].tool_calls[0].function.name",
        MISSING,
    ),
    (
        CHAT,
        said(tool_calls=[{"function": {"name": "f", "arguments": "["}}]),
        "messages[0].tool_calls[0].function.arguments",
        "invalid_value",
    ),
    (CHAT, {"tools": [{}]}, "tools[0].type", MISSING),
    (CHAT, {"tools": [None]}, "tools[0]", "invalid_type"),
    (CHAT, {"tools": [{"type": "function"}]}, "tools[0].function", MISSING),
    (CHAT, declared({}), "tools[0].function.name", MISSING),
    (CHAT, declared({"name": ""}), "tools[0].function.name", MISSING),
    (CHAT, declared({"name": None}), "tools[0].function.name", "invalid_type"),
    (
        CHAT,
        declared({"name": "f", "parameters": {"properties": []}}),
        "tools[0].function.parameters.properties",
        "invalid_type",
    ),
    (CHAT, {"tools": [{"type": "x"}] * 1025}, "tools", "invalid_value"),
    (TEXT, {"prompt": None}, "prompt", MISSING),
    (TEXT, {"prompt": ""}, "prompt", MISSING),
    (TEXT, {"prompt": []}, "prompt", MISSING),
    (TEXT, {"prompt": ["a", ""]}, "prompt[1]", MISSING),
    (TEXT, {"prompt": [""]}, "prompt[0]", MISSING),
    (TEXT, {"prompt": ["a", 1]}, "prompt", "invalid_type"),
    (TEXT, {"prompt": ["a"] * 129}, "prompt", "invalid_value"),
    (TEXT, {"prompt": [1, 2]}, "prompt", "unsupported_value"),
    (TEXT, {"prompt": [[1]]}, "prompt", "unsupported_value"),
    (TEXT, {"prompt": 5}, "prompt", "invalid_type"),
    (TEXT, {"prompt": True}, "prompt", "invalid_type"),
    (TEXT, {"prompt": {}}, "prompt", "invalid_type"),
    (TEXT, {"logprobs": 6}, "logprobs", TOO_LARGE),
    (TEXT, {"logprobs": -1}, "logprobs", TOO_SMALL),
    (TEXT, {"logprobs": 0.5}, "logprobs", "invalid_type"),
    (EMBED, {"input": None}, "input", "invalid_value"),
    (EMBED, {"input": []}, "input", "invalid_value"),
    (EMBED, {"input": 5}, "input", "invalid_type"),
    (EMBED, {"input": {}}, "input", "invalid_type"),
    (EMBED, {"input": [None]}, "input", "invalid_type"),
    (EMBED, {"input": ["a", 5.5]}, "input", "invalid_type"),
    (EMBED, {"input": [[]]}, "input", "invalid_type"),
    (EMBED, {"input": [1, 2]}, "input", "unsupported_value"),
    (EMBED, {"input": [[1], [2]]}, "input", "unsupported_value"),
    (EMBED, {"input": ["a"] * 2049}, "input", "invalid_value"),
    (EMBED, {"dimensions": 0}, "dimensions", TOO_SMALL),
    (EMBED, {"dimensions": 0.5}, "dimensions", "invalid_type"),
    (EMBED, {"encoding_format": "int8"}, "encoding_format", "invalid_value"),
]

#: Texts that other tools match on; they need not name the field.
VERBATIM = (
    "[] is too short - 'messages'",
    "invalid message format",
    "invalid message content type: null",
    "invalid image input",
    "image URLs are not currently supported",
    "invalid input",
    "invalid input_audio format",
    "invalid tool call arguments",
    "invalid model name",
    "invalid reasoning value",
    "invalid think value",
    "Only text files",
    "arrays of prompts are not supported",
    "token array",
    "Invalid value: ",
    "Too many",
)


def asked(path: str, body: Any) -> Answer:
    """The answer to a request that must not reach Ollama."""
    ollama = Ollama()
    answer = ask(linted(ollama), "POST", path, body)
    assert ollama.calls == []
    assert 400 <= answer.status < 500
    assert answer.headers["x-request-id"]
    assert len(answer.body) <= 8 * 1024
    return answer


def test_there_are_enough() -> None:
    """The tables are long."""
    assert len(WRONG) >= 120
    assert len(MISTYPED) >= 400


@pytest.mark.parametrize(("path", "body", "param"), MISTYPED)
def test_a_wrong_type(path: str, body: dict[str, Any], param: str) -> None:
    """Every known field has its type, and a 400 names the one that has not."""
    error = asked(path, body).error
    assert error["type"] == "invalid_request_error"
    assert error["param"].startswith(param)
    if error["message"] != "invalid message format":
        assert f"'{error['param']}'" in error["message"]
    # A list of the right kind may hold, or lack, what is wrong.
    assert error["code"] in ("invalid_type", MISSING)


@pytest.mark.parametrize(
    ("path", "fields", "param", "code"),
    WRONG,
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_value(path: str, fields: Any, param: str, code: str) -> None:
    """Each wrong value gets its param and code, and a message that names the field."""
    error = asked(path, GOOD[path] | fields).error
    assert (error["param"], error["code"]) == (param, code)
    assert error["type"] == "invalid_request_error"
    if not error["message"].startswith(VERBATIM):
        assert param in error["message"]


@pytest.mark.parametrize("path", GOOD)
def test_good_requests_are_good(path: str) -> None:
    """What the tables put their mistakes into is without one."""
    ollama = Ollama()
    assert ask(linted(ollama), "POST", path, GOOD[path]).status == 200
    assert len(ollama.calls) == 1


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (path, field.encode_name)
        for path, struct in STRUCTS.items()
        for field in msgspec.structs.fields(struct)
        if field.encode_name not in GOOD[path]
    ],
)
def test_null_is_absent(path: str, field: str) -> None:
    """null in any field is as if it were not there."""
    calls = []
    for body in (GOOD[path], GOOD[path] | {field: None}):
        ollama = Ollama()
        answer = ask(linted(ollama), "POST", path, body)
        assert answer.status == 200
        assert "X-Pannier-Ignored" not in answer.headers
        calls.append(ollama.calls[0].json)
    assert calls[0] == calls[1]


@pytest.mark.parametrize("path", GOOD)
def test_unknown_fields_are_named(path: str) -> None:
    """A field that nobody knows does no harm and is named to the client."""
    fields = {"api_base": "http://evil", "a\r\nX-Evil: 1": 1, "\U0001f600": 2}
    ollama = Ollama()
    answer = ask(linted(ollama), "POST", path, GOOD[path] | fields)
    assert answer.status == 200
    assert answer.headers["X-Pannier-Ignored"] == "api_base, a__X-Evil__1, _"
    assert b"evil" not in ollama.calls[0].body


@pytest.mark.parametrize("path", GOOD)
def test_ten_thousand_unknown_fields(path: str) -> None:
    """However many, the answer is whole and its header short."""
    fields = {f"field_{number}": number for number in range(10_000)}
    answer = ask(linted(Ollama()), "POST", path, GOOD[path] | fields)
    assert answer.status == 200
    assert len(answer.headers["X-Pannier-Ignored"]) <= 1024


def test_a_very_long_place_is_cut() -> None:
    """An error is small, whatever the client named its property."""
    schema = {"properties": {"\x01" * 100_000: 5}}
    error = asked(
        CHAT, GOOD[CHAT] | declared({"name": "f", "parameters": schema})
    ).error
    assert error["param"].startswith("tools[0].function.parameters.properties")


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "multipart/form-data; boundary=x"},
        {"Content_Type": "Multipart/Mixed"},
        {"Content_Encoding": "gzip"},
        {"Content_Encoding": "x"},
    ],
    ids=str,
)
def test_media_that_are_not_read(path: str, headers: Any) -> None:
    """Forms and compressed bodies are refused before they are read."""
    answer = ask(linted(Ollama()), "POST", path, b"not read", **headers)
    assert (answer.status, answer.error["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("path", GOOD)
def test_a_body_that_is_too_large(path: str) -> None:
    """Beyond the setting it is a 413."""
    app = linted(Ollama(), max_body_bytes=1024)
    answer = ask(app, "POST", path, b" " * 1025)
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert ask(app, "POST", path, GOOD[path]).status == 200


@pytest.mark.parametrize(
    "type_", ["", "text/plain", "application/x-www-form-urlencoded"]
)
def test_the_content_type_is_not_looked_at(type_: str) -> None:
    """curl -d sends a form's type; the body is JSON all the same."""
    answer = ask(linted(Ollama()), "POST", CHAT, GOOD[CHAT], Content_Type=type_)
    assert answer.status == 200
