"""ErrorMiddleware: the one edge at which failures become answers.

Place it inside the layers that only watch and around everything that may raise.  It
holds the head back until there is something to send, so that a failure before the
first byte has its true status.  After that, a stream says the failure in its own way
(``Exchange.render_failure``) and ends; what has no such way is cut off, visibly.
"""

import logging
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.carriers.base import Headers
from app.errors import GatewayError
from app.exchange import Exchange
from app.wire import errors

log = logging.getLogger("pannier")


class ErrorMiddleware:
    """Renders every exception in the dialect of the path."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on and guard its answer."""
        return _Guard(environ, start_response).answer(self.app, environ)


class _Guard:
    """The guarded answer to one request."""

    def __init__(self, environ: WSGIEnvironment, client: StartResponse) -> None:
        self._exchange = Exchange.of(environ)
        self._path = environ.get("PATH_INFO", "")
        self._client = client
        self._head: tuple[str, Headers, Any] | None = None
        self._sent = False
        self._body: Iterable[bytes] = ()
        self._items: Iterator[bytes] = iter(())

    def answer(self, app: WSGIApplication, environ: WSGIEnvironment) -> Iterable[bytes]:
        try:
            self._body = body = app(environ, self._start_response)
            if isinstance(body, list):
                self._send_head()
                return body  # complete: nothing can fail any more
            self._items = iter(body)
        except Exception as exc:
            return [self._fail(exc)]
        return self

    def _start_response(
        self, status: str, headers: Headers, exc_info: Any = None, /
    ) -> Any:
        self._head = (status, headers, exc_info)
        return _refuse_write

    def _send_head(self) -> None:
        if self._head and not self._sent:
            self._sent = True
            self._client(*self._head)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            item = next(self._items)
        except StopIteration:
            self._send_head()
            raise
        except Exception as exc:
            self._items = iter(())
            return self._fail(exc)
        if item:
            self._send_head()
        return item

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            close()

    def _fail(self, exc: Exception) -> bytes:
        """The rest of the answer after a failure; raises when there is none."""
        error = self._known(exc)
        self._exchange.failure = error
        if not self._sent:
            return self._whole(error)
        if self._exchange.render_failure is not None:
            return self._exchange.render_failure(error)
        # The server ends the connection without the mark of a proper end; this
        # type it does not log as a fault of its own.
        raise ConnectionResetError("the answer could not be completed") from exc

    def _known(self, exc: Exception) -> GatewayError:
        if isinstance(exc, GatewayError):
            return exc
        log.error("request %s failed", self._exchange.id, exc_info=exc)
        return GatewayError(f"internal error (request {self._exchange.id})")

    def _whole(self, error: GatewayError) -> bytes:
        if errors.is_native(self._path):
            payload = errors.native(error.message)
        else:
            payload = errors.openai_envelope(
                error.message, error.type, error.param, error.code
            )
        headers = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(payload))),
            *error.headers,
        ]
        self._sent = True
        self._client(f"{error.status} {_phrase(error.status)}", headers, None)
        return payload


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"  # Ollama's own, such as 499


def _refuse_write(data: bytes, /) -> Any:
    raise TypeError("the wrapped application must return its body, not write it")
