"""Small pictures, a web server that has some, and fetchers that reach it."""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

from app.fetch import ImageFetcher
from app.gate import resolve
from app.line import connect
from app.settings import Settings

from .faulty import Faulty, Peer

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01" + b"\x00" * 20
GIF = b"GIF89a\x01\x00\x01\x00" + b"\x00" * 20
WEBP = b"RIFF\x20\x00\x00\x00WEBPVP8 " + b"\x00" * 20
#: An address that nothing is wrong with.
PUBLIC = "93.184.216.34"

Page = bytes | Callable[[Peer], object]


def text(data: bytes) -> str:
    """As Ollama is given it."""
    return base64.b64encode(data).decode()


def page(
    body: bytes = PNG, status: str = "200 OK", kind: str = "image/png", **more: str
) -> bytes:
    """An answer; ``more`` are fields (``cache_control="no-store"``)."""
    fields = {"Content-Type": kind, "Content-Length": str(len(body))}
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode() + body


def moved(to: str, status: str = "302 Found", **more: str) -> bytes:
    """A redirect."""
    return page(b"", status, "text/html", location=to, **more)


class Web(Faulty):
    """Answers each path with its page; ``heads`` are the requests so far."""

    def __init__(self, pages: Mapping[str, Page], tls: Any = None) -> None:
        super().__init__(self._answer, tls)
        self.pages = pages
        self.heads: list[str] = []

    def _answer(self, peer: Peer) -> None:
        head = peer.head().decode("latin-1")
        self.heads.append(head)
        found = self.pages[head.split(" ")[1]]
        peer.send(found) if isinstance(found, bytes) else found(peer)

    @property
    def asked(self) -> list[str]:
        """The paths asked for."""
        return [head.split(" ")[1] for head in self.heads]


class Net:
    """A world in which names lead where ``names`` says, and all ways to one server.

    ``looked_up`` and ``connected`` are what was done in it.
    """

    def __init__(self, port: int, names: Mapping[str, list[str]] | None = None) -> None:
        self._port = port
        self._names = names or {}
        self.looked_up: list[str] = []
        self.connected: list[tuple[str, int]] = []

    def resolve(self, host: str) -> list[str]:
        """By the table, or as this system does without a network."""
        self.looked_up.append(host)
        return self._names.get(host) or resolve(host)

    def connect(self, address: Any, port: int) -> Any:
        """To the one server, whatever the address."""
        self.connected.append((str(address), port))
        return connect(ip_address("127.0.0.1"), self._port)

    def fetcher(self, tls: Any = None, **settings: Any) -> ImageFetcher:
        """A fetcher in this world."""
        given = Settings(**settings)
        return ImageFetcher(given, self.resolve, self.connect, tls, own_ports=set)


def local(web: Faulty, **settings: Any) -> ImageFetcher:
    """A real fetcher that may reach a server of this test, and of its process."""
    given = Settings(image_hosts=f"127.0.0.1:{web.port}", **settings)
    return ImageFetcher(given, own_ports=set)


@contextmanager
def canary() -> Iterator[Faulty]:
    """A server that nobody may ever connect to."""
    with Faulty(lambda peer: peer.head()) as server:
        yield server
        assert server.peers == []
