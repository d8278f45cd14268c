"""Connections: accepted, served one request after the other, and closed."""

import socket
from collections.abc import Callable
from typing import Any

from gevent.server import StreamServer

from .exchange import HEAD_LIMIT, BadMessage, ClientLeft, Connection, Cut, Exchange
from .journal import Entry, Journal


class Server:
    """Accepts connections and calls ``handler`` for each request."""

    def __init__(
        self,
        host: str,
        port: int,
        journal: Journal,
        handler: Callable[[Exchange], None],
    ) -> None:
        self.journal = journal
        self.handler = handler
        self._server = StreamServer((host, port), self._serve, backlog=1024)
        self._server.init_socket()
        self.port: int = self._server.socket.getsockname()[1]

    def run(self) -> None:
        """Serve until ``stop``."""
        self._server.serve_forever(stop_timeout=0.2)

    def stop(self) -> None:
        """Stop accepting and cut what is open."""
        self._server.stop(timeout=0.2)

    def _serve(self, sock: Any, _address: Any) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock)
        try:
            while self._one(connection):
                pass
        except BadMessage as error:
            _refuse(connection, str(error))
        except (ClientLeft, Cut, OSError):
            pass
        finally:
            sock.close()

    def _one(self, connection: Connection) -> bool:
        head = connection.until(b"\r\n\r\n", HEAD_LIMIT)
        if head is None:
            return False
        exchange = Exchange(connection, head.lstrip(b"\r\n"))
        hidden = exchange.path.startswith("/simulator/")
        if hidden:
            exchange.entry = Entry(0, exchange.method, exchange.target, [])
            self._answer(exchange)
            return exchange.keep
        journal = self.journal
        entry = journal.begin(exchange.method, exchange.target, exchange.headers)
        exchange.entry = entry
        try:
            self._answer(exchange)
            journal.end(entry, "answered")
        except ClientLeft:
            journal.end(entry, "client-left")
            raise
        except Cut:
            journal.end(entry, "cut")
            raise
        finally:
            journal.end(entry, "failed")
        return exchange.keep

    def _answer(self, exchange: Exchange) -> None:
        self.handler(exchange)
        exchange.drain()


def _refuse(connection: Connection, text: str) -> None:
    head = "Content-Type: text/plain; charset=utf-8\r\nConnection: close"
    try:
        connection.send(
            f"HTTP/1.1 {text[:3]} {text[4:]}\r\n{head}\r\n\r\n{text}".encode()
        )
    except ClientLeft:
        return
