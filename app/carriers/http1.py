"""The built-in carrier: plain HTTP/1.1 to one upstream on gevent sockets.

It writes the request, reads the head and decides on a second try.  Connections are
``pool``'s, bytes ``head``'s and ``framing``'s, answers ``answer``'s.  One carrier
belongs to one hub, that is to one thread of one process; it opens nothing before its
first use.
"""

import gevent

from .answer import Answer, read_head
from .base import Clock, Origin, Request, twice
from .framing import chunk, upload
from .head import request_head
from .pool import Connection, Pool

#: A body up to this many bytes leaves in one write with its head.
JOINED = 128 * 1024


class Http1Carrier:
    """A ``Carrier`` for an ``http`` origin."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._pool = Pool(origin)

    def send(self, request: Request) -> Answer:
        """Send, and answer when the head is there; retries once where R1 allows."""
        head = request_head(request, self._origin)
        clock = Clock(request)

        def attempt(fresh: bool) -> Answer:
            idle = None if fresh else self._pool.idle(clock)
            connection = idle or self._pool.fresh(clock)
            return self._exchange(connection, head, request)

        return twice(request, attempt, gevent.sleep)

    def close(self) -> None:
        """Close the resting connections; running answers go on."""
        self._pool.close()

    def _exchange(
        self, connection: Connection, head: bytes, request: Request
    ) -> Answer:
        try:
            self._write(connection, head, request)
            answer, rest = read_head(connection)
            return Answer(connection, answer, rest, request.method)
        except BaseException:
            connection.close()
            raise

    def _write(self, connection: Connection, head: bytes, request: Request) -> None:
        """Send everything, or as much as the upstream takes: then read its words."""
        if not isinstance(request.body, bytes):
            if connection.send(head):
                self._stream(connection, request)
        elif len(request.body) <= JOINED:
            connection.send(head + request.body)
        elif connection.send(head):
            connection.send(request.body)

    def _stream(self, connection: Connection, request: Request) -> None:
        announced = request.length is not None
        for piece in upload(request):
            if not connection.send(piece if announced else chunk(piece)):
                return
        if not announced:
            connection.send(chunk(b""))
