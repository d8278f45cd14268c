"""Our answers are gunicorn's, byte for byte, in fewer sends.

Over TLS too: gevent's ``SSLSocket.send`` waits by itself where the library wants to
read or write first, and gives how many bytes it took, as ``socket.send`` does: nothing
here needs to know which of the two it is.
"""

import re
import time
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http import message, wsgi
from gunicorn.http.unreader import IterUnreader
from gunicorn.util import http_date as gunicorn_date

from app.server import response as module
from app.server.response import Response

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = GET.replace(b"GET", b"HEAD")
OLD = GET.replace(b"1.1", b"1.0")
CLOSE = GET.replace(b"Host", b"Connection: close\r\nHost")
KEPT = OLD.replace(b"Host", b"Connection: keep-alive\r\nHost")
HEADS = {"get": GET, "head": HEAD, "old": OLD, "close": CLOSE, "kept": KEPT}
LENGTH = ("Content-Length", "5")
FAULT = (ValueError, ValueError("late"), None)

START = ("start", "200 OK", [("X-A", " b\t"), ("X-A", "c\xe9")])
KNOWN = ("start", "200 OK", [LENGTH, ("Content-Type", "text/plain")])
ONE, TWO, NONE, END = ("write", b"one"), ("write", b"two"), ("write", b""), ("close",)

#: What an application does: the calls that a server makes for it.
CALLS = {
    "pieces": [START, ONE, TWO, END],
    "no pieces": [START, END],
    "an empty piece": [START, NONE, END],
    "empty pieces": [START, NONE, ONE, NONE, NONE, TWO, NONE, END],
    "exact": [KNOWN, ("write", b"hello"), END],
    "in two": [KNOWN, ("write", b"he"), NONE, ("write", b"llo"), END],
    "shorter": [KNOWN, ("write", b"he"), END],
    "longer": [KNOWN, ("write", b"hello, world"), END],
    "too many": [KNOWN, ("write", b"hello"), ONE, TWO, END],
    "nothing": [KNOWN, END],
    "length 0": [("start", "200 OK", [("Content-Length", "0")]), END],
    "length 0, more": [("start", "200 OK", [("content-length", "0")]), ONE, END],
    "two lengths": [("start", "200 OK", [LENGTH, LENGTH]), ("write", b"hello"), END],
    "204": [("start", "204 No Content", [LENGTH]), ONE, END],
    "204, nothing": [("start", "204 No Content", []), END],
    "304": [("start", "304 Not Modified", [LENGTH]), ONE, END],
    "103": [("start", "103 Early Hints", [LENGTH]), END],
    "500": [("start", "500 Internal Server Error", [LENGTH]), ("write", b"hello"), END],
    "by write()": [START, ("callable", b"one"), TWO, ("callable", b"three"), END],
    "by write() alone": [KNOWN, ("callable", b"hello"), END],
    "large": [START, ("write", b"x" * 100_000), ONE, END],
    "a subclass": [START, ("write", type("Bytes", (bytes,), {})(b"one")), END],
    "text": [START, ONE, ("write", "two"), TWO, END],
    "upgrade": [
        (
            "start",
            "101 Switching Protocols",
            [("Connection", "Upgrade"), ("Upgrade", "WebSocket")],
        ),
        END,
    ],
    "hop by hop": [
        (
            "start",
            "200 OK",
            [("Connection", "close"), ("Transfer-Encoding", "chunked"), LENGTH],
        ),
        ("write", b"hello"),
        END,
    ],
    "twice": [START, KNOWN, ONE, END],
    "with a reason": [(*START, FAULT), ONE, END],
    "closed by us": [("force",), START, ONE, END],
    "closed by us, known": [KNOWN, ("force",), ("write", b"hello"), END],
    "a bad name": [("start", "200 OK", [("X A", "b")])],
    "a bad value": [("start", "200 OK", [("X-A", "b\r\nc: d")])],
    "a bad status": [("start", "200\r\n", [])],
    "no status": [("start", "OK", [])],
    "bytes": [("start", b"200 OK", [])],
    "a length in words": [("start", "200 OK", [("Content-Length", "five")])],
}


class Socket:
    """Takes what is sent, at most ``most`` bytes of each ``send``."""

    def __init__(self, most: int = 1 << 30) -> None:
        self.most = most
        self.sent: list[bytes] = []

    def send(self, data: bytes) -> int:
        """Take what there is room for."""
        self.sent.append(bytes(data[: self.most]))
        return len(self.sent[-1])

    def sendall(self, data: bytes) -> None:
        """Take all."""
        self.sent.append(bytes(data))

    @property
    def all(self) -> bytes:
        """What was sent, all of it, without the time."""
        return re.sub(rb"Date: [^\r]{29}\r\n", b"Date: now\r\n", b"".join(self.sent))


def answer(kind: type[Any], head: bytes, sock: Socket, **values: Any) -> Any:
    """The answer to a request, with nothing said as yet."""
    config = Config()
    for name, value in values.items():
        config.set(name, value)
    request = message.Request(config, IterUnreader([head]), ("127.0.0.1", 1))
    return kind(request, sock, config)


def play(response: Any, *calls: tuple[Any, ...]) -> list[Any]:
    """Make the calls; gives what each raised."""
    raised: list[Any] = []
    write = None
    for name, *arguments in calls:
        try:
            if name == "start":
                write = response.start_response(*arguments)
            elif name == "callable":
                assert write
                write(*arguments)
            elif name == "force":
                response.force_close()
            else:
                getattr(response, name)(*arguments)
            raised.append(None)
        except Exception as exc:
            raised.append((type(exc), str(exc)))
    return raised


@pytest.mark.parametrize(
    ("head", "calls"),
    [
        *[
            pytest.param(head, calls, id=f"{one}-{other}")
            for one, head in HEADS.items()
            for other, calls in CALLS.items()
        ],
        # But for HEAD: there nothing has been sent as yet, and it is not too late.
        *[
            pytest.param(head, [first, ONE, (*second, FAULT), TWO, END], id="too late")
            for head in (GET, OLD, CLOSE, KEPT)
            for first, second in ((START, KNOWN), (KNOWN, START))
        ],
    ],
)
def test_the_same_bytes(head: bytes, calls: list[Any]) -> None:
    """Whatever an application does, clients get what gunicorn would have sent them."""
    said = []
    for kind in (wsgi.Response, Response):
        sock = Socket()
        response = answer(kind, head, sock)
        raised = play(response, *calls)
        facts = [response.sent, response.headers_sent, response.status]
        said.append((raised, sock.all, facts))
        if response.status:
            facts.append(response.should_close())
    assert said[0] == said[1]


def test_the_table_is_not_of_nothing() -> None:
    """Its calls do send and do fail: the comparison has something to compare."""
    sock = Socket()
    assert play(answer(Response, GET, sock), *CALLS["pieces"]) == [None] * 4
    assert sock.all == (
        b"HTTP/1.1 200 OK\r\nServer: gunicorn\r\nDate: now\r\n"
        b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n"
        b"X-A: b\r\nX-A: c\xe9\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
    )
    (raised,) = play(answer(Response, GET, Socket()), *CALLS["a bad value"])
    assert raised


@pytest.mark.parametrize(
    ("calls", "sends"),
    [
        ([KNOWN, ("write", b"hello"), END], [b"\r\n\r\nhello"]),
        ([START, ONE, END], [b"\r\n\r\n3\r\none\r\n", b"0\r\n\r\n"]),
        ([START, NONE, ONE, END], [b"\r\n\r\n3\r\none\r\n", b"0\r\n\r\n"]),
        ([START, END], [b"\r\n\r\n0\r\n\r\n"]),
        ([KNOWN, END], [b"text/plain\r\n\r\n"]),
        ([KNOWN, NONE, END], [b"text/plain\r\n\r\n"]),
    ],
)
def test_a_head_leaves_with_what_follows(calls: list[Any], sends: list[bytes]) -> None:
    """Head and first piece are one send; each piece after them is one."""
    sock = Socket()
    assert not any(play(answer(Response, GET, sock), *calls))
    assert len(sock.sent) == len(sends)
    assert all(map(bytes.endswith, sock.sent, sends))
    assert sock.sent[0].startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("most", [1, 10, 150, 180, 100_000])
def test_what_a_socket_does_not_take_at_once(most: int) -> None:
    """Where it takes a part, the rest follows; nothing is lost or said twice."""
    whole, parts = Socket(), Socket(most)
    for sock in (whole, parts):
        assert not any(play(answer(Response, GET, sock), *CALLS["large"]))
    assert whole.all == parts.all
    assert len(parts.sent) > len(whole.sent)


@pytest.mark.parametrize("start", [START, KNOWN])
def test_nothing_is_sent_before_there_is_something(start: Any) -> None:
    """A head and empty pieces wait: what fails until then can still have its status."""
    sock = Socket()
    response = answer(Response, GET, sock)
    assert not any(play(response, start, NONE, NONE))
    assert (sock.sent, response.headers_sent) == ([], False)
    play(response, ("write", "text"))
    assert (sock.sent, response.headers_sent) == ([], False)


@pytest.mark.parametrize(
    "first",
    [
        [KNOWN],
        [KNOWN, NONE],
        [("start", "200 OK", [LENGTH, ("X-A", "b\n")])],
        [("start", "101 Switching Protocols", [("Connection", "upgrade")])],
    ],
)
def test_another_head_in_place_of_one(first: list[Any]) -> None:
    """Nothing of a head is left that another replaces, nor of one that was refused.

    gunicorn would send the fields of both, and so two lengths.
    """
    for fields in ([("Content-Length", "2")], []):
        again = ("start", "500 Oh", fields, FAULT)
        expected, sock = Socket(), Socket()
        play(answer(wsgi.Response, GET, expected), again, ONE, TWO, END)
        play(answer(Response, GET, sock), *first, again, ONE, TWO, END)
        assert sock.all == expected.all
        assert sock.all.count(b"Content-Length") == len(fields)


def test_no_head_at_all() -> None:
    """Who writes without a head has sent nothing: the server can still say 500."""
    sock = Socket()
    response = answer(Response, GET, sock)
    raised = play(response, ONE, END)
    assert all(raised)
    assert (sock.sent, response.headers_sent) == ([], False)


def test_a_send_that_fails() -> None:
    """After the first try to send something counts as sent, for nobody knows."""

    def send(_: bytes) -> int:
        raise ConnectionResetError

    sock = Socket()
    sock.send = send  # type: ignore[method-assign]
    response = answer(Response, GET, sock)
    assert play(response, START, ONE)[1] == (ConnectionResetError, "")
    assert response.headers_sent


def test_files_are_read(tmp_path: Any) -> None:
    """A file that an application wraps is sent as its pieces, behind the head."""
    (tmp_path / "file").write_bytes(b"hello")
    sock = Socket()
    response = answer(Response, GET, sock)
    with (tmp_path / "file").open("rb") as file:
        play(response, KNOWN, ("write_file", wsgi.FileWrapper(file)), END)
    assert len(sock.sent) == 1
    assert sock.all.endswith(b"\r\n\r\nhello")


def test_the_date(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the present second, whenever that is."""
    for now in (0.0, 0.99, 1.0, 1763700000.5, 1763700001.0, 1763700000.0):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        assert module.http_date() == gunicorn_date(now)
    assert module.http_date() == "Fri, 21 Nov 2025 04:40:00 GMT"
