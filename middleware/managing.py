"""ManagingNames, AllModels: what a key may do to the models that Ollama has.

What does not say which models it touches could touch any.  So it is only for keys that
may use all of them (specification: gateway, section 4).
"""

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.body import read_body
from app.errors import NotAllowed
from app.exchange import Exchange
from app.gateway.keys import Key
from app.native import INFERENCE

from .access import grants, missing, unknown
from .members import NAMES, texts, walked
from .native import NativeNames, note_name, with_body
from .routes import not_allowed

#: Routes whose requests name the models that they change, with their methods.
MANAGING = (
    ("POST", "/api/pull"),
    ("POST", "/api/push"),
    ("POST", "/api/create"),
    ("POST", "/api/copy"),
    ("DELETE", "/api/delete"),
)
#: The keys that name a model from which another one is made.
_SOURCES = frozenset(["from", "source"])
_CREATE = "/api/create"
#: Members with which a model is made of one that ``from`` names, and of nothing else.
_OF_ONE = frozenset(
    [
        "from",
        "license",
        "messages",
        "model",
        "name",
        "parameters",
        "parser",
        "quantization",
        "quantize",
        "renderer",
        "requires",
        "stream",
        "system",
        "template",
    ]
)

_encode = msgspec.json.Encoder().encode


class ManagingNames(NativeNames):
    """Requests that change models: a key must be granted each that they name.

    Names are taken as they are, of models that do not exist yet as well.  What is
    switched off is no source of others, for anybody.
    """

    keys = NAMES

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        exchange = Exchange.of(environ)
        if not self.aliases.access.concerns(exchange.key):
            return self.app(environ, start_response)
        settings = self.settings
        body = read_body(environ, settings.max_body_bytes, settings.body_timeout)
        given, unambiguous = walked(body)
        for field, name in texts(given, self.keys).items():
            if name:
                self._look(exchange, field, name)
        if environ["PATH_INFO"] == _CREATE:
            for field in given:
                if field.casefold() not in _OF_ONE:
                    _check_all(exchange.key, f"{_CREATE} with {field[:64]}")
        if not unambiguous:
            body = _encode(given)
        return self.app(with_body(environ, body), start_response)

    def _look(self, exchange: Exchange, field: str, name: str) -> None:
        """See whether a model may be there under this key of the body."""
        note_name(exchange, name)
        is_source = field.casefold() in _SOURCES
        fits = self.aliases.access.admits if is_source else grants
        if not fits(exchange.key, name):
            raise unknown(name) if exchange.key else missing(name)


class AllModels:
    """Goes around routes that could touch any model; raises ``NotAllowed``.

    Without keys they are for whoever comes so far.  On a route that only uses models it
    is a 405, with a key that may not change any: nobody knows what another method does.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        key = Exchange.of(environ).key
        path = environ["PATH_INFO"]
        known = INFERENCE.get(path)
        if known and key is not None and "manage" not in key.terms.allow_endpoints:
            raise not_allowed(environ["REQUEST_METHOD"], path, known)
        _check_all(key, "this endpoint")
        return self.app(environ, start_response)


def _check_all(key: Key | None, what: str) -> None:
    """Raise ``NotAllowed`` unless there is no model that a key may not use."""
    if key is None:
        return
    if "*" in key.terms.allow_models and not key.terms.deny_models:
        return
    raise NotAllowed(
        f"This API key may not use {what}: it would need to be allowed all models."
    )
