"""What a worker does around an answer, above all where that fails."""

import re
import ssl
import struct
from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from gevent import GreenletExit, Timeout
from gevent import socket as gevent_socket
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from support.bare import said, statuses
from support.server import PATIENCE, Server

from app.body import ARRIVED
from app.errors import Interruption
from app.server.request import Request
from app.server.worker import Worker

GET = b"GET /one HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST /one HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"

Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


class Body:
    """The pieces of an answer; what is no bytes is raised.  Counts its ends."""

    def __init__(self, *pieces: bytes | BaseException) -> None:
        self.pieces = iter(pieces)
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                raise piece

    def close(self) -> None:
        """Count this."""
        self.closed += 1


@pytest.fixture(autouse=True)
def our_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a worker's process, where that is for good."""
    monkeypatch.setattr(RequestParser, "mesg_class", Request)


def working(application: Application, **values: Any) -> Any:
    """A worker that has no process of its own, and a log that keeps what it is told."""
    worker = Worker.__new__(Worker)
    worker.cfg = Config()
    worker.cfg.set("keepalive", 5)
    for name, value in values.items():
        worker.cfg.set(name, value)
    worker.log = Mock(access_log_enabled=bool(worker.cfg.accesslog))
    worker.wsgi, worker.alive, worker.nr = application, True, 0
    worker.max_requests = worker.cfg.max_requests or 1 << 62
    return worker


def answers(worker: Any, *requests: bytes) -> bytes:
    """All that a client is told that sends these, and then nothing more."""
    client, ours = gevent_socket.socketpair()
    with client:
        client.sendall(b"".join(requests))
        client.shutdown(gevent_socket.SHUT_WR)
        worker.handle(
            SimpleNamespace(getsockname=lambda: ("127.0.0.1", 80)),
            ours,
            ("127.0.0.1", 5000),
        )
        assert ours.closed
        return b"".join(iter(lambda: client.recv(65536), b""))


def app_of(*bodies: Any, fields: Any = ()) -> Application:
    """Answers one request after the other with these bodies."""
    left = iter(bodies)

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", list(fields))
        return next(left)

    return application


#: What may end an answer.  Some of it is no ``Exception``, and passes most handlers.
FAULTS = [
    ValueError("a fault"),
    OSError("a file"),
    ConnectionResetError("gone"),
    ssl.SSLError("broken"),
    ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "gone"),
    StopIteration(),
    Timeout(1),
    Interruption(),
    GreenletExit(),
    SystemExit(1),
    GeneratorExit(),
    BaseException("anything"),
]


def named(fault: object) -> str:
    """What a test with a fault is called: not by the place of that in memory."""
    return type(fault).__name__


@pytest.mark.parametrize("fields", [(), [("Content-Length", "6")]], ids=["open", "six"])
@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_h1_nothing_follows_half_an_answer(fault: BaseException, fields: Any) -> None:
    """Whatever ends it: no end of a body, no other status, no next answer."""
    body = Body(b"one", fault)
    if isinstance(fault, StopIteration):  # which Python takes for a fault in there
        body.pieces = iter([b"one", RuntimeError("generator raised StopIteration")])
    worker = working(app_of(body, Body(b"two"), fields=fields))
    said = answers(worker, GET, GET)
    assert re.fullmatch(rb"HTTP/1.1 200 OK\r\n.*\r\n\r\n(3\r\none\r\n|one)", said, re.S)
    assert statuses(said) == [200]
    assert body.closed == 1
    assert worker.nr == 1


def test_the_connection_ends_whoever_holds_it() -> None:
    """A client sees the end of half an answer although a copy of the socket is open."""
    copies = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        copies.append(environ["gunicorn.socket"].dup())
        start_response("200 OK", [])
        return Body(b"one", ValueError("a fault"))

    with Timeout(PATIENCE):
        assert answers(working(application), GET).endswith(b"\r\n3\r\none\r\n")
    copies[0].close()


def test_what_an_application_is_told() -> None:
    """That others run beside it, and how much of its body is there already."""
    seen: list[Any] = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append((environ["wsgi.multithread"], environ[ARRIVED]))
        start_response("200 OK", [])
        return Body(b"one")

    answers(working(application), CHUNKED, b"0\r\n\r\n", GET)
    assert seen == [(True, 5 + len(GET)), (True, 0)]


def test_another_protocol() -> None:
    """What nginx sends with ``uwsgi_pass`` is answered as well, and without chunks."""
    names = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/one",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    words = [word.encode() for pair in names.items() for word in pair]
    block = b"".join(struct.pack("<H", len(word)) + word for word in words)
    worker = working(app_of(Body(b"one")), protocol="uwsgi")
    said = answers(worker, struct.pack("<BHB", 0, len(block), 0) + block)
    assert statuses(said) == [200]
    assert said.endswith(b"\r\n\r\none")


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if not isinstance(fault, StopIteration)]
)
@pytest.mark.parametrize("before", [[], [b""], [b"", b""]], ids=len)
@pytest.mark.parametrize("called", [False, True])
def test_a_failure_before_the_first_byte(
    fault: BaseException, before: list[bytes], called: bool
) -> None:
    """gunicorn says 500, once, and no more; a client that has left is told nothing."""
    body = Body(*before, fault)

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", "3")] if before else [])
        if called:
            raise fault
        return body

    worker = working(application)
    told = not isinstance(fault, OSError | GreenletExit | SystemExit)
    said = answers(worker, GET, GET)
    assert statuses(said) == [500] * told
    assert said.count(b"Content-Length") == told
    assert body.closed == (not called)
    assert worker.nr == 1


def test_a_head_that_is_refused() -> None:
    """An application that sends what may not be sent is answered for, with a 500."""
    worker = working(app_of(Body(b"one"), fields=[("X-A", "b\nc: d")]))
    assert statuses(answers(worker, GET, GET)) == [500]


@pytest.mark.parametrize("fault", [None, ValueError("a fault"), Timeout(1)], ids=named)
@pytest.mark.parametrize("fails", [False, True])
def test_the_hooks(fails: bool, fault: Any) -> None:
    """Each has its turn at each request; one that fails afterwards harms nothing."""
    seen: list[Any] = []

    def before(worker: Any, request: Any) -> None:
        seen.append(request.uri)

    def after(worker: Any, request: Any, environ: Any, response: Any) -> None:
        seen.append((request.uri, environ["PATH_INFO"], response.status))
        if fails:
            raise ValueError("a fault of the hook's")

    bodies = [Body(b"one", *([fault] if fault else [])), Body(b"two")]
    worker = working(app_of(*bodies), pre_request=before, post_request=after)
    said = answers(worker, GET, GET)
    asked = 1 if fault else 2
    assert statuses(said) == [200] * asked
    assert seen == ["/one", ("/one", "/one", "200 OK")] * asked
    assert said.endswith(b"3\r\none\r\n" if fault else b"3\r\ntwo\r\n0\r\n\r\n")
    assert worker.log.exception.call_count == bool(fault) + fails * asked


def test_a_hook_that_fails_before() -> None:
    """It is a fault like another: 500, and the application is not asked."""

    def before(worker: Any, request: Any) -> None:
        raise ValueError("a fault of the hook's")

    worker = working(app_of(), pre_request=before)
    assert statuses(answers(worker, GET, GET)) == [500]


def test_the_last_request_of_a_worker() -> None:
    """With ``max_requests`` the last one is answered whole, and says that it is."""
    bodies = [Body(b"one"), Body(b"two"), Body(b"three")]
    worker = working(app_of(*bodies), max_requests=2)
    said = answers(worker, GET, GET, GET)
    assert re.findall(rb"Connection: (.*)\r\n", said) == [b"keep-alive", b"close"]
    assert said.endswith(b"3\r\ntwo\r\n0\r\n\r\n")
    assert (worker.alive, worker.nr) == (False, 2)
    worker.log.info.assert_called_once()


@pytest.mark.parametrize("keepalive", [0, 5])
def test_connections_that_are_not_kept(keepalive: int) -> None:
    """Where gunicorn is told to keep none, an answer says so."""
    worker = working(app_of(Body(b"one"), Body(b"two")), keepalive=keepalive)
    found = re.findall(rb"Connection: (.*)\r\n", answers(worker, GET, GET))
    assert found == ([b"keep-alive"] * 2 if keepalive else [b"close"])


def test_what_a_body_leaves_unread() -> None:
    """It is thrown away, and the next request is answered; a broken one ends all."""
    worker = working(app_of(Body(b"one"), Body(b"two"), Body(b"three")))
    said = answers(worker, CHUNKED, b"1c\r\n" + GET[:28] + b"\r\n0\r\n\r\n", GET)
    assert statuses(said) == [200, 200]
    said = answers(worker, CHUNKED, b"zz\r\n", GET, GET)
    assert said.count(b"HTTP/1.1 200") == 1
    assert worker.nr == 3


def test_who_waits_to_be_told_to_go_on() -> None:
    """``Expect`` is answered before the application is asked, in a send of its own."""
    post = b"POST /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    said = answers(working(app_of(Body(b"one"))), post, b"abc")
    assert said.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("accesslog", [None, "-"])
@pytest.mark.parametrize("fault", [None, ValueError("a fault")], ids=repr)
def test_gunicorn_s_own_access_log(accesslog: str | None, fault: Any) -> None:
    """Who asks gunicorn for it has it: one line for a request, with its size."""
    body = Body(b"one", b"", b"three", *([fault] if fault else []))
    worker = working(app_of(body), accesslog=accesslog)
    answers(worker, GET)
    lines = worker.log.access.call_args_list
    assert len(lines) == (accesslog is not None)
    for line in lines:
        response, request, environ, taken = line.args
        assert (response.status, response.sent) == ("200 OK", 8)
        assert request.uri == environ["PATH_INFO"] == "/one"
        assert timedelta() <= taken < timedelta(seconds=60)


HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.live
@pytest.mark.parametrize(
    ("arguments", "worker"),
    [([], "Worker"), (["-k", "gevent"], "gevent"), (["--keep-alive", "0"], "Worker")],
    ids=str,
)
def test_gunicorn_s_options(arguments: list[str], worker: str) -> None:
    """Its access log and its own gevent worker can be had, and the hooks are kept."""
    chunks = b"POST /v1/nothing HTTP/1.1\r\nHost: localhost\r\n"
    chunks += b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    more = ["--access-logfile", "-", "--access-logformat", "line: %(U)s %(s)s %(B)s"]
    with Server(arguments=[*arguments, *more]) as server:
        assert f"Using worker: {worker}\n" in server.output()
        good, _ = said(server.port, HEALTH + b"Connection: close\r\n\r\n")
        assert statuses(good) == [200]
        # By itself gunicorn would answer a broken body a second time.
        bad, _ = said(server.port, chunks + HEALTH + b"\r\n")
        assert statuses(bad) == [404]
        size = len(good.partition(b"\r\n\r\n")[2])
        assert f"line: /health 200 {size}\n" in server.output()
        assert "line: /v1/nothing 404 " in server.output()
        assert "Traceback" not in server.output()
