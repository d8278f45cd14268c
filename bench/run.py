"""The benchmark: Pannier in front of the simulator, and the simulator by itself.

Contestants take turns in every round, so that what else the machine does hits all of
them; medians over the rounds are reported.  README.md says what the figures mean.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import gevent

from tests.support.server import Server
from tests.support.simulator import Simulator

from . import process
from .client import Connection, load, post

MESSAGES = [{"role": "user", "content": "How many words do you know?"}]
CHUNKS = 200
OPEN_STREAMS = 200
PACED, PACE = 50, 20  # streams, tokens per second
INPUTS = [f"text number {number}" for number in range(16)]


class Contestant(NamedTuple):
    """One way to reach the model; ``pid`` is of the process tree that is measured."""

    name: str
    url: str
    pid: int
    native: bool


class Figures(NamedTuple):
    """What one trial gave; times in milliseconds, CPU in microseconds per unit."""

    rate: float
    median: float
    worst: float
    cpu: float


class Trial(NamedTuple):
    """One load.  ``units`` is how many an answer has: requests or chunks."""

    title: str
    unit: str
    request: Callable[[bool], bytes]
    check: Callable[[bytes], bool]
    clients: int
    seconds: float
    units: int = 1


def chat(model: str, stream: bool) -> Callable[[bool], bytes]:
    """The same chat for both kinds of contestant."""
    body = {"model": model, "messages": MESSAGES, "stream": stream}
    return lambda native: post("/api/chat" if native else "/v1/chat/completions", body)


def embed(encoding: str) -> Callable[[bool], bytes]:
    """The same embeddings; Ollama itself knows floats only."""
    body = {"model": "sim-dims1024", "input": INPUTS}
    return lambda native: (
        post("/api/embed", body)
        if native
        else post("/v1/embeddings", {**body, "encoding_format": encoding})
    )


def has_words(count: int) -> Callable[[bytes], bool]:
    """Whether an answer has so many words, in chunks of their own."""
    return lambda body: body.count(b'"content":" word"') == count


def is_long(body: bytes) -> bool:
    """Whether an answer may hold vectors."""
    return len(body) > 16 * 1024 * 4


TRIALS = [
    Trial("Chat, whole, 1 client", "request", chat("llama3.2", False),
          lambda body: b"How many words" in body, 1, 0.6),
    Trial("Chat, whole, 16 clients", "request", chat("llama3.2", False),
          lambda body: b"How many words" in body, 16, 1.0),
    Trial(f"Chat, streamed flat out, 16 x {CHUNKS} chunks", "chunk",
          chat(f"sim-chunks{CHUNKS}", True), has_words(CHUNKS), 16, 1.0, CHUNKS),
    Trial(f"Chat, streamed, {PACED} streams at {PACE} tokens/s", "chunk",
          chat(f"sim-chunks{2 * PACE}-tps{PACE}", True), has_words(2 * PACE), PACED,
          0.1, 2 * PACE),
    Trial("Embeddings, float, 16 x 1,024, 8 clients", "request", embed("float"),
          is_long, 8, 1.0),
    Trial("Embeddings, base64, 16 x 1,024, 8 clients", "request", embed("base64"),
          is_long, 8, 1.0),
]  # fmt: skip


def run(rounds: int, against: Path | None = None) -> str:
    """Measure everything; the report as Markdown.

    ``against`` is another checkout of Pannier that takes part.
    """
    found: dict[tuple[str, str], list[Figures]] = {}
    with contestants(against) as field:
        for contestant in field:  # imports and caches are warm afterwards
            for trial in TRIALS:
                measure(trial._replace(seconds=0.1), contestant)
        for number in range(rounds):
            for trial in TRIALS:
                for contestant in rotated(field, number):
                    figures = measure(trial, contestant)
                    found.setdefault((trial.title, contestant.name), []).append(figures)
        names = [contestant.name for contestant in field]
    tables = [table(trial, names, found) for trial in TRIALS]
    return "\n".join([*tables, memory_table()])


@contextmanager
def contestants(against: Path | None) -> Iterator[list[Contestant]]:
    """The simulator, and Pannier in front of it with and without its access log.

    With another checkout: that, and this one, neither with a log.
    """
    with ExitStack() as stack:
        simulator = stack.enter_context(Simulator())
        field = [Contestant("simulator, direct", simulator.url, simulator.pid, True)]
        quiet = {"OLLAMA_URL": simulator.url, "PANNIER_ACCESS_LOG": "off"}
        servers = {"Pannier": Server(quiet)}
        if against is None:
            loud = quiet | {"PANNIER_ACCESS_LOG": "on"}
            servers["Pannier, access log"] = Server(loud)
        else:
            command = [sys.executable, "-m", "app.cli", "serve"]
            servers["Pannier, the other"] = Server(quiet, command=command, cwd=against)
        for name, server in servers.items():
            stack.enter_context(server)
            field.append(Contestant(name, server.url, server.pid, False))
        yield field


def rotated(field: list[Contestant], by: int) -> list[Contestant]:
    """The contestants, another one first in each round."""
    at = by % len(field)
    return field[at:] + field[:at]


def measure(trial: Trial, contestant: Contestant) -> Figures:
    """One trial of one contestant."""
    request = trial.request(contestant.native)
    before = process.cpu(contestant.pid)
    seconds, answers = load(
        contestant.url, request, trial.clients, trial.seconds, trial.check
    )
    used = process.cpu(contestant.pid) - before
    units = len(answers) * trial.units
    firsts = sorted(arrivals[0] * 1000 for arrivals in answers)
    return Figures(
        rate=units / seconds,
        median=statistics.median(firsts),
        worst=firsts[int(len(firsts) * 0.99)],
        cpu=used / units * 1e6,
    )


def table(
    trial: Trial, names: list[str], found: dict[tuple[str, str], list[Figures]]
) -> str:
    """One trial's medians; ratios are taken within a round, then their median."""
    lines = [
        f"### {trial.title}\n",
        f"| | {trial.unit}s/s | ÷ direct | first byte p50 ms | p99 ms "
        f"| added p50 ms | CPU µs/{trial.unit} |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    direct = found[trial.title, names[0]]
    for name in names:
        mine = found[trial.title, name]
        pairs = list(zip(mine, direct, strict=True))
        ratio = statistics.median(m.rate / d.rate for m, d in pairs)
        added = statistics.median(m.median - d.median for m, d in pairs)
        rate, median, worst, cpu = (
            statistics.median(column) for column in zip(*mine, strict=True)
        )
        lines.append(
            f"| {name} | {rate:,.0f} | {ratio:.2f} | {median:.2f} | {worst:.1f} "
            f"| {added:+.2f} | {cpu:,.1f} |"
        )
    return "\n".join([*lines, ""])


def memory_table() -> str:
    """Memory of a fresh Pannier: idle, after traffic, with many streams open."""
    request = chat("sim-chunks1000-tps1", True)(False)
    with ExitStack() as stack:
        simulator = stack.enter_context(Simulator())
        env = {"OLLAMA_URL": simulator.url, "PANNIER_ACCESS_LOG": "off"}
        server = stack.enter_context(Server(env))
        fresh = process.memory(server.pid)
        whole = chat("llama3.2", False)(False)
        load(server.url, whole, 16, 1.0, lambda body: True)
        warm = process.memory(server.pid)
        streams = [gevent.spawn(_ask, server.url, request) for _ in range(OPEN_STREAMS)]
        deadline = time.monotonic() + 20
        while simulator.open() < OPEN_STREAMS and time.monotonic() < deadline:
            gevent.sleep(0.05)
        gevent.sleep(2)  # every stream has had its first chunks
        busy = process.memory(server.pid)
        gevent.killall(streams)
    return "\n".join(
        [
            "### Memory (PSS of master and one worker, MB)\n",
            f"| fresh | after load | {OPEN_STREAMS} open streams | growth |",
            "|--:|--:|--:|--:|",
            f"| {fresh:.1f} | {warm:.1f} | {busy:.1f} | {busy - warm:+.1f} |",
            "",
        ]
    )


def _ask(url: str, request: bytes) -> None:
    connection = Connection(url)
    try:
        connection.ask(request)
    finally:
        connection.close()
