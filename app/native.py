"""Native: which of Ollama's own routes Pannier has (specification: reliability, A2)."""

from collections.abc import Iterable
from socket import AF_UNIX
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from .addresses import is_loopback
from .errors import BadRequest
from .exchange import Exchange
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
    """The relay, for the native requests that ``PANNIER_RELAY`` allows.

    Who had to show a key, and has come so far, may do what that grants.
    """

    def __init__(self, relay: WSGIApplication, settings: Settings) -> None:
        self.relay = relay
        self.settings = settings

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
        inference = method in INFERENCE.get(path, ())
        if not inference and not self._relays_all(environ):
            raise BadRequest(
                "404 page not found: this server relays only the routes that use models"
                " and do not change them (HINT: PANNIER_RELAY=all can allow it)",
                status=404,
                code="unknown_url",
            )
        return self.relay(environ, start_response)

    def _relays_all(self, environ: WSGIEnvironment) -> bool:
        if Exchange.of(environ).key is not None:  # of the group ``manage``
            return self.settings.relay != "inference"
        return relays_all(self.settings, _heard_on(environ))


def relays_all(settings: Settings, host: str | None) -> bool:
    """Whether those who reach an address have all of Ollama's routes.

    ``host`` is where the server listens, ``None`` for a unix socket, which is heard by
    this machine alone.
    """
    if settings.relay == "auto":
        return host is None or is_loopback(host)
    return settings.relay == "all"


def _heard_on(environ: WSGIEnvironment) -> str | None:
    """The address on which the server heard a request, whatever the settings say."""
    sock = environ.get("gunicorn.socket")
    if sock is not None and sock.family == AF_UNIX:
        return None
    return str(environ.get("SERVER_NAME", ""))
