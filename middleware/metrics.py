"""MetricsPage: those who may can read what was counted."""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from app.doors import Doors
from app.errors import BadRequest
from app.exchange import Exchange
from app.installation import Installation
from app.proxies import is_local
from app.settings import Settings


class MetricsPage:
    """``GET /metrics``, for programs of this machine and for keys that may manage.

    Raises ``BadRequest``, 401, for others (specification: decisions, 28).  The page
    names all models; that a key has its group is seen to before.  A web page
    that makes its own name point here is none of either, also where keys are needed.
    """

    def __init__(self, installation: Installation, settings: Settings) -> None:
        self.installation = installation
        self.doors = Doors(settings.allowed_hosts)

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer with all numbers of all workers."""
        if Exchange.of(environ).key is None and not self._near(environ):
            raise _closed()
        from app.metrics import page  # 1 MB that most workers never need

        counts = self.installation.counts
        counts.note_dropped()
        counts.board.note_asked()
        body = page.written(counts.board, self.installation.current)
        length = ("Content-Length", str(len(body)))
        start_response("200 OK", [("Content-Type", page.CONTENT_TYPE), length])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _near(self, environ: WSGIEnvironment) -> bool:
        host = environ.get("HTTP_HOST", "")
        return is_local(environ) and self.doors.admits_host(host)


def _closed() -> BadRequest:
    return BadRequest(
        "Metrics are for programs on this machine, and for API keys of the group"
        " manage.",
        status=401,
        code="invalid_api_key",
        headers=[("WWW-Authenticate", "Bearer")],
    )
