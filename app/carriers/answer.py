"""One answer while it arrives, over whichever connection a carrier has.

It turns blocks off the wire into head and payload and decides what becomes of the
connection: kept when the answer is whole and nothing follows it, closed otherwise.
"""

from collections.abc import Iterator
from typing import Protocol

from ..errors import GatewayError, UpstreamBroken
from .base import Clock, Headers, Limit, NoAnswer
from .framing import body_of
from .head import Head, HeadReader, cut_short
from .pace import Pace

#: How long a complete answer may take to end its framing: an answer in one piece has
#: to wait for that, and is to be there within a second (reliability, U6).
FRAMING_SECONDS = 0.5


class Channel(Protocol):
    """A connection during one exchange.

    ``receive`` waits until the limit, reads once and gives the block (``b""`` at the
    end of input); it raises ``UpstreamTimeout`` or ``OSError``.  Then either
    ``release`` (the connection may serve again) or ``close``; neither raises, and
    later calls do nothing.
    """

    clock: Clock
    pace: Pace
    reused: bool

    def receive(self, limit: Limit) -> bytes:
        """Read once, waiting until the limit."""

    def release(self) -> None:
        """The exchange is complete; keep the connection."""

    def close(self) -> None:
        """Close the connection at once."""


def read_head(channel: Channel) -> tuple[Head, bytes]:
    """Wait for the final head; gives it with what came after it in the same block.

    Raises ``NoAnswer`` when not a byte came, ``UpstreamBroken``, ``UpstreamTimeout``.
    """
    reader = HeadReader()
    channel.pace = Pace(channel.clock)
    limit = channel.clock.limit("first_byte")
    head = None
    while head is None:
        try:
            block = channel.receive(limit)
        except OSError as exc:
            if not reader.started:
                raise NoAnswer(reused=channel.reused, detail=repr(exc)) from exc
            raise cut_short(repr(exc), "bad_upstream_response") from exc
        if not (block or reader.started):
            raise NoAnswer(reused=channel.reused)
        head = reader.feed(block)
    return head, reader.rest


class Answer:
    """The ``Response`` of both carriers (the interface says what it promises)."""

    def __init__(self, channel: Channel, head: Head, rest: bytes, method: str) -> None:
        self.status = head.status
        self.reason = head.reason
        self.headers: Headers = head.headers
        self._channel = channel
        self._reusable = head.persistent
        self._open = True
        self._body = body_of(head, method)
        self._ready = b""
        if self._body.done:
            self._body.clean = not rest
        elif rest:
            self._ready = self._body.feed(rest)
        channel.pace.heard(self._ready)
        self._settle()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        data, body = self._ready, self._body
        if data:
            self._ready = b""
            return data
        while not data:
            if body.done:
                raise StopIteration
            if body.failure is not None:
                raise body.failure
            if not self._open:
                raise UpstreamBroken("Ollama's answer was not read to its end")
            data = self._receive()
        return data

    def close(self) -> None:
        """Let go; an unfinished connection is closed at once."""
        if self._open:
            self._open = False
            self._channel.close()

    def release(self) -> None:
        """Read what is left of the framing, if it comes at once; then let go."""
        limit = self._channel.clock.within(FRAMING_SECONDS)
        try:
            while self._open and limit.remaining():
                self._body.feed(self._channel.receive(limit))
                self._settle()
        except (GatewayError, OSError):
            pass  # the answer was complete; only its connection is lost
        finally:
            self.close()

    def _receive(self) -> bytes:
        channel, body = self._channel, self._body
        pace = channel.pace
        try:
            data = body.feed(channel.receive(pace.limit()))
            pace.heard(data)
        except OSError as exc:
            self.close()
            raise cut_short(repr(exc)) from exc
        except BaseException:  # GreenletExit too: the upstream must stop working
            self.close()
            raise
        if body.done or body.failure is not None:
            self._settle()
        return data

    def _settle(self) -> None:
        """Let go of the connection as soon as the body is whole, or cannot be."""
        if not self._body.done:
            if self._body.failure is not None:
                self.close()
        elif self._open:
            self._open = False
            if self._reusable and self._body.clean:
                self._channel.release()
            else:
                self._channel.close()
