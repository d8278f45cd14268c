"""Stopping, reloading and dying: what becomes of the answers that are under way."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
import openai
import pytest
from support import slow
from support.server import PATIENCE, ROOT, Server

from app.settings import Settings

pytestmark = pytest.mark.live

CHAT, NATIVE = "/v1/chat/completions", "/api/chat"
MESSAGE = "/v1/messages"
#: Seconds for running answers; those that are left are told three before that.
GRACE = 5
OFF = {"X-Pannier-Heartbeat": "off"}


class Case(NamedTuple):
    """A request, what Ollama does with it, and how its answer ends."""

    path: str
    says: str
    ends: str
    more: Mapping[str, Any] = MappingProxyType({})
    headers: Mapping[str, str] = MappingProxyType({})
    calls: int = 1


STREAM = {"stream": True}
CASES = {
    "stream": Case(CHAT, "midway", "event", STREAM),
    "stream-n4": Case(CHAT, "midway", "event", {"stream": True, "n": 4}, calls=4),
    "beating": Case(CHAT, "silent", "event", STREAM),
    "waiting": Case(CHAT, "silent", "503", STREAM, OFF),
    "whole": Case(CHAT, "silent", "503"),
    "whole-n4": Case(CHAT, "silent", "503", {"n": 4}, calls=4),
    "completion": Case("/v1/completions", "midway", "event", STREAM),
    "embeddings": Case("/v1/embeddings", "silent", "503"),
    "native": Case(NATIVE, "midway", "native line"),
    "native-waiting": Case(NATIVE, "silent", "native 503"),
    "native-whole": Case(NATIVE, "silent", "native 503", {"stream": False}),
    "message": Case(MESSAGE, "midway", "message event", STREAM),
    "message-beating": Case(MESSAGE, "silent", "message event", STREAM),
    "message-whole": Case(MESSAGE, "silent", "message 503"),
    "finishing": Case(CHAT, "finish", "done", STREAM),
    "finishing-message": Case(MESSAGE, "finish", "message done", STREAM),
    "finishing-whole": Case(CHAT, "finish", "200"),
    "finishing-native": Case(NATIVE, "finish", "native done"),
}


def body(case: Case) -> bytes:
    """The body of a request that makes Ollama do something."""
    text: dict[str, Any] = {"messages": [{"role": "user", "content": case.says}]}
    if case.path.endswith("embeddings"):
        text = {"input": case.says}
    elif case.path.endswith("/completions") and case.path != CHAT:
        text = {"prompt": case.says}
    return json.dumps({"model": "m", **text, **case.more}).encode()


class Seen(NamedTuple):
    """What a client saw, and when; ``whole``: the framing ended as it should.

    ``gone`` is when the server closed the connection, which the client did not.
    """

    status: int
    retry_after: str | None
    connection: str | None
    body: bytes
    whole: bool
    at: float
    gone: float = 0.0


def take(connection: http.client.HTTPConnection) -> Seen:
    """An answer."""
    return rest(connection.getresponse())


def rest(answer: http.client.HTTPResponse) -> Seen:
    """The rest of an answer whose head is there."""
    whole = True
    try:
        data = answer.read()
    except http.client.IncompleteRead as exc:
        data, whole = exc.partial, False
    fields = [answer.getheader(name) for name in ("Retry-After", "Connection")]
    return Seen(answer.status, *fields, data, whole, time.monotonic())


def connect(port: int) -> http.client.HTTPConnection:
    """A client's connection."""
    return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)


def send(connection: http.client.HTTPConnection, case: Case) -> None:
    """A request without its answer."""
    connection.request("POST", case.path, body(case), dict(case.headers))


def ask(port: int, case: Case) -> Seen:
    """One request on a connection that the client leaves open."""
    with contextlib.closing(connect(port)) as connection:
        send(connection, case)
        seen = take(connection)
        if connection.sock is not None:
            wait_for_close(connection.sock)
        return seen._replace(gone=time.monotonic())


def wait_for_close(sock: socket.socket) -> None:
    """Read on until the server has closed."""
    sock.settimeout(PATIENCE)
    with contextlib.suppress(ConnectionError):
        while sock.recv(65536):
            pass


def ask_again(connection: http.client.HTTPConnection, case: Case) -> Seen:
    """One request on a connection that was used before."""
    send(connection, case)
    return take(connection)


def opened(port: int, says: bytes, path: str = CHAT) -> socket.socket:
    """A connection with so much of a request's body as there is, of 1,000 bytes."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    sock.sendall(head.encode() + says)
    return sock


def upload(port: int) -> Seen:
    """A body that never arrives whole."""
    with opened(port, b"{") as sock:
        answer = http.client.HTTPResponse(sock)
        answer.begin()
        again, at = answer.getheader("Retry-After"), time.monotonic()
        return Seen(answer.status, again, None, answer.read(), True, at)


ENDLESS = Case(CHAT, "endless", "event", STREAM)


def endless(port: int) -> socket.socket:
    """A client whose answer has no end."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    text = body(ENDLESS)
    fields = f"Host: localhost\r\nContent-Length: {len(text)}"
    sock.sendall(f"POST {CHAT} HTTP/1.1\r\n{fields}\r\n\r\n".encode() + text)
    return sock


def read_slowly(port: int, hurry: threading.Event) -> Seen:
    """Take less than Ollama gives, so that the server always writes, until told."""
    with endless(port) as sock:
        last, end = b"", b"\r\n0\r\n\r\n"
        while not last.endswith(end) and (block := sock.recv(65536)):
            last = (last + block)[-1000:]
            hurry.wait(0.03)
        whole = last.endswith(end)
        frames = re.sub(rb"\r\n([0-9a-f]+\r\n)?", b"", last.removesuffix(end))
        return Seen(200, None, None, frames, whole, time.monotonic())


def refused(port: int) -> float:
    """When new connections are refused."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except ConnectionError:
            return time.monotonic()
        time.sleep(0.02)
    raise AssertionError("the listener does not close")


class Stop(NamedTuple):
    """A server's end; times are seconds since the signal, but for those of ``seen``."""

    seen: dict[str, Seen]
    sent: float
    closed: float
    exited: float
    code: int
    output: str
    held: int


PATIENT = {"PANNIER_HEARTBEAT": "0.1", "PANNIER_HEADER_TIMEOUT": "20"}


def stop(grace: int, client: str) -> Stop:
    """Stop a server that is doing all that is in ``CASES``, and more."""
    env = {"PANNIER_GRACEFUL_TIMEOUT": str(grace), "PANNIER_UPSTREAM_CLIENT": client}
    hurry = threading.Event()
    with (
        slow.Ollama() as ollama,
        Server({"OLLAMA_URL": ollama.url, **env, **PATIENT}) as server,
        ThreadPoolExecutor(32) as threads,
        contextlib.closing(connect(server.port)) as kept,
        contextlib.closing(connect(server.port)) as late,
        endless(server.port),
    ):
        for connection in (kept, late):
            connection.request("GET", "/health")
            assert take(connection).status == 200
        jobs = {n: threads.submit(ask, server.port, case) for n, case in CASES.items()}
        jobs["upload"] = threads.submit(upload, server.port)
        jobs["slow"] = threads.submit(read_slowly, server.port, hurry)
        ollama.wait_for(sum(case.calls for case in CASES.values()) + 2)
        sent = time.monotonic()
        server.send_signal(signal.SIGTERM)
        if grace < GRACE:  # there is no time to wait for anything
            ollama.go.set()
        closed = refused(server.port) - sent
        ollama.go.set()
        if grace == GRACE:
            jobs["kept"] = threads.submit(ask_again, kept, CASES["finishing-whole"])
            jobs["stream"].result()
            hurry.set()
            jobs["late"] = threads.submit(ask_again, late, CASES["whole"])
        hurry.set()
        code = server.wait()
        exited = time.monotonic() - sent
        held = ollama.held()
        seen = {name: job.result() for name, job in jobs.items()}
        return Stop(seen, sent, closed, exited, code, server.output(), held)


STOPS = [(GRACE, "builtin"), (GRACE, "requests"), (1, "builtin")]


@pytest.fixture(scope="module")
def stops(lives: object) -> dict[tuple[int, str], Stop]:
    """Servers of several settings that are stopped side by side, and beside others."""
    with ThreadPoolExecutor() as threads:
        jobs = {one: threads.submit(stop, *one) for one in STOPS}
        return {one: job.result() for one, job in jobs.items()}


ERROR = {
    "message": "Pannier is shutting down; please try again.",
    "type": "api_error",
    "param": None,
    "code": "server_shutting_down",
}


def message_ends_so(seen: Seen, how: str) -> bool:
    """The same for messages, in Anthropic's dialect."""
    told = seen.body.count(b'"error":'), seen.status, seen.retry_after
    error = {"type": "overloaded_error", "message": ERROR["message"]}
    if how == "message 503":
        return told == (1, 503, "1") and json.loads(seen.body)["error"] == error
    *_, last, end = seen.body.decode().split("\n\n")
    name, data = last.split("\n")
    assert end == ""
    if how == "message done":
        return told == (0, 200, None) and name == "event: message_stop"
    said = json.loads(data.removeprefix("data: "))["error"] == error
    unfinished = b"message_stop" not in seen.body and name == "event: error"
    return told == (1, 200, None) and said and unfinished


def ends_so(seen: Seen, how: str) -> bool:
    """Whether an answer ends in a way, with a proper end and nothing said twice."""
    if how.startswith("message "):
        return message_ends_so(seen, how)
    last = seen.body.split()[-1] if seen.body else b""
    told = seen.body.count(b'"error"'), seen.status, seen.retry_after
    wanted: Any = {"error": ERROR["message"] if "native" in how else ERROR}
    if how in ("503", "native 503"):
        return told == (1, 503, "1") and json.loads(seen.body) == wanted
    if how == "event":
        event = b"data: " + json.dumps(wanted, separators=(",", ":")).encode()
        ended = seen.body.endswith(b"\n\n" + event + b"\n\n")
        return told == (1, 200, None) and ended and b"[DONE]" not in seen.body
    lines = seen.body.splitlines()
    if how == "native line":
        unfinished = b'"done":true' not in seen.body
        return told == (1, 200, None) and json.loads(lines[-1]) == wanted and unfinished
    assert told == (0, 200, None)
    if how == "done":
        return last == b"[DONE]"
    return b'"done":true' in lines[-1] if how == "native done" else b"choices" in last


@pytest.mark.parametrize(
    ("stopped", "name"),
    # In so short a time nothing beats.
    [(s, name) for s in STOPS for name in CASES if s[0] > 1 or "beating" not in name],
    ids=str,
)
def test_l1_running_answers(
    stops: dict[tuple[int, str], Stop], stopped: tuple[int, str], name: str
) -> None:
    """Answers finish if they can in time; then each is told, in its own dialect."""
    ended = stops[stopped]
    seen, case = ended.seen[name], CASES[name]
    assert ends_so(seen, case.ends), seen
    assert seen.whole
    if case.says != "finish":
        grace = stopped[0]
        told = seen.at - ended.sent
        assert max(grace - 3, grace / 3) <= told < grace
        assert seen.gone - seen.at < 2  # nobody waits for the next request
    if name == "beating":
        assert seen.body.startswith(b": ")
    if name == "message-beating":
        assert seen.body.startswith(b"event: message_start\n")
        assert b"event: ping\n" in seen.body


@pytest.mark.parametrize("stopped", STOPS, ids=str)
def test_l1_the_end_of_the_process(
    stops: dict[tuple[int, str], Stop], stopped: tuple[int, str]
) -> None:
    """The listener closes in 2 s, the process ends in time, whatever clients do."""
    ended = stops[stopped]
    assert ended.closed <= 2
    assert ended.exited <= stopped[0] + 2
    assert ended.code == 0
    assert ended.held == 0
    assert "Traceback" not in ended.output
    assert "[error]" not in ended.output.lower()
    # The one that takes nothing is cut.
    assert stopped[0] == 1 or ended.output.count("outcome=stalled") == 1


@pytest.mark.parametrize("stopped", STOPS, ids=str)
@pytest.mark.parametrize(("name", "ends"), [("upload", "503"), ("slow", "event")])
def test_l1_slow_clients(
    stops: dict[tuple[int, str], Stop], stopped: tuple[int, str], name: str, ends: str
) -> None:
    """A client that still sends is told, and one that is slow to take, after that."""
    seen = stops[stopped].seen[name]
    assert ends_so(seen, ends), seen
    assert seen.whole


@pytest.mark.parametrize("stopped", STOPS[:2], ids=str)
def test_l1_kept_connections(
    stops: dict[tuple[int, str], Stop], stopped: tuple[int, str]
) -> None:
    """Requests on kept connections are answered as long as there is time, then 503."""
    kept, late = (stops[stopped].seen[name] for name in ("kept", "late"))
    assert (kept.status, kept.connection) == (200, "close")
    assert ends_so(late, "503"), late
    assert late.connection == "close"


def test_l1_time_to_stop() -> None:
    """systemd and compose wait longer than a stop may take before they kill."""
    longest = Settings().graceful_timeout + 2
    for name, pattern in (
        ("contrib/pannier.service", r"^TimeoutStopSec=(\d+)$"),
        ("compose.yaml", r"^    stop_grace_period: (\d+)s$"),
    ):
        [given] = re.findall(pattern, (ROOT / name).read_text(), re.MULTILINE)
        assert int(given) > longest


@contextlib.contextmanager
def serving() -> Iterator[tuple[slow.Ollama, Server]]:
    """A server whose workers come and go."""
    grace = {"PANNIER_GRACEFUL_TIMEOUT": str(GRACE)}
    with (
        slow.Ollama() as ollama,
        Server({"OLLAMA_URL": ollama.url, **grace}) as server,
    ):
        yield ollama, server


class Asking:
    """A client that asks without end, on new connections and on one that it keeps."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(keeps, stream))
            for keeps in (True, False)
            for stream in (True, False)
        ]
        self.asked = 0
        self.failed: list[str] = []

    def __enter__(self) -> "Asking":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, keeps: bool, stream: bool) -> None:
        case = Case(CHAT, "quick", "done" if stream else "200", {"stream": stream})
        connection = connect(self._port)
        while not self._stopped.wait(0.005):
            try:
                send(connection, case)
                seen = take(connection)
                if not (seen.whole and ends_so(seen, case.ends)):
                    self.failed.append(repr(seen))
            except (OSError, http.client.HTTPException, AssertionError) as exc:
                self.failed.append(repr(exc))
                connection.close()
            if not keeps:
                connection.close()
            self.asked += 1
        connection.close()


def wait_until(fact: Callable[[], object], server: Server) -> None:
    """Wait for something that a server does."""
    end = time.monotonic() + PATIENCE
    while not fact():
        assert time.monotonic() < end, server.output()
        time.sleep(0.02)


def new_workers() -> None:
    """Reload a server, and give it one worker more and one less."""
    with serving() as (ollama, server):

        def says(what: str, times: int) -> None:
            wait_until(lambda: server.output().count(what) == times, server)

        with ThreadPoolExecutor() as threads, Asking(server.port) as asking:
            stream = threads.submit(ask, server.port, CASES["finishing"])
            ollama.wait_for(1, "finish")
            server.send_signal(signal.SIGHUP)
            says("Booting worker", 2)
            before = asking.asked
            wait_until(lambda: asking.asked >= before + 20, server)
            ollama.go.set()
            assert ends_so(stream.result(), "done")
            says("Worker exiting", 1)
            server.send_signal(signal.SIGTTIN)
            says("Booting worker", 3)
            server.send_signal(signal.SIGTTOU)
            says("Worker exiting", 2)
        assert asking.asked > 50
        assert asking.failed == []
        assert "Traceback" not in server.output()


def new_master() -> None:
    """Replace a server's master."""
    with serving() as (_, server):
        with contextlib.ExitStack() as stack, Asking(server.port) as asking:
            old = server.workers()
            server.send_signal(signal.SIGUSR2)
            wait_until(lambda: len(server.workers()) > len(old), server)
            [new] = set(server.workers()) - set(old)
            stack.callback(refused, server.port)
            stack.callback(os.kill, new, signal.SIGTERM)
            wait_until(lambda: server.output().count("Booting worker") == 2, server)
            server.send_signal(signal.SIGTERM)
            assert server.wait() == 0
            before = asking.asked
            wait_until(lambda: asking.asked >= before + 20, server)
        assert asking.failed == []
        assert "Traceback" not in server.output()


def killed_worker() -> None:
    """Kill the one worker of a server that is at work."""
    with (
        serving() as (ollama, server),
        ThreadPoolExecutor() as threads,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="x", max_retries=0) as sdk,
        contextlib.ExitStack() as stack,
    ):
        begun = []
        for name in ("stream", "native"):  # Ollama's first line has reached the client
            client = stack.enter_context(contextlib.closing(connect(server.port)))
            send(client, CASES[name])
            begun.append(client.getresponse())
        whole = threads.submit(ask, server.port, CASES["whole"])
        reader = threads.submit(read_all, sdk)
        ollama.wait_for(4)
        [worker] = server.workers()
        os.kill(worker, signal.SIGKILL)
        killed = time.monotonic()
        with contextlib.closing(connect(server.port)) as connection:
            quick = ask_again(connection, Case(CHAT, "quick", "200"))
        assert ends_so(quick, "200")
        assert quick.at - killed <= 5
        for answer in begun:
            seen = rest(answer)
            assert not seen.whole
            for end in (b"[DONE]", b'"done":true', b'"error"'):
                assert end not in seen.body
        assert isinstance(whole.exception(), http.client.RemoteDisconnected)
        assert isinstance(reader.exception(), openai.APIError | httpx.HTTPError)
        assert ollama.held() == 0


@pytest.fixture(scope="module")
def lives() -> Iterator[dict[str, Future[None]]]:
    """What happens to servers that are not stopped, side by side."""
    with ThreadPoolExecutor() as threads:
        lived = (new_workers, new_master, killed_worker)
        yield {one.__name__: threads.submit(one) for one in lived}


def test_l2_new_workers(lives: dict[str, Future[None]]) -> None:
    """Reloads, more and fewer workers: no request fails, and a stream goes on."""
    lives["new_workers"].result()


def test_l2_a_new_master(lives: dict[str, Future[None]]) -> None:
    """SIGUSR2 starts a successor; the old one can go then, and no request fails."""
    lives["new_master"].result()


def test_l4_a_killed_worker(lives: dict[str, Future[None]]) -> None:
    """kill -9: its clients see a cut and no end; the next request is served in 5 s."""
    lives["killed_worker"].result()


def read_all(client: openai.OpenAI) -> None:
    """A stream through OpenAI's library."""
    messages: Any = [{"role": "user", "content": "midway"}]
    for _ in client.chat.completions.create(model="m", messages=messages, stream=True):
        pass
