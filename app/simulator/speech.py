"""From tokens to what a client sees: stop strings, thinking tags, tool calls.

``pieces`` is the runner (held-back text, stop strings, limits); ``Parser`` is the
server's part (thinking and tool calls cut out of the text).
"""

import json
import random
import string
from collections.abc import Iterator
from typing import Any, NamedTuple

from .golang import Raw, encode
from .tiny import Token

_OPEN, _CLOSE, _CALL = "<think>", "</think>", "<tool_call>"
_TAIL = string.whitespace


class Piece(NamedTuple):
    """One step of the answer; the last has a ``reason``."""

    text: str = ""
    logprobs: tuple[Raw, ...] = ()
    tokens: int = 0
    reason: str = ""


def pieces(call: Any, tokens: Iterator[Token], limit: int) -> Iterator[Piece]:
    """Text as the runner releases it, at most ``limit`` tokens of it.

    A piece without text is yielded for each token that is held back, so that a
    caller can keep the pace.
    """
    stops = [stop.encode() for stop in call.stops]
    held: list[Token] = []
    count = 0
    for token in tokens:
        if count == limit:
            yield _flush(call, held, b"".join(t.raw for t in held), count, "length")
            return
        count += 1
        held.append(token)
        joined = b"".join(t.raw for t in held)
        ends = [joined.find(stop) for stop in stops if stop in joined]
        if ends:
            yield _flush(call, _upto(held, ends[0]), joined[: ends[0]], count, "stop")
            return
        if _may_stop(joined, stops) or _incomplete(joined):
            yield Piece(tokens=count)
            continue
        yield _flush(call, held, joined, count, "")
        held = []
    reason = "length" if count == limit else "stop"
    joined = b"".join(t.raw for t in held)
    yield _flush(call, held, joined, count + (reason == "stop"), reason)


def _upto(held: list[Token], size: int) -> list[Token]:
    kept: list[Token] = []
    for token in held:
        if size <= 0:
            break
        kept.append(token)
        size -= len(token.raw)
    return kept


def _flush(
    call: Any, held: list[Token], joined: bytes, count: int, reason: str
) -> Piece:
    # Trailing bytes that are no UTF-8 are dropped silently, as the runner does.
    while True:
        try:
            text = joined.decode()
            break
        except UnicodeDecodeError:
            joined = joined[:-1]
    chances = tuple(_logprob(call, token) for token in held) if call.logprobs else ()
    return Piece(text, chances, count, reason)


def _may_stop(joined: bytes, stops: list[bytes]) -> bool:
    return any(joined.endswith(s[:n]) for s in stops for n in range(1, len(s)))


def _incomplete(joined: bytes) -> bool:
    """Whether the text ends inside a character."""
    for back in range(1, min(4, len(joined)) + 1):
        byte = joined[-back]
        if byte & 0xC0 != 0x80:
            size = 2 if byte >> 5 == 6 else 3 if byte >> 4 == 14 else 4
            return byte >> 3 <= 30 and byte >= 0xC0 and size > back
    return False


def _logprob(call: Any, token: Token) -> Raw:
    own, *rivals = call.voice.chances(token, call.top_logprobs)
    shown = _chance(*own)
    if rivals:
        shown["top_logprobs"] = [_chance(*rival) for rival in rivals]
    return Raw(encode(shown))


def _chance(raw: bytes, logprob: float) -> dict[str, Any]:
    token = raw.decode("utf-8", "replace")
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


class Part(NamedTuple):
    """What the server makes of a piece."""

    content: str = ""
    thinking: str = ""
    calls: tuple[Raw, ...] = ()


class Parser:
    """Thinking and tool calls, cut out of the text as it comes."""

    def __init__(self, thinks: bool, tools: list[dict[str, Any]], chance: int) -> None:
        self.tools = {tool.get("function", {}).get("name", "") for tool in tools}
        self._state = "before" if thinks else "answer"
        self._buffer = ""
        self._calling = False
        self._held = ""
        self._index = 0
        # Ids are random on a real server; here they follow from the seed.
        self._ids = random.Random(chance)

    def feed(self, text: str) -> Part:
        """The next part; empty when everything was kept back."""
        thinking, content = self._think(text)
        if self._state != "answer" or not self.tools or not (content or self._held):
            return Part(content, thinking)
        content, calls = self._tools(content)
        return Part(content, thinking, tuple(calls))

    @property
    def thinking(self) -> bool:
        """Whether the answer proper has not begun yet."""
        return self._state != "answer"

    def _think(self, text: str) -> tuple[str, str]:
        if self._state == "answer":
            return "", text
        self._buffer += text
        if self._state == "before":
            rest = self._buffer.lstrip()
            if rest.startswith(_OPEN):
                self._state, self._buffer = "opened", rest[len(_OPEN) :]
            elif _OPEN.startswith(rest):
                return "", ""
            else:
                self._state = "answer"
                return "", self._buffer
        if self._state == "opened":
            self._buffer = self._buffer.lstrip()
            if not self._buffer:
                return "", ""
            self._state = "thinking"
        if self._state == "thinking":
            return self._thought()
        return "", self._closed()

    def _thought(self) -> tuple[str, str]:
        thinking, closed, rest = self._buffer.partition(_CLOSE)
        if closed:
            self._state, self._buffer = "closed", rest
            return thinking, self._closed()
        keep = _overlap(self._buffer, _CLOSE)
        cut = len(self._buffer) - keep
        thinking, self._buffer = self._buffer[:cut], self._buffer[cut:]
        return thinking, ""

    def _closed(self) -> str:
        content = self._buffer.lstrip()
        if content:
            self._state, self._buffer = "answer", ""
        return content

    def _tools(self, content: str) -> tuple[str, list[Raw]]:
        self._held += content
        if not self._calling:
            before, tag, rest = self._held.partition(_CALL)
            if not tag:
                keep = _overlap(self._held, _CALL)
                cut = len(self._held) - keep
                content, self._held = self._held[:cut], self._held[cut:]
                return content, []
            self._calling, self._held = True, rest
            return before, self._found()
        return "", self._found()

    def _found(self) -> list[Raw]:
        """Complete calls of known functions; others vanish, as on the server."""
        calls: list[Raw] = []
        while (start := self._held.find("{")) >= 0:
            try:
                value, end = _decoder.raw_decode(self._held, start)
            except ValueError:
                break
            self._held = self._held[end:]
            if value.get("name") in self.tools:
                calls.append(self._call(value))
        return calls

    def _call(self, value: dict[str, Any]) -> Raw:
        letters = string.ascii_lowercase + string.digits
        call = "call_" + "".join(self._ids.choices(letters, k=8))
        function = {
            "index": self._index,
            "name": value["name"],
            "arguments": value.get("arguments", {}),
        }
        self._index += 1
        return Raw(encode({"id": call, "function": function}))


_decoder = json.JSONDecoder()


def _overlap(text: str, tag: str) -> int:
    """How many characters at the end of ``text`` may begin ``tag``."""
    sizes = range(min(len(text), len(tag) - 1), 0, -1)
    return next((size for size in sizes if text.endswith(tag[:size])), 0)
