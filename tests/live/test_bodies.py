"""Request bodies on a real socket: what is refused, and what follows it."""

import socket
import time
from collections.abc import Iterator

import pytest
from support.server import PATIENCE, Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

LIMIT = 2048
SMUGGLED = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def small(simulator: Simulator) -> Iterator[Server]:
    """Pannier with small limits on bodies, and little patience with them."""
    env = {
        "OLLAMA_URL": simulator.url,
        "PANNIER_MAX_BODY_BYTES": str(LIMIT),
        "PANNIER_BODY_TIMEOUT": "0.5",
        "PANNIER_IDLE_TIMEOUT": "0.5",
        "PANNIER_HEADER_TIMEOUT": "30",
    }
    with Server(env) as running:
        yield running


def said(server: Server, *blocks: bytes) -> tuple[bytes, float]:
    """All that comes back until the server closes, and how long that took."""
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=PATIENCE) as client:
        begun = time.monotonic()
        for block in blocks:
            client.sendall(block)
        answer = b""
        while block := client.recv(65536):
            answer += block
        return answer, time.monotonic() - begun


def post(path: bytes, framing: bytes) -> bytes:
    """The head of a POST."""
    return b"POST %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n\r\n" % (path, framing)


LONG = b"Content-Length: 100000"
CHUNKED = b"Transfer-Encoding: chunked"
ROOM = LIMIT * 4


@pytest.mark.parametrize("path", [b"/v1/chat/completions", b"/api/chat"])
@pytest.mark.parametrize(
    ("framing", "body", "status"),
    [
        (LONG, b"", 413),
        (LONG, SMUGGLED * 10, 413),
        (CHUNKED, b"%x\r\n%b" % (ROOM, b"x" * ROOM), 413),
        (CHUNKED, b"%x\r\n%b\r\n0\r\n\r\n" % (ROOM, b"x" * ROOM) + SMUGGLED, 413),
        (CHUNKED, b"zz\r\n" + SMUGGLED, 400),
        (CHUNKED, b"5\r\nabcdefgh" + SMUGGLED, 400),
        (b"Content-Length: 100", b"abc", 408),
        (CHUNKED, b"5\r\nab", 408),
    ],
    ids=["head", "some", "chunk", "pipelined", "size", "end", "slow", "slow-chunk"],
)
def test_a_refused_body_ends_the_connection(
    small: Server, path: bytes, framing: bytes, body: bytes, status: int
) -> None:
    """One answer, and the connection is closed: the rest is no request."""
    answer, seconds = said(small, post(path, framing) + body)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert seconds < 5  # waiting for the rest would take 30


@pytest.mark.parametrize(
    ("framing", "body", "status"),
    [
        (CHUNKED, b"5\r\nabcde\r\nzz\r\n" + SMUGGLED, 400),
        (CHUNKED, b"5\r\nabcde\r\n5\r\n", 408),
        (b"Content-Length: 100", b"abc", 408),
    ],
    ids=["size", "slow-chunk", "slow"],
)
def test_a_bad_upload(small: Server, framing: bytes, body: bytes, status: int) -> None:
    """An upload is refused in the same way, though it has no limit of size."""
    answer, seconds = said(small, post(b"/api/create", framing) + body)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert seconds < 5


def test_a_whole_body_keeps_the_connection(small: Server) -> None:
    """A mistake in a body that was read costs nobody the connection."""
    bad = post(b"/v1/chat/completions", b"Content-Length: 2") + b"[]"
    last = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer, _ = said(small, bad, last)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 2
    assert b"HTTP/1.1 200 OK" in answer


@pytest.mark.parametrize("path", [b"/v1/nothing", b"/api//nothing"])
def test_head_of_an_error(small: Server, path: bytes) -> None:
    """It is a head and nothing else, and the next answer follows at once."""
    head = b"HEAD %b HTTP/1.1\r\nHost: localhost\r\n" % path
    answer, _ = said(small, head + b"\r\n", head + b"Connection: close\r\n\r\n")
    first, second, rest = answer.split(b"\r\n\r\n")
    for one in (first, second):
        assert one.startswith(b"HTTP/1.1 404 ")
        assert b"\r\nContent-Length: " in one
        assert b"\r\nX-Content-Type-Options: nosniff" in one
    assert rest == b""
    assert "body bytes on a no-body response" not in small.output()
