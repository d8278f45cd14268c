import base64
from typing import Any

import pytest
from support.ollama import Answer, FakeUpstream, ask, environ_of
from support.recordings import FORM, form, wav
from support.stack import stacked

from app.exchange import Exchange
from app.settings import Settings
from app.wire import openai
from middleware import audio
from middleware.transcriptions import TranscriptionsMiddleware

PATH = "/v1/audio/transcriptions"
WAV = wav()


def asked(
    *parts: tuple[str, Any],
    upstream: FakeUpstream | None = None,
    path: str = PATH,
    **settings: Any,
) -> Answer:
    """The answer of the stack to a form."""
    app = stacked(upstream or FakeUpstream(), **settings)
    return ask(app, "POST", path, form(*parts), Content_Type=FORM)


def rewritten(**fields: Any) -> tuple[Any, Exchange]:
    """The call for a request, and what was noted."""
    exchange = Exchange()
    request = openai.TranscriptionRequest(**{"model": "m", "file": WAV, **fields})
    middleware = TranscriptionsMiddleware(lambda environ, start: [])
    return middleware.rewrite(request, exchange), exchange


@pytest.mark.parametrize("path", [PATH, PATH.removeprefix("/v1")])
def test_the_call(path: str) -> None:
    """One streamed chat at temperature 0, the recording among the images."""
    upstream = FakeUpstream()
    answer = asked(("file", WAV), ("model", "m"), upstream=upstream, path=path)
    assert (answer.status, answer.json["text"]) == (200, "Hello")
    assert "X-Pannier-Ignored" not in answer.headers
    (request,) = upstream.requests
    assert request.target == "/api/chat"
    call = Answer(0, {}, request.body).json
    system, user = call.pop("messages")
    assert call == {
        "model": "m",
        "stream": True,
        "think": False,
        "options": {"temperature": 0},
    }
    assert system["role"] == "system"
    assert "word for word" in system["content"]
    assert user["role"] == "user"
    assert user["content"]
    assert user["images"] == [base64.b64encode(WAV).decode()]


def test_no_limit_but_the_total() -> None:
    """The client waits for a whole answer, so silence in Ollama's stream is fine."""
    upstream = FakeUpstream()
    asked(("file", WAV), ("model", "m"), upstream=upstream)
    timeouts = upstream.requests[0].timeouts
    assert (timeouts.first_byte, timeouts.idle) == (None, None)


def test_hints() -> None:
    """Language and prompt are told to the model; without them nothing is."""
    plain = rewritten()[0].messages[0].content
    hinted = rewritten(language="de", prompt="Über Llamas")[0].messages[0].content
    assert hinted.startswith(plain)
    assert "de" in hinted.removeprefix(plain)
    assert hinted.endswith("Über Llamas")


@pytest.mark.parametrize(
    ("given", "sent"), [(None, 0), (0.0, 0), (0.4, 0.4), (1.0, 1.0)]
)
def test_temperature(given: float | None, sent: float) -> None:
    """The temperature is the client's, or 0."""
    assert rewritten(temperature=given)[0].options == {"temperature": sent}


@pytest.mark.parametrize(
    ("format_", "kind", "body"),
    [
        ("json", "application/json", b'{"text":"Hello","usage":'),
        ("text", "text/plain; charset=utf-8", b"Hello\n"),
        ("verbose_json", "application/json", b'{"task":"transcribe","language":"en",'),
    ],
)
def test_formats(format_: str, kind: str, body: bytes) -> None:
    """The answer has the format that was asked."""
    answer = asked(
        ("file", WAV), ("model", "m"), ("response_format", format_), ("language", "en")
    )
    assert answer.headers["Content-Type"] == kind
    assert answer.body.startswith(body)


def test_duration() -> None:
    """The longer answer says how long a WAV file plays, by its header."""
    answer = asked(
        ("file", wav(1.25)), ("model", "m"), ("response_format", "verbose_json")
    )
    assert answer.json["duration"] == 1.25


EFFECTLESS = [
    ("include[]", "logprobs", "include"),
    ("chunking_strategy", "auto", "chunking_strategy"),
    ("chunking_strategy[type]", "server_vad", "chunking_strategy"),
    ("timestamp_granularities[]", "word", "timestamp_granularities"),
    ("keywords[]", "llama", "keywords"),
    ("languages[]", "en", "languages"),
    ("known_speaker_names[]", "Ann", "known_speaker_names"),
    ("known_speaker_references[]", "data:,", "known_speaker_references"),
    ("seed", "1", "seed"),
    ("other", b"a file", "other"),
]


@pytest.mark.parametrize(("name", "value", "named"), EFFECTLESS)
def test_what_has_no_effect(name: str, value: Any, named: str) -> None:
    """Fields without effect are named, and refused in strict mode."""
    parts = [("file", WAV), ("model", "m"), (name, value)]
    answer = asked(*parts)
    assert (answer.status, answer.headers["X-Pannier-Ignored"]) == (200, named)
    strict = asked(*parts, strict=True)
    if named == "chunking_strategy":  # the answer is as good without it
        assert strict.status == 200
    else:
        assert (strict.status, strict.error["code"]) == (400, "unsupported_parameter")
        assert strict.error["param"] == named


@pytest.mark.parametrize(
    ("stream", "kind"), [("false", "application/json"), ("true", "text/event-stream")]
)
def test_stream(stream: str, kind: str) -> None:
    """A stream is what its field says; Ollama streams in any case."""
    upstream = FakeUpstream()
    parts = (("file", WAV), ("model", "m"), ("stream", stream))
    answer = asked(*parts, upstream=upstream)
    assert "X-Pannier-Ignored" not in answer.headers
    assert answer.headers["Content-Type"] == kind
    assert upstream.requests[0].timeouts.idle == (120 if stream == "true" else None)


FILE, MODEL = ("file", WAV), ("model", "m")
BAD = {
    "nothing": ([], "missing_required_parameter", "model"),
    "no model": ([FILE], "missing_required_parameter", "model"),
    "empty model": ([FILE, ("model", "")], "missing_required_parameter", "model"),
    "blank model": ([FILE, ("model", " ")], "missing_required_parameter", "model"),
    "model as a file": ([FILE, ("model", b"m")], "missing_required_parameter", "model"),
    "odd model": ([FILE, ("model", "a\x01b")], "invalid_value", "model"),
    "long model": ([FILE, ("model", "m" * 513)], "invalid_value", "model"),
    "no file": ([MODEL], "missing_required_parameter", "file"),
    "file as text": ([MODEL, ("file", "RIFF")], "missing_required_parameter", "file"),
    "empty file": ([MODEL, ("file", b"")], "invalid_value", "file"),
    "text": ([MODEL, ("file", b"Hello")], "invalid_value", "file"),
    "json": ([MODEL, ("file", b'{"a":1}')], "invalid_value", "file"),
    "png": ([MODEL, ("file", b"\x89PNG\r\n\x1a\n")], "invalid_value", "file"),
    "srt": ([FILE, MODEL, ("response_format", "srt")], "unsupported_value", None),
    "vtt": ([FILE, MODEL, ("response_format", "vtt")], "unsupported_value", None),
    "speakers": (
        [FILE, MODEL, ("response_format", "diarized_json")],
        "unsupported_value",
        None,
    ),
    "format": ([FILE, MODEL, ("response_format", "xml")], "invalid_value", None),
    "hot": ([FILE, MODEL, ("temperature", "1.1")], "invalid_value", "temperature"),
    "cold": ([FILE, MODEL, ("temperature", "-0.1")], "invalid_value", "temperature"),
    "nan": ([FILE, MODEL, ("temperature", "nan")], "invalid_value", "temperature"),
    "inf": ([FILE, MODEL, ("temperature", "inf")], "invalid_value", "temperature"),
    "warm": ([FILE, MODEL, ("temperature", "warm")], "invalid_type", "temperature"),
    "none": ([FILE, MODEL, ("temperature", "")], "invalid_type", "temperature"),
    "stream": ([FILE, MODEL, ("stream", "maybe")], "invalid_type", "stream"),
}


@pytest.mark.parametrize(("parts", "code", "param"), BAD.values(), ids=BAD)
def test_bad_requests(parts: list[Any], code: str, param: str | None) -> None:
    """Every fault is a 400 that names the field, and nothing is sent."""
    upstream = FakeUpstream()
    answer = asked(*parts, upstream=upstream)
    assert (answer.status, answer.error["code"]) == (400, code)
    assert answer.error["param"] == (param or "response_format")
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("given", "says"),
    [("srt", "when a word was said"), ("xml", "['json', 'text', 'verbose_json']")],
)
def test_other_formats_say_what_is_there(given: str, says: str) -> None:
    """A format that is not there is refused with a reason, or with those that are."""
    answer = asked(FILE, MODEL, ("response_format", given))
    assert says in answer.error["message"]


def test_json_is_no_form() -> None:
    """A JSON body is a 400 that says what is wanted."""
    answer = ask(stacked(FakeUpstream()), "POST", PATH, {"model": "m"})
    assert (answer.status, answer.error["code"]) == (400, "invalid_body")
    assert "multipart/form-data" in answer.error["message"]


def test_large_files() -> None:
    """A file fits or is a 413: as base64 it must not outgrow the limit of bodies."""
    limit = 64 * 1024
    for size, status in ((limit * 3 // 4 + 1, 413), (limit // 2, 200)):
        answer = asked(("file", WAV.ljust(size, b"\0")), MODEL, max_body_bytes=limit)
        assert answer.status == status
        if status == 413:
            assert answer.error["code"] == "request_too_large"
            assert answer.error["param"] == "file"


def test_explained() -> None:
    """Explain shows the call with the recording, and calls nobody."""
    upstream = FakeUpstream()
    app = stacked(upstream)
    body = form(FILE, MODEL, ("include[]", "logprobs"))
    answer = ask(app, "POST", PATH, body, Content_Type=FORM, X_Pannier_Explain="1").json
    assert answer["endpoint"] == "/api/chat"
    assert answer["requests"][0]["messages"][1]["images"] == [
        base64.b64encode(WAV).decode()
    ]
    assert [entry["field"] for entry in answer["ignored"]] == ["include"]
    assert answer["ignored"][0]["reason"]
    assert upstream.requests == []


def test_policies() -> None:
    """Policies see the call before it is made."""
    seen = []

    def note(exchange: Exchange, call: Any) -> None:
        seen.append((exchange.model, call.messages[1].images))
        raise ValueError

    middleware = TranscriptionsMiddleware(lambda environ, start: [], [note], Settings())
    environ = environ_of(path=PATH, body=form(FILE, MODEL), CONTENT_TYPE=FORM)
    with pytest.raises(ValueError, match=r"^$"):
        middleware(environ, lambda *_: None)  # type: ignore[arg-type,return-value]
    assert seen == [("m", [base64.b64encode(WAV).decode()])]


KINDS = {
    "wav": WAV,
    "mp3": b"\xff\xfb\x90\x64",
    "mp3, MPEG 2": b"\xff\xf3\x40\xc4",
    "mp3 with a tag": b"ID3\x04\0",
    "aac": b"\xff\xf1\x50\x80",
    "ogg": b"OggS\0",
    "flac": b"fLaC\0",
    "aiff": b"FORM\0\0\0\x20AIFFCOMM",
    "m4a": b"\0\0\0\x20ftypM4A ",
    "webm": b"\x1a\x45\xdf\xa3\x01",
}
NO_KINDS = {
    "nothing": b"",
    "zeros": b"\0" * 5000,
    "jpeg": b"\xff\xd8\xff\xe0",
    "UTF-16": "Hello".encode("utf-16"),
    "avi": b"RIFF\0\0\0\x20AVI LIST",
    "pdf": b"%PDF-1.7",
    "zip": b"PK\x03\x04",
    "html": b"<!DOCTYPE html>",
    "far in": b"\0" * 50 + b"\xff\xfb\x90\x64",
    "one byte": b"\xff",
}


@pytest.mark.parametrize("data", KINDS.values(), ids=KINDS)
def test_audio(data: bytes) -> None:
    """Audio is known by its first bytes."""
    assert audio.is_audio(data)


@pytest.mark.parametrize("data", NO_KINDS.values(), ids=NO_KINDS)
def test_no_audio(data: bytes) -> None:
    """Other files are known to be none."""
    assert not audio.is_audio(data)


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (wav(0.5), 0.5),
        (wav(2, 16000), 2),
        (wav(0.5, size=0), 0.5),
        (wav(0.5, size=2**32 - 1), 0.5),
        (wav(0.5)[:12] + b"LIST\x03\0\0\0abc\0" + wav(0.5)[12:], 0.5),
        (wav(0.5, rate=0), 0),
        (wav(0.5)[:40], 0),
        (wav(0.5)[:12] + b"junk\0\0\0\0" * 1000 + wav(0.5)[12:], 0),
        (b"RIFF", 0),
        (b"ID3", 0),
        (b"", 0),
    ],
)
def test_seconds(data: bytes, seconds: float) -> None:
    """A WAV file plays as long as its bytes last, whatever a recorder said."""
    assert audio.seconds(data) == seconds
