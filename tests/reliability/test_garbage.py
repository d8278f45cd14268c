"""Garbage: what a request held is let go when it is over, not when that is collected.

Circles of objects keep answers and sockets for as long as nobody looks for them.
"""

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from support import slow
from support.raw import ask
from support.server import PATIENCE, ROOT, Server

from app.launch import gunicorn

pytestmark = pytest.mark.live

#: Of each kind, so many at least would be left.
MANY = 5
CHAT, NATIVE = "/v1/chat/completions", "/api/chat"
RESPONSES = "/v1/responses"
STREAM = {"stream": True}
IMAGE = [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/a.png"}}]


@pytest.fixture(scope="module")
def ollama() -> Iterator[slow.Ollama]:
    """An Ollama that does as it is told."""
    with slow.Ollama() as running:
        yield running


@pytest.fixture(scope="module", params=["builtin", "requests"])
def server(ollama: slow.Ollama, request: pytest.FixtureRequest) -> Iterator[Server]:
    """Pannier without a garbage collector, by either client."""
    program, extra = gunicorn([])
    conf = program.index("--config") + 1
    program[conf] = str(ROOT / "tests" / "support" / "garbage.conf.py")
    env = {
        "OLLAMA_URL": ollama.url,
        "PANNIER_UPSTREAM_CLIENT": request.param,
        "PANNIER_HEARTBEAT": "0.3",
        **extra,
    }
    with Server(env, command=[sys.executable, *program[1:]]) as it:
        yield it


def left(server: Server) -> dict[str, int]:
    """What is there of every request of late."""
    found: dict[str, int] = json.loads(ask(server.port, "GET", "/garbage").body)
    return {kind: many for kind, many in found.items() if many >= MANY}


def chat(content: Any, **more: Any) -> dict[str, Any]:
    """A request for a chat that says what Ollama does."""
    return {"model": "m", "messages": [{"role": "user", "content": content}], **more}


def respond(given: Any, **more: Any) -> dict[str, Any]:
    """A request for a response that says what Ollama does."""
    return {"model": "m", "input": [{"role": "user", "content": given}], **more}


WHOLE = {
    "whole": (CHAT, chat("quick")),
    "whole, three": (CHAT, chat("quick", n=3)),
    "stream": (CHAT, chat("quick", **STREAM)),
    "stream of three": (CHAT, chat("quick", n=3, **STREAM)),
    "native": (NATIVE, chat("quick")),
    "native, refused": (NATIVE, chat("busy")),
    "bad": (CHAT, chat("quick", temperature="hot")),
    "no image": (CHAT, chat(IMAGE)),
    "refused": (CHAT, chat("busy")),
    "refused, three": (CHAT, chat("busy", n=3)),
    "stream, refused": (CHAT, chat("busy", **STREAM)),
    "stream of three, refused": (CHAT, chat("busy", n=3, **STREAM)),
    "no answer": (CHAT, chat("dies", **STREAM)),
    "no answers": (CHAT, chat("dies", n=3, **STREAM)),
    "response": (RESPONSES, respond("quick")),
    "response, not kept": (RESPONSES, respond("quick", store=False)),
    "response, streamed": (RESPONSES, respond("quick", **STREAM)),
    "response, refused": (RESPONSES, respond("busy", **STREAM)),
    "no response": (RESPONSES, respond("dies", **STREAM)),
    "response to nothing known": (
        RESPONSES,
        respond("quick", previous_response_id="resp_x"),
    ),
}


@pytest.mark.parametrize("case", WHOLE)
def test_r8_answers_leave_no_garbage(server: Server, case: str) -> None:
    """Answers and failures of every kind leave nothing for the garbage collector."""
    path, body = WHOLE[case]
    ask(server.port, "POST", path, body)  # the first makes more than others
    left(server)
    for _ in range(MANY):
        ask(server.port, "POST", path, body)
    assert left(server) == {}


LEFT = {
    "stream": (CHAT, chat("midway", **STREAM)),
    "stream of three": (CHAT, chat("midway", n=3, **STREAM)),
    "silent": (CHAT, chat("silent", **STREAM)),
    "endless": (CHAT, chat("endless", **STREAM)),
    "native": (NATIVE, chat("midway")),
    "response": (RESPONSES, respond("midway", **STREAM)),
    "silent response": (RESPONSES, respond("silent", **STREAM)),
}


@pytest.mark.parametrize("case", LEFT)
def test_r8_clients_that_leave_leave_no_garbage(
    server: Server, ollama: slow.Ollama, case: str
) -> None:
    """Answers that are abandoned leave nothing for the garbage collector."""
    path, body = LEFT[case]
    left(server)
    address = ("127.0.0.1", server.port)
    clients = [socket.create_connection(address) for _ in range(MANY)]
    data = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(data)}\r\n"
    for client in clients:
        client.settimeout(PATIENCE)
        client.sendall(head.encode() + b"\r\n" + data)
    for client in clients:
        with closing(client):
            assert client.recv(1)
    assert ollama.held() == 0
    assert left(server) == {}
