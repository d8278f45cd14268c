"""Counts: what becomes of this worker's requests, in numbers.

Once for each request, when its answer is over; nothing is done for a token.
"""

import os
import time
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from ..errors import UpstreamTimeout, UpstreamUnreachable
from ..exchange import Exchange
from ..gateway.spent import Spent
from .board import IN_FLIGHT, PID, UP, UP_AT, Board
from .families import (
    COMPLETION_TOKENS,
    DROPPED,
    DURATION,
    ERRORS,
    FIRST_TOKEN,
    OLLAMA,
    PROMPT_TOKENS,
    REQUESTS,
    SECONDS,
    SPEED,
    WHAT,
    Family,
)
from .models import OTHER, Models

#: What Ollama does, in the order of ``Spent.durations``.
PHASES = ("queue", "load", "prompt", "generation")
#: The status of a request whose client left before there was one.
NONE = "none"
#: How many places are remembered: more than most statuses and models make.
_REMEMBERED = 2000


class Dropping(Protocol):
    """What drops rows of usage, and how many it has dropped."""

    dropped: int


class _Answers(NamedTuple):
    """Where the numbers of answers of one kind are."""

    prompt: int
    completion: int
    first: int
    speed: int
    phases: tuple[int, ...]


class _Places(NamedTuple):
    """Where the numbers of requests of one kind are."""

    requests: int
    duration: int
    seconds: int
    answers: _Answers | None


class Counts:
    """The numbers of one worker, on a board of its own until it shares one."""

    def __init__(self, usage: Dropping) -> None:
        self._usage = usage
        own = Board()
        self.share(own, own.take())

    def share(self, board: Board, number: int | None) -> None:
        """Count from now on on that sheet of the board, which has been taken.

        ``None`` is none: the board is read, but what is counted here is not on it.
        """
        self.board = board
        self._sheet = Board().sheet(0) if number is None else board.sheet(number)
        self._cells = self._sheet.cells
        self._cells[PID] = os.getpid()
        self._models = Models(self._known_models)
        self._places: dict[tuple[str, str, str, bool], _Places] = {}
        self._dropped = 0
        self.note_dropped()

    def begin(self, exchange: Exchange, endpoint: str) -> None:
        """A request has come.

        What it spends in Ollama is noted for those who ask for metrics, once they do.
        """
        self._cells[IN_FLIGHT] += 1
        if self.board.asked and exchange.spent is None:
            exchange.spent = Spent(endpoint, "")

    def end(self, exchange: Exchange, endpoint: str) -> None:
        """Its answer is over."""
        cells, spent = self._cells, exchange.spent
        cells[IN_FLIGHT] -= 1
        answered = exchange.complete or exchange.prompt_tokens is not None
        name = exchange.resolved or exchange.model or (spent.model if spent else "")
        what = (endpoint, name, exchange.status, answered)
        places = self._places.get(what) or self._found(*what)
        requests, duration, seconds, answers = places
        cells[requests] += 1
        took = time.monotonic() - exchange.started
        cells[duration + bisect_left(SECONDS, took)] += 1
        cells[seconds] += took
        if answers is not None:
            self._count_answer(exchange, answers)
        if answered or (endpoint == "native" and exchange.status == "200"):
            cells[UP], cells[UP_AT] = 1, time.time()
        if exchange.outcome != "done":
            self._count_failure(exchange, endpoint)
        if self._usage.dropped != self._dropped:
            self.note_dropped()

    def note_dropped(self) -> None:
        """Take up how many rows of usage have been dropped."""
        dropped = self._usage.dropped
        self._cells[self._place(DROPPED)] += dropped - self._dropped
        self._dropped = dropped

    def _count_answer(self, exchange: Exchange, places: _Answers) -> None:
        cells = self._cells
        cells[places.prompt] += exchange.prompt_tokens or 0
        cells[places.completion] += exchange.completion_tokens or 0
        if exchange.stream and exchange.first_item_ms is not None:
            self._observe(FIRST_TOKEN, places.first, exchange.first_item_ms / 1000)
        if exchange.spent is not None and self.board.asked:
            self._count_spent(exchange.spent, places, exchange.completion_tokens or 0)

    def _count_spent(self, spent: Spent, places: _Answers, tokens: int) -> None:
        durations = spent.durations()
        for place, milliseconds in zip(places.phases, durations, strict=True):
            self._cells[place] += (milliseconds or 0) / 1000
        if tokens and (took := durations[-1]):
            self._observe(SPEED, places.speed, tokens / took * 1000)

    def _count_failure(self, exchange: Exchange, endpoint: str) -> None:
        if isinstance(exchange.failure, UpstreamUnreachable | UpstreamTimeout):
            self._cells[UP], self._cells[UP_AT] = 0, time.time()
        self._cells[self._place(ERRORS, endpoint, exchange.outcome)] += 1

    def _observe(self, family: Family, place: int, value: float) -> None:
        self._cells[place + bisect_left(family.buckets, value)] += 1
        self._cells[place + family.width - 1] += value

    def _found(self, endpoint: str, name: str, status: str, answered: bool) -> _Places:
        """Where requests of a kind are counted; clients may invent names of models."""
        model = self._models.label(name, answered)
        duration = self._place(DURATION, endpoint, model)
        places = _Places(
            self._place(REQUESTS, endpoint, model, status or NONE),
            duration,
            duration + DURATION.width - 1,
            self._answers(endpoint, model) if answered else None,
        )
        if model != OTHER:
            if len(self._places) >= _REMEMBERED:
                self._places.clear()
            self._places[endpoint, name, status, answered] = places
        return places

    def _answers(self, endpoint: str, model: str) -> _Answers:
        return _Answers(
            self._place(PROMPT_TOKENS, endpoint, model),
            self._place(COMPLETION_TOKENS, endpoint, model),
            self._place(FIRST_TOKEN, endpoint, model),
            self._place(SPEED, model),
            tuple([self._place(OLLAMA, model, phase) for phase in PHASES]),
        )

    def _place(self, family: Family, *labels: str) -> int:
        return self._sheet.place((family.name, *labels), family.width)

    def _known_models(self) -> set[str]:
        """Those that have a label, in any worker."""
        return set(self._labels_of(WHAT.index("model"))) - {"", OTHER}

    def _labels_of(self, position: int) -> Iterator[str]:
        for sheet in self.board.sheets():
            for series, _ in sheet.numbers():
                if series[0] == REQUESTS.name:
                    yield series[1 + position]
