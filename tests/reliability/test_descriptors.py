"""Descriptors: the limit at the start, what happens without any left, and no leak."""

import json
import re
import resource
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

import pytest
from support.faulty import CHUNKED, Faulty, Peer
from support.leaving import descriptors, eventually
from support.server import PATIENCE, Server

from app.launch import gunicorn

pytestmark = pytest.mark.live

BODY = json.dumps(
    {"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}
).encode()
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
) % (len(BODY), BODY)


def line(done: bool) -> bytes:
    """A chunk with one line of a chat."""
    text = json.dumps(
        {
            "model": "m",
            "created_at": "2026-01-02T03:04:05.678Z",
            "message": {"role": "assistant", "content": "x"},
            "done": done,
        }
    )
    return b"%x\r\n%b\n\r\n" % (len(text) + 1, text.encode())


class Held:
    """An upstream whose streams begin, and end when they may."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        peer.request()
        peer.send(CHUNKED, line(done=False))
        self.released.wait(PATIENCE)
        peer.send(line(done=True), b"0\r\n\r\n")


@contextmanager
def limited(command: str, **environ: str) -> Iterator[Server]:
    """Pannier after a command of the shell that sets limits."""
    program, extra = gunicorn([])
    shell = ["sh", "-c", f'{command} && exec "$0" "$@"', *program]
    with Server({**environ, **extra}, command=shell) as server:
        yield server


def test_r7_the_start_warns_of_too_few_descriptors() -> None:
    """Where the hard limit is too low, one line says so, and how to raise it."""
    with limited("ulimit -n 512", PANNIER_MAX_INFLIGHT="300") as server:
        (warning,) = re.findall(r".*\[WARNING\].*", server.output())
    for words in ("PANNIER_MAX_INFLIGHT", "728", "512", "ulimit -n", "LimitNOFILE"):
        assert words in warning


def test_r7_the_start_raises_the_soft_limit() -> None:
    """Where only the soft limit is too low it is raised, and there is no warning."""
    needed = 2 * 300 + 128
    if 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < needed:
        pytest.skip("the hard limit of this machine is too low")
    with limited("ulimit -S -n 256", PANNIER_MAX_INFLIGHT="300") as server:
        assert "[WARNING]" not in server.output()
        (worker,) = server.workers()
        assert resource.prlimit(worker, resource.RLIMIT_NOFILE)[0] == needed


def asked(port: int) -> socket.socket:
    """A connection on which a stream has been asked for."""
    client = socket.create_connection(("127.0.0.1", port), PATIENCE)
    client.sendall(REQUEST)
    return client


def statuses(clients: Sequence[socket.socket]) -> list[int]:
    """The statuses of the answers that begin on these connections."""
    return [int(client.recv(12)[9:12]) for client in clients]


@pytest.mark.parametrize("limit", [60, 61])
def test_r7_no_descriptor_left(limit: int) -> None:
    """New work gets a 503, streams that run end well, and nothing exits.

    Each stream takes two, so it counts whether one is left in the end, or none.
    """
    held = Held()
    with (
        Faulty(held) as ollama,
        limited(
            f"ulimit -n {limit}", OLLAMA_URL=ollama.url, PANNIER_HEADER_TIMEOUT="1"
        ) as server,
        ExitStack() as clients,
    ):
        (worker,) = server.workers()
        running: list[socket.socket] = []
        refused: list[bytes] = []
        while len(refused) < 2:
            client = clients.enter_context(closing(asked(server.port)))
            (status,) = statuses([client])
            if status == 200:
                running.append(client)
                assert len(running) < 60
            else:
                assert status == 503
                refused.append(client.recv(65536))
        assert all(b"Retry-After: 1" in answer for answer in refused)
        held.released.set()
        for client in running:
            with client.makefile("rb") as answer:
                assert answer.read().count(b"data: [DONE]") == 1
        assert server.workers() == [worker]
        eventually(lambda: descriptors(server) < 40)
        assert statuses([clients.enter_context(closing(asked(server.port)))]) == [200]


def test_r7_abandoned_streams_leave_no_descriptor() -> None:
    """After 60 streams whose clients left, as many descriptors are open as before."""
    held = Held()
    with Faulty(held) as ollama, Server({"OLLAMA_URL": ollama.url}) as server:
        with closing(asked(server.port)) as client:
            assert statuses([client]) == [200]
        eventually(lambda: "outcome=left" in server.output())
        before = descriptors(server)
        for _ in range(3):
            some = [asked(server.port) for _ in range(20)]
            assert statuses(some) == [200] * 20
            for client in some:
                client.close()
        eventually(lambda: descriptors(server) <= before + 10)
        held.released.set()
