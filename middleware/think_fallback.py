"""ThinkFallback: an Ollama that does not know a level of thinking gets a lower one.

``max`` is younger (0.22) than the other levels, and those are younger than yes and no.
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
#: More than any such refusal has, in bytes.
_MAX_REFUSAL = 4096

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class ThinkFallback:
    """Wraps an application that speaks Ollama.

    It looks only at calls whose request wishes for thinking, and acts only where the
    answer refuses the level: the same call goes out once more with ``high`` instead of
    ``max``, then with ``true``.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one call."""
        exchange = Exchange.of(environ)
        if exchange.wish is None or isinstance(exchange.wish.level, bool):
            return self.app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        while True:
            answer = _Answer(self.app, _with(environ, body))
            lower = _lowered(body) if answer.refuses_level() else None
            if lower is None:
                start_response(answer.status, answer.headers)
                return answer.body
            protocol.close(answer.body)
            body, level = lower
            note = f"think={level}"
            if note not in exchange.adjusted:  # other choices may have been first
                exchange.adjusted.append(note)


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

    def refuses_level(self) -> bool:
        """Whether Ollama says that it does not know the level of thinking."""
        if not self.status.startswith("400"):
            return False
        return bool(_REFUSAL.search(self._look_into(_MAX_REFUSAL)))

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


def _lowered(body: bytes) -> tuple[bytes, str] | None:
    """The call with the next lower level; ``None`` where there is none."""
    call = _decode(body)
    level = call.get("think")
    if not isinstance(level, str):
        return None
    call["think"] = "high" if level == "max" else True
    return _encode(call), "high" if level == "max" else "true"
