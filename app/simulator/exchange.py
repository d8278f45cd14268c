"""One request over HTTP/1.1 as Go's net/http reads it, and its answer.

Knows heads, bodies and framing; knows no route.  Every byte of an answer is written
here or, for faults, in ``wire``.
"""

import datetime
import time
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

import gevent
import gevent.socket

from .journal import BODY, Entry

HEAD_LIMIT = 1 << 20
#: Go sends a length with what fits its first buffer, and chunks anything larger.
PLAIN_LIMIT = 2048
Headers = list[tuple[str, str]]


class ClientLeft(Exception):
    """The other side closed its connection, or half of it."""


class BadMessage(Exception):
    """Bytes that are no HTTP; the argument is status and text."""


class Cut(Exception):
    """A fault has done its work: the connection ends here, answered or not."""


def _date() -> str:
    now = datetime.datetime.fromtimestamp(int(time.time()), datetime.UTC)
    return now.strftime("%a, %d %b %Y %H:%M:%S GMT")


class Connection:
    """A client's socket with what was read too early."""

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.buffer = bytearray()

    def fill(self) -> bool:
        """Read once; False at the end of the client's data."""
        try:
            data = self.sock.recv(65536)
        except OSError:
            return False
        self.buffer += data
        return bool(data)

    def until(self, mark: bytes, limit: int) -> bytes | None:
        """Bytes up to and with ``mark``; ``None`` when the client is gone."""
        start = 0
        while (at := self.buffer.find(mark, start)) < 0:
            if len(self.buffer) > limit:
                raise BadMessage("431 Request Header Fields Too Large")
            start = max(0, len(self.buffer) - len(mark) + 1)
            if not self.fill():
                return None
        taken = bytes(self.buffer[: at + len(mark)])
        del self.buffer[: at + len(mark)]
        return taken

    def some(self, most: int) -> bytes:
        """At least one and at most ``most`` bytes; raises ``ClientLeft`` at the end."""
        if not self.buffer and not self.fill():
            raise ClientLeft
        taken = bytes(self.buffer[:most])
        del self.buffer[:most]
        return taken

    def send(self, data: bytes) -> None:
        """Send all of it, or raise ``ClientLeft``."""
        try:
            self.sock.sendall(data)
        except OSError:
            raise ClientLeft from None

    def wait(self, seconds: float | None) -> None:
        """Let time pass, but raise ``ClientLeft`` as soon as the client goes."""
        if self.buffer:
            gevent.sleep(seconds if seconds is not None else 3600)
            return
        try:
            gevent.socket.wait_read(self.sock.fileno(), timeout=seconds)
        except TimeoutError:
            return
        except OSError:
            raise ClientLeft from None
        deadline = None if seconds is None else time.monotonic() + seconds
        if not self.fill():
            raise ClientLeft
        self.wait(None if deadline is None else max(0, deadline - time.monotonic()))


class Exchange:
    """One request and the means to answer it."""

    def __init__(self, connection: Connection, head: bytes) -> None:
        self.connection = connection
        self.extra: Headers = []
        self.tps = 0.0
        self._pending = b""
        #: With a list here nothing is sent: a fault wants to see the good answer.
        self.held: list[bytes] | None = None
        self.fault: tuple[str, int | None] | None = None
        self.started = False
        self.keep = True
        self.chunked = False
        self.body_left: int | None = 0
        self.entry: Entry
        lines = head[:-4].decode("latin-1").split("\r\n")
        try:
            self.method, self.target, version = lines[0].split(" ")
        except ValueError:
            raise BadMessage("400 Bad Request") from None
        if version not in ("HTTP/1.1", "HTTP/1.0"):
            raise BadMessage("400 Bad Request")
        self.old = version == "HTTP/1.0"
        self.headers = [_header(line) for line in lines[1:]]
        self.path = unquote(self.target.partition("?")[0])
        self.query = dict(parse_qsl(self.target.partition("?")[2]))
        self._framing()

    def _framing(self) -> None:
        tokens = self.get("connection").lower().replace(" ", "").split(",")
        self.keep = "keep-alive" in tokens if self.old else "close" not in tokens
        self.continues = self.get("expect").lower() == "100-continue"
        if not self.old and not self.get("host"):
            raise BadMessage("400 Bad Request: missing required Host header")
        coding, length = self.get("transfer-encoding"), self.get("content-length")
        if coding:
            if coding.lower() != "chunked":
                raise BadMessage("501 Not Implemented")
            self.body_left = None
        elif length:
            if not length.isascii() or not length.isdigit():
                raise BadMessage("400 Bad Request")
            self.body_left = int(length)

    def spoil(self, name: str, after: int | None) -> None:
        """Hold the answer back: a fault will send it."""
        self.fault = (name, after)
        self.held = []

    def get(self, name: str) -> str:
        """A header's value, or ""."""
        return next((v for n, v in self.headers if n.lower() == name), "")

    def body(self) -> Iterator[bytes]:
        """The request's body as it comes."""
        if self.continues and self.body_left != 0:
            self.connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.continues = False
        if self.body_left is None:
            yield from self._chunks()
            self.body_left = 0
        while self.body_left:
            data = self.connection.some(min(self.body_left, 65536))
            self.body_left -= len(data)
            yield self._noted(data)

    def _chunks(self) -> Iterator[bytes]:
        while size := self._chunk_size():
            while size:
                data = self.connection.some(min(size, 65536))
                size -= len(data)
                yield self._noted(data)
            self._line()
        while self._line() != b"\r\n":
            pass

    def _chunk_size(self) -> int:
        digits = self._line().split(b";")[0].strip()
        try:
            return int(digits, 16)
        except ValueError:
            raise BadMessage("400 Bad Request") from None

    def _line(self) -> bytes:
        line = self.connection.until(b"\n", 65536)
        if line is None:
            raise ClientLeft
        return line

    def _noted(self, data: bytes) -> bytes:
        room = BODY - len(self.entry.body)
        if room > 0:
            self.entry.body += data[:room]
        return data

    def read(self) -> bytes:
        """The whole body."""
        return b"".join(self.body())

    def drain(self) -> None:
        """Skip what nobody read; a large rest ends the connection instead."""
        if self.continues:
            self.keep = self.keep and self.body_left == 0
            return
        if self.body_left is None or self.body_left <= 256 * 1024:
            for _ in self.body():
                pass
        else:
            self.keep = False

    def wait(self, seconds: float | None) -> None:
        """Pause (``None``: for ever); raises ``ClientLeft`` when the client goes."""
        self.connection.wait(seconds)

    def head(self, status: int, headers: Headers, framing: Headers) -> bytes:
        """A response's head: headers sorted as Go does, then what Go adds."""
        given = sorted(self.extra + headers, key=lambda pair: pair[0])
        added = [("Date", _date()), *framing]
        if not self.keep:
            added.insert(len(added) - self.chunked, ("Connection", "close"))
        version = "1.0" if self.old else "1.1"
        reason = HTTPStatus(status).phrase
        lines = [f"{name}: {value}\r\n" for name, value in given + added]
        return f"HTTP/{version} {status} {reason}\r\n{''.join(lines)}\r\n".encode()

    def answer(
        self, status: int, body: bytes = b"", headers: Headers | None = None
    ) -> None:
        """A complete answer; large ones are chunked, as Go does."""
        headers = headers or []
        if self.held is not None:
            self.held.append(body)
            return
        self.started = True
        self.entry.first_line = time.time()
        if self.method == "HEAD" or status == HTTPStatus.NO_CONTENT:
            small = status != HTTPStatus.NO_CONTENT and len(body) <= PLAIN_LIMIT
            framing = [("Content-Length", str(len(body)))] if small else []
            self.connection.send(self.head(status, headers, framing))
        elif len(body) <= PLAIN_LIMIT:
            framing = [("Content-Length", str(len(body)))]
            self.connection.send(self.head(status, headers, framing) + body)
        else:
            self.begin(status, headers)
            self.lines([body])
            self.finish()

    def begin(self, status: int, headers: Headers) -> None:
        """Send the head of an answer of unknown length, with its first lines."""
        if self.held is not None:
            return
        self.started = True
        self.chunked = not self.old
        framing = [("Transfer-Encoding", "chunked")] if self.chunked else []
        self.keep = self.keep and self.chunked
        self._pending = self.head(status, headers, framing)

    def lines(self, lines: Iterable[bytes]) -> None:
        """Send lines in one segment, each a chunk of its own."""
        if self.held is not None:
            self.held.extend(lines)
            return
        if self.entry.first_line is None:
            self.entry.first_line = time.time()
        head, self._pending = self._pending, b""
        if self.chunked:
            lines = [b"%x\r\n%b\r\n" % (len(line), line) for line in lines]
        self.connection.send(head + b"".join(lines))

    def finish(self) -> None:
        """End an answer that was begun."""
        if self.held is not None:
            return
        head, self._pending = self._pending, b""
        self.connection.send(head + (b"0\r\n\r\n" if self.chunked else b""))


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip():
        raise BadMessage("400 Bad Request")
    return name, value.strip(" \t")
