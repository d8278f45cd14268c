"""Limits on waiting, over both carriers."""

import contextlib
import itertools
import re
import socket
import threading
import time

import msgspec
import pytest
from support.carrying import eventually, get, post, within
from support.faulty import CHUNKED, OK, PATIENCE, always

from app.carriers.base import Request, Timeouts
from app.errors import UpstreamTimeout

#: A limit's value, and how late its error may be (specification: reliability, T1).
SHORT = 0.3
GRACE = 1.0


class Stalling:
    """Behaves until a point, then waits to see the client go."""

    def __init__(self, *blocks):
        self.blocks = blocks
        self.left = threading.Event()

    def __call__(self, peer):
        """Answer with the blocks, then wait to see the client go."""
        peer.request()
        peer.send(*self.blocks)
        assert peer.gone()
        self.left.set()


@pytest.fixture
def late():
    """Call something; gives the timeout's message and checks when it came."""

    def call(function, after=SHORT):
        start = time.monotonic()
        with pytest.raises(UpstreamTimeout) as caught:
            function()
        assert after * 0.9 <= time.monotonic() - start <= after + GRACE
        assert caught.value.status == 504
        assert "127.0.0.1" not in caught.value.message
        return caught.value.message

    return call


def test_t1_first_byte(upstream, late):
    """An upstream that never begins its answer is left after the first-byte limit."""
    stalling = Stalling()
    request = within(post(), first_byte=SHORT)
    message = late(lambda: upstream(stalling).send(request))
    assert message == "Ollama did not begin its answer within 0.3 seconds"
    assert eventually(stalling.left.is_set)


def test_t1_half_a_head(upstream, late):
    """The first-byte limit runs until the head is complete."""
    stalling = Stalling(b"HTTP/1.1 200 OK\r\nCont")
    late(lambda: upstream(stalling).send(within(post(), first_byte=SHORT)))
    assert eventually(stalling.left.is_set)


@pytest.mark.parametrize("limit", ["first_byte", "total"])
def test_t1_t2_dripping_head(upstream, late, limit):
    """A head that grows by a byte now and then does not prolong the limit."""
    stop = threading.Event()

    def behaviour(peer):
        peer.request()
        peer.drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, 0.02, stop)

    late(lambda: upstream(behaviour).send(within(post(), **{limit: SHORT})))
    stop.set()


def test_t1_idle(upstream, late):
    """Silence inside the body ends at the idle limit; what came was delivered."""
    stalling = Stalling(CHUNKED + b"2\r\nok\r\n")
    response = upstream(stalling).send(within(post(), idle=SHORT))
    assert next(response) == b"ok"
    message = late(lambda: next(response))
    assert message == "Ollama sent nothing for 0.3 seconds"
    assert eventually(stalling.left.is_set)


def test_idle_is_for_each_read(upstream):
    """A body that keeps coming may take longer than the idle limit."""
    pause = threading.Event()

    def behaviour(peer):
        peer.request()
        peer.send(CHUNKED)
        for _ in range(8):
            pause.wait(0.1)
            peer.send(b"1\r\na\r\n")
        peer.send(b"0\r\n\r\n")

    response = upstream(behaviour).send(within(post(), idle=0.5))
    assert b"".join(response) == b"a" * 8


#: What says nothing, however often it comes: as a chunk, or as the end of one.
SILENT = {
    "blank line": b"1\r\n\n\r\n",
    "blanks": b"4\r\n \r\n\t\r\n",
    "spaces": b"2\r\n  \r\n",
    "a byte of a line": b"1\r\nx\r\n",
    "half a KiB a second": b"1a\r\n" + b"x" * 26 + b"\r\n",
}


def lines(request, **limits):
    """The same request for an answer that is lines."""
    return msgspec.structs.replace(within(request, **limits), lines=True)


def dripping(block, *before, pause=0.05):
    """Sends something first, then a block again and again until the client goes."""

    def behaviour(peer):
        peer.request()
        peer.send(CHUNKED, *before)
        with contextlib.suppress(OSError):
            while not gone.wait(pause):
                peer.send(block)

    gone = threading.Event()
    return behaviour


@pytest.mark.parametrize("silent", SILENT)
def test_t2_between_lines(upstream, late, silent):
    """What drips without saying a line ends at the idle limit, as silence does."""
    behaviour = dripping(SILENT[silent], b"3\r\n{}\n\r\n")
    response = upstream(behaviour).send(lines(post(), idle=SHORT))
    assert next(response) == b"{}\n"
    message = late(lambda: list(response))
    assert message == "Ollama sent nothing for 0.3 seconds"


@pytest.mark.parametrize("silent", ["blanks", "a byte of a line"])
def test_t1_t2_until_the_first_line(upstream, late, silent):
    """The first-byte limit runs until there is a first line, not only a head."""
    request = lines(post(), first_byte=SHORT)
    response = upstream(dripping(SILENT[silent])).send(request)
    message = late(lambda: list(response))
    assert message == "Ollama did not begin its answer within 0.3 seconds"


def test_t2_a_growing_line_is_alive(upstream, late):
    """A line may take its time while it grows by a KiB a second, and no longer."""
    block = b"100\r\n" + b"x" * 256 + b"\r\n"

    def behaviour(peer):
        peer.request()
        peer.send(CHUNKED)
        for _ in range(20):
            peer.send(block)
            pause.wait(0.04)
        assert peer.gone()

    pause = threading.Event()
    request = lines(post(), first_byte=0.5, idle=0.5)
    response = upstream(behaviour).send(request)
    left = 20 * 256
    while left:
        left -= len(next(response))
    assert "sent nothing" in late(lambda: next(response), 0.4)


def test_t2_byte_by_byte(upstream):
    """Lines may come byte by byte, as long as each comes within the limit."""
    body = b'{"a":1}\n' * 8
    stop = threading.Event()

    def behaviour(peer):
        peer.request()
        peer.send(CHUNKED)
        for byte in body:
            peer.send(b"1\r\n%c\r\n" % byte)
            stop.wait(0.01)
        peer.send(b"0\r\n\r\n")

    response = upstream(behaviour).send(lines(post(), first_byte=0.5, idle=0.5))
    assert b"".join(response) == body


@pytest.mark.parametrize("ask", [within, lines])
def test_slow_client_is_not_idle(upstream, ask):
    """Time in which the client does not read is not the upstream's silence."""
    sent = threading.Event()

    def behaviour(peer):
        peer.request()
        peer.send(CHUNKED + b"1\r\na\r\n")
        assert sent.wait(PATIENCE)
        peer.send(b"1\r\nb\r\n0\r\n\r\n")

    response = upstream(behaviour).send(ask(post(), first_byte=SHORT, idle=SHORT))
    assert next(response) == b"a"
    sent.set()
    end = time.monotonic() + 2 * SHORT
    assert eventually(lambda: time.monotonic() > end)
    assert b"".join(response) == b"b"


def test_t1_t2_total_of_a_drip(upstream, late):
    """A body that drips is cut at the total limit."""
    stop = threading.Event()

    def behaviour(peer):
        peer.request()
        peer.send(CHUNKED)
        peer.drip(b"1\r\na\r\n" * 1000, 0.02, stop)

    request = within(post(), total=SHORT)
    message = late(lambda: list(upstream(behaviour).send(request)))
    assert message == "Ollama did not finish its answer within 0.3 seconds"
    stop.set()


def test_t1_t2_total_of_a_flood(upstream, late):
    """A body that never ends is cut at the total limit, however fast it comes."""

    def behaviour(peer):
        peer.request()
        peer.send(CHUNKED)
        while True:
            peer.send(b"1\r\na\r\n" * 1000)

    def run():
        for _ in upstream(behaviour).send(within(post(), total=SHORT)):
            pass

    late(run)


@pytest.mark.parametrize("limit", ["idle", "total"])
@pytest.mark.parametrize("streamed", [False, True])
def test_blocked_send(serve, connect, late, limit, streamed):
    """An upstream that does not read the request is left as well."""
    server = serve(lambda peer: server.stopped.wait(PATIENCE))
    piece = bytes(1 << 20)
    body = itertools.repeat(piece, 64) if streamed else piece * 64
    request = within(post(body, length=64 << 20), **{limit: SHORT})
    message = late(lambda: connect(server).send(request))
    assert ("took nothing" if limit == "idle" else "did not finish") in message


def test_t1_connect(connect, late):
    """A connection that is not accepted is left after the connect limit, untried."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        for sock in waiting:  # more than the queue holds: the kernel drops the rest
            sock.setblocking(False)
            sock.connect_ex(address)
        upstream = connect("http://{}:{}".format(*address))
        try:
            message = late(lambda: upstream.send(within(post(), connect=SHORT)))
        finally:
            for sock in waiting:
                sock.close()
    assert message == "Ollama accepted no connection within 0.3 seconds"


def test_no_limits(upstream):
    """Without limits a request works as with them."""
    request = Request("GET", "/", timeouts=Timeouts(None, None, None, None))
    assert b"".join(upstream(always(OK)).send(request)) == b"ok"


def test_limits_belong_to_one_request(serve, connect, late):
    """A connection forgets the limits of its last request."""

    def behaviour(peer):
        peer.request()
        peer.send(OK)
        peer.request()
        assert not stop.wait(3 * SHORT)
        peer.send(OK)

    stop = threading.Event()
    upstream = connect(serve(behaviour))
    first = within(get(), connect=SHORT, first_byte=SHORT, idle=SHORT, total=SHORT)
    assert b"".join(upstream.send(first)) == b"ok"
    assert b"".join(upstream.send(get())) == b"ok"


def test_e1_words_hold_no_address(upstream):
    """The message is a plain sentence with the seconds that were waited."""
    with pytest.raises(UpstreamTimeout) as caught:
        upstream(Stalling()).send(within(get(), total=0.1))
    assert re.fullmatch(r"Ollama [a-z ]+ 0\.1 seconds", caught.value.message)
