"""NativeNames, ShowMiddleware, TagsMiddleware: names of models on Ollama's own routes.

There an alias is resolved and listed too, and nothing else of a body is changed: what
concerns no alias goes on, and comes back, byte for byte.  ``default`` is Ollama's
affair here unless an alias has that name.  Answers say the name of the model itself.
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.body import OwnBody, read_body
from app.errors import BadRequest
from app.settings import Settings
from app.turns import let_others
from app.wire import ollama
from app.wire.decoding import decode
from writers.list import under_aliases

from .aliases import DEFAULT, Aliases
from .amended import amended
from .bounds import checked
from .code.families import Family
from .validation import MAX_NAME

T = TypeVar("T")

#: The members of an object, each value as its bytes.
Members = dict[str, msgspec.Raw]


class _Details(msgspec.Struct):
    family: str = ""


_members = msgspec.json.Decoder(Members)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_string = msgspec.json.Decoder(str)
_model = msgspec.json.Decoder(ollama.ListModel)
_details = msgspec.json.Decoder(_Details)
_encode = msgspec.json.Encoder().encode

#: Routes whose requests name a model that is to answer them.
NAMING = ("/api/chat", "/api/generate", "/api/embed", "/api/embeddings")
#: What a template for Ollama says where it can fill in, and the ability's name.
_SUFFIX = ".Suffix"
_INSERT = msgspec.Raw(b'"insert"')


class NativeNames:
    """Resolves the alias that a native request names.

    ``app`` is the relay, or what leads to it.  Raises what ``read_body`` raises; a body
    that Ollama would refuse goes on for it to do so.
    """

    #: The keys that name a model: Go reads them in any case.
    keys: ClassVar[frozenset[str]] = frozenset(["model"])

    def __init__(
        self, app: WSGIApplication, aliases: Aliases, settings: Settings
    ) -> None:
        self.app = app
        self.aliases = aliases
        self.settings = settings

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        if not self.aliases.names:
            return self.app(environ, start_response)
        call, _ = self.read(environ)
        return self.app(call, start_response)

    def read(self, environ: WSGIEnvironment) -> tuple[WSGIEnvironment, str]:
        """The request with its alias resolved, and the model that it names then."""
        settings = self.settings
        body = read_body(environ, settings.max_body_bytes, settings.body_timeout)
        given = _read(body)
        names = _texts(given, self.keys)
        models = {field: self._meant(name) for field, name in names.items()}
        others = {f: m for f, m in models.items() if m != names[f]}
        if others:
            body = _encode(given | {f: _encoded(m) for f, m in others.items()})
            let_others(body)
        by_key = {field.lower(): model for field, model in models.items()}
        model = by_key.get("model") or by_key.get("name", "")
        return _with_body(environ, body), model

    def _meant(self, name: str) -> str:
        wanted = name.strip().lower()
        ollamas = wanted == DEFAULT and DEFAULT not in self.aliases.names.exact
        if not wanted or ollamas or len(name) > MAX_NAME:
            return name
        return self.aliases.resolved(name)


class ShowMiddleware(NativeNames):
    """``POST /api/show``, truthful about who can fill in.

    Editors ask it whether a model's template knows a suffix.  Of a model that Pannier
    puts into the form of its family it does, and so it is shown; ``family_of`` gives
    the family of a name, ``None`` for a model that is shown as it is.
    """

    keys = frozenset(["model", "name"])  # the latter was its name once

    def __init__(
        self,
        app: WSGIApplication,
        aliases: Aliases,
        settings: Settings,
        family_of: Callable[[str, str], Family | None],
    ) -> None:
        super().__init__(app, aliases, settings)
        self._family_of = family_of

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        call, name = self.read(environ)
        settings = self.settings
        if not settings.code_rewrite or settings.code_strategy == "suffix":
            return self.app(call, start_response)
        return amended(self.app, call, start_response, partial(self._shown, name))

    def _shown(self, name: str, whole: bytes) -> bytes | None:
        """What is shown of a model of a family that fills in, ``None`` for others."""
        shown = _decoded(_members, whole)
        details = _decoded(_details, shown.get("details", b"{}")) if shown else None
        family = self._family_of(name, details.family if details else "")
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
    """``GET /api/tags`` with the aliases of what is installed.

    They follow the models, each as its model under another name.
    """

    def __init__(self, app: WSGIApplication, aliases: Aliases) -> None:
        self.app = app
        self.aliases = aliases

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        if not self.aliases.exact:
            return self.app(environ, start_response)
        return amended(self.app, environ, start_response, self._listed)

    def _listed(self, whole: bytes) -> bytes | None:
        listed = _decoded(_members, whole)
        entries = _decoded(_list, listed.get("models", b"null")) if listed else None
        if listed is None or entries is None:
            return None
        models = {}
        for entry in entries:
            model = _decoded(_model, entry)
            if model is not None:
                models[model.called] = entry
        more = [
            _renamed(entry, alias)
            for alias, entry in under_aliases(self.aliases.exact, models)
        ]
        if not more:
            return None
        return _encode(listed | {"models": _encoded([*entries, *more])})


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


def _texts(given: Members, keys: frozenset[str]) -> dict[str, str]:
    """Those members that have one of some names, in any case, and are strings."""
    found = {}
    for field, raw in given.items():
        if field.lower() in keys and (text := _decoded(_string, raw)) is not None:
            found[field] = text
    return found


def _decoded(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T | None:
    """What some JSON says, ``None`` where it is nothing of that kind."""
    try:
        return decode(decoder, bytes(data))
    except msgspec.DecodeError:
        return None


def _encoded(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))


def _with_body(environ: WSGIEnvironment, body: bytes) -> WSGIEnvironment:
    """A copy of the environ with this body, which nobody has coded or cut."""
    call = environ.copy()
    for name in ("HTTP_TRANSFER_ENCODING", "HTTP_CONTENT_ENCODING"):
        call.pop(name, None)
    length = str(len(body))
    return call | {"wsgi.input": OwnBody(body), "CONTENT_LENGTH": length}
