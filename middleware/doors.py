"""DoorsMiddleware: turns away calls under a foreign name, and those of foreign pages.

Place it right inside ``ErrorMiddleware``, which renders the refusals.  Where keys are
needed, neither is any reason: who has a key may use it under any name, on any page
(specification: decisions, 19).
"""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.doors import Doors, is_own
from app.errors import BadRequest
from app.gateway.current import Current
from app.probes import HEALTH, READY

#: Asked under whatever name or address a load balancer has.
PROBES = frozenset([*HEALTH, *READY])


class DoorsMiddleware:
    """Lets through what ``doors`` admit; answers OPTIONS itself.

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
        """Pass the request on, or raise ``BadRequest``, 403."""
        host = environ.get("HTTP_HOST", "")
        if not self.doors.admits_host(host) and environ["PATH_INFO"] not in PROBES:
            self._refuse("name", host, "PANNIER_ALLOWED_HOSTS", "host_not_allowed")
        origin = environ.get("HTTP_ORIGIN")
        if origin and not self.doors.admits_origin(origin) and not is_own(origin, host):
            self._refuse("origin", origin, "PANNIER_ORIGINS", "origin_not_allowed")
        if environ["REQUEST_METHOD"] == "OPTIONS":
            start_response("204 No Content", [])
            return []
        return self.app(environ, start_response)

    def _refuse(self, kind: str, value: str, setting: str, code: str) -> None:
        """Raise that a request may not come in, where no key says that it may."""
        if not self.current.closed:
            raise _refusal(kind, value, setting, code)


def _refusal(kind: str, value: str, setting: str, code: str) -> BadRequest:
    return BadRequest(
        f"The {kind} {value[:100]!r} is not allowed here."
        f" (HINT: {setting} can allow it.)",
        status=403,
        code=code,
    )
