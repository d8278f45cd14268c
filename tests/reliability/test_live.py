"""What runs now, and ending it: real workers, real clients, several machines."""

import json
import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from socket import socket
from typing import Any

import anthropic
import openai
import pytest
from support.leaving import ask, descriptors, eventually, fresh, left, rest, until
from support.operating import Operator
from support.raw import Got
from support.raw import ask as got
from support.redis import needs_redis, redis
from support.scripted import ALL_CHATS, chat, talk
from support.server import Server
from support.simulator import Simulator

from app.admin.live import MOST
from app.live import Live, Overview, Running

pytestmark = pytest.mark.live

#: An answer that lasts longer than any test.
SLOW = "sim-chunks1000-tps5"
TOLD = "ended by an administrator"
PASSWORD = "correct horse battery staple"
#: Seconds within which Ollama must be rid of what was ended.
BOUND = 1.0
#: Descriptors of a worker whose clients have gone; there are about fifteen.
FEW = 30


@contextmanager
def serving(ollama: Simulator, state: Path, workers: int = 1, **env: str) -> Any:
    """A server that meets in ``state``, and what its operator sees."""
    given = {
        "OLLAMA_URL": ollama.url,
        "PANNIER_STATE_DIR": str(state),
        "PANNIER_USAGE": "on",
        "WEB_CONCURRENCY": str(workers),
        "ADMIN_PASSWORD": PASSWORD,
        **env,
    }
    url = env.get("PANNIER_LIMITS_URL", "")
    with Server(given) as server, closing(Live(str(state), url)) as live:
        eventually(lambda: live.overview().workers == workers)
        yield server, live


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory whose name is short enough."""
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def running(ollama: Simulator, state: Path) -> Iterator[tuple[Server, Live]]:
    """One worker."""
    with serving(ollama, state) as both:
        yield both


def by_id(live: Live) -> dict[str, Running]:
    """What runs."""
    return {one.id: one for one in live.overview().running}


def closed(ollama: Simulator) -> None:
    """Ollama is rid of all requests, soon."""
    eventually(lambda: not ollama.open(), BOUND)


# ------------------------------------------------------------- all workers


def stream(server: Server, name: str) -> socket:
    """A stream that has begun."""
    sock = ask(server.port, "POST", ALL_CHATS["openai"], name, chat(SLOW))
    until(sock, b" word")
    return sock


def test_all_workers(ollama: Simulator, tmp_path: Path) -> None:
    """All workers' requests are seen, but for one that hangs or was killed."""
    with serving(ollama, tmp_path, 2) as (server, live), ExitStack() as stack:
        pids = sorted(server.workers())
        for pid, other in zip(pids, reversed(pids), strict=True):
            os.kill(other, signal.SIGSTOP)
            try:
                stack.enter_context(stream(server, f"of-{pid}"))
                began = time.monotonic()
                seen = live.overview()
                assert time.monotonic() - began < 2
                assert (seen.workers, seen.silent) == (1, 1)
            finally:
                os.kill(other, signal.SIGCONT)
        found = eventually(lambda: len(by_id(live)) == 2 and by_id(live))
        assert {name: one.pid for name, one in found.items()} == {
            f"of-{pid}": pid for pid in pids
        }
        os.kill(pids[0], signal.SIGKILL)
        eventually(lambda: set(by_id(live)) == {f"of-{pids[1]}"})
        assert live.cancel(f"of-{pids[0]}")[1] == 0
        assert live.cancel(f"of-{pids[1]}")[1] == 1
        eventually(lambda: live.overview().workers == 2)  # another took its place
        assert live.overview().silent == 0
        assert len(list((tmp_path / "live").iterdir())) == 2
        server.stop()
        assert list((tmp_path / "live").iterdir()) == []


def test_what_is_seen(running: tuple[Server, Live]) -> None:
    """A stream grows, a whole answer waits, and what is no model's is not there."""
    server, live = running
    streamed, whole = fresh("streamed"), fresh("whole")
    path = ALL_CHATS["anthropic"]
    with (
        ask(server.port, "POST", path, streamed, chat(SLOW)) as one,
        ask(server.port, "POST", path, whole, chat(SLOW, stream=False)),
    ):
        until(one, b" word")
        found = eventually(lambda: {streamed, whole} <= by_id(live).keys() and live)
        first = by_id(found)[streamed]
        assert (first.endpoint, first.protocol) == ("messages", "anthropic")
        assert (first.stream, first.state, first.client) == (
            True,
            "answering",
            "127.0.0.1",
        )
        assert (first.model, first.resolved) == (SLOW, SLOW)
        assert first.pid in server.workers()

        def grown() -> bool:
            now = by_id(live)[streamed]
            more = (now.tokens or 0) > (first.tokens or 0)
            return more and now.bytes_sent > first.bytes_sent

        eventually(grown)
        now = by_id(live)
        assert 2 < (now[streamed].tokens_per_s or 0) < 20  # five, as it is asked for
        waiting = now[whole]
        assert (waiting.stream, waiting.state) == (False, "waiting")
        assert (waiting.tokens, waiting.bytes_sent) == (None, 0)
        assert all(one.endpoint != "own" for one in now.values())


# ------------------------------------------------------------------ ending


def by_chat(url: str, name: str, stream: bool) -> None:
    """OpenAI's library, its usual endpoint."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x") as client:
        answer = client.chat.completions.create(
            extra_headers={"X-Request-Id": name}, **chat(SLOW, stream)
        )
        assert list(answer) is None


def by_completions(url: str, name: str, stream: bool) -> None:
    """OpenAI's library, its oldest endpoint."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x") as client:
        answer: Any = client.completions.create(
            model=SLOW, prompt="x", stream=stream, extra_headers={"X-Request-Id": name}
        )
        assert list(answer) is None


def by_responses(url: str, name: str, stream: bool) -> None:
    """OpenAI's library, its newest endpoint: a failure is the last event."""
    with openai.OpenAI(base_url=f"{url}/v1", api_key="x") as client:
        answer: Any = client.responses.create(
            extra_headers={"X-Request-Id": name}, **talk("responses", SLOW, stream)
        )
        last = list(answer)[-1]
        assert last.type == "response.failed"
        raise RuntimeError(last.response.error.message)


def by_messages(url: str, name: str, stream: bool) -> None:
    """Anthropic's library."""
    with anthropic.Anthropic(base_url=url, api_key="x") as client:
        answer: Any = client.messages.create(
            max_tokens=5000, extra_headers={"X-Request-Id": name}, **chat(SLOW, stream)
        )
        assert list(answer) is None


def by_socket(path: str, body: dict[str, Any]) -> Callable[[str, str, bool], None]:
    """No library: the end is a line, or a whole answer."""

    def by_itself(url: str, name: str, stream: bool) -> None:
        asked = {**body, "stream": stream}
        port = int(url.rpartition(":")[2])
        with ask(port, "POST", path, name, asked, "Connection: close") as sock:
            sock.settimeout(60)
            said = rest(sock)
        assert (b" 200 OK" if stream else b" 499 ") in said.splitlines()[0]
        lines = [line for line in said.splitlines() if b'"error"' in line]
        told = json.loads(lines[-1].removeprefix(b"data: "))["error"]
        raise RuntimeError(told if isinstance(told, str) else told["message"])

    return by_itself


HOLE = {"model": SLOW, "input_prefix": "def f(", "input_suffix": "): pass"}
CLIENTS = {
    "chat": by_chat,
    "completions": by_completions,
    "responses": by_responses,
    "messages": by_messages,
    "native": by_socket("/api/chat", chat(SLOW)),
    "native generate": by_socket("/api/generate", {"model": SLOW, "prompt": "x"}),
    "code": by_socket("/infill", HOLE),
}


def kept(state: Path, name: str) -> tuple[str, str] | None:
    """What its row of usage says of a request: how it ended, and the code."""
    query = "SELECT status, error_code FROM usage_record WHERE request_id = ?"
    with (
        suppress(sqlite3.OperationalError),  # there are no tables yet
        closing(sqlite3.connect(state / "pannier.db", timeout=30)) as connection,
    ):
        found: tuple[str, str] | None = connection.execute(query, (name,)).fetchone()
        return found
    return None


@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("client", CLIENTS)
def test_ended(
    ollama: Simulator,
    running: tuple[Server, Live],
    state: Path,
    client: str,
    streamed: bool,
) -> None:
    """The client is told and does not ask again; Ollama stops; usage and log know."""
    server, live = running
    name = fresh("ended")
    ollama.clear()

    def begun() -> bool:
        one = by_id(live).get(name)
        wanted = "answering" if streamed else "waiting"
        return one is not None and one.state == wanted and ollama.open() == 1

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(CLIENTS[client], server.url, name, streamed)
        eventually(begun)
        assert live.cancel(name)[1] == 1
        closed(ollama)
        failure = asking.exception(timeout=30)
    assert TOLD in str(failure)
    if isinstance(failure, (openai.APIStatusError, anthropic.APIStatusError)):
        assert failure.status_code == (200 if streamed else 499)
    asked = [one["target"] for one in ollama.log() if one["method"] == "POST"]
    assert len([target for target in asked if target != "/api/show"]) == 1
    left(server, name, "request_cancelled")
    row = eventually(lambda: kept(state, name))
    assert row == ("cancelled", "request_cancelled")
    assert live.cancel(name)[1] == 0


def test_a_thousand(
    ollama: Simulator, running: tuple[Server, Live], state: Path
) -> None:
    """A thousand requests that were ended leave nothing behind, here and at Ollama."""
    server, live = running

    def some(count: int) -> list[str]:
        with ExitStack() as stack:
            names = [fresh("many") for _ in range(count)]
            socks = []
            for number, name in enumerate(names):
                dialect = list(ALL_CHATS)[number % 4]
                body = talk(dialect, SLOW, stream=number % 8 < 4)
                sock = ask(server.port, "POST", ALL_CHATS[dialect], name, body)
                socks.append(stack.enter_context(sock))
            eventually(lambda: set(names) <= by_id(live).keys())
            assert [live.cancel(name)[1] for name in names] == [1] * count
            told = b'"error"'
            assert all(told in until(sock, told) for sock in socks)
        eventually(lambda: live.overview().total == 0)
        closed(ollama)
        return names

    first = some(100)[-1]
    eventually(lambda: kept(state, first))  # the database is open from now on
    eventually(lambda: descriptors(server) < FEW)  # those of clients are closed
    before, held = descriptors(server), memory(server)
    for _ in range(10):
        some(100)
    eventually(lambda: descriptors(server) <= before)
    assert memory(server) - held < 4096  # KB; each request holds more than 20
    assert "Traceback" not in server.output()


def memory(server: Server) -> int:
    """KB that its only worker holds of its own."""
    (pid,) = server.workers()
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(rollup.partition("\nPss_Anon:")[2].split()[0])


# ------------------------------------------------------------ administering


class Admin:
    """Somebody who is signed in."""

    def __init__(self, server: Server) -> None:
        self.server = server
        form = {"username": "admin", "password": PASSWORD}
        self.headers = {"Content-Type": "application/json"}
        answer = self.ask("POST", "login", form)
        assert answer.status == 200, answer
        self.cookie = str(answer.header("Set-Cookie")).partition(";")[0]
        token = json.loads(answer.body)["csrf_token"]
        self.headers |= {"Cookie": self.cookie, "X-CSRF-Token": token}

    def ask(self, method: str, path: str, body: Any = None) -> Got:
        """One request."""
        target = f"/admin/api/v1/{path}"
        return got(self.server.port, method, target, body, self.headers)

    def feed(self) -> socket:
        """A stream of what runs."""
        target, cookie = "/admin/api/v1/live", f"Cookie: {self.cookie}"
        return ask(self.server.port, "GET", target, fresh("feed"), None, cookie)


def test_over_http(running: tuple[Server, Live]) -> None:
    """Who is signed in sees the same, once or each second, and ends what runs."""
    server, _ = running
    admin, name = Admin(server), fresh("seen")
    assert got(server.port, "GET", "/admin/api/v1/live").status == 401
    with stream(server, name) as one, admin.feed() as feed:
        answer = admin.ask("GET", "live?once=1")
        assert answer.header("Content-Type") == "application/json"
        seen = json.loads(answer.body)
        assert [found["id"] for found in seen["running"]] == [name]
        head = until(feed, b"data: ")
        assert b"Content-Type: text/event-stream" in head
        told = b""
        while told.count(b"data: ") < 2:
            told += until(feed, b"data: ")
        assert name.encode() in told
        answer = admin.ask("POST", f"live/{name}/cancel", {})
        assert (answer.status, json.loads(answer.body)) == (200, {"cancelled": 1})
        assert TOLD.encode() in rest_of_stream(one)
        answer = admin.ask("POST", f"live/{name}/cancel", {})
        assert (answer.status, answer.code) == (404, "not_found")
        until(feed, b'"running":[]')
        (newest,) = json.loads(admin.ask("GET", "audit?limit=1").body)["entries"]
        said = ("admin", "127.0.0.1", "request.cancel", name)
        assert tuple(newest[n] for n in ("actor", "ip", "action", "object")) == said


def rest_of_stream(sock: socket) -> bytes:
    """What a stream still says."""
    return until(sock, b"0\r\n\r\n")


def test_few_look_at_a_time(running: tuple[Server, Live]) -> None:
    """One more than a few is refused; whoever leaves makes room."""
    server, _ = running
    admin = Admin(server)
    for _ in range(2 * MOST):  # these look at nothing
        assert admin.ask("HEAD", "live").status == 200
    with ExitStack() as stack:
        # Of those who have just left it may not be known yet.
        feeds = [eventually(lambda: looking(admin)) for _ in range(MOST)]
        for feed in feeds:
            stack.enter_context(feed)
        answer = admin.ask("GET", "live")
        assert (answer.status, answer.code) == (429, "rate_limit_exceeded")
        assert answer.header("Retry-After") == "5"
        feeds[0].close()
        stack.enter_context(eventually(lambda: looking(admin)))


def looking(admin: Admin) -> socket | None:
    """A stream of what runs that has begun, if there is room for one."""
    feed = admin.feed()
    if b" 200 OK" in until(feed, b"\r\n"):
        return feed
    feed.close()
    return None


def test_the_command(
    ollama: Simulator, running: tuple[Server, Live], state: Path, tmp_path: Path
) -> None:
    """An operator sees what runs, ends it, and is told of an id that nobody has."""
    server, _ = running
    name = fresh("typed")
    operator = Operator(tmp_path, PANNIER_STATE_DIR=str(state))
    with stream(server, name) as one:
        (head, row) = operator.do("live").splitlines()
        assert head.startswith("ID ")
        assert row.startswith(f"{name} ")
        assert SLOW in row
        (seen,) = json.loads(operator.do("live", "--json"))["running"]
        assert seen["id"] == name
        assert operator.do("live", "cancel", name) == f"{name} is ended."
        assert TOLD.encode() in rest_of_stream(one)
    assert f"cli  request.cancel  {name}" in operator.do("audit", "--limit", "1")
    done = operator("live", "cancel", name)
    assert (done.code, done.out) == (2, "")
    assert f"'{name}'" in done.err
    assert operator.do("live") == "Nothing runs."


# ---------------------------------------------------------- several machines


@needs_redis
def test_all_machines(ollama: Simulator, tmp_path: Path) -> None:
    """Machines of one Redis see and end each other's; without it each has its own."""
    with redis() as shared, ExitStack() as stack:
        env = {"PANNIER_LIMITS_URL": shared.url}
        places = [tmp_path / "a", tmp_path / "b"]
        both = [
            stack.enter_context(serving_elsewhere(ollama, place, env))
            for place in places
        ]
        (one, live), (other, _) = both
        eventually(lambda: live.overview().workers == 2)
        streams = [
            stack.enter_context(stream(server, name))
            for server, name in ((one, "here"), (other, "there"))
        ]
        assert set(by_id(live)) == {"here", "there"}
        admin = Admin(one)
        assert len(json.loads(admin.ask("GET", "live?once=1").body)["running"]) == 2
        answer = admin.ask("POST", "live/there/cancel", {})
        assert json.loads(answer.body) == {"cancelled": 1}
        assert TOLD.encode() in rest_of_stream(streams[1])
        assert live.cancel("there")[1] == 0
        shared.freeze(True)
        try:
            seen = json.loads(admin.ask("GET", "live?once=1").body)
            assert [found["id"] for found in seen["running"]] == ["here"]
            assert "Redis" in seen["note"]
            assert shared.PASSWORD not in seen["note"]
        finally:
            shared.freeze(False)
        shared.stop()
        seen_here: Overview = live.overview()
        assert (seen_here.workers, "Redis" in seen_here.note) == (1, True)
        shared.start()
        eventually(lambda: live.overview().workers == 2)
        assert live.overview().note == ""
        for server, _ in both:
            assert shared.PASSWORD not in server.output()
            assert "Traceback" not in server.output()


@contextmanager
def serving_elsewhere(ollama: Simulator, place: Path, env: dict[str, str]) -> Any:
    """A machine of its own, but for the Redis; and its operator."""
    place.mkdir()
    given = {
        "OLLAMA_URL": ollama.url,
        "PANNIER_STATE_DIR": str(place),
        "ADMIN_PASSWORD": PASSWORD,
    }
    live = Live(str(place), env["PANNIER_LIMITS_URL"])
    with Server({**given, **env}) as server, closing(live):
        yield server, live
