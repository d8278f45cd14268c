"""EmbedWriter: ``/api/embed`` answers as Embeddings.

Floats travel as the JSON that Ollama wrote (Go prints float32 exactly); decoding them
would cost twenty times as much.  base64 is little-endian float32, what OpenAI's SDK
asks for when its caller names no format.
"""

import base64
import struct
from wsgiref.types import StartResponse

import msgspec

from app.errors import UpstreamBroken
from app.exchange import Exchange
from app.wire import ollama, openai

from .base import ResponseWriter, encode

_decode_vector = msgspec.json.Decoder(list[float]).decode


class EmbedWriter(ResponseWriter[ollama.EmbedResponse]):
    """Writes the list of vectors in the order of the inputs."""

    decoder = msgspec.json.Decoder(ollama.EmbedResponse)
    input_field = "input"

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        model: str,
        as_base64: bool = False,
    ) -> None:
        super().__init__(exchange, start_response)
        self._model = model
        self._as_base64 = as_base64

    def whole(self, replies: list[ollama.EmbedResponse]) -> bytes:
        """The embeddings of the one reply there is."""
        reply = replies[0]
        if reply.embeddings is None or len(replies) > 1:
            raise UpstreamBroken("Ollama answered without embeddings.")
        tokens = ollama.count(reply.prompt_eval_count)
        self.exchange.prompt_tokens = tokens
        convert = to_base64 if self._as_base64 else checked
        data = [
            openai.Embedding(embedding=convert(vector), index=index)
            for index, vector in enumerate(reply.embeddings)
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
