"""The whole stack over a fake upstream, once under each linter of WSGI."""

import json
from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication
from wsgiref.validate import validator

import gevent
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ollama import NDJSON, Answer, FakeUpstream, Started, ask, environ_of
from support.stack import stacked
from werkzeug.middleware.lint import LintMiddleware

from app.carriers.base import Request
from app.errors import UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from app.settings import Settings
from middleware import stack

CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "hi"}],
}
GOOD: list[tuple[str, str, Any, str]] = [
    ("POST", "/chat/completions", CHAT, "/api/chat"),
    ("POST", "/chat/completions", CHAT | {"stream": True}, "/api/chat"),
    ("POST", "/completions", {"model": "m", "prompt": "p"}, "/api/generate"),
    (
        "POST",
        "/completions",
        {"model": "m", "prompt": "p", "stream": True},
        "/api/generate",
    ),
    ("POST", "/embeddings", {"model": "m", "input": "x"}, "/api/embed"),
    ("GET", "/models", None, "/api/tags"),
    ("GET", "/models/hf.co/a/b:c", None, "/api/show"),
]
Lint = Callable[[WSGIApplication], WSGIApplication]


@pytest.fixture(params=["werkzeug", "wsgiref"])
def lint(request: pytest.FixtureRequest) -> Lint:
    """Each linter in its turn."""
    return {"werkzeug": LintMiddleware, "wsgiref": validator}[request.param]


@pytest.mark.parametrize("base", ["/v1", ""])
@pytest.mark.parametrize(("method", "path", "body", "native"), GOOD)
def test_the_five_endpoints(
    lint: Lint, base: str, method: str, path: str, body: Any, native: str
) -> None:
    """Each answers with and without /v1, by one call to Ollama."""
    upstream = FakeUpstream()
    answer = ask(stacked(upstream, lint), method, base + path, body)
    assert answer.status == 200
    assert answer.headers["x-request-id"]
    (request,) = upstream.requests
    assert request.target == native
    assert request.method == ("GET" if native == "/api/tags" else "POST")
    assert [response.closed + response.released for response in upstream.responses] == [
        1
    ]
    if body and body.get("stream"):
        assert answer.frames[-1] == "[DONE]"
    else:
        assert answer.json


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/foo"),
        ("POST", "/v1/foo"),
        ("POST", "/v1/chat"),
        ("GET", "/v1/"),
        ("GET", "/v1/models/"),
        ("DELETE", "/v1/chat/completions/x"),
        ("PUT", "/anything"),
        ("POST", "/V1/chat/completions"),
        ("POST", "/v1/chat/completions/"),
        ("POST", "/%2Fv1/chat/completions"),
        ("POST", "/v1//chat/completions"),
        ("POST", "/v1/v1/chat/completions"),
    ],
)
def test_unknown_urls(lint: Lint, method: str, path: str) -> None:
    """A 404 in OpenAI's words, and nothing is sent."""
    upstream = FakeUpstream()
    answer = ask(stacked(upstream, lint), method, path)
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/completions", "POST"),
        ("PUT", "/embeddings", "POST"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models", "GET"),
        ("PUT", "/v1/models/a/b", "DELETE, GET"),
        ("POST", "/health", "GET"),
    ],
)
def test_other_methods(lint: Lint, method: str, path: str, allowed: str) -> None:
    """A 405 in OpenAI's words, saying what is allowed."""
    upstream = FakeUpstream()
    answer = ask(stacked(upstream, lint), method, path)
    assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")
    assert allowed in answer.headers["Allow"]
    assert upstream.requests == []


def test_head_of_an_endpoint() -> None:
    """HEAD /v1/models is a 405, as with Ollama."""
    answer = ask(stacked(FakeUpstream(), lambda app: app), "HEAD", "/v1/models")
    assert answer.status == 405


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
@pytest.mark.parametrize("path", ["/api/tags", "/api/unknown", "/api/chat"])
def test_native_routes_are_relayed(lint: Lint, method: str, path: str) -> None:
    """Every method and path below /api/ is Ollama's to answer."""
    upstream = FakeUpstream(b"404 page not found", status=404)
    answer = ask(stacked(upstream, lint), method, path)
    assert (answer.status, answer.body) == (404, b"404 page not found")
    assert upstream.requests[0].target == path


@pytest.mark.parametrize("path", ["/api/../v1/models", "/api/%2e%2e/x", "/api//tags"])
def test_native_tricks_speak_native(path: str) -> None:
    """A 404 in Ollama's dialect, and nothing is sent."""
    upstream = FakeUpstream()
    answer = ask(stacked(upstream), "GET", path)
    assert (answer.status, answer.json) == (404, {"error": "404 page not found"})
    assert upstream.requests == []


def test_the_front_door(lint: Lint) -> None:
    """A browser sees a page, anyone else what Ollama says."""
    upstream = FakeUpstream(
        b"Ollama is running", headers=[("Content-Type", "text/plain")]
    )
    app = stacked(upstream, lint)
    assert ask(app, "GET", "/").body == b"Ollama is running"
    assert b"<html" in ask(app, "GET", "/", Accept="text/html,*/*").body
    assert len(upstream.requests) == 1


FAILURES = [
    (UpstreamUnreachable("Ollama cannot be reached", detail="http://10.0.0.1"), 502),
    (UpstreamTimeout("late", detail="10.0.0.1"), 504),
    (UpstreamBroken("bad", detail="10.0.0.1"), 502),
    (RuntimeError("http://10.0.0.1/x: File /home/me/x.py"), 500),
]


@pytest.mark.parametrize(("failure", "status"), FAILURES)
@pytest.mark.parametrize(("method", "path", "body", "native"), GOOD)
def test_failures_of_the_upstream(
    lint: Lint,
    method: str,
    path: str,
    body: Any,
    native: str,
    failure: Exception,
    status: int,
) -> None:
    """Before the first byte they have their status; no address is told."""
    upstream = FakeUpstream(failure=failure)
    answer = ask(stacked(upstream, lint), method, "/v1" + path, body)
    assert (answer.status, answer.error["type"]) == (status, "api_error")
    told = answer.body + str(answer.headers).encode()
    for secret in (b"10.0.0.1", b"/home", b"Error(", b"RuntimeError", b"Traceback"):
        assert secret not in told
    if status == 500:
        request_id = answer.headers["x-request-id"]
        assert answer.error == {
            "message": f"internal error (request {request_id})",
            "type": "api_error",
            "param": None,
            "code": "internal_error",
        }


def test_a_bug_on_a_native_route(lint: Lint) -> None:
    """It speaks Ollama's dialect, and says no more than elsewhere."""
    upstream = FakeUpstream(failure=RuntimeError("http://10.0.0.1"))
    answer = ask(stacked(upstream, lint), "GET", "/api/tags")
    request_id = answer.headers["x-request-id"]
    assert answer.status == 500
    assert answer.json == {"error": f"internal error (request {request_id})"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 499, 500, 502, 503, 599])
@pytest.mark.parametrize(
    "body", [b'{"error":"words"}', b"<html>10.0.0.1</html>", b"", b'{"error":5}']
)
@pytest.mark.parametrize(("method", "path", "request_body", "native"), GOOD)
def test_refusals_of_the_upstream(
    method: str, path: str, request_body: Any, native: str, status: int, body: bytes
) -> None:
    """Whatever Ollama answers, the client gets the envelope."""
    upstream = FakeUpstream(body, status=status)
    answer = ask(stacked(upstream), method, "/v1" + path, request_body)
    assert answer.status >= 400
    assert answer.error["message"]
    assert b"10.0.0.1" not in answer.body
    assert b"<" not in answer.body
    if status in (429, 503):
        assert answer.headers["Retry-After"] == "1"
    assert upstream.responses[0].closed >= 1


def test_a_stream_that_breaks(lint: Lint) -> None:
    """What came is delivered, then one error, and no [DONE]."""
    line = b'{"message":{"content":"a"},"done":false}\n'
    upstream = FakeUpstream(line, UpstreamBroken("cut short"), headers=NDJSON)
    frames = ask(
        stacked(upstream, lint), "POST", "/v1/chat/completions", CHAT | {"stream": True}
    ).frames
    assert len(frames) == 2
    assert frames[1]["error"]["message"] == "cut short"
    assert upstream.responses[0].closed == 1


def test_a_native_stream_that_breaks(lint: Lint) -> None:
    """Its error has a line of its own."""
    upstream = FakeUpstream(b'{"a":', UpstreamBroken("cut short"), headers=NDJSON)
    answer = ask(stacked(upstream, lint), "POST", "/api/chat", CHAT)
    assert answer.body.split(b"\n") == [b'{"a":', b'{"error":"cut short"}', b""]


def test_native_json_that_breaks() -> None:
    """Where an error cannot be said the connection is cut."""
    upstream = FakeUpstream(b'{"a":', UpstreamBroken("cut short"))
    with pytest.raises(ConnectionResetError):
        ask(stacked(upstream, lambda app: app), "GET", "/api/tags")
    assert upstream.responses[0].closed == 1


def test_a_request_is_served_after_each_fault() -> None:
    """The same stack goes on, whatever happened before."""
    upstream = FakeUpstream()
    app = stacked(upstream)
    for failure, status in FAILURES:
        upstream.failure = failure
        assert ask(app, "POST", "/v1/chat/completions", CHAT).status == status
        upstream.failure = None
        assert ask(app, "POST", "/v1/chat/completions", CHAT).status == 200


def test_the_settings_reach_the_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stack makes its upstream of its settings."""
    made: list[Any] = []

    def make(settings: Settings) -> FakeUpstream:
        made.append(settings)
        return FakeUpstream()

    monkeypatch.setattr(stack.Upstream, "of", make)
    settings = Settings(upstream_url="http://o:1", upstream_api_key="k")
    stack.build_stack(settings)
    assert made == [settings]


def test_settings_act() -> None:
    """Each setting of the translation does what it says."""
    upstream = FakeUpstream()
    app = stacked(upstream, openai_defaults=False, think="off", max_body_bytes=1024)
    ask(app, "POST", "/v1/chat/completions", CHAT)
    call = json.loads(upstream.requests[0].body)  # type: ignore[arg-type]
    assert call == CHAT | {"stream": False, "think": False}
    assert ask(app, "POST", "/v1/embeddings", b" " * 2000).status == 413
    few = stacked(FakeUpstream(), max_embedding_inputs=1)
    body = {"model": "m", "input": ["a", "b"]}
    assert ask(few, "POST", "/v1/embeddings", body).status == 400
    line = b'{"message":{"thinking":"t"},"done":true}'
    quiet = stacked(FakeUpstream(line), reasoning_field="none")
    (choice,) = ask(quiet, "POST", "/v1/chat/completions", CHAT).json["choices"]
    assert "reasoning" not in choice["message"]


def test_a_slow_body_meets_its_setting() -> None:
    """PANNIER_BODY_TIMEOUT bounds the body of the endpoints."""

    class Slow:
        """A body that never comes."""

        def read(self, size: int = -1) -> bytes:
            gevent.sleep(60)
            return b""

    app = stacked(FakeUpstream(), body_timeout=0.01)
    environ = environ_of("POST", "/v1/chat/completions")
    environ |= {"CONTENT_LENGTH": "5", "wsgi.input": Slow()}
    started = Started()
    b"".join(app(environ, started))
    assert started.status == 408


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "function", "name"])
            | st.text(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
FIELDS = [
    "messages",
    "prompt",
    "input",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "response_format",
    "options",
    "stop",
    "max_tokens",
    "temperature",
    "seed",
    "reasoning",
    "reasoning_effort",
    "logprobs",
    "top_logprobs",
    "keep_alive",
    "dimensions",
    "encoding_format",
    "n",
]
HEALTHY = stacked(FakeUpstream())


@given(
    st.sampled_from(["chat/completions", "completions", "embeddings"]),
    st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), JSON, max_size=4),
    st.booleans(),
)
@settings(max_examples=250)
def test_no_body_is_a_fault_of_ours(path: str, fields: Any, good: bool) -> None:
    """Whatever JSON a client sends, Ollama being well there is no 5xx."""
    body = fields if not good else CHAT | {"prompt": "p", "input": "x"} | fields
    answer = ask(HEALTHY, "POST", f"/v1/{path}", body)
    _whole(answer)


@given(st.binary(max_size=100))
@settings(max_examples=100)
def test_no_bytes_are_a_fault_of_ours(body: bytes) -> None:
    """Nor whatever bytes."""
    _whole(ask(HEALTHY, "POST", "/v1/chat/completions", body))


def _whole(answer: Answer) -> None:
    assert answer.status < 500
    if answer.status == 200:
        if answer.headers["Content-Type"] == "text/event-stream":
            assert answer.frames[-1] == "[DONE]"
        else:
            assert answer.json
    else:
        assert answer.error["message"]


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\n", b"{", b"}", b"null"])))
@settings(max_examples=150)
def test_no_answer_of_ollamas_breaks_ours(blocks: list[bytes]) -> None:
    """Whatever bytes Ollama sends, the client gets the envelope or one error event."""
    app = stacked(
        FakeUpstream(*blocks, headers=NDJSON) if blocks else FakeUpstream(b"")
    )
    for stream in (True, False):
        answer = ask(app, "POST", "/v1/chat/completions", CHAT | {"stream": stream})
        if answer.headers["Content-Type"] == "text/event-stream":
            assert "error" in answer.frames[-1]
        else:
            assert answer.status >= 500
            assert answer.error["message"]


def test_requests_are_of_the_interface() -> None:
    """What the stack sends is what a carrier takes."""
    upstream = FakeUpstream()
    ask(stacked(upstream), "POST", "/v1/chat/completions", CHAT)
    (request,) = upstream.requests
    assert isinstance(request, Request)
    assert isinstance(request.body, bytes)
