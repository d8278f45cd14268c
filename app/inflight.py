"""In flight: the requests that this worker is answering, and what may end them.

WSGI tells an application that its client has left only when it writes, which may be
minutes of model time later, or never.  So each request has a watch: once its body is
read it looks at the client's socket, which gunicorn hands over, and interrupts the
request in the greenlet that serves it, wherever that waits (specification:
reliability, P5).  The same way goes what ends a client that takes nothing, and a
worker that has to stop.  A server that hands over no socket leaves only the next write
to tell.
"""

import _socket
import errno
import select
from os import dup
from typing import Any

import gevent
from gevent import monkey
from greenlet import getcurrent

from .errors import GatewayError, Interruption
from .ticker import Ticker, Ticking

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
        """Tell every request that it ends with an error; again for those that write."""
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
        #: What beats while the application is silent.
        self.beats: Ticking | None = None
        self._seen = 0
        self._seen_at = 0.0

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

    def tick(self, now: float) -> None:
        """Notice a client that takes nothing; called in the event loop."""
        if self.inside and self.beats is not None:
            self.beats.tick(now)
        if self.inside or self.items != self._seen:
            self._seen, self._seen_at = self.items, now
        elif now - self._seen_at >= self._inflight.write_timeout:
            self.interrupt(None)

    def interrupt(self, error: GatewayError | None) -> None:
        """End the request where it waits; called in the event loop.

        Without ``error`` there is no client to be told.  With one it is told once, and
        not while the server writes something else.
        """
        if self._over:
            return
        if self.inside:
            if error is None or not self._told:
                self._told = True
                self._greenlet.throw(Interruption(error))
        elif error is None:
            self._greenlet.throw(connection_lost())

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


def _gone(sock: Any) -> bool:
    """Whether the peer has ended the connection; half of it suffices (D2)."""
    try:
        if _HUNG_UP:  # seen behind bytes that nobody has read, too
            poll = _poll()
            poll.register(sock.fileno(), _HUNG_UP)
            return bool(poll.poll(0))
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
