"""FormDoor: whose form a completion on ``/v1/completions`` has."""

from collections.abc import Iterable
from functools import partial
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.body import OwnBody, read_body
from app.settings import Settings
from app.turns import let_others
from app.wire.decoding import decode

_NULL = msgspec.Raw(b"null")


class Peek(msgspec.Struct):
    """The fields that only one form has; what is in them is looked at later."""

    segments: msgspec.Raw = _NULL
    n_predict: msgspec.Raw = _NULL
    max_tokens: msgspec.Raw = _NULL


_peek = msgspec.json.Decoder(Peek)


class FormDoor:
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
        self.openai = openai
        self.tabby = tabby
        self.llama = llama
        self.settings = settings

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Read the body once, look into it, and pass it on."""
        settings = self.settings
        body = read_body(environ, settings.max_body_bytes, settings.body_timeout)
        environ["wsgi.input"] = OwnBody(body)
        return self._for(body)(environ, start_response)

    def _for(self, body: bytes) -> WSGIApplication:
        if b'"segments"' not in body and b'"n_predict"' not in body:
            return self.openai  # as nearly always
        try:
            seen = decode(_peek, body, partial(let_others, body))
        except msgspec.DecodeError:
            return self.openai  # which says what is wrong
        finally:
            let_others(body)
        if seen.segments != _NULL:
            return self.tabby
        theirs = seen.n_predict != _NULL and seen.max_tokens == _NULL
        return self.llama if theirs and self.llama is not None else self.openai
