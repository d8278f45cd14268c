"""The carrier over ``requests``: https, control calls, and plain http by choice.

requests and urllib3 resolve, connect, verify certificates and pool.  What goes out
and comes in is ours: exact target and fields, and the answer read straight from the
connection's file with the head reader and body decoders of the built-in carrier.  So
limits, strictness and errors are the same.  What differs:

- Waiting is a socket timeout (a timer per read).  ``connect`` bounds each address of
  a name, not their sum, and not the look-up; ``send`` bounds each 64 KiB.
- While a streamed body waits for its source, *total* is looked at with its next
  piece, and while the client is slow, with the next read.
- An idle connection is not closed after a minute, only found closed at its next use.

It is cooperative only where gevent has patched the standard library.
"""

import io
import time
from collections.abc import Iterator
from functools import partial
from http.client import HTTPResponse
from socket import SHUT_RDWR
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
)
from urllib3.util import SKIP_HEADER

from .answer import Answer, read_head
from .carrier import Clock, Limit, Origin, Request, twice, unreachable
from .errors import UpstreamError
from .framing import upload
from .head import Head, request_fields, request_target

#: Bytes asked for in one read, and sent under one limit.
BLOCK = 64 * 1024
#: Idle connections kept; more are made when needed, the pool never blocks.
MAX_IDLE = 256
#: What http.client is shown in place of the head: nothing there for it to read.
STAND_IN = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Exchange:
    """The ``Channel`` of one request.

    It travels through requests and urllib3 as the request's body, down to the
    connection: everything else on that way would be normalised.
    """

    def __init__(self, request: Request, origin: Origin, clock: Clock) -> None:
        self.clock = clock
        self.target = request_target(request, origin)
        self.fields = HTTPHeaderDict()
        for name, value in request_fields(request, origin):
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
        return block

    def release(self) -> None:
        """Give the connection back to urllib3's pool."""
        if not self.sound:
            self.close()
            return
        self._answer.close()  # its file only: http.client may send again
        self.raw.release_conn()

    def close(self) -> None:
        """Close at once; a reader elsewhere wakes up and closes the rest."""
        if self._reading:
            try:
                self._socket.shutdown(SHUT_RDWR)
            except OSError:  # the peer was first
                return
        elif self.raw is not None:
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
        self._exchange.begin(self, self._sock)
        file, self.fp = self.fp, io.BufferedReader(io.BytesIO(STAND_IN))
        super().begin()
        self.fp = file


class Direct(HTTPConnection):
    """A connection that sends what the exchange says, exactly."""

    _exchange: Exchange
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

    def send(self, data: Any) -> None:
        """Send one piece, unless the upstream takes no more: then read its words."""
        exchange = self._exchange
        if not exchange.sound:
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


class RequestsCarrier:
    """A ``Carrier`` for an ``http`` or ``https`` origin."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._url = f"{origin.scheme}://{origin.authority}/"
        self._adapter = Adapter(pool_maxsize=MAX_IDLE, max_retries=0)
        self._session = requests.Session()
        # No proxies, no .netrc, no certificates named in the environment (P11).
        self._session.trust_env = False
        self._session.mount(self._url, self._adapter)

    def send(self, request: Request) -> Answer:
        """Send, and answer when the head is there; retries once where R1 allows."""
        clock = Clock(request.timeouts)

        def attempt(fresh: bool) -> Answer:
            if fresh:
                self._adapter.close()  # all idle connections: they are as old
            return self._exchange(Exchange(request, self._origin, clock))

        return twice(request, attempt, time.sleep)

    def close(self) -> None:
        """Close the idle connections; running answers go on."""
        self._session.close()

    def _exchange(self, exchange: Exchange) -> Answer:
        method = exchange.request.method
        prepared = requests.Request(method, self._url).prepare()
        prepared.body = exchange  # type: ignore[assignment]
        limit = exchange.clock.limit("connect")
        remaining = limit.remaining()
        # urllib3 refuses a zero.
        connect: Any = None if remaining is None else max(remaining, 0.001)
        try:
            response = self._adapter.send(prepared, timeout=(connect, None))
        except UpstreamError:
            raise
        except (requests.RequestException, HTTPError, OSError) as exc:
            if exchange.interruption is not None:
                raise exchange.interruption from None
            raise connect_failure(exc, exchange.clock, limit) from exc
        exchange.raw = response.raw
        assert exchange.head is not None
        try:
            return Answer(exchange, exchange.head, exchange.rest, method)
        except BaseException:
            exchange.close()
            raise


def connect_failure(exc: Exception, clock: Clock, limit: Limit) -> UpstreamError:
    """What went wrong before the request was sent, as one of our errors."""
    cause: Any = exc.args[0] if exc.args else exc
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    # A refused connection is a NewConnectionError, to urllib3 a kind of timeout.
    if isinstance(cause, NewConnectionError):
        return unreachable(cause.__cause__ or cause)
    if isinstance(cause, (ConnectTimeoutError, ReadTimeoutError)):
        return clock.late(limit.phase)
    return unreachable(cause if isinstance(cause, BaseException) else exc)


def timed_out(exc: OSError) -> bool:
    """Whether a socket's timeout ended it; gevent's TLS says so only in words."""
    return isinstance(exc, TimeoutError) or "timed out" in str(exc)
