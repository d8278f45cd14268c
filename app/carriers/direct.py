"""urllib3 and http.client, made to carry one exchange exactly as it is given.

They connect, verify and pool; they neither normalise what goes out nor parse what
comes in.  Only public hooks are used: ``request``, ``send`` and ``response_class`` of
a connection, ``begin`` of a response, the pool classes of a manager.
"""

import io
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http.client import HTTPResponse
from socket import SHUT_RDWR
from typing import Any

import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util import SKIP_HEADER

from .answer import read_head
from .base import Clock, Limit, Origin, Request
from .framing import upload
from .head import Head, request_lines, request_target
from .pace import Pace

#: Bytes asked for in one read, and sent under one limit.
BLOCK = 64 * 1024
#: What http.client is shown in place of the head: nothing there for it to read.
STAND_IN = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Exchange:
    """The ``Channel`` of one request.

    It travels through requests and urllib3 as the request's body, down to the
    connection: everything else on that way would be normalised.
    """

    pace: Pace

    def __init__(self, request: Request, origin: Origin, clock: Clock) -> None:
        self.clock = clock
        self.target = request_target(request, origin)
        self.fields = urllib3.HTTPHeaderDict()
        for line in request_lines(request, origin).split("\r\n")[:-1]:
            name, _, value = line.partition(": ")
            self.fields.add(name, value)
        if "user-agent" not in self.fields:
            self.fields["User-Agent"] = SKIP_HEADER
        self.request = request
        self.reused = False
        self.sound = True  # False: the connection is not to be used again
        self.interruption: BaseException | None = None  # of the body's source
        self.head: Head | None = None
        self.rest = b""
        self.raw: Any = None  # urllib3's response
        self._answer: Any = None
        self._socket: Any = None
        self._file: Any = None
        self._reading = False
        self._ended = False

    def pieces(self) -> Iterator[memoryview]:
        """The body in pieces small enough for a limit on each."""
        body = self.request.body
        try:
            for piece in [body] if isinstance(body, bytes) else upload(self.request):
                view = memoryview(piece)
                for start in range(0, len(view), BLOCK):
                    if not self.sound:
                        return
                    if time.monotonic() >= self.clock.end:
                        raise self.clock.late("total")
                    yield view[start : start + BLOCK]
        except Exception as exc:
            self.interruption = exc
            raise

    def begin(self, answer: HTTPResponse, sock: Any) -> None:
        """The request is sent: wait for the head."""
        self._answer, self._socket, self._file = answer, sock, answer.fp
        self.head, self.rest = read_head(self)

    def receive(self, limit: Limit) -> bytes:
        """Wait by the socket's own timeout, then take what is there."""
        remaining = limit.remaining()
        if remaining == 0:
            raise self.clock.late(limit.phase)
        self._reading = True
        try:
            self._socket.settimeout(remaining)
            block: bytes = self._file.read1(BLOCK)
        except OSError as exc:
            if timed_out(exc):
                raise self.clock.late(limit.phase) from None
            raise
        finally:
            self._reading = False
            if self._ended:
                self._dispose()
        return block

    def release(self) -> None:
        """Give the connection back to urllib3's pool."""
        if self.sound:
            self._answer.close()  # its file only: http.client may send again
            self.raw.release_conn()
        else:
            self._dispose()

    def close(self) -> None:
        """Close at once; a reader elsewhere wakes up and closes the rest."""
        self._ended = True
        if not self._reading:
            self._dispose()
            return
        with suppress(OSError):  # the peer was first
            self._socket.shutdown(SHUT_RDWR)

    def _dispose(self) -> None:
        if self.raw is not None:
            self.raw.close()
            self.raw.release_conn()  # without its socket: only the place in the pool


class Unread(HTTPResponse):
    """http.client's response, of which it reads nothing itself."""

    def __init__(self, exchange: Exchange, sock: Any, **options: Any) -> None:
        super().__init__(sock, **options)
        self._exchange = exchange
        self._sock = sock

    def begin(self) -> None:
        """Read the head in the exchange's way, then show http.client a dummy."""
        try:
            self._exchange.begin(self, self._sock)
        finally:
            # An idle connection keeps its last response: not the request with it.
            del self._exchange
        file, self.fp = self.fp, io.BufferedReader(io.BytesIO(STAND_IN))
        super().begin()
        self.fp = file


class Direct(HTTPConnection):
    """A connection that sends what the exchange says, exactly."""

    _exchange: Exchange | None = None
    _used = False

    def connect(self) -> None:
        """Connect within the connect timeout."""
        super().connect()
        self._used = False

    def request(  # type: ignore[override]
        self, method: str, url: str, body: Any = None, **options: Any
    ) -> None:
        """Send the exchange that came as the body; ``url`` is not looked at."""
        exchange: Exchange = body
        if self.sock is None:
            self.connect()
        exchange.reused, self._used = self._used, True
        self._exchange = exchange
        self.response_class = partial(Unread, exchange)  # type: ignore[assignment]
        self.timeout = exchange.clock.limit("send").remaining()
        options["headers"] = exchange.fields
        options["chunked"] = "transfer-encoding" in exchange.fields
        framed = options["chunked"] or "content-length" in exchange.fields
        pieces: Any = exchange.pieces() if framed else None
        super().request(method, exchange.target, body=pieces, **options)
        self._exchange = None

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]
        """Let the exchange read the head."""
        try:
            return super().getresponse()
        finally:
            self.response_class = HTTPResponse

    def send(self, data: Any) -> None:
        """Send one piece, unless the upstream takes no more: then read its words."""
        exchange = self._exchange
        if exchange is None or not exchange.sound:
            return
        try:
            super().send(data)
        except OSError as exc:
            exchange.sound = False
            if timed_out(exc):
                raise exchange.clock.late(exchange.clock.limit("send").phase) from None


class DirectSecure(Direct, HTTPSConnection):
    """The same over TLS."""


class Pool(HTTPConnectionPool):
    """urllib3's pool of our connections."""

    ConnectionCls = Direct  # type: ignore[assignment]


class SecurePool(HTTPSConnectionPool):
    """urllib3's pool of our connections over TLS."""

    ConnectionCls = DirectSecure  # type: ignore[assignment]


class Adapter(HTTPAdapter):
    """requests' way to the pools above."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Put our pools in the place of urllib3's."""
        super().init_poolmanager(*args, **options)
        pools = {"http": Pool, "https": SecurePool}
        self.poolmanager.pool_classes_by_scheme = pools

    def close(self) -> None:
        """Close what is idle now; urllib3 would leave it to the garbage collector."""
        for key in self.poolmanager.pools.keys():  # noqa: SIM118  # it is no dict
            self.poolmanager.pools[key].close()
        super().close()


def timed_out(exc: OSError) -> bool:
    """Whether a socket's timeout ended it; gevent's TLS says so only in words."""
    return isinstance(exc, TimeoutError) or "timed out" in str(exc)
