"""What of a request's headers goes to Ollama, and what of an answer's comes back."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.bare import said
from support.faulty import Faulty, Peer
from support.raw import ask
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

MESSAGES = [{"role": "user", "content": "empty"}]
CHAT = {"model": "tiny", "messages": MESSAGES}
#: Each kind of request; the native ones are relayed, the others translated.
REQUESTS: list[tuple[str, str, Any]] = [
    ("POST", "/v1/chat/completions", CHAT),
    ("POST", "/v1/chat/completions", CHAT | {"stream": True}),
    ("POST", "/v1/chat/completions", CHAT | {"n": 2}),
    ("POST", "/v1/messages", CHAT),
    ("POST", "/v1/messages", CHAT | {"stream": True}),
    ("POST", "/v1/completions", {"model": "tiny", "prompt": "empty"}),
    ("POST", "/v1/embeddings", {"model": "all-minilm", "input": "x"}),
    ("GET", "/v1/models", None),
    ("GET", "/v1/models/tiny", None),
    ("POST", "/chat/completions", CHAT | {"model": "default"}),
    ("GET", "/ready", None),
    ("GET", "/", None),
    ("GET", "/api/tags", None),
    ("POST", "/api/chat", CHAT),
    ("POST", "/api/generate", {"model": "tiny", "prompt": "empty", "stream": False}),
    ("POST", "/api/show", {"model": "tiny"}),
    ("POST", "/api/pull", {"model": "tiny", "stream": False}),
]
#: A client's headers, each with a word that must not be seen again.
SECRETS = {
    "Authorization": "Bearer sk-secret",
    "X-Api-Key": "secret",
    "Api-Key": "secret",
    "Cookie": "a=secret",
    "Proxy-Authorization": "Basic secret",
    "Proxy-Connection": "secret",
    "Connection": "keep-alive, X-Secret",
    "X-Secret": "secret",
    "Keep-Alive": "timeout=5, secret",
    "TE": "trailers, secret",
    "Trailer": "X-Secret",
    "Upgrade": "secret",
    "Expect": "100-continue",
    "Referer": "http://localhost/secret",
    "Forwarded": "for=secret",
    "X-Forwarded-For": "secret",
    "X-Forwarded-Host": "secret",
    "X-Forwarded-Proto": "https",
    "X-Real-IP": "secret",
    "Via": "1.1 secret",
    "Accept-Encoding": "gzip, secret",
    "Accept-Language": "secret",
    "User-Agent": "secret",
    "If-None-Match": '"secret"',
    "Range": "bytes=0-1",
    "OpenAI-Organization": "secret",
    "X-Stainless-Lang": "secret",
    "X-HTTP-Method-Override": "DELETE",
    "Script_Name": "/secret",
}
#: All that Ollama ever gets.
UPWARD = {
    "host",
    "content-type",
    "content-length",
    "accept",
    "accept-encoding",
    "user-agent",
    "x-request-id",
}


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_h4_nothing_of_the_client_goes_on(
    server: Server, simulator: Simulator, method: str, path: str, body: Any
) -> None:
    """Ollama gets a fixed set of headers; of a client's own values none."""
    simulator.clear()
    accept = {"Accept": "application/json;q=secret", "Content-Type": "text/secret"}
    native = path == "/" or path.startswith("/api/")
    got = ask(server.port, method, path, body, SECRETS | ({} if native else accept))
    assert got.status == 200, got
    requests = simulator.log()
    assert requests
    for request in requests:
        headers = {name.lower(): value for name, value in request["headers"]}
        assert len(headers) == len(request["headers"]), "each is there once"
        assert set(headers) <= UPWARD
        assert headers["host"] == f"127.0.0.1:{simulator.port}"
        assert headers["accept-encoding"] == "identity"
        if path == "/api/show":  # which Ollama answers differently to some editors
            assert headers.pop("user-agent") == "secret"
        assert "secret" not in str(headers)


def test_h4_what_natives_need(server: Server, simulator: Simulator) -> None:
    """Of native requests Accept and Content-Type go on, and nothing else does."""
    simulator.clear()
    headers = {"Accept": "application/x-ndjson", "Content-Type": "text/plain"}
    for path, body in (
        ("/api/chat", CHAT),
        ("/api/pull", {"model": "tiny", "stream": False}),
    ):
        assert ask(server.port, "POST", path, body, SECRETS | headers).status == 200
        (request,) = [e for e in simulator.log() if e["target"] == path]
        sent = {name.lower(): value for name, value in request["headers"]}
        assert (sent["accept"], sent["content-type"]) == tuple(headers.values())
        assert "secret" not in str(sent)


def answering(peer: Peer) -> None:
    """Good answers in the company of headers that are nobody's business."""
    bodies = {
        b"/api/chat": b'{"message":{"content":"a"},"done":true}',
        b"/api/generate": b'{"response":"a","done":true}',
        b"/api/embed": b'{"embeddings":[[1.0]]}',
        b"/api/tags": b'{"models":[]}',
        b"/api/show": b"{}",
        b"/api/busy": b'{"error":"busy"}',
    }
    while head := peer.request()[0]:
        path = head.split(b" ")[1]
        body = bodies.get(path, b'{"version":"0.32.6"}')
        status = b"503 Busy" if path == b"/api/busy" or b"busy-" in path else b"200 OK"
        peer.send(
            b"HTTP/1.1 %b\r\nContent-Length: %d\r\nContent-Type: application/json\r\n"
            b"Set-Cookie: secret=1\r\nServer: secret/1\r\nLocation: http://secret/\r\n"
            b"Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true"
            b"\r\nWWW-Authenticate: secret\r\nAlt-Svc: secret\r\nX-Secret: secret\r\n"
            b"Keep-Alive: timeout=secret\r\nRefresh: 0;secret\r\nETag: secret\r\n"
            b"Strict-Transport-Security: max-age=secret\r\nRetry-After: 17\r\n"
            b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nX-Request-Id: secret\r\n\r\n%b"
            % (status, len(body), body)
        )


@pytest.fixture(scope="module")
def chatty() -> Iterator[Server]:
    """Pannier in front of an Ollama that says too much."""
    with (
        Faulty(answering) as ollama,
        Server({"OLLAMA_URL": ollama.url}) as server,
    ):
        yield server


#: What a client may see: ours, the server's own, and what is relayed.
DOWNWARD = {
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "date",
    "server",
    "cache-control",
    "x-accel-buffering",
    "x-request-id",
    "request-id",
    "x-content-type-options",
    "openai-processing-ms",
    "openai-version",
    "x-pannier-ignored",
    "x-pannier-adjusted",
}


@pytest.mark.parametrize(
    ("method", "path", "body"), [x for x in REQUESTS if x[1] != "/api/pull"]
)
def test_h5_what_comes_back(chatty: Server, method: str, path: str, body: Any) -> None:
    """Of Ollama's headers translated answers have none, native ones a known few."""
    got = ask(chatty.port, method, path, body)
    assert got.status == 200, got
    relayed = path.startswith("/api/") or path == "/"
    names = [name for name, _ in got.headers]
    assert set(names) <= DOWNWARD | ({"retry-after"} if relayed else set())
    assert len(names) == len(set(names))
    assert "secret" not in str(got.headers)
    assert "1970" not in str(got.headers)
    assert got.header("Retry-After") == ("17" if relayed else None)


def test_h5_retry_after(server: Server, simulator: Simulator) -> None:
    """It passes where it is a number, and busy answers have one in any case."""
    for path in ("/v1/chat/completions", "/api/chat"):
        got = ask(server.port, "POST", path, CHAT | {"model": "fault-busy"})
        assert got.status == 503
        if path.startswith("/v1"):
            assert got.header("Retry-After") == "1"


HEAD = re.compile(rb"HTTP/1\.1 [0-9]{3} [ -~]*(\r\n[A-Za-z-]+: [ -~]*)+")
NASTY = "a\r\nSet-Cookie: b=c\r\n\r\n\x00\u2028é\U0001f600\x85"


@pytest.mark.parametrize(
    "body",
    [
        CHAT | {NASTY: 1},
        CHAT | {"model": NASTY},
        CHAT | {"model": "tiny\r\nX: y"},
        CHAT | {"stream": True, NASTY: 1},
        CHAT | {"reasoning_effort": NASTY},
        {NASTY: NASTY},
    ],
    ids=["field", "model", "line", "stream", "value", "all"],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
def test_h6_no_value_makes_a_header(server: Server, path: str, body: Any) -> None:
    """Whatever a body holds, an answer's head is what it should be, in ASCII."""
    data = json.dumps(body).encode()
    answer, _ = said(
        server.port,
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (path.encode(), len(data), data),
    )
    head = answer.partition(b"\r\n\r\n")[0]
    assert HEAD.fullmatch(head), head
    assert b"\nset-cookie" not in head.lower()


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/models/a%0D%0ASet-Cookie:%20b=c",
        b"/v1/models/%00%E2%80%A8%C3%A9%FF",
        b"/%0D%0ASet-Cookie:b=c",
        b"/health%0D%0A",
        b"/api/%0D%0ASet-Cookie:b=c",
        b"/v1/files/%0D%0ASet-Cookie:b=c",
        b"/docs/%0D%0ASet-Cookie:b=c/",
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE"])
def test_h6_no_path_makes_a_header(
    server: Server, method: bytes, target: bytes
) -> None:
    """Nor whatever a path holds."""
    request = b"%b %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer, _ = said(server.port, request % (method, target))
    head = answer.partition(b"\r\n\r\n")[0]
    assert HEAD.fullmatch(head), head
    assert b"\nset-cookie" not in head.lower()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("A-Z_0.9", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("a b", False),
        ("a,b", False),
        ("a;b=c", False),
        ("<x>", False),
        ("é", False),
    ],
)
def test_h6_ids(server: Server, simulator: Simulator, given: str, kept: bool) -> None:
    """A client's id is kept where it is harmless, in our answer and for Ollama."""
    simulator.clear()
    headers = {"X-Request-Id": given}
    got = ask(server.port, "GET", "/api/tags", headers=headers)
    (request,) = simulator.log()
    sent = {name.lower(): value for name, value in request["headers"]}
    for told in (got.header("x-request-id"), got.header("request-id")):
        assert told == sent["x-request-id"]
        assert (told == given) is kept
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", told or "")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/docs", 200),
        ("GET", "/health", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/v1/models", 200),
        ("GET", "/api/tags", 200),
        ("OPTIONS", "/v1/models", 204),
        ("GET", "/nothing", 404),
        ("GET", "/api//nothing", 404),
        ("GET", "/static/x", 404),
        ("PUT", "/health", 405),
        ("POST", "/v1/chat/completions", 400),
        ("POST", "/v1/images/generations", 501),
        ("DELETE", "/v1/models/tiny", 403),
    ],
)
def test_h8_nothing_is_sniffed(
    server: Server, method: str, path: str, status: int
) -> None:
    """Every answer has nosniff, and no version of ours in ``Server``."""
    got = ask(server.port, method, path)
    assert got.status == status
    assert got.header("X-Content-Type-Options") == "nosniff"
    assert got.header("Server") == "gunicorn"
    foreign = ask(server.port, method, path, headers={"Origin": "http://evil.example"})
    assert foreign.header("X-Content-Type-Options") == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["/", "/health", "/v1/models", "/v1/chat/completions", "/api/tags", "/api/x", "/x"],
)
def test_h8_trace_never_echoes(server: Server, simulator: Simulator, path: str) -> None:
    """TRACE repeats nothing, and goes no further."""
    simulator.clear()
    got = ask(server.port, "TRACE", path, headers={"X-Word": "parrot"})
    assert got.status in (404, 405)
    assert b"parrot" not in got.body
    assert "parrot" not in str(got.headers)
    assert simulator.log() == []
