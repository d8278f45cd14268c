"""Discreet: Ollama's refusals, as those with keys hear them.

They must not learn whether a model exists that they may not use, so that all of them
are told the same in the same words (specification: decisions, 21); nor which model an
alias means.  A model for which something is set, or that has an alias, and that is gone
from Ollama, is unavailable to all who may use it (decisions, 29).
"""

import re
from collections.abc import Iterable
from itertools import chain
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec
from werkzeug.wsgi import ClosingIterator

from app import protocol
from app.errors import GatewayError
from app.exchange import Exchange
from app.gateway import globs
from app.gateway.current import Current
from app.wire.decoding import decode
from app.wire.names import key as key_of

from .access import unknown
from .amended import Head
from .native import NAMING
from .validation import MAX_NAME

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
    a key names, and notes for its limits that Ollama has been asked.  Raises
    ``GatewayError``, 503, where it does not know one that ``current`` does, or that an
    alias stands for; without a key not on Ollama's own routes.  The application starts
    its answer before it returns it.  Other refusals to keys say the name that was asked
    for where an alias made another of it.
    """

    def __init__(self, app: WSGIApplication, current: Current | None = None) -> None:
        self.app = app
        self._current = current or Current()

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the call on."""
        exchange = Exchange.of(environ)
        if exchange.key is None:
            # On Ollama's own routes nobody reads whether an answer is to be a stream;
            # without a key what Ollama says there is the client's, byte for byte.
            if exchange.stream is None or not self._wanted(exchange, environ):
                return self.app(environ, start_response)
        elif not exchange.model:
            return self.app(environ, start_response)
        return self._looked_at(exchange, environ, start_response)

    def _wanted(self, exchange: Exchange, environ: WSGIEnvironment) -> bool:
        """Whether somebody set a model up that is to be used now, which is no secret.

        It may be used by who asks, or they would not have come so far.
        """
        if environ["PATH_INFO"] not in NAMING:  # it is asked about a model
            return False
        if exchange.alias or self._current.plain:
            return bool(exchange.alias)
        return key_of(exchange.resolved) in self._current.now.models

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
        alias = exchange.alias if exchange.key is not None else ""
        if not absent and (head.status < "400" or not alias):
            start_response(head.status, head.headers)
            return body
        pieces = _beginning(body)
        told = b"".join(pieces)
        if absent and _is_refusal(told):
            protocol.close(body)
            if self._wanted(exchange, environ):
                raise _unavailable(exchange.model)
            raise unknown(exchange.model)
        if alias and len(told) <= _LONGEST:  # that is all of it
            protocol.close(body)
            told = _renamed(told, exchange.resolved, exchange.model)
            start_response(head.status, head.of(told))
            return [told]
        start_response(head.status, head.headers)
        return ClosingIterator(chain(pieces, body), lambda: protocol.close(body))


def _unavailable(name: str) -> GatewayError:
    """The refusal of a model that is meant to be there, and is not."""
    return GatewayError(
        f"The model `{name[:MAX_NAME]}` is not available: Ollama does not have it now.",
        status=503,
        code="model_unavailable",
        param="model",
        # It is gone for longer than a client's next tries.
        headers=[("x-should-retry", "false")],
    )


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
