"""ThinkFallback: what Ollama does not take as a wish to think it gets in another form.

``max`` is younger (0.22) than the other levels, and those are younger than yes and no.
A model that cannot think at all is asked without the wish, where the dialect has it so.
The refusal comes before the model is touched, so asking again costs little.
"""

import re
from collections.abc import Iterable
from functools import partial
from itertools import chain
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec
from werkzeug.wsgi import ClosingIterator

from app import protocol
from app.body import OwnBody
from app.carriers.base import Headers
from app.exchange import Exchange

#: How Ollama refuses a level, in its own words or in those of Go's decoder.
_REFUSAL = re.compile(rb"invalid think value|think must be|\.think of type")
#: How it refuses any wish, for a model that cannot think.
_UNABLE = b" does not support thinking"
#: More than any such refusal has, in bytes.
_MAX_REFUSAL = 4096

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class ThinkFallback:
    """Wraps an application that speaks Ollama.

    It looks only at calls whose request wishes for thinking, and acts only where the
    answer refuses the level: the same call goes out once more with ``high`` instead of
    ``max``, then with ``true``.  With ``relaxes`` it also acts where the model cannot
    think: the call goes out without the wish.
    """

    def __init__(self, app: WSGIApplication, relaxes: bool = False) -> None:
        self.app = app
        self.relaxes = relaxes

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one call."""
        exchange = Exchange.of(environ)
        wish = exchange.wish
        if (
            wish is None
            or wish.level is False
            or not (self.relaxes or isinstance(wish.level, str))
        ):
            return self.app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        while True:
            answer = _Answer(self.app, _with(environ, body))
            refusal = answer.refusal()
            lower: tuple[bytes, str] | None = None
            if _REFUSAL.search(refusal):
                lower = _lowered(body)
            elif self.relaxes and _UNABLE in refusal:
                lower = _without(body)
            if lower is None:
                start_response(answer.status, answer.headers)
                return answer.body
            protocol.close(answer.body)
            body, level = lower
            _note(exchange, level)


#: How all begins that may have been said of it before.
_TRIED = "think="


class _Answer:
    """An answer whose head is known."""

    status = ""
    headers: Headers

    def __init__(self, app: WSGIApplication, environ: WSGIEnvironment) -> None:
        self.body: Iterable[bytes] = app(environ, self._start_response)
        if not self.status:
            # An application may start its response with its first item (PEP 3333).
            self._look_into(1)

    def _start_response(
        self, status: str, headers: Headers, exc_info: Any = None, /
    ) -> Any:
        self.status, self.headers = status, headers
        return protocol.refuse_write

    def refusal(self) -> bytes:
        """What Ollama says where it does not like the call, else nothing."""
        refused = self.status.startswith("400")
        return self._look_into(_MAX_REFUSAL) if refused else b""

    def _look_into(self, size: int) -> bytes:
        """The first bytes of the body, which still has them afterwards."""
        body, seen = self.body, list[bytes]()
        items = iter(body)
        try:
            for item in items:
                seen.append(item)
                size -= len(item)
                if size <= 0:
                    break
        except BaseException:  # nobody else could close it
            protocol.close(body)
            raise
        self.body = ClosingIterator(chain(seen, items), partial(protocol.close, body))
        return b"".join(seen)


def _with(environ: WSGIEnvironment, body: bytes) -> WSGIEnvironment:
    length = str(len(body))
    return {**environ, "wsgi.input": OwnBody(body), "CONTENT_LENGTH": length}


def _note(exchange: Exchange, level: str) -> None:
    """Say what became of the wish at last; other choices may have been first."""
    note, said = f"think={level}", exchange.adjusted
    said[:] = [one for one in said if not one.startswith(_TRIED)]
    if not level and exchange.wish is not None:
        note, said = exchange.wish.field, exchange.ignored
    if note and note not in said:
        said.append(note)


def _without(body: bytes) -> tuple[bytes, str] | None:
    """The call without any wish; ``None`` where there was none."""
    call = _decode(body)
    return None if call.pop("think", None) is None else (_encode(call), "")


def _lowered(body: bytes) -> tuple[bytes, str] | None:
    """The call with the next lower level; ``None`` where there is none."""
    call = _decode(body)
    level = call.get("think")
    if not isinstance(level, str):
        return None
    call["think"] = "high" if level == "max" else True
    return _encode(call), "high" if level == "max" else "true"
