"""AccessLogMiddleware: one line for each request, when its answer is over.

Place it outside everything that may fail.  The line is logfmt and never holds a body;
what clients choose (path, model, id) is escaped, so one request is one line, and freed
of secrets.
"""

import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app import protocol
from app.carriers.base import Headers
from app.errors import BadRequest, GatewayError, Interruption
from app.exchange import Exchange
from app.live.running import Seen
from app.logs import Faults
from app.redaction import Redaction

log = logging.getLogger("pannier")

MAX_VALUE = 256
#: What needs no quotes; everything else is written as JSON, in ASCII.
_PLAIN = re.compile(r"[!#-<>-\[\]-~]+", re.ASCII)


class AccessLogMiddleware:
    """Writes through ``write``, which takes one line with its end; None: no lines.

    Then it tells those who wait for the end (``Exchange.closing``).

    ``address`` says where a request came from, as far as that is known, ``redaction``
    knows what no line may hold.
    """

    def __init__(
        self,
        app: WSGIApplication,
        write: Callable[[str], Any] | None,
        address: Callable[[WSGIEnvironment], str] = lambda environ: "",
        redaction: Redaction = Redaction(),  # noqa: B008 - it never changes
    ) -> None:
        self.app = app
        self.write = write
        self.address = address
        self.redaction = redaction
        self.faults = Faults()

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on and watch its answer."""
        return _Watched(self, environ, start_response).open(environ)

    def tell(self, who: Callable[[], object]) -> None:
        """Tell one who waits for the end; what goes wrong there keeps from no other."""
        try:
            who()
        except Exception as fault:
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
        "_exchange",
        "_first",
        "_first_item",
        "_log",
        "_method",
        "_next",
        "_path",
        "_said",
        "_server_write",
        "_status",
    )

    def __init__(
        self, log: AccessLogMiddleware, environ: WSGIEnvironment, client: StartResponse
    ) -> None:
        self._log = log
        self._exchange = Exchange.of(environ)
        self._method = environ["REQUEST_METHOD"]
        self._path = environ.get("PATH_INFO", "")
        self._address = log.address(environ)
        self._client_id = environ.get("HTTP_X_CLIENT_REQUEST_ID", "")
        self._client = client
        self._server_write: Callable[[bytes], object] = protocol.refuse_write
        self._status = ""
        self._bytes = 0
        self._first: int | None = None
        self._first_item: int | None = None
        self._end = "left"
        self._said = False
        self._body: Iterable[bytes] = ()
        self._next: Callable[[], bytes] = protocol.nothing_more
        if self._exchange.watch is not None:
            self._exchange.watch.answer = self

    def seen(self) -> Seen:
        """How the answer looks now; it costs nothing before somebody asks."""
        return Seen(
            self._exchange,
            self._method,
            self._path,
            self._address,
            self._bytes,
            self._first_item,
        )

    def open(self, environ: WSGIEnvironment) -> Iterable[bytes]:
        try:
            self._body = self._log.app(environ, self._start_response)
            self._next = protocol.steps(self._body)
        except BaseException as exc:  # nobody will close what they never got
            self._end = _ended_by(exc)
            self.close()
            raise
        return self

    def _start_response(
        self, status: str, headers: Headers, exc_info: Any = None, /
    ) -> Any:
        self._status = status[:3]
        self._server_write = self._client(status, headers, exc_info)
        return self._write

    def _write(self, data: bytes) -> None:
        """What a stream says while its next word is waited for."""
        if self._first is None:
            self._first = self._exchange.milliseconds()
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
        if self._first_item is None:
            self._first_item = self._exchange.milliseconds()
            if self._first is None:
                self._first = self._first_item
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
        if self._log.write is not None:
            self._write_line(self._log.write)
        exchange = self._exchange
        if exchange.closing:
            exchange.status, exchange.sent = self._status, self._bytes
            exchange.first_byte_ms, exchange.outcome = self._first, self._outcome()
            exchange.first_item_ms = self._first_item
            closing, exchange.closing = exchange.closing, []  # they may hold it
            for tell in closing:
                self._log.tell(tell)

    def _write_line(self, write: Callable[[str], Any]) -> None:
        redaction = self._log.redaction
        line = self._line(str)
        if redaction.is_suspect(line):  # one look for all; a second for the few
            line = self._line(redaction.redacted)
        write(line)

    def _line(self, of_text: Callable[[str], str]) -> str:
        """The line, of whose texts ``of_text`` says what may be seen."""
        exchange = self._exchange
        failure = exchange.failure
        line = (
            f"{_text('id', of_text(exchange.id))} time={_now()}"
            f"{_text('client', of_text(self._address))}"
            f"{_text('client_id', of_text(self._client_id))}"
            f"{_text('method', of_text(self._method))}"
            f"{_text('path', of_text(self._path))}"
            f"{_text('key', exchange.key.id if exchange.key else '')}"
            f"{_text('model', of_text(exchange.model))}"
            f"{_text('status', self._status)}"
            f"{_text('outcome', self._outcome())}"
            f" bytes={self._bytes} ms={exchange.milliseconds()}"
            f"{_number('first_byte_ms', self._first)}"
            f"{_number('prompt_tokens', exchange.prompt_tokens)}"
            f"{_number('completion_tokens', exchange.completion_tokens)}"
        )
        if exchange.adjusted:
            line += _text("adjusted", of_text(", ".join(exchange.adjusted)))
        if failure is not None:
            line += _text("param", of_text(failure.param or ""))
            line += _text("error", of_text(_told(failure)))
            line += _text("detail", of_text(failure.detail))
        return line[1:] + "\n"

    def _outcome(self) -> str:
        if self._exchange.failure:
            return str(self._exchange.failure.code or "error")
        watch = self._exchange.watch
        return "stalled" if watch is not None and watch.stalled else self._end


def _now() -> str:
    """The time of day, to the millisecond."""
    seconds, rest = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _told(failure: GatewayError) -> str:
    """What the client was told, unless it may quote from its own request's body."""
    quotes = isinstance(failure, BadRequest) and failure.status == 400
    return "" if quotes else failure.message


def _ended_by(exc: BaseException) -> str:
    return "left" if isinstance(exc, Interruption) else "cut"


def _number(name: str, value: int | None) -> str:
    return "" if value is None else f" {name}={value}"


def _text(name: str, value: str) -> str:
    if not value:
        return ""
    value = value[:MAX_VALUE]
    plain = _PLAIN.fullmatch(value)
    return f" {name}={value}" if plain else f' {name}="{_escaped(value)}"'


def _escaped(text: str) -> str:
    """As JSON in ASCII, cut before an escape that would make it too long."""
    said = ""
    for character in text:
        # JSON may leave DEL as it is, a log may not.
        more = "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]
        if len(said) + len(more) > MAX_VALUE:
            break
        said += more
    return said
