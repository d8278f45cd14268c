"""Whatever arrives at an endpoint, the answer is valid: a result, or an error.

Hypothesis makes requests of the structs' own types, with values that mean something
here and there, and puts junk into random places.
"""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
from anthropic.types import Message
from hypothesis import given, note, settings
from hypothesis import strategies as st
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.audio import Transcription, TranscriptionVerbose
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from support import messages
from support.able import MODELS, Able
from support.anything import (
    CHAT,
    EMBED,
    GOOD,
    MESSAGES,
    NAMED,
    RESPONSES,
    STRUCTS,
    TEXT,
    requests,
)
from support.events import accepted, check_response, events
from support.keeping import FakeKeeper
from support.ollama import CHAT as A_CHAT
from support.ollama import EMBED as VECTORS
from support.ollama import GENERATE as A_TEXT
from support.ollama import Answer, Ollama, ask
from support.pictures import PNG
from support.plausible import Plausible
from support.recordings import FORM, form, wav
from support.stack import linted

from app.errors import UpstreamRefused
from app.wire import openai

AUDIO = "/v1/audio/transcriptions"
#: Ways to run Pannier that change what becomes of a request.
WAYS: list[dict[str, Any]] = [
    {},
    {"strict": True, "context": "strict", "think_unsupported": "error"},
    {"context": "auto", "max_num_ctx": 8192, "tool_choice": "hint", "think": "off"},
    {
        "reasoning_field": "think_tags",
        "completions_raw": "auto",
        "embedding_batch": 2,
        "aliases": "gpt-*=switched",
        "openai_defaults": False,
    },
    {"legacy": True},
]

# ------------------------------------------------------------------ the answers


def checked(path: str, answer: Answer, *, calm: bool = True) -> str:
    """What kind of answer it is; fails for one that is none.

    ``calm`` says that nothing is wrong with Ollama.
    """
    assert answer.headers["x-request-id"]
    if answer.status != 200:
        _check_error(answer.status, _error(path, answer), calm)
        assert len(answer.body) <= 8 * 1024
        return "refused" if answer.status < 500 else "failed"
    if answer.headers["Content-Type"] == "text/event-stream":
        return _check_stream(path, answer, calm)
    if answer.json.get("object") == "pannier.explanation":
        assert answer.json["requests"]
        return "explained"
    if "_debug_info" in answer.json:
        return "rendered"
    _WHOLE[path](answer.body)
    return "answered"


def _error(path: str, answer: Answer) -> dict[str, Any]:
    return _codes(answer.json) if path == MESSAGES else answer.error


def _codes(envelope: dict[str, Any]) -> dict[str, Any]:
    """Anthropic's envelope with the keys of OpenAI's, as far as it tells them."""
    assert envelope["type"] == "error"
    assert envelope["request_id"]
    message, kind = envelope["error"]["message"], envelope["error"]["type"]
    known = {"api_error", "invalid_request_error", "not_found_error"}
    assert kind in known | {"overloaded_error", "timeout_error", "request_too_large"}
    code = "internal_error" if "internal error" in message else "bad_upstream_response"
    return {"message": message, "type": kind, "param": None, "code": code}


def _check_error(status: int, error: dict[str, Any], calm: bool) -> None:
    assert list(error) == ["message", "type", "param", "code"]
    assert error["message"]
    assert error["code"]
    assert error["code"] != "internal_error", error
    if calm and status >= 500:
        # The one thing that may go wrong: a model that does not keep to a promise.
        assert (status, error["code"]) == (502, "bad_upstream_response"), error
        assert "The model did not" in error["message"], error
    assert 400 <= status < 500 or status in (500, 502, 503, 504, 529)


def _check_stream(path: str, answer: Answer, calm: bool) -> str:
    if path == RESPONSES:
        return _check_response_stream(answer, calm)
    if path == MESSAGES:
        return _check_message_stream(answer, calm)
    *events, last = answer.frames
    if last != "[DONE]":
        _check_error(502 if calm else 500, last["error"], calm)
    assert all("error" not in event for event in events)
    for event in events:
        _CHUNK[path](event)
    return "streamed" if last == "[DONE]" else "broken off"


def _check_response_stream(answer: Answer, calm: bool) -> str:
    found = events(answer)
    accepted(found)
    error = found[-1]["response"]["error"]
    if error is None:
        return "streamed"
    envelope = {"message": error["message"], "type": error["type"], "param": None}
    _check_error(502 if calm else 500, envelope | {"code": error["code"]}, calm)
    return "broken off"


def _check_message_stream(answer: Answer, calm: bool) -> str:
    message, failed = messages.followed(messages.events(answer))
    if failed is None:
        assert message is not None
        return "streamed"
    _check_error(502 if calm else 500, _codes(failed), calm)
    return "broken off"


def _message(body: bytes) -> None:
    Message.model_validate_json(body, strict=True)


def _response(body: bytes) -> None:
    check_response(json.loads(body))


def _whole_chat(body: bytes) -> None:
    chat = ChatCompletion.model_validate_json(body, strict=True)
    assert [choice.index for choice in chat.choices] == list(range(len(chat.choices)))


def _chunk_of_chat(event: Any) -> None:
    for choice in event["choices"]:
        for call in choice["delta"].get("tool_calls", ()):
            # OpenAI streams custom calls, of which its types do not know.
            if call.get("type") == "custom":
                call["type"] = "function"
    ChatCompletionChunk.model_validate_json(json.dumps(event), strict=True)


def _whole_text(body: bytes) -> None:
    _completion(json.loads(body))


def _chunk_of_text(event: Any) -> None:
    for choice in event["choices"]:
        # The types are those of whole answers.
        choice["finish_reason"] = choice["finish_reason"] or "stop"
    _completion(event)


def _completion(answer: Any) -> None:
    for choice in answer["choices"]:
        if logprobs := choice.get("logprobs"):
            # null is in the documentation and not in the types.
            logprobs["top_logprobs"] = [top or {} for top in logprobs["top_logprobs"]]
    Completion.model_validate_json(json.dumps(answer), strict=True)


def _embeddings(body: bytes) -> None:
    answer = json.loads(body)
    for number, one in enumerate(answer["data"]):
        assert one["index"] == number
        if isinstance(one["embedding"], str):  # which the SDK itself decodes
            one["embedding"] = []
    CreateEmbeddingResponse.model_validate_json(json.dumps(answer), strict=True)


_WHOLE: dict[str, Callable[[bytes], None]] = {
    CHAT: _whole_chat,
    TEXT: _whole_text,
    EMBED: _embeddings,
    RESPONSES: _response,
    MESSAGES: _message,
}
_CHUNK = {CHAT: _chunk_of_chat, TEXT: _chunk_of_text}


# ------------------------------------------------------------------ Ollama

_REFUSALS = [
    "400 Bad Request",
    "404 Not Found",
    "500 Internal Server Error",
    "503 Service Unavailable",
    "202 Accepted",
    "301 Moved Permanently",
]
_SAID = b'{"message":{"role":"assistant",'
FUNCTION = {"type": "function", "name": "f"}
#: What an Ollama may say, and what none should.
BLOCKS = {
    CHAT: [
        A_CHAT,
        A_CHAT,
        A_CHAT[:40],
        _SAID + b'"content":"{\\"a\\": "},"done":false}\n',
        _SAID + b'"content":"x"},"logprobs":[{"token":"x","logprob":-1}]}\n',
        _SAID + b'"tool_calls":[{"function":{"name":"f"}}]}}\n',
        _SAID + b'"tool_calls":[{"function":{"name":"","arguments":"x"}}]}}\n',
        _SAID + b'"content":null,"thinking":"hm"},"created_at":5}\n',
        _SAID + b'"content":5},"done":true}\n',
        b'{"message":null,"done":true,"done_reason":"load"}\n',
        b'{"message":{"thinking":"hm"},"done":false}\n',
    ],
    TEXT: [
        A_TEXT,
        A_TEXT,
        A_TEXT[:40],
        b'{"response":"x","thinking":"y","done":false}\n',
        b'{"response":"x","logprobs":[{"token":"x","logprob":-1}]}\n',
        b'{"response":"\\ud800","done":true,"eval_count":-1}\n',
        b'{"response":null,"done":true,"done_reason":"length"}\n',
        b'{"response":[],"done":true}\n',
    ],
    EMBED: [
        VECTORS,
        VECTORS,
        VECTORS[:30],
        b'{"embeddings":[[0.5,null]]}',
        b'{"embeddings":[[1e999]]}',
        b'{"embeddings":[[1e39]]}',
        b'{"embeddings":[["x"]]}',
        b'{"embeddings":[5]}',
        b'{"embeddings":[[]]}',
        b'{"embeddings":[]}',
        b'{"embeddings":null}',
    ],
}
ODD = [
    b'{"done":true,"prompt_eval_count":1e999}\n',
    b'{"done":true,"created_at":"never","logprobs":[{}]}\n',
    b'{"done":true,"logprobs":[{"token":"a","logprob":-1,"bytes":null}]}\n',
    b'{"error":"model runner has unexpectedly stopped"}\n',
    b'{"error":{"message":"x"}}\n',
    b"[]\n",
    b"null\n",
    b"<html>",
    b"\n\n",
    b"",
]
BLOCKS[RESPONSES] = BLOCKS[MESSAGES] = BLOCKS[CHAT]
TOOL = {"name": "f", "input_schema": {"type": "object"}}
#: What is asked of such an Ollama.
WISHES: dict[str, list[dict[str, Any]]] = {
    CHAT: [
        {},
        {"n": 2},
        {"logprobs": True, "top_logprobs": 1},
        {"tools": [NAMED], "tool_choice": "required"},
        {"functions": [{"name": "f"}], "stream_options": {"include_usage": True}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"schema": {"type": "object"}, "strict": True},
            }
        },
    ],
    TEXT: [{}, {"n": 2, "best_of": 3}, {"prompt": ["a", "b"]}, {"logprobs": 1}],
    EMBED: [{}, {"encoding_format": "base64"}, {"input": ["a"]}, {"input": ["a", "b"]}],
    MESSAGES: [
        {},
        {"thinking": {"type": "enabled", "display": "omitted"}},
        {"tools": [TOOL], "tool_choice": {"type": "any"}},
        {"tools": [TOOL, NAMED], "tool_choice": {"type": "any"}},
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"output_format": {"type": "json_schema", "schema": {"type": "object"}}},
    ],
    RESPONSES: [
        {},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 1},
        {"tools": [FUNCTION], "tool_choice": "required"},
        {"tools": [FUNCTION], "parallel_tool_calls": False},
        {"text": {"format": {"type": "json_object"}}},
        {
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "s",
                    "schema": {"type": "object"},
                    "strict": True,
                }
            }
        },
    ],
}

# ------------------------------------------------------------------ the stacks


class Known(Able):
    """Some models are there, and no others."""

    def __call__(self, method: str, path: str, payload: Any, timeout: float) -> bytes:
        """One call."""
        if path == "/api/show" and payload.model not in MODELS:
            raise UpstreamRefused("not found", status=404)
        return super().__call__(method, path, payload, timeout)


class Changing:
    """Whatever Ollama there is now."""

    now: WSGIApplication

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass one call on."""
        return self.now(environ, start_response)


@pytest.fixture(autouse=True)
def _without_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Token arrays are refused, whether tiktoken is there or not."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)


@pytest.mark.parametrize("path", STRUCTS)
def test_e3_any_request(path: str) -> None:
    """However a request is made, the answer is a result or a 4xx that says why."""
    ollama, kinds = Changing(), Counter[str]()
    keeper = FakeKeeper()
    apps = [linted(ollama, control=Known(), keeper=keeper, **way) for way in WAYS]

    @settings(max_examples=800)
    @given(requests(path), st.sampled_from(apps), st.integers(0, 9))
    def one(request: tuple[bytes, Any], app: Any, explain: int) -> None:
        ollama.now = stand_in = Plausible()
        headers = {"X_Pannier_Explain": "1"} if explain == 0 else {}
        note(f"{request[0]!r} to {WAYS[apps.index(app)]}")
        answer = ask(app, "POST", path, request[0], **headers)
        kind = checked(path, answer)
        kinds[kind] += 1
        if kind in ("refused", "explained"):
            assert stand_in.calls == []

    one()
    assert kinds["answered"] + kinds["streamed"] >= 60, kinds
    assert kinds["refused"] >= 60, kinds


@pytest.mark.parametrize("path", STRUCTS)
def test_u4_u7_any_answer(path: str) -> None:
    """Whatever Ollama says, the answer is a result or an error that says why."""
    ollama, kinds = Changing(), Counter[str]()
    app = linted(ollama, control=Known())

    @settings(max_examples=400)
    @given(
        st.sampled_from([[block] for block in BLOCKS[path]])
        | st.lists(st.sampled_from(BLOCKS[path] * 3 + ODD) | st.binary(max_size=9)),
        st.sampled_from(["200 OK"] * 8 + _REFUSALS),
        st.sampled_from(WISHES[path]),
        st.booleans(),
    )
    def one(blocks: list[bytes], status: str, wish: Any, stream: bool) -> None:
        ollama.now = Ollama(*blocks or [b""], status=status)
        request = GOOD[path] | wish | ({} if path == EMBED else {"stream": stream})
        note(f"{request} answered by {status} {blocks}")
        answer = ask(app, "POST", path, request)
        kinds[checked(path, answer, calm=False)] += 1

    one()
    assert kinds["failed"] >= 30, kinds
    assert kinds["answered"] + kinds["streamed"] >= 20, kinds
    assert path == EMBED or kinds["broken off"] >= 10, kinds


@given(
    st.dictionaries(
        st.sampled_from([*openai.TranscriptionRequest.__struct_fields__, "x", "a[]"]),
        st.sampled_from(["json", "text", "verbose_json", "srt", "0", "1.5", "true"])
        | st.text(max_size=8),
        max_size=4,
    ),
    st.none() | st.sampled_from([wav(), b"", PNG]) | st.binary(max_size=20),
    st.sampled_from(["m", "hearing", "plain", "", "a\nb"]),
)
def test_e3_any_recording(
    fields: dict[str, str], file: bytes | None, model: str
) -> None:
    """Whatever a form holds, there is a transcription or a 4xx that says why."""
    parts: dict[str, Any] = {"model": model, **fields}
    if file is not None:
        parts["file"] = file
    app = linted(Plausible(), control=Known())
    answer = ask(app, "POST", AUDIO, form(*parts.items()), Content_Type=FORM)
    if answer.status != 200:
        _check_error(answer.status, answer.error, calm=True)
    elif parts.get("response_format") == "text":
        assert answer.headers["Content-Type"].startswith("text/plain")
    elif parts.get("response_format") == "verbose_json":
        TranscriptionVerbose.model_validate_json(answer.body, strict=True)
    else:
        Transcription.model_validate_json(answer.body, strict=True)


@pytest.mark.parametrize("path", [*STRUCTS, AUDIO])
@given(st.binary(max_size=30), st.sampled_from(["application/json", FORM, "", "a/b"]))
def test_e3_any_bytes(path: str, body: bytes, type_: str) -> None:
    """Bytes that are no request are a 4xx."""
    stand_in = Plausible()
    answer = ask(linted(stand_in), "POST", path, body, Content_Type=type_)
    _check_error(answer.status, _error(path, answer), calm=True)
    assert stand_in.calls == []
