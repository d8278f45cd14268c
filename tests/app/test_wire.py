import json
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.wire import errors, ollama
from app.wire.decoding import decode
from app.wire.names import namespace

_any = msgspec.json.Decoder()


@pytest.mark.parametrize(
    ("data", "want"),
    [
        (rb'"\ud800"', "\ufffd"),
        (rb'"\udfff"', "\ufffd"),
        (rb'"\uD800\uD800"', "\ufffd\ufffd"),
        (rb'"\ud800\u0041"', "\ufffdA"),
        (rb'"\udc00\ud800\udc00"', "\ufffd\U00010000"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"\\ud800"', "\\ud800"),
        (rb'"\\\ud800"', "\\\ufffd"),
        (rb'"\\\\ud800\ud800"', "\\\\ud800\ufffd"),
        (rb'"\n\ud800\""', '\n\ufffd"'),
        (rb'{"\ud800":"\udbff"}', {"\ufffd": "\ufffd"}),
        (b'"\xf0\x9f\x98\x80"', "\U0001f600"),
    ],
    ids=range(12),
)
def test_half_a_character(data: bytes, want: object) -> None:
    """An escaped lone surrogate is U+FFFD; everything beside it is untouched."""
    assert decode(_any, data) == want


@given(st.text(st.characters(codec=None), max_size=30))
@settings(max_examples=300)
def test_any_text(text: str) -> None:
    """Any escaped text is read, its lone surrogates replaced."""
    want = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert decode(_any, json.dumps(text).encode()) == want


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"nul", b"[" * 100_000, b'"\xff"', b'"\xed\xa0\x80"', rb'"\ud800'],
    ids=range(7),
)
def test_what_is_no_json(data: bytes) -> None:
    """One exception, whatever is wrong."""
    with pytest.raises(msgspec.DecodeError):
        decode(_any, data)


def test_a_type_error_stays_one() -> None:
    """A wrong type keeps its message, also after mending."""
    decoder = msgspec.json.Decoder(list[int])
    for data in (b'["x"]', rb'["\ud800"]'):
        with pytest.raises(msgspec.ValidationError, match="Expected `int`"):
            decode(decoder, data)


def test_mending_is_quick() -> None:
    """Megabytes of escapes that are no JSON are refused in a moment."""
    for escape in (rb"\"", rb"\\", rb"\n", rb"\u0041"):
        began = time.process_time()
        with pytest.raises(msgspec.DecodeError):
            decode(_any, b'"' + escape * 500_000)
        assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (0, 0),
        (7, 7),
        (2**53, 2**53),
        (2**53 + 1, 0),
        (-1, 0),
        (1.0, 0),
        (True, 0),
        ("7", 0),
        (None, 0),
        ([], 0),
        (float("inf"), 0),
    ],
)
def test_counts(value: object, want: int) -> None:
    """A counter is an integer from 0 to 2^53, anything else is none."""
    assert ollama.count(value) == want


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("llama3.2", "library"),
        ("llama3.2:1b", "library"),
        ("u/x", "u"),
        ("hf.co/ns/model:Q4", "ns"),
        ("/x", "library"),
        ("", "library"),
        ("a//x", "library"),
    ],
)
def test_namespaces(name: str, owner: str) -> None:
    """The owner is the part before the last slash."""
    assert namespace(name) == owner


@pytest.mark.parametrize(
    ("path", "version", "dialect"),
    [
        ("/", None, "native"),
        ("/api/chat", None, "native"),
        ("/api/", "2023-06-01", "native"),
        ("/v1/chat/completions", None, "openai"),
        ("/chat/completions", None, "openai"),
        ("/apix", None, "openai"),
        ("", None, "openai"),
        ("/v1/messages", None, "anthropic"),
        ("/v1/messages/count_tokens", None, "anthropic"),
        ("/anthropic/v1/messages", None, "anthropic"),
        ("/messages", None, "anthropic"),
        ("/messages/count_tokens", None, "anthropic"),
        ("/v1/messages/batches", None, "anthropic"),
        ("/v1/complete", None, "anthropic"),
        ("/v1/completions", None, "openai"),
        ("/v1/models", None, "openai"),
        ("/v1/models", "2023-06-01", "anthropic"),
        ("/v1/models", "", "anthropic"),
        ("/v1/files", "2027-01-01", "anthropic"),
    ],
)
def test_dialects(path: str, version: str | None, dialect: str) -> None:
    """Ollama's own paths speak Ollama's dialect, Anthropic's theirs, the rest OpenAI's.

    Anthropic's clients are known by their header where they share a path.
    """
    assert errors.dialect(path, version) == dialect


def test_envelopes() -> None:
    """OpenAI's has four keys, always; Ollama's is a text."""
    assert json.loads(errors.native("a\n")) == {"error": "a\n"}
    envelope = json.loads(errors.openai_envelope("m", "t", None, None))
    assert envelope == {
        "error": {"message": "m", "type": "t", "param": None, "code": None}
    }


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "invalid_type", "invalid_request_error"),
        (401, "upstream_unauthorized", "authentication_error"),
        (403, "host_not_allowed", "permission_error"),
        (404, "model_not_found", "not_found_error"),
        (405, "method_not_allowed", "invalid_request_error"),
        (408, "request_timeout", "invalid_request_error"),
        (413, "request_too_large", "request_too_large"),
        (415, "unsupported_media_type", "invalid_request_error"),
        (429, "rate_limit_exceeded", "rate_limit_error"),
        (500, "internal_error", "api_error"),
        (501, "not_implemented", "api_error"),
        (502, "upstream_unreachable", "api_error"),
        (503, "server_shutting_down", "overloaded_error"),
        (503, "model_unavailable", "api_error"),
        (504, "upstream_timeout", "timeout_error"),
        (529, "server_overloaded", "overloaded_error"),
    ],
)
def test_anthropics_envelope(status: int, code: str, kind: str) -> None:
    """The type follows from the status, but for what lasts; our codes are not told."""
    payload = errors.anthropic_envelope("m", status, "req_1", code)
    assert json.loads(payload) == {
        "type": "error",
        "error": {"type": kind, "message": "m"},
        "request_id": "req_1",
    }


@pytest.mark.parametrize(
    ("status", "code", "theirs"),
    [
        (503, "server_overloaded", 529),
        (503, "server_shutting_down", 503),
        (429, "rate_limit_exceeded", 429),
        (500, None, 500),
    ],
)
def test_anthropics_statuses(status: int, code: str | None, theirs: int) -> None:
    """What is overloaded is a 529 to them."""
    assert errors.anthropic_status(status, code) == theirs


@pytest.mark.parametrize("text", ["\x00" * 9000, "x" * 9000, "\U0001f600" * 3000])
def test_envelopes_are_small(text: str) -> None:
    """None is ever larger than 8 KiB; what can be said is."""
    small = errors.openai_envelope("m" * 2000, "t", "p" * 500, "c")
    assert json.loads(small)["error"]["message"] == "m" * 2000
    for payload in (
        errors.native(text),
        errors.openai_envelope(text, "t", text, "c"),
        errors.anthropic_envelope(text, 400, "req_1"),
    ):
        assert len(payload) <= errors.MAX_BYTES
        assert json.loads(payload)


def test_native_requests_say_only_what_is_said() -> None:
    """What is not set is not sent, but for stream, whose default differs."""
    call = ollama.ChatRequest(model="m", messages=[], stream=False)
    assert msgspec.to_builtins(call) == {"model": "m", "messages": [], "stream": False}
    text = ollama.GenerateRequest(model="m", prompt="p", stream=True)
    assert msgspec.to_builtins(text) == {"model": "m", "prompt": "p", "stream": True}
    embed = ollama.EmbedRequest(model="m", input="x")
    assert msgspec.to_builtins(embed) == {"model": "m", "input": "x"}
