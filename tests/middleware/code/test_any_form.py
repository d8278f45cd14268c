"""However an editor's request is made, the answer is a text, or an error that says why.

Hypothesis makes requests of the structs' own types, and puts junk into random places.
"""

import json
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from support.anything import GOOD, requests
from support.editing import END, Known, said
from support.ollama import Answer, Ollama, ask
from support.plausible import Plausible
from support.stack import linted
from support.writing import lines
from support.wrong_code import CODE, COMPLETION, FIM, INFILL, STRUCTS, TABBY

#: Ways to run Pannier that change what becomes of a request.
WAYS: list[dict[str, Any]] = [
    {},
    {"strict": True, "context": "strict", "code_strategy": "chat"},
    {"code_model": "filler", "aliases": "m=codestral", "code_rewrite": False},
    {"code_parser": "strict", "code_extended": True, "code_cache": 60.0, "think": "on"},
    {"context": "auto", "max_num_ctx": 4096, "code_neutralize_markers": False},
]


def checked(path: str, answer: Answer, *, calm: bool = True) -> str:
    """What kind of answer it is; fails for one that is none.

    ``calm`` says that nothing is wrong with Ollama.
    """
    assert answer.headers["x-request-id"]
    if answer.status != 200:
        _check_error(path, answer.json)
        assert 400 <= answer.status < 500 or not calm, answer.body
        return "refused" if answer.status < 500 else "failed"
    kind = answer.headers["Content-Type"].partition(";")[0]
    if kind == "text/event-stream":
        return _check_events(path, answer.frames, calm)
    if kind == "application/x-ndjson":
        return _check_lines(answer.body, calm)
    assert kind == "application/json"
    if answer.json.get("object") == "pannier.explanation":
        return "explained"
    _check_whole(path, answer.json)
    return "answered"


def _check_error(path: str, envelope: Any) -> None:
    if path == CODE:
        assert isinstance(envelope["error"], str)
        assert envelope["error"]
        assert "internal error" not in envelope["error"]
        return
    error = envelope["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert error["message"]
    assert error["code"] not in (None, "internal_error"), error


def _check_events(path: str, events: list[Any], calm: bool) -> str:
    *pieces, last = events
    if isinstance(last, dict) and "error" in last:
        assert not calm
        _check_error(path, last)
        return "broken off"
    if path == FIM:
        assert last == "[DONE]"
        *pieces, last = pieces
        assert last["choices"][0]["finish_reason"] in ("stop", "length")
        assert last["usage"]["total_tokens"] >= 0
        assert all(isinstance(one["choices"][0]["text"], str) for one in pieces)
        return "streamed"
    assert all(one["content"] and one["stop"] is False for one in pieces)
    assert last.get("content", "") == ""
    return "streamed"


def _check_lines(body: bytes, calm: bool) -> str:
    *pieces, last = map(json.loads, body.splitlines())
    assert all(one["response"] and one["done"] is False for one in pieces)
    if "error" in last:
        assert not calm
        _check_error(CODE, last)
        return "broken off"
    assert (last["response"], last["done"]) == ("", True)
    return "streamed"


def _check_whole(path: str, found: Any) -> None:
    if path in (INFILL, COMPLETION):
        return _check_llama(found)
    if path == CODE:
        assert isinstance(found["response"], str)
        assert found["done"] is True
    elif path == FIM:
        (choice,) = found["choices"]
        assert choice["text"] == choice["message"]["content"]
        assert choice["finish_reason"] in ("stop", "length")
    else:
        (choice,) = found["choices"]
        if found.get("object") != "text_completion":  # ``segments`` that are null
            assert list(found) == ["id", "choices"]
        assert isinstance(choice["text"], str)
    return None


def _check_llama(found: dict[str, Any]) -> None:
    if "content" in found:
        assert isinstance(found["content"], str)
    if "timings" in found:  # else ``response_fields`` did not want it
        assert all(value >= 0 for value in found["timings"].values())
        assert found.get("stop_type", "eos") in ("eos", "limit", "word")


@pytest.mark.parametrize("path", STRUCTS)
def test_e3_any_request_for_code(path: str) -> None:
    """However it is made, there is a text or a 4xx that says why."""
    stand_in: Any = None
    kinds = Counter[str]()

    def now(environ: Any, start_response: Any) -> Any:
        return stand_in(environ, start_response)

    apps = [linted(now, control=Known(), **way) for way in WAYS]

    @settings(max_examples=500)
    @given(requests(path), st.sampled_from(apps), st.integers(0, 9))
    def one(request: tuple[bytes, Any], app: Any, explain: int) -> None:
        nonlocal stand_in
        stand_in = Plausible()
        headers = {"X_Pannier_Explain": "1"} if explain == 0 else {}
        note(f"{request[0]!r} to {WAYS[apps.index(app)]}")
        kind = checked(path, ask(app, "POST", path, request[0], **headers))
        kinds[kind] += 1
        if kind in ("refused", "explained"):
            assert stand_in.calls == []

    one()
    assert kinds["answered"] + kinds["streamed"] >= 60, kinds
    assert kinds["refused"] >= 40, kinds


#: What an Ollama may say, and what none should.
BLOCKS = [
    lines(said("x")),
    lines(said("\n  y")),
    lines(END),
    lines(END),
    lines(said("x"))[:40],
    lines(said("<|file_sep|>")),
    lines(said("x", thinking="hm")),
    lines({"message": {"role": "assistant", "content": "<completion>x"}}),
    lines({"message": {"thinking": "hm"}}),
    b'{"response":null,"done":true,"done_reason":"load"}\n',
    b'{"response":"\\ud800","done":true,"eval_count":-1,"eval_duration":1e300}\n',
    b'{"response":5,"done":true}\n',
    b'{"response":"x","total_duration":"long","done":true}\n',
    b'{"done":true,"prompt_eval_count":1e999}\n',
    b'{"error":"model runner has unexpectedly stopped"}\n',
    b'{"error":{"message":"x"}}\n',
    b"[]\n",
    b"<html>",
    b"\n\n",
    b"",
]


ENDS = st.sampled_from([lines(END), b"<html>", lines({"error": "x"})])


def _ended(text: list[bytes], end: bytes) -> list[bytes]:
    """A text that is whole, or breaks off."""
    return [*text, end]


@pytest.mark.parametrize("path", STRUCTS)
def test_u4_any_answer_to_code(path: str) -> None:
    """Whatever Ollama says, there is a text or an error that says why."""
    ollama: Any = None
    kinds = Counter[str]()

    def now(environ: Any, start_response: Any) -> Any:
        return ollama(environ, start_response)

    app = linted(now, control=Known())

    @settings(max_examples=300)
    @given(
        st.lists(st.sampled_from(BLOCKS[:4] * 4 + BLOCKS), min_size=1, max_size=5)
        | st.builds(_ended, st.lists(st.sampled_from(BLOCKS[:2])), ENDS)
        | st.lists(st.binary(max_size=9), min_size=1),
        st.sampled_from(["200 OK"] * 8 + ["404 Not Found", "503 Service Unavailable"]),
        st.sampled_from(["qwen2.5-coder", "llama3.2", "default"]),
        st.booleans(),
    )
    def one(blocks: list[bytes], status: str, model: str, stream: bool) -> None:
        nonlocal ollama
        ollama = Ollama(*blocks, status=status)
        request = GOOD[path] | {"model": model, "stream": stream}
        note(f"{request} answered by {status} {blocks}")
        kinds[checked(path, ask(app, "POST", path, request), calm=False)] += 1
        assert all(body.closed for body in ollama.bodies)

    one()
    assert kinds["failed"] >= 30, kinds
    assert kinds["answered"] >= 20, kinds
    if path != TABBY:  # which has no streams
        assert min(kinds["streamed"], kinds["broken off"]) >= 4, kinds


@pytest.mark.parametrize("path", [INFILL, COMPLETION, FIM, CODE])
@given(st.binary(max_size=30))
def test_e3_any_bytes_for_code(path: str, body: bytes) -> None:
    """Bytes are a 4xx, but for an object in which nothing is asked for."""
    stand_in = Plausible()
    kind = checked(path, ask(linted(stand_in), "POST", path, body))
    if kind != "refused":
        assert isinstance(json.loads(body.decode("utf-8-sig")), dict)
    assert stand_in.calls == []
