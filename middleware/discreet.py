"""Discreet: Ollama's refusals, as those with keys hear them.

They must not learn whether a model exists that they may not use, so that all of them
are told the same in the same words (specification: decisions, 21); nor which model an
alias means.
"""

import re
from collections.abc import Iterable
from itertools import chain
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec
from werkzeug.wsgi import ClosingIterator

from app import protocol
from app.exchange import Exchange
from app.gateway import globs
from app.wire.decoding import decode

from .access import unknown
from .amended import Head

#: Bytes of a refusal that are looked at.
_LONGEST = 64 * 1024


class _Refusal(msgspec.Struct):
    error: str


#: What Ollama may write before a name.
_LEFT_OUT = rb"(?:https?://)?(?:registry\.ollama\.ai/)?(?:library/)?"

_decoder = msgspec.json.Decoder(_Refusal)


class Discreet:
    """Goes around what speaks to Ollama; looks at nothing but its refusals.

    Raises ``BadRequest``, 404, where Ollama does not know the model that a request with
    a key names, and notes for its limits that Ollama has been asked.  The application
    starts its answer before it returns it.  Other refusals say the name that was asked
    for where an alias made another of it.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the call on."""
        exchange = Exchange.of(environ)
        if exchange.key is None or not exchange.model:
            return self.app(environ, start_response)
        return self._looked_at(exchange, environ, start_response)

    def _looked_at(
        self,
        exchange: Exchange,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        head = Head()
        if exchange.taken is not None:
            exchange.taken.asked = True
        body = self.app(environ, head)
        absent = head.status.startswith("404")
        if not absent and (head.status < "400" or not exchange.alias):
            start_response(head.status, head.headers)
            return body
        pieces = _beginning(body)
        told = b"".join(pieces)
        if absent and _is_refusal(told):
            protocol.close(body)
            raise unknown(exchange.model)
        if exchange.alias and len(told) <= _LONGEST:  # that is all of it
            protocol.close(body)
            told = _renamed(told, exchange.resolved, exchange.model)
            start_response(head.status, head.of(told))
            return [told]
        start_response(head.status, head.headers)
        return ClosingIterator(chain(pieces, body), lambda: protocol.close(body))


def _beginning(body: Iterable[bytes]) -> list[bytes]:
    """The first pieces, all of a refusal; closes the body where that fails."""
    pieces: list[bytes] = []
    size = 0
    try:
        for piece in body:
            pieces.append(piece)
            size += len(piece)
            if size > _LONGEST:
                break
    except BaseException:  # nobody else could
        protocol.close(body)
        raise
    return pieces


def _renamed(told: bytes, model: str, asked: str) -> bytes:
    """A refusal that says one name in the place of a model's, however that is spelt."""
    spelt = sorted({model.lower(), *globs.names(model)}, key=len, reverse=True)
    either = "|".join(map(re.escape, spelt)).encode()
    instead = msgspec.json.encode(asked)[1:-1]
    pattern = rb"(?i)(?<![\w/.:-])%s(?:%s)(?![\w/:]|[.-]\w)" % (_LEFT_OUT, either)
    return re.sub(pattern, lambda _: instead, told)


def _is_refusal(text: bytes) -> bool:
    try:
        return bool(decode(_decoder, text).error)
    except msgspec.DecodeError:
        return False
