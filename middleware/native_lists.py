"""TagsMiddleware, LoadedMiddleware: the lists of models on Ollama's own routes.

There aliases are listed too, and what may not be used is left out; a list that nothing
that is set concerns comes back byte for byte.
"""

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.carriers.base import Headers
from app.errors import UpstreamBroken
from app.exchange import Exchange
from app.gateway.keys import Key
from app.wire import ollama

from . import parents
from .aliases import Aliases
from .amended import amended
from .members import decoded, encoded, object_of
from .shown import Named, Shown

_list = msgspec.json.Decoder(list[msgspec.Raw])
_model = msgspec.json.Decoder(ollama.ListModel)
_encode = msgspec.json.Encoder().encode
_NULL = msgspec.Raw(b"null")


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
        listed = object_of(whole)
        entries = decoded(_list, listed.get("models", b"null")) if listed else None
        if listed is None or entries is None:
            if limited and listed is None:
                raise UpstreamBroken("Ollama's list of models cannot be read.")
            return _encode(listed | {"models": _NULL}) if limited and listed else None
        models = {}
        for entry in entries:
            model = decoded(_model, entry)
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
        return _encode(listed | {"models": encoded(shown)})

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
    name = encoded(alias)
    return encoded((object_of(entry) or {}) | {"name": name, "model": name})
