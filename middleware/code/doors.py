"""Doors: whose affair a request is on the two routes that have several owners.

Most of what comes to ``/api/generate`` is Ollama's own affair and goes on as it came,
byte for byte.  Code are requests that name no model, that carry the markers of an
editor, or a suffix that Ollama would refuse or lose (specification: code completion,
section 2).  What comes to ``/v1/completions`` has one of three forms.
"""

from collections.abc import Iterable
from functools import partial
from typing import TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.body import OwnBody, read_body
from app.catalog import Catalog
from app.errors import BadRequest
from app.exchange import Exchange
from app.gateway.keys import Key
from app.settings import Settings
from app.turns import let_others
from app.wire.decoding import decode

from ..aliases import Aliases
from ..bounds import checked
from ..explain import passed_on, wants_explanation
from ..members import walked
from ..validation import MAX_NAME
from .generate import is_default
from .parser import markers
from .ways import Ways

#: Objects and arrays are refused, and so cost nothing, however large they are.
_Scalar = str | int | float | bool | None
_NULL = msgspec.Raw(b"null")


class _Asked(msgspec.Struct):
    """What decides whose affair a request is, as far as it can be any of ours."""

    model: _Scalar = None
    prompt: _Scalar = None
    suffix: _Scalar = None
    raw: _Scalar = None


class _Form(msgspec.Struct):
    """The fields that only one form has; what is in them is looked at later."""

    segments: msgspec.Raw = _NULL
    n_predict: msgspec.Raw = _NULL
    max_tokens: msgspec.Raw = _NULL


_asked = msgspec.json.Decoder(_Asked)
_form = msgspec.json.Decoder(_Form)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])

Seen = TypeVar("Seen")


class Door:
    """Reads a body once, looks into it, and passes it on to the one that it is for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request; raises what ``read_body`` raises."""
        settings = self.settings
        body = read_body(environ, settings.max_body_bytes, settings.body_timeout)
        environ["wsgi.input"] = OwnBody(body)
        return self.app_for(body, environ)(environ, start_response)

    def app_for(self, body: bytes, environ: WSGIEnvironment) -> WSGIApplication:
        """Whose affair a body is."""
        raise NotImplementedError


class CodeDoor(Door):
    """``POST /api/generate``: to ``code`` or, as it came, to ``native``.

    ``aliases`` tell the model that a name means, and whether it may be used.
    """

    def __init__(
        self,
        native: WSGIApplication,
        code: WSGIApplication,
        settings: Settings,
        catalog: Catalog,
        ways: Ways,
        aliases: Aliases,
    ) -> None:
        super().__init__(settings)
        self.native = native
        self.code = code
        self.catalog = catalog
        self.ways = ways
        self.aliases = aliases

    def app_for(self, body: bytes, environ: WSGIEnvironment) -> WSGIApplication:
        """Code's, or Ollama's."""
        key = Exchange.of(environ).key
        if not self._is_code(body, key):
            return self.native
        if self.aliases.access.concerns(key):
            walked(body)  # it may name only one model, there as well
        return self.code

    def _is_code(self, body: bytes, key: Key | None) -> bool:
        seen = _seen(_asked, body)
        if seen is None:
            return False  # Ollama says what is wrong with it
        model = seen.model
        if model is None:
            return not _spelt_otherwise(body, "model")
        if not isinstance(model, str) or len(model) > MAX_NAME:
            return False
        if is_default(model):
            return True
        meant, alias = self.aliases.meant(model, key)
        if not self.aliases.access.admits(key, meant, alias, model):
            return False  # it is refused there, whatever it is
        return self._wanted(meant, seen)

    def _wanted(self, model: str, seen: _Asked) -> bool:
        """Whether a request that names its model is better served here."""
        prompt = "" if seen.prompt is None else seen.prompt
        if not isinstance(prompt, str):
            return False
        if self.ways.always(model):
            return True
        marks = markers(prompt, strict=self.settings.code_parser == "strict")
        if not (self.settings.code_rewrite and (marks or seen.suffix)):
            return False
        facts = self.catalog.facts(model)
        family = self.ways.of(model, facts.family if facts else "")
        if family is not None and not family.rewrite:
            return False
        if marks:
            # What is raw, and in the model's own form, is as good as it can be.
            own = family is not None and marks == family.markers != "codellama"
            return not (own and seen.raw is True)
        if not isinstance(seen.suffix, str):
            return False
        lost = seen.raw is True or not prompt
        better = family is not None and family.better
        return lost or better or (facts is not None and not facts.inserts)


class Explained(Door):
    """Ollama, for what it is about to be asked; that may be explained instead."""

    def __init__(self, native: WSGIApplication, settings: Settings) -> None:
        super().__init__(settings)
        self.native = native

    def app_for(self, body: bytes, environ: WSGIEnvironment) -> WSGIApplication:
        """What says what would be sent, where that is wanted."""
        if wants_explanation(environ):
            return lambda environ, start: passed_on(environ, body, start)
        return self.native


class FormDoor(Door):
    """``POST /v1/completions``: OpenAI's, or with ``segments`` Tabby's.

    With ``n_predict`` it is llama.cpp's, where there is such a one: its own server has
    that route without ``/v1``.
    """

    def __init__(
        self,
        openai: WSGIApplication,
        tabby: WSGIApplication,
        llama: WSGIApplication | None,
        settings: Settings,
    ) -> None:
        super().__init__(settings)
        self.openai = openai
        self.tabby = tabby
        self.llama = llama

    def app_for(self, body: bytes, environ: WSGIEnvironment) -> WSGIApplication:
        """The one whose form it is."""
        if b'"segments"' not in body and b'"n_predict"' not in body:
            return self.openai  # as nearly always
        seen = _seen(_form, body)
        if seen is None:
            return self.openai  # which says what is wrong
        if seen.segments != _NULL:
            return self.tabby
        theirs = seen.n_predict != _NULL and seen.max_tokens == _NULL
        return self.llama if theirs and self.llama is not None else self.openai


def _seen(decoder: msgspec.json.Decoder[Seen], body: bytes) -> Seen | None:
    """What a body says of some fields, if it can be read."""
    try:
        return decode(decoder, body, partial(let_others, body))
    except msgspec.DecodeError:
        return None
    finally:
        let_others(body)


def _spelt_otherwise(body: bytes, name: str) -> bool:
    """Whether an object has a member of this name in another case, as Go reads it."""
    try:
        return any(
            key.lower() == name != key for key in decode(_members, checked(body))
        )
    except BadRequest:
        return True  # more members than are looked at
    except msgspec.DecodeError:
        return False
