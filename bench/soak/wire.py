"""Connections of every kind of client: bytes out, answers in, nothing assumed.

``ask`` gives whatever came, also half an answer; what it should have been is the
affair of ``checks``.
"""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import gevent

#: Bytes of a small receive buffer, for clients that read slowly.
SMALL = 8 * 1024


class Answer(NamedTuple):
    """What came: ``status`` 0 without a head, ``whole`` when its framing ended."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool

    @property
    def json(self) -> Any:
        """The body, decoded; ``None`` where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Line:
    """One connection to loopback.

    ``small`` keeps the kernel's buffer so small that not reading is felt.
    """

    def __init__(self, port: int, small: bool = False) -> None:
        self.socket = socket.socket()
        if small:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        """Send all of it, or as much as is taken: the answer says why."""
        try:
            self.socket.sendall(data)
        except OSError:
            return

    def answer(self, pause: float = 0) -> Answer:
        """Read one answer; ``pause`` seconds after each piece of its body."""
        head, body, whole = b"", [], False
        try:
            head = self._head()
            for piece in self._pieces(head):
                body.append(piece)
                if pause:
                    gevent.sleep(pause)
            whole = bool(head)
        except (OSError, ValueError):
            pass
        if not head:
            return Answer(0, {}, b"", False)
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return Answer(int(lines[0].split()[1]), headers, b"".join(body), whole)

    def first(self) -> bytes:
        """The first piece of a body, ``b""`` if there is none."""
        try:
            return next(self._pieces(self._head()), b"")
        except (OSError, ValueError):
            return b""

    def half_close(self) -> None:
        """Say that nothing more will be said."""
        self.socket.shutdown(socket.SHUT_WR)

    def ended(self) -> bool:
        """Whether the other side has nothing more to say; waits for it."""
        try:
            return self._file.read(1) == b""
        except OSError:
            return True

    def reset(self) -> None:
        """Close it so that the other side sees a reset."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close()

    def close(self) -> None:
        """Close it, whatever is still to come."""
        self._file.close()
        self.socket.close()

    def _head(self) -> bytes:
        lines = []
        while (line := self._file.readline()) != b"\r\n":
            if not line.endswith(b"\r\n"):
                raise ValueError("the head is cut")
            lines.append(line)
        return b"".join(lines)

    def _pieces(self, head: bytes) -> Iterator[bytes]:
        lower = head.lower()
        if lower.split()[1] in (b"204", b"304"):
            return
        if b"transfer-encoding: chunked" in lower:
            while size := int(self._file.readline() or b"?", 16):
                yield self._exactly(size + 2)[:-2]
            self._exactly(2)
        elif b"content-length: " in lower:
            length = lower.partition(b"content-length: ")[2].split(b"\r\n")[0]
            yield self._exactly(int(length))
        else:
            yield self._file.read()

    def _exactly(self, count: int) -> bytes:
        data = self._file.read(count)
        if len(data) < count:
            raise ValueError("the body is cut")
        return data


@contextmanager
def line(port: int, small: bool = False) -> Iterator[Line]:
    """A connection that is closed in the end."""
    one = Line(port, small)
    try:
        yield one
    finally:
        one.close()


def ask(port: int, request: bytes) -> Answer:
    """One request on a connection of its own."""
    with line(port) as one:
        one.send(request)
        return one.answer()


def get(path: str, method: str = "GET") -> bytes:
    """A request without a body."""
    return f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
