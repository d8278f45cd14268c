"""Native: which of Ollama's own routes Pannier has (specification: reliability, A2)."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from .addresses import is_loopback
from .errors import BadRequest
from .settings import Settings

#: Routes that use models and do not change them, with their methods.
INFERENCE = {
    "/api/tags": ("GET", "HEAD"),
    "/api/version": ("GET", "HEAD"),
    "/api/ps": ("GET", "HEAD"),
    "/api/show": ("POST",),
    "/api/chat": ("POST",),
    "/api/generate": ("POST",),
    "/api/embed": ("POST",),
    "/api/embeddings": ("POST",),
}
#: Methods that are about the way to a server, not about what it has.
_NOT_RELAYED = ("TRACE", "CONNECT")


class Native:
    """The relay, for the native requests that ``PANNIER_RELAY`` allows."""

    def __init__(self, relay: WSGIApplication, settings: Settings) -> None:
        self.relay = relay
        self.all = relays_all(settings)

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Relay the request, or raise ``BadRequest``."""
        method = environ["REQUEST_METHOD"]
        if method in _NOT_RELAYED:
            raise BadRequest(
                f"Not allowed to {method}.", status=405, code="method_not_allowed"
            )
        path = environ.get("PATH_INFO", "")
        if not self.all and method not in INFERENCE.get(path, ()):
            raise BadRequest(
                "404 page not found: PANNIER_RELAY=inference leaves only the routes"
                " that use models and do not change them",
                status=404,
                code="unknown_url",
            )
        return self.relay(environ, start_response)


def relays_all(settings: Settings) -> bool:
    """Whether all of Ollama's routes are there, those that change models too."""
    if settings.relay == "auto":
        return is_loopback(settings.host)
    return settings.relay == "all"
