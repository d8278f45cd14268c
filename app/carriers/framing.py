"""The bodies of HTTP/1.1 messages as bytes, in and out, without a socket.

Decoders take blocks as they come off the wire, split anywhere, and give all payload
in them at once; doubtful lengths and chunk sizes are failures, within bounds.
"""

import re
from collections.abc import Iterator
from typing import Protocol

from ..errors import BadRequest, UpstreamBroken
from .base import Request
from .head import Head, broken, cut_short

#: A chunk's size line with extensions, without its line end.
MAX_SIZE_LINE = 64
MAX_TRAILERS = 8 * 1024

_LENGTH = re.compile(r"[0-9]{1,18}")
# At most MAX_SIZE_LINE bytes.  The line end after a chunk's data is taken together
# with the size line that follows it.
_SIZE = rb"0{0,16}([0-9A-Fa-f]{1,8})(?:[ \t]{0,4};[\t\x20-\x7e\x80-\xff]{0,35})?\r\n"
_FIRST_SIZE = re.compile(_SIZE).match
_NEXT_SIZE = re.compile(rb"\r\n" + _SIZE).match


class Body(Protocol):
    """Takes blocks off the wire (``b""`` is the end of input), gives the payload.

    ``done`` says that the body is whole, ``clean`` that nothing came after it.
    ``failure`` is what is wrong with it; what came before that is still given.
    After either, ``feed`` is not called.
    """

    done: bool
    clean: bool
    failure: UpstreamBroken | None

    def feed(self, block: bytes) -> bytes:
        """Take a block, give the payload that is in it."""


class LengthBody:
    """A body of a known number of bytes."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.done = length == 0
        self.clean = True
        self.failure: UpstreamBroken | None = None

    def feed(self, block: bytes) -> bytes:
        """Give what belongs to the body."""
        if not block:
            self.failure = cut_short(f"{self._left} bytes missing")
        self.clean = len(block) <= self._left
        data = block if self.clean else block[: self._left]
        self._left -= len(data)
        self.done = self._left == 0
        return data


class EndlessBody:
    """A body that ends with the connection."""

    def __init__(self) -> None:
        self.done = False
        self.clean = False
        self.failure: UpstreamBroken | None = None

    def feed(self, block: bytes) -> bytes:
        """Give the block as it is."""
        self.done = not block
        return block


class ChunkedBody:
    """A chunked body; one block may hold any number of chunks, or part of one."""

    def __init__(self) -> None:
        self.done = False
        self.clean = True
        self.failure: UpstreamBroken | None = None
        self._left = 0  # of the present chunk's data
        self._size = _FIRST_SIZE
        self._rest = b""  # an unfinished size line or trailer
        self._trailers = False

    def feed(self, block: bytes) -> bytes:
        """Give the joined payload of all chunks in the block."""
        if not block:
            self.failure = cut_short("end of input inside a chunked body")
            return b""
        if self._rest:
            block = self._rest + block
            self._rest = b""
        if self._trailers:
            self._skip_trailers(block)
            return b""
        left = self._left
        if len(block) < left:
            self._left -= len(block)
            return block
        if not left and self._size is _FIRST_SIZE and block.endswith(b"\r\n"):
            match = _FIRST_SIZE(block)
            size = int(match[1], 16) if match else 0
            # One chunk and no more, as tokens come; the last one has no size.
            if match and size and match.end() + size + 2 == len(block):
                return block[match.end() : -2]
        return self._split(block)

    def _split(self, block: bytes) -> bytes:
        # Ollama sends one chunk a line, so this loop is the cost of a token.
        at = self._left
        payload = [block[:at]] if at else []
        end = len(block)
        size_at = self._size
        while match := size_at(block, at):
            size = int(match[1], 16)
            if not size:
                self._trailers = True
                self._skip_trailers(block[match.end() :])
                break
            size_at = self._size = _NEXT_SIZE
            start = match.end()
            at = start + size
            payload.append(block[start:at])
            if at >= end:
                break
        else:
            self._keep(block[at:])
        self._left = at - end if at > end else 0
        return b"".join(payload)

    def _keep(self, rest: bytes) -> None:
        """Hold an unfinished size line, if it can still become one."""
        line = rest
        if self._size is _NEXT_SIZE:
            if rest == b"\r\n":  # a chunk to its very end, as tokens come
                self._size = _FIRST_SIZE
                return
            if not b"\r\n".startswith(rest[:2]):
                self.failure = broken("no line end after a chunk")
            line = rest[2:]
        if len(line) > MAX_SIZE_LINE + 1 or b"\n" in line:
            self.failure = broken("bad chunk size")
        self._rest = rest

    def _skip_trailers(self, block: bytes) -> None:
        end = 0 if block.startswith(b"\r\n") else block.find(b"\r\n\r\n") + 2
        if end == 1:  # not found
            if len(block) > MAX_TRAILERS:
                self.failure = broken("too many trailers")
            self._rest = block
            return
        self.done = True
        self.clean = len(block) == end + 2


def body_of(head: Head, method: str) -> Body:
    """Choose the framing of an answer's body; raises ``UpstreamBroken``."""
    codings = head.values("transfer-encoding")
    lengths = set(head.values("content-length"))
    if codings and (lengths or head.minor == 0):
        raise broken("a transfer coding together with a length or HTTP/1.0")
    if codings and [coding.lower() for coding in codings] != ["chunked"]:
        raise broken("unknown transfer coding")
    if len(lengths) > 1 or any(not _LENGTH.fullmatch(text) for text in lengths):
        raise broken("bad Content-Length")
    if method == "HEAD" or head.status in (204, 304):
        return LengthBody(0)
    if codings:
        return ChunkedBody()
    return LengthBody(int(lengths.pop())) if lengths else EndlessBody()


def upload(request: Request) -> Iterator[bytes]:
    """The pieces of a streamed body, never empty, never more or less than announced."""
    assert not isinstance(request.body, bytes)
    left = request.length
    for piece in request.body:
        if left is not None:
            left -= len(piece)
            if left < 0:
                raise BadRequest("the body is longer than its Content-Length")
        if piece:
            yield piece
    if left:
        raise BadRequest("the body is shorter than its Content-Length")


def chunk(piece: bytes) -> bytes:
    """One chunk as it goes on the wire; of an empty piece, the last one."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)
