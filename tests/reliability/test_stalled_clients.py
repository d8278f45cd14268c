"""Clients that take nothing of their answer, and those that are only slow."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from statistics import median
from typing import Any

import pytest
from support.faulty import Faulty, Peer
from support.leaving import (
    ask,
    eventually,
    fin,
    fresh,
    half,
    left,
    reset,
    rest,
    until,
)
from support.nginx import CONFIG, needs_nginx, nginx, replaced
from support.raw import ask as get
from support.server import Server

pytestmark = pytest.mark.live

#: Seconds that a client may take nothing.
LIMIT = 1.0
#: Far more than the system holds for a client that does not read.
SIZE = 32 * 1024 * 1024
LINES = 4096
CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "hi"}]
WHOLE: dict[str, Any] = {"model": "m", "messages": HI, "stream": False}
STREAM = WHOLE | {"stream": True}
WAYS = {
    "whole": (CHAT, WHOLE),
    "stream": (CHAT, STREAM),
    "native": ("/api/chat", WHOLE),
    "native-stream": ("/api/chat", STREAM),
}
ENDS = {
    "whole": b"}}",
    "stream": b"data: [DONE]\n\n\r\n0\r\n\r\n",
    "native": b'"done": true}\n',
    "native-stream": b'"done": true}\n',
}


def line(size: int, done: bool) -> bytes:
    """A line of a chat with so much text."""
    message = {"role": "assistant", "content": "x" * size}
    return json.dumps({"model": "m", "message": message, "done": done}).encode() + b"\n"


@cache
def answer(stream: bool) -> bytes:
    """A long answer, in many lines or in one."""
    if stream:
        return line(SIZE // LINES, False) * LINES + line(0, True)
    return line(SIZE, True)


class Talker:
    """An Ollama whose answers are long; ``cut`` counts those that nobody took."""

    def __init__(self) -> None:
        self.cut = 0

    def __call__(self, peer: Peer) -> None:
        """Answer what is asked on a connection."""
        while True:
            head, body = peer.request()
            if not head:
                return
            text = answer(json.loads(body)["stream"])
            if b"short" in body:
                text = line(5, True)
            try:
                length = b"Content-Length: %d\r\n\r\n" % len(text)
                peer.send(b"HTTP/1.1 200 OK\r\n" + length, text)
            except ConnectionError:
                self.cut += 1
                return


@pytest.fixture(scope="module")
def talker() -> Talker:
    """Counts."""
    return Talker()


@pytest.fixture(scope="module")
def server(talker: Talker) -> Iterator[Server]:
    """Pannier before it, with little patience."""
    with Faulty(talker) as ollama:
        env = {"OLLAMA_URL": ollama.url, "PANNIER_WRITE_TIMEOUT": str(LIMIT)}
        with Server(env) as running:
            yield running


@pytest.fixture(scope="module")
def patient(talker: Talker) -> Iterator[Server]:
    """Pannier before it, with so much patience that nothing ends for want of it."""
    with Faulty(talker) as ollama, Server({"OLLAMA_URL": ollama.url}) as running:
        yield running


def begun(where: int, way: str, name: str) -> socket.socket:
    """A client that has read how its answer begins."""
    path, body = WAYS[way]
    client = ask(where, "POST", path, name, body, "Connection: close")
    assert b"200 OK" in until(client, b"\r\n\r\n")
    return client


def test_t1_s3_a_client_that_stops_reading(server: Server, talker: Talker) -> None:
    """Who takes nothing for long is cut, and its call; others notice nothing."""
    cut, since = talker.cut, time.monotonic()
    names = {way: fresh(way) for way in WAYS}
    clients = [begun(server.port, way, name) for way, name in names.items()]
    other = WHOLE | {"messages": [{"role": "user", "content": "short"}]}
    taken: list[float] = []
    cut_off: set[str] = set()
    while len(cut_off) < len(names):
        log, asked = server.output(), time.monotonic()
        cut_off = {name for name in names.values() if f"id={name} " in log}
        assert asked - since > LIMIT or not cut_off
        assert asked - since < LIMIT + 3
        assert get(server.port, "POST", CHAT, other).status == 200
        taken.append(time.monotonic() - asked)
    assert median(taken) < LIMIT / 2, taken
    for name in names.values():
        left(server, name, "stalled")
    for client in clients:
        with client:
            assert len(rest(client)) < SIZE / 2  # what the system held
    eventually(lambda: talker.cut - cut >= 2)  # the streams; others had come


@needs_nginx
def test_t1_behind_nginx(server: Server, talker: Talker) -> None:
    """A client of nginx that takes nothing does not hold the call for ever either."""
    cut = talker.cut
    config = replaced(
        CONFIG, "server 127.0.0.1:8080;", f"server 127.0.0.1:{server.port};"
    )
    name = fresh("nginx")
    with nginx(config) as url, begun(int(url.rpartition(":")[2]), "stream", name):
        left(server, name, "stalled")
    eventually(lambda: talker.cut > cut)


def test_t1_a_client_that_is_slow(server: Server) -> None:
    """Who reads little, but steadily, gets all of its answer, however long it takes."""
    with contextlib.ExitStack() as stack:
        clients = {fresh(f"slow-{way}"): way for way in WAYS}
        sockets = {
            name: stack.enter_context(begun(server.port, way, name))
            for name, way in clients.items()
        }
        seen = dict.fromkeys(clients, 0)
        end = time.monotonic() + 2 * LIMIT
        while time.monotonic() < end:
            for name, client in sockets.items():
                seen[name] += len(client.recv(8192))
            time.sleep(0.02)  # as slow readers do
        output = server.output()
        assert [name for name in clients if f"id={name} " in output] == []
        assert max(seen.values()) < SIZE / 10
        pool = stack.enter_context(ThreadPoolExecutor(len(sockets)))
        for name, answer in zip(sockets, pool.map(rest, sockets.values()), strict=True):
            assert seen[name] + len(answer) > SIZE - 65536  # what came with the head
            assert answer.endswith(ENDS[clients[name]]), clients[name]


def test_d1_d4_p6_leaving_while_written_to(patient: Server, talker: Talker) -> None:
    """Who leaves while the server waits to write more has left, without a trace."""
    cut = talker.cut
    clients = {}
    for leave in (fin, reset, half):
        for way in WAYS:
            name = fresh(f"leaving-{way}")
            clients[name] = leave, begun(patient.port, way, name)
    for leave, client in clients.values():
        leave(client)
    for name in clients:
        left(patient, name)
    eventually(lambda: talker.cut - cut >= 6)  # the streams; others had come
    for _, client in clients.values():
        client.close()
