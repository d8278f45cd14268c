"""DoorsMiddleware: turns away calls under a foreign name, and those of foreign pages.

Place it right inside ``ErrorMiddleware``, which renders the refusals.
"""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.doors import Doors, is_own
from app.errors import BadRequest
from app.probes import HEALTH, READY

#: Asked under whatever name or address a load balancer has.
PROBES = frozenset([*HEALTH, *READY])


class DoorsMiddleware:
    """Lets through what ``doors`` admit; answers OPTIONS itself."""

    def __init__(self, app: WSGIApplication, doors: Doors) -> None:
        self.app = app
        self.doors = doors

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on, or raise ``BadRequest``, 403."""
        host = environ.get("HTTP_HOST", "")
        if not self.doors.admits_host(host) and environ["PATH_INFO"] not in PROBES:
            raise _refusal(
                "name", host, "PANNIER_ALLOWED_HOSTS", code="host_not_allowed"
            )
        origin = environ.get("HTTP_ORIGIN")
        if origin and not self.doors.admits_origin(origin) and not is_own(origin, host):
            raise _refusal(
                "origin", origin, "PANNIER_ORIGINS", code="origin_not_allowed"
            )
        if environ["REQUEST_METHOD"] == "OPTIONS":
            start_response("204 No Content", [])
            return []
        return self.app(environ, start_response)


def _refusal(kind: str, value: str, setting: str, code: str) -> BadRequest:
    return BadRequest(
        f"The {kind} {value[:100]!r} is not allowed here."
        f" (HINT: {setting} can allow it.)",
        status=403,
        code=code,
    )
