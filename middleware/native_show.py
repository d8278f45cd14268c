"""ShowMiddleware: what is shown of a model on ``/api/show``.

Parents that may not be used are left out, and that a model can fill in is said; the
rest comes back byte for byte, with the name of the model itself.
"""

from collections.abc import Iterable
from functools import partial
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.exchange import Exchange
from app.settings import Settings

from . import parents
from .aliases import Aliases
from .amended import amended
from .code.families import Family
from .code.ways import Ways
from .members import Members, decoded, encoded, object_of
from .native import NativeNames

#: What a template for Ollama says where it can fill in, and the ability's name.
_SUFFIX = ".Suffix"
_INSERT = msgspec.Raw(b'"insert"')


class _Details(msgspec.Struct):
    family: str = ""


_list = msgspec.json.Decoder(list[msgspec.Raw])
_string = msgspec.json.Decoder(str)
_details = msgspec.json.Decoder(_Details)
_encode = msgspec.json.Encoder().encode


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
        call, name = self.read(environ, self.governed(environ))
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
        shown = object_of(whole)
        details = decoded(_details, shown.get("details", b"{}")) if shown else None
        family = self._ways.of(name, details.family if details else "")
        if shown is None or family is None or not family.rewrite:
            return None
        return _shown(family, shown) if family.strategy == "raw" else None


def _shown(family: Family, shown: Members) -> bytes | None:
    """What is shown of a model of a family that fills in; ``None``: it says so itself.

    A list of capabilities gets one more; what has none stays without.
    """
    template = decoded(_string, shown.get("template", b'""'))
    if template is None or _SUFFIX in template:
        return None
    shown["template"] = encoded(family.ollama_template(template))
    able = decoded(_list, shown.get("capabilities", b"null"))
    if able is not None and _INSERT not in able:
        shown["capabilities"] = encoded([*able, _INSERT])
    return _encode(shown)
