"""Bytes on a socket, until the server has said all: for requests no client sends."""

import re
import socket
import time

from .server import PATIENCE


def said(port: int, *blocks: bytes, end: bool = False) -> tuple[bytes, float]:
    """All that a server says until it closes, and how many seconds that took.

    ``end`` says that nothing more will come; a server that resets has said enough.
    """
    begun = time.monotonic()
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        try:
            for block in blocks:
                client.sendall(block)
            if end:
                client.shutdown(socket.SHUT_WR)
            while block := client.recv(65536):
                answer += block
        except ConnectionError:
            pass
    return answer, time.monotonic() - begun


def statuses(answer: bytes) -> list[int]:
    """The status of each answer on a connection."""
    return [int(found) for found in re.findall(rb"HTTP/1\.[01] ([0-9]{3}) ", answer)]


def post(path: str, *fields: str, body: bytes = b"") -> bytes:
    """A POST with these fields, and a body as it is."""
    head = "\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *fields, "", ""])
    return head.encode("latin-1") + body
