"""An Ollama that does as the prompt says, and waits where it is told to.

``silent`` says nothing at all, ``midway`` begins a stream and stops, ``finish`` does so
and goes on when ``go`` is set, ``endless`` goes on for ever; all else is answered at
once.  ``leaves`` closes after its answer, without having said so; ``dies`` does in the
place of an answer, ``stale`` only on a connection that was used before, and ``byte``
likewise, but with a byte said; ``busy`` is a 503.  A call is over when its answer is,
or when whoever made it has left.
"""

import json
import threading
from typing import Any

from .faulty import PATIENCE, Faulty, Peer
from .scripted import LAST, NDJSON, chunk

DEEDS = ("silent", "midway", "finish", "endless")
DEATHS = ("leaves", "dies", "stale", "byte", "busy")


class Ollama(Faulty):
    """The server.  ``go`` lets those that wait for it finish."""

    def __init__(self) -> None:
        super().__init__(self._connection)
        self.go = threading.Event()
        self._change = threading.Condition()
        self._asked: list[str] = []
        self._over = 0

    def wait_for(self, calls: int, deed: str = "") -> None:
        """Wait until so many calls have come, all told or of one kind."""
        with self._change:
            assert self._change.wait_for(
                lambda: sum(deed in one for one in self._asked) >= calls, PATIENCE
            ), self._asked[-50:]

    def asked(self, deed: str) -> int:
        """How many calls of a kind have come."""
        with self._change:
            return self._asked.count(deed)

    def held(self) -> int:
        """How many calls are not over, once all had time to end."""
        with self._change:
            self._change.wait_for(lambda: self._over == len(self._asked), 1)
            return len(self._asked) - self._over

    def _connection(self, peer: Peer) -> None:
        used = False
        while True:
            head, body = peer.request()
            if not head:
                return
            known = DEEDS + DEATHS
            deed = next((one for one in known if one.encode() in body), "quick")
            with self._change:
                self._asked.append(deed)
                self._change.notify_all()
            try:
                if deed == "dies" or (used and deed in ("stale", "byte")):
                    peer.send(b"H" * (deed == "byte"))
                    return
                self._do(deed, peer, head.split()[1], json.loads(body or "{}"))
                if deed == "leaves":
                    return
                used = True
            finally:
                with self._change:
                    self._over += 1
                    self._change.notify_all()

    def _do(self, deed: str, peer: Peer, path: bytes, call: dict[str, Any]) -> None:
        field = b"message" if path == b"/api/chat" else b"response"
        streams = path != b"/api/embed" and call.get("stream", True)
        if not call:
            peer.send(_whole(b'{"models":[]}'))
            return
        if deed == "busy":
            peer.send(_whole(b'{"error":"busy"}', b"503 Service Unavailable"))
            return
        if deed == "silent":
            assert peer.gone()
            return
        if not streams:
            assert deed != "finish" or self.go.wait(PATIENCE)
            peer.send(_whole(_line(field, True)))
            return
        peer.send(NDJSON, chunk(_line(field)))
        if deed == "midway":
            assert peer.gone()
        while deed == "endless":
            peer.send(chunk(_line(field) * 500))
        if deed == "finish":
            assert self.go.wait(PATIENCE)
        peer.send(chunk(_line(field, True)) + LAST)


def _line(field: bytes, done: bool = False) -> bytes:
    said = b'"Well"' if field == b"response" else b'{"role":"assistant","content":"A"}'
    end = b'"done":true,"done_reason":"stop"' if done else b'"done":false'
    vectors = b'"embeddings":[[0.5]]'
    return b'{"model":"m","%s":%s,%s,%s}\n' % (field, said, vectors, end)


def _whole(data: bytes, status: bytes = b"200 OK") -> bytes:
    length = b"Content-Length: %d" % len(data)
    return b"HTTP/1.1 %s\r\n%s\r\n\r\n%s" % (status, length, data)
