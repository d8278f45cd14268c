from typing import Any

import pytest
from support.ollama import NDJSON, Answer, Ollama
from support.writing import answered, written

from writers.transcription import TranscriptionWriter


def said(text: str | None, **more: Any) -> dict[str, Any]:
    """One line of a chat."""
    return {"message": {"role": "assistant", "content": text}, **more}


END = said("", done=True, done_reason="stop", prompt_eval_count=7, eval_count=3)
LINES = [said(" Hello"), said(", wörld."), said("\n"), END]


def asked(ollama: Any, **options: Any) -> Answer:
    """What a client gets of a transcription."""
    return written(lambda ex, start: TranscriptionWriter(ex, start, **options), ollama)


def test_json() -> None:
    """The pieces of a stream become one trimmed text, with the tokens it took."""
    answer = asked(answered(*LINES, headers=NDJSON))
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    usage = {"type": "tokens", "input_tokens": 7, "output_tokens": 3}
    assert answer.json == {
        "text": "Hello, wörld.",
        "usage": {**usage, "total_tokens": 10},
    }


def test_stream() -> None:
    """Events of what is new, then all of it; no blanks around, and no other mark."""
    lines = [said(" "), said(" Hello"), said(", wörld. "), said("\n"), END]
    answer = asked(answered(*lines, headers=NDJSON), stream=True)
    usage = {"type": "tokens", "input_tokens": 7, "output_tokens": 3}
    assert answer.frames == [
        {"type": "transcript.text.delta", "delta": "Hello"},
        {"type": "transcript.text.delta", "delta": ", wörld."},
        {
            "type": "transcript.text.done",
            "text": "Hello, wörld.",
            "usage": {**usage, "total_tokens": 10},
        },
    ]


def test_a_stream_that_breaks_off() -> None:
    """It ends with an error, and not as if it were whole."""
    events = asked(answered(said("Hello"), headers=NDJSON), stream=True).frames
    assert events[0]["delta"] == "Hello"
    assert events[1]["error"]["code"] == "upstream_incomplete"
    assert len(events) == 2


def test_text() -> None:
    """Plain text, with the end of its line."""
    answer = asked(answered(*LINES, headers=NDJSON), format="text")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.body.decode() == "Hello, wörld.\n"


def test_verbose_json() -> None:
    """The longer form says what is known: the language as asked, how long it plays."""
    answer = asked(
        answered(*LINES, headers=NDJSON),
        format="verbose_json",
        language="de",
        duration=1.5,
    )
    assert list(answer.json.items()) == [
        ("task", "transcribe"),
        ("language", "de"),
        ("duration", 1.5),
        ("text", "Hello, wörld."),
        ("segments", []),
    ]


@pytest.mark.parametrize("size", [1, 2, 7, 10_000])
def test_awkward_cuts(size: int) -> None:
    """However the stream is cut, the text is the same."""
    stream = b"".join(answered(*LINES).blocks)  # type: ignore[arg-type]
    cuts = [stream[i : i + size] for i in range(0, len(stream), size)]
    assert asked(Ollama(*cuts, headers=NDJSON)).json["text"] == "Hello, wörld."


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([END], ""),
        ([said(None), END], ""),
        ([{"done": False}, said("a", thinking="hm"), END], "a"),
        ([said("a", done=True, done_reason="length")], "a"),
        ([said("a", done=True), said("b")], "a"),
    ],
    ids=["nothing", "null", "odd lines", "one piece", "after the end"],
)
def test_odd_streams(lines: list[Any], text: str) -> None:
    """What comes without words adds none, and nothing counts after the end."""
    assert asked(answered(*lines, headers=NDJSON)).json["text"] == text


@pytest.mark.parametrize(
    ("lines", "status", "code"),
    [
        (LINES[:2], 502, "upstream_incomplete"),
        ([said("a"), {"error": "it broke"}], 500, "upstream_error"),
        ([said("a"), b"<html>\n"], 502, "bad_upstream_response"),
        (
            [{"error": "the input length exceeds the context length"}],
            400,
            "context_length_exceeded",
        ),
    ],
    ids=["cut", "error", "html", "too long"],
)
def test_failures(lines: list[Any], status: int, code: str) -> None:
    """Half a transcription is none: the failure has its true status."""
    for format_ in ("json", "text"):
        answer = asked(answered(*lines, headers=NDJSON), format=format_)
        assert (answer.status, answer.error["code"]) == (status, code)
        if status == 400:
            assert answer.error["param"] == "file"


def test_a_refusal() -> None:
    """Ollama's own refusal keeps its words."""
    ollama = Ollama(b'{"error":"model \'m\' not found"}', status="404 Not Found")
    answer = asked(ollama)
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
