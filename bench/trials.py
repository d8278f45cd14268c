"""The loads: what is asked, by how many, and what a good answer is."""

import base64
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from . import load
from .answers import DIMENSIONS, SENTENCE, vector, words
from .load import Answer, Failed

#: Inputs of a call for embeddings.
INPUTS = 16


class Trial(NamedTuple):
    """One load.  ``units`` is how many an answer has: requests or chunks.

    Clients go on for ``seconds``, or, where answers are paced, for ``turns`` of them
    and begin over one second.
    """

    title: str
    unit: str
    path: str
    body: dict[str, Any] | None
    check: Callable[[bytes], None]
    clients: int
    seconds: float = 0.4
    units: int = 1
    turns: int = 0

    def request(self, *, native: bool) -> bytes:
        """The bytes of the request, in OpenAI's words or in Ollama's."""
        path = f"/api{_NATIVE[self.path]}" if native else f"/v1{self.path}"
        if self.body is None:
            return load.get(path)
        body = dict(self.body)
        if native:
            body.pop("encoding_format", None)
        return load.post(path, body)

    def run(
        self, url: str, *, native: bool, checked: bool = True, brief: bool = False
    ) -> load.Load:
        """Put it on somebody, and look at all the answers.  Raises ``Failed``.

        Native answers are the upstream's own, and taken as they are, as are those of
        which nothing is to be ``checked`` but the framing.
        """
        found = load.run(
            url,
            self.request(native=native),
            self.clients,
            0.2 if brief else self.seconds,
            turns=1 if brief and self.turns else self.turns,
            spread=1.0 if self.turns else 0.0,
        )
        for answer in found.answers:
            body = answer.body()
            if checked and not native:
                self.check(body)
        return found


_NATIVE = {"/chat/completions": "/chat", "/embeddings": "/embed", "/models": "/tags"}


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Message = msgspec.field(default_factory=_Message)
    message: _Message = msgspec.field(default_factory=_Message)


class _Answer(msgspec.Struct):
    choices: list[_Choice]


_decode = msgspec.json.Decoder(_Answer).decode


def says_the_sentence(body: bytes) -> None:
    """Whether a whole answer is the upstream's."""
    if _decode(body).choices[0].message.content != SENTENCE:
        raise Failed(f"a wrong answer: {body[:300]!r}")


def says_words(count: int) -> Callable[[bytes], None]:
    """Whether a stream has all its words, in order, and its end."""
    expected = "".join(words(count))

    def check(body: bytes) -> None:
        frames = body.split(b"\n\n")
        if frames[-2:] != [b"data: [DONE]", b""]:
            raise Failed("a stream without its end")
        events = [frame[6:] for frame in frames[:-2] if frame.startswith(b"data:")]
        text = "".join(
            choice.delta.content or ""
            for event in events
            for choice in _decode(event).choices
        )
        if text != expected:
            raise Failed(f"a wrong text: {text[:100]!r}")

    return check


def has_vectors(count: int, packed: bool) -> Callable[[bytes], None]:
    """Whether all vectors are there, of the right numbers (looked at closely once)."""
    size = 0

    def check(body: bytes) -> None:
        nonlocal size
        if size != len(body):
            _compare(body, count, packed)
            size = len(body)

    return check


def _compare(body: bytes, count: int, packed: bool) -> None:
    data = msgspec.json.decode(body)["data"]
    if len(data) != count:
        raise Failed(f"{len(data)} vectors instead of {count}")
    for number, one in enumerate(data):
        found = one["embedding"]
        if isinstance(found, str):
            found = struct.unpack(f"<{DIMENSIONS}f", base64.b64decode(found))
        elif packed:
            raise Failed("floats instead of base64")
        if any(abs(a - b) > 1e-6 for a, b in zip(found, vector(number), strict=True)):
            raise Failed(f"vector {number} is wrong")


def is_a_list(body: bytes) -> None:
    """Whether all models are there."""
    if body.count(b'"model-') < 37:
        raise Failed(f"a wrong list: {body[:300]!r}")


def chat(
    title: str, model: str, clients: int, *, stream: bool = False, **more: Any
) -> Trial:
    """A chat of one message."""
    messages = [{"role": "user", "content": "How many words do you know?"}]
    body = {"model": model, "messages": messages, "stream": stream}
    check = says_words(more["units"]) if stream else says_the_sentence
    unit = "chunk" if stream else "request"
    return Trial(title, unit, "/chat/completions", body, check, clients, **more)


def paced(streams: int) -> Trial:
    """So many streams of 50 tokens a second, three seconds each."""
    return chat(
        f"{streams} streams of 50 tokens/s", "paced-50-150", streams,
        stream=True, units=150, turns=1,
    )  # fmt: skip


def embeddings(encoding: str, inputs: int = INPUTS, clients: int = 8) -> Trial:
    """A batch of texts."""
    check = has_vectors(inputs, encoding == "base64")
    body = {
        "model": f"embed-{inputs}",
        "input": [f"text number {number}" for number in range(inputs)],
        "encoding_format": encoding,
    }
    return Trial(
        f"Embeddings, {encoding}, {inputs} x {DIMENSIONS:,}, {clients} clients",
        "request", "/embeddings", body, check, clients,
    )  # fmt: skip


ONE = chat("Chat, 1 client", "chat", 1)
SIXTEEN = chat("Chat, 16 clients", "chat", 16)
FLAT = chat(
    "16 streams of 200 chunks, as fast as it goes", "flat-200", 16,
    stream=True, units=200,
)  # fmt: skip
PACED = [paced(50), paced(200), paced(500), paced(1000)]
FLOATS, PACKED = embeddings("float"), embeddings("base64")
MODELS = Trial("List of 37 models, 8 clients", "request", "/models", None, is_a_list, 8)

#: All of them, by the names that the command line knows.
TRIALS = {
    "chat-1": ONE,
    "chat-16": SIXTEEN,
    "flat": FLAT,
    "paced-50": PACED[0],
    "paced-200": PACED[1],
    "paced-500": PACED[2],
    "paced-1000": PACED[3],
    "floats": FLOATS,
    "base64": PACKED,
    "models": MODELS,
}

#: Rounds at most, of those that take long.
ROUNDS = {"paced-50": 5, "paced-200": 9, "paced-500": 5, "paced-1000": 5}


def first_word(answer: Answer) -> int:
    """Which of the pieces has the first word of a stream."""
    for number, block in enumerate(answer.blocks):
        if b"word" in block:
            return number
    return 0
