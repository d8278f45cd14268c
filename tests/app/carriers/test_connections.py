"""Which connections serve again, which are tried again, and which are closed."""

import socket
import threading

import pytest
from support.carrying import descriptors, eventually, get, post
from support.faulty import CHUNKED, OK, always, once

from app.carriers import base as carrier
from app.errors import UpstreamBroken, UpstreamError, UpstreamUnreachable


def read(response):
    """The whole body."""
    return b"".join(response)


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        CHUNKED + b"2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nok",
    ],
)
def test_kept_alive(serve, connect, answer):
    """A whole answer of any status leaves the connection for the next request."""
    server = serve(always(answer))
    upstream = connect(server)
    for _ in range(4):
        assert read(upstream.send(post())) == b"ok"
    upstream.close()
    assert len(server.peers) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        OK + b"HTTP/1.1 200 OK\r\n",
        CHUNKED + b"2\r\nok\r\n0\r\n\r\nmore",
        CHUNKED + b"2\r\nok\r\n0\r\nX: y\r\n\r\nmore",
    ],
)
def test_not_kept(serve, connect, answer):
    """What says close, is old, or sends too much does not serve again."""

    def behaviour(peer):
        peer.request()
        peer.send(answer)
        assert peer.gone()

    server = serve(behaviour)
    upstream = connect(server)
    for _ in range(2):
        assert read(upstream.send(post())) == b"ok"
    assert len(server.peers) == 2


@pytest.mark.parametrize("read_first", [False, True])
def test_p10_unfinished_is_closed(serve, connect, read_first):
    """Closing an answer before its end closes the connection at once."""
    gone = threading.Event()

    def behaviour(peer):
        peer.request()
        peer.send(CHUNKED + b"2\r\nok\r\n")
        if peer.number == 0:
            assert peer.gone()
            gone.set()
        else:
            peer.send(b"0\r\n\r\n")

    server = serve(behaviour)
    upstream = connect(server)
    response = upstream.send(post())
    if read_first:
        assert next(response) == b"ok"
    response.close()
    assert gone.wait(5)
    assert read(upstream.send(post())) == b"ok"
    assert len(server.peers) == 2


def test_r2_closed_while_resting(serve, connect):
    """An idle connection that the upstream closed costs nothing but a new one."""
    closed = threading.Event()

    def behaviour(peer):
        peer.request()
        peer.send(OK)
        peer.socket.close()
        closed.set()

    server = serve(behaviour)
    upstream = connect(server)
    for _ in range(3):
        closed.clear()
        assert read(upstream.send(post(retry=False))) == b"ok"
        assert closed.wait(5)


def test_words_while_resting(serve, connect):
    """Bytes that nobody asked for are not taken for the next answer."""
    said = threading.Event()

    def behaviour(peer):
        peer.request()
        peer.send(OK)
        if peer.number == 0:
            assert release.wait(5)
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            said.set()
            assert peer.gone()

    release = threading.Event()
    upstream = connect(serve(behaviour))
    assert read(upstream.send(post())) == b"ok"
    release.set()
    assert said.wait(5)
    assert read(upstream.send(post())) == b"ok"


def dies_on_second(served, last_words=b""):
    """Answers one request a connection and ends at the next, having read it."""

    def behaviour(peer):
        if peer.request()[0]:
            served.append(peer.number)
            peer.send(OK)
        if peer.request()[0]:
            served.append(peer.number)
            peer.send(last_words)

    return behaviour


def test_r1_stale_is_tried_again(serve, connect):
    """A reused connection that dies without a byte is tried once, afresh."""
    served = []
    upstream = connect(serve(dies_on_second(served)))
    for _ in range(3):
        assert read(upstream.send(post())) == b"ok"
    upstream.close()
    assert served == [0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    "second", [lambda: post(retry=False), lambda: post(iter([b"{}"]))]
)
def test_r1_stale_without_retry(serve, connect, second):
    """No second try without leave, nor for a body that is gone."""
    served = []
    upstream = connect(serve(dies_on_second(served)))
    assert read(upstream.send(post())) == b"ok"
    with pytest.raises(UpstreamUnreachable):
        upstream.send(second())
    assert served == [0, 0]


def test_r1_no_retry_after_a_byte(serve, connect):
    """One byte of an answer, and the request may have acted: no second try."""
    served = []
    upstream = connect(serve(dies_on_second(served, b"H")))
    assert read(upstream.send(post())) == b"ok"
    with pytest.raises(UpstreamBroken):
        upstream.send(post())
    assert served == [0, 0]


def test_r1_one_retry_only(serve, connect):
    """When the second connection dies too, that is the end."""

    def behaviour(peer):
        peer.request()
        if peer.number == 0:
            peer.send(OK)
            peer.request()

    server = serve(behaviour)
    upstream = connect(server)
    assert read(upstream.send(post())) == b"ok"
    with pytest.raises(UpstreamUnreachable):
        upstream.send(post())
    assert len(server.peers) == 2


def test_r1_no_retry_on_a_new_connection(serve, connect):
    """A new connection that dies without a byte is not tried again."""
    server = serve(lambda peer: peer.request())
    with pytest.raises(UpstreamUnreachable):
        connect(server).send(post())
    assert len(server.peers) == 1


def test_r1_no_retry_after_a_polite_close(serve, connect):
    """A connection made after one that was to close is a new one: no second try."""

    def behaviour(peer):
        peer.request()
        if peer.number == 0:
            peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok")

    server = serve(behaviour)
    upstream = connect(server)
    assert read(upstream.send(post())) == b"ok"
    with pytest.raises(UpstreamUnreachable):
        upstream.send(post())
    assert len(server.peers) == 2


def test_r1_retry_is_on_a_fresh_connection(serve, connect):
    """The second try does not go to another connection as old as the first."""
    go = threading.Event()

    def behaviour(peer):
        peer.request()
        peer.send(OK[:-2])
        assert go.wait(5)
        peer.send(OK[-2:])
        peer.request()

    server = serve(behaviour)
    upstream = connect(server)
    both = [upstream.send(post()) for _ in range(2)]
    go.set()
    assert [read(response) for response in both] == [b"ok", b"ok"]
    assert read(upstream.send(post())) == b"ok"
    upstream.close()
    assert len(server.peers) == 3


@pytest.fixture
def closed_port():
    """A port of ours on which nobody listens yet, as a socket."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock


def test_u1_p10_refused(connect, closed_port):
    """A refused connection is a 502, not a timeout."""
    with pytest.raises(UpstreamUnreachable) as caught:
        connect(f"http://127.0.0.1:{closed_port.getsockname()[1]}").send(post())
    assert caught.value.status == 502
    assert "refused" in caught.value.detail.lower()


@pytest.fixture
def pauses(closed_port, monkeypatch):
    """The pauses before second tries; at the first, a server opens on the port."""
    taken = []

    def serve_one():
        sock, _ = closed_port.accept()
        with sock:
            sock.recv(65536)
            sock.sendall(OK)

    server = threading.Thread(target=serve_one)

    def pause(*bounds):
        taken.append(bounds)
        closed_port.listen()
        closed_port.settimeout(5)
        server.start()
        return 0.0

    monkeypatch.setattr(carrier.random, "uniform", pause)
    yield taken
    if taken:
        server.join()


def test_r1_refused_then_up(connect, closed_port, pauses):
    """A refused connection is tried once more after 100 to 250 ms."""
    upstream = connect(f"http://127.0.0.1:{closed_port.getsockname()[1]}")
    assert read(upstream.send(post())) == b"ok"
    assert pauses == [(0.1, 0.25)]


def test_r1_refused_without_retry(connect, closed_port, pauses):
    """Without leave for a second try there is none."""
    upstream = connect(f"http://127.0.0.1:{closed_port.getsockname()[1]}")
    with pytest.raises(UpstreamUnreachable):
        upstream.send(post(retry=False))
    assert pauses == []


def test_u1_unknown_name(connect, monkeypatch):
    """A name that does not resolve is a 502."""

    def nowhere(*arguments, **options):
        raise socket.gaierror(socket.EAI_NONAME, "unknown name")

    monkeypatch.setattr("socket.getaddrinfo", nowhere)
    monkeypatch.setattr("gevent.socket.getaddrinfo", nowhere)
    with pytest.raises(UpstreamUnreachable) as caught:
        connect("http://ollama.invalid:11434").send(get())
    assert "ollama.invalid" not in caught.value.message


def test_name_resolves(serve, connect):
    """A host is reached by name, whichever of its addresses answers."""
    server = serve(always(OK))
    assert read(connect(f"http://localhost:{server.port}").send(get())) == b"ok"


def test_nothing_stays_open(serve, connect, closed_port):
    """200 failing calls leave no descriptor behind."""
    faults = [
        lambda peer: None,
        once(b"garbage\r\n\r\n"),
        once(CHUNKED + b"5\r\nhel"),
        once(CHUNKED + b"zz\r\n"),
    ]
    refused = f"http://127.0.0.1:{closed_port.getsockname()[1]}"
    upstreams = [connect(serve(fault)) for fault in faults] + [connect(refused)]

    def fail():
        for upstream in upstreams:
            with pytest.raises(UpstreamError):
                read(upstream.send(post(retry=False)))

    fail()  # now what is made once is made
    before = descriptors()
    for _ in range(40):
        fail()
    assert eventually(lambda: descriptors() <= before)
