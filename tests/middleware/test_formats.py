import json
from typing import Any

import pytest
from support.ollama import Ollama, ask, frames
from support.stack import linted

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "pattern": "^[A-Z]"}},
    "required": ["city"],
}
GOOD, BAD = '{"city": "Paris"}', '{"city": "paris"}'
WHERE = "at city it does not keep 'pattern'"


def asked(path: str, format_: Any, stream: bool = False) -> dict[str, Any]:
    """A request for an answer in a format."""
    said: dict[str, Any] = {"prompt": "hi"}
    if path == CHAT:
        said = {"messages": [{"role": "user", "content": "hi"}]}
    return {"model": "m", **said, "response_format": format_, "stream": stream}


def strict(schema: Any, **fields: Any) -> dict[str, Any]:
    """A format that promises."""
    described = {"name": "n", "strict": True, "schema": schema, **fields}
    return {"type": "json_schema", "json_schema": described}


def speaking(text: str, reason: str = "stop") -> Ollama:
    """An Ollama that says this in pieces, in either dialect."""
    pieces = [text[: len(text) // 2], text[len(text) // 2 :], ""]
    lines = [
        {
            "created_at": "2026-01-02T03:04:05Z",
            "message": {"role": "assistant", "content": piece},
            "response": piece,
            "done": False,
        }
        for piece in pieces
    ]
    lines[-1] |= {"done": True, "done_reason": reason, "eval_count": 3}
    return Ollama(*[json.dumps(line).encode() + b"\n" for line in lines])


@pytest.mark.parametrize("path", [CHAT, TEXT])
@pytest.mark.parametrize(
    ("wanted", "format_"),
    [
        ({"type": "text"}, None),
        ({"type": " JSON_object "}, "json"),
        (strict(SCHEMA), {**SCHEMA, "properties": {"city": {"type": "string"}}}),
        (strict({"anyOf": [{}], "type": "null"}, strict=False), {"type": "null"}),
        (strict(True), {}),
        (strict({}, name=None, description="d"), {}),
        (
            {"type": "json_schema", "json_schema": {"schema": {"type": "null"}}},
            {"type": "null"},
        ),
    ],
)
def test_formats(path: str, wanted: Any, format_: Any) -> None:
    """What Ollama is asked to hold the answer to."""
    ollama = speaking("null", "length")
    assert ask(linted(ollama), "POST", path, asked(path, wanted)).status == 200
    assert ollama.calls[0].json.get("format") == format_


@pytest.mark.parametrize("path", [CHAT, TEXT])
@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        ({"type": "xml"}, "response_format.type"),
        ({"type": "regex", "pattern": "a"}, "response_format.type"),
        ({"type": "grammar", "grammar": "a"}, "response_format.type"),
        ({}, "response_format.type"),
        ({"type": 5}, "response_format.type"),
        ({"type": "json_schema"}, "response_format.json_schema"),
        (strict(None), "response_format.json_schema"),
        (strict([]), "response_format.json_schema.schema"),
        (strict(False), "response_format.json_schema.schema"),
        (strict({"type": "nope"}), "response_format.json_schema.schema"),
        (strict({"type": "nope"}, strict=False), "response_format.json_schema.schema"),
        (strict({"$ref": "http://127.0.0.1:1"}), "response_format.json_schema.schema"),
        (
            strict({"$ref": "http://127.0.0.1:1"}, strict=False),
            "response_format.json_schema.schema",
        ),
        (strict({"$ref": "#/nope"}), "response_format.json_schema.schema"),
        (strict({"pattern": "(?=a)"}), "response_format.json_schema.schema"),
        (strict({}, strict="yes"), "response_format.json_schema.strict"),
    ],
)
def test_bad_formats(path: str, wanted: Any, param: str) -> None:
    """What is no format is refused before anything is sent."""
    ollama = Ollama()
    answer = ask(linted(ollama), "POST", path, asked(path, wanted))
    assert answer.status == 400
    assert answer.error["param"] == param
    assert ollama.calls == []


def text_of(path: str, events: list[Any]) -> str:
    """The text of a stream's chunks."""
    choices = [event["choices"][0] for event in events if "choices" in event]
    if path == CHAT:
        return "".join([choice["delta"].get("content") or "" for choice in choices])
    return "".join([choice["text"] for choice in choices])


@pytest.mark.parametrize("path", [CHAT, TEXT])
def test_a_promise_kept(path: str) -> None:
    """An answer that fits passes, whole and streamed."""
    answer = ask(linted(speaking(GOOD)), "POST", path, asked(path, strict(SCHEMA)))
    assert answer.status == 200
    assert GOOD in json.dumps(answer.json).replace('\\"', '"')
    body = asked(path, strict(SCHEMA), stream=True)
    *events, done = frames(ask(linted(speaking(GOOD)), "POST", path, body).body)
    assert (text_of(path, events), done) == (GOOD, "[DONE]")


@pytest.mark.parametrize("path", [CHAT, TEXT])
def test_a_promise_broken(path: str) -> None:
    """An answer that does not fit is an error that says where, never a success."""
    answer = ask(linted(speaking(BAD)), "POST", path, asked(path, strict(SCHEMA)))
    assert (answer.status, answer.error["type"]) == (502, "api_error")
    assert answer.error["code"] == "bad_upstream_response"
    assert WHERE in answer.error["message"]
    body = asked(path, strict(SCHEMA), stream=True)
    *events, error = frames(ask(linted(speaking(BAD)), "POST", path, body).body)
    assert text_of(path, events) == BAD
    assert all(event["choices"][0]["finish_reason"] is None for event in events)
    assert WHERE in error["error"]["message"]
    assert error["error"]["code"] == "bad_upstream_response"


@pytest.mark.parametrize("path", [CHAT, TEXT])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("wanted", "reason"),
    [(strict(SCHEMA), "length"), (strict(SCHEMA, strict=False), "stop")],
)
def test_no_promise(path: str, stream: bool, wanted: Any, reason: str) -> None:
    """What was cut, or never promised, passes as it is."""
    body = asked(path, wanted, stream)
    answer = ask(linted(speaking(BAD, reason)), "POST", path, body)
    assert answer.status == 200
    assert "error" not in answer.body.decode()


def test_each_choice_keeps_its_promise() -> None:
    """Of several choices each is checked."""
    body = asked(CHAT, strict(SCHEMA)) | {"n": 2}
    assert ask(linted(speaking(GOOD)), body=body).status == 200
    assert ask(linted(speaking(BAD)), body=body).status == 502


def test_calls_are_no_text() -> None:
    """A call of a tool is not what the format speaks of."""
    line = {
        "message": {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"function": {"name": "f", "arguments": {}}}],
        },
        "done": True,
        "done_reason": "stop",
    }
    tools = [{"type": "function", "function": {"name": "f"}}]
    for stream in (False, True):
        ollama = Ollama(json.dumps(line).encode() + b"\n")
        body = asked(CHAT, strict(SCHEMA), stream) | {"tools": tools}
        answer = ask(linted(ollama), body=body)
        assert answer.status == 200
        assert '"error"' not in answer.body.decode()


def test_a_rendered_prompt_is_no_answer() -> None:
    """What ``_debug_render_only`` shows is not checked."""
    for path in (CHAT, TEXT):
        line = b'{"message":{"role":"assistant","content":""},"done":false,'
        line += b'"_debug_info":{"rendered_template":"x"}}'
        body = asked(path, strict(SCHEMA)) | {"_debug_render_only": True}
        answer = ask(linted(Ollama(line)), "POST", path, body)
        assert answer.json["_debug_info"] == {"rendered_template": "x"}
