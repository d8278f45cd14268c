"""Reading ahead: one call at a time, whose answer is nobody's, and which gives way."""

import logging
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from gevent.event import Event
from support.ollama import NDJSON, Body, Ollama

from app.background import Background
from app.exchange import Exchange
from app.inflight import Inflight
from middleware.base import calling
from middleware.code.warm import WarmUp

CALL = b'{"model":"m","prompt":"x","options":{"num_predict":1}}'
LINES = (b'{"response":"a","done":false}\n', b'{"response":"","done":true}\n')


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Whatever hangs is a failure after a while."""
    with gevent.Timeout(20):
        yield


class Slow(Ollama):
    """Answers when the test lets it; ``asked`` is set when it was."""

    def __init__(self, *blocks: Any, **given: Any) -> None:
        super().__init__(*(blocks or LINES), headers=NDJSON, **given)
        self.exchanges: list[Exchange] = []
        self.asked, self.go = Event(), Event()
        self.environ: dict[str, Any] = {}

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Note the call, and answer when it may."""
        self.environ = environ
        self.exchanges.append(Exchange.of(environ))
        body: Any = super().__call__(environ, start_response)

        class Waiting(Body):
            def __next__(waiting) -> bytes:
                self.asked.set()
                self.go.wait()
                return next(body)

            def close(waiting) -> None:
                body.close()

        return Waiting(())


def environ_of(exchange: Exchange) -> dict[str, Any]:
    """A call as an editor's request makes it."""
    client = {"gunicorn.socket": object(), "wsgi.errors": object(), "HTTP_X": "y"}
    client["pannier.exchange"] = exchange
    return calling(client, "/api/generate", CALL)


def idle(background: Background) -> None:
    """Wait until nothing runs."""
    while len(background):
        gevent.sleep(0)


def test_a_call() -> None:
    """The call is made as it is, read to its end and closed; nobody waits for it."""
    ollama, background = Slow(), Background()
    warm = WarmUp(ollama, background)
    warm.start(environ_of(Exchange(model="m")))
    assert ollama.calls == []
    ollama.asked.wait()
    ollama.go.set()
    idle(background)
    (call,) = ollama.calls
    assert (call.method, call.path, call.body) == ("POST", "/api/generate", CALL)
    assert ollama.body.taken == len(LINES)
    assert ollama.body.closed == 1


def test_an_exchange_of_its_own() -> None:
    """Nothing of the request that began it is held, and nothing is noted on it."""
    ollama, background = Slow(), Background()
    ollama.go.set()
    own = Exchange(model="m")
    WarmUp(ollama, background).start(environ_of(own))
    idle(background)
    (exchange,) = ollama.exchanges
    assert exchange is not own
    assert exchange.id != own.id
    assert (exchange.model, exchange.stream, exchange.watch) == ("m", True, None)
    assert not {"gunicorn.socket", "wsgi.errors", "HTTP_X"} & ollama.environ.keys()


def test_dropped_while_busy() -> None:
    """What comes while one runs is dropped, and leaves that one alone."""
    ollama, background = Slow(), Background()
    warm = WarmUp(ollama, background)
    warm.start(environ_of(Exchange()))
    ollama.asked.wait()
    warm.start(environ_of(Exchange()))
    gevent.sleep(0)
    ollama.go.set()
    idle(background)
    assert len(ollama.calls) == 1


@pytest.mark.parametrize("begun", [False, True])
def test_gives_way(begun: bool, caplog: pytest.LogCaptureFixture) -> None:
    """It ends wherever it is when it has to make way; of that nobody hears."""
    ollama, background = Slow(), Background()
    warm = WarmUp(ollama, background)
    warm.start(environ_of(Exchange()))
    if begun:
        ollama.asked.wait()
    warm.make_way()
    idle(background)
    assert [body.closed for body in ollama.bodies] == [1] * begun
    assert caplog.records == []
    warm.start(environ_of(Exchange()))  # and there may be another
    ollama.go.set()
    idle(background)
    assert len(ollama.calls) == begun + 1


@pytest.mark.parametrize("others", [0, 1])
def test_dropped_while_others_are_answered(others: int) -> None:
    """Whoever else is being answered comes first."""
    ollama, background = Slow(), Background()
    ollama.go.set()
    inflight = Inflight(60)
    watches = [inflight.begin(None) for _ in range(1 + others)]
    WarmUp(ollama, background).start(environ_of(Exchange(watch=watches[0])))
    idle(background)
    assert len(ollama.calls) == (not others)
    for watch in watches:
        watch.end()


def test_a_refusal(caplog: pytest.LogCaptureFixture) -> None:
    """What Ollama refuses is a line in the log, without a trace."""
    ollama = Slow(b'{"error":"no"}', status="404 Not Found")
    background = Background()
    ollama.go.set()
    WarmUp(ollama, background).start(environ_of(Exchange()))
    idle(background)
    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert "404" in line.getMessage()
    assert ollama.body.closed == 1
