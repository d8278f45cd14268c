"""Pannier as it is served, between a client and an Ollama that are no network away.

Everything is Pannier's own, down to the reads and writes of its connections; only the
kernel's network is not, since it delivers now one piece at a time and now two.
"""

import _socket
import io
from collections.abc import Iterator
from socket import SO_RCVBUF, SO_SNDBUF, SOL_SOCKET
from typing import Any
from unittest.mock import patch
from wsgiref.types import WSGIApplication

import gevent

from app import catalog, inflight
from app.carriers import pool
from app.gateway import current
from app.settings import Settings
from app.upstream import Upstream
from middleware.stack import build_stack

#: The most that one read takes; see app/carriers/pool.py.
BLOCK = 64 * 1024

#: What comes off the wire, one block a read.
Blocks = list[bytes]


class Wire(_socket.socket):
    """A socket that Pannier believes to be connected to Ollama.

    Each block can be read when all have waited, as it is with what comes token by
    token.  It is one end of a pair, so what waits for it waits in the real event loop.
    """

    #: What answers every request.
    answer: Blocks
    #: Whether somebody may ask which models there are.
    about = False

    def __init__(self, family: int, kind: int, proto: int) -> None:
        ours, self._theirs = _socket.socketpair()
        for end, buffer in (ours, SO_RCVBUF), (self._theirs, SO_SNDBUF):
            end.setsockopt(SOL_SOCKET, buffer, 2 * BLOCK)  # macOS gives them 8 kB
        super().__init__(fileno=ours.detach())
        self._request = b""
        self._blocks: Iterator[bytes] = iter(())

    def connect_ex(self, address: Any) -> int:
        """Ollama is always there."""
        return 0

    def setsockopt(self, *option: Any) -> None:
        """A pair of sockets has no options of TCP's."""

    def send(self, data: bytes, *flags: int) -> int:
        """Take all of it, and answer a request that is complete."""
        self._request += data
        head, _, body = self._request.partition(b"\r\n\r\n")
        _, found, length = head.partition(b"Content-Length: ")
        if len(body) == (int(length.split(b"\r\n")[0]) if found else 0):
            self._request = b""
            self._blocks = iter(self.answer)
            self._next()
        return len(data)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """A block; the next one comes when everybody waits."""
        data = super().recv(size, flags)
        gevent.get_hub().loop.run_callback(self._next)
        return data

    def _next(self) -> None:
        block = next(self._blocks, b"")
        assert self._theirs.send(block) == len(block)


class _Kernel:
    socket = Wire
    getaddrinfo = staticmethod(_socket.getaddrinfo)


#: What is known of the one model that there is, by the path that tells it.
ABOUT = {
    "/api/tags": b'{"models":[{"name":"qwen2.5-coder:latest","digest":"1"}]}',
    "/api/show": b'{"details":{"family":"qwen2"},"capabilities":["insert"]}',
}


def _asked(_: Upstream, *call: Any) -> bytes:
    assert Wire.about, f"this request need not ask Ollama about models: {call}"
    return ABOUT[call[1]]


def stack() -> WSGIApplication:
    """Pannier as it is served, over the ``Wire``, with its access log on."""
    patch.object(pool, "_socket", _Kernel).start()
    patch.object(Upstream, "control", _asked).start()
    patch.object(catalog, "LIST_AGE", 3600.0).start()
    for module in (pool, inflight):  # what happens by the clock is not of a request
        patch.object(module, "TICK", 3600.0).start()
    patch.object(current, "PERIOD", 3600.0).start()
    patch("time.time_ns", lambda: 1_767_323_045_000_000_000).start()  # nor each second
    return build_stack(Settings(upstream_url="http://127.0.0.1:9", access_log=True))


def ask(app: WSGIApplication, path: str, data: bytes) -> bytes:
    """One request, as gunicorn would make it, and all of its answer."""
    told: list[str] = []
    near, _far = _socket.socketpair()
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST" if data else "GET",
        "PATH_INFO": path,
        "RAW_URI": path,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "gunicorn/27.0.1",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "40000",
        "HTTP_HOST": "localhost:8080",
        "HTTP_ACCEPT": "application/json",
        "HTTP_ACCEPT_ENCODING": "gzip, deflate",
        "HTTP_CONNECTION": "keep-alive",
        "HTTP_USER_AGENT": "OpenAI/Python 3.52.0",
        "HTTP_AUTHORIZATION": "Bearer x",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(data),
        "wsgi.input_terminated": True,
        "gunicorn.socket": near,
    }
    if data:
        environ |= {"CONTENT_TYPE": "application/json"}
        environ |= {"CONTENT_LENGTH": str(len(data))}
    answer: Any = app(environ, lambda status, *_: told.append(status))
    try:
        items = list(answer)
    finally:
        if hasattr(answer, "close"):
            answer.close()
    assert told == ["200 OK"], told
    return b"".join(items)
