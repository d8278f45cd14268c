"""AccessLogMiddleware: watches each answer; at its end a line is written.

Place it outside everything that may fail.  What a line says is ``access_line``'s.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app import protocol
from app.carriers.base import Headers
from app.errors import Interruption
from app.exchange import Exchange
from app.live.running import Seen
from app.logs import Faults
from app.metrics.counts import Counts
from app.metrics.endpoints import endpoint
from app.redaction import Redaction

from .access_line import line

log = logging.getLogger("pannier")


class AccessLogMiddleware:
    """Writes through ``write``, which takes one line with its end; None: no lines.

    Then it tells those who wait for the end (``Exchange.closing``).

    ``address`` says where a request came from, as far as that is known, ``redaction``
    knows what no line may hold.  ``counts`` are told of every request when it comes and
    when it is over, ``begun`` when it comes: here, since each further layer would be in
    the memory of every open stream.
    """

    def __init__(
        self,
        app: WSGIApplication,
        write: Callable[[str], Any] | None,
        address: Callable[[WSGIEnvironment], str] = lambda environ: "",
        redaction: Redaction = Redaction(),  # noqa: B008 - it never changes
        counts: Counts | None = None,
        begun: Callable[[WSGIEnvironment], object] | None = None,
    ) -> None:
        self.app = app
        self.write = write
        self.address = address
        self.redaction = redaction
        self.counts = counts
        self.begun = begun
        self.faults = Faults()

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on and watch its answer."""
        # All in one frame: one more would be in the memory of each open stream.
        watched = _Watched(self, environ, start_response)
        try:
            if self.begun is not None:
                self.begun(environ)
            watched.watch(self.app(environ, watched.start_response))
        except BaseException as exc:  # nobody will close what they never got
            watched.end(exc)
            raise
        return watched

    def tell(self, who: Callable[[], object]) -> None:
        """Tell one who waits for the end; what goes wrong there keeps from no other."""
        try:
            who()
        except Exception as fault:
            self.tell_of(fault)

    def tell_of(self, fault: Exception) -> None:
        """Say what went wrong there."""
        self.faults.tell(log, "at the end of a request", fault)


class _Watched:
    """The answer to one request, counted."""

    __slots__ = (  # there is one for each open stream
        "_address",
        "_body",
        "_bytes",
        "_client",
        "_client_id",
        "_end",
        "_endpoint",
        "_exchange",
        "_log",
        "_method",
        "_next",
        "_path",
        "_said",
        "_server_write",
    )

    def __init__(
        self, log: AccessLogMiddleware, environ: WSGIEnvironment, client: StartResponse
    ) -> None:
        self._log = log
        self._exchange = exchange = Exchange.of(environ)
        self._method = environ["REQUEST_METHOD"]
        self._path = environ.get("PATH_INFO", "")
        self._address = log.address(environ)
        self._client_id = environ.get("HTTP_X_CLIENT_REQUEST_ID", "")
        self._client = client
        self._server_write: Callable[[bytes], object] = protocol.refuse_write
        self._bytes = 0
        self._end = "left"
        self._said = False
        self._body: Iterable[bytes] = ()
        self._next: Callable[[], bytes] = protocol.nothing_more
        self._endpoint = ""
        if exchange.watch is not None:
            exchange.watch.answer = self
        if log.counts is not None:
            self._endpoint = endpoint(self._method, self._path)
            log.counts.begin(exchange, self._endpoint)

    def seen(self) -> Seen:
        """How the answer looks now; it costs nothing before somebody asks."""
        return Seen(
            self._exchange,
            self._method,
            self._path,
            self._address,
            self._bytes,
            self._exchange.first_item_ms,
        )

    def watch(self, body: Iterable[bytes]) -> None:
        self._body = body
        self._next = protocol.steps(body)

    def end(self, exc: BaseException) -> None:
        self._end = _ended_by(exc)
        self.close()

    def start_response(
        self, status: str, headers: Headers, exc_info: Any = None, /
    ) -> Any:
        self._exchange.status = status[:3]
        self._server_write = self._client(status, headers, exc_info)
        return self._write

    def _write(self, data: bytes) -> None:
        """What a stream says while its next word is waited for."""
        exchange = self._exchange
        if exchange.first_byte_ms is None:
            exchange.first_byte_ms = exchange.milliseconds()
        self._bytes += len(data)
        self._server_write(data)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            item = self._next()
        except StopIteration:
            self._end = "done"
            raise
        except BaseException as exc:  # not every server closes then
            self._end = _ended_by(exc)
            self._say()
            raise
        if self._exchange.first_item_ms is None:
            exchange = self._exchange
            exchange.first_item_ms = exchange.milliseconds()
            if exchange.first_byte_ms is None:
                exchange.first_byte_ms = exchange.first_item_ms
        self._bytes += len(item)
        return item

    def close(self) -> None:
        try:
            protocol.close(self._body)
        finally:
            self._body, self._next = (), protocol.nothing_more  # they hold us
            self._say()

    def _say(self) -> None:
        """Write the line, once, and say that the answer is over."""
        if self._said:
            return
        self._said = True
        log, exchange = self._log, self._exchange
        exchange.sent, exchange.outcome = self._bytes, self._outcome()
        if log.write is not None:
            asked = self._address, self._client_id, self._method, self._path
            log.write(line(exchange, log.redaction, asked))
        if log.counts is not None:
            try:
                log.counts.end(exchange, self._endpoint)
            except Exception as fault:
                log.tell_of(fault)
        if exchange.closing:
            closing, exchange.closing = exchange.closing, []  # they may hold it
            for tell in closing:
                log.tell(tell)

    def _outcome(self) -> str:
        exchange = self._exchange
        if exchange.failure is not None:
            return str(exchange.failure.code or "error")
        watch = exchange.watch
        return "stalled" if watch is not None and watch.stalled else self._end


def _ended_by(exc: BaseException) -> str:
    return "left" if isinstance(exc, Interruption) else "cut"
