"""GroupsMiddleware: a key may only ask what its endpoint groups have.

Place it inside what counts a key's requests: those that are refused count as well
(specification: gateway, section 2).
"""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.errors import NotAllowed
from app.exchange import Exchange
from app.gateway.groups import groups_for


class GroupsMiddleware:
    """Refuses what no group of the key allows; raises ``NotAllowed``."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on; without a key nothing is looked at."""
        key = Exchange.of(environ).key
        if key is not None:
            groups = groups_for(environ["REQUEST_METHOD"], environ["PATH_INFO"])
            if groups is not None and groups.isdisjoint(key.terms.allow_endpoints):
                raise NotAllowed(
                    "This API key may not use this endpoint: it would need the group"
                    f" {' or '.join(sorted(groups))}."
                )
        return self.app(environ, start_response)
