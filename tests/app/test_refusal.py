import json
from typing import Any

import pytest

from app.refusal import MAX_MESSAGE, About, in_stream, refused
from writers.messages import MessagesWriter

BUSY = "server busy, please try again.  maximum pending requests exceeded"
MEMORY = "model requires more system memory (9 GiB) than is available (1 GiB)"
TYPE = 'option "temperature" must be of type float32'
NO_TOOLS = "registry.ollama.ai/library/tiny:latest does not support tools"
CONTEXT = "context_length_exceeded"
INNER = {"code": 400, "message": "request too big", "type": "exceed_context_size_error"}


@pytest.mark.parametrize(
    ("status", "message", "want"),
    [
        (400, "bad", (400, "invalid_value", None)),
        (400, NO_TOOLS, (400, "unsupported_value", "tools")),
        (
            400,
            '"m" does not support thinking',
            (400, "unsupported_value", "reasoning_effort"),
        ),
        (400, "m does not support insert", (400, "unsupported_value", "suffix")),
        (400, "m does not support vision", (400, "unsupported_value", "messages")),
        (400, '"m" does not support chat', (400, "unsupported_value", "model")),
        (400, '"m" does not support generate', (400, "unsupported_value", "model")),
        (
            400,
            "the prompt is longer than the context length",
            (400, CONTEXT, "messages"),
        ),
        (
            400,
            "the input length exceeds the context length",
            (400, CONTEXT, "messages"),
        ),
        (500, "request exceeds the available context size", (400, CONTEXT, "messages")),
        (400, json.dumps({"error": INNER}), (400, CONTEXT, "messages")),
        (401, "unauthorized", (401, "upstream_unauthorized", None)),
        (403, "cloud is disabled", (403, "upstream_forbidden", None)),
        (404, "model 'x' not found", (404, "model_not_found", "model")),
        (
            404,
            'model "x" not found, try pulling it first',
            (404, "model_not_found", "model"),
        ),
        (422, "no", (422, "invalid_value", None)),
        (429, "slow down", (429, "rate_limit_exceeded", None)),
        (500, "invalid JSON schema in format", (400, "invalid_type", None)),
        (499, "canceled", (499, "request_canceled", None)),
        (408, "late", (408, "request_canceled", None)),
        (500, TYPE, (400, "invalid_type", None)),
        (500, 'invalid format: "x"; expected "json"', (400, "invalid_type", None)),
        (500, MEMORY, (500, "upstream_error", None)),
        (500, "boom", (500, "upstream_error", None)),
        (502, "cloud unreachable", (502, "bad_upstream_response", None)),
        (503, BUSY, (503, "server_overloaded", None)),
        (504, "late", (502, "bad_upstream_response", None)),
        (599, "odd", (502, "bad_upstream_response", None)),
    ],
)
def test_errors_of_ollama(status: int, message: str, want: tuple[Any, ...]) -> None:
    """Each error has the status, code and param that clients act on."""
    error = refused(status, json.dumps({"error": message}).encode(), [])
    assert (error.status, error.code, error.param) == want


@pytest.mark.parametrize(
    "message",
    [
        "model 'x' not found",
        MEMORY,
        BUSY,
        "model runner has unexpectedly stopped, this may be due to resource limits",
        'a <b> & "c" \u2028 \U0001f600',
    ],
)
def test_u11_words_are_kept(message: str) -> None:
    """What Ollama says to the user arrives word for word, at any status."""
    body = json.dumps({"error": message}).encode()
    for status in (400, 404, 429, 500, 503):
        assert refused(status, body, []).message == message
    assert in_stream(message).message == message


@pytest.mark.parametrize(
    ("status", "type_"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "api_error"),
    ],
)
def test_types(status: int, type_: str) -> None:
    """The type follows from the status."""
    assert refused(status, b'{"error":"x"}', []).type == type_


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("7", "7"),
        ("12345", "12345"),
        ("123456", "1"),
        ("", "1"),
        ("-1", "1"),
        ("1.5", "1"),
        ("Wed, 21 Oct 2026 07:28:00 GMT", "1"),
        ("\u0661", "1"),
        ("1\r\nX: y", "1"),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after(status: int, given: str, want: str) -> None:
    """Retry-After is relayed as 1 to 5 digits, else it is 1."""
    headers = [("Content-Type", "x"), ("retry-AFTER", given)]
    assert ("Retry-After", want) in refused(status, b'{"error":"x"}', headers).headers


def test_no_retry_after_elsewhere() -> None:
    """Other errors say nothing of trying again."""
    assert refused(400, b'{"error":"x"}', [("Retry-After", "5")]).headers == []


@pytest.mark.parametrize(
    ("message", "said"), [(MEMORY, True), ("CUDA out of memory", True), ("boom", False)]
)
def test_not_worth_retrying(message: str, said: bool) -> None:
    """A load that must fail again tells the SDKs not to try."""
    headers = refused(500, json.dumps({"error": message}).encode(), []).headers
    assert (("x-should-retry", "false") in headers) is said


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"<html><title>502 at 10.0.0.1</title></html>", id="html"),
        pytest.param(b"", id="empty"),
        pytest.param(b"plain 10.0.0.1", id="text"),
        pytest.param(b'{"error": {"message": "10.0.0.1"}}', id="object"),
        pytest.param(b'{"error": ["10.0.0.1"]}', id="list"),
        pytest.param(b'{"error": null}', id="null"),
        pytest.param(b'{"message": "10.0.0.1"}', id="other-key"),
        pytest.param(b'["10.0.0.1"]', id="array"),
        pytest.param(b'"10.0.0.1"', id="string"),
        pytest.param(b'{"error": "10.0.0.1', id="cut"),
        pytest.param(b'{"error": "\xff 10.0.0.1"}', id="invalid-utf-8"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"error": ' * 100_000, id="deep-object"),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 429, 500, 502, 503, 599])
def test_e1_only_a_json_error_is_relayed(status: int, body: bytes) -> None:
    """Whatever else an error's body holds stays here; the words are ours."""
    error = refused(status, body, [])
    assert "10.0.0.1" not in error.message
    assert "<" not in error.message
    if status in (429, 503):
        assert error.status == status
    elif (status, body) != (403, b""):
        assert error.status == 502


def test_an_empty_403_says_what_to_look_at() -> None:
    """Ollama refuses foreign hosts and origins without a word; we have some."""
    error = refused(403, b"", [])
    assert (error.status, error.code) == (403, "upstream_forbidden")
    assert "allowed hosts" in error.message


def test_an_old_ollama_is_named() -> None:
    """A call that Ollama does not know is not a model that it does not have."""
    error = refused(404, b"404 page not found", [])
    assert (error.status, error.code) == (502, "upstream_too_old")
    assert "0.2.6" in error.message


def test_e1_a_long_message_is_cut() -> None:
    """At most 2,000 characters of Ollama's words are relayed."""
    for error in (
        refused(500, b'{"error":"%s"}' % (b"x" * 9000), []),
        in_stream("x" * 9000),
    ):
        assert len(error.message) == MAX_MESSAGE == 2000  # fmt: skip


def test_a_lone_surrogate_does_not_cost_the_message() -> None:
    """Half a character in an error becomes U+FFFD."""
    assert refused(400, rb'{"error":"a\ud800b"}', []).message == "a\ufffdb"


def test_the_error_of_llama_server_is_unwrapped() -> None:
    """Of an error inside an error only its message is told."""
    nested = json.dumps({"error": INNER})
    for message in (nested, nested + "\nmore"):
        error = refused(500, json.dumps({"error": message}).encode(), [])
        assert error.message == "request too big"
    assert in_stream(nested).message == "request too big"


@pytest.mark.parametrize(
    "inner", ['{"error":"x"}', '{"error":{"message":5}}', "{", "[]"]
)
def test_other_json_in_a_message_stays(inner: str) -> None:
    """What only looks like an inner error is kept as it is."""
    assert refused(400, json.dumps({"error": inner}).encode(), []).message == inner


def test_the_sign_in_url_is_kept() -> None:
    """Who must sign in at Ollama's cloud is told where."""
    body = b'{"error":"unauthorized","signin_url":"https://x"}'
    assert refused(401, body, []).message == "unauthorized (sign in at https://x)"


def test_a_status_prefix_goes() -> None:
    """The cloud's status line is no part of the message."""
    body = b'{"error":"429 Too Many Requests: slow"}'
    assert refused(429, body, []).message == "slow"


@pytest.mark.parametrize("field", ["messages", "prompt", "input"])
def test_the_field_to_blame(field: str) -> None:
    """What is too long is the endpoint's own field."""
    body = b'{"error":"the input length exceeds the context length"}'
    assert refused(400, body, [], About(field)).param == field
    assert in_stream("exceeds the available context size", About(field)).param == field


class Prompt:
    """A prompt of a known length for a known context."""

    def __init__(self, estimate: int | None, context: int | None) -> None:
        self.estimate = estimate
        self._context = context

    def context(self) -> int | None:
        """The context in force."""
        return self._context


PLAIN = "the input length exceeds the context length"
NUMBERS = {"n_prompt_tokens": 1407, "n_ctx": 256}


@pytest.mark.parametrize(
    ("inner", "prompt", "context", "length"),
    [
        (NUMBERS, None, 256, "1407"),
        (NUMBERS, Prompt(None, None), 256, "1407"),
        (NUMBERS, Prompt(1500, 4096), 256, "1407"),
        (NUMBERS | {"n_prompt_tokens": "x"}, Prompt(1500, 4096), 256, "about 1500"),
        ({"n_prompt_tokens": 1407}, Prompt(1500, 512), 512, "about 1500"),
        (None, Prompt(1500, 512), 512, "about 1500"),
        # what Ollama refuses is too long, whatever was guessed
        (None, Prompt(100, 512), 512, "about 513"),
    ],
)
@pytest.mark.parametrize("field", ["messages", "prompt", "input"])
def test_both_lengths(
    inner: dict[str, Any] | None, prompt: Any, context: int, length: str, field: str
) -> None:
    """A prompt that is too long: OpenAI's words, with the context and its length."""
    words = PLAIN if inner is None else json.dumps({"error": {**INNER, **inner}})
    for error in (
        refused(400, json.dumps({"error": words}).encode(), [], About(field, prompt)),
        in_stream(words, About(field, prompt)),
    ):
        assert error.message == (
            f"This model's maximum context length is {context} tokens. However, your"
            f" {field} resulted in {length} tokens. Please reduce the length of the"
            f" {field}."
        )
        assert (error.status, error.code, error.param) == (400, CONTEXT, field)
        assert error.detail == (PLAIN if inner is None else "request too big")


@pytest.mark.parametrize(
    ("inner", "prompt"),
    [
        (None, None),
        (None, Prompt(None, 512)),
        (None, Prompt(1500, None)),
        ({"n_ctx": 256}, None),
        ({"n_prompt_tokens": 1407}, None),
        ({"n_prompt_tokens": -1, "n_ctx": 256}, Prompt(None, None)),
        ({"n_prompt_tokens": 1407, "n_ctx": 2.5}, Prompt(1500, None)),
    ],
)
def test_a_length_that_nobody_knows(inner: Any, prompt: Any) -> None:
    """Without both numbers Ollama's own words are kept."""
    words = PLAIN if inner is None else json.dumps({"error": {**INNER, **inner}})
    about = About("input", prompt)
    error = refused(400, json.dumps({"error": words}).encode(), [], about)
    assert error.message == (PLAIN if inner is None else "request too big")
    assert (error.code, error.param) == (CONTEXT, "input")


@pytest.mark.parametrize(
    ("inner", "prompt", "said"),
    [
        (NUMBERS, None, "prompt is too long: 1407 tokens > 256 maximum"),
        (None, Prompt(1500, 512), "prompt is too long: 1500 tokens > 512 maximum"),
        (None, None, f"prompt is too long: {PLAIN}"),
    ],
)
def test_what_agents_look_for(inner: Any, prompt: Any, said: str) -> None:
    """Anthropic's clients know a prompt that is too long by how the message begins."""
    words = PLAIN if inner is None else json.dumps({"error": {**INNER, **inner}})
    about = About("messages", prompt, *MessagesWriter.too_long)
    error = refused(400, json.dumps({"error": words}).encode(), [], about)
    assert (error.message, error.code) == (said, CONTEXT)


def test_lengths_are_told_of_the_context_only() -> None:
    """An error that is not about the context keeps its words, whatever it holds."""
    inner = {"message": "boom", "type": "server_error", **NUMBERS}
    body = json.dumps({"error": json.dumps({"error": inner})}).encode()
    prompt: Any = Prompt(9, 4)
    assert refused(500, body, [], About("messages", prompt)).message == "boom"


@pytest.mark.parametrize("error", [None, 5, {}, [], {"message": "10.0.0.1"}])
def test_an_error_line_without_words(error: object) -> None:
    """An error line that is no string is a broken answer."""
    assert in_stream(error).code == "bad_upstream_response"
    assert "10.0.0.1" not in in_stream(error).message
