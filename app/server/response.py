"""Response: gunicorn's, but a head leaves with the first piece of its body.

gunicorn sends the two by themselves and asks the socket for its size before each:
twice the system calls, and for a client of whole answers twice the packets.
"""

import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from gunicorn import util
from gunicorn.http import wsgi

_VALUE = wsgi.HEADER_VALUE_RE


@lru_cache(maxsize=64)
def _is_usual(name: object) -> bool:
    """Whether a field of this name goes out as it is, if its value may."""
    if not isinstance(name, str) or wsgi.TOKEN_RE.fullmatch(name) is None:
        return False
    lower = name.lower()
    return lower not in ("content-length", "upgrade") and not util.is_hoppish(lower)


class Response(wsgi.Response):  # type: ignore[misc]  # gunicorn has no types
    """Writes one answer to a socket of gevent's."""

    headers: list[tuple[str, str]]
    headers_sent: bool

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """Take a head; with ``exc_info``, in place of one before it (PEP 3333).

        gunicorn would send the fields of both, two lengths among them.
        """
        if exc_info and not self.headers_sent:
            self.headers, self.response_length, self.upgrade = [], None, False
        write: Callable[[bytes], None]
        write = super().start_response(status, headers, exc_info)
        return write

    def process_headers(self, headers: list[tuple[str, str]]) -> None:
        """Keep the fields that gunicorn would keep, and refuse what it refuses.

        It looks at each name four times; those of answers are always the same few.
        """
        for name, value in headers:
            if type(value) is str and _is_usual(name) and _VALUE.fullmatch(value):
                self.headers.append((name, value.strip(" \t")))
            else:
                super().process_headers([(name, value)])

    def send_headers(self) -> None:
        """Nothing yet: the head waits for what is sent first."""

    def default_headers(self) -> list[str]:
        """The server's own part of a head: status, date, framing."""
        version = self.req.version
        connection = "keep-alive"
        if self.upgrade or self.should_close():
            connection = "upgrade" if self.upgrade else "close"
        return [
            f"HTTP/{version[0]}.{version[1]} {self.status}\r\n",
            f"Server: {self.version}\r\nDate: {http_date()}\r\n",
            f"Connection: {connection}\r\n",
            "Transfer-Encoding: chunked\r\n" if self.chunked else "",
        ]

    def sendfile(self, respiter: object) -> bool:
        """Never: the system's call would know nothing of a head that waits."""
        return False

    def write(self, arg: bytes) -> None:
        """Send a piece, with the head if it is the first; of an empty one nothing."""
        if self.chunked and arg and type(arg) is bytes:
            self.sent += len(arg)
            self._send(b"%X\r\n%b\r\n" % (len(arg), arg))
        else:
            super().write(arg)

    def close(self) -> None:
        """End the answer."""
        if self.chunked or not self.headers_sent:
            self._send(b"0\r\n\r\n" if self.chunked else b"")

    def _emit_body(self, data: bytes) -> None:
        if data:
            self._send(b"%X\r\n%b\r\n" % (len(data), data) if self.chunked else data)

    def _send(self, data: bytes) -> None:
        """Send all of it.  Over TLS gevent's ``send`` waits as it does without."""
        if not self.headers_sent:
            data = self._head() + data
            self.headers_sent = True  # or some of it: nobody may begin anew
        sent = self.sock.send(data)  # waits only where nothing at all is taken
        if sent < len(data):
            self.sock.sendall(memoryview(data)[sent:])

    def _head(self) -> bytes:
        lines = [f"{name}: {value}\r\n" for name, value in self.headers]
        head = "".join([*self.default_headers(), *lines, "\r\n"])
        return head.encode("latin-1")


def http_date() -> str:
    """The present second as HTTP writes it."""
    return _written(int(time.time()))


@lru_cache(maxsize=1)  # made once a second
def _written(second: int) -> str:
    return formatdate(second, usegmt=True)
