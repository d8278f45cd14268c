"""NativeNames, ShowMiddleware, TagsMiddleware: names of models on Ollama's own routes.

There an alias is resolved and listed too, what may not be used is refused and left out,
and nothing else of a body is changed: what concerns nothing that is set goes on, and
comes back, byte for byte.  ``default`` is Ollama's
affair here unless an alias has that name.  Answers say the name of the model itself.
"""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any, ClassVar, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.body import OwnBody, read_body
from app.carriers.base import Headers
from app.errors import BadRequest, UpstreamBroken
from app.exchange import Exchange
from app.gateway.keys import Key
from app.settings import Settings
from app.turns import let_others
from app.wire import ollama
from app.wire.decoding import decode

from . import parents
from .access import unknown
from .aliases import DEFAULT, Aliases
from .amended import amended
from .bounds import checked
from .code.families import Family
from .code.ways import Ways
from .members import Members, texts, walked
from .shown import Named, Shown
from .validation import MAX_NAME

T = TypeVar("T")

Override = Callable[[Exchange, Members], Members]


class _Details(msgspec.Struct):
    family: str = ""


_members = msgspec.json.Decoder(Members)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_string = msgspec.json.Decoder(str)
_model = msgspec.json.Decoder(ollama.ListModel)
_details = msgspec.json.Decoder(_Details)
_encode = msgspec.json.Encoder().encode
_NULL = msgspec.Raw(b"null")

#: Routes whose requests name a model that is to answer them.
NAMING = ("/api/chat", "/api/generate", "/api/embed", "/api/embeddings")
#: What a template for Ollama says where it can fill in, and the ability's name.
_SUFFIX = ".Suffix"
_INSERT = msgspec.Raw(b'"insert"')


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
        if not (self.aliases.names or self.governed(environ)):
            return self.app(environ, start_response)
        call, _ = self.read(environ)
        return self.app(call, start_response)

    def governed(self, environ: WSGIEnvironment) -> bool:
        """Whether anything is set that a request must keep to."""
        key = Exchange.of(environ).key
        return self.aliases.access.governs(key)

    def read(self, environ: WSGIEnvironment) -> tuple[WSGIEnvironment, str]:
        """The request with its alias resolved, and the model that it names then."""
        settings = self.settings
        body = read_body(environ, settings.max_body_bytes, settings.body_timeout)
        if not self.governed(environ):
            given = _read(body)
            members, model = self._resolved(given)
        else:
            given, unambiguous = walked(body)
            exchange = Exchange.of(environ)
            exchange.size = len(body)
            members, model = self._governed(exchange, given)
            given = given if unambiguous else {}
        if members != given:
            body = _encode(members)
            let_others(body)
        return with_body(environ, body), model

    def _resolved(self, given: Members) -> tuple[Members, str]:
        """The members with aliases resolved, and the model."""
        names = texts(given, self.keys)
        models = {field: self._meant(name)[0] for field, name in names.items()}
        others = {f: _encoded(m) for f, m in models.items() if m != names[f]}
        return given | others, _first(models)

    def _governed(self, exchange: Exchange, given: Members) -> tuple[Members, str]:
        """The same of a request that may be served; raises ``BadRequest``."""
        members = dict(given)
        names = texts(given, self.keys)
        model = ""
        for field, name in sorted(names.items(), key=_shown_last):
            note_name(exchange, name)
            model, exchange.alias = self._meant(name, exchange.key)
            exchange.resolved = model
            if name:
                self.aliases.access.check(exchange, model)
            if model != name:
                members[field] = _encoded(model)
        if self._override is not None:
            members = self._override(exchange, members)
        return members, model

    def _meant(self, name: str, key: Key | None = None) -> tuple[str, str]:
        wanted = name.strip().lower()
        ollamas = wanted == DEFAULT and DEFAULT not in self.aliases.names.exact
        if not wanted or ollamas or len(name) > MAX_NAME:
            return name, ""
        return self.aliases.meant(name, key)


class ShowMiddleware(NativeNames):
    """``POST /api/show``, truthful about who can fill in.

    Editors ask it whether a model's template knows a suffix.  Of a model that Pannier
    puts into the form of its family it does, and so it is shown; ``ways`` tells the
    family of a name, and how its model is asked.
    """

    keys = frozenset(["model", "name"])  # the latter was its name once

    def __init__(
        self,
        app: WSGIApplication,
        aliases: Aliases,
        settings: Settings,
        ways: Ways,
    ) -> None:
        super().__init__(app, aliases, settings)
        self._ways = ways

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        call, name = self.read(environ)
        settings, access = self.settings, self.aliases.access
        key = Exchange.of(environ).key
        may = partial(access.admits, key) if access.concerns(key) else None
        rewrites = settings.code_rewrite and self._ways.strategy(name) != "suffix"
        if may is None and not rewrites:
            return self.app(call, start_response)
        amend = partial(self._amended, name, may, rewrites)
        must = may is not None
        return amended(self.app, call, start_response, amend, must=must)

    def _amended(
        self, name: str, may: parents.May | None, rewrites: bool, whole: bytes
    ) -> bytes | None:
        """What whoever asks is shown, ``None`` for all there is."""
        less = parents.shown(whole, may, name) if may is not None else None
        left = whole if less is None else _encode(less)
        shown = self._shown(name, left) if rewrites else None
        return left if shown is None and less is not None else shown

    def _shown(self, name: str, whole: bytes) -> bytes | None:
        """What is shown of a model of a family that fills in, ``None`` for others."""
        shown = _decoded(_members, whole)
        details = _decoded(_details, shown.get("details", b"{}")) if shown else None
        family = self._ways.of(name, details.family if details else "")
        if shown is None or family is None or not family.rewrite:
            return None
        return _shown(family, shown) if family.strategy == "raw" else None


def _shown(family: Family, shown: Members) -> bytes | None:
    """What is shown of a model of a family that fills in; ``None``: it says so itself.

    A list of capabilities gets one more; what has none stays without.
    """
    template = _decoded(_string, shown.get("template", b'""'))
    if template is None or _SUFFIX in template:
        return None
    shown["template"] = _encoded(family.ollama_template(template))
    able = _decoded(_list, shown.get("capabilities", b"null"))
    if able is not None and _INSERT not in able:
        shown["capabilities"] = _encoded([*able, _INSERT])
    return _encode(shown)


class TagsMiddleware:
    """``GET /api/tags`` with the names that models are shown under, and only those.

    Aliases follow the models, each as its model under another name.
    """

    def __init__(self, app: WSGIApplication, aliases: Aliases) -> None:
        self.app = app
        self.aliases = aliases
        self.shown = Shown(aliases)

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        key = Exchange.of(environ).key
        limited = self.shown.limited(key)
        if not (limited or self.adds):
            return self.app(environ, start_response)
        if environ["REQUEST_METHOD"] == "HEAD":
            return self.app(environ, partial(_without_length, start_response))
        amend = partial(self._listed, key, limited)
        return amended(self.app, environ, start_response, amend, must=limited)

    @property
    def adds(self) -> bool:
        """Whether the list may have more names than Ollama's."""
        return bool(self.aliases.exact)

    def names(self, key: Key | None, installed: Collection[str]) -> Named:
        """The names in the list, each with its model's."""
        return self.shown(key, installed)

    def _listed(self, key: Key | None, limited: bool, whole: bytes) -> bytes | None:
        listed = _decoded(_members, whole)
        entries = _decoded(_list, listed.get("models", b"null")) if listed else None
        if listed is None or entries is None:
            if limited and listed is None:
                raise UpstreamBroken("Ollama's list of models cannot be read.")
            return _encode(listed | {"models": _NULL}) if limited and listed else None
        models = {}
        for entry in entries:
            model = _decoded(_model, entry)
            if model is not None and model.called:
                models[model.called] = entry
        named = self.names(key, models)
        less = self._less(key, models)
        if not less and [name for name, _ in named] == [*models]:
            return None
        models |= less
        own = {name for name, model in named if name == model}
        if limited:
            shown = [_under(models[model], name, model) for name, model in named]
        else:
            more = [item for item in named if item[0] not in own]
            shown = [*entries, *(_under(models[m], n, m) for n, m in more)]
        return _encode(listed | {"models": _encoded(shown)})

    def _less(
        self, key: Key | None, models: dict[str, msgspec.Raw]
    ) -> dict[str, msgspec.Raw]:
        """Those entries that name a parent which whoever asks may not use, without."""
        access = self.aliases.access
        if not access.concerns(key):
            return {}
        may = partial(access.admits, key)
        told = {name: parents.listed(entry, may) for name, entry in models.items()}
        return {name: entry for name, entry in told.items() if entry != models[name]}


class LoadedMiddleware(TagsMiddleware):
    """``GET /api/ps``, of the models that are shown, each once."""

    adds = False

    def names(self, key: Key | None, installed: Collection[str]) -> Named:
        """The names in the list, each with its model's."""
        return self.shown.once(key, installed)


def _under(entry: msgspec.Raw, name: str, model: str) -> msgspec.Raw:
    """The entry of a model under a name, as it came if that is its own."""
    return entry if name == model else _renamed(entry, name)


def _without_length(
    start_response: StartResponse, status: str, headers: Headers, *reason: Any
) -> Callable[[bytes], object]:
    """The head of a list that nobody has read, so that its length is not known."""
    kept = [(n, v) for n, v in headers if n.lower() != "content-length"]
    return start_response(status, kept, *reason)


def _renamed(entry: msgspec.Raw, alias: str) -> msgspec.Raw:
    """One entry of the list under another name."""
    name = _encoded(alias)
    return _encoded(_members.decode(entry) | {"name": name, "model": name})


def _read(body: bytes) -> Members:
    """The members of a body, none where it is no object or beyond what is taken."""
    try:
        checked(body)
        return decode(_members, body, partial(let_others, body))
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
        raise unknown(name)


def _first(models: dict[str, str]) -> str:
    """The model that counts of those that are named: the newer key wins."""
    by_key = {field.casefold(): model for field, model in models.items()}
    return by_key.get("model") or by_key.get("name", "")


def _shown_last(item: tuple[str, str]) -> bool:
    """Puts the name last that counts."""
    field, name = item
    return bool(name) and field.casefold() == "model"


def _decoded(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T | None:
    """What some JSON says, ``None`` where it is nothing of that kind."""
    try:
        return decode(decoder, bytes(data))
    except msgspec.DecodeError:
        return None


def _encoded(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


def with_body(environ: WSGIEnvironment, body: bytes) -> WSGIEnvironment:
    """A copy of the environ with this body, which nobody has coded or cut."""
    call = environ.copy()
    for name in ("HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING"):
        call.pop(name, None)
    length = str(len(body))
    return call | {"wsgi.input": OwnBody(body), "CONTENT_LENGTH": length}
