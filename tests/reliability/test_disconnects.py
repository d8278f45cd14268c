"""Clients that leave: what they asked for ends, within a second, wherever it waits."""

import contextlib
import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support.faulty import Faulty, Peer
from support.leaving import (
    ask,
    connect,
    descriptors,
    eventually,
    fin,
    fresh,
    half,
    left,
    request,
    reset,
    rest,
    said,
    until,
)
from support.nginx import CONFIG, needs_nginx, nginx, replaced
from support.server import ROOT, Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

Leave = Callable[[socket.socket], None]

#: Seconds within which Ollama must be rid of a request whose client has left.
BOUND = 1.0
CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
EMBED = "/v1/embeddings"
MESSAGE = "/v1/messages"
#: Routes that never answer while clients leave: nothing but their path breaks them.
SILENT = ("/api/tags", "/api/show", "/api/pull")


class Way(NamedTuple):
    """A way to wait for Ollama: what is asked, of which it makes so many calls.

    ``begun`` says that something comes before the client leaves.
    """

    path: str
    body: dict[str, Any] | None = None
    calls: int = 1
    begun: bool = False


def messages(model: str, **more: Any) -> dict[str, Any]:
    """A chat's request."""
    return {"model": model, "messages": [{"role": "user", "content": "hi"}], **more}


def prompt(model: str, **more: Any) -> dict[str, Any]:
    """A completion's request."""
    return {"model": model, "prompt": "hi", **more}


WAYS = {
    "first byte": Way(CHAT, messages("fault-never")),
    "in the head": Way(CHAT, messages("fault-stall-head")),
    "in the body": Way(CHAT, messages("fault-stall-0")),
    "running": Way(CHAT, messages("sim-chunks999-tps20")),
    "stream, first byte": Way(CHAT, messages("fault-never", stream=True)),
    "stream, in the head": Way(CHAT, messages("fault-stall-head", stream=True)),
    "stream, stalled": Way(CHAT, messages("fault-stall-3", stream=True), 1, True),
    "stream, running": Way(CHAT, messages("sim-chunks999-tps20", stream=True), 1, True),
    "stream, dripping": Way(CHAT, messages("fault-drip-blank", stream=True), 1, True),
    "text": Way(TEXT, prompt("fault-never")),
    "text stream": Way(TEXT, prompt("fault-stall-2", stream=True), 1, True),
    "embeddings": Way(EMBED, {"model": "fault-never", "input": "hi"}),
    "batches": Way(EMBED, {"model": "fault-never", "input": list("abc")}, 2),
    "choices": Way(CHAT, messages("fault-never", n=4), 4),
    "choices, stream": Way(CHAT, messages("fault-stall-2", n=4, stream=True), 4, True),
    "choices, silent": Way(CHAT, messages("fault-never", n=4, stream=True), 4),
    "prompts": Way(TEXT, {"model": "fault-never", "prompt": ["a", "b", "c"]}, 3),
    "message": Way(MESSAGE, messages("fault-never")),
    "message, stream": Way(MESSAGE, messages("fault-never", stream=True)),
    "message, stalled": Way(MESSAGE, messages("fault-stall-2", stream=True), 1, True),
    "catalogue": Way(CHAT, messages("qwen3", reasoning_effort="high")),
    "list": Way("/v1/models"),
    "retrieve": Way("/v1/models/llama3.2"),
    "native": Way("/api/chat", messages("fault-never", stream=False)),
    "native stream": Way("/api/chat", messages("fault-stall-2"), 1, True),
    "native generate": Way("/api/generate", prompt("fault-never")),
    "native embed": Way("/api/embed", {"model": "fault-never", "input": "x"}),
    "native pull": Way("/api/pull", {"model": "llama3.2"}),
    "native list": Way("/api/tags"),
}
CARRIERS = ("builtin", "requests")
FEW = ("first byte", "running", "stream, first byte", "stream, stalled", "native")


def serving(simulator: Simulator, **env: str) -> Server:
    """Pannier before the simulator; it embeds one input with each call."""
    return Server({"OLLAMA_URL": simulator.url, "PANNIER_EMBEDDING_BATCH": "1", **env})


@pytest.fixture(scope="module")
def builtin(simulator: Simulator) -> Iterator[Server]:
    """Pannier with its own client for Ollama."""
    with serving(simulator) as server:
        yield server


@pytest.fixture(scope="module")
def by_requests(simulator: Simulator) -> Iterator[Server]:
    """Pannier with requests as its client for Ollama."""
    with serving(simulator, PANNIER_UPSTREAM_CLIENT="requests") as server:
        yield server


@pytest.fixture(scope="module")
def unix(simulator: Simulator) -> Iterator[tuple[Server, Path]]:
    """Pannier on a unix socket."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "pannier.sock")
        env = {"OLLAMA_URL": simulator.url}
        bind = ["--bind", f"unix:{path}"]
        with Server(env, arguments=bind, socket_path=path) as server:
            yield server, path


@pytest.fixture(scope="module")
def front(builtin: Server) -> Iterator[int]:
    """nginx before Pannier: its port."""
    config = replaced(
        CONFIG, "server 127.0.0.1:8080;", f"server 127.0.0.1:{builtin.port};"
    )
    with nginx(config) as url:
        yield int(url.rpartition(":")[2])


def newest(simulator: Simulator) -> int:
    """The id of the newest request that Ollama got."""
    return max([entry["id"] for entry in simulator.log()], default=0)


def made(simulator: Simulator, name: str, after: int) -> list[dict[str, Any]]:
    """The calls that a request made; without a name, those for the catalogue."""

    def of(entry: dict[str, Any]) -> str:
        headers = {key.lower(): value for key, value in entry["headers"]}
        return str(headers.get("x-request-id", ""))

    log = simulator.log()
    return [entry for entry in log if entry["id"] > after and of(entry) == name]


def all_leave(
    where: int | Path,
    server: Server,
    simulator: Simulator,
    ways: Collection[str],
    leave: Leave,
) -> None:
    """Ask in all ways, wait until Ollama is at it, leave, and see all end in time."""
    before = newest(simulator)
    names = {way: fresh(way.replace(", ", "-").replace(" ", "-")) for way in ways}
    theirs = {way: "" if way == "catalogue" else names[way] for way in ways}
    clients = {}

    def calls(way: str, outcome: str) -> bool:
        found = made(simulator, theirs[way], before)
        assert len(found) <= WAYS[way].calls, way
        return [one["outcome"] for one in found] == [outcome] * WAYS[way].calls

    with contextlib.ExitStack() as stack:
        stack.callback(simulator.mend)
        for route in SILENT:
            simulator.fault(route, "never")
        for way in ways:
            path, body, *_ = WAYS[way]
            method = "GET" if body is None else "POST"
            clients[way] = ask(where, method, path, names[way], body)
            stack.enter_context(clients[way])
        for way in ways:
            eventually(lambda way=way: calls(way, "open"))
            if WAYS[way].begun:
                until(clients[way], b"\r\n\r\n")
        now = time.time()
        for client in clients.values():
            leave(client)
        for way in ways:
            eventually(lambda way=way: calls(way, "client-left"))
            for call in made(simulator, theirs[way], before):
                assert call["closed"] - now <= BOUND, way
    for name in names.values():
        left(server, name)


@pytest.mark.parametrize("leave", [fin, reset, half])
def test_d1_d2_d4_p5_p6_leaving(
    builtin: Server, simulator: Simulator, leave: Leave
) -> None:
    """Whatever a client waits for ends when it leaves, and the log has one line."""
    all_leave(builtin.port, builtin, simulator, WAYS, leave)


def test_d1_d4_by_requests(by_requests: Server, simulator: Simulator) -> None:
    """The same holds with the other client for Ollama."""
    all_leave(by_requests.port, by_requests, simulator, WAYS, fin)


@needs_nginx
def test_d1_behind_nginx(front: int, builtin: Server, simulator: Simulator) -> None:
    """A client that leaves nginx ends its request as well."""
    # Which lets nobody manage models.
    ways = [way for way in WAYS if way != "native pull"]
    all_leave(front, builtin, simulator, ways, fin)


@pytest.mark.parametrize("leave", [fin, half])
def test_d1_d2_unix_socket(
    unix: tuple[Server, Path], simulator: Simulator, leave: Leave
) -> None:
    """A unix socket tells the same."""
    all_leave(unix[1], unix[0], simulator, FEW, leave)


def test_d2_half_closed_gets_nothing(builtin: Server, simulator: Simulator) -> None:
    """Who says that nothing more will come has left: no answer is sent to it."""
    name, before = fresh("half"), newest(simulator)
    with ask(builtin.port, "POST", CHAT, name, messages("fault-never")) as client:
        eventually(lambda: made(simulator, name, before))
        half(client)
        assert rest(client) == b""
    left(builtin, name)


def test_d1_with_a_body_nobody_wants(builtin: Server, simulator: Simulator) -> None:
    """A body with a GET, which nobody reads, does not hide that its client left."""
    name, before = fresh("get"), newest(simulator)
    simulator.fault("/api/tags", "never")
    try:
        with ask(builtin.port, "GET", "/v1/models", name, {}):
            (call,) = eventually(lambda: made(simulator, name, before))
            now = time.time()
        ended = simulator.wait(after=call["id"] - 1, outcome="client-left")
    finally:
        simulator.mend()
    assert ended["closed"] - now <= BOUND
    left(builtin, name)


def while_an_image_is_fetched(simulator: Simulator) -> None:
    """A client leaves while its images are fetched."""
    ends: list[float] = []

    def take(peer: Peer) -> None:
        peer.gone()
        ends.append(time.monotonic())

    with Faulty(take) as pictures:
        place = f"127.0.0.1:{pictures.port}"
        env = {"PANNIER_IMAGE_FETCH": "allowlist", "PANNIER_IMAGE_HOSTS": place}
        with serving(simulator, **env) as server:
            before, name = newest(simulator), fresh("image")
            parts = [
                {"type": "image_url", "image_url": {"url": f"http://{place}/{one}.png"}}
                for one in range(2)
            ]
            body = {"model": "llava", "messages": [{"role": "user", "content": parts}]}
            client = ask(server.port, "POST", CHAT, name, body)
            eventually(lambda: len(pictures.peers) == 2)
            now = time.monotonic()
            client.close()
            eventually(lambda: len(ends) == 2)
            assert max(ends) - now <= BOUND
            left(server, name)
            assert made(simulator, name, before) == []


@contextlib.contextmanager
def full() -> Iterator[socket.socket]:
    """A listener that takes no connection any more."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):  # more than fit: the last of them wait themselves
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
        yield listener


def connecting(port: int) -> int:
    """How many sockets of this machine wait for a connection to a port."""
    wanted = [f"0100007F:{port:04X}", "02"]  # SYN_SENT
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(line.split()[2:4] == wanted for line in lines)


def while_connecting(carrier: str) -> None:
    """A client leaves while there is no connection yet."""
    with full() as upstream:
        port: int = upstream.getsockname()[1]
        env = {
            "OLLAMA_URL": f"http://127.0.0.1:{port}",
            "PANNIER_UPSTREAM_CLIENT": carrier,
            "PANNIER_CONNECT_TIMEOUT": "30",
        }
        with Server(env) as server:
            before = connecting(port)
            for stream in (False, True):
                name = fresh("connect")
                body = messages("m", stream=stream)
                client = ask(server.port, "POST", CHAT, name, body)
                eventually(lambda: connecting(port) == before + 1)
                now = time.monotonic()
                client.close()
                left(server, name)
                eventually(lambda: connecting(port) == before)
                assert time.monotonic() - now <= BOUND


def test_d1_p5_pipelined_and_gone(builtin: Server, simulator: Simulator) -> None:
    """Who has sent the next request and leaves is seen; that one is never made."""
    before = newest(simulator)
    clients = {}
    for leave in (fin, reset, half):
        for together in (True, False):
            first, second = fresh("first"), fresh("second")
            one = request("POST", CHAT, first, messages("fault-never"))
            two = request("POST", CHAT, second, messages("sim-chunks3"))
            client = connect(builtin.port)
            client.sendall(one + two if together else one)
            eventually(lambda first=first: made(simulator, first, before))
            if not together:
                client.sendall(two)
            clients[client] = leave, first, second
    now = time.time()
    for client, (leave, _, _) in clients.items():
        leave(client)
    for client, (leave, first, second) in clients.items():
        (call,) = made(simulator, first, before)
        simulator.wait(after=call["id"] - 1, outcome="client-left")
        left(builtin, first)
        (call,) = made(simulator, first, before)
        assert call["closed"] - now <= BOUND
        assert rest(client) == b"" if leave is half else True
        client.close()
        assert made(simulator, second, before) == []


@pytest.mark.parametrize("together", [True, False])
def test_p5_pipelined_and_there(
    builtin: Server, simulator: Simulator, together: bool
) -> None:
    """Who has sent the next request and stays gets all answers, in order."""
    name, before = fresh("one"), newest(simulator)
    body = messages("sim-chunks8-tps10", stream=True)
    one = request("POST", CHAT, name, body)
    two = request("POST", CHAT, fresh("two"), messages("sim-chunks3", stream=True))
    three = request("GET", "/v1/models", fresh("three"), None, "Connection: close")
    with connect(builtin.port) as client:
        client.sendall(one + two + three if together else one)
        if not together:
            eventually(lambda: made(simulator, name, before))
            client.sendall(two + three)
        _, first, second, third = rest(client).split(b"HTTP/1.1 200 OK\r\n")
    for answer, model in ((first, b"sim-chunks8-tps10"), (second, b"sim-chunks3")):
        assert answer.count(b'"model":"%b"' % model) == answer.count(b"data: {") > 3
        assert answer.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert b'"object":"list"' in third


def test_d1_kept_connections(builtin: Server, simulator: Simulator) -> None:
    """On a connection that was kept each further request is watched like the first."""
    before = newest(simulator)
    with connect(builtin.port) as client:
        for model in ("sim-chunks3", "sim-chunks4", "fault-stall-3"):
            name = fresh("kept")
            client.sendall(request("POST", CHAT, name, messages(model, stream=True)))
            stalls = model == "fault-stall-3"
            until(client, b"data: {" if stalls else b"data: [DONE]\n\n\r\n0\r\n\r\n")
        (call,) = made(simulator, name, before)
        now = time.time()
    ended = simulator.wait(after=call["id"] - 1, outcome="client-left")
    assert ended["closed"] - now <= BOUND
    left(builtin, name)


def test_d1_p5_leaving_between_two(builtin: Server) -> None:
    """Who leaves when all is said has not left; and nobody else is hit by it."""
    names = []
    for number in range(20):
        stream = number % 2 == 0
        with connect(builtin.port) as client:
            for _ in range(2):
                names.append(fresh("between"))
                body = messages("sim-chunks2", stream=stream)
                client.sendall(request("POST", CHAT, names[-1], body))
                until(client, b"\r\n0\r\n\r\n" if stream else b'"total_tokens"')
            if number % 4 < 2:
                reset(client)
    for name in names:
        (line,) = said(builtin, name)
        assert "status=200 outcome=done" in line
    assert "Traceback" not in builtin.output()


@pytest.mark.parametrize("carrier", ["builtin", "by_requests"])
def test_d3_a_hundred_at_once(
    request: pytest.FixtureRequest, simulator: Simulator, carrier: str
) -> None:
    """A hundred clients that send and leave leave nothing behind."""
    server: Server = request.getfixturevalue(carrier)
    open_before, before = simulator.open(), descriptors(server)
    names = [fresh("hundred") for _ in range(100)]
    clients = [
        ask(server.port, "POST", CHAT, name, messages("fault-never", stream=n % 2 > 0))
        for n, name in enumerate(names)
    ]
    for number, client in enumerate(clients):
        (fin, reset)[number % 3 == 0](client)
    end = time.monotonic() + 3
    for name in names:
        assert len(said(server, name)) == 1
    eventually(lambda: simulator.open() <= open_before)
    eventually(lambda: descriptors(server) <= before + 10)
    assert time.monotonic() < end
    assert "Traceback" not in server.output()


@pytest.mark.parametrize("leave", [fin, reset, half])
@pytest.mark.parametrize("chunked", [False, True])
def test_d5_leaving_while_sending(
    builtin: Server, simulator: Simulator, leave: Leave, chunked: bool
) -> None:
    """Who leaves before all of a request has come costs Ollama nothing."""
    name, before = fresh("upload"), newest(simulator)
    framing = "Transfer-Encoding: chunked" if chunked else "Content-Length: 100"
    client = ask(builtin.port, "POST", CHAT, name, None, framing)
    client.sendall(b'10\r\n{"model":"tiny",' if chunked else b'{"model":"tiny",')
    leave(client)
    assert len(said(builtin, name)) == 1
    client.close()
    assert newest(simulator) == before
    assert "Traceback" not in builtin.output()


#: Servers that hand over no socket.
OTHERS = {
    "wsgiref": "simple_server.make_server('127.0.0.1', port, app).serve_forever()",
    "werkzeug": "run_simple('127.0.0.1', port, app)",
}
STARTED = """\
import os, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
from wsgiref import simple_server
from werkzeug.serving import run_simple
from app.settings import Settings
from middleware.stack import build_stack
app, port = build_stack(Settings.from_environ()), int(os.environ['PANNIER_PORT'])
"""


def without_a_socket(simulator: Simulator, other: str) -> None:
    """A client leaves a server that tells nothing of it."""
    env = {"OLLAMA_URL": simulator.url, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", STARTED + OTHERS[other]]
    with Server(env, command=command) as server:
        name, before = fresh("other"), newest(simulator)
        body = messages("sim-chunks999-tps10", stream=True)
        client = ask(server.port, "POST", CHAT, name, body)
        until(client, b"data: {")
        reset(client)
        (call,) = made(simulator, name, before)
        simulator.wait(after=call["id"] - 1, outcome="client-left")
        (line,) = said(server, name)
        assert "outcome=left" in line
        assert "Traceback" not in server.output()
        with ask(server.port, "POST", CHAT, name, messages("sim-chunks2")) as client:
            assert json.loads(until(client, b"total_tokens").split(b"\r\n\r\n")[1])


@pytest.fixture(scope="module")
def apart(simulator: Simulator) -> Iterator[dict[str, Future[None]]]:
    """What needs servers of its own, side by side."""
    with ThreadPoolExecutor(8) as pool:
        jobs = {"image": pool.submit(while_an_image_is_fetched, simulator)}
        for carrier in CARRIERS:
            jobs[carrier] = pool.submit(while_connecting, carrier)
        for other in OTHERS:
            jobs[other] = pool.submit(without_a_socket, simulator, other)
        yield jobs


def test_d1_while_an_image_is_fetched(apart: dict[str, Future[None]]) -> None:
    """A fetch ends with the request that wanted it, and Ollama is never asked."""
    apart["image"].result()


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="Linux only")
@pytest.mark.parametrize("carrier", CARRIERS)
def test_d1_while_connecting(apart: dict[str, Future[None]], carrier: str) -> None:
    """A client that leaves while there is no connection yet ends the attempt."""
    apart[carrier].result()


@pytest.mark.parametrize("other", OTHERS)
def test_d1_servers_without_a_socket(
    apart: dict[str, Future[None]], other: str
) -> None:
    """A server that tells nothing of its client notices with the next writes."""
    apart[other].result()
