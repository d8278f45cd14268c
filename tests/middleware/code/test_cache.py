"""Answers that are remembered: which ones, for how long, and how they come back."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from support.gateway import key
from support.ollama import Body, Ollama, Started

from app.errors import UpstreamBroken
from app.exchange import Exchange
from middleware.base import calling
from middleware.code import cache
from middleware.code.cache import HIT, LONGEST, MOST, Remembering

LINES = (b'{"response":"a","done":false}\n', b'{"response":"b","done":true}\n')
NDJSON = [("Content-Type", "application/x-ndjson"), ("Date", "x")]


class Asked:
    """A cache around an Ollama, in a time that the test makes."""

    def __init__(self, ollama: Any = None, seconds: float = 60.0) -> None:
        self.now = 1000.0
        self.ollama = ollama or Ollama(*LINES, headers=NDJSON)
        self.app = Remembering(self.ollama, seconds, lambda: self.now)

    def begin(
        self, prompt: str = "x", path: str = "/api/generate", repeatable: bool = True
    ) -> tuple[Exchange, Started, Any]:
        """Make a call; its answer is the caller's to read and to close."""
        environ = calling({}, path, json.dumps({"prompt": prompt}).encode())
        exchange = Exchange.of(environ)
        exchange.filling = SimpleNamespace(repeatable=repeatable)
        started = Started()
        return exchange, started, self.app(environ, started)

    def ask(self, *given: Any, complete: bool = True, **named: Any) -> list[bytes]:
        """Make a call and read all of its answer, as a writer does: its pieces."""
        exchange, started, body = self.begin(*given, **named)
        pieces = list(body)
        exchange.complete = complete
        close(body)
        assert started.status == int(self.ollama.status[:3])
        assert started.headers["content-type"] == "application/x-ndjson"
        return pieces

    @property
    def calls(self) -> int:
        """How many calls came to Ollama."""
        return len(self.ollama.calls)


def close(body: Any) -> None:
    """Close what can be closed."""
    getattr(body, "close", lambda: None)()


def test_the_same_bytes_at_once() -> None:
    """An equal call gets the bytes of the first one, and Ollama is not asked."""
    asked = Asked()
    assert asked.ask() == list(LINES)  # piece by piece
    assert b"".join(asked.ask()) == b"".join(LINES)
    assert asked.calls == 1
    assert asked.ollama.body.closed == 1


def test_an_answer_from_memory_says_so() -> None:
    """Clients see which answer is from memory; it goes out without Ollama's length."""
    asked = Asked(Ollama(*LINES, headers=[*NDJSON, ("Content-Length", "58")]))
    exchange, started, body = asked.begin()
    assert list(body) == list(LINES)
    exchange.complete = True
    close(body)
    assert exchange.adjusted == []
    assert started.headers["content-length"] == "58"
    for _ in range(2):  # what one request does to its headers is its own
        exchange, started, body = asked.begin()
        assert exchange.adjusted == [HIT]
        ((status, headers),) = started.calls
        assert status == "200 OK"
        assert headers == [("Content-Type", "application/x-ndjson")]
        headers.clear()


@pytest.mark.parametrize(
    "other",
    [{"prompt": "y"}, {"path": "/api/chat"}],
    ids=["another body", "another path"],
)
def test_other_calls(other: dict[str, Any]) -> None:
    """A call that differs in anything is made."""
    asked = Asked()
    asked.ask()
    asked.ask(**other)
    assert asked.calls == 2
    asked.ask()
    asked.ask(**other)
    assert asked.calls == 2


def test_not_repeatable() -> None:
    """What another time would be another is neither kept nor given from memory."""
    asked = Asked()
    asked.ask(repeatable=False)
    assert len(asked.app) == 0
    asked.ask()
    asked.ask(repeatable=False)
    assert asked.calls == 3


def test_no_completion_of_code() -> None:
    """A call that fills in nothing passes as if nothing were there."""
    asked = Asked()
    for _ in range(2):
        environ = calling({}, "/api/generate", b"{}")
        body: Any = asked.app(environ, Started())
        assert isinstance(body, Body)
        Exchange.of(environ).complete = True
        assert list(body) == list(LINES)
        body.close()
    assert asked.calls == 2


def test_switched_off() -> None:
    """With no seconds to remember nothing is."""
    asked = Asked(seconds=0)
    asked.ask()
    asked.ask()
    assert asked.calls == 2
    assert len(asked.app) == 0


def test_expired() -> None:
    """After its time an answer is asked for anew, and then is new again."""
    asked = Asked(seconds=60)
    asked.ask()
    asked.now += 59.9
    asked.ask()
    assert asked.calls == 1  # and being asked for makes it no younger
    asked.now += 0.1
    asked.ask()
    assert asked.calls == 2
    asked.now += 59.9
    asked.ask()
    assert asked.calls == 2
    asked.now += 1000
    asked.ask("another")
    assert len(asked.app) == 1  # what is too old is let go of


INCOMPLETE = {
    "no end": (Ollama(*LINES, headers=NDJSON), False),
    "a refusal": (Ollama(*LINES, headers=NDJSON, status="400 Bad Request"), True),
    "created": (Ollama(*LINES, headers=NDJSON, status="201 Created"), True),
    "nothing": (Ollama(b"", headers=NDJSON), True),
    "too long": (Ollama(b"x" * LONGEST, b"x", headers=NDJSON), True),
    "too long at once": (Ollama(b"x" * (LONGEST + 1), headers=NDJSON), True),
    "too long, and more": (Ollama(*[b"x" * LONGEST] * 3, headers=NDJSON), True),
}


@pytest.mark.parametrize("case", INCOMPLETE)
def test_not_remembered(case: str) -> None:
    """Only what is complete, good and not too long is remembered; all passes on."""
    ollama, complete = INCOMPLETE[case]
    asked = Asked(ollama)
    before = len(ollama.calls)
    for _ in range(2):
        assert asked.ask(complete=complete) == list(ollama.blocks)
    assert asked.calls - before == 2
    assert len(asked.app) == 0


def test_the_longest() -> None:
    """An answer of exactly the greatest length is remembered."""
    asked = Asked(Ollama(b"x" * (LONGEST - 1), b"y", headers=NDJSON))
    asked.ask()
    assert asked.ask() == [b"x" * (LONGEST - 1) + b"y"]
    assert asked.calls == 1


def test_a_long_answer_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an answer that proves too long nothing is held while it goes on."""
    monkeypatch.setattr(cache, "LONGEST", 10)
    asked = Asked(Ollama(*[b"1234567"] * 5, headers=NDJSON))
    _, _, body = asked.begin()
    for _ in range(4):
        next(body)
    assert body._pieces == []
    close(body)


def test_read_as_far_as_it_matters() -> None:
    """A reader that has what it needs does not wait for the end of the framing."""
    asked = Asked(Ollama(*LINES, AssertionError("read on"), headers=NDJSON))
    exchange, _, body = asked.begin()
    assert [next(body), next(body)] == list(LINES)
    exchange.complete = True
    close(body)
    assert b"".join(asked.ask()) == b"".join(LINES)


def test_left_early() -> None:
    """What a client left, and what was cut because it sufficed, is not remembered."""
    asked = Asked()
    for steps in (0, 1, 2):
        _, _, body = asked.begin()
        for _ in range(steps):
            next(body)
        close(body)
        close(body)
    assert asked.calls == 3
    assert [one.closed for one in asked.ollama.bodies] == [1, 1, 1]
    assert len(asked.app) == 0


def test_failing_on_the_way() -> None:
    """A failure of Ollama's passes on, and is not remembered."""
    asked = Asked(Ollama(LINES[0], UpstreamBroken("gone"), headers=NDJSON))
    for _ in range(2):
        _, _, body = asked.begin()
        assert next(body) == LINES[0]
        with pytest.raises(UpstreamBroken):
            next(body)
        close(body)
    assert asked.calls == 2
    assert len(asked.app) == 0


def test_failing_to_close() -> None:
    """An answer that cannot be closed is the caller's failure, as without a cache."""

    class Unclosed(Body):
        def close(self) -> None:
            raise OSError("no")

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", NDJSON)
        return Unclosed(LINES)

    asked = Asked(app)
    _, _, body = asked.begin()
    with pytest.raises(OSError, match="no"):
        close(body)


def test_many_at_once() -> None:
    """Equal calls that overlap are all made; whoever is done last is remembered."""
    asked = Asked()
    begun = [asked.begin() for _ in range(3)]
    assert asked.calls == 3
    for exchange, _, body in begun:
        assert list(body) == list(LINES)
        exchange.complete = True
        close(body)
    assert len(asked.app) == 1
    asked.ask()
    assert asked.calls == 3


def test_the_age_of_many_at_once() -> None:
    """What is remembered anew is young again, and hides nothing that is too old."""
    asked = Asked(seconds=60)
    slow, _, body = asked.begin()
    asked.ask()
    asked.now += 10
    asked.ask("another")
    asked.now += 20
    slow.complete = bool(list(body))
    close(body)
    asked.now += 45
    asked.ask()
    assert asked.calls == 3
    asked.ask("another")
    assert asked.calls == 4


def test_choices_say_it_once() -> None:
    """Calls of one request that share their notes say once that there was memory."""
    asked = Asked()
    asked.ask()
    environ = calling({}, "/api/generate", json.dumps({"prompt": "x"}).encode())
    exchange = Exchange.of(environ)
    exchange.filling = SimpleNamespace(repeatable=True)
    exchange.adjusted.append(HIT)
    asked.app(environ, Started())
    assert exchange.adjusted == [HIT]


def test_closed_twice() -> None:
    """Who closes an answer twice does not make it an empty one."""
    asked = Asked()
    exchange, _, body = asked.begin()
    exchange.complete = bool(list(body))
    close(body)
    close(body)
    assert asked.ask() == [b"".join(LINES)]


def test_at_most() -> None:
    """So many answers are remembered; the oldest give way."""
    asked = Asked()
    for number in range(MOST + 10):
        asked.ask(str(number))
    assert len(asked.app) == MOST == 500
    asked.ask(str(MOST + 9))
    asked.ask("10")
    assert asked.calls == MOST + 10
    asked.ask("9")
    assert asked.calls == MOST + 11


def test_a_response_that_starts_late() -> None:
    """An application may start its response with its first item."""

    class Late(Ollama):
        def __call__(self, environ: Any, start_response: Any) -> Any:
            body = super().__call__(environ, lambda *_: None)

            def items() -> Iterator[bytes]:
                start_response(self.status, [*self.headers])
                yield from body

            return items()

    asked = Asked(Late(*LINES, headers=NDJSON))
    asked.ask()
    asked.ask()
    assert asked.calls == 1


def test_each_key_has_answers_of_its_own() -> None:
    """What is remembered for one key tells others nothing, nor whoever has none."""
    asked = Asked()
    one, other = key("one"), key("other")
    for number, asks in enumerate((one, other, None, one, other, None)):
        environ = calling({}, "/api/generate", b"{}")
        exchange = Exchange.of(environ)
        exchange.key = asks
        exchange.filling = SimpleNamespace(repeatable=True)
        body = asked.app(environ, Started())
        assert b"".join(body) == b"".join(LINES)
        exchange.complete = True
        close(body)
        assert exchange.adjusted == ([] if number < 3 else [HIT])
    assert asked.calls == 3
