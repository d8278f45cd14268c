"""Many at once, and many in a row: none waits for the others, and nothing is left."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median

import pytest
from support.leaving import ask, connect, descriptors, eventually, until
from support.raw import ask as answered
from support.scripted import CHATS, Memory, chat
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

#: A stream that lasts longer than any test.
HELD = "sim-chunks1000-tps1"
#: Every way to fail that is quick.
FAULTS = [
    *("drop", "reset", "html-502", "error-500", "huge-error", "truncated-head", "tls"),
    *("garbage-status", "huge-head", "gzipped", "cut-close", "cut-line", "reset-body"),
    *("bad-chunk", "garbage-line", "deep-line", "error-line", "not-done", "status-302"),
    "nan",
]


@pytest.fixture(scope="module")
def pannier(ollama: Simulator) -> Iterator[Server]:
    """Pannier in front of it; who says nothing for two seconds is closed."""
    env = {"OLLAMA_URL": ollama.url, "PANNIER_HEADER_TIMEOUT": "2"}
    with Server(env) as running:
        yield running


def good(server: Server) -> float:
    """How many seconds a good request takes."""
    begun = time.monotonic()
    got = answered(server.port, "POST", CHATS["openai"], chat("llama3.2", False))
    assert got.status == 200
    return time.monotonic() - begun


@pytest.mark.parametrize("dialect", CHATS)
def test_r3_held_streams_hold_nobody_up(
    pannier: Server, ollama: Simulator, dialect: str
) -> None:
    """Beside thirty streams that go on for ever, a request is served in a second."""
    with ExitStack() as stack:
        held = [
            stack.enter_context(
                ask(pannier.port, "POST", CHATS[dialect], f"r3-{n}", chat(HELD))
            )
            for n in range(30)
        ]
        for one in held:
            until(one, b" word")
        assert ollama.open() == 30
        assert median(good(pannier) for _ in range(5)) < 1
    eventually(lambda: not ollama.open(), 3)


def test_r6_hundreds_are_served(pannier: Server, ollama: Simulator) -> None:
    """300 idle connections and 400 streams: all of them are served, and others too."""
    before = pannier.workers()
    with ExitStack() as stack:
        idle = [stack.enter_context(connect(pannier.port)) for _ in range(300)]
        streams = [
            stack.enter_context(
                ask(pannier.port, "POST", CHATS["openai"], f"r6-{n}", chat(HELD))
            )
            for n in range(400)
        ]
        for one in streams:
            assert b" word" in until(one, b" word")
        assert good(pannier) < 5
        assert ollama.open() == 400
        for one in idle:  # closed when they have said nothing for long
            assert one.recv(1) == b""
    assert pannier.workers() == before
    eventually(lambda: not ollama.open(), 5)


def test_r8_failures_leave_nothing(pannier: Server) -> None:
    """After 200 failures of Ollama memory and descriptors are where they were."""
    for fault in FAULTS:  # what each needs once
        _fail(pannier, fault, 0)
    memory, before = Memory(pannier), descriptors(pannier)
    for number in range(200):
        _fail(pannier, FAULTS[number % len(FAULTS)], number)
    assert memory.growth() <= 16
    eventually(lambda: descriptors(pannier) <= before + 10)


def _fail(server: Server, fault: str, number: int) -> None:
    stream = number % 2 == 0
    got = answered(server.port, "POST", CHATS["openai"], chat(f"fault-{fault}", stream))
    assert got.status >= 500 or b'"error":' in got.body
