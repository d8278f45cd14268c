"""Connections to one upstream over gevent, and the idle ones among them.

A connection waits on its own read watcher and then reads once; no read starts a
timer.  Deadlines are plain numbers on the connections, and one greenlet, alive only
while there is something to watch, ends what is overdue (specification: performance,
section 4: a timer per read costs 13 us a token).
"""

import _socket
import os
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from errno import EINPROGRESS
from select import POLLIN
from socket import (
    AI_NUMERICHOST,
    IPPROTO_TCP,
    SHUT_RDWR,
    SO_ERROR,
    SOCK_STREAM,
    SOL_SOCKET,
    TCP_NODELAY,
    gaierror,
)
from typing import Any

import gevent
import gevent.socket

from ..errors import GatewayError, UpstreamBroken
from ..polling import poll
from .base import Clock, Limit, Origin, Phase, unreachable
from .pace import Pace

#: Bytes asked for in one read.
BLOCK = 64 * 1024
#: Seconds after which an unused connection is closed, and between two sweeps.
IDLE_AGE = 60.0
TICK = 0.25
#: Unused connections kept.
MAX_IDLE = 256

READ, WRITE = 1, 2


class Connection:
    """A ``Channel`` on one socket, waiting in the hub of the greenlet that made it."""

    pace: Pace

    def __init__(
        self, pool: "Pool", clock: Clock, family: int, kind: int, proto: int
    ) -> None:
        self._pool = pool
        # Not gevent's socket: that one tries before it waits, with a timer.
        self._socket = _socket.socket(family, kind, proto)
        self._socket.setblocking(False)
        self._hub = gevent.get_hub()
        self._reader = self._hub.loop.io(self._socket.fileno(), READ)
        self._readable = poll()  # so that asking makes nothing, and raises nothing
        self._readable.register(self._socket.fileno(), POLLIN)
        self._waiting: Any = None  # the watcher that a greenlet sleeps on
        self._failure: GatewayError | None = None
        self._open = True
        self.reused = False
        self._sound = True  # False: never to be used again
        self.idle_since = 0.0
        self.begin(clock)

    def begin(self, clock: Clock) -> None:
        """Start an exchange."""
        self.clock = clock
        self.deadline = clock.end
        self._phase: Phase = "total"

    def connect(self, address: Any, limit: Limit) -> None:
        """Connect to one resolved address; raises ``OSError``, ``UpstreamTimeout``."""
        # One descriptor is left, with which the next client can be told that there is
        # none: without it nobody would even be heard (reliability, R7).
        os.close(os.dup(self._socket.fileno()))
        error = self._socket.connect_ex(address)
        if error == EINPROGRESS:
            self._wait_writable(limit)
            error = self._socket.getsockopt(SOL_SOCKET, SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        self._socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)

    def send(self, data: bytes) -> bool:
        """Send all of it; raises ``UpstreamTimeout``.

        False when the upstream takes no more: it may have answered early and closed.
        """
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                self._wait_writable(self.clock.limit("send"))
            except OSError:
                self._sound = False
                return False
        return True

    def receive(self, limit: Limit) -> bytes:
        """Wait until something is there, then take it with one read."""
        while True:
            self._wait(self._reader, limit)
            try:
                return self._socket.recv(BLOCK)
            except BlockingIOError:  # a false alarm of the kernel
                continue

    def quiet(self) -> bool:
        """Whether an unused connection is still there, with nothing to read."""
        return not self._readable.poll(0)

    def overdue(self) -> None:
        """End the exchange from outside: its limit is reached."""
        self._end(self.clock.late(self._phase))

    def release(self) -> None:
        """Give the connection back for the next exchange."""
        if self._open and self._sound and self._pool.take_back(self):
            return
        self.close()

    def close(self) -> None:
        """Close at once; a greenlet that waits here wakes up with an error."""
        self._end(UpstreamBroken("Ollama's answer was not read to its end"))

    def _end(self, failure: GatewayError) -> None:
        self._failure = self._failure or failure
        if not self._open:
            return
        self._open = False
        self._pool.forget(self)
        if self._waiting is not None:
            # The descriptor must live until the sleeper has let go of it.
            self._hub.cancel_wait(self._waiting, self._failure)
            with suppress(OSError):  # the peer was first
                self._socket.shutdown(SHUT_RDWR)
        else:
            self._dispose()

    def _dispose(self) -> None:
        self._reader.close()
        self._socket.close()

    def _wait_writable(self, limit: Limit) -> None:
        watcher = self._hub.loop.io(self._socket.fileno(), WRITE)
        try:
            self._wait(watcher, limit)
        finally:
            watcher.close()

    def _wait(self, watcher: Any, limit: Limit) -> None:
        if self._failure is not None:
            raise self._failure
        self.deadline, self._phase = limit
        self._waiting = watcher
        try:
            self._hub.wait(watcher)
        finally:
            self._waiting = None
            self.deadline, self._phase = self.clock.end, "total"
            if not self._open:
                self._dispose()
        if self._failure is not None:  # it came just as the data did
            raise self._failure


class Pool:
    """All connections to one upstream: those in an exchange and those that rest."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._active: set[Connection] = set()
        self._idle: deque[Connection] = deque()  # the longest unused at the left
        self._sweeper: Any = None
        self._open = True

    def idle(self, clock: Clock) -> Connection | None:
        """A connection that was used before and looks alive, if there is one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.quiet():
                connection.reused = True
                connection.begin(clock)
                self._watch(connection)
                return connection
            connection.close()
        return None

    def fresh(self, clock: Clock) -> Connection:
        """A new connection; raises ``UpstreamUnreachable`` or ``UpstreamTimeout``."""
        limit = clock.limit("connect")
        cause: BaseException = OSError("no address")
        try:
            for family, kind, proto, _, address in self._resolve(clock, limit):
                connection = Connection(self, clock, family, kind, proto)
                self._watch(connection)
                try:
                    connection.connect(address, limit)
                    return connection
                except OSError as exc:
                    cause = exc
                    connection.close()
                except BaseException:
                    connection.close()
                    raise
        except OSError as exc:  # the look-up, or no descriptor left
            cause = exc
        try:
            raise unreachable(cause) from cause
        finally:  # this frame holds it, and it this frame
            del cause

    def take_back(self, connection: Connection) -> bool:
        """Keep a connection whose exchange is complete, if there is room."""
        if not self._open or len(self._idle) >= MAX_IDLE:
            return False
        self._active.discard(connection)
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        return True

    def forget(self, connection: Connection) -> None:
        """A connection is closed."""
        self._active.discard(connection)

    def close(self) -> None:
        """Close what rests; what is in an exchange is closed at its end."""
        self._open = False
        while self._idle:
            self._idle.pop().close()

    def _resolve(self, clock: Clock, limit: Limit) -> Iterator[Any]:
        host, port = self._origin.host, self._origin.port
        try:  # an address needs none of the hub's few look-up threads
            yield from _socket.getaddrinfo(
                host, port, 0, SOCK_STREAM, 0, AI_NUMERICHOST
            )
            return
        except gaierror:
            pass
        with gevent.Timeout(limit.remaining(), clock.late(limit.phase)):
            found = gevent.socket.getaddrinfo(host, port, 0, SOCK_STREAM)
        yield from found

    def _watch(self, connection: Connection) -> None:
        self._active.add(connection)
        if not self._sweeper:
            self._sweeper = gevent.spawn(self._sweep)

    def _sweep(self) -> None:
        while self._active or self._idle:
            gevent.sleep(TICK)
            now = time.monotonic()
            for connection in [one for one in self._active if one.deadline <= now]:
                connection.overdue()
            while self._idle and self._idle[0].idle_since <= now - IDLE_AGE:
                self._idle.popleft().close()
