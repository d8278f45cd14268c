"""Probes: what load balancers and scripts ask of Pannier itself, every few seconds.

``/health`` says that the process lives, ``/ready`` that Ollama answers, ``/version``
which versions both have.  They are no pages, so that Flask need not be there for them.
A database that is down makes nothing unready: keys that are known are served
(reliability, Q2), and a balancer would send them nowhere.
"""

from collections.abc import Callable, Iterable
from functools import partial
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from .errors import UpstreamError
from .gateway.current import Current
from .protocol import status_line
from .upstream import Upstream
from .version import own_version

#: Asked by load balancers: whether the process lives, and whether Ollama answers.
HEALTH = ("/health", "/healthz")
READY = ("/ready", "/readyz")
PROBE_SECONDS = 2.0

#: A status, and what is said with it.
Finding = tuple[int, dict[str, str | None]]


def probes(upstream: Upstream, current: Current) -> dict[str, WSGIApplication]:
    """The application for each path.

    Readiness asks ``upstream``, and tells of the database what ``current`` knows.
    """
    return {
        **dict.fromkeys(HEALTH, _Probe(_health)),
        **dict.fromkeys(READY, _Probe(partial(_ready, upstream, current))),
        "/version": _Probe(partial(_version, upstream)),
    }


def version_if_any(upstream: Upstream) -> str | None:
    """What Ollama calls its version, if it answers."""
    try:
        return upstream_version(upstream)
    except UpstreamError:
        return None


class _Probe:
    """Answers GET and HEAD with what it finds."""

    def __init__(self, find: Callable[[], Finding]) -> None:
        self._find = find

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        status, found = self._find()
        body = msgspec.json.encode(found) + b"\n"
        length = ("Content-Length", str(len(body)))
        start_response(
            status_line(status), [("Content-Type", "application/json"), length]
        )
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _health() -> Finding:
    return 200, {"status": "ok"}


def _ready(upstream: Upstream, current: Current) -> Finding:
    database = current.database
    try:
        ollama = upstream_version(upstream)
    except UpstreamError as exc:
        reason = {"upstream": exc.code, "message": exc.message}
        return 503, {"status": "not ready", **reason, "database": database}
    found = {"upstream": "ok", "ollama": ollama, "database": database}
    return 200, {"status": "ready", **found}


def _version(upstream: Upstream) -> Finding:
    return 200, {"version": own_version(), "ollama": version_if_any(upstream)}


def upstream_version(upstream: Upstream, seconds: float = PROBE_SECONDS) -> str:
    """What Ollama calls its version; raises ``UpstreamError``."""
    answer = upstream.control("GET", "/api/version", timeout=seconds)
    try:
        return msgspec.json.decode(answer, type=dict[str, str])["version"]
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError) as exc:
        raise UpstreamError("What answers there is not Ollama.") from exc
