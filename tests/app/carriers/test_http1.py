"""What only the built-in carrier promises: greenlets, its sweeper and its pool."""

import socket
import threading

import gevent
import pytest
from support.carrying import descriptors, eventually, get, post, within
from support.faulty import CHUNKED, OK, PATIENCE, Faulty, always

from app.carriers import pool
from app.carriers.base import Origin
from app.carriers.http1 import Http1Carrier
from app.errors import UpstreamBroken, UpstreamTimeout, UpstreamUnreachable


@pytest.fixture
def carry():
    """Start a server with a behaviour and make carriers for it."""
    made = []

    def start(behaviour):
        server = Faulty(behaviour)
        server.__enter__()
        carrier = Http1Carrier(Origin.parse(server.url))
        made.append((server, carrier))
        return carrier

    yield start
    for server, carrier in made:
        carrier.close()
        server.__exit__(None, None, None)


class Watched:
    """Sends its blocks and knows when a request came and when its client left."""

    def __init__(self, *blocks):
        self.blocks = blocks
        self.asked = threading.Event()
        self.left = threading.Event()

    def __call__(self, peer):
        """Answer with the blocks, then wait to see the client go."""
        peer.request()
        peer.send(*self.blocks)
        self.asked.set()
        assert peer.gone()
        self.left.set()


def read_all(carrier, request):
    """Send and read to the end."""
    return b"".join(carrier.send(request))


@pytest.mark.parametrize("blocks", [(), (CHUNKED + b"2\r\nok\r\n",)])
def test_killed_greenlet_closes(carry, blocks):
    """A greenlet killed while it waits, for head or body, leaves the upstream."""
    watched = Watched(*blocks)
    greenlet = gevent.spawn(read_all, carry(watched), post())
    assert eventually(watched.asked.is_set)
    greenlet.kill(timeout=5)
    assert eventually(watched.left.is_set)


def test_killed_while_sending_closes(carry):
    """A greenlet killed while the upstream takes nothing leaves it too."""
    left = threading.Event()
    begun = threading.Event()

    def behaviour(peer):
        begun.set()
        assert left.wait(PATIENCE)
        assert peer.gone()

    greenlet = gevent.spawn(read_all, carry(behaviour), post(bytes(32 << 20)))
    assert eventually(begun.is_set)
    greenlet.kill(timeout=5)
    left.set()


def test_killed_while_connecting_closes():
    """A greenlet killed while it connects leaves no socket behind."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(8)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        carrier = Http1Carrier(Origin("http", *full.getsockname()))
        before = descriptors()
        greenlet = gevent.spawn(read_all, carrier, post())
        assert eventually(lambda: descriptors() > before)
        greenlet.kill(timeout=5)
        assert eventually(lambda: descriptors() == before)
        for sock in waiting:
            sock.close()


def test_close_from_elsewhere(carry):
    """Closing an answer wakes the greenlet that reads it, with an error."""
    watched = Watched(CHUNKED + b"2\r\nok\r\n")
    response = carry(watched).send(post())
    assert next(response) == b"ok"
    reader = gevent.spawn(list, response)
    gevent.sleep(0)
    response.close()
    with pytest.raises(UpstreamBroken):
        reader.get(timeout=5)
    assert eventually(watched.left.is_set)


def test_total_binds_a_slow_reader(carry):
    """An answer that nobody reads is closed at the total limit."""
    watched = Watched(CHUNKED + b"2\r\nok\r\n")
    response = carry(watched).send(within(post(), total=0.3))
    assert next(response) == b"ok"
    assert eventually(watched.left.is_set)
    with pytest.raises(UpstreamTimeout):
        next(response)


def test_idle_connections_age(carry, monkeypatch):
    """A connection without work is closed after a while, and the sweeper ends."""
    monkeypatch.setattr(pool, "IDLE_AGE", 0.2)
    left = threading.Event()

    def behaviour(peer):
        peer.request()
        peer.send(OK)
        assert peer.gone()
        left.set()

    carrier = carry(behaviour)
    assert read_all(carrier, get()) == b"ok"
    assert eventually(left.is_set)
    assert eventually(lambda: not carrier._pool._sweeper)


def test_pool_is_bounded(carry, monkeypatch):
    """No more than so many idle connections are kept."""
    monkeypatch.setattr(pool, "MAX_IDLE", 2)
    release = threading.Event()

    def behaviour(peer):
        while peer.request()[0]:
            assert release.wait(PATIENCE)
            peer.send(OK)

    carrier = carry(behaviour)
    before = descriptors()
    calls = [gevent.spawn(read_all, carrier, get()) for _ in range(5)]
    assert eventually(lambda: descriptors() == before + 10)  # both ends are ours
    release.set()
    gevent.joinall(calls, timeout=5, raise_error=True)
    assert eventually(lambda: descriptors() == before + 4)


def test_held_streams_block_nobody(carry):
    """Beside many held streams a good request is served."""

    def behaviour(peer):
        head, _ = peer.request()
        peer.send(OK if b"GET" in head else CHUNKED)
        assert peer.gone()

    carrier = carry(behaviour)
    held = [carrier.send(post()) for _ in range(60)]
    assert read_all(carrier, get()) == b"ok"
    for response in held:
        response.close()


def test_no_delay(carry):
    """Small writes leave at once."""
    carrier = carry(Watched(CHUNKED))
    response = carrier.send(post())
    [connection] = carrier._pool._active
    option = connection._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    response.close()
    assert option == 1


def test_nothing_before_the_first_request():
    """A carrier opens nothing when it is made: it may be made before a fork."""
    before = descriptors()
    Http1Carrier(Origin.parse("http://127.0.0.1:11434"))
    assert descriptors() == before


def test_close_lets_answers_go_on(carry):
    """Closing the carrier closes what rests; a running answer ends as it would."""
    go = threading.Event()

    def behaviour(peer):
        peer.request()
        peer.send(CHUNKED)
        assert go.wait(PATIENCE)
        peer.send(b"2\r\nok\r\n0\r\n\r\n")
        assert peer.gone()

    carrier = carry(behaviour)
    response = carrier.send(post())
    carrier.close()
    go.set()
    assert b"".join(response) == b"ok"


def test_last_descriptor(carry, monkeypatch):
    """Out of descriptors is our own 503 with Retry-After."""

    def none_left(*arguments):
        raise OSError(24, "Too many open files")

    carrier = carry(always(OK))
    monkeypatch.setattr("_socket.socket", none_left)
    with pytest.raises(UpstreamUnreachable) as caught:
        carrier.send(get(retry=False))
    monkeypatch.undo()
    assert caught.value.status == 503
    assert caught.value.headers == [("Retry-After", "1")]
