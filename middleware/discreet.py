"""Discreet: Ollama, as those with keys hear it say that it has no such model.

They must not learn whether a model exists that they may not use, so that all of them
are told the same in the same words (specification: decisions, 21).
"""

from collections.abc import Iterable
from itertools import chain
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec
from werkzeug.wsgi import ClosingIterator

from app import protocol
from app.exchange import Exchange
from app.wire.decoding import decode

from .access import unknown
from .amended import Head

#: Bytes of a refusal that are looked at.
_LONGEST = 64 * 1024


class _Refusal(msgspec.Struct):
    error: str


_decoder = msgspec.json.Decoder(_Refusal)


class Discreet:
    """Goes around what speaks to Ollama; looks at nothing but its refusals.

    Raises ``BadRequest``, 404, where Ollama does not know the model that a request with
    a key names, and notes for its limits that Ollama has been asked.  The application
    starts its answer before it returns it.
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
        if not head.status.startswith("404"):
            start_response(head.status, head.headers)
            return body
        pieces = _beginning(body)
        if _is_refusal(b"".join(pieces)):
            protocol.close(body)
            raise unknown(exchange.model)
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


def _is_refusal(text: bytes) -> bool:
    try:
        return bool(decode(_decoder, text).error)
    except msgspec.DecodeError:
        return False
