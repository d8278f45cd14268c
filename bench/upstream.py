"""The upstream of the benchmark: an Ollama that costs nearly nothing.

One epoll loop and bytes that were made beforehand, so that it is never what limits a
measurement.  It is Ollama where that matters: HTTP/1.1 on kept connections, and every
line of a stream in a chunk and a write of its own.  The same answers lie under
``/v1/`` in OpenAI's form, for a proxy that only passes bytes.

The model's name says what is answered (``answers.py``); ``embed`` is a vector for each
input.

Started as ``python -m bench.upstream PORT [MODELS]``.
"""

import heapq
import re
import select
import socket
import sys
import time
from collections import deque
from functools import cache

from .answers import Script, script

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_MODEL = re.compile(rb'"(?:model|name)": *"([^"]+)"')
_STREAM = re.compile(rb'"stream": *(true|false)')
_INPUT = re.compile(rb'"input": *\[([^]]*)')
_BASE64 = re.compile(rb'"encoding_format": *"base64"')


def _inputs(body: bytes) -> int:
    """How many texts there are, in which neither a quote nor a bracket is."""
    found = _INPUT.search(body)
    return found[1].count(b'"') // 2 if found else 1


class Connection:
    """One client: bytes of a request that come, writes of an answer that go."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.received = b""
        self.wanted = 0  # bytes of a request that is not complete
        self.script: Script | None = None
        self.at = 0  # the next write
        self.due = 0.0
        self.rest = b""  # of a write that was not taken whole
        self.open = True


class Upstream:
    """Answers on one listening socket until the process is ended."""

    def __init__(self, listener: socket.socket, models: int = 37) -> None:
        self._listener = listener
        self._models = models
        self._epoll = select.epoll()
        self._epoll.register(listener, select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self._flat: deque[Connection] = deque()
        self._paced: list[tuple[float, int, Connection]] = []
        self._script = cache(script)

    def serve(self) -> None:
        """Loop for ever."""
        while True:
            for descriptor, events in self._events():
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._serve(self._connections[descriptor], events)
            for _ in range(len(self._flat)):  # a write each, as each were a thread
                connection = self._flat.popleft()
                if self._write(connection):
                    self._flat.append(connection)
            self._keep_pace()

    def _events(self) -> list[tuple[int, int]]:
        """What there is to do; waits for it while no answer is under way."""
        if self._paced and not self._flat:
            # To the microsecond: epoll knows milliseconds, and streams that are not in
            # step would come in bunches, which no proxy deserves to be spared.
            left = self._paced[0][0] - time.monotonic()
            if left > 0 and not select.select([self._epoll], [], [], left)[0]:
                return []
        return self._epoll.poll(0 if self._flat or self._paced else -1)

    def _keep_pace(self) -> None:
        now = time.monotonic()
        while self._paced and self._paced[0][0] <= now:
            connection = self._paced[0][2]
            if self._write(connection) and connection.script is not None:
                connection.due += 1 / connection.script.pace
                heapq.heapreplace(
                    self._paced,
                    (connection.due, connection.socket.fileno(), connection),
                )
            else:
                heapq.heappop(self._paced)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[sock.fileno()] = Connection(sock)
        self._epoll.register(sock, select.EPOLLIN)

    def _serve(self, connection: Connection, events: int) -> None:
        if events & select.EPOLLOUT:
            self._resume(connection)
            return
        try:
            data = connection.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        connection.received += data
        if len(connection.received) >= connection.wanted:
            self._read(connection)

    def _close(self, connection: Connection) -> None:
        if connection.open:
            connection.open = False
            self._epoll.unregister(connection.socket)
            del self._connections[connection.socket.fileno()]
            connection.socket.close()

    def _read(self, connection: Connection) -> None:
        """Begin to answer, if the request is complete."""
        head, found, body = connection.received.partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head)
        missing = (int(length[1]) if length else 0) - len(body)
        if missing > 0:
            connection.wanted = len(connection.received) + missing
            return
        connection.received, connection.wanted = b"", 0
        path = head.split(b" ", 2)[1].decode()
        said = body[:200] + body[-200:]  # where all who ask have these
        model, stream = _MODEL.search(said), _STREAM.search(said)
        name = model[1].decode() if model else ""
        connection.script = self._script(
            path.partition("?")[0],
            f"embed-{_inputs(body)}" if name == "embed" else name,
            # Ollama's own routes stream unless told not to.
            stream=stream[1] == b"true" if stream else path.startswith("/api/"),
            base64=_BASE64.search(said) is not None,
            models=self._models,
        )
        connection.at = 0
        self._begin(connection, connection.script)

    def _begin(self, connection: Connection, script: Script) -> None:
        if not self._write(connection):
            return
        if script.pace:
            connection.due = time.monotonic() + 1 / script.pace
            entry = (connection.due, connection.socket.fileno(), connection)
            heapq.heappush(self._paced, entry)
        else:
            self._flat.append(connection)

    def _write(self, connection: Connection) -> bool:
        """Make the next write; whether there is one after it to make now."""
        script = connection.script
        if script is None or not connection.open:
            return False
        data = script.writes[connection.at]
        try:
            sent = connection.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(connection)
            return False
        connection.at += 1
        if sent < len(data):
            connection.rest = data[sent:]
            self._epoll.modify(connection.socket, select.EPOLLOUT)
            return False
        return self._more(connection, script)

    def _more(self, connection: Connection, script: Script) -> bool:
        if connection.at < len(script.writes):
            return True
        connection.script = None
        return False

    def _resume(self, connection: Connection) -> None:
        """The client takes bytes again."""
        try:
            sent = connection.socket.send(connection.rest)
        except OSError:
            self._close(connection)
            return
        connection.rest = connection.rest[sent:]
        if connection.rest:
            return
        self._epoll.modify(connection.socket, select.EPOLLIN)
        script = connection.script
        if script is not None and self._more(connection, script):
            self._begin(connection, script)


def main() -> None:
    """Serve on loopback."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
    Upstream(listener, int(sys.argv[2]) if len(sys.argv) > 2 else 37).serve()


if __name__ == "__main__":
    main()
