"""NativeNames: names of models in what is asked on Ollama's own routes.

There an alias is resolved, what may not be used is refused, and what is set is put in;
nothing else of a body is changed.  What concerns nothing that is set goes on byte for
byte, with the space around a name, too: Ollama refuses that.  ``default`` is Ollama's
affair here unless an alias has that name.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.body import OwnBody, read_body
from app.errors import BadRequest
from app.exchange import Exchange
from app.gateway.keys import Key
from app.relay import bounds
from app.settings import Settings
from app.turns import let_others
from app.wire.decoding import decode

from .access import missing, unknown
from .aliases import DEFAULT, Aliases
from .bounds import checked
from .members import Members, encoded, texts, walked
from .timeouts import bounded, wished_by_header
from .validation import MAX_NAME

#: From the members of a request, and its path, to those that go on.
Override = Callable[[Exchange, Members, str], Members]

_object = msgspec.json.Decoder(Members)

#: Routes whose requests name a model that is to answer them.
NAMING = ("/api/chat", "/api/generate", "/api/embed", "/api/embeddings")


class NativeNames:
    """Resolves the alias that a native request names, and sees whether it may be used.

    ``app`` is the relay, or what leads to it; ``override`` puts what is set into the
    members of a request that may be served.  Raises what ``read_body`` raises, and
    ``BadRequest``; a body that Ollama would refuse goes on for it to do so, unless it
    could name a model that nobody has looked at (specification: decisions, 3).
    """

    #: The keys that name a model: Go reads them in any case.
    keys: ClassVar[frozenset[str]] = frozenset(["model"])

    def __init__(
        self,
        app: WSGIApplication,
        aliases: Aliases,
        settings: Settings,
        override: Override | None = None,
    ) -> None:
        self.app = app
        self.aliases = aliases
        self.settings = settings
        self._override = override

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        if (patience := wished_by_header(environ)) is not None:
            exchange = Exchange.of(environ)
            exchange.patience = patience
            usual = bounds(self.settings, None)
            exchange.timeouts = bounded(usual, stream=None, wish=patience)
        governed = self.governed(environ)
        if not (governed or self.aliases.names):
            return self.app(environ, start_response)
        call, _ = self.read(environ, governed)
        return self.app(call, start_response)

    def governed(self, environ: WSGIEnvironment) -> bool:
        """Whether anything is set that a request must keep to."""
        key = Exchange.of(environ).key
        return self.aliases.access.governs(key)

    def read(
        self, environ: WSGIEnvironment, governed: bool
    ) -> tuple[WSGIEnvironment, str]:
        """The request with its alias resolved, and the model that it names then."""
        settings = self.settings
        body = read_body(environ, settings.max_body_bytes, settings.body_timeout)
        if not governed:
            given = _read(body)
            members, model = self._resolved(given)
        else:
            given, unambiguous = walked(body)
            exchange = Exchange.of(environ)
            exchange.size = len(body)
            members, model = self._governed(exchange, given, environ["PATH_INFO"])
            given = given if unambiguous else {}
        if members != given:
            body = bytes(encoded(members))
            let_others(body)
        return with_body(environ, body), model

    def _resolved(self, given: Members) -> tuple[Members, str]:
        """The members with aliases resolved, and the model."""
        names = texts(given, self.keys)
        models = {field: self._meant(name)[0] for field, name in names.items()}
        others = {f: encoded(m) for f, m in models.items() if m != names[f]}
        return given | others, _first(models)

    def _governed(
        self, exchange: Exchange, given: Members, path: str
    ) -> tuple[Members, str]:
        """The same of a request that may be served; raises ``BadRequest``."""
        embeds = path.startswith("/api/embed")
        members = dict(given)
        names = texts(given, self.keys)
        model = ""
        for field, name in sorted(names.items(), key=_shown_last):
            note_name(exchange, name)
            model, exchange.alias = self._meant(name, exchange.key)
            exchange.resolved = model
            if name:
                self.aliases.access.check(exchange, model, embeds=embeds)
            if model != name:
                members[field] = encoded(model)
        if self._override is not None:
            members = self._override(exchange, members, path)
        return members, model

    def _meant(self, name: str, key: Key | None = None) -> tuple[str, str]:
        wanted = name.strip().lower()
        ollamas = wanted == DEFAULT and DEFAULT not in self.aliases.names.exact
        if not wanted or ollamas or len(name) > MAX_NAME:
            return name, ""
        return self.aliases.meant(name, key)


def _read(body: bytes) -> Members:
    """The members of a body, none where it is no object or beyond what is taken."""
    try:
        checked(body)
        return decode(_object, body, partial(let_others, body))
    except (BadRequest, msgspec.DecodeError):
        return {}
    finally:
        let_others(body)


def note_name(exchange: Exchange, name: str) -> None:
    """Note the name that a request gives; raise ``BadRequest``, 404, if it is too long.

    What is noted of a request may be kept for as long as it is there, and longer.
    """
    exchange.model = name[:MAX_NAME]
    if len(name) > MAX_NAME:
        raise unknown(name) if exchange.key else missing(name)


def _first(models: dict[str, str]) -> str:
    """The model that counts of those that are named: the newer key wins."""
    by_key = {field.casefold(): model for field, model in models.items()}
    return by_key.get("model") or by_key.get("name", "")


def _shown_last(item: tuple[str, str]) -> bool:
    """Puts the name last that counts."""
    field, name = item
    return bool(name) and field.casefold() == "model"


def with_body(environ: WSGIEnvironment, body: bytes) -> WSGIEnvironment:
    """A copy of the environ with this body, which nobody has coded or cut."""
    call = environ.copy()
    for name in ("HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING"):
        call.pop(name, None)
    length = str(len(body))
    return call | {"wsgi.input": OwnBody(body), "CONTENT_LENGTH": length}
