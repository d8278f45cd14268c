"""What a fault works with: the good answer's lines, and the socket without a net."""

import socket
import struct
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus

from .exchange import Cut, Exchange, Headers

NDJSON = "application/x-ndjson"
JSON = "application/json; charset=utf-8"


class Wire:
    """One answer in the making, byte by byte.

    ``lines`` are those of the good answer, the last one with ``done`` true; an
    answer that is no stream is one line.  ``after`` is how many of them come first.
    """

    def __init__(self, exchange: Exchange, lines: list[bytes], after: int | None):
        self.exchange = exchange
        self.lines = lines
        self.streams = len(lines) > 1
        self.after = min(len(lines) - 1, 2 if after is None else after)
        self.asked = after
        self.type = NDJSON if self.streams else JSON

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        if self.exchange.entry.first_line is None:
            self.exchange.entry.first_line = time.time()
        self.exchange.connection.send(data)

    def head(self, *framing: tuple[str, str], status: int = 200) -> bytes:
        """A head for the good answer with the framing given."""
        headers: Headers = [("Content-Type", self.type)]
        return self.exchange.head(status, headers, list(framing))

    def open(self) -> None:
        """Send a head that announces chunks."""
        self.raw(self.head(("Transfer-Encoding", "chunked")))

    def chunk(self, *data: bytes) -> None:
        """Send one HTTP chunk for each of ``data``, together."""
        self.raw(b"".join(b"%x\r\n%b\r\n" % (len(d), d) for d in data if d))

    def good(self, count: int | None = None) -> None:
        """Open, then send the first good lines (``after`` of them, or ``count``)."""
        self.open()
        self.chunk(*self.lines[: self.after if count is None else count])

    def rest(self) -> None:
        """Send the good lines that are left, and a proper end."""
        self.chunk(*self.lines[self.after :])
        self.last()

    def last(self) -> None:
        """A proper end of the chunks: the connection may go on."""
        self.raw(b"0\r\n\r\n")

    def whole(self, lines: Iterable[bytes]) -> None:
        """An answer of other lines, properly framed."""
        self.open()
        self.chunk(*lines)
        self.last()

    def answer(
        self, status: int, kind: str, body: bytes, *more: tuple[str, str]
    ) -> None:
        """A complete answer of another status and type."""
        self.exchange.answer(status, body, [("Content-Type", kind), *more])

    def refuse(self, status: int, body: str) -> None:
        """An error answer as Ollama frames it."""
        self.answer(HTTPStatus(status), JSON, body.encode())

    def pause(self, seconds: float | None) -> None:
        """Wait; ``None`` is for ever.  Ends when the client goes."""
        self.exchange.wait(seconds)

    def forever(self, act: Callable[[], None], every: float) -> None:
        """Do something again and again until the client goes."""
        while True:
            act()
            self.pause(every)

    def close(self) -> None:
        """Close the connection here."""
        raise Cut

    def reset(self) -> None:
        """Close it with a reset (RST)."""
        linger = struct.pack("ii", 1, 0)
        self.exchange.connection.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, linger
        )
        raise Cut
