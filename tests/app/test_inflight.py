"""The watch over requests: whom it interrupts, when, and whom it leaves alone."""

import contextlib
import gc
import random
import socket
import time
import weakref
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import gevent
import gevent.event
import gevent.lock
import gevent.queue
import pytest

from app import inflight
from app.errors import GatewayError, Interruption
from app.inflight import Inflight, Watch

#: Seconds between two looks here, and within which what is to happen does.
TICK = 0.08
SOON = 5.0
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for long."""
    monkeypatch.setattr(inflight, "TICK", TICK)


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Our end of a connection, and the client's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def fill(sock: socket.socket) -> None:
    """Write as much as the system takes."""
    sock.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.send(bytes(65536))


class Served:
    """A request that waits in a greenlet of its own until something ends it."""

    def __init__(
        self,
        all_: Inflight,
        sock: Any,
        wait: Callable[[], object] = lambda: gevent.sleep(10),
    ) -> None:
        self.ended: BaseException | str = ""
        self.watch: Watch
        self._begun = gevent.event.Event()
        self._greenlet = gevent.spawn(self._serve, all_, sock, wait)
        assert self._begun.wait(SOON)

    def _serve(self, all_: Inflight, sock: Any, wait: Callable[[], object]) -> None:
        self.watch = all_.begin(sock)
        self.watch.all_read = True
        self._begun.set()
        try:
            wait()
            self.ended = "done"
        except BaseException as exc:
            self.ended = exc
        finally:
            self.watch.end()

    def over(self, seconds: float = SOON) -> BaseException | str:
        """How it ended, waiting for that; empty if it did not."""
        self._greenlet.join(seconds)
        return self.ended


WAITS: dict[str, Callable[[], object]] = {
    "timer": lambda: gevent.sleep(10),
    "queue": lambda: gevent.queue.Queue[int]().get(timeout=10),
    "event": lambda: gevent.event.Event().wait(10),
    "lock": lambda: gevent.lock.Semaphore(0).acquire(timeout=10),
    "greenlet": lambda: gevent.spawn(gevent.sleep, 10).join(),
    "yielding": lambda: [gevent.sleep(0) for _ in iter(int, 1)],
}


@pytest.mark.parametrize("wait", WAITS)
def test_interrupted_wherever_it_waits(pair: Pair, wait: str) -> None:
    """A client that closes ends its request, whatever that waits for."""
    served = Served(Inflight(60), pair[0], WAITS[wait])
    pair[1].close()
    ended = served.over()
    assert isinstance(ended, Interruption)
    assert ended.error is None


@pytest.mark.parametrize("portable", [False, True])
def test_who_has_left(pair: Pair, monkeypatch: Any, portable: bool) -> None:
    """Half an end is an end, more bytes are none, and so on systems that tell less."""
    if portable:
        monkeypatch.setattr(inflight, "_HUNG_UP", 0)
    served = Served(Inflight(60), pair[0])
    pair[1].sendall(b"GET / HTTP/1.1\r\n")
    assert served.over(2 * TICK) == ""
    assert pair[0].recv(100) == b"GET / HTTP/1.1\r\n"  # nothing was taken
    pair[1].shutdown(socket.SHUT_WR)
    assert isinstance(served.over(), Interruption)


def test_not_before_all_is_read(pair: Pair) -> None:
    """While a body is read its end is the reader's to see."""
    served = Served(Inflight(60), pair[0])
    served.watch.all_read = False
    pair[1].close()
    assert served.over(2 * TICK) == ""
    served.watch.all_read = True
    assert isinstance(served.over(), Interruption)


def test_without_a_socket() -> None:
    """Where nobody knows the socket nothing is seen and nothing breaks."""
    said: list[str] = []
    served = Served(Inflight(60), None, lambda: gevent.sleep(3 * TICK))
    served.watch.when_silent(TICK, lambda: said.append("?"))
    assert served.over() == "done"
    assert said == []


def test_a_socket_that_is_closed(pair: Pair) -> None:
    """A socket that has been closed here already is left alone."""
    pair[0].close()
    served = Served(Inflight(60), pair[0], lambda: gevent.sleep(2 * TICK))
    assert served.over() == "done"


def test_who_writes_gets_what_servers_know(pair: Pair) -> None:
    """While the server writes, a client that left is a reset of its connection."""
    served = Served(Inflight(60), pair[0])
    served.watch.inside = False
    pair[1].close()
    assert isinstance(served.over(), ConnectionResetError)


def test_told_once_and_when_it_can_be(pair: Pair) -> None:
    """An error from outside comes once; while the server writes it waits its turn."""
    all_, error = Inflight(60), GatewayError("over")
    inside, outside = Served(all_, pair[0]), Served(all_, None)
    outside.watch.inside = False
    for _ in range(3):
        all_.end_all(error)
    ended = inside.over()
    assert isinstance(ended, Interruption)
    assert ended.error is error
    assert outside.over(2 * TICK) == ""
    assert outside.watch.ending is error
    gevent.get_hub().loop.run_callback(outside.watch.interrupt, None)
    assert isinstance(outside.over(), ConnectionResetError)


def test_nothing_after_the_end(pair: Pair) -> None:
    """Of a request that is over nothing hits the greenlet, which serves the next."""
    all_ = Inflight(60)
    said: list[str] = []

    def serve() -> str:
        watch = all_.begin(pair[0])
        watch.all_read = True
        watch.when_silent(TICK / 2, lambda: said.append("?"))
        all_.end_all(GatewayError("over"))  # which comes in the loop's next turn
        pair[1].close()
        watch.end()
        watch.end()
        watch.interrupt(None)
        watch.interrupt(GatewayError("over"))
        gevent.sleep(3 * TICK)
        return "the next"

    greenlet = gevent.spawn(serve)
    assert greenlet.get() == "the next"
    assert said == []
    assert len(all_) == 0


def test_who_takes_nothing(pair: Pair) -> None:
    """A client that takes nothing for long is cut, one that takes a little is not."""
    ours, theirs = pair
    fill(ours)
    all_ = Inflight(8 * TICK)
    served = Served(all_, ours)
    served.watch.inside = False
    end = time.monotonic() + 12 * TICK
    while time.monotonic() < end:
        theirs.recv(4096)
        assert served.over(TICK / 2) == ""
    begun = time.monotonic()
    assert isinstance(served.over(), ConnectionResetError)
    assert time.monotonic() - begun >= 2 * TICK


def test_a_server_that_writes_on_is_no_stall(pair: Pair) -> None:
    """While items are taken, the time for each begins anew."""
    served = Served(Inflight(8 * TICK), pair[0])
    served.watch.inside = False
    for _ in range(12):
        served.watch.items += 1
        assert served.over(TICK) == ""


def test_silence(pair: Pair) -> None:
    """Who is silent for so long is heard of, again and again, until something comes."""
    times: list[float] = []
    served = Served(Inflight(60), pair[0])
    begun = time.monotonic()
    served.watch.when_silent(4 * TICK, lambda: times.append(time.monotonic()))
    while len(times) < 3:
        assert served.over(TICK / 4) == ""
        assert time.monotonic() - begun < 30
    for before, at in zip([begun, *times], times, strict=False):
        assert at - before >= 4 * TICK - 0.05
    del times[:]
    for _ in range(8):
        served.watch.items += 1
        assert served.over(TICK) == ""
    assert times == []
    served.watch.inside = False
    assert served.over(6 * TICK) == ""
    assert times == []


def test_silence_counts_from_when_it_is_asked(pair: Pair) -> None:
    """What came before, such as a slow body, is nobody's silence."""
    times: list[float] = []
    served = Served(Inflight(60), pair[0])
    assert served.over(4 * TICK) == ""
    begun = time.monotonic()
    served.watch.when_silent(3 * TICK, lambda: times.append(time.monotonic()))
    assert served.over(6 * TICK) == ""
    assert times[0] - begun >= 3 * TICK - 0.05


def test_one_says_something_at_a_time(pair: Pair) -> None:
    """Who takes long to find its words is not asked again meanwhile."""
    said: list[int] = []
    served = Served(Inflight(60), pair[0])

    def say() -> None:
        said.append(1)
        gevent.sleep(6 * TICK)

    served.watch.when_silent(TICK, say)
    assert served.over(5 * TICK) == ""
    assert said == [1]


def test_not_where_nothing_fits(pair: Pair) -> None:
    """A client that takes nothing is told nothing: nobody waits to say it lives."""
    ours, theirs = pair
    said: list[int] = []
    served = Served(Inflight(60), ours)
    served.watch.when_silent(TICK, lambda: said.append(1))
    fill(ours)
    assert not served.watch.silent
    assert served.over(4 * TICK) == ""
    assert said == []
    theirs.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while theirs.recv(65536):
            pass
    assert served.over(3 * TICK) == ""
    assert said


def test_who_is_killed_is_over(pair: Pair) -> None:
    """A greenlet that its server kills ends like any other, and is let go of."""
    all_ = Inflight(60)
    served = Served(all_, pair[0])
    served._greenlet.kill()
    assert isinstance(served.over(), gevent.GreenletExit)
    assert len(all_) == 0


def test_nothing_is_held(pair: Pair) -> None:
    """What is over holds no socket, no greenlet, and nobody who wanted to speak."""

    class Socket:
        fileno = pair[0].fileno

    class Speaker:
        """Who holds the watch that holds it."""

        def __init__(self, watch: Watch) -> None:
            self.watch = watch
            watch.when_silent(TICK, self.say)

        def say(self) -> None:
            """Say nothing."""

    def once() -> list[weakref.ref[Any]]:
        sock = Socket()
        watch = all_.begin(sock)
        speaker = Speaker(watch)
        found = [weakref.ref(one) for one in (sock, speaker, gevent.getcurrent())]
        gevent.sleep(2 * TICK)
        watch.end()
        return found

    all_ = Inflight(60)
    gc.collect()
    gc.disable()
    try:
        greenlet = gevent.spawn(once)
        refs = greenlet.get()
        del greenlet
        gevent.sleep(2 * TICK)
        assert [ref() for ref in refs] == [None] * 3
    finally:
        gc.enable()


def test_many_at_once() -> None:
    """Of many requests exactly those are interrupted whose clients leave."""
    chance = random.Random(5)
    all_ = Inflight(60)
    enough = gevent.event.Event()

    def steps() -> None:
        while not enough.is_set():
            gevent.sleep(chance.random() * 0.01 if chance.random() < 0.5 else 0)

    with contextlib.ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(200)]
        for sock in chain(*pairs):
            stack.enter_context(sock)
        served = [Served(all_, ours, steps) for ours, _ in pairs]
        leaving = set(chance.sample(range(200), 100))
        for number in leaving:
            pairs[number][1].close()
        for number in leaving:
            assert isinstance(served[number].over(10), Interruption)
        gevent.sleep(2 * TICK)  # as often as that the others are looked at, too
        enough.set()
        for number in set(range(200)) - leaving:
            assert served[number].over(10) == "done"
    assert len(all_) == 0
