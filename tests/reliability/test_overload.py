"""Second tries, connections that Ollama closed, and more requests than are answered."""

import http.client
import json
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from support import slow
from support.raw import Got, ask
from support.server import PATIENCE, Server

pytestmark = pytest.mark.live

CHAT, TEXT, EMBED = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
NATIVE, MESSAGE = "/api/chat", "/v1/messages"
CLIENTS = ("builtin", "requests")
#: Requests that the server with the carrier of our own answers at a time.
LIMIT = 3
#: How often something is tried that a machine with more to do may make slow.
TRIES = 6
#: Seconds until Ollama has to have begun a stream.
FIRST_BYTE = 0.4


def at_once(jobs: list[Callable[[], object]]) -> None:
    """Do things side by side."""
    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(job) for job in jobs]:
            done.result()


class Servers:
    """Servers of several settings, started side by side, and one Ollama for each."""

    def __init__(
        self, stack: ExitStack, settings: Mapping[str, dict[str, str]]
    ) -> None:
        self.ollamas = {name: stack.enter_context(slow.Ollama()) for name in settings}
        servers = {
            name: Server({"OLLAMA_URL": self.ollamas[name].url, **given})
            for name, given in settings.items()
        }
        at_once([partial(stack.enter_context, server) for server in servers.values()])
        self.ports = {name: server.port for name, server in servers.items()}


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """One for each carrier, one whose Ollama is down, one with two workers."""
    with ExitStack() as stack, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        down = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        common = {
            "PANNIER_MODEL_DELETE": "true",
            "PANNIER_FIRST_BYTE_TIMEOUT": str(FIRST_BYTE),
        }
        settings = {
            name: {"PANNIER_UPSTREAM_CLIENT": name, **common} for name in CLIENTS
        }
        settings["down"] = {"OLLAMA_URL": down}
        settings["builtin"]["PANNIER_MAX_INFLIGHT"] = str(LIMIT)
        settings["two"] = {"PANNIER_MAX_INFLIGHT": "2", "WEB_CONCURRENCY": "2"}
        yield Servers(stack, settings)


def request(path: str, says: str, **more: Any) -> dict[str, Any]:
    """The body of a request that makes Ollama do something."""
    text: dict[str, Any] = {"prompt": says, "input": says}
    if path in (CHAT, NATIVE, MESSAGE):
        text = {"messages": [{"role": "user", "content": says}]}
    return {"model": "m", **text, **more}


#: What does not change models: path and fields.
CALLS = [
    *[
        (path, {"stream": stream})
        for path in (CHAT, TEXT, MESSAGE)
        for stream in (False, True)
    ],
    (CHAT, {"n": 3}),
    (EMBED, {}),
    (NATIVE, {"stream": False}),
    (NATIVE, {"stream": True}),
    ("/api/generate", {"stream": True}),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("path", "more"), CALLS, ids=str)
@pytest.mark.parametrize("says", ["stale", "leaves"])
def test_r1_r2_closed_connections(
    servers: Servers, client: str, path: str, more: dict[str, Any], says: str
) -> None:
    """What Ollama closed between two calls, or just as the next came, shows nowhere."""
    port = servers.ports[client]
    for _ in range(3):
        assert ask(port, "POST", NATIVE, request(NATIVE, "quick")).status == 200
        got = ask(port, "POST", path, request(path, says, **more))
        assert got.status == 200
        assert b"error" not in got.body


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "asked"),
    [
        ("POST", CHAT, request(CHAT, "stale"), 200, 2),
        ("POST", CHAT, request(CHAT, "dies"), 502, 2),
        ("POST", CHAT, request(CHAT, "byte"), 502, 1),
        ("POST", CHAT, request(CHAT, "byte", stream=True), 502, 1),
        ("POST", NATIVE, request(NATIVE, "byte"), 502, 1),
        ("POST", CHAT, request(CHAT, "busy"), 503, 1),
        ("POST", MESSAGE, request(MESSAGE, "stale"), 200, 2),
        ("POST", MESSAGE, request(MESSAGE, "dies", stream=True), 502, 2),
        ("POST", MESSAGE, request(MESSAGE, "byte"), 502, 1),
        ("POST", MESSAGE, request(MESSAGE, "busy"), 529, 1),
        ("POST", NATIVE, request(NATIVE, "busy"), 503, 1),
        ("POST", CHAT, request(CHAT, "silent", stream=True), 504, 1),
        ("POST", "/api/pull", {"model": "stale"}, 502, 1),
        ("POST", "/api/push", {"model": "stale"}, 502, 1),
        ("POST", "/api/create", {"model": "stale"}, 502, 1),
        ("POST", "/api/copy", {"source": "a", "destination": "stale"}, 502, 1),
        ("DELETE", "/api/delete", {"model": "stale"}, 502, 1),
        ("DELETE", "/v1/models/stale", None, 502, 1),
    ],
    ids=str,
)
def test_r1_second_tries(
    servers: Servers,
    client: str,
    method: str,
    path: str,
    body: Any,
    status: int,
    asked: int,
) -> None:
    """One more try where nothing was said on a used connection; else none."""
    port, ollama = servers.ports[client], servers.ollamas[client]
    said = json.dumps(body) if body else path
    deed = next(one for one in slow.DEEDS + slow.DEATHS if one in said)
    assert ask(port, "POST", NATIVE, request(NATIVE, "quick")).status == 200
    before = ollama.asked(deed)
    got = ask(port, method, path, body, {"X-Pannier-Heartbeat": "off"})
    assert got.status == status, got
    assert ollama.asked(deed) - before == asked


@pytest.mark.parametrize(
    ("path", "tried"),
    [(CHAT, True), (NATIVE, True), (EMBED, True), ("/api/pull", False)],
)
def test_r1_refused(servers: Servers, path: str, tried: bool) -> None:
    """A refused connection is tried again after 100 to 250 ms, not to change models."""
    least, most = (0.1, 0.35) if tried else (0.0, 0.1)
    taken: list[float] = []
    while not taken or (min(taken) > most and len(taken) < TRIES):
        begun = time.monotonic()
        got = ask(servers.ports["down"], "POST", path, request(path, "quick"))
        taken.append(time.monotonic() - begun)
        assert got.status == 502
    assert least <= min(taken) <= most, taken


class Held:
    """Requests that a server is answering and that do not end."""

    def __init__(self, servers: Servers, name: str) -> None:
        self._port = servers.ports[name]
        self._ollama = servers.ollamas[name]
        self._clients: list[socket.socket] = []

    def __enter__(self) -> "Held":
        return self

    def __exit__(self, *_: object) -> None:
        while self._clients:
            self.leave()
        end = time.monotonic() + PATIENCE
        while self._ollama.held():
            assert time.monotonic() < end

    def open(self, path: str, body: dict[str, Any], missing: int = 0) -> socket.socket:
        """Begin one; so many bytes of its body do not come."""
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
        self._clients.append(sock)
        text = json.dumps(body).encode()
        fields = f"Host: localhost\r\nContent-Length: {len(text) + missing}"
        sock.sendall(f"POST {path} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + text)
        return sock

    def leave(self) -> None:
        """The longest one leaves."""
        self._clients.pop(0).close()


def full(servers: Servers) -> Held:
    """As many requests as the server answers: several calls, an upload, a stream."""
    held, before = Held(servers, "builtin"), servers.ollamas["builtin"].asked("silent")
    held.open(CHAT, request(CHAT, "silent", n=4))
    held.open(CHAT, request(CHAT, "silent"), missing=1)
    held.open(NATIVE, request(NATIVE, "silent"))
    servers.ollamas["builtin"].wait_for(before + 5, "silent")
    return held


def refused(got: Got, native: bool) -> bool:
    """Whether it is the answer to one request too many, in its dialect."""
    assert got.status in (503, 529), got
    assert got.header("Retry-After") == "1"
    error = json.loads(got.body)["error"]
    message = "Too many requests are being answered; please try again."
    if got.status == 529:
        return bool(error == {"type": "overloaded_error", "message": message})
    if native:
        return bool(error == message)
    kind = {"type": "api_error", "param": None, "code": "server_overloaded"}
    return bool(error == {"message": message, **kind})


def test_r4_one_too_many(servers: Servers) -> None:
    """More than the limit are refused in 100 ms, in each dialect; health is not."""
    port = servers.ports["builtin"]
    before = servers.ollamas["builtin"].asked("quick")
    with full(servers):
        for method, path in [
            ("POST", CHAT),
            ("POST", TEXT),
            ("POST", EMBED),
            ("POST", MESSAGE),
            ("POST", f"{MESSAGE}/count_tokens"),
            ("GET", "/v1/models"),
            ("GET", "/v1/nothing"),
            ("POST", NATIVE),
            ("GET", "/api/tags"),
            ("POST", "/api/pull"),
            ("GET", "/ready"),
        ]:
            taken: list[float] = []
            while not taken or (min(taken) > 0.1 and len(taken) < TRIES):
                begun = time.monotonic()
                body = request(path, "quick") if method == "POST" else None
                got = ask(port, method, path, body)
                taken.append(time.monotonic() - begun)
                assert refused(got, path.startswith("/api/"))
                assert (got.status == 529) == path.startswith(MESSAGE)
            assert min(taken) <= 0.1, taken
        for path in ("/health", "/healthz"):
            assert ask(port, "GET", path).status == 200
    assert servers.ollamas["builtin"].asked("quick") == before


def test_r4_room_again(servers: Servers) -> None:
    """Refused requests take no place, and who leaves makes one, again and again."""
    port = servers.ports["builtin"]
    quick = request(CHAT, "quick")
    for _ in range(2):
        with ExitStack() as stack:
            turned_away = stack.enter_context(Held(servers, "builtin"))
            held = stack.enter_context(full(servers))
            for _ in range(20):  # they stay connected, some with a body under way
                for missing in (0, 1000):
                    sock = turned_away.open(CHAT, quick, missing)
                    answer = http.client.HTTPResponse(sock)
                    answer.begin()
                    assert answer.status == 503
            held.leave()
            wait_for_room(port)
            for _ in range(20):
                assert ask(port, "POST", CHAT, quick).status == 200


def wait_for_room(port: int) -> None:
    """Wait until a request is answered: that a client left is noticed soon."""
    begun = time.monotonic()
    while ask(port, "POST", CHAT, request(CHAT, "quick")).status == 503:
        assert time.monotonic() - begun < 5


def test_r4_each_worker_has_its_own(servers: Servers) -> None:
    """Two workers answer twice as many, and then no more."""
    port, ollama = servers.ports["two"], servers.ollamas["two"]
    with Held(servers, "two") as held:
        for answering in range(4):
            turned_away = True
            while turned_away:
                sock = held.open(CHAT, request(CHAT, "silent"))
                while ollama.asked("silent") == answering and not said(sock):
                    pass
                turned_away = ollama.asked("silent") == answering
        for _ in range(10):
            assert refused(ask(port, "POST", CHAT, request(CHAT, "quick")), False)
        assert ollama.asked("silent") == 4


def said(sock: socket.socket) -> bool:
    """Whether an answer has come, after a moment."""
    return bool(select.select([sock], [], [], 0.01)[0])
