"""ErrorMiddleware: the one edge at which failures become answers.

Place it inside the layers that only watch and around everything that may raise.  It
holds the head back until there is something to send, so that a failure before the
first byte has its true status.  After that, a stream says the failure in its own way
(``Exchange.render_failure``) and ends; what has no such way is cut off, visibly.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app import protocol
from app.carriers.base import Headers
from app.errors import GatewayError, Interruption, forget_frames
from app.exchange import Exchange
from app.inflight import connection_lost
from app.logs import Faults
from app.wire import errors

log = logging.getLogger("pannier")

#: What gunicorn refuses in a header.  It keeps the lines before it, which would stand
#: in the next head too: so it is not asked.
_unsendable = re.compile(r"[^\t\x20-\x7e\x80-\xff]").search


class ErrorMiddleware:
    """Renders every exception in the dialect of the path."""

    def __init__(self, app: WSGIApplication, faults: Faults | None = None) -> None:
        self.app = app
        self.faults = faults or Faults()

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on and guard its answer."""
        # All in one frame: one more would be in the memory of each open stream.
        guard = _Guard(self.faults, environ, start_response)
        try:
            return guard.of(self.app(environ, guard.start_response))
        except (Exception, Interruption) as exc:
            return [guard.fail(exc)]


class _Guard:
    """The guarded answer to one request."""

    __slots__ = (  # there is one for each open stream
        "_bodiless",
        "_body",
        "_client",
        "_exchange",
        "_faults",
        "_head",
        "_next",
        "_path",
        "_sent",
        "_server_write",
        "_tried",
        "_version",
    )

    def __init__(
        self, faults: Faults, environ: WSGIEnvironment, client: StartResponse
    ) -> None:
        self._faults = faults
        self._exchange = Exchange.of(environ)
        self._path = environ.get("PATH_INFO", "")
        self._version = environ.get("HTTP_ANTHROPIC_VERSION")
        self._bodiless = environ.get("REQUEST_METHOD") == "HEAD"
        self._client = client
        self._server_write: Callable[[bytes], object] = protocol.refuse_write
        self._head: tuple[str, Headers, Any] | None = None
        self._tried = False
        self._sent = False
        self._body: Iterable[bytes] = ()
        self._next: Callable[[], bytes] = protocol.nothing_more

    def of(self, body: Iterable[bytes]) -> Iterable[bytes]:
        self._body = body
        if isinstance(body, list):
            self._send_head()
            return body  # complete: nothing can fail any more
        self._next = protocol.steps(body)
        return self

    def start_response(
        self, status: str, headers: Headers, exc_info: Any = None, /
    ) -> Any:
        if exc_info and self._sent:  # too late for another head (PEP 3333)
            raise exc_info[1].with_traceback(exc_info[2])
        self._head = (status, headers, exc_info)
        return self._write

    def _write(self, data: bytes) -> None:
        """What a stream says while its first word is waited for, or the next."""
        self._send_head()
        self._server_write(data)

    def _send_head(self) -> None:
        if self._head and not self._sent:
            if _unsendable("".join([value for _, value in self._head[1]])):
                raise ValueError("a header has a value that none may have")
            self._tried = True
            self._server_write = self._client(*self._head)
            self._sent = True  # that is, if the server has not refused it

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        watch = self._exchange.watch
        try:
            if watch is not None and watch.ending is not None:
                error, watch.ending = watch.ending, None
                if not self._exchange.complete:  # nothing follows the end
                    raise Interruption(error)
            item = self._next()
            if item:
                self._send_head()
        except StopIteration:
            return self._ended()
        except (Exception, Interruption) as exc:
            self._next = protocol.nothing_more
            return self.fail(exc)
        return item

    def close(self) -> None:
        try:
            protocol.close(self._body)
        finally:  # all of these hold each other
            self._body, self._next = (), protocol.nothing_more
            self._exchange.render_failure = None

    def _ended(self) -> bytes:
        """The end of an answer that may have been its head alone."""
        try:
            self._send_head()
        except Exception as exc:
            self._next = protocol.nothing_more
            return self.fail(exc)
        raise StopIteration

    def fail(self, exc: Exception | Interruption) -> bytes:
        """The rest of the answer after a failure; raises when there is none."""
        if isinstance(exc, Interruption):
            if exc.error is None:  # nobody is there to be told
                try:
                    raise exc
                finally:  # or it holds, by its traceback, itself and every socket
                    del exc
            exc = exc.error
        error = self._exchange.failure = self._known(exc)
        try:
            return self._rest(error)
        finally:
            forget_frames(error)

    def _rest(self, error: GatewayError) -> bytes:
        if not self._sent:
            return self._whole(error)
        if self._exchange.render_failure is not None:
            return self._exchange.render_failure(error)
        # The server ends the connection without the mark of a proper end.
        raise connection_lost() from error

    def _known(self, exc: Exception) -> GatewayError:
        if isinstance(exc, GatewayError):
            return exc
        if isinstance(exc, ConnectionError) and isinstance(exc.__cause__, GatewayError):
            return exc.__cause__  # an answer inside this one was cut off for it
        self._faults.tell(log, f"request {self._exchange.id} failed", exc)
        return GatewayError(f"internal error (request {self._exchange.id})")

    def _whole(self, error: GatewayError) -> bytes:
        status, payload = self._told(error)
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(payload))),
            *error.headers,
        ]
        # In place of a head that the server refused only with the reason (PEP 3333).
        reason = sys.exc_info() if self._tried else None
        self._client(protocol.status_line(status), headers, reason)
        self._sent = True
        return b"" if self._bodiless else payload

    def _told(self, error: GatewayError) -> tuple[int, bytes]:
        """Status and body, in the dialect of the path."""
        dialect = errors.dialect(self._path, self._version)
        if dialect == "native":
            return error.status, errors.native(error.message)
        if dialect == "anthropic":
            status = errors.anthropic_status(error.status, error.code)
            return status, errors.anthropic_envelope(
                error.located, status, self._exchange.id, error.code
            )
        return error.status, errors.openai_envelope(
            error.message, error.type, error.param, error.code
        )
