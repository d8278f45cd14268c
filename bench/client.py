"""A lean client for loads: raw HTTP/1.1 over gevent's sockets, one greenlet each.

It does as little as it can, since it shares the machine with what it measures.
"""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import gevent
from gevent import socket

_END = b"0\r\n\r\n"


class Answer(NamedTuple):
    """One answer: its body, and when its pieces came (seconds after the request)."""

    body: bytes
    arrivals: list[float]


class Connection:
    """One kept connection; ``ask`` sends a request and reads the whole answer."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self._socket = socket.create_connection((at.hostname, at.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> Answer:
        """Send and receive; a status that is not 200 is a ``RuntimeError``."""
        start = time.perf_counter()
        self._socket.sendall(request)
        pieces, arrivals = [self._receive()], [time.perf_counter() - start]
        while b"\r\n\r\n" not in pieces[0]:
            pieces[0] += self._receive()
        head, _, pieces[0] = pieces[0].partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError((head + pieces[0])[:500].decode())
        _, _, length = head.lower().partition(b"content-length: ")
        left = int(length.split(b"\r\n")[0]) - len(pieces[0]) if length else None
        while left or (left is None and not pieces[-1].endswith(_END)):
            pieces.append(self._receive())
            arrivals.append(time.perf_counter() - start)
            left = None if left is None else left - len(pieces[-1])
        return Answer(b"".join(pieces), arrivals)

    def _receive(self) -> bytes:
        data: bytes = self._socket.recv(262144)
        if not data:
            raise RuntimeError("the connection was closed in the middle of an answer")
        return data

    def close(self) -> None:
        """Close the connection, whatever is still to come."""
        self._socket.close()


def post(path: str, body: dict[str, Any]) -> bytes:
    """A request's bytes."""
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
    return f"{head}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def load(
    url: str,
    request: bytes,
    clients: int,
    seconds: float,
    check: Callable[[bytes], bool],
) -> tuple[float, list[list[float]]]:
    """So many clients ask again and again; the seconds it took and all arrivals.

    Each answer must pass ``check``: a fast wrong answer is a failed benchmark.
    """
    answers: list[list[float]] = []
    start = time.perf_counter()

    def one() -> None:
        connection = Connection(url)
        while True:
            answer = connection.ask(request)
            if not check(answer.body):
                raise RuntimeError(f"wrong answer: {answer.body[:300]!r}")
            answers.append(answer.arrivals)
            if time.perf_counter() - start >= seconds:
                break
        connection.close()

    greenlets = [gevent.spawn(one) for _ in range(clients)]
    gevent.joinall(greenlets, raise_error=True)
    return time.perf_counter() - start, answers
