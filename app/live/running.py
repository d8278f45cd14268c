"""Running: what one worker is answering now, of requests to models.

No text of any request is in it.
"""

import os
import secrets
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import msgspec

from ..errors import GatewayError
from ..metrics.endpoints import OTHER, OWN, endpoint

if TYPE_CHECKING:
    from ..exchange import Exchange
    from ..inflight import Inflight, Watch

#: Requests that one worker tells of, the oldest first.
MOST = 500
#: Characters of a name that are shown: clients may ask for any.
NAME = 256
#: What is no request to a model.
_BESIDE = {OWN, OTHER, "models"}
_LLAMACPP = ("/infill", "/completion")

State = Literal["waiting", "answering"]


class Seen(NamedTuple):
    """One answer, as whoever counts it sees it; milliseconds since the request came."""

    exchange: "Exchange"
    method: str
    path: str
    address: str
    sent: int
    first_item_ms: int | None


class Answer(Protocol):
    """Who counts an answer."""

    def seen(self) -> Seen:
        """How it looks now."""


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """One request; ``None`` and empty are what nobody knows.

    ``model`` is the name that was asked for, ``resolved`` the model that answers.
    ``state`` is ``waiting`` until something of the answer has come.  ``tokens`` are
    guessed: Ollama sends about one at a time.  ``bytes_sent`` are those of the answer.
    """

    id: str
    key_id: str
    key_name: str
    model: str
    resolved: str
    endpoint: str
    protocol: str
    stream: bool | None
    age_ms: int
    state: State
    tokens: int | None
    tokens_per_s: float | None
    bytes_sent: int
    client: str
    pid: int
    host: str


class Report(msgspec.Struct, kw_only=True):
    """What one worker has to say.

    ``worker`` tells it from all others, ``total`` is how many requests it is
    answering, of which ``running`` may be only some.  ``cancelled`` are those that it
    has ended just now.
    """

    worker: str
    running: list[Running] = []
    total: int = 0
    cancelled: int = 0


class Worker:
    """One worker and its requests."""

    def __init__(self, inflight: "Inflight") -> None:
        self._inflight = inflight
        self._pid, self._host = os.getpid(), socket.gethostname()
        self.name = f"{self._pid}-{secrets.token_hex(4)}"

    def report(self) -> Report:
        """What it is answering, the oldest first."""
        found = sorted(
            (answer for _, answer in self._answers()),
            key=lambda seen: seen.exchange.started,
        )
        running = [self._running(seen) for seen in found[:MOST]]
        return Report(worker=self.name, running=running, total=len(found))

    def cancel(self, id: str) -> Report:
        """End the requests of this id; clients may have given several the same."""
        found = [watch for watch, seen in self._answers() if seen.exchange.id == id]
        for watch in found:
            watch.end_with(cancelled())
        return Report(worker=self.name, cancelled=len(found))

    def _answers(self) -> Iterator[tuple["Watch", Seen]]:
        for watch in self._inflight:
            if watch.answer is not None:
                seen = watch.answer.seen()
                if _is_to_a_model(seen):
                    yield watch, seen

    def _running(self, seen: Seen) -> Running:
        exchange = seen.exchange
        key, age = exchange.key, exchange.milliseconds()
        tokens = _tokens(seen)
        return Running(
            id=exchange.id,
            key_id=key.id if key is not None else "",
            key_name=key.name if key is not None else "",
            model=exchange.model[:NAME],
            resolved=(exchange.resolved or exchange.model)[:NAME],
            endpoint=endpoint(seen.method, seen.path),
            protocol=_protocol(seen.path),
            stream=exchange.stream,
            age_ms=age,
            state="waiting" if seen.first_item_ms is None else "answering",
            tokens=tokens,
            tokens_per_s=_rate(tokens, age - (seen.first_item_ms or 0)),
            bytes_sent=seen.sent,
            client=seen.address,
            pid=self._pid,
            host=self._host,
        )


def cancelled() -> GatewayError:
    """What the client of a request is told that somebody has ended.

    No status that clients take for a reason to repeat themselves, and for those of
    OpenAI a word against it.
    """
    return GatewayError(
        "This request was ended by an administrator.",
        status=499,
        code="request_cancelled",
        headers=[("x-should-retry", "false")],
    )


def _is_to_a_model(seen: Seen) -> bool:
    return seen.method == "POST" and endpoint("POST", seen.path) not in _BESIDE


def _protocol(path: str) -> str:
    """The dialect of a path, as rows of usage have it."""
    if path.startswith(("/api/", "/code/")):
        return "ollama"
    if path in _LLAMACPP:
        return "llamacpp"
    return "anthropic" if "/messages" in path else "openai"


def _tokens(seen: Seen) -> int | None:
    """Tokens so far, of an answer that comes in pieces."""
    exchange = seen.exchange
    if exchange.completion_tokens is not None:
        return exchange.completion_tokens
    watch, pieces = exchange.watch, exchange.stream is not False
    return watch.items if pieces and watch is not None and watch.items else None


def _rate(tokens: int | None, milliseconds: int) -> float | None:
    if not tokens or milliseconds <= 0:
        return None
    return round(tokens * 1000 / milliseconds, 1)
