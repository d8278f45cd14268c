"""Paths, and what of them reaches Ollama: nothing but what is meant."""

import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.bare import said
from support.faulty import Faulty, always
from support.raw import ask
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "empty"}]}
NAMES = [
    ("tiny", "tiny"),
    ("tiny:latest", "tiny:latest"),
    ("tiny%3Alatest", "tiny:latest"),
    ("hf.co/a/b:c", "hf.co/a/b:c"),
    ("hf.co%2Fa%2Fb%3ac", "hf.co/a/b:c"),
    ("a%252Fb", "a%2Fb"),
    ("a%25", "a%"),
    ("a?x=/api/pull", "a"),
    ("..a", "..a"),
    ("%C3%A9", "é"),
    ("api/delete", "api/delete"),
]


@pytest.mark.parametrize(("written", "name"), NAMES)
@pytest.mark.parametrize("base", ["/v1", ""])
def test_a1_a_name_goes_into_a_body(
    server: Server, simulator: Simulator, base: str, written: str, name: str
) -> None:
    """A name in a path is decoded once and asked for in JSON, never in a URL."""
    simulator.clear()
    got = ask(server.port, "GET", f"{base}/models/{written}")
    assert got.status in (200, 404)
    (request,) = simulator.log()
    assert (request["method"], request["target"]) == ("POST", "/api/show")
    assert json.loads(request["body"])["model"] == name


@pytest.mark.parametrize(
    "written",
    [
        "..",
        ".",
        "a/..",
        "../api/tags",
        "a/../b",
        "a/./b",
        "a//b",
        "/a",
        "%2Fa",
        "a/",
        "a%2F",
        "a%2F..%2Fb",
        "%2e%2e",
        "a\\b",
        "a%5Cb",
        "%00",
        "a%0Ab",
        "a%7F",
        "%C2%85",
        "%FF",
        "%C3",
        "%ED%A0%80",
        "x" * 513,
        "",
    ],
)
@pytest.mark.parametrize("base", ["/v1", ""])
def test_a1_tricks_are_no_names(
    server: Server, simulator: Simulator, base: str, written: str
) -> None:
    """What no model can be called is refused in OpenAI's words, and not asked for."""
    simulator.clear()
    got = ask(server.port, "GET", f"{base}/models/{written}")
    assert got.status in (400, 404)
    assert got.code in ("model_not_found", "unknown_url", "invalid_value")
    assert simulator.log() == []


TRICKS = [
    b"//api/tags",
    b"/api//tags",
    b"/api/./tags",
    b"/api/x/../tags",
    b"/v1/../api/tags",
    b"/./api/tags",
    b"/api/..",
    b"/api/tags/",
    b"/api/tags/.",
    b"/api/%74ags",
    b"/%61pi/tags",
    b"/api/%64elete",
    b"/api%2Ftags",
    b"/api/%2e%2e/api/tags",
    b"/api/..%2ftags",
    b"/api/x%2F..%2Ftags",
    b"/api\\tags",
    b"/api/x\\..\\tags",
    b"/api/%5Ctags",
    b"/api/tags;x=1",
    b"/api;x/tags",
    b"/api/tags%3Bx",
    b"/api/tags%00",
    b"/api/tags%0A",
    b"/api/tags%20",
    b"/api/tags%23",
    b"/api/tags%3F",
    b"/api/%2574ags",
    b"/api/tags#x",
    b"/API/tags",
    b"http:///api/tags",
    b"foo:/api/tags?://x/api/pull",
    b"http:/api/chat?://x/api/pull",
    b"foo://x/api/tags",
]


@pytest.mark.parametrize("target", TRICKS)
@pytest.mark.parametrize("method", [b"GET", b"DELETE"])
def test_a2_tricks_with_spelling(
    server: Server, simulator: Simulator, method: bytes, target: bytes
) -> None:
    """A native path that is not written the one right way reaches nobody."""
    simulator.clear()
    answer, _ = said(
        server.port,
        b"%b %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        % (method, target),
    )
    assert re.match(rb"HTTP/1\.1 (400|404|405) ", answer), answer
    assert simulator.log() == []


@pytest.fixture(scope="module")
def plain(simulator: Simulator) -> Iterator[Server]:
    """A Pannier without a linter of WSGI: those know no CONNECT."""
    with Server({"OLLAMA_URL": simulator.url}) as running:
        yield running


@pytest.fixture(scope="module")
def tight(simulator: Simulator) -> Iterator[Server]:
    """A Pannier with low limits."""
    limits = {
        "PANNIER_MAX_BODY_BYTES": "2048",
        "PANNIER_BODY_TIMEOUT": "1",
        "PANNIER_TOTAL_TIMEOUT": "1",
        "PANNIER_IDLE_TIMEOUT": "1",
    }
    with Server({"OLLAMA_URL": simulator.url, **limits}) as running:
        yield running


BOTH = ["/v1/chat/completions", "/api/chat"]


@pytest.mark.parametrize("path", BOTH)
def test_a3_the_same_limits(tight: Server, simulator: Simulator, path: str) -> None:
    """A native call's body has the limits of any other: size, time, coding."""
    simulator.clear()
    large = CHAT | {"messages": [{"role": "user", "content": "x" * 2048}]}
    assert ask(tight.port, "POST", path, large).status == 413
    coded = {"Content-Encoding": "br"}
    assert ask(tight.port, "POST", path, CHAT, coded).status == 415
    slow = b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
    answer, seconds = said(tight.port, slow % path.encode())
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert seconds < 5
    assert simulator.log() == []


def test_a3_the_same_timeouts(tight: Server) -> None:
    """A native call to an Ollama that never answers ends as any other: 504."""

    def seen(path: str, stream: bool) -> tuple[int, float]:
        body = CHAT | {"model": "fault-never", "stream": stream}
        begun = time.monotonic()
        status = ask(tight.port, "POST", path, body).status
        return status, time.monotonic() - begun

    cases = [(path, stream) for path in BOTH for stream in (True, False)]
    with ThreadPoolExecutor(len(cases)) as threads:
        for status, seconds in threads.map(seen, *zip(*cases, strict=True)):
            assert status == 504
            assert 0.9 < seconds < 5


@pytest.mark.parametrize("path", BOTH)
def test_a3_the_same_end(server: Server, simulator: Simulator, path: str) -> None:
    """A client that leaves a native stream stops the model as any other does."""
    body = CHAT | {"model": "sim-chunks1000-tps20", "stream": True}
    body["messages"] = [{"role": "user", "content": f"leaving {path}"}]
    data = json.dumps(body).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(
            b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b"
            % (path.encode(), len(data), data)
        )
        assert b" 200 " in client.recv(65536)
    simulator.wait(10, path="/api/chat", body=f"leaving {path}", outcome="client-left")


@pytest.mark.parametrize(
    "target",
    [
        b"/static/../wsgi.py",
        b"/static/%2e%2e/wsgi.py",
        b"/static/..%2fwsgi.py",
        b"/static/%2e%2e%2f%2e%2e%2fetc/passwd",
        b"/static/..%5cwsgi.py",
        b"/static//etc/passwd",
        b"/static/%252e%252e/wsgi.py",
        b"/static/%00",
        b"/static/",
        b"/static",
        b"/templates/docs.html",
        b"/app/settings.py",
        b"/wsgi.py",
        b"/.env",
        b"/../../../../etc/passwd",
        b"/docs/../../wsgi.py",
    ],
)
def test_a4_no_file_by_path(server: Server, target: bytes) -> None:
    """No spelling of a path gets at a file."""
    answer, _ = said(
        server.port,
        b"GET %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % target,
    )
    assert answer.startswith(b"HTTP/1.1 404 "), answer
    assert b'"code":"unknown_url"' in answer


def test_a5_no_open_proxy(plain: Server, simulator: Simulator) -> None:
    """Of an absolute target its path alone counts, and CONNECT connects nobody."""
    simulator.clear()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    with Faulty(always(answer)) as elsewhere:
        there = f"127.0.0.1:{elsewhere.port}".encode()
        for line, status in (
            (b"GET http://%b/api/tags" % there, b"200"),
            (b"GET http://%b/nothing" % there, b"404"),
            (b"GET http://%b" % there, b"200"),
            (b"GET http://%b?/api/tags" % there, b"200"),
            (b"DELETE http://%b?/api/tags" % there, b"404"),
            (b"GET https://user:word@%b/api/version?x" % there, b"200"),
            (b"GET ftp://%b/api/tags" % there, b"404"),
            (b"CONNECT %b" % there, b"4"),
            (b"CONNECT http://%b/api/tags" % there, b"405"),
            (b"CONNECT /api/tags", b"405"),
        ):
            got, _ = said(
                plain.port,
                line + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            )
            assert got.startswith(b"HTTP/1.1 " + status), (line, got)
        assert elsewhere.peers == []
    # Our own page asks for the version.
    assert {e["target"] for e in simulator.log()} == {
        "/api/tags",
        "/api/version?x",
        "/api/version",
    }


FIELDS = [
    "api_base",
    "base_url",
    "host",
    "api_host",
    "endpoint",
    "url",
    "proxy",
    "OLLAMA_URL",
]


@pytest.mark.parametrize("field", FIELDS)
def test_a5_nobody_chooses_the_upstream(
    server: Server, simulator: Simulator, field: str
) -> None:
    """Fields, parameters and headers that name another server have no effect."""
    with Faulty(always(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")) as elsewhere:
        body = CHAT | {field: elsewhere.url, "extra_body": {field: elsewhere.url}}
        headers = {"X-Forwarded-Host": elsewhere.url, field: elsewhere.url}
        headers.pop("host", None)
        for path in ("/v1/chat/completions", "/api/chat"):
            target = f"{path}?{field}={elsewhere.url}"
            simulator.clear()
            got = ask(server.port, "POST", target, body, headers)
            assert got.status == 200, got
            assert [e["target"].partition("?")[0] for e in simulator.log()] == [
                "/api/chat"
            ]
        assert elsewhere.peers == []
