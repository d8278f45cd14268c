"""ThrottleMiddleware: holds a key to its requests a minute, and to those at a time."""

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.exchange import Exchange
from app.gateway.limits import Limits


class ThrottleMiddleware:
    """Counts the requests of keys; raises ``BadRequest``, 429."""

    def __init__(self, app: WSGIApplication, limits: Limits) -> None:
        self.app = app
        self.limits = limits

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on."""
        return self.app(environ, start_response)


class TokenLimit:
    """A policy that holds a key to its tokens a day."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Take what the call may need; what it did not need is given back."""
