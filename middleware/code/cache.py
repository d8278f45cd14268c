"""Cache: answers to calls that would get the same one again.

An editor that moves back and forth asks the same thing twice.  What a model says at
temperature 0 does not change, so for a while it is not asked again (specification: code
completion, section 6).
"""

import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Any, NamedTuple
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app import protocol
from app.body import OwnBody
from app.carriers.base import Headers
from app.exchange import Exchange
from app.gateway.keys import Key

#: Answers that are remembered at most, and bytes of the longest.
MOST = 500
LONGEST = 64 * 1024
#: How an answer from memory is named in ``X-Pannier-Adjusted``.
HIT = "cache=hit"


class Answer(NamedTuple):
    """A whole answer of Ollama's, and until when it is worth something."""

    until: float
    headers: Headers
    body: bytes


class Remembering:
    """Remembers answers around any application that speaks Ollama.

    It acts on calls whose exchange has a ``filling`` that is ``repeatable``, and
    remembers their complete answers for ``seconds``; with 0 none.  Calls that come
    while the first of their kind is still being answered are made, too: nobody waits.
    ``clock`` gives seconds that only grow.
    """

    def __init__(
        self,
        app: WSGIApplication,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app = app
        self.seconds = seconds
        self._clock = clock
        self._answers: dict[bytes, Answer] = {}  # by their age, the oldest first

    def __len__(self) -> int:
        return len(self._answers)

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one call, from memory if it can be."""
        exchange = Exchange.of(environ)
        body = environ["wsgi.input"]
        repeatable = getattr(exchange.filling, "repeatable", False)
        if not (self.seconds and repeatable and isinstance(body, OwnBody)):
            return self.app(environ, start_response)
        key = _key(exchange.key, environ["PATH_INFO"], body)
        if (answer := self._known(key)) is None:
            return _Watched(self, key, exchange).open(self.app, environ, start_response)
        if HIT not in exchange.adjusted:
            exchange.adjusted.append(HIT)
        start_response("200 OK", answer.headers.copy())
        return [answer.body]

    def _known(self, key: bytes) -> Answer | None:
        """The answer to a call; what is too old is forgotten here."""
        now = self._clock()
        while self._answers:
            oldest = next(iter(self._answers))
            if self._answers[oldest].until > now:
                break
            del self._answers[oldest]
        return self._answers.get(key)

    def keep(self, key: bytes, headers: Headers, body: bytes) -> None:
        """Remember an answer, and rather this one than the oldest."""
        self._answers.pop(key, None)
        while len(self._answers) >= MOST:
            del self._answers[next(iter(self._answers))]
        self._answers[key] = Answer(self._clock() + self.seconds, headers, body)


def _key(asks: Key | None, path: str, body: OwnBody) -> bytes:
    """A call, by who asks and what is sent; a digest, for a prompt may be long.

    Nobody is to learn what others with other keys have asked.
    """
    who = f"{asks.id} {path}" if asks is not None else path
    digest = blake2b(who.encode(), digest_size=32)
    digest.update(body.getbuffer())
    return digest.digest()


class _Watched:
    """An answer on its way, which is remembered if it proves to be complete."""

    __slots__ = (
        "_body",
        "_exchange",
        "_headers",
        "_key",
        "_memory",
        "_next",
        "_pieces",
        "_size",
    )

    def __init__(self, memory: Remembering, key: bytes, exchange: Exchange) -> None:
        self._memory = memory
        self._key = key
        self._exchange = exchange
        self._headers: Headers | None = None  # until it is one to be remembered
        self._pieces: list[bytes] = []
        self._size = 0
        self._body: Iterable[bytes] = ()
        self._next: Callable[[], bytes] = protocol.nothing_more

    def open(
        self,
        app: WSGIApplication,
        environ: WSGIEnvironment,
        start_response: StartResponse,
    ) -> Iterable[bytes]:
        def start(status: str, headers: Headers, exc_info: Any = None, /) -> Any:
            if status.startswith("200"):
                self._headers = [
                    header for header in headers if header[0].lower() == "content-type"
                ]
            return start_response(status, headers, exc_info)

        self._body = app(environ, start)
        self._next = protocol.steps(self._body)
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        piece = self._next()
        if self._size <= LONGEST:
            self._size += len(piece)
            self._pieces.append(piece)
        else:
            self._pieces.clear()
        return piece

    def close(self) -> None:
        try:
            protocol.close(self._body)
        finally:
            self._body, self._next = (), protocol.nothing_more
            self._remember()

    def _remember(self) -> None:
        pieces, self._pieces = self._pieces, []
        whole = self._exchange.complete and 0 < self._size <= LONGEST
        if whole and pieces and self._headers is not None:
            self._memory.keep(self._key, self._headers, b"".join(pieces))
