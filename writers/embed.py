"""EmbedWriter: ``/api/embed`` answers as Embeddings.

Floats travel as the JSON that Ollama wrote (Go prints float32 exactly); decoding them
would cost twenty times as much.  base64 is little-endian float32, what OpenAI's SDK
asks for when its caller names no format.
"""

import base64
import struct
from collections.abc import Iterable, Sized
from functools import partial
from itertools import chain
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.errors import UpstreamBroken
from app.exchange import Exchange
from app.fanout import gather
from app.wire import ollama, openai

from .base import ResponseWriter, encode

Vector = str | msgspec.Raw

_decode_vector = msgspec.json.Decoder(list[float]).decode

#: Calls of one request at a time.  An embedding model works on one input after the
#: other (``server/sched.go`` loads it with one slot): measured beside Ollama, 1, 2 and
#: 4 calls take equally long.  The second one fills the time in which an answer travels,
#: where Ollama is far; more would only keep other clients waiting.
AT_ONCE = 2


class EmbedWriter(ResponseWriter[ollama.EmbedResponse]):
    """Writes the vectors of so many ``inputs``, in their order.

    ``answer`` makes one call for all of them, ``answer_all`` several.
    """

    decoder = msgspec.json.Decoder(ollama.EmbedResponse)
    input_field = "input"

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        model: str,
        inputs: int,
        as_base64: bool = False,
        dimensions: int | None = None,
    ) -> None:
        super().__init__(exchange, start_response)
        self._dimensions = dimensions
        self._model = model
        self._inputs = inputs
        self._as_base64 = as_base64
        self._tokens = 0

    def whole(self, replies: list[ollama.EmbedResponse]) -> bytes:
        """The embeddings of the one reply there is."""
        return self._compose(self._vectors(replies))

    def answer_all(
        self, app: WSGIApplication, environs: list[WSGIEnvironment], batch: int
    ) -> Iterable[bytes]:
        """Make a call for each ``batch`` inputs and write one answer of all theirs."""
        parts = [
            EmbedWriter(
                Exchange.of(environ),
                self._client,
                model=self._model,
                inputs=min(batch, self._inputs - number * batch),
                as_base64=self._as_base64,
                dimensions=self._dimensions,
            )
            for number, environ in enumerate(environs)
        ]
        jobs = [
            partial(part._part, app, environ)
            for part, environ in zip(parts, environs, strict=True)
        ]
        vectors = list(chain.from_iterable(gather(jobs, AT_ONCE)))
        self._tokens = sum(part._tokens for part in parts)
        return self._send_whole(self._compose(vectors))

    def _part(self, app: WSGIApplication, environ: WSGIEnvironment) -> list[Vector]:
        """The vectors of one call among several, none fewer than it was asked for."""
        vectors = self._vectors(self.replies(app, environ))
        if len(vectors) != self._inputs:
            raise self._miscounted(vectors)
        return vectors

    def _vectors(self, replies: list[ollama.EmbedResponse]) -> list[Vector]:
        reply = replies[0]
        if reply.embeddings is None or len(replies) > 1:
            raise UpstreamBroken("Ollama answered without embeddings.")
        if reply.embeddings and len(reply.embeddings) != self._inputs:
            raise self._miscounted(reply.embeddings)
        self._tokens = ollama.count(reply.prompt_eval_count)
        if self.exchange.spent is not None:
            self.exchange.spent.note_totals(reply)
        if self._dimensions and reply.embeddings:
            self._compare(reply.embeddings[0], self._dimensions)
        convert = to_base64 if self._as_base64 else checked
        return [convert(vector) for vector in reply.embeddings]

    def _compare(self, vector: msgspec.Raw, wanted: int) -> None:
        """Say so when a vector is not as long as was asked: Ollama only shortens."""
        note = f"dimensions={bytes(vector).count(b',') + 1}"
        if note != f"dimensions={wanted}" and note not in self.exchange.adjusted:
            self.exchange.adjusted.append(note)

    def _miscounted(self, vectors: Sized) -> UpstreamBroken:
        return UpstreamBroken(
            f"Ollama answered with {len(vectors)} embeddings for {self._inputs} inputs."
        )

    def _compose(self, vectors: list[Vector]) -> bytes:
        self.exchange.prompt_tokens = tokens = self._tokens
        self.exchange.note_cut(tokens, "input")
        data = [
            openai.Embedding(embedding=vector, index=index)
            for index, vector in enumerate(vectors)
        ]
        usage = openai.EmbeddingUsage(tokens, tokens)
        return encode(openai.EmbeddingList(data=data, model=self._model, usage=usage))


def to_base64(vector: msgspec.Raw) -> str:
    """A JSON list of numbers as base64 of little-endian float32."""
    try:
        floats = _decode_vector(vector)
        return base64.b64encode(struct.pack(f"<{len(floats)}f", *floats)).decode()
    except (msgspec.DecodeError, OverflowError) as exc:
        raise _broken() from exc


#: What a list of numbers consists of; checked as a set, in one pass of C.
_NUMERIC = b"0123456789+-.eE, \t\r\n[]"
_DIGITS_AS_0 = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
#: The largest float32 has 39 digits.
_MANY_DIGITS = b"0" * 39


def checked(vector: msgspec.Raw) -> msgspec.Raw:
    """The vector as it came, when it is a flat list of finite numbers.

    msgspec has checked that it is JSON, so characters tell: no quote and no letter
    but ``e`` means numbers only.  A number too large for a float has an exponent or
    very many digits; only then is it worth to decode.
    """
    raw = bytes(vector)
    if raw.translate(None, _NUMERIC) or raw.count(b"[") != 1 or raw[:1] != b"[":
        raise _broken()
    large = _MANY_DIGITS in raw.translate(_DIGITS_AS_0)
    if large or b"e" in raw or b"E" in raw:
        to_base64(vector)
    return vector


def _broken() -> UpstreamBroken:
    return UpstreamBroken("Ollama answered with something that is no embedding.")
