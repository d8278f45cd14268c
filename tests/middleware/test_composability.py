"""Each endpoint alone, around five lines of WSGI: no stack, no Flask, no settings."""

from typing import Any

import pytest
from support.ollama import Started, ask, environ_of
from werkzeug.middleware.lint import LintMiddleware

from app.errors import BadRequest, UpstreamRefused
from middleware.chat import ChatMiddleware
from middleware.completions import CompletionsMiddleware
from middleware.embeddings import EmbeddingsMiddleware
from middleware.errors import ErrorMiddleware
from middleware.models import ListMiddleware, RetrieveMiddleware


def answering(payload: bytes, status: str = "200 OK") -> Any:
    """Any WSGI application that speaks Ollama will do."""

    def app(environ, start_response):
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(status, [("Content-Type", "application/json")])
        return [payload]

    return LintMiddleware(app)


MESSAGES = [{"role": "user", "content": "x"}]
ENDPOINTS: dict[str, Any] = {
    "chat": (
        ChatMiddleware,
        ("POST", "/chat", {"model": "m", "messages": MESSAGES}),
        b'{"message":{"content":"hi"},"done":true}',
        lambda answer: answer["choices"][0]["message"]["content"] == "hi",
    ),
    "completions": (
        CompletionsMiddleware,
        ("POST", "/any", {"model": "m", "prompt": "x"}),
        b'{"response":"hi","done":true}',
        lambda answer: answer["choices"][0]["text"] == "hi",
    ),
    "embeddings": (
        EmbeddingsMiddleware,
        ("POST", "/where", {"model": "m", "input": "x"}),
        b'{"embeddings":[[1]]}',
        lambda answer: answer["data"][0]["embedding"] == [1],
    ),
    "list": (
        ListMiddleware,
        ("GET", "/models", None),
        b'{"models":[{"name":"a"}]}',
        lambda answer: answer["data"][0]["id"] == "a",
    ),
    "retrieve": (
        RetrieveMiddleware,
        ("GET", "/v1/models/a/b", None),
        b'{"modified_at":"2026-01-02T03:04:05Z"}',
        lambda answer: answer["id"] == "a/b",
    ),
}


@pytest.fixture(params=ENDPOINTS)
def endpoint(request: pytest.FixtureRequest) -> Any:
    """Middleware, request, Ollama's payload, and what must be in the answer."""
    return ENDPOINTS[request.param]


def test_alone(endpoint: Any) -> None:
    """A good request needs nothing else."""
    middleware, request, payload, good = endpoint
    answer = ask(LintMiddleware(middleware(answering(payload))), *request)
    assert answer.status == 200
    assert good(answer.json)


def test_around_a_generator(endpoint: Any) -> None:
    """An application that starts its response with its first item will do as well."""
    middleware, request, payload, good = endpoint

    def lazy(environ, start_response):
        start_response("200 OK", [("Content-Type", "application/json")])
        yield payload

    answer = ask(middleware(lazy), *request)
    assert answer.status == 200
    assert good(answer.json)


def test_alone_it_raises(endpoint: Any) -> None:
    """What goes wrong is raised, for whoever renders it."""
    middleware, request, _, _ = endpoint
    app = middleware(answering(b'{"error":"boom"}', "500 Error"))
    with pytest.raises(UpstreamRefused, match="boom"):
        ask(app, *request)


def test_with_errors_rendered(endpoint: Any) -> None:
    """One layer more, and errors are answers."""
    middleware, request, _, _ = endpoint
    app = middleware(answering(b'{"error":"boom"}', "500 Error"))
    answer = ask(LintMiddleware(ErrorMiddleware(app)), *request)
    assert (answer.status, answer.error["message"]) == (500, "boom")


@pytest.mark.parametrize("name", ["chat", "completions", "embeddings"])
def test_a_policy_may_amend_or_refuse(name: str) -> None:
    """Policies see the exchange and the call, in order, before it is sent."""
    middleware, request, payload, _ = ENDPOINTS[name]
    seen: list[Any] = []

    def amend(exchange: Any, call: Any) -> None:
        seen.append((exchange.model, call.model))
        call.model = "other"

    def refuse(exchange: Any, call: Any) -> None:
        seen.append(call.model)
        raise BadRequest("no", status=403)

    sent: list[bytes] = []

    def app(environ, start_response):
        sent.append(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        start_response("200 OK", [])
        return [payload]

    assert ask(middleware(app, [amend]), *request).status == 200
    assert b'"model":"other"' in sent[0]
    with pytest.raises(BadRequest):
        ask(middleware(app, [amend, refuse]), *request)
    assert seen == [("m", "m"), ("m", "m"), "other"]
    assert len(sent) == 1


@pytest.mark.parametrize("name", ["chat", "completions"])
def test_a_stream_alone(name: str) -> None:
    """A stream needs nothing else either."""
    middleware, (method, path, body), payload, _ = ENDPOINTS[name]
    app = LintMiddleware(middleware(answering(payload)))
    answer = ask(app, method, path, body | {"stream": True})
    assert answer.frames[-1] == "[DONE]"


def test_the_call_is_of_its_own() -> None:
    """Nothing of the client's path, query and framing reaches the inner application."""
    seen: dict[str, Any] = {}

    def app(environ, start_response):
        seen.update(environ)
        start_response("200 OK", [])
        return [b'{"message":{"content":"hi"},"done":true}']

    _, (_, _, body), _, _ = ENDPOINTS["chat"]
    ask(ChatMiddleware(app), "POST", "/v1/chat/completions?x=/api/delete", body)
    assert (seen["PATH_INFO"], seen["QUERY_STRING"]) == ("/api/chat", "")
    assert (seen["RAW_URI"], seen["SCRIPT_NAME"]) == ("/api/chat", "")
    assert "REQUEST_URI" not in seen
    assert seen["CONTENT_TYPE"] == "application/json"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/..",
        "/v1/models/.",
        "/v1/models/../x",
        "/v1/models/a/../b",
        "/v1/models/a/./b",
        "/v1/models//a",
        "/v1/models/a//b",
        "/v1/models/a/",
        "/v1/models/%2Fa",
        "/v1/models/%2e%2e",
        "/v1/models/a%5Cb",
        "/v1/models/a%00b",
        "/v1/models/a%0D%0AX:b",
        "/v1/models/%7F",
        "/v1/models/%20",
        "/v1/models/" + "x" * 513,
        "/v1/models/" + "%01" * 1300,
    ],
    ids=lambda path: path[:40],
)
def test_names_that_cannot_be(path: str) -> None:
    """A model's name that is a trick is a model that does not exist."""

    def app(environ, start_response):
        raise AssertionError("sent")

    answer = ask(ErrorMiddleware(RetrieveMiddleware(app)), "GET", path)
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert answer.error["param"] == "model"
    assert len(answer.body) <= 8 * 1024


@pytest.mark.parametrize("name", ["\xff", "a\xed\xa0\x80", "\xc0\xaf", "\xe2\x82"])
def test_names_that_are_no_text(name: str) -> None:
    """Bytes that are no UTF-8, as WSGI hands them on, name no model."""

    def app(environ, start_response):
        raise AssertionError("sent")

    environ = environ_of("GET") | {"PATH_INFO": f"/v1/models/{name}"}
    start = Started()
    b"".join(ErrorMiddleware(RetrieveMiddleware(app))(environ, start))
    assert start.status == 404


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/models/hf.co/ns/model:Q4_K_M", "hf.co/ns/model:Q4_K_M"),
        ("/v1/models/hf.co%2Fns%2Fmodel:tag", "hf.co/ns/model:tag"),
        ("/v1/models/a%3Ab", "a:b"),
        ("/v1/models/%C3%A9", "\u00e9"),
        ("/v1/models/a%252Fb", "a%2Fb"),
        ("/v1/models/a..b", "a..b"),
        ("/v1/models/a?x=/b", "a"),
    ],
)
def test_names_with_slashes(path: str, name: str) -> None:
    """A name is decoded once, and travels inside the body."""
    sent: list[Any] = []

    def app(environ, start_response):
        sent.append(environ["PATH_INFO"])
        sent.append(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        start_response("200 OK", [])
        return [b"{}"]

    answer = ask(RetrieveMiddleware(app), "GET", path)
    assert answer.json["id"] == name
    assert sent == ["/api/show", b'{"model":"' + name.encode() + b'"}']


def test_other_prefixes() -> None:
    """The prefix is an option."""
    app = RetrieveMiddleware(answering(b"{}"), "/models/")
    assert ask(app, "GET", "/models/a/b").json["id"] == "a/b"
