"""Time: what bounds an exchange, and by which clock."""

import contextlib
import http.client
import json
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.failing import WAYS, Seen, ask
from support.server import ROOT, Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

#: How late a limit may be felt (T1): a second, and one more on a machine that is busy.
GRACE = 2.0
DAY = 86_400

#: Loaded by Python before anything else: time.time() is off by what a file says.
SHIFTED = """
import os, time

def shifted(real=time.time, path=os.environ["SHIFT"]):
    with open(path) as file:
        return real() + float(file.read())

time.time = shifted
"""


#: What takes too long, and how long it may take: seconds and words.
FIRST = (0.8, "did not begin its answer within 0.8 seconds")
IDLE = (1.2, "sent nothing for 1.2 seconds")
TOTAL = (2, "did not finish its answer within 2 seconds")
LATE = {
    ("never", "chat-stream"): FIRST,
    ("drip-blank-0", "chat-stream"): FIRST,
    ("drip-line-0", "completion-stream"): FIRST,
    ("stall", "chat-stream"): IDLE,
    ("drip-blank", "completion-stream"): IDLE,
    ("drip-line", "chat-stream"): IDLE,
    ("never", "chat"): TOTAL,
    ("drip-blank", "embeddings"): TOTAL,
}


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that says by how many seconds the wall clock of the server is off."""
    path = tmp_path_factory.mktemp("clock") / "shift"
    path.write_text("0")
    (path.parent / "sitecustomize.py").write_text(SHIFTED)
    return path


@pytest.fixture(scope="module")
def server(shift: Path) -> Iterator[Server]:
    """Pannier whose wall clock can be moved, with limits of its own."""
    with Simulator() as ollama:
        env = {
            "OLLAMA_URL": ollama.url,
            "PYTHONPATH": str(shift.parent),
            "SHIFT": str(shift),
            "PANNIER_FIRST_BYTE_TIMEOUT": str(FIRST[0]),
            "PANNIER_IDLE_TIMEOUT": str(IDLE[0]),
            "PANNIER_TOTAL_TIMEOUT": str(TOTAL[0]),
        }
        with Server(env) as running:
            yield running


def message(seen: Seen) -> str:
    """What an error says, in an event or as an answer."""
    body = seen.events[-1] if seen.status == 200 else seen.body
    return str(json.loads(body)["error"]["message"])


@pytest.fixture(scope="module")
def late(server: Server) -> dict[tuple[str, str], Seen]:
    """What became of each of them, tried side by side."""
    with ThreadPoolExecutor(len(LATE)) as threads:
        jobs = {
            (fault, way): threads.submit(
                ask, server.port, WAYS[way], f"fault-{fault}", f"{fault}.{way}"
            )
            for fault, way in LATE
        }
        return {pair: job.result() for pair, job in jobs.items()}


@pytest.mark.parametrize(("fault", "way"), LATE)
def test_t1_t2_each_limit_is_a_setting(
    late: dict[tuple[str, str], Seen], fault: str, way: str
) -> None:
    """First byte, silence between lines and the total end when they are said to."""
    seconds, words = LATE[fault, way]
    seen = late[fault, way]
    assert seconds <= seen.seconds <= seconds + GRACE
    assert words in message(seen)
    assert seen.status == (200 if seconds == IDLE[0] else 504)


def test_t2_a_flood_ends(server: Server) -> None:
    """A stream that never ends is cut at the total, however fast it comes."""
    seen = ask(server.port, WAYS["chat-stream"], "fault-endless-stream")
    *_, last, end = seen.body.rsplit(b"\n\n", 2)
    assert TOTAL[1] in json.loads(last.removeprefix(b"data: "))["error"]["message"]
    assert end == b""
    # The client, too, has a lot to read.
    assert TOTAL[0] <= seen.seconds <= TOTAL[0] + 4 * GRACE


def test_t1_connect_is_a_setting() -> None:
    """An Ollama that accepts no connection is a 504 after the connect limit."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):  # more than the queue holds: the kernel drops the rest
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        url = "http://{}:{}".format(*full.getsockname())
        with Server({"OLLAMA_URL": url, "PANNIER_CONNECT_TIMEOUT": "0.7"}) as server:
            seen = ask(server.port, WAYS["chat-stream"], "llama3.2")
        assert seen.status == 504
        assert "accepted no connection within 0.7 seconds" in message(seen)
        assert 0.7 <= seen.seconds <= 0.7 + GRACE


def test_t2_a_slow_stream_goes_on(server: Server) -> None:
    """Lines that come in time make a stream, however each of them drips."""
    seen = ask(server.port, WAYS["chat-stream"], "fault-byte-segments")
    assert seen.events[-1] == "[DONE]"


def lines(server: Server, model: str) -> Iterator[bytes]:
    """The lines of a chat stream, as they come."""
    body: Any = {"model": model, **(WAYS["chat-stream"].body or {})}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", WAYS["chat-stream"].path, json.dumps(body))
    answer = connection.getresponse()
    assert answer.status == 200
    assert int(answer.headers["openai-processing-ms"]) in range(60_000)
    while line := answer.readline():
        yield line
    connection.close()


def test_t4_the_wall_clock_moves(server: Server, shift: Path) -> None:
    """A clock that jumps by days moves no limit, and no duration is negative."""
    before = server.workers()
    stalled, started = lines(server, "fault-stall"), time.monotonic()
    next(stalled)
    for at in (DAY, -DAY):
        stream = lines(server, "sim-chunks12-tps20")
        first = next(stream)
        shift.write_text(str(at))
        rest = list(stream)
        assert b'"delta"' in first
        assert rest[-2] == b"data: [DONE]\n"
        seen = ask(server.port, WAYS["chat"], "llama3.2")
        assert seen.status == 200
        assert int(seen.headers["openai-processing-ms"]) in range(60_000)
    assert b"sent nothing for 1.2 seconds" in b"".join(stalled)
    assert time.monotonic() - started >= 1.2
    shift.write_text("0")
    assert server.workers() == before
    durations = re.findall(r"\b\w*ms=(\S+)", server.output())
    assert len(durations) >= 4
    assert all(0 <= int(value) < 60_000 for value in durations)


def test_t4_only_created_is_of_the_wall_clock() -> None:
    """The wall clock is asked for what people are told, or what outlives the process.

    That is a ``created``, a ``Date``, a line of the log, and all that is kept or shown
    of keys and of usage: when a key ends, of which day tokens are, when a row came.
    """
    asked = re.compile(
        r"\btime\.time(?:_ns)?\(|\bdatetime\.now\(|\butcnow\(|localtime\("
    )
    found = {
        str(path.relative_to(ROOT))
        for folder in ("app", "middleware", "writers")
        for path in (ROOT / folder).rglob("*.py")
        if "simulator" not in path.parts and asked.search(path.read_text())
    }
    made = {"app/wire/ollama.py", "writers/responses.py"}
    made |= {"writers/several.py", "writers/legacy.py", "writers/code_shapes.py"}
    told = {"middleware/access_line.py", "app/server/response.py"}
    told |= {"app/metrics/board.py", "app/metrics/counts.py"}
    kept = {"app/moment.py", "app/gateway/limits_redis.py"}
    assert found <= made | told | kept
