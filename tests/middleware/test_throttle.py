"""Limits of keys: what goes through, what is said of it, what is given back."""

import fcntl
import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import gevent
import pytest
from support.gateway import installed, key, snapshot
from support.ollama import (
    CHAT,
    GENERATE,
    FakeUpstream,
    Ollama,
    Started,
    ask,
    environ_of,
)
from support.stack import linted
from werkzeug.middleware.lint import LintMiddleware

from app.errors import BadRequest, Interruption, UpstreamTimeout
from app.exchange import Exchange
from app.gateway.keys import Key
from app.gateway.limits import Limits
from app.gateway.limits_local import FILE
from app.gateway.taken import Taken
from app.installation import Installation
from app.live.running import cancelled
from app.settings import Settings
from app.wire import ollama
from middleware.stack import build_stack
from middleware.throttle import TokenLimit, duration

MESSAGES = [{"role": "user", "content": "Hello, who are you?"}]
BODY = {"model": "m", "messages": MESSAGES}
SECRET = "sk-test-key-of-thirty-two-characters"
BEGIN = 1_800_000_000.0  # 08:00 UTC


class Clock:
    """The time, as a test says it is; in Unix seconds."""

    now = BEGIN

    def __call__(self) -> float:
        """What time it is."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock that stands."""
    return Clock()


@pytest.fixture(params=["memory", "alone", "file"])
def limits(request: Any, clock: Clock, tmp_path: Path) -> Iterator[Limits]:
    """Limits of this machine, counted where a worker is alone, and where it is not."""
    directory = "" if request.param == "memory" else str(tmp_path)
    counting = Limits("", directory, clock, alone=request.param == "alone")
    yield counting
    counting.close()


def enter(limits: Limits, key: Key, ticket: str = "t") -> Taken:
    """One request that asks to be let in."""
    taken = Taken(key, ticket)
    limits.enter(taken)
    return taken


def let_in(limits: Limits, key: Key, times: int) -> int:
    """How many of so many requests are let in."""
    return sum(not enter(limits, key).refused for _ in range(times))


def world(installation: Installation, *blocks: Any, **settings: Any) -> Any:
    """The whole stack, over Ollama, with limits."""
    return linted(Ollama(*blocks), installation=installation, **settings)


def post(app: Any, path: str = "/v1/chat/completions", body: Any = BODY) -> Any:
    """A request of the key."""
    return ask(app, "POST", path, body, Authorization=f"Bearer {SECRET}")


def test_a_minute(limits: Limits, clock: Clock) -> None:
    """Never more than its requests fall into any minute, and then as many again."""
    one = key(rpm=5)
    assert let_in(limits, one, 3) == 3
    clock.now += 30
    assert let_in(limits, one, 9) == 2
    refused = enter(limits, one)
    assert (refused.refused, refused.requests) == ("requests", 5)
    assert refused.wait == 31
    clock.now += refused.wait - 0.01
    assert let_in(limits, one, 9) == 0
    clock.now += 0.01
    assert let_in(limits, one, 9) == 3
    clock.now += 61
    assert let_in(limits, one, 9) == 5


def test_any_minute(limits: Limits, clock: Clock) -> None:
    """However requests lie, no 60 seconds hold more than the limit."""
    one, passed = key(rpm=7), []
    for step in range(2000):
        clock.now += (step * 7919 % 97) / 40
        if not enter(limits, one).refused:
            passed.append(clock.now)
    assert len(passed) > 100
    for first, eighth in zip(passed, passed[7:], strict=False):
        assert eighth - first > 60


@pytest.mark.parametrize("back", [30.0, 7200.0])
def test_a_clock_that_is_put_back(limits: Limits, clock: Clock, back: float) -> None:
    """Who puts the clock back locks no key out."""
    one = key(rpm=2)
    assert let_in(limits, one, 3) == 2
    clock.now -= back
    let_in(limits, one, 3)
    clock.now += 100
    assert let_in(limits, one, 3) == 2


def test_nothing_and_none(limits: Limits) -> None:
    """0 lets nothing through, none everything."""
    assert let_in(limits, key(rpm=0), 3) == 0
    assert enter(limits, key("other", max_concurrent=0)).refused == "concurrent"
    taken = enter(limits, key("third", tpd=0))
    assert not taken.refused
    assert not limits.reserve(taken, 0)
    assert let_in(limits, key("fourth", tpd=9), 500) == 500


def test_at_a_time(limits: Limits) -> None:
    """As many at a time as the limit says; who has left makes room."""
    one = key(rpm=4, max_concurrent=2)
    first, second, third = (enter(limits, one) for _ in range(3))
    assert [first.refused, second.refused, third.refused] == ["", "", "concurrent"]
    assert third.wait == 1
    limits.leave(third, 0)
    assert enter(limits, one).refused == "concurrent"
    limits.leave(first, 0)
    limits.leave(first, 0)  # once is enough
    assert let_in(limits, one, 2) == 1
    assert enter(limits, one).requests == 3, "who is refused does not count"
    limits.close()


def test_tokens_of_a_day(limits: Limits, clock: Clock) -> None:
    """Tokens are reserved, corrected, and the next day all are there again."""
    one = key(tpd=100)
    first, second = enter(limits, one), enter(limits, one)
    assert limits.reserve(first, 60)
    assert not limits.reserve(second, 41)
    assert (second.refused, second.tokens) == ("tokens", 60)
    assert second.wait == 86_400 - BEGIN % 86_400
    limits.leave(second, 0)
    limits.leave(first, 25)
    third = enter(limits, one)
    assert third.tokens == 25
    assert limits.reserve(third, 75)
    clock.now += third.wait or 86_400 - BEGIN % 86_400
    assert enter(limits, one).tokens == 0
    fourth = enter(limits, one)
    assert limits.reserve(fourth, 100)
    limits.leave(third, 500)  # yesterday's
    assert enter(limits, one).tokens == 100


def test_a_reservation_grows(limits: Limits) -> None:
    """What is known better later is reserved in the place of what was guessed."""
    taken = enter(limits, key(tpd=100))
    assert limits.reserve(taken, 30)
    assert limits.reserve(taken, 10)
    assert taken.tokens == 30
    assert limits.reserve(taken, 100)
    assert not limits.reserve(taken, 101)
    limits.leave(taken, 7)
    assert enter(limits, key(tpd=100)).tokens == 7


def test_a_request_over_midnight(limits: Limits, clock: Clock) -> None:
    """What it asks for then is of the new day, which goes on with what it had."""
    one = key(tpd=100)
    first, second, third = (enter(limits, one) for _ in range(3))
    assert limits.reserve(first, 30)
    assert limits.reserve(third, 70)
    clock.now += limits.left_of_day()
    assert limits.reserve(second, 60)
    assert not limits.reserve(first, 41)
    assert limits.reserve(first, 30)
    assert enter(limits, one).tokens == 90
    limits.leave(third, 0)
    limits.leave(first, 5)
    assert enter(limits, one).tokens == 65


def test_a_key_that_changes(limits: Limits) -> None:
    """Another limit finds the counts of the one before."""
    assert let_in(limits, key(rpm=10), 8) == 8
    assert let_in(limits, key(rpm=5), 1) == 0
    assert let_in(limits, key(rpm=9), 3) == 1
    assert let_in(limits, key("other", rpm=9), 20) == 9


def test_what_a_key_has_had(limits: Limits, clock: Clock) -> None:
    """It is told as often as anybody asks, and what limits count is not changed."""
    one = key(rpm=5, tpd=1000, max_concurrent=3)
    assert limits.had([one.id]) == {one.id: (0, 0, 0)}
    first = enter(limits, one)
    enter(limits, one)
    assert limits.reserve(first, 100)
    clock.now += 1
    for _ in range(9):
        assert limits.had(["nobody", one.id]) == {
            "nobody": (0, 0, 0),
            one.id: (2, 2, 100),
        }
    limits.leave(first, 30)
    clock.now += 59
    enter(limits, one)
    assert limits.had([one.id]) == {one.id: (3, 2, 30)}
    clock.now += 1
    assert limits.had([one.id]) == {one.id: (1, 2, 30)}
    clock.now -= 30
    assert limits.had([one.id])[one.id].requests == 3
    assert enter(limits, key(rpm=0)).requests == 3
    clock.now += limits.left_of_day() + 30
    assert limits.had([one.id]) == {one.id: (0, 2, 0)}
    assert let_in(limits, one, 9) == 1


def test_what_a_key_has_had_elsewhere(tmp_path: Path, clock: Clock) -> None:
    """Workers see what others count, as long as these live; to look writes nothing."""
    one, counted = key(rpm=9, tpd=9, max_concurrent=9), tmp_path / FILE
    asking, *workers = (Limits("", str(tmp_path), clock) for _ in range(3))
    assert asking.had([one.id]) == {one.id: (0, 0, 0)}
    for limits in workers:
        assert limits.reserve(enter(limits, one), 2)
    before = counted.read_bytes()
    for limits in (asking, *workers):
        assert limits.had([one.id]) == {one.id: (2, 2, 4)}
    with counted.open("rb") as file:  # nobody waits for who has it
        fcntl.flock(file, fcntl.LOCK_EX)
        assert asking.had([one.id]) == {one.id: (2, 2, 4)}
    assert counted.read_bytes() == before
    clock.now += 25
    assert asking.had([one.id]) == {one.id: (2, 0, 4)}
    counted.unlink()
    counted.mkdir()
    assert Limits("", str(tmp_path), clock).had([one.id]) == {one.id: (0, 0, 0)}


def test_two_workers(tmp_path: Path, clock: Clock) -> None:
    """Workers of one machine count together, and a new one goes on where they are."""
    one = key(rpm=9, max_concurrent=3, tpd=100)
    workers = [Limits("", str(tmp_path), clock) for _ in range(2)]
    held = [enter(worker, one) for worker in workers * 2]
    assert [taken.refused for taken in held] == ["", "", "", "concurrent"]
    assert workers[0].reserve(held[0], 60)
    assert not workers[1].reserve(held[1], 60)
    workers[1].leave(held[1], 0)
    assert enter(workers[0], one).refused == ""
    for worker in workers:
        worker.close()
    after = enter(Limits("", str(tmp_path), clock), one)
    assert (after.requests, after.tokens) == (4, 60)


def test_a_worker_that_died(tmp_path: Path, clock: Clock) -> None:
    """What a dead worker had under way is forgotten; what lives is not."""
    one = key(max_concurrent=2)
    dead, alive = (Limits("", str(tmp_path), clock) for _ in range(2))
    assert let_in(dead, one, 1) == let_in(alive, one, 1) == 1
    clock.now += 15
    alive._local.renew()
    assert enter(alive, one).refused == "concurrent"
    clock.now += 10
    assert let_in(alive, one, 3) == 1
    dead.close()
    alive.close()


def test_a_worker_alone(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts in memory, and what it counted is there after a restart."""
    monkeypatch.setattr("app.gateway.limits.PERIOD", 0.01)
    one = key(rpm=9, tpd=100, max_concurrent=3)
    first = Limits("", str(tmp_path), clock, alone=True)
    taken = [enter(first, one) for _ in range(3)]
    assert first.reserve(taken[0], 60)
    until = time.monotonic() + 30
    while first._local.unwritten:
        assert time.monotonic() < until
        gevent.sleep(0.01)
    killed = Limits("", str(tmp_path), clock, alone=True)
    after = enter(killed, one)
    assert (after.refused, after.requests, after.tokens) == ("", 4, 60)
    killed.close()
    several = enter(Limits("", str(tmp_path), clock), one)
    assert (several.refused, several.requests) == ("", 5)
    first.close()


def test_a_disk_that_fills(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has been counted stays, and nothing is counted twice."""
    limits, one = Limits("", str(tmp_path)), key(rpm=9, max_concurrent=3, tpd=9)
    first = enter(limits, one)
    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", Mock(side_effect=OSError(28, "no space")))
        second = enter(limits, one)
    assert "no space" in caplog.text
    assert second.requests == 2
    limits.leave(first, 0)
    limits.leave(second, 0)
    assert limits._local.running == {}
    assert enter(limits, one).requests == 3
    limits.close()


def test_many_keys(tmp_path: Path, clock: Clock) -> None:
    """3,000 keys have each a room of their own."""
    limits = Limits("", str(tmp_path), clock)
    keys = [key(f"k{number}", rpm=2) for number in range(3000)]
    for one in keys:
        limits.enter(Taken(one, ""))
    assert [enter(limits, one).requests for one in keys] == [2] * 3000
    limits.close()


def test_a_directory_that_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Then each worker counts for itself, and says so once."""
    (tmp_path / "file").touch()
    limits = Limits("", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert let_in(limits, key(rpm=2), 4) == 2
    (line,) = caplog.messages
    assert "each worker counts for itself" in line


def test_what_is_said(clock: Clock) -> None:
    """Every answer of a key with limits says what is left, also a refusal."""
    installation = installed(snapshot(key(rpm=2, tpd=1000)))
    installation.limits = Limits("", "", clock)
    app = world(installation)
    first = post(app)
    assert first.status == 200
    said = {k.lower(): v for k, v in first.headers.items() if "ratelimit" in k.lower()}
    reserved = int(said.pop("x-ratelimit-remaining-tokens"))
    assert 900 < reserved < 1000
    assert said == {
        "x-ratelimit-limit-requests": "2",
        "x-ratelimit-remaining-requests": "1",
        "x-ratelimit-reset-requests": "1m1s",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-reset-tokens": "16h0m0s",
    }
    wrong = post(app, body={"model": "m"})
    assert wrong.status == 400
    assert wrong.headers["x-ratelimit-remaining-requests"] == "0"
    # 7 and 3 are what Ollama counted
    assert wrong.headers["x-ratelimit-remaining-tokens"] == "990"
    third = post(app)
    assert third.status == 429
    assert third.headers["retry-after"] == "61"
    assert third.headers["x-ratelimit-remaining-requests"] == "0"
    error = third.json["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert error["type"] == "rate_limit_error"
    assert "2 requests a minute" in error["message"]


def test_what_anthropics_clients_are_told(clock: Clock) -> None:
    """They find what they look for, with the time of day in place of a duration."""
    installation = installed(snapshot(key(rpm=1, tpd=1000)))
    installation.limits = Limits("", "", clock)
    app = world(installation)
    body = {**BODY, "max_tokens": 9}
    answer = post(app, "/v1/messages", body)
    assert answer.status == 200
    assert answer.headers["anthropic-ratelimit-requests-limit"] == "1"
    assert answer.headers["anthropic-ratelimit-requests-remaining"] == "0"
    reset = answer.headers["anthropic-ratelimit-requests-reset"]
    assert reset == "2027-01-15T08:01:01Z"
    assert answer.headers["anthropic-ratelimit-tokens-reset"] == "2027-01-16T00:00:00Z"
    refused = post(app, "/v1/messages", body)
    assert refused.status == 429
    assert refused.json["error"]["type"] == "rate_limit_error"
    assert refused.headers["anthropic-ratelimit-requests-remaining"] == "0"


def test_what_a_key_without_limits_is_told() -> None:
    """Nothing of limits."""
    app = world(installed(snapshot(key())))
    answer = post(app)
    assert answer.status == 200
    assert "ratelimit" not in str(answer.headers).lower()


@pytest.mark.parametrize(
    ("terms", "code", "said"),
    [
        ({"rpm": 0}, "rate_limit_exceeded", "no requests a minute"),
        ({"max_concurrent": 0}, "rate_limit_exceeded", "no requests answered at"),
        ({"tpd": 0}, "quota_exceeded", "no tokens a day"),
        ({"tpd": 3}, "quota_exceeded", "3 tokens a day (UTC); 3 are left"),
    ],
)
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", BODY),
        ("/v1/completions", {"model": "m", "prompt": "Hello, who are you?"}),
        ("/v1/responses", {"model": "m", "input": "Hello, who are you?"}),
        ("/v1/messages", {**BODY, "max_tokens": 9}),
        ("/v1/embeddings", {"model": "m", "input": "Hello, who are you?"}),
        ("/api/chat", {**BODY, "stream": False}),
        ("/api/generate", {"model": "m", "prompt": "Hello, who are you?"}),
        ("/api/embed", {"model": "m", "input": "Hello, who are you?"}),
    ],
)
def test_r5_every_dialect(
    path: str, body: Any, terms: dict[str, int], code: str, said: str
) -> None:
    """A limit holds on every route of models: 429, its name, when to come again.

    Clients that try again by themselves are told where that is of no use.
    """
    app = world(installed(snapshot(key(**terms))))
    answer = post(app, path, body)
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) >= 1
    error = answer.json["error"]
    if isinstance(error, dict) and path != "/v1/messages":
        assert error["code"] == code
    assert said in (error if isinstance(error, str) else error["message"])
    assert answer.headers["x-should-retry"] == "false"
    assert "try again" not in str(error)


@pytest.mark.parametrize("limit", ["rpm", "max_concurrent"])
def test_r5_a_limit_that_was_reached(limit: str) -> None:
    """Whoever is only too quick may try again, and is told so."""
    installation = installed(snapshot(key(**{limit: 1})))
    app = world(installation)
    held = enter(installation.limits, key(**{limit: 1}))
    refused = post(app)
    assert not held.refused
    assert (refused.status, refused.headers.get("x-should-retry")) == (429, None)
    assert refused.json["error"]["message"].endswith("; please try again later.")


def test_r5_requests_beyond_a_key_count() -> None:
    """What a key may not ask counts as well, and is answered with what is left."""
    app = world(installed(snapshot(key(rpm=2, allow_endpoints=("chat",)))))
    forbidden = [post(app, "/api/pull", {"model": "m"}) for _ in range(2)]
    assert [one.status for one in forbidden] == [403, 403]
    left = [one.headers["x-ratelimit-remaining-requests"] for one in forbidden]
    assert left == ["1", "0"]
    assert post(app, "/api/pull", {"model": "m"}).status == 429
    assert post(app).status == 429


def used(installation: Installation) -> int:
    """The tokens that are taken of the day."""
    return enter(installation.limits, key(tpd=10**6)).tokens


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body", "tokens"),
    [
        ("/v1/chat/completions", BODY, 10),
        ("/v1/chat/completions", {**BODY, "max_tokens": 5000}, 10),
        ("/v1/chat/completions", {**BODY, "n": 3}, 16),
        ("/v1/messages", {**BODY, "max_tokens": 9}, 10),
        ("/v1/responses", {"model": "m", "input": "Hi"}, 10),
        ("/v1/embeddings", {"model": "m", "input": "Hi"}, 4),
        ("/v1/completions", {"model": "m", "prompt": "Hi"}, 10),
        ("/v1/chat/completions", {**BODY, "temperature": 9}, 0),
        ("/v1/chat/completions", {"model": "m"}, 0),
    ],
)
def test_what_a_request_costs(path: str, body: Any, tokens: int, stream: bool) -> None:
    """When its answer is over, a request has used what Ollama counted, no more."""
    installation = installed(snapshot(key(tpd=10**6)))
    app = world(installation)
    if stream and path != "/v1/embeddings":
        body = {**body, "stream": True}
    post(app, path, body)
    assert used(installation) == tokens


@pytest.mark.parametrize("usage", ["auto", "off"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/chat", BODY),
        ("/api/generate", {"model": "m", "prompt": "Hello, who are you?"}),
    ],
)
def test_what_a_native_request_costs(
    path: str, body: Any, stream: bool, usage: str
) -> None:
    """What Ollama says at the end of an answer that is not read, whoever asks it."""
    installation = installed(snapshot(key(tpd=10**6)))
    answer = CHAT if path == "/api/chat" else GENERATE
    piece = answer.replace(b'"done":true', b'"done":false')
    answer = answer.replace(b'"done":true', b'"done":true,"total_duration":9')
    upstream = FakeUpstream(*([piece] * 3 if stream else []), answer)
    settings = Settings(responses_ttl=0, access_log=False, usage=usage)
    with patch("middleware.stack.Upstream.of", lambda settings: upstream):
        app = LintMiddleware(build_stack(settings, installation))
    assert post(app, path, {**body, "stream": stream}).status == 200
    assert used(installation) == 10


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
def test_what_a_failure_costs(path: str) -> None:
    """Nothing: it used nothing."""
    installation = installed(snapshot(key(tpd=10**6)))
    failing = Ollama(b'{"error":"boom"}', status="500 Internal Server Error")
    app = linted(failing, installation=installation)
    assert post(app, path).status >= 500
    assert used(installation) == 0


def test_what_a_broken_off_stream_costs() -> None:
    """Its prompt as it was estimated, since nobody counted."""
    installation = installed(snapshot(key(tpd=10**6)))
    half = CHAT.replace(b'"done":true', b'"done":false')
    app = world(installation, half)
    answer = post(app, body={**BODY, "stream": True})
    assert b"upstream_incomplete" in answer.body
    assert 1 <= used(installation) < 30


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {**BODY, "n": 8, "max_tokens": 100}),
        ("/v1/completions", {"model": "m", "prompt": ["x"] * 20, "max_tokens": 10}),
        ("/v1/completions", {"model": "m", "prompt": "x", "best_of": 8, "n": 1}),
        ("/v1/completions", {"model": "m", "prompt": ["x" * 400, "y" * 400]}),
        ("/api/chat", {**BODY, "options": {"num_predict": 151}}),
        ("/api/chat", {**BODY, "OPTIONS": {"num_predict": 2e300}}),
        ("/api/generate", {"model": "m", "options": {"num_predict": 151.5}}),
    ],
)
def test_what_may_be_used_is_there(path: str, body: Any) -> None:
    """Each answer that is asked for counts, by whatever name, before it is made."""
    app = world(installed(snapshot(key(tpd=150))))
    if "best_of" in body:
        body = {**body, "max_tokens": 50}
    refused = post(app, path, body)
    assert refused.status == 429
    assert b" 150 are left" in refused.body
    assert post(app, path, {**BODY, "prompt": "x"}).status == 200


@pytest.mark.parametrize(
    "failure",
    [
        UpstreamTimeout("It took too long."),
        Interruption(None),
        cancelled(),
        BadRequest("This API key has been revoked.", status=401),
    ],
    ids=["late", "left", "ended", "revoked"],
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
@pytest.mark.parametrize("chunked", [False, True])
def test_what_an_answer_that_never_came_costs(
    path: str, stream: bool, failure: Exception, chunked: bool
) -> None:
    """Its prompt as it was estimated: Ollama has been asked."""

    def late(environ: Any, start_response: Any) -> Any:
        raise failure

    installation = installed(snapshot(key(tpd=10**6)))
    app = linted(late, installation=installation)
    data = json.dumps({**BODY, "stream": stream}).encode()
    environ = environ_of("POST", path, data, HTTP_AUTHORIZATION=f"Bearer {SECRET}")
    if chunked:  # nobody knows how long it is before it has been read
        del environ["CONTENT_LENGTH"]
        environ |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}
    with suppress(ConnectionResetError, Interruption):
        body = app(environ, Started())
        try:
            b"".join(body)
        finally:
            body.close()
    assert 4 <= used(installation) < 30


def test_what_is_read_ahead_costs() -> None:
    """Its prompt, for the key that wanted it, once; what was dropped costs nothing."""
    installation = installed(snapshot(key(tpd=10**6)))
    app = world(installation)
    hole = {"input_prefix": "def f(" + "y" * 2000, "input_suffix": ")"}
    body = {"model": "m", "n_predict": 0, **hole}
    assert post(app, "/infill", body).status == 200
    once = used(installation)
    assert once > 400
    assert post(app, "/infill", body).status == 200  # the first is still being read
    assert used(installation) == once


def messages(*contents: str, images: Sequence[str] = ()) -> ollama.ChatRequest:
    """A chat with these messages, and images in the last."""
    said = [ollama.Message(role="user", content=content) for content in contents]
    said[-1].images = list(images) or None
    return ollama.ChatRequest(model="m", messages=said, stream=False)


@pytest.mark.parametrize(
    ("call", "tokens"),
    [
        (messages("a" * 400, "b" * 40), 110),
        (messages("a" * 400, images=["x", "y"]), 100 + 2 * 768),
        (ollama.EmbedRequest(model="m", input="a" * 40), 10),
        (ollama.EmbedRequest(model="m", input=["a" * 40] * 3), 30),
        (ollama.EmbedRequest(model="m", input=""), 1),
        (messages("Hi!"), 1),
    ],
)
def test_what_is_reserved(call: Any, tokens: int) -> None:
    """A quarter of the characters, and what an image takes; a token at least."""
    limits = Limits()
    exchange = Exchange(key=key(tpd=tokens))
    exchange.taken = Taken(key(tpd=tokens))
    TokenLimit(limits)(exchange, call)
    assert exchange.taken.tokens == exchange.taken.prompt == tokens
    exchange.taken = Taken(key("other", tpd=tokens - 1))
    with pytest.raises(BadRequest):
        TokenLimit(limits)(exchange, call)


@pytest.mark.parametrize("asked", [-1, -2, "x", None])
def test_an_answer_without_an_end(asked: Any) -> None:
    """One that may be as long as it likes reserves what its prompt has."""
    exchange = Exchange(key=key(tpd=1000))
    exchange.taken = Taken(key(tpd=1000))
    call = messages("a" * 400)
    call.options = {"num_predict": asked}
    TokenLimit(Limits())(exchange, call)
    assert exchange.taken.tokens == 100


def test_the_length_of_an_answer() -> None:
    """What a request allows for its answer is reserved as well."""
    app = world(installed(snapshot(key(tpd=1000))))
    refused = post(app, body={**BODY, "max_tokens": 1000})
    assert refused.status == 429
    said = refused.json["error"]["message"]
    assert "1000 are left, and this request may need 1004" in said
    assert post(app, body={**BODY, "max_tokens": 900}).status == 200


def test_a_long_native_request() -> None:
    """Its body may hold images: it reserves 4,096 tokens, whatever its size."""
    app = world(installed(snapshot(key(tpd=4096))))
    message = {"role": "user", "content": "Look", "images": ["QUJD" * 50_000]}
    body = {"model": "m", "messages": [message], "stream": False}
    assert post(app, "/api/chat", body).status == 200


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1, "1s"),
        (60, "1m0s"),
        (360, "6m0s"),
        (3600, "1h0m0s"),
        (46_805, "13h0m5s"),
    ],
)
def test_durations(seconds: int, text: str) -> None:
    """As OpenAI writes them."""
    assert duration(seconds) == text
