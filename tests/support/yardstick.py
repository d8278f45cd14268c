"""A yardstick: the least that a translator of streams does, written by hand.

Pythons differ in how many instructions the same code has.  What Pannier does is
counted in those of Python 3.11, by what this here takes in either: never change it.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

#: What ``measure`` takes in Python 3.11.
TAKES = 22_542

LINE = b'{"message":{"role":"assistant","content":" token"},"done":false}\n'
_decode, _encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode


class Codec:
    """Lines of Ollama's in, frames of OpenAI's out."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.begun = self.done = False
        self.size = 0
        self._rest = b""

    def lines(self, data: bytes) -> Iterator[bytes]:
        """The lines that are complete."""
        *whole, rest = data.split(b"\n")
        if whole:
            whole[0] = self._rest + whole[0]
            self._rest = b""
        for line in whole:
            self._bound(size=len(line), most=1024 * 1024)
            if line and not line.isspace():
                yield line
        self._rest += rest

    def frames(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """What each block makes."""
        for data in blocks:
            found = [self._frame(line) for line in self.lines(data)]
            try:
                self.size += len(data)
                if joined := b"".join(found):
                    yield joined
            finally:
                if self.done:
                    self._rest = b""

    def _frame(self, line: bytes) -> bytes:
        reply: dict[str, Any] = _decode(line)
        message = reply.get("message") or {}
        content, thought = message.get("content"), message.get("thinking")
        calls = message.get("tool_calls")
        self.done = bool(reply["done"])
        if not self.begun or self.done:
            self.begun = True
        if content and thought is None and calls is None:
            return self._of({"content": content})
        return b"" if self.done or not content else self._of({})

    def _of(self, delta: dict[str, str], finish: str | None = None) -> bytes:
        content = delta.get("content") or ""
        text = f'{{"model":"{self.model}","content":{_encode(content).decode()}}}'
        return b"data: " + text.encode() + b"\n\n" if not finish else b""

    def _bound(self, *, size: int, most: int) -> None:
        if size > most:
            raise ValueError("too long")


def measure() -> int:
    """Translate a hundred lines; gives how many bytes they make."""
    return sum(map(len, Codec("m").frames([LINE] * 100)))
