"""In flight: the requests that this worker is answering, and what may end them.

WSGI tells an application that its client has left only when it writes, which may be
minutes of model time later, or never.  So each request has a watch: once its body is
read it looks at the client's socket, which gunicorn hands over, and interrupts the
request in the greenlet that serves it, wherever that waits (specification:
reliability, P5).  The same way goes what ends a client that takes nothing, and a
worker that has to stop.  And it sees when a stream has been silent for long.  A server
that hands over no socket leaves only the next write to tell.
"""

import _socket
import errno
import select
from collections.abc import Callable
from contextlib import suppress
from os import dup
from typing import Any

import gevent
from gevent import monkey
from greenlet import getcurrent

from .errors import GatewayError, Interruption
from .ticker import Ticker

#: Seconds until a client that has sent something more is looked at again.
AGAIN = 0.5

READ = 1

#: The system's own: with no timeout it answers at once, and no greenlet runs meanwhile.
_poll = monkey.get_original("select", "poll")
_HUNG_UP = getattr(select, "POLLRDHUP", 0)  # Linux


class Inflight:
    """All of a worker's requests.

    ``write_timeout`` is how many seconds a client may take nothing of its answer.
    """

    def __init__(self, write_timeout: float) -> None:
        self.write_timeout = write_timeout
        self._all: set[Watch] = set()
        self._ticker = Ticker()

    def __len__(self) -> int:
        return len(self._all)

    def begin(self, sock: Any) -> "Watch":
        """Watch over a request that the current greenlet serves.

        ``sock`` is the client's socket, or ``None`` where nobody knows it.
        """
        watch = Watch(self, sock)
        self._all.add(watch)
        self._ticker.add(watch)
        return watch

    def end(self, watch: "Watch") -> None:
        """A request is over."""
        self._all.discard(watch)
        self._ticker.discard(watch)

    def end_all(self, error: GatewayError) -> None:
        """Tell every request that it ends with an error, once each."""
        loop = gevent.get_hub().loop
        for watch in tuple(self._all):
            loop.run_callback(watch.interrupt, error)


class Watch:
    """Watches over one request until ``end``."""

    def __init__(self, inflight: Inflight, sock: Any) -> None:
        self._inflight = inflight
        self._socket = sock
        self._greenlet = getcurrent()
        self._looking: Any = None  # the event loop's watcher
        self._over = False
        self._told = False
        #: Whether the application is at work, or else the server, on an item.
        self.inside = True
        #: Items that the server was given.
        self.items = 0
        #: What the client is to be told as soon as the server has written what it has.
        self.ending: GatewayError | None = None
        self._seen = -1
        self._seen_at = 0.0
        self._silence = 0.0  # seconds after which there is something to say
        self._say: Callable[[], None] | None = None

    def look(self) -> None:
        """Look at the socket from now on: nothing is to be read from it any more."""
        if self._socket is None or self._looking is not None or self._over:
            return
        try:
            descriptor = self._socket.fileno()
            self._looking = gevent.get_hub().loop.io(descriptor, READ)
        except (OSError, ValueError):  # closed already; the next write tells
            return
        self._looking.start(self._readable)

    def end(self) -> None:
        """The request is over; nothing happens to its greenlet any more."""
        self._over = True
        self._inflight.end(self)
        self._stop_looking()

    def when_silent(self, seconds: float, say: Callable[[], None]) -> None:
        """Call ``say`` when the application gave nothing for ``seconds``, and again.

        It runs in a greenlet of its own while the application still waits, and may
        write where it finds the request ``silent``; with 0 it is never called.  Nothing
        is ever called for a server that hands over no socket.
        """
        self._silence, self._say = seconds, say

    @property
    def silent(self) -> bool:
        """Whether it is still the application that everybody waits for."""
        return self.inside and self.items == self._seen and not self._over

    def tick(self, now: float) -> None:
        """Notice who is silent for too long; called in the event loop."""
        if self.items != self._seen:
            self._seen, self._seen_at = self.items, now
        elif not self.inside:
            if now - self._seen_at >= self._inflight.write_timeout:
                self.interrupt(None)
        elif self._silence and now - self._seen_at >= self._silence:
            self._seen_at = now
            # A few bytes fit where anything does: nobody waits while writing them, and
            # so they never come between the pieces of something else.
            if self._say is not None and _takes(self._socket):
                gevent.spawn(self._say)

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

    def _readable(self) -> None:
        if _gone(self._socket):
            self._stop_looking()
            self.interrupt(None)
            return
        # It has sent its next request already.  That is for later, and until it is
        # read the loop would call here without end.
        self._stop_looking()
        self._looking = gevent.get_hub().loop.timer(AGAIN)
        self._looking.start(self._look_again)

    def _look_again(self) -> None:
        self._stop_looking()
        self.look()

    def _stop_looking(self) -> None:
        looking, self._looking = self._looking, None
        if looking is not None:
            looking.close()


def connection_lost() -> ConnectionResetError:
    """What servers take for a client that left: they log no fault of their own."""
    return ConnectionResetError(errno.ECONNRESET, "the client is gone")


def _takes(sock: Any) -> bool:
    """Whether the client's socket takes something at once."""
    with suppress(OSError, ValueError):
        return sock is not None and _asks(sock, select.POLLOUT)
    return False


def _asks(sock: Any, event: int) -> bool:
    poll = _poll()
    poll.register(sock.fileno(), event)
    return bool(poll.poll(0))


def _gone(sock: Any) -> bool:
    """Whether the peer has ended the connection; half of it suffices (D2)."""
    try:
        if _HUNG_UP:  # seen behind bytes that nobody has read, too
            return _asks(sock, _HUNG_UP)
        # Not the socket itself: one of TLS peeks at nothing.
        peer = _socket.socket(fileno=dup(sock.fileno()))
        try:
            return not peer.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
        finally:
            peer.close()
    except BlockingIOError:  # a false alarm
        return False
    except OSError:
        return True
