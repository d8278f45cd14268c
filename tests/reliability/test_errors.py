"""Errors: every one is an envelope, a small one, that tells nothing of us."""

import http.client
import json
from typing import Any
from urllib.parse import quote

import pytest
from support.server import Server
from support.simulator import Simulator
from support.status_map import LEAKS

pytestmark = pytest.mark.live

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE"]
PATHS = [
    "/",
    "/health",
    "/healthz/x",
    "/nothing",
    "/favicon.ico",
    "/static/../wsgi",
    "/static/nothing.css",
    "/openapi.json/x",
    "/v1",
    "/v1/",
    "/v1/nothing",
    "/v1/chat/completions",
    "/v1//chat/completions",
    "/v1/chat/completions/",
    "/v1/chat/completions/x",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/models",
    "/v1/models/",
    "/v1/models/nope",
    "/v1/models/%00",
    "/v1/models/%ff%fe",
    "/v1/models/" + "x" * 3000,
    "/v1/models/..%2f..%2fetc%2fpasswd",
    "/v1/audio/transcriptions",
    "/v1/responses",
    "/v1/responses/",
    "/v1/responses/x",
    "/v1/responses/%00%ff",
    "/v1/responses/" + "x" * 3000,
    "/v1/responses/x/input_items?limit=x&after=%00",
    "/v1/responses/x/cancel",
    "/v1/responses/input_tokens",
    "/v1/files/x",
    "/v1/messages",
    "/v1/messages/",
    "/v1/messages/count_tokens",
    "/v1/messages/batches",
    "/v1/messages/x",
    "/messages",
    "/messages/x",
    "/anthropic/v1/messages",
    "/anthropic/v1/models/nope",
    "/anthropic/nothing",
    "/chat/completions",
    "/api/nothing",
    "/api/chat",
    "/api/show",
    "/api/../v1/models",
    "/api/%2e%2e/x",
    "/api/blobs/nothing",
    "/%2e%2e/%2e%2e/etc/passwd",
    "//evil.example/v1/models",
    "/?" + "a=b&" * 500,
    "/v1/models?" + quote("<script>" * 100),
]
TRANSLATED = ["/v1/chat/completions", "/v1/completions", "/v1/embeddings"]
TRANSLATED += ["/v1/messages", "/v1/messages/count_tokens"]
TRANSLATED += ["/v1/responses", "/v1/responses/input_tokens"]
#: Bodies that are refused; what the client wrote must not make the error large.
BODIES: list[Any] = [
    b"",
    b"{",
    b"null",
    b"[" * 10_000,
    b"\xff\xfe{\x00}\x00",
    b'{"model": 1e999}',
    {"model": "x" * 100_000},
    {"model": "x\u0000\r\n" * 50, "messages": [], "prompt": "", "input": ""},
    {"x" * 50_000: 1},
    {"model": "llama3.2", "messages": [{"role": "x" * 50_000}]},
    {"model": "llama3.2", "prompt": {"x" * 9000: 1}},
    {"model": "llama3.2", "input": [["x" * 9000]]},
    {"model": "nope" * 100, "messages": [{"role": "user", "content": "x"}]},
    {"model": "llama3.2", "messages": [{"role": "user", "content": [{"type": "?"}]}]},
]


def ask(port: int, method: str, path: str, body: Any = None) -> tuple[Any, bytes]:
    """One request; the answer and its body."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_accept_encoding=True)
    if data is not None:
        data = data if isinstance(data, bytes) else data.encode()
        connection.putheader("Content-Length", str(len(data)))
    connection.endheaders(data)
    answer = connection.getresponse()
    read = answer.read()
    connection.close()
    return answer, read


def check(method: str, path: str, answer: Any, body: bytes, port: int) -> None:
    """If it is an error it has the form of one, and nothing in it is ours."""
    shown = f"{method} {path[:80]}: {answer.status} {body[:300]!r}"
    assert answer.status < 500 or answer.status in (501, 503), shown
    if answer.status < 400:
        return
    assert len(body) <= 8192, shown
    if method == "HEAD":
        assert body == b"", shown
        return
    relayed = path.startswith(("/api/", "/?")) or path == "/"
    text = body.decode()
    if relayed and not answer.headers["content-type"].startswith("application/json"):
        # What Ollama itself says of a route it does not have passes as it is.
        assert text in ("404 page not found", "405 method not allowed"), shown
        return
    assert answer.headers["content-type"].startswith("application/json"), shown
    parsed = json.loads(body)
    if isinstance(parsed["error"], str):
        assert relayed, shown
    elif path.startswith(("/v1/messages", "/messages", "/anthropic/")):
        assert set(parsed) == {"type", "error", "request_id"}, shown
        assert set(parsed["error"]) == {"type", "message"}, shown
        assert parsed["request_id"] == answer.headers["request-id"], shown
        assert parsed["error"]["message"], shown
    else:
        assert set(parsed["error"]) == {"message", "type", "param", "code"}, shown
        assert answer.headers["x-request-id"], shown
        assert parsed["error"]["message"], shown
    told = text.replace("/etc/passwd", "")
    assert not LEAKS.search(told), shown
    assert str(port) not in text, shown


@pytest.mark.parametrize("method", METHODS)
def test_e1_e2_e3_any_method_and_path(
    server: Server, simulator: Simulator, method: str
) -> None:
    """Whatever is asked for, a failure is a small envelope that tells nothing of us."""
    failed = 0
    for path in PATHS:
        answer, body = ask(server.port, method, path)
        check(method, path, answer, body, simulator.port)
        failed += answer.status >= 400
    assert failed > 15 or method == "OPTIONS"


@pytest.mark.parametrize("number", range(len(BODIES)))
def test_e1_e2_e3_any_body(server: Server, simulator: Simulator, number: int) -> None:
    """Whatever is sent, the error is small and says nothing of us."""
    failed = 0
    for path in TRANSLATED:
        answer, body = ask(server.port, "POST", path, BODIES[number])
        check("POST", path, answer, body, simulator.port)
        failed += answer.status >= 400
    assert failed
