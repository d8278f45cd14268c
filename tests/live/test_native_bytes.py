"""Ollama's own routes, byte for byte: with Pannier between it is as without it.

What a client sends is what reaches Ollama, and what Ollama answers is what the client
gets: for every exchange that was recorded of a real Ollama, and for bodies of every
kind in front of the simulator.  Looked at with nothing set, and with aliases, so that
the routes are those that read bodies.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from support import recorded
from support.faulty import Faulty
from support.native_bodies import corpus
from support.server import Server
from support.simulator import Simulator
from support.tap import Heard, Tap, Told, exchange

pytestmark = pytest.mark.live

GENERATE = "/api/generate"
CORPUS = corpus()
PATHS = ("/api/chat", GENERATE, "/api/embed", "/api/embeddings", "/api/show")
#: Recordings that are the exceptions: they complete code.
CODE = {
    "generate-empty-model": "no model",
    "generate-suffix-unsupported": "a suffix that Ollama cannot use",
}
RECORDED = [
    entry["name"]
    for entry in recorded.INDEX["fixtures"]
    if entry["path"] in (*PATHS, "/api/tags")
    # What browsers ask is answered by Pannier.
    and not entry["name"].startswith(("cors-", "options-"))
    and entry["name"] not in CODE
]
#: None of these is asked for, but with them bodies and lists are looked into.
ALIASES = "gpt-4o=not-installed,gpt-4*=not-installed,code-?=not-installed"


class Place(NamedTuple):
    """A server, and the tap between it and Ollama."""

    port: int
    tap: Tap

    def ask(self, request: bytes, id: str) -> tuple[Heard, Told]:
        """What a client gets for a request with this id, and what went through."""
        answer = exchange(self.port, request)
        return answer, self.tap.told.pop(id)


@pytest.fixture(scope="module", params=["", ALIASES], ids=["plain", "aliases"])
def place(request: pytest.FixtureRequest, simulator: Simulator) -> Iterator[Place]:
    """Pannier in front of a tap in front of the simulator."""
    tap = Tap(simulator.port)
    with Faulty(tap) as between:
        settings = {"OLLAMA_URL": between.url, "PANNIER_ALIASES": request.param}
        with Server(settings) as server:
            yield Place(server.port, tap)


def post(id: str, body: bytes, path: str = GENERATE) -> bytes:
    """A request as curl makes it."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Request-Id: {id}\r\n\r\n"
    )
    return head.encode() + body


def test_there_is_enough() -> None:
    """The corpus is large, and holds none of the exceptions."""
    assert len(CORPUS) >= 200
    assert len(set(CORPUS.values())) > 190
    assert len(RECORDED) > 240


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_exchange(place: Place, name: str) -> None:
    """What a real Ollama answered arrives whole; it was asked the same."""
    place.tap.recorded[name] = recorded.response_bytes(name)
    request = recorded.of(name, "request")
    sent = recorded.request_bytes(request, X_Request_Id=name)
    answer, told = place.ask(sent, name)
    assert answer.essence == told.answer.essence
    assert told.body == recorded.request_body(request)
    assert told.line == f"{request['method']} {request['path']} HTTP/1.1"
    for field in ("Accept", "Content-Type"):
        assert told.headers.get(field.lower()) == request["headers"].get(field)


@pytest.mark.parametrize("id", CORPUS)
def test_any_body(place: Place, id: str) -> None:
    """Whatever is generated natively: the same bytes there, the same bytes back."""
    answer, told = place.ask(post(id, CORPUS[id]), id)
    assert told.body == CORPUS[id]
    assert answer.essence == told.answer.essence


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("id", [name for name in CORPUS if name.startswith("odd-")])
def test_odd_bodies_elsewhere(place: Place, path: str, id: str) -> None:
    """The same on the other routes that name a model."""
    answer, told = place.ask(post(id, CORPUS[id], path), id)
    assert told.line == f"POST {path} HTTP/1.1"
    assert told.body == CORPUS[id]
    assert answer.essence == told.answer.essence


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_list(place: Place, method: str) -> None:
    """The list of models is Ollama's own."""
    head = f"{method} /api/tags HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    request = f"{head}X-Request-Id: tags\r\n\r\n".encode()
    answer, told = place.ask(request, "tags")
    assert answer.status == 200
    assert answer.essence == told.answer.essence


@pytest.mark.parametrize("model", ["tiny", "qwen3", "llama3.2", "all-minilm", "nobody"])
@pytest.mark.parametrize("key", ["model", "name"])
def test_every_model_is_shown_as_it_is(place: Place, key: str, model: str) -> None:
    """But for those that Pannier alone makes able to fill in."""
    body = json.dumps({key: model}).encode()
    answer, told = place.ask(post("show", body, "/api/show"), "show")
    assert told.body == body
    assert answer.essence == told.answer.essence
