"""Requests in flight: whose client has left, who takes nothing, how many there are."""

from collections.abc import Callable, Iterable, Iterator
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app import protocol
from app.errors import GatewayError, Interruption
from app.exchange import Exchange
from app.inflight import Inflight, Watch, connection_lost
from app.probes import HEALTH

#: Bytes that a server is given at once: a client has to take so much in time.
SLICE = 64 * 1024


class WatchMiddleware:
    """Watches over every request; place it outermost.

    ``release`` closes what nobody uses once no further request comes.
    """

    def __init__(
        self,
        app: WSGIApplication,
        inflight: Inflight,
        release: Callable[[], object] = lambda: None,
    ) -> None:
        self.app = app
        self.inflight = inflight
        self.release = release

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on under a watch."""
        watch = self.inflight.begin(environ.get("gunicorn.socket"))
        Exchange.of(environ).watch = watch
        watch.all_read = not _has_body(environ)
        try:
            return _Watched(watch, self.app(environ, start_response))
        except Interruption as exc:
            watch.end()
            raise connection_lost() from exc
        except BaseException:
            watch.end()
            raise


def _has_body(environ: WSGIEnvironment) -> bool:
    length = environ.get("CONTENT_LENGTH")
    return "HTTP_TRANSFER_ENCODING" in environ or bool(length and length != "0")


class _Watched:
    """The answer to one request, in pieces of a bounded size."""

    __slots__ = ("_body", "_next", "_rest", "_watch")  # there is one for each stream

    def __init__(self, watch: Watch, body: Iterable[bytes]) -> None:
        self._watch = watch
        self._body = body
        self._next = protocol.steps(body)
        self._rest: Iterator[bytes] | None = None
        watch.inside = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        watch = self._watch
        watch.inside = True
        try:
            item = self._sliced() if self._rest else self._next()
            if len(item) > SLICE:
                self._rest = _slices(item)
                item = next(self._rest)
        except Interruption as exc:
            raise connection_lost() from exc
        finally:
            watch.inside = False
            watch.items += 1
        return item

    def _sliced(self) -> bytes:
        assert self._rest is not None
        if item := next(self._rest, b""):
            return item
        self._rest = None
        return self._next()

    def close(self) -> None:
        self._watch.end()
        protocol.close(self._body)


def _slices(item: bytes) -> Iterator[bytes]:
    return (item[start : start + SLICE] for start in range(0, len(item), SLICE))


class LimitMiddleware:
    """Refuses at once what is more than a worker shall answer at a time."""

    def __init__(self, app: WSGIApplication, inflight: Inflight, limit: int) -> None:
        self.app = app
        self.inflight = inflight
        self.limit = limit

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on, or raise ``GatewayError``, 503; never for ``HEALTH``."""
        if len(self.inflight) > self.limit and environ["PATH_INFO"] not in HEALTH:
            raise _overloaded()
        return self.app(environ, start_response)


def _overloaded() -> GatewayError:
    return GatewayError(
        "Too many requests are being answered; please try again.",
        status=503,
        code="server_overloaded",
        headers=[("Retry-After", "1")],
        detail="PANNIER_MAX_INFLIGHT",
    )
