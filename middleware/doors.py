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

from .admin_headers import is_admin

#: Asked under whatever name or address a load balancer has.
PROBES = frozenset([*HEALTH, *READY])

_LISTED = "PANNIER_ORIGINS can allow it"
_OWN = "only Pannier's own pages may; a proxy in between has to pass on Host as it is"


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
            hint = "PANNIER_ALLOWED_HOSTS can allow it"
            self._refuse("name", host, hint, "host_not_allowed")
        origin = environ.get("HTTP_ORIGIN")
        if origin and not self.doors.admits_origin(origin) and not is_own(origin, host):
            hint = _OWN if is_admin(environ["PATH_INFO"]) else _LISTED
            self._refuse("origin", origin, hint, "origin_not_allowed")
        if environ["REQUEST_METHOD"] == "OPTIONS":
            start_response("204 No Content", [])
            return []
        return self.app(environ, start_response)

    def _refuse(self, kind: str, value: str, hint: str, code: str) -> None:
        """Raise that a request may not come in, where no key says that it may."""
        if not self.current.closed:
            raise _refusal(kind, value, hint, code)


def _refusal(kind: str, value: str, hint: str, code: str) -> BadRequest:
    return BadRequest(
        f"The {kind} {value[:100]!r} is not allowed here. (HINT: {hint}.)",
        status=403,
        code=code,
    )
