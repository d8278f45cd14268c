"""Asked, Admin, Route: what a handler is given, and how it is found.

A handler returns what is sent as JSON, ``None`` for an answer without a body, or a
``Sent``.  It raises ``Refused`` (of the administration) or ``GatewayError``.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar
from wsgiref.types import WSGIApplication

import msgspec

from ..administration import Administration
from ..administration.checks import refusal
from ..administration.desk import Begin
from ..catalog import Catalog
from ..errors import BadRequest, GatewayError
from ..exchange import Exchange
from ..inflight import Inflight
from ..installation import Installation
from ..option import Given
from ..settings import Settings
from ..upstream import Upstream

T = TypeVar("T")
#: What brings a call to what requests of its model would be.
Amend = Callable[[Exchange, Any], None]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request of somebody who is signed in.

    ``path`` are the parts of the path that the route names, ``query`` the last value of
    each name, ``actor`` is whom the audit log names.
    """

    path: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    body: bytes = b""
    if_match: str = ""
    actor: str = "admin"
    address: str = ""

    def json(self, type: type[T]) -> T:
        """The body; raises ``Refused``, which names the field.

        What is no JSON is a ``BadRequest``, 422: no field is to blame.
        """
        try:
            return msgspec.json.decode(self.body, type=type)
        except msgspec.ValidationError as error:
            raise refusal(error, type) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = f"The body is not JSON: {error}"
            raise BadRequest(message, status=422, code="invalid_value") from None

    def check_empty(self) -> None:
        """Raise ``BadRequest``, or ``Refused``, where more is said than can be."""
        if self.body:
            self.json(Nothing)


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """A body in which nothing is said."""


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is more than a JSON value of status 200.

    ``body`` is sent as it is, in pieces; without it ``value`` is, as JSON.  ``failure``
    is the last piece of a body that has begun and fails; without it that is cut off.
    ``app`` answers in the place of all that, as WSGI has it.
    """

    value: Any = None
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    type: str = "application/json"
    body: Iterable[bytes] | None = None
    failure: Callable[[GatewayError], bytes] | None = None
    app: WSGIApplication | None = None


class Admin(msgspec.Struct, frozen=True, kw_only=True):
    """What handlers work with; ``found`` is what the environment and ``.env`` say.

    ``amend`` has the parameters that are set for a model put into a call to it.
    ``answer`` is Pannier, for requests to models in the name of the key that their
    exchange has.
    """

    installation: Installation
    settings: Settings
    found: Mapping[str, Given]
    catalog: Catalog
    inflight: Inflight
    upstream: Upstream
    amend: Amend
    answer: WSGIApplication

    def office(self, actor: str, begin: Begin | None = None) -> Administration:
        """All that an operator does, in the name of ``actor``.

        ``begin`` comes first in every transaction that writes, and may refuse it.
        """
        run = self.installation.storage.run
        return Administration(run, self.settings, actor, self.found, begin)


Handler = Callable[[Admin, Asked], Any]


class Route(NamedTuple):
    """Where a handler is found: ``path`` is below the prefix, parts in angle brackets.

    ``query`` are the parameters that mean something; with any other the handler is
    never called.
    """

    method: str
    path: str
    handler: Handler
    query: tuple[str, ...] = ()
