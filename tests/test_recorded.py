"""Every answer that a real Ollama was seen to give, through the writer it is for.

However the bytes are cut, what a client gets is the same, valid, complete in the
dialect's way, and says what Ollama said.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import pytest
from support.ollama import Answer, Ollama, ask

import app.wire.ollama
import writers.conversation
import writers.generation
from app.exchange import Exchange
from middleware.errors import ErrorMiddleware
from writers.base import ResponseWriter
from writers.chat import ChatWriter
from writers.completion import CompleteWriter
from writers.embed import EmbedWriter
from writers.list import ListWriter
from writers.retrieve import RetrieveWriter

FOLDER = Path(__file__).parent / "fixtures" / "ollama"


class Recording(NamedTuple):
    """One recorded answer."""

    name: str
    path: str
    status: int
    stream: bool
    body: bytes
    #: How many vectors were asked for, where vectors are the answer.
    inputs: int


def _recordings() -> Iterator[Recording]:
    for folder in sorted(path.parent for path in FOLDER.glob("*/response.json")):
        request = json.loads((folder / "request.json").read_text())
        response = json.loads((folder / "response.json").read_text())
        (body,) = folder.glob("body.*")
        if request["method"] == ("GET" if request["path"] == "/api/tags" else "POST"):
            yield Recording(
                folder.name,
                request["path"],
                response["status"],
                body.suffix == ".ndjson",
                body.read_bytes(),
                len(json.loads(body.read_bytes()).get("embeddings") or ())
                if "embed" in folder.name and response["status"] == 200
                else 1,
            )


def _chat(exchange: Exchange, start: StartResponse, *, stream: bool) -> ChatWriter:
    return ChatWriter(exchange, start, model="m", stream=stream, include_usage=True)


def _text(exchange: Exchange, start: StartResponse, *, stream: bool) -> CompleteWriter:
    return CompleteWriter(exchange, start, model="m", stream=stream, include_usage=True)


WRITERS: dict[str, Callable[..., ResponseWriter[Any]]] = {
    "/api/chat": _chat,
    "/api/generate": _text,
    "/api/tags": lambda exchange, start, stream: ListWriter(exchange, start),
    "/api/show": lambda exchange, start, stream: RetrieveWriter(
        exchange, start, id="m", name="m"
    ),
}
ALL = [
    recording
    for recording in _recordings()
    if recording.path in {*WRITERS, "/api/embed"}
]
REFUSED = [recording for recording in ALL if recording.status >= 400]
GOOD = [recording for recording in ALL if recording.status == 200]
GENERATED = [r for r in GOOD if r.path in ("/api/chat", "/api/generate")]
STREAMS = [recording for recording in GENERATED if recording.stream]
COMPLETE = [r for r in STREAMS if b'"done":true' in r.body]
BROKEN = [r for r in STREAMS if b'"done":true' not in r.body]
WHOLE = [recording for recording in GENERATED if not recording.stream]
CUTS = {
    "lines": lambda body: body.splitlines(keepends=True),
    "1 byte": lambda body: _pieces(body, 1),
    "2 bytes": lambda body: _pieces(body, 2),
    "7 bytes": lambda body: _pieces(body, 7),
}


def each(recordings: list[Recording]) -> pytest.MarkDecorator:
    """One test for each recording."""
    assert recordings
    return pytest.mark.parametrize("recording", recordings, ids=lambda r: r.name)


@pytest.fixture(autouse=True)
def _same_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids and the time are the same in every run."""
    for module in (writers.conversation, writers.generation):
        monkeypatch.setattr(module, "new_id", lambda prefix: prefix + "x" * 24)
    clock = SimpleNamespace(time=lambda: 1.0)
    monkeypatch.setattr(app.wire.ollama, "time", clock)


def test_there_are_enough() -> None:
    """The recordings are there, of each kind."""
    assert len(ALL) > 200
    assert len(COMPLETE) > 40
    assert len(REFUSED) > 50


@each([r for r in ALL if r.path not in ("/api/tags", "/api/show")])
def test_any_cut_gives_the_same(recording: Recording) -> None:
    """Whole, by line, or in pieces of 1, 2 and 7 bytes: the client sees the same."""
    whole = written(recording, [recording.body])
    for name, cut in CUTS.items():
        answer = written(recording, cut(recording.body))
        assert (answer.status, answer.body) == (whole.status, whole.body), name


@each([r for r in ALL if r.path in ("/api/tags", "/api/show")])
def test_any_cut_of_a_model_gives_the_same(recording: Recording) -> None:
    """The same for models, whose long answers are cut in pieces of 7 bytes."""
    whole = written(recording, [recording.body])
    answer = written(recording, _pieces(recording.body, 7))
    assert (answer.status, answer.body) == (whole.status, whole.body)


@each(REFUSED)
def test_a_refusal_stays_one(recording: Recording) -> None:
    """An error has OpenAI's envelope; its status is Ollama's, or truer than that."""
    answer = written(recording, [recording.body])
    theirs = json.loads(recording.body)["error"]
    assert answer.error["message"]
    if answer.status == recording.status:
        assert answer.error["message"] in theirs
    else:  # Ollama says 500 where it is the caller's fault
        assert (recording.status, answer.status) == (500, 400)


@each(COMPLETE)
def test_a_complete_stream_is_complete(recording: Recording) -> None:
    """One finish_reason, then usage, then one [DONE], and nothing after it."""
    *chunks, usage, done = written(recording, [recording.body]).frames
    assert done == "[DONE]"
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == sum(_counts(recording))
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert [reason is None for reason in reasons] == [True] * (len(reasons) - 1) + [
        False
    ]
    assert reasons[-1] in ("stop", "length", "tool_calls")
    assert len({chunk["id"] for chunk in [*chunks, usage]}) == 1
    assert len({chunk["created"] for chunk in [*chunks, usage]}) == 1


@each(BROKEN)
def test_a_broken_stream_says_so(recording: Recording) -> None:
    """An error line gives one error as the last frame, and no [DONE]."""
    frames = written(recording, [recording.body]).frames
    assert [frame for frame in frames if "error" in frame] == frames[-1:]
    error = json.loads(recording.body.splitlines()[-1])["error"]
    assert frames[-1]["error"]["message"] == error
    assert "[DONE]" not in frames
    reasons = [frame["choices"][0]["finish_reason"] for frame in frames[:-1]]
    assert set(reasons) == {None}


@each([r for r in STREAMS if r.path == "/api/chat"])
def test_a_chat_stream_says_what_ollama_said(recording: Recording) -> None:
    """Text, reasoning and calls arrive complete and in order."""
    messages = [line["message"] for line in _lines(recording) if "message" in line]
    deltas = [
        chunk["choices"][0]["delta"]
        for chunk in written(recording, [recording.body]).frames
        if "error" not in chunk and chunk != "[DONE]" and chunk["choices"]
    ]
    assert _joined(deltas, "content") == _joined(messages, "content")
    assert _joined(deltas, "reasoning") == _joined(messages, "thinking")
    assert _joined(deltas, "reasoning_content") == _joined(messages, "thinking")
    assert [delta.get("role") for delta in deltas].count("assistant") == 1
    _compare_calls(list(_assembled(deltas)), _native_calls(messages))


@each([r for r in STREAMS if r.path == "/api/generate"])
def test_a_text_stream_says_what_ollama_said(recording: Recording) -> None:
    """The text arrives complete and in order."""
    chunks = written(recording, [recording.body]).frames[:-2]
    text = "".join(chunk["choices"][0]["text"] for chunk in chunks)
    assert text == _joined(_lines(recording), "response")


@each(WHOLE)
def test_a_whole_answer_says_what_ollama_said(recording: Recording) -> None:
    """Text, calls and counts of an answer in one piece."""
    (line,) = _lines(recording)
    answer = written(recording, [recording.body])
    if not line["done"] and "_debug_info" not in line:
        assert answer.error["code"] == "upstream_incomplete"
        return
    (choice,) = answer.json["choices"]
    assert choice["finish_reason"] in ("stop", "length", "tool_calls")
    assert answer.json["usage"]["total_tokens"] == sum(_counts(recording))
    if recording.path == "/api/generate":
        assert choice["text"] == line["response"]
        return
    native = line.get("message", {})
    assert (choice["message"]["content"] or "") == native.get("content", "")
    assert choice["message"].get("reasoning", "") == native.get("thinking", "")
    calls = choice["message"].get("tool_calls", [])
    assert [call.get("index") for call in calls] == [None] * len(calls)
    _compare_calls(calls, _native_calls([native]))


@each([r for r in COMPLETE if r.path == "/api/chat"])
def test_a_stream_may_be_answered_whole(recording: Recording) -> None:
    """Where Ollama streams though it was not asked, the answer is put together."""
    whole = recording._replace(stream=False)
    (choice,) = written(whole, [recording.body]).json["choices"]
    messages = [line["message"] for line in _lines(recording)]
    assert (choice["message"]["content"] or "") == _joined(messages, "content")
    assert choice["message"].get("reasoning", "") == _joined(messages, "thinking")
    _compare_calls(choice["message"].get("tool_calls", []), _native_calls(messages))


@each([r for r in GOOD if r.path == "/api/embed"])
def test_embeddings_are_the_same_numbers(recording: Recording) -> None:
    """Every vector arrives, number for number, with the count of tokens."""
    (line,) = _lines(recording)
    answer = written(recording, [recording.body]).json
    vectors = [entry["embedding"] for entry in answer["data"]]
    assert vectors == line["embeddings"]
    assert [entry["index"] for entry in answer["data"]] == [*range(len(vectors))]
    tokens = line.get("prompt_eval_count", 0)
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}


@each([r for r in GOOD if r.path == "/api/tags"])
def test_models_are_the_same(recording: Recording) -> None:
    """Every installed model is listed under its name."""
    models = json.loads(recording.body)["models"]
    listed = written(recording, [recording.body]).json
    assert [model["id"] for model in listed["data"]] == [m["name"] for m in models]
    assert all(model["created"] > 1_700_000_000 for model in listed["data"])


def written(recording: Recording, pieces: Iterable[bytes]) -> Answer:
    """What the client gets of a recording."""
    ollama = Ollama(*pieces, status=f"{recording.status} Status")
    return ask(ErrorMiddleware(_writing(recording, ollama)), "GET", "/v1/x")


def _writing(recording: Recording, ollama: WSGIApplication) -> WSGIApplication:
    def app(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        exchange = Exchange.of(environ)
        writer: ResponseWriter[Any]
        if recording.path == "/api/embed":
            writer = EmbedWriter(exchange, start, model="m", inputs=recording.inputs)
        else:
            make = WRITERS[recording.path]
            writer = make(exchange, start, stream=recording.stream)
        return writer.answer(ollama, environ)

    return app


def _pieces(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)]


def _lines(recording: Recording) -> list[dict[str, Any]]:
    return [json.loads(line) for line in recording.body.split(b"\n") if line]


def _counts(recording: Recording) -> tuple[int, int]:
    last = _lines(recording)[-1]
    return last.get("prompt_eval_count", 0), last.get("eval_count", 0)


def _joined(messages: list[dict[str, Any]], field: str) -> str:
    return "".join(message.get(field) or "" for message in messages)


def _native_calls(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    calls = [message.get("tool_calls") or [] for message in messages]
    return list(itertools.chain(*calls))


def _assembled(deltas: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The calls of a stream, as a client puts them together by their index."""
    calls: dict[int, dict[str, Any]] = {}
    for delta in deltas:
        for piece in delta.get("tool_calls", ()):
            call = calls.setdefault(
                piece["index"],
                {"id": "", "function": {"name": "", "arguments": ""}},
            )
            call["id"] += piece.get("id", "")
            for name, text in piece["function"].items():
                call["function"][name] += text
    assert list(calls) == list(range(len(calls)))
    yield from calls.values()


def _compare_calls(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    assert [call["function"]["name"] for call in ours] == [
        call["function"]["name"] for call in theirs
    ]
    for mine, native in zip(ours, theirs, strict=True):
        arguments = mine["function"]["arguments"]
        assert json.loads(arguments) == native["function"]["arguments"]
        assert list(json.loads(arguments)) == list(native["function"]["arguments"])
    ids = [call["id"] for call in ours]
    assert len(set(ids)) == len(ids)
    assert all(ids)
