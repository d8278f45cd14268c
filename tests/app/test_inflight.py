"""The watch over requests: whom it interrupts, when, and whom it leaves alone."""

import contextlib
import gc
import random
import shlex
import socket
import ssl
import subprocess
import time
import weakref
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import gevent
import gevent.event
import gevent.lock
import gevent.queue
import gevent.ssl
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


# ---------------------------------------------------------- who looks closely


#: No tick comes while a test runs: what is seen then was told by an event.
NEVER = 3600.0


def watchers() -> int:
    """What the event loop still waits for."""
    gevent.sleep(0.001)  # what was told to end has done so
    return int(gevent.get_hub().loop.activecnt)


def closely(sock: Any, wait: Callable[[], object] = lambda: gevent.sleep(10)) -> Served:
    """A request whose client is watched closely."""
    served = Served(Inflight(60), sock, wait)
    served.watch.look_closely()
    served.watch.look_closely()  # twice is no more than once
    return served


@pytest.mark.parametrize("leave", ["close", "half"])
def test_seen_at_once(pair: Pair, monkeypatch: Any, leave: str) -> None:
    """Whoever looks closely sees the client leave without waiting for a tick."""
    monkeypatch.setattr(inflight, "TICK", NEVER)
    served = closely(pair[0])
    assert served.over(TICK) == ""
    pair[1].close() if leave == "close" else pair[1].shutdown(socket.SHUT_WR)
    ended = served.over()
    assert isinstance(ended, Interruption)
    assert ended.error is None


def test_seen_who_left_before(pair: Pair, monkeypatch: Any) -> None:
    """It is no matter whether the client left before somebody looked."""
    monkeypatch.setattr(inflight, "TICK", NEVER)
    pair[1].close()
    assert isinstance(closely(pair[0]).over(), Interruption)


@pytest.mark.parametrize("portable", [False, True])
def test_seen_behind_bytes(pair: Pair, monkeypatch: Any, portable: bool) -> None:
    """Bytes that nobody reads yet end nothing, are left there, and hide no end."""
    monkeypatch.setattr(inflight, "TICK", NEVER)
    monkeypatch.setattr(inflight, "_HUNG_UP", 0 if portable else inflight._HUNG_UP)
    ours, theirs = pair
    served = closely(ours)
    theirs.sendall(b"GET / HTTP/1.1\r\n")
    assert served.over(3 * inflight.CLOSE) == ""
    if portable:  # where a system tells no more, those bytes have to be read first
        assert ours.recv(100) == b"GET / HTTP/1.1\r\n"
    theirs.close()
    assert isinstance(served.over(), Interruption)
    if not portable:
        assert ours.recv(100) == b"GET / HTTP/1.1\r\n"


def test_seen_when_all_is_read(pair: Pair, monkeypatch: Any) -> None:
    """The end of a body is its reader's to see, also for who looks closely."""
    monkeypatch.setattr(inflight, "TICK", NEVER)
    served = Served(Inflight(60), pair[0])
    served.watch.all_read = False
    served.watch.look_closely()
    pair[1].close()
    assert served.over(3 * inflight.CLOSE) == ""
    served.watch.all_read = True
    assert isinstance(served.over(), Interruption)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of nobody with its key, in one file."""
    folder = tmp_path_factory.mktemp("watched")
    key, path, both = folder / "key", folder / "cert", folder / "both"
    subprocess.run(
        shlex.split(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
            f" -days 2 -subj /CN=nobody -keyout {key} -out {path}"
        ),
        check=True,
        capture_output=True,
    )
    both.write_text(key.read_text() + path.read_text())
    return both


@pytest.fixture
def secure(pair: Pair, certificate: Path) -> Iterator[tuple[Any, Any]]:
    """Both ends of a connection that speaks TLS."""
    server = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    client = gevent.ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    accepting = gevent.spawn(server.wrap_socket, pair[0], server_side=True)
    theirs = client.wrap_socket(pair[1])
    with accepting.get(timeout=SOON) as ours, theirs:
        theirs.sendall(b"GET")
        assert ours.recv(100) == b"GET"
        yield ours, theirs


@pytest.mark.parametrize("leave", ["close", "goodbye", "goodbye, later closed"])
def test_seen_over_tls(secure: tuple[Any, Any], monkeypatch: Any, leave: str) -> None:
    """A client of TLS is seen to leave as soon, with a goodbye or without one."""
    monkeypatch.setattr(inflight, "TICK", NEVER)
    ours, theirs = secure
    served = closely(ours)
    assert served.over(TICK) == ""
    if leave != "close":  # what OpenSSL says first, as a record of its own
        goodbye(theirs)
    if leave == "goodbye, later closed":
        assert served.over(3 * inflight.CLOSE) == ""
    theirs.close()
    assert isinstance(served.over(), Interruption)


def goodbye(theirs: Any) -> None:
    """Say that nothing more will come, and wait for no answer."""
    theirs.setblocking(False)
    with contextlib.suppress(ssl.SSLWantReadError):
        theirs._sslobj.shutdown()


@pytest.mark.parametrize("sock", [None, object(), "closed"])
def test_closely_at_nothing(pair: Pair, sock: Any) -> None:
    """Where there is nothing to look at, nothing is looked at."""
    if sock == "closed":
        pair[0].close()
        sock = pair[0]
    before = watchers()
    served = closely(sock, lambda: gevent.sleep(TICK))
    assert watchers() <= before + 2  # its timer and the ticks
    assert served.over() == "done"


def test_no_watcher_stays(monkeypatch: Any) -> None:
    """A thousand requests, however they end, leave no watcher behind."""
    monkeypatch.setattr(inflight, "TICK", TICK / 4)
    all_ = Inflight(60)
    gevent.sleep(2 * TICK)
    before = watchers()
    for number in range(1000):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            served = Served(all_, ours, gevent.event.Event().wait)
            served.watch.look_closely()
            served.watch.after(10, lambda: None)
            if number % 4 == 0:
                theirs.close()
            elif number % 4 == 1:
                theirs.sendall(b"more")
                gevent.sleep(0)
                served._greenlet.kill()
            elif number % 4 == 2:
                served.watch.end_with(GatewayError("over"))
            else:
                served._greenlet.kill()
            assert served.over() != ""
    assert len(all_) == 0
    gevent.sleep(TICK)  # the next tick finds nobody
    assert watchers() == before


def test_a_descriptor_used_again() -> None:
    """Of a request that is over the next one with its descriptor hears nothing."""
    all_ = Inflight(60)
    ours, theirs = socket.socketpair()
    descriptor = ours.fileno()

    def serve() -> str:
        nonlocal ours, theirs
        watch = all_.begin(ours)
        watch.all_read = True
        watch.look_closely()
        watch.end()
        watch.look_closely()
        ours.close()
        theirs.close()
        ours, theirs = socket.socketpair()
        assert descriptor in (ours.fileno(), theirs.fileno())
        ours.close() if theirs.fileno() == descriptor else theirs.close()
        gevent.sleep(TICK)
        return "the next"

    assert gevent.spawn(serve).get() == "the next"
    ours.close()
    theirs.close()


# ------------------------------------------------------- what ends it, and when


def test_ended_from_anywhere(pair: Pair) -> None:
    """An error from another request ends this one, and its client is told."""
    error = GatewayError("over")
    served = Served(Inflight(60), pair[0])
    assert not served.watch.over
    gevent.spawn(served.watch.end_with, error)
    ended = served.over()
    assert isinstance(ended, Interruption)
    assert ended.error is error
    assert served.watch.over
    served.watch.end_with(error)  # too late: nothing happens
    gevent.sleep(0.01)


def test_an_alarm(pair: Pair) -> None:
    """After a while something is done, once, and not before."""
    times: list[float] = []
    served = Served(Inflight(60), pair[0])
    begun = time.monotonic()
    served.watch.after(2 * TICK, lambda: times.append(time.monotonic()))
    assert served.over(6 * TICK) == ""
    (at,) = times
    assert at - begun >= 2 * TICK


def test_the_latest_alarm(pair: Pair) -> None:
    """The latest wish counts, also one that the alarm itself has."""
    said: list[str] = []
    served = Served(Inflight(60), pair[0])

    def again() -> None:
        said.append("second")
        served.watch.after(TICK, lambda: said.append("third"))

    served.watch.after(TICK, lambda: said.append("first"))
    served.watch.after(TICK, again)
    assert served.over(8 * TICK) == ""
    assert said == ["second", "third"]


def test_no_alarm_after_the_end(pair: Pair) -> None:
    """Of a request that is over nobody wants to know whether it is late."""
    said: list[int] = []
    all_ = Inflight(60)
    served = Served(all_, pair[0], lambda: gevent.sleep(TICK / 2))
    other = Served(all_, None)  # the ticks go on
    served.watch.after(TICK, lambda: said.append(1))
    assert served.over() == "done"
    served.watch.after(TICK, lambda: said.append(1))
    assert other.over(4 * TICK) == ""
    assert said == []
