"""In flight: the requests that this worker is answering, and what may end them.

WSGI tells an application that its client has left only when it writes, which may be
minutes of model time later, or never.  So each request has a watch.  A few times a
second one look at all their sockets, which gunicorn hands over, shows who has left, and
the request is interrupted in the greenlet that serves it, wherever that waits
(specification: reliability, P5).  The same way goes what ends a client that takes
nothing, and a worker that has to stop.  And a watch sees when a stream has been silent
for long.  A server that hands over no socket leaves only the next write to tell.
"""

import errno
import fcntl
import select
import socket
import sys
import termios
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from os import dup
from typing import TYPE_CHECKING, Any

import gevent
from greenlet import getcurrent

from .errors import GatewayError, Interruption
from .polling import poll, takes

if TYPE_CHECKING:
    from .live.running import Answer

#: Seconds between two looks: limits hold within as much.  A watcher of each socket's
#: own, and a timer for each limit, would cost every request what few of them need.
TICK = 0.25

#: Seconds between two looks where an event cannot tell the end of a connection, and
#: somebody wants to know it soon.
CLOSE = 0.03

#: What an event loop calls it when there is something to read (libev, libuv).
_READABLE = 1

#: Linux tells the end of a connection behind bytes that nobody has read, too.
_HUNG_UP = getattr(select, "POLLRDHUP", 0)


class Inflight:
    """All of a worker's requests.

    ``write_timeout`` is how many seconds a client may take nothing of its answer.
    """

    def __init__(self, write_timeout: float) -> None:
        self.write_timeout = write_timeout
        self._all: set[Watch] = set()
        self._timer: Any = None  # alive while there is something to look at

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator["Watch"]:
        """Those of the moment, in no order."""
        return iter(tuple(self._all))

    def begin(self, sock: Any) -> "Watch":
        """Watch over a request that the current greenlet serves.

        ``sock`` is the client's socket, or ``None`` where nobody knows it.
        """
        watch = Watch(self, sock)
        self._all.add(watch)
        if self._timer is None:
            self._timer = gevent.get_hub().loop.timer(TICK, TICK)
            self._timer.start(self._tick)
        return watch

    def end(self, watch: "Watch") -> None:
        """A request is over."""
        self._all.discard(watch)

    def end_all(self, error: GatewayError) -> None:
        """Tell every request that it ends with an error, once each."""
        loop = gevent.get_hub().loop
        for watch in tuple(self._all):
            loop.run_callback(watch.interrupt, error)

    def _tick(self) -> None:
        for watch in _left(self._all):
            watch.interrupt(None)
        now = time.monotonic()
        for watch in tuple(self._all):
            watch.tick(now)
        if not self._all:
            self._timer.close()
            self._timer = None


class Watch:
    """Watches over one request until ``end``."""

    #: Whether nothing is to be read from the client any more: what it does is to leave.
    all_read = False
    #: Whether the application is at work, or else the server, on an item.
    inside = True
    #: Items that the server was given.
    items = 0
    #: What the client is to be told as soon as the server has written what it has.
    ending: GatewayError | None = None
    #: Whether the client was given up because it took nothing.
    stalled = False
    #: What counts the answer, for those who want to see it.
    answer: "Answer | None" = None
    _over = False
    _told = False
    _seen = -1
    _seen_at = 0.0
    _silence = 0.0  # seconds after which there is something to say
    _say: Callable[[], None] | None = None
    _saying: Any = None  # the greenlet that does
    _unsent = 0
    _alarm: tuple[float, Callable[[], object]] | None = None
    _reading: Any = None  # looks at the socket without waiting for a tick

    def __init__(self, inflight: Inflight, sock: Any) -> None:
        self.socket = sock
        self._inflight = inflight
        self._greenlet = getcurrent()

    def end(self) -> None:
        """The request is over; nothing happens to its greenlet any more."""
        self._over = True
        self._inflight.end(self)
        if self._reading is not None:
            self._reading.close()
        # Who holds the watch, in whatever circle, does not hold those.
        self.socket = self._greenlet = self._say = self._saying = None
        self._alarm = self._reading = self.answer = None

    def when_silent(self, seconds: float, say: Callable[[], None]) -> None:
        """Call ``say`` when the application gave nothing for ``seconds``, and again.

        They count from now on: what came before was not Ollama's silence.  It runs in a
        greenlet of its own while the application still waits, and may write where it
        finds the request ``silent``; with 0 it is never called.  Nothing is ever called
        for a server that hands over no socket.
        """
        self._silence, self._say = seconds, say
        self._seen_at = time.monotonic()

    @property
    def over(self) -> bool:
        """Whether the request has ended."""
        return self._over

    @property
    def alone(self) -> bool:
        """Whether no other request is being answered by this worker."""
        return len(self._inflight) == 1

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Call ``act`` once, ``seconds`` from now, if the request is not over then.

        It runs in a greenlet of its own.  There is one such wish: the latest counts.
        """
        if not self._over:
            self._alarm = (time.monotonic() + seconds, act)

    def end_with(self, error: GatewayError) -> None:
        """End the request with an error, from wherever this is called."""
        gevent.get_hub().loop.run_callback(self.interrupt, error)

    def look_closely(self) -> None:
        """See the client leave at once and not within a tick.

        For answers that are worth nothing a second later; it costs a watcher.
        """
        if self._over or self._reading is not None or self.socket is None:
            return
        with suppress(AttributeError, OSError, ValueError):  # none, or closed already
            descriptor = self.socket.fileno()
            self._reading = gevent.get_hub().loop.io(descriptor, _READABLE)
            self._reading.start(self._readable)

    def _readable(self) -> None:
        """There is an end, or bytes that nobody reads now: an end may come behind them.

        Of TLS they may be a goodbye.  No event tells what follows, so it is looked for.
        """
        self._reading.close()
        self._reading = gevent.get_hub().loop.timer(0, CLOSE)
        self._reading.start(self._look)

    def _look(self) -> None:
        for _ in _left([self]):
            self._reading.stop()
            self.interrupt(None)

    @property
    def silent(self) -> bool:
        """Whether it is the application that everybody waits for.

        A few bytes then fit: nobody waits while writing them, and so they never come
        between the pieces of something else.
        """
        waiting = self.inside and self.items == self._seen and not self._over
        return waiting and _takes(self.socket)

    def tick(self, now: float) -> None:
        """Notice who is silent for too long; called in the event loop."""
        if self._alarm is not None and now >= self._alarm[0]:
            act, self._alarm = self._alarm[1], None
            gevent.spawn(act)
        if self.items != self._seen:
            self._seen, self._seen_at = self.items, now
        elif not self.inside:
            self._look_at_writing(now)
        elif self._silence and now - self._seen_at >= self._silence:
            self._seen_at = now
            # One at a time: it may have to wait for what there is to say.
            if self._say is not None and not self._saying and self.silent:
                self._saying = gevent.spawn(self._say)

    def _look_at_writing(self, now: float) -> None:
        # The system takes much at once, and then nothing more until the client has
        # taken much of that: what is left there tells that it reads, if slowly.
        unsent = _unsent(self.socket)
        if unsent != self._unsent:
            self._unsent, self._seen_at = unsent, now
        elif now - self._seen_at >= self._inflight.write_timeout:
            self.stalled = True
            self.interrupt(None)

    def interrupt(self, error: GatewayError | None) -> None:
        """End the request where it waits; called in the event loop.

        Without ``error`` there is no client to be told.  With one it is told once, and
        not while the server writes something else: then it is told next.
        """
        if self._over or (error is not None and self._told):
            return
        self._told = True
        if self.inside:
            self._greenlet.throw(Interruption(error))
        elif error is None:
            self._greenlet.throw(connection_lost())
        else:
            self.ending = error


def connection_lost() -> ConnectionResetError:
    """What servers take for a client that left: they log no fault of their own."""
    return ConnectionResetError(errno.ECONNRESET, "the client is gone")


def _left(watches: Iterable[Watch]) -> Iterator[Watch]:
    """Those whose client has ended the connection; half of it suffices (D2)."""
    looked, asked = poll(), {}
    for watch in watches:
        if watch.all_read and watch.socket is not None:
            with suppress(OSError, ValueError):  # closed already; the next write tells
                descriptor = watch.socket.fileno()
                looked.register(descriptor, _HUNG_UP or select.POLLIN)
                asked[descriptor] = watch
    for descriptor, _ in looked.poll(0) if asked else ():
        watch = asked[descriptor]
        if _HUNG_UP or _nothing_more(watch.socket):
            yield watch


def _nothing_more(sock: Any) -> bool:
    """Whether what can be read is the end."""
    try:
        # Not the socket itself: one of TLS peeks at nothing.
        with socket.socket(fileno=dup(sock.fileno())) as peer:
            return not peer.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:  # a false alarm
        return False
    except (AttributeError, OSError):  # closed already
        return True


def _unsent(sock: Any) -> int:
    """Bytes of the answer that the client has not taken yet, as far as is known."""
    with suppress(AttributeError, OSError, ValueError):  # none, or closed already
        held = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
        return int.from_bytes(held, sys.byteorder)
    return 0


def _takes(sock: Any) -> bool:
    """Whether the client's socket takes something at once."""
    with suppress(AttributeError, OSError, ValueError):  # none, or closed already
        return takes(sock.fileno())
    return False
