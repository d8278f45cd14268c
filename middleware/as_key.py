"""AsKeyMiddleware: lets a request pass as one of the key that its exchange has.

Of a key's secret Pannier keeps a digest, so whoever administers could not send it.
Nothing that comes from outside passes here: who is in the exchange has been put there.
"""

import time
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.exchange import Exchange
from app.gateway.limits import Limits

from .auth import unauthorized
from .errors import ErrorMiddleware
from .groups import GroupsMiddleware
from .throttle import ThrottleMiddleware


class AsKeyMiddleware:
    """Raises ``BadRequest``, 401, for a key that is good no more.

    Requests without a key go to ``keyless``; ``clock`` is Unix time in seconds.
    """

    def __init__(
        self,
        app: WSGIApplication,
        keyless: WSGIApplication,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.app = app
        self.keyless = keyless
        self.clock = clock

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on."""
        key = Exchange.of(environ).key
        if key is None:
            return self.keyless(environ, start_response)
        if fault := key.fault(self.clock):
            raise unauthorized(fault, detail=f"key {key.id}")
        return self.app(environ, start_response)


def inside(
    app: WSGIApplication,
    logged: Callable[[WSGIApplication], WSGIApplication],
    limits: Limits,
) -> WSGIApplication:
    """The routes for requests that Pannier makes itself, with the layers of keys.

    They are watched over, and have their id, with the request that they answer.
    """
    throttled = ThrottleMiddleware(GroupsMiddleware(app), limits)
    return logged(ErrorMiddleware(AsKeyMiddleware(throttled, keyless=app)))
