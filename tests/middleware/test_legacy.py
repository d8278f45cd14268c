"""The older behaviour: each difference of the table, with the switch and without."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.ollama import Answer, Ollama, ask, frames
from support.stack import linted
from support.writing import lines

from middleware.legacy import DIFFERENCES

ROOT = Path(__file__).resolve().parents[2]
CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
HI: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PROMPT: dict[str, Any] = {"model": "m", "prompt": "hi"}
TIME = "2026-01-02T03:04:05.678Z"
END = {
    "created_at": TIME,
    "done": True,
    "done_reason": "length",
    "prompt_eval_count": 7,
    "eval_count": 3,
}
CALL = {"function": {"name": "f", "arguments": {"a": 1}}}


def called(path: str, request: dict[str, Any], *, legacy: bool) -> Any:
    """The native call that a request becomes."""
    ollama = Ollama()
    answer = ask(linted(ollama, legacy=legacy), "POST", path, request)
    assert answer.status == 200, answer.body
    return ollama.calls[0].json


def said(text: str, **more: Any) -> dict[str, Any]:
    """A line of a chat."""
    return {
        "created_at": TIME,
        "message": {"role": "assistant", "content": text} | more,
    }


def asked(request: dict[str, Any], *replies: Any, legacy: bool = True) -> Answer:
    """The answer to a chat when Ollama says these lines."""
    ollama = Ollama(lines(*replies))
    return ask(linted(ollama, legacy=legacy), "POST", CHAT, HI | request)


@pytest.mark.parametrize(
    ("path", "request_", "old", "new"),
    [
        (CHAT, {"temperature": 0.7}, {"temperature": 1.4}, {"temperature": 0.7}),
        (CHAT, {"temperature": 2}, {"temperature": 4}, {"temperature": 2}),
        (CHAT, {}, {"temperature": 1.0, "top_p": 1.0}, {"temperature": 1.0}),
        (CHAT, {"frequency_penalty": 1}, {"frequency_penalty": 2}, {}),
        (CHAT, {"presence_penalty": 1}, {"presence_penalty": None}, {}),
        (CHAT, {"max_completion_tokens": 5}, {"num_predict": None}, {}),
        (CHAT, {"max_tokens": 5}, {"num_predict": 5}, {"num_predict": 5}),
        (TEXT, {"temperature": 0.7}, {"temperature": 1.4}, {"temperature": 0.7}),
        (TEXT, {"presence_penalty": 1}, {"presence_penalty": 2}, {}),
        (
            TEXT,
            {},
            {"frequency_penalty": 0, "presence_penalty": 0},
            {"frequency_penalty": None, "presence_penalty": None},
        ),
        (TEXT, {"top_p": 0}, {"top_p": 1}, {"top_p": 0}),
    ],
)
def test_options(
    path: str, request_: dict[str, Any], old: dict[str, Any], new: dict[str, Any]
) -> None:
    """What the older layer made of sampling, beside what is made of it now."""
    base = HI if path == CHAT else PROMPT
    for legacy, wanted in ((True, old), (False, new)):
        options = called(path, base | request_, legacy=legacy)["options"]
        assert {name: options.get(name) for name in wanted} == wanted


def test_formats() -> None:
    """Only ``json_object`` counted."""
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
    assert "format" not in called(CHAT, HI | {"response_format": schema}, legacy=True)
    plain = {"response_format": {"type": "json_object"}}
    assert called(CHAT, HI | plain, legacy=True)["format"] == "json"


def test_tools() -> None:
    """Tools were offered whatever ``tool_choice`` said, functions were not known."""
    function = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    tools = [{"type": "function", "function": function}]
    request = HI | {"tools": tools, "tool_choice": "required"}
    call = called(CHAT, request, legacy=True)
    assert (call["tools"], "format" in call) == (tools, False)
    assert "tools" not in called(CHAT, HI | {"functions": [function]}, legacy=True)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CHAT, {"_debug_render_only": True}),
        (TEXT, {"_debug_render_only": True}),
        (TEXT, {"best_of": 3}),
        (TEXT, {"echo": True}),
    ],
)
def test_fields_that_came_later(path: str, fields: dict[str, Any]) -> None:
    """What nobody knew then makes no difference."""
    base = HI if path == CHAT else PROMPT
    answers = []
    for request in (base, base | fields):
        ollama = Ollama()
        answer = ask(linted(ollama, legacy=True), "POST", path, request)
        answers.append((answer.json["choices"], [call.json for call in ollama.calls]))
    assert answers[0] == answers[1]


@pytest.mark.parametrize("path", [CHAT, TEXT])
def test_several_choices(path: str) -> None:
    """They came later, too, and are told as the one choice was."""
    base = HI if path == CHAT else PROMPT
    app = linted(Ollama(), legacy=True)
    (one,) = ask(app, "POST", path, base).json["choices"]
    answer = ask(app, "POST", path, base | {"n": 2}).json
    assert answer["choices"] == [one, one | {"index": 1}]
    assert answer["usage"]["total_tokens"] == 7 + 3 + 3


def test_parts() -> None:
    """Each part of a content was a message of its own."""
    content = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    request = {"model": "m", "messages": [{"role": "user", "content": content}]}
    assert called(CHAT, request, legacy=True)["messages"] == [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
    ]
    assert len(called(CHAT, request, legacy=False)["messages"]) == 1


def test_images_beside_parts() -> None:
    """A message's own images go with its last part, once."""
    content = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    message = {"role": "user", "content": content, "images": ["/9j/"]}
    request = {"model": "m", "messages": [message]}
    assert called(CHAT, request, legacy=True)["messages"] == [
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b", "images": ["/9j/"]},
    ]
    (one,) = called(CHAT, request, legacy=False)["messages"]
    assert one["images"] == ["/9j/"]


def test_a_stream() -> None:
    """A role and the time in every chunk, the raw reason in the last; no usage."""
    request = {"stream": True, "stream_options": {"include_usage": True}}
    events = frames(
        asked(
            request,
            said("a", thinking="hm"),
            said("b", tool_calls=[CALL]),
            said("") | END,
        ).body
    )
    assert events[-1] == "[DONE]"
    assert [event["choices"][0] for event in events[:-1]] == [
        {
            "index": 0,
            "delta": {"role": "assistant", "content": text},
            "finish_reason": reason,
        }
        for text, reason in (("a", None), ("b", None), ("", "length"))
    ]
    assert {tuple(event) for event in events[:-1]} == {
        ("id", "object", "created", "model", "system_fingerprint", "choices")
    }
    assert events[0]["created"] > 1767323045  # now, not Ollama's time


def test_a_whole_answer() -> None:
    """A text beside calls stays a string, any call is ``tool_calls``, nothing else."""
    answer = asked({}, said("", thinking="hm", tool_calls=[CALL]) | END).json
    choice = answer["choices"][0]
    calls = choice["message"].pop("tool_calls")
    assert choice == {
        "index": 0,
        "message": {"role": "assistant", "content": ""},
        "finish_reason": "tool_calls",
    }
    assert calls[0]["function"] == {"name": "f", "arguments": '{"a":1}'}
    assert set(calls[0]) == {"id", "type", "function"}
    assert answer["usage"]["total_tokens"] == 10


@pytest.mark.parametrize(("reason", "told"), [("load", "load"), ("", None)])
def test_reasons(reason: str, told: str | None) -> None:
    """Ollama's own word is passed on; nothing is ``null``."""
    answer = asked({}, said("a") | END | {"done_reason": reason}).json
    assert answer["choices"][0]["finish_reason"] == told


@pytest.mark.parametrize("stream", [False, True])
def test_errors(stream: bool) -> None:
    """An error of Ollama's kept its status; its type was always the server's."""
    ollama = Ollama(b'{"error":"model \'m\' not found"}', status="404 Not Found")
    request = HI | {"stream": stream}
    old = ask(linted(ollama, legacy=True), "POST", CHAT, request)
    assert (old.status, old.error) == (
        404,
        {
            "message": "model 'm' not found",
            "type": "api_error",
            "param": None,
            "code": None,
        },
    )
    new = ask(linted(ollama), "POST", CHAT, request)
    assert (new.error["type"], new.error["code"]) == (
        "not_found_error",
        "model_not_found",
    )


def test_an_error_in_a_stream() -> None:
    """What breaks a stream is told: that silence is not restored."""
    answer = asked({"stream": True}, said("a"), {"error": "broken"})
    assert frames(answer.body)[-1]["error"]["message"] == "broken"


def test_completions() -> None:
    """The older completion: no log probabilities, the reason in the last chunk."""
    reply = {"created_at": TIME, "response": "a"}
    ollama = Ollama(lines(reply, {"response": ""} | END))
    app = linted(ollama, legacy=True)
    events = frames(ask(app, "POST", TEXT, PROMPT | {"stream": True}).body)
    assert [event["choices"][0] for event in events[:-1]] == [
        {"text": "a", "index": 0, "finish_reason": None},
        {"text": "", "index": 0, "finish_reason": "length"},
    ]
    whole = ask(app, "POST", TEXT, PROMPT | {"logprobs": 1}).json
    assert whole["choices"] == [{"text": "a", "index": 0, "finish_reason": "length"}]
    assert "logprobs" not in json.loads(ollama.calls[-1].body)


def test_the_table() -> None:
    """docs/legacy.md shows the table of the code, old beside new."""
    page = (ROOT / "docs" / "legacy.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert rows[1:] == [f"| {d.where} | {d.old} | {d.new} |" for d in DIFFERENCES]


def test_what_is_lost_is_named() -> None:
    """What the older layer lost without a word has no effect, but is named."""
    request = HI | {"presence_penalty": 1, "tool_choice": "auto", "max_tokens": 5}
    answer = ask(linted(Ollama(), legacy=True), "POST", CHAT, request)
    assert answer.headers["X-Pannier-Ignored"] == "presence_penalty, tool_choice"
    answer = ask(linted(Ollama(), legacy=True), "POST", TEXT, PROMPT | {"echo": True})
    assert answer.headers["X-Pannier-Ignored"] == "echo"
