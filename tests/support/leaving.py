"""Clients on bare sockets that ask and leave, and what a server says of them."""

import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from .faulty import PATIENCE
from .server import Server

_numbers = count()


def fin(sock: socket.socket) -> None:
    """Close."""
    sock.close()


def reset(sock: socket.socket) -> None:
    """Close so that the other side sees a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def half(sock: socket.socket) -> None:
    """Say that nothing more will come, and go on listening."""
    sock.shutdown(socket.SHUT_WR)


def fresh(name: str) -> str:
    """A name that no other request has."""
    return f"{name}-{next(_numbers)}-{os.getpid()}"


def connect(where: int | Path) -> socket.socket:
    """A connection to a port of loopback, or to a unix socket."""
    if isinstance(where, int):
        return socket.create_connection(("127.0.0.1", where), timeout=PATIENCE)
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(PATIENCE)
    sock.connect(str(where))
    return sock


def request(method: str, path: str, name: str, body: Any = None, *more: str) -> bytes:
    """A request as bytes; ``name`` becomes its id, ``more`` are lines of its head."""
    data = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"X-Request-Id: {name}"]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
    return "\r\n".join([*lines, *more, "", ""]).encode() + data


def ask(
    where: int | Path, method: str, path: str, name: str, body: Any = None, *more: str
) -> socket.socket:
    """Send a request on a connection of its own; nothing is read."""
    sock = connect(where)
    sock.sendall(request(method, path, name, body, *more))
    return sock


def until(sock: socket.socket, mark: bytes) -> bytes:
    """What comes, up to a mark and whatever came with it; or to the end."""
    seen = b""
    while mark not in seen and (block := sock.recv(65536)):
        seen += block
    return seen


def rest(sock: socket.socket) -> bytes:
    """All that still comes; a reset is an end."""
    seen = []
    with contextlib.suppress(ConnectionError):
        while block := sock.recv(65536):
            seen.append(block)
    return b"".join(seen)


def eventually(fact: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What a fact is once it holds; an AssertionError if it never does."""
    end = time.monotonic() + seconds
    while not (found := fact()):
        assert time.monotonic() < end, f"it did not come to be within {seconds} s"
        time.sleep(0.01)
    return found


def said(server: Server, name: str) -> list[str]:
    """The access lines of a request, at least one."""

    def lines() -> list[str]:
        return [one for one in server.output().splitlines() if f"id={name} " in one]

    found: list[str] = eventually(lines)
    return found


def left(server: Server, name: str, outcome: str = "left") -> None:
    """A request of a client that left is one line, and no trace (D4)."""
    (line,) = said(server, name)
    assert f"outcome={outcome}" in line, line
    assert "Traceback" not in server.output()


def descriptors(server: Server) -> int:
    """How many descriptors its workers have open."""
    return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in server.workers())
