"""RequestIdMiddleware: every request has an id, and every answer says it.

Every answer, as it passes here, also tells browsers to believe its Content-Type.

Place it outermost.  A caller's ``X-Request-Id`` is kept when it is harmless; the id
goes out as ``x-request-id`` (OpenAI's SDK) and ``request-id`` (Anthropic's).
"""

import re
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.exchange import Exchange

#: Named, since what describes a function inside another is made with each of them.
Headers = list[tuple[str, str]]

_HARMLESS = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIdMiddleware:
    """Gives the exchange its id."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on, with its id."""
        exchange = Exchange.of(environ)
        given = environ.get("HTTP_X_REQUEST_ID", "")
        if _HARMLESS.fullmatch(given):
            exchange.id = given
        return self.app(environ, _telling(exchange, start_response))


def _telling(exchange: Exchange, client: StartResponse) -> StartResponse:
    def start(status: str, headers: Headers, exc_info: Any = None, /) -> Any:
        own = [
            ("x-request-id", exchange.id),
            ("request-id", exchange.id),
            ("X-Content-Type-Options", "nosniff"),
        ]
        if exchange.headers is not None:
            own += exchange.headers()
        return client(status, headers + own, exc_info)

    return start
