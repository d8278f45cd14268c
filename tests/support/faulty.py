"""An upstream that misbehaves as told: its behaviour is a function of the connection.

Plain threads and sockets, so that it serves any kind of client.  The behaviour runs
once for each connection, in a thread of its own; what it raises fails the test.
"""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from ssl import SSLContext, SSLError
from types import TracebackType
from typing import Self

#: Seconds within which anything that is waited for must happen.
PATIENCE = 10.0

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Peer:
    """The server's end of one connection; ``number`` counts from 0."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.socket = sock
        self.number = number
        self._buffer = b""
        sock.settimeout(PATIENCE)

    def head(self) -> bytes:
        """Read one request's head, ``b""`` at the end of the connection.

        Until it begins there is no hurry: a client may keep a connection for long.
        """
        if not self._buffer:
            patience = self.socket.gettimeout()
            self.socket.settimeout(None)
            self._buffer = self._receive()
            self.socket.settimeout(patience)
        while b"\r\n\r\n" not in self._buffer:
            block = self._receive()
            if not block:
                return b""
            self._buffer += block
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def request(self) -> tuple[bytes, bytes]:
        """Read one whole request: its head, and its body as it was on the wire."""
        head = self.head()
        lower = head.lower()
        if b"transfer-encoding: chunked" in lower:
            return head, self.until(b"0\r\n\r\n")
        _, found, value = lower.partition(b"content-length: ")
        return head, self.exactly(int(value.split(b"\r\n")[0])) if found else b""

    def exactly(self, count: int) -> bytes:
        """Read so many bytes."""
        while len(self._buffer) < count:
            self._buffer += self._receive() or self._missing()
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def discard(self, count: int) -> None:
        """Read so many bytes without keeping them."""
        left = count - len(self._buffer)
        self._buffer = b""
        while left > 0:
            left -= len(self._receive() or self._missing())

    def until(self, mark: bytes) -> bytes:
        """Read up to and with a mark."""
        while mark not in self._buffer:
            self._buffer += self._receive() or self._missing()
        data, _, self._buffer = self._buffer.partition(mark)
        return data + mark

    def send(self, *blocks: bytes) -> None:
        """Send each block as a segment of its own."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for block in blocks:
            self.socket.sendall(block)

    def drip(self, data: bytes, pause: float, stop: threading.Event) -> None:
        """Send byte after byte until told to stop or the client has gone."""
        with contextlib.suppress(OSError):
            for index in range(len(data)):
                self.socket.sendall(data[index : index + 1])
                if stop.wait(pause):
                    return

    def gone(self) -> bool:
        """Wait until the client has closed the connection."""
        while self._receive():
            pass
        return True

    def reset(self) -> None:
        """Close so that the client sees a reset."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.socket.close()

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(65536)
        except ConnectionError:
            return b""

    def _missing(self) -> bytes:
        raise AssertionError("the client closed in the middle of a request")


class Faulty:
    """The server; a context manager.  ``peers`` are its connections so far."""

    def __init__(
        self, behaviour: Callable[[Peer], object], tls: SSLContext | None = None
    ) -> None:
        self._behaviour = behaviour
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._errors: list[Exception] = []
        self.peers: list[Peer] = []
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        #: Set when the server stops; for behaviours that do nothing for long.
        self.stopped = threading.Event()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(PATIENCE)
        for peer in self.peers:  # whose client neither asks nor leaves
            with contextlib.suppress(OSError):
                peer.socket.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        if error is None and self._errors:
            raise self._errors[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            peer = Peer(sock, len(self.peers))
            self.peers.append(peer)
            thread = threading.Thread(target=self._serve, args=(peer,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, peer: Peer) -> None:
        try:
            if self._tls:
                peer.socket = self._tls.wrap_socket(peer.socket, server_side=True)
            self._behaviour(peer)
        except (ConnectionError, SSLError):  # the client left early: its right
            return
        except Exception as exc:
            self._errors.append(exc)
        finally:
            peer.socket.close()


def always(answer: bytes) -> Callable[[Peer], None]:
    """Answer every request on a connection with the same bytes."""

    def behaviour(peer: Peer) -> None:
        while peer.request()[0]:
            peer.send(answer)

    return behaviour


def once(*blocks: bytes) -> Callable[[Peer], None]:
    """Answer the first request of each connection, then close."""

    def behaviour(peer: Peer) -> None:
        peer.request()
        peer.send(*blocks)

    return behaviour
