"""Limits of keys hold under bursts, whatever ends a request and whatever Redis does."""

import contextlib
import json
import logging
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import gevent
import pytest
from gevent.event import Event
from support.gateway import installed, key, snapshot
from support.ollama import CHAT, Ollama, Started, ask, environ_of
from support.redis import Redis, needs_redis, redis
from support.server import PATIENCE, ROOT
from support.stack import linted

from app.errors import Interruption, UpstreamBroken
from app.gateway import limits_redis
from app.gateway.keys import Key
from app.gateway.limits import Limits, Unavailable
from app.gateway.limits_redis import Shared
from app.gateway.taken import Taken
from app.settings import Settings, SettingsError

SECRET = "sk-test-key-of-thirty-two-characters"
BODY = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def server() -> Iterator[Redis]:
    """A Redis of this module."""
    with redis() as running:
        yield running


@pytest.fixture
def workers(server: Redis) -> Iterator[list[Limits]]:
    """Two that count in one Redis, as two machines would; it knows nothing yet."""
    server.ask("FLUSHALL")
    two = [Limits(server.url) for _ in range(2)]
    yield two
    for one in two:
        one.close()


def enter(limits: Limits, key: Key, ticket: str = "") -> Taken:
    """One request that asks to be let in."""
    taken = Taken(key, ticket or f"{random.getrandbits(64):x}")
    limits.enter(taken)
    return taken


def burst(workers: list[Limits], key: Key, times: int) -> list[Taken]:
    """That many at a time, spread over the workers."""
    asking = [
        gevent.spawn(enter, workers[number % len(workers)], key)
        for number in range(times)
    ]
    gevent.joinall(asking, timeout=PATIENCE, raise_error=True)
    return [one.value for one in asking]


def eventually(true: Any) -> None:
    """Wait until something has come true."""
    until = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < until
        gevent.sleep(0.01)


@needs_redis
def test_r5_a_burst_over_two_machines(workers: list[Limits]) -> None:
    """Of 200 requests at a time against 50 a minute, exactly 50 are let through."""
    taken = burst(workers, key(rpm=50), 200)
    assert all(one.shared for one in taken)
    passed = [one for one in taken if not one.refused]
    assert len(passed) == 50
    assert sorted(one.requests for one in passed) == list(range(1, 51))
    for one in taken:
        assert one.refused in ("", "requests")
        assert one.requests <= 50
        assert 30 < one.reset <= 61
        assert not one.refused or 30 < one.wait <= 61


@needs_redis
def test_at_a_time_over_two_machines(workers: list[Limits], server: Redis) -> None:
    """Exactly so many at a time; who has left makes room, and nothing is left over."""
    one = key(max_concurrent=7)
    taken = burst(workers, one, 100)
    passed = [some for some in taken if not some.refused]
    assert len(passed) == 7
    held = [shared(worker).running.get(one.id, ()) for worker in workers]
    assert sum(map(len, held)) == 7
    for number, some in enumerate(taken):
        workers[number % 2].leave(some, 0)
    assert [shared(worker).running for worker in workers] == [{}, {}]
    name = f"pannier:limits:{{{one.id}}}:running"
    eventually(lambda: server.ask("ZCARD", name) == 0)
    assert len([x for x in burst(workers, one, 20) if not x.refused]) == 7


@needs_redis
def test_tokens_over_two_machines(workers: list[Limits], server: Redis) -> None:
    """The day's tokens are reserved and corrected together, up to the token."""
    one, used = key(tpd=100_000), 0
    for number in range(200):
        worker = workers[number % 2]
        taken = enter(worker, one)
        assert worker.reserve(taken, number * 3)
        worker.leave(taken, number)
        used += number
    (name,) = server.ask("KEYS", "*:tokens:*")
    eventually(lambda: int(server.ask("GET", name)) == used)
    taken = enter(workers[0], one)
    assert taken.tokens == used
    assert not workers[0].reserve(taken, 100_001 - used)
    assert workers[0].reserve(taken, 100_000 - used)
    assert not workers[1].reserve(enter(workers[1], one), 1)


def tokens_of(server: Redis) -> int:
    """The tokens that are taken of the one key's day."""
    (name,) = server.ask("KEYS", "*:tokens:*")
    return int(server.ask("GET", name))


@needs_redis
@pytest.mark.parametrize("wanted", [100, 1000])
def test_who_does_not_wait_for_tokens(
    workers: list[Limits], server: Redis, wanted: int
) -> None:
    """A client that leaves while they are reserved has what it had, taken or not."""
    one, worker = key(tpd=1000), workers[0]
    assert worker.reserve(enter(worker, one), 500)
    taken = enter(worker, one)
    assert worker.reserve(taken, 50)
    asking = gevent.spawn(worker.reserve, taken, wanted)
    gevent.sleep(0)
    assert not asking.dead
    asking.kill()
    worker.leave(taken, 20)
    assert worker.reserve(enter(worker, one), 1)  # so the one before is answered
    eventually(lambda: tokens_of(server) == 521)


@needs_redis
def test_tokens_when_redis_fails(
    workers: list[Limits], server: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets back what was taken there, and no more."""
    one, worker = key(tpd=1000), workers[0]
    assert worker.reserve(enter(worker, one), 500)
    taken = enter(worker, one)
    assert worker.reserve(taken, 100)
    with monkeypatch.context() as patched:
        patched.setattr(shared(worker), "_ask", Mock(side_effect=Unavailable))
        assert worker.reserve(taken, 800)
    assert (taken.shared, taken.reserved) == (False, 800)
    worker.leave(taken, 7)
    after = enter(worker, one)
    assert (after.shared, after.tokens) == (True, 500)


@needs_redis
def test_a_minute_of_redis(workers: list[Limits], server: Redis) -> None:
    """Requests that are a minute old count no more, those of a second less do."""
    one = key(rpm=5)
    name = f"pannier:limits:{{{one.id}}}:minute"
    now = int(server.ask("TIME")[0])
    server.ask("HSET", name, now - 70, 5, now - 30, 3)
    first = enter(workers[0], one)
    assert (first.refused, first.requests) == ("", 4)
    assert enter(workers[1], one).refused == ""
    third = enter(workers[0], one)
    assert third.refused == "requests"
    assert 25 < third.wait <= 31
    assert server.ask("HEXISTS", name, now - 70) == 0
    assert 0 < server.ask("TTL", name) <= 61


@needs_redis
def test_what_keys_have_had(workers: list[Limits], server: Redis) -> None:
    """It is told of many keys at a time, counts as limits do, and changes nothing."""
    keys = [
        key(f"k{number}", rpm=5, tpd=900, max_concurrent=9) for number in range(150)
    ]
    taken = enter(workers[0], keys[149])
    assert workers[0].reserve(taken, 70)
    enter(workers[1], keys[149])
    enter(workers[1], keys[0])
    name, now = f"pannier:limits:{{{keys[1].id}}}", int(server.ask("TIME")[0])
    server.ask("HSET", f"{name}:minute", now - 70, 5, now - 30, 3)
    server.ask("ZADD", f"{name}:running", now - 1, "dead", now + 20, "alive")
    there = sorted(server.ask("KEYS", "*"))
    for worker in workers * 2:
        found = worker.had([one.id for one in keys])
        assert found is not None
        assert list(found) == [one.id for one in keys]
        assert found.pop(keys[149].id) == (2, 2, 70)
        assert found.pop(keys[0].id) == (1, 1, 0)
        assert found.pop(keys[1].id) == (3, 1, 0)
        assert set(found.values()) == {(0, 0, 0)}
    assert sorted(server.ask("KEYS", "*")) == there
    assert server.ask("HLEN", f"{name}:minute") == 2


@needs_redis
def test_what_keys_have_had_when_redis_fails(server: Redis) -> None:
    """Nobody knows then, and that is said at once."""
    limits = Limits(server.url)
    assert limits.had(["key_k"]) == {"key_k": (0, 0, 0)}
    server.freeze(True)
    try:
        assert limits.had(["key_k"]) is None
        assert limits.had(["key_k"]) is None
    finally:
        server.freeze(False)
    eventually(lambda: limits.had(["key_k"]) == {"key_k": (0, 0, 0)})
    limits.close()


@needs_redis
def test_a_machine_that_died(workers: list[Limits], server: Redis) -> None:
    """What it had under way is forgotten when its lease ends; what lives stays."""
    one = key(max_concurrent=2)
    for worker in workers:
        assert not enter(worker, one).refused
    name = f"pannier:limits:{{{one.id}}}:running"
    gone, alive = server.ask("ZRANGE", name, 0, -1)
    if gone not in shared(workers[0]).running[one.id]:
        gone, alive = alive, gone
    for ticket in (gone, alive):  # 20 seconds without a word
        server.ask("ZADD", name, int(server.ask("TIME")[0]) - 1, ticket)
    shared(workers[1]).renew()
    eventually(
        lambda: float(server.ask("ZSCORE", name, alive)) > int(server.ask("TIME")[0])
    )
    assert [enter(workers[1], one).refused for _ in range(2)] == ["", "concurrent"]


def shared(limits: Limits) -> Shared:
    """The part of limits that is in Redis."""
    assert limits._shared is not None
    return limits._shared


@needs_redis
def test_no_call_without_limits(workers: list[Limits], server: Redis) -> None:
    """A key without limits asks Redis nothing, and loads no part of it."""
    installation = installed(snapshot(key()))
    installation.limits = workers[0]
    app = linted(Ollama(), installation=installation)
    assert post(app).status == 200
    assert workers[0]._shared is None


@needs_redis
@pytest.mark.parametrize("how", ["gone", "frozen", "wrong"])
def test_r5_without_redis(
    how: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests go on, counted here; it is said once; when it is back, it counts."""
    one = key(rpm=50, tpd=1000, max_concurrent=100)
    failures, fail = [], Shared._fail

    def counted(self: Shared, error: BaseException) -> None:
        failures.append(error)
        fail(self, error)

    monkeypatch.setattr(Shared, "_fail", counted)
    with redis() as server, caplog.at_level(logging.INFO):
        limits = Limits(server.url)
        before = [enter(limits, one) for _ in range(3)]
        assert [some.requests for some in before] == [1, 2, 3]
        assert limits.reserve(before[0], 10)
        if how == "gone":
            server.stop()
        elif how == "frozen":
            server.freeze(True)
        else:  # whatever it answers: a failure of its own
            server.ask("DEL", f"pannier:limits:{{{one.id}}}:minute")
            server.ask("SET", f"pannier:limits:{{{one.id}}}:minute", "no hash")
        times = []
        for number in range(60):
            began = time.monotonic()
            taken = enter(limits, one)
            times.append(time.monotonic() - began)
            assert not taken.shared
            assert taken.refused == ("" if number < 50 else "requests")
            limits.leave(taken, 0)
        assert sorted(times)[-3] < 0.05, "only who finds out waits"
        assert max(times) < 1
        limits.leave(before[0], 7)
        if how == "gone":
            monkeypatch.setattr(limits_redis, "RETRY", 0.05)
            eventually(lambda: len(failures) > 3)
            server.start()
        elif how == "frozen":
            server.freeze(False)
        else:
            server.ask("DEL", f"pannier:limits:{{{one.id}}}:minute")
        eventually(lambda: not shared(limits)._down)
        after = enter(limits, one)
        assert after.shared
        # The frozen one knows what it was asked before it was given up.
        assert after.requests == (5 if how == "frozen" else 1)
        if how == "frozen":  # what was to be said meanwhile is said
            name = f"pannier:limits:{{{one.id}}}:running"
            eventually(lambda: server.ask("ZCARD", name) == 3)
            eventually(lambda: enter(limits, one).tokens == 7)
        limits.close()
    said = [line for line in caplog.messages if "Redis" in line]
    assert len(said) == 2, said
    assert "are counted on this machine meanwhile" in said[0]
    assert "again" in said[1]
    assert Redis.PASSWORD not in caplog.text


@needs_redis
def test_a_redis_that_is_slow(
    monkeypatch: pytest.MonkeyPatch, server: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """One that answers, but never in time, is not asked."""
    monkeypatch.setattr(limits_redis, "SLOW", -1.0)
    limits = Limits(server.url)
    assert [enter(limits, key(rpm=2)).refused for _ in range(3)] == ["", "", "requests"]
    assert shared(limits)._down
    assert "too slow" in caplog.text
    limits.close()


def test_who_is_interrupted_gives_back() -> None:
    """A client that leaves while Redis is asked leaves nothing behind."""
    asked = Event()

    class Waiting(Shared):
        def __init__(self) -> None:
            self.running = {}
            self.told: list[Any] = []
            self._down = False

        def _ask(self, *arguments: Any) -> Any:
            asked.set()
            Event().wait()

        def _tell(self, command: Any) -> None:
            self.told.append(command)

    limits = Limits("redis://nowhere")
    limits._shared = waiting = Waiting()
    installation = installed(snapshot(key(max_concurrent=3)))
    installation.limits = limits
    app = linted(Ollama(), installation=installation)
    asking = gevent.spawn(lambda: post(app))
    asked.wait(PATIENCE)
    assert [len(tickets) for tickets in waiting.running.values()] == [1]
    asking.kill(Interruption(), timeout=PATIENCE)
    assert waiting.running == {}
    assert [command[0] for command in waiting.told] == ["ZREM"]


@pytest.mark.parametrize(
    "url", ["geheim", "http://:geheim@host", "redis://:geheim@host:port/0"]
)
def test_a_url_that_is_none(url: str) -> None:
    """What is no URL of Redis stops the start, and is not repeated."""
    with pytest.raises(SettingsError, match="PANNIER_LIMITS_URL: ") as caught:
        Settings.from_environ({"PANNIER_LIMITS_URL": url})
    assert "geheim" not in str(caught.value)


#: As a worker of gunicorn is, with everything patched: a burst, a Redis that freezes
#: and goes on.  Prints how many were let in, and seconds.
PATCHED = """
from gevent import monkey
monkey.patch_all()
import json, os, random, signal, sys, time
sys.path.append("tests")
import gevent
from support.gateway import key
from app.gateway.limits import Limits
from app.gateway.taken import Taken

url, pid = sys.argv[1], int(sys.argv[2])
limits, one = Limits(url), key(rpm=50)

def enter():
    taken, began = Taken(one, str(random.random())), time.monotonic()
    limits.enter(taken)
    return taken, time.monotonic() - began

def burst():
    asking = [gevent.spawn(enter) for _ in range(200)]
    return [some.value for some in gevent.joinall(asking)]

def said(found):
    taken, seconds = zip(*found)
    passed = sum(not some.refused for some in taken)
    return [passed, sum(some.shared for some in taken), max(seconds)]

found = [said(burst())]
os.kill(pid, signal.SIGSTOP)
found.append(said(burst()))
found.append(said(burst()))
os.kill(pid, signal.SIGCONT)
while limits._shared._down:
    gevent.sleep(0.01)
found.append(said(burst()))
limits.close()
print(json.dumps(found))
"""


@needs_redis
def test_a_worker_with_everything_patched() -> None:
    """Under gevent it is the same, and nobody waits longer for it."""
    with redis() as server:
        command = [sys.executable, "-W", "error", "-c", PATCHED]
        command += [server.url, str(server.pid)]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stderr
    first, frozen, still, again = json.loads(done.stdout)
    assert first[:2] == [50, 200]
    assert frozen[:2] == [50, 0], "counted here"
    assert still[:2] == [0, 0], "and remembered"
    assert again[:2] == [0, 200]
    assert frozen[2] < 1
    assert still[2] < 0.25, "nobody asks it any more"


#: One worker of several: 500 requests as fast as it can, and how many were let in.
WORKER = """
import sys
sys.path.append("tests")
from support.gateway import key
from app.gateway.limits import Limits
from app.gateway.taken import Taken

limits, one, passed = Limits("", sys.argv[1]), key(rpm=700, tpd=10**9), 0
input()
for number in range(500):
    taken = Taken(one, str(number))
    limits.enter(taken)
    assert limits.reserve(taken, 50)
    limits.leave(taken, 3)
    passed += not taken.refused
print(passed)
"""


def test_r5_workers_at_the_same_time(tmp_path: Path) -> None:
    """Four workers in full use let through what one may, and lose no token."""
    command = [sys.executable, "-W", "error", "-c", WORKER, str(tmp_path)]
    pipe = subprocess.PIPE
    workers = [
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
        for _ in range(4)
    ]
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    passed = [int(worker.communicate(timeout=PATIENCE)[0]) for worker in workers]
    assert sum(passed) == 700
    after = enter(Limits("", str(tmp_path)), key(rpm=701, tpd=10**9))
    assert (after.requests, after.tokens) == (701, 4 * 500 * 3)


def post(app: Any, body: Any = BODY, path: str = "/v1/chat/completions") -> Any:
    """A request of the key."""
    return ask(app, "POST", path, body, Authorization=f"Bearer {SECRET}")


def early(app: Any, items: int) -> None:
    """A stream whose client leaves after so many pieces."""
    data = json.dumps({**BODY, "stream": True}).encode()
    environ = environ_of("POST", "/v1/chat/completions", data)
    environ["HTTP_AUTHORIZATION"] = f"Bearer {SECRET}"
    body = app(environ, Started())
    try:
        for _ in range(items):
            next(body, None)
    finally:
        body.close()


def interrupted(environ: Any, start_response: Any) -> Any:
    """An Ollama during whose answer the client leaves."""
    raise Interruption


def test_r5_nothing_is_left_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """After 1,000 requests that end in every way none counts as under way."""
    monkeypatch.setattr("support.stack.LintMiddleware", lambda app: app)
    one = key(max_concurrent=3, tpd=10**9)
    installation = installed(snapshot(one))
    limits = installation.limits
    answers = [
        Ollama(CHAT),
        Ollama(b'{"error":"boom"}', status="500 Internal Server Error"),
        Ollama(CHAT[:-20]),
        Ollama(CHAT.replace(b"true", b"false"), UpstreamBroken("cut")),
        Ollama(UpstreamBroken("at once")),
        interrupted,
    ]
    apps = [linted(answer, installation=installation) for answer in answers]
    dice, statuses = random.Random(9), set()
    for _ in range(1000):
        app = dice.choice(apps)
        held = [enter(limits, one) for _ in range(dice.choice([0, 0, 0, 3]))]
        with contextlib.suppress(OSError, Interruption):
            way = dice.randrange(5)
            if way == 0:
                early(app, dice.randrange(3))
            else:
                stream = {"stream": way > 2, "temperature": dice.choice([0, 9])}
                statuses.add(post(app, {**BODY, **stream}).status)
        for taken in held:
            limits.leave(taken, 0)
    assert statuses >= {200, 400, 429, 500, 502}
    assert limits._local.running == {}
    assert [enter(limits, one).refused for _ in range(4)] == ["", "", "", "concurrent"]
    limits.close()
