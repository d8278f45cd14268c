"""Loads: clients that ask again and again, in one epoll loop.

It does as little as it can, since it shares the machine with what it measures: a read
is noted with its time, and looked at when the load is over.
"""

import contextlib
import select
import socket
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

#: Seconds without a word from anybody after which a load has failed.
PATIENCE = 60.0
_END = b"0\r\n\r\n"


class Failed(Exception):
    """A contestant did not answer as it should."""


class Answer(NamedTuple):
    """One answer: when it was asked for, when its pieces came, and what came."""

    asked: float
    arrivals: list[float]
    blocks: list[bytes]

    def body(self) -> bytes:
        """What follows the head, without the framing.  Raises ``Failed``."""
        head, _, body = b"".join(self.blocks).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise Failed((head + b"\n" + body)[:1000].decode(errors="replace"))
        return _joined(body) if _chunked(head) else body


class Load(NamedTuple):
    """What a load gave: its seconds, and all answers that were whole in them."""

    seconds: float
    answers: list[Answer]


class _Client:
    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self.socket = socket.create_connection((at.hostname or "", at.port or 80))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.asked = 0.0
        self.arrivals: list[float] = []
        self.blocks: list[bytes] = []
        self.left = -1  # bytes that are missing; of a chunked answer -1
        self.turns = 0

    def ask(self, request: bytes, now: float) -> None:
        """Send one request."""
        self.asked, self.arrivals, self.blocks, self.left = now, [], [], 0
        self.socket.sendall(request)
        self.turns += 1

    def receive(self, now: float) -> bool:
        """Take what is there; whether the answer is whole now."""
        block = self.socket.recv(1 << 18)
        if not block:
            raise Failed("the connection ended in the middle of an answer")
        self.arrivals.append(now)
        self.blocks.append(block)
        if len(self.blocks) == 1:
            self._begin(block)
        elif self.left > 0:
            self.left -= len(block)
        if self.left == -1:
            return (self.blocks[-2] + block if len(block) < 5 else block).endswith(_END)
        return self.left <= 0

    def _begin(self, block: bytes) -> None:
        head, found, body = block.partition(b"\r\n\r\n")
        if not found:
            raise Failed("a head in pieces")
        lower = head.lower()
        if _chunked(lower):
            self.left = -1
        else:
            _, _, length = lower.partition(b"\r\ncontent-length:")
            self.left = int(length.split(b"\r\n")[0]) - len(body)


def run(
    url: str,
    request: bytes,
    clients: int,
    seconds: float,
    *,
    turns: int = 0,
    spread: float = 0.0,
) -> Load:
    """So many clients ask, each again when its answer is whole.

    They go on for ``seconds``, or ``turns`` times each, if that is given.  ``spread``
    is the time in seconds over which they begin.  Raises ``Failed``.
    """
    clock = time.perf_counter
    with contextlib.ExitStack() as stack:
        epoll = stack.enter_context(select.epoll())
        everybody: dict[int, _Client] = {}
        for _ in range(clients):
            client = _Client(url)
            stack.enter_context(client.socket)
            everybody[client.socket.fileno()] = client
            epoll.register(client.socket, select.EPOLLIN)
        began = clock()

        def goes_on(client: _Client, now: float) -> bool:
            return client.turns < turns if turns else now - began < seconds

        answers = _loop(epoll, everybody, request, goes_on, spread)
        return Load(clock() - began, answers)


def _loop(
    epoll: "select.epoll",
    everybody: dict[int, _Client],
    request: bytes,
    goes_on: Callable[[_Client, float], bool],
    spread: float,
) -> list[Answer]:
    answers: list[Answer] = []
    waiting = list(enumerate(everybody.values()))[::-1]  # those that have not begun
    clock = time.perf_counter
    began = now = heard = clock()
    busy = len(everybody)
    while busy:
        while waiting and now - began >= waiting[-1][0] * spread / len(everybody):
            waiting.pop()[1].ask(request, clock())
        events = epoll.poll(0.001 if waiting else 1.0)
        now = clock()
        heard = now if events or waiting else heard
        if now - heard > PATIENCE:
            raise Failed(f"{busy} answers did not come to their end")
        for descriptor, _ in events:
            client = everybody[descriptor]
            if not client.receive(now):
                continue
            answers.append(Answer(client.asked, client.arrivals, client.blocks))
            if goes_on(client, now):
                client.ask(request, clock())
            else:
                busy -= 1
    return answers


def post(path: str, body: object, key: str = "") -> bytes:
    """The bytes of a request with a JSON body, and an API key if there is one."""
    data = msgspec.json.encode(body)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
    if key:
        head += f"\r\nAuthorization: Bearer {key}"
    return f"{head}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def get(path: str) -> bytes:
    """The bytes of a request without a body."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def _chunked(head: bytes) -> bool:
    return b"\r\ntransfer-encoding: chunked" in head.lower()


def _joined(body: bytes) -> bytes:
    pieces, at = [], 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end], 16)
        if not size:
            return b"".join(pieces)
        pieces.append(body[end + 2 : end + 2 + size])
        at = end + 4 + size
