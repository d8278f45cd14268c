"""A tap between Pannier and Ollama: what goes through it, byte for byte, both ways."""

import io
import socket
from typing import IO, NamedTuple

from .faulty import PATIENCE, Peer

#: The headers that say what a body is, and when to come again.
COUNTING = ("content-type", "content-length", "content-encoding", "retry-after")


class Heard(NamedTuple):
    """One answer: its body without framing, and ``wire``, all of it as it came."""

    status: int
    headers: dict[str, str]
    body: bytes
    wire: bytes

    @property
    def essence(self) -> tuple[int, dict[str, str], bytes]:
        """What of it has to reach the client."""
        kept = {name: self.headers[name] for name in COUNTING if name in self.headers}
        return self.status, kept, self.body


class Told(NamedTuple):
    """One request that reached Ollama, and its answer."""

    line: str
    headers: dict[str, str]
    body: bytes
    answer: Heard


class Tap:
    """The behaviour of a ``Faulty`` that hands everything on to an Ollama.

    ``told`` is what went through, by ``X-Request-Id``.  A request whose id ``recorded``
    has is answered with those bytes, whatever it says.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.told: dict[str, Told] = {}
        self.recorded: dict[str, bytes] = {}

    def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        while (request := peer.request())[0]:
            head, body = request
            line, fields = _parsed(head)
            id = fields.get("x-request-id", "")
            if id in self.recorded:
                answer = _read(io.BytesIO(self.recorded[id]), line)
            else:
                answer = exchange(self._port, head + body)
            self.told[id] = Told(line, fields, body, answer)
            peer.send(answer.wire)
            if answer.headers.get("connection") == "close":
                return


def exchange(port: int, request: bytes) -> Heard:
    """Send a request as it is, on a connection of its own; the whole answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock:
        sock.sendall(request)
        with sock.makefile("rb") as file:
            return _read(file, request.partition(b"\r\n")[0].decode("latin-1"))


def _parsed(head: bytes) -> tuple[str, dict[str, str]]:
    """The first line of a head, and its fields with names in lower case."""
    line, *fields = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (field.split(": ", 1) for field in fields)
    return line, {name.lower(): value for name, value in pairs}


def _read(file: IO[bytes], request: str) -> Heard:
    """One answer to a request of this line."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += file.readline() or _cut()
    line, headers = _parsed(head)
    status = int(line.split(" ")[1])
    wire = body = b""
    if request.startswith("HEAD ") or status in (204, 304):
        pass
    elif headers.get("transfer-encoding") == "chunked":
        wire, body = _chunks(file)
    elif "content-length" in headers:
        wire = body = file.read(int(headers["content-length"]))
        assert len(body) == int(headers["content-length"])
    else:
        wire = body = file.read()
    return Heard(status, headers, body, head + wire)


def _chunks(file: IO[bytes]) -> tuple[bytes, bytes]:
    """A body in chunks as it came, and what it says."""
    wire, body = b"", b""
    size = -1
    while size:
        line = file.readline() or _cut()
        size = int(line, 16)
        data = file.read(size + 2)
        assert data.endswith(b"\r\n")
        wire += line + data
        body += data[:-2]
    return wire, body


def _cut() -> bytes:
    raise AssertionError("the answer is cut short")
