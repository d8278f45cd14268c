"""CorsMiddleware: tells browsers which pages may read an answer.

Place it outside ``ErrorMiddleware``, so that errors can be read as well.  It refuses
nothing: ``DoorsMiddleware`` does.  Credentials are never allowed: whoever is admitted
is told so by name (specification: errors, section 6; reliability, H9).  Where keys are
needed only pages that the settings name are admitted; what operators are answered is
nobody's to read, to keep or to frame (specification: decisions, 19).
"""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.carriers.base import Headers
from app.doors import Doors
from app.errors import GatewayError
from app.gateway.current import Current

from .admin_headers import admin_headers, is_admin

#: What scripts may read beside what browsers always let them.
_EXPOSED = (
    "x-request-id, request-id, retry-after, x-should-retry, openai-processing-ms,"
    " X-Pannier-Ignored, X-Pannier-Adjusted, X-Pannier-Token-Count,"
    " x-ratelimit-limit-requests, x-ratelimit-remaining-requests,"
    " x-ratelimit-reset-requests, x-ratelimit-limit-tokens,"
    " x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens,"
    " anthropic-ratelimit-requests-limit, anthropic-ratelimit-requests-remaining,"
    " anthropic-ratelimit-requests-reset, anthropic-ratelimit-tokens-limit,"
    " anthropic-ratelimit-tokens-remaining, anthropic-ratelimit-tokens-reset"
)
_METHODS = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"
#: Ollama's list (server/routes.go), then other clients' headers, then our own.
_HEADERS = (
    "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,"
    "X-Stainless-Arch,X-Stainless-Async,X-Stainless-Custom-Poll-Interval,"
    "X-Stainless-Helper-Method,X-Stainless-Lang,X-Stainless-Os,"
    "X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,"
    "X-Stainless-Runtime,X-Stainless-Runtime-Version,X-Stainless-Timeout,"
    "X-Stainless-Read-Timeout,OpenAI-Organization,OpenAI-Project,Idempotency-Key,"
    "X-Api-Key,Api-Key,Anthropic-Version,Anthropic-Beta,"
    "Anthropic-Dangerous-Direct-Browser-Access,"
    "X-Request-Id,X-Client-Request-Id,X-Pannier-Explain,X-Pannier-Heartbeat,"
    "X-Request-Timeout"
)
_MAX_AGE = "43200"


class CorsMiddleware:
    """Adds CORS headers for the pages that ``doors`` admit.

    ``current`` says whether keys are needed; without it none is.
    """

    def __init__(
        self, app: WSGIApplication, doors: Doors, current: Current | None = None
    ) -> None:
        self.app = app
        self.doors = doors
        self.current = current or Current()

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on; most have no ``Origin``."""
        origin = environ.get("HTTP_ORIGIN")
        if is_admin(environ.get("PATH_INFO", "")):
            start_response = _telling(admin_headers(environ), start_response)
        elif origin and self._admits(origin):
            preflight = environ["REQUEST_METHOD"] == "OPTIONS"
            start_response = _telling(_allowing(origin, preflight), start_response)
        return self.app(environ, start_response)

    def _admits(self, origin: str) -> bool:
        try:
            closed = self.current.closed
        except GatewayError:  # the request will be told so, if it matters
            closed = True
        doors = self.doors
        return (doors.lists_origin if closed else doors.admits_origin)(origin)


def _telling(more: Headers, client: StartResponse) -> StartResponse:
    def start(status: str, headers: Headers, exc_info: Any = None, /) -> Any:
        return client(status, headers + more, exc_info)

    return start


def _allowing(origin: str, preflight: bool) -> Headers:
    allowed = [("Access-Control-Allow-Origin", origin)]
    if not preflight:
        return [
            *allowed,
            ("Vary", "Origin"),
            ("Access-Control-Expose-Headers", _EXPOSED),
        ]
    asked = "Access-Control-Request-Method, Access-Control-Request-Headers"
    return [
        *allowed,
        ("Access-Control-Allow-Methods", _METHODS),
        ("Access-Control-Allow-Headers", _HEADERS),
        ("Access-Control-Max-Age", _MAX_AGE),
        ("Vary", f"Origin, {asked}"),
    ]
