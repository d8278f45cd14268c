"""Lines: connections to strangers, read in small steps between which all others run.

gevent asks its loop only when a socket has nothing to read: a server that always has
something would hold the whole worker, limits in time included.  A line asks the loop
before each read.  What is read is paid for from an allowance that only payload fills
again, and so framing, interim answers, trailers and TLS's own records have an end.
"""

import socket
from collections.abc import Callable
from typing import Any, TypeVar

import gevent.socket
from gevent.ssl import MemoryBIO, SSLEOFError, SSLWantReadError

from .addresses import Address
from .targets import FetchError

#: Bytes of one read; what a few thousand tiny chunks or records cost is a step.
BLOCK = 16 * 1024
#: Bytes that may come beyond the payload, and what each read costs of them.
ALLOWANCE = 1024 * 1024
READ = 16

Result = TypeVar("Result")


def connect(address: Address, port: int) -> Any:
    """A socket of gevent's, connected to an address; raises ``OSError``."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    sock = gevent.socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.connect((str(address), port))
    except BaseException:
        sock.close()
        raise
    return sock


class Line:
    """A plain connection, on a connected socket of gevent's."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._allowance = ALLOWANCE

    def send(self, data: bytes) -> None:
        """Send all of it; raises ``OSError``."""
        self._sock.sendall(data)

    def receive(self) -> bytes:
        """What came next, ``b""`` at the end; raises ``OSError``, ``FetchError``."""
        gevent.socket.wait_read(self._sock.fileno())
        block: bytes = self._sock.recv(BLOCK)
        self._allowance -= len(block) + READ
        if self._allowance < 0:
            raise FetchError("too much around the image")
        return block

    def payload(self, count: int) -> None:
        """So many of the bytes received were wanted."""
        self._allowance += count

    def close(self) -> None:
        """Close at once."""
        self._sock.close()


class SecureLine(Line):
    """A connection through TLS, with the certificate of the host.

    OpenSSL reads no socket here: it would go on through records without payload for
    as long as there are any.  It is given what a plain line reads.
    """

    def __init__(self, sock: Any, context: Any, host: str) -> None:
        super().__init__(sock)
        self._in, self._out = MemoryBIO(), MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)

    def handshake(self) -> None:
        """Agree on keys and check the certificate; raises ``OSError``."""
        self._run(self._tls.do_handshake)

    def send(self, data: bytes) -> None:
        """Send all of it; raises ``OSError``."""
        self._run(lambda: self._tls.write(data))

    def receive(self) -> bytes:
        """What came next, ``b""`` at the end; raises ``OSError``, ``FetchError``."""
        try:
            data: bytes = self._run(lambda: self._tls.read(BLOCK))
        except SSLEOFError:  # closed without a word, as many do
            return b""
        return data

    def _run(self, step: Callable[[], Result]) -> Result:
        while True:
            try:
                result = step()
            except SSLWantReadError:
                self._flush()
                self._fill()
            else:
                self._flush()
                return result

    def _flush(self) -> None:
        if data := self._out.read():
            super().send(data)

    def _fill(self) -> None:
        if block := super().receive():
            self._in.write(block)
        else:
            self._in.write_eof()
