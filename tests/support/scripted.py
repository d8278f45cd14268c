"""An Ollama of few words: what it does depends on the model that it is asked for."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .faulty import CHUNKED, Peer
from .server import Server

NDJSON = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Type: application/x-ndjson\r\n\r\n")
#: Where a chat is asked for, and in which dialect it answers.
CHATS = {
    "openai": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "native": "/api/chat",
}
#: And where the end of an answer repeats all of it.
ALL_CHATS = CHATS | {"responses": "/v1/responses"}


def line(text: str = "", **more: Any) -> bytes:
    """One line of a chat."""
    reply = {"message": {"role": "assistant", "content": text}, "done": False, **more}
    return json.dumps(reply).encode() + b"\n"


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


DONE = line(done=True, done_reason="stop")
LAST = b"0\r\n\r\n"


def asked(peer: Peer) -> Iterator[str]:
    """The models that are asked for on a connection, one request after the other."""
    while True:
        _, body = peer.request()
        if not body:
            return
        found = re.search(rb'"model": ?"([^"]+)"', body)
        yield found[1].decode() if found else ""


def chat(model: str, stream: bool = True) -> dict[str, Any]:
    """A chat with a model."""
    messages = [{"role": "user", "content": "x"}]
    return {"model": model, "messages": messages, "stream": stream}


def talk(dialect: str, model: str, stream: bool = True) -> dict[str, Any]:
    """The same in any dialect; nothing of it is kept."""
    if dialect == "responses":
        return {"model": model, "input": "x", "stream": stream, "store": False}
    return chat(model, stream)


class Steps:
    """Lines that are sent one by one, each when it is asked for."""

    def __init__(self) -> None:
        self._next = threading.Semaphore(0)

    def go(self) -> None:
        """Send one more."""
        self._next.release()

    def wait(self) -> None:
        """Wait to be asked for one."""
        assert self._next.acquire(timeout=10)


class Memory:
    """The most that a server's only worker has held since this was made."""

    def __init__(self, server: Server) -> None:
        (pid,) = server.workers()
        self._status = Path(f"/proc/{pid}/status")
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # forget the peak
        self._before = self._megabytes()

    def growth(self) -> float:
        """MB above what it held then, at the worst moment."""
        return self._megabytes() - self._before

    def _megabytes(self) -> float:
        found = re.search(r"VmHWM:\s+(\d+) kB", self._status.read_text())
        assert found
        return int(found[1]) / 1024
