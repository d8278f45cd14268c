"""Memory and start: what is measured with a process of its own for each figure."""

import contextlib
import select
import socket
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.parse import urlsplit

from . import contestants, load, process
from .contestants import Program
from .load import Failed
from .results import Memory
from .trials import ONE, chat

#: Answers after which a process is called fresh.
ANSWERS = 20
#: Streams that are open when memory is looked at, all begun within SPREAD seconds.
STREAMS = 1000
SPREAD = 2.0
#: Seconds for which all are open; each has had several tokens then.
HELD = 3.0
#: One token a second, longer than anybody looks.
SLOW = chat("", "paced-1-30", STREAMS, stream=True, units=30)
#: Starts of which the median counts.
STARTS = 5


def memories(
    without: Collection[str] = (), *, brief: bool = False
) -> dict[str, Memory]:
    """What each holds, fresh and with open streams: a few of them if ``brief``."""
    starters: dict[str, Callable[[str, Path], Program]] = {
        contestants.PANNIER: lambda url, _: contestants.pannier(url),
        contestants.PASSING: contestants.nginx,
        contestants.NAIVE: lambda url, _: contestants.naive(url),
    }
    return {
        name: _memory(start, STREAMS // 20 if brief else STREAMS)
        for name, start in starters.items()
        if name not in {*without, *contestants.missing()}
    }


def _memory(start: Callable[[str, Path], Program], streams: int) -> Memory:
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        upstream = stack.enter_context(contestants.upstream())
        one = stack.enter_context(start(upstream.url, Path(directory)))
        load.run(one.url, ONE.request(native=False), 1, 0.0, turns=ANSWERS)
        fresh = process.memory(one.pid)
        _open(one.url, streams, stack)
        time.sleep(HELD)
        return Memory(fresh, process.memory(one.pid) - fresh)


def _open(url: str, streams: int, stack: contextlib.ExitStack) -> None:
    """Begin so many streams, and return when each has had its first token."""
    at = urlsplit(url)
    request = SLOW.request(native=False)
    epoll = stack.enter_context(select.epoll())
    waiting: dict[int, tuple[socket.socket, bytes]] = {}
    for _ in range(streams):
        sock = socket.create_connection((at.hostname or "", at.port or 80))
        stack.enter_context(sock)
        sock.sendall(request)
        waiting[sock.fileno()] = sock, b""
        epoll.register(sock, select.EPOLLIN)
        time.sleep(SPREAD / STREAMS)
    while waiting:
        events = epoll.poll(load.PATIENCE)
        if not events:
            raise Failed(f"{len(waiting)} of {streams} streams did not begin")
        for descriptor, _ in events:
            _look(waiting, descriptor)
            if descriptor not in waiting:
                epoll.unregister(descriptor)


def _look(waiting: dict[int, tuple[socket.socket, bytes]], descriptor: int) -> None:
    sock, said = waiting.pop(descriptor)
    block = sock.recv(1 << 16)
    if not block:
        raise Failed("a stream ended that should stay open")
    if b" word0" not in said + block:
        waiting[descriptor] = sock, said + block


def starts(count: int = STARTS) -> list[float]:
    """Seconds from gunicorn's start to Pannier's first whole answer, several times."""
    with contestants.upstream() as upstream:
        return [_start(upstream.url) for _ in range(count)]


def _start(upstream_url: str) -> float:
    program = contestants.pannier(upstream_url)
    began = time.perf_counter()
    with program as one:
        found = load.run(one.url, ONE.request(native=False), 1, 0.0, turns=1)
        seconds = time.perf_counter() - began
    ONE.check(found.answers[0].body())
    return seconds
