"""Counts: what becomes of this worker's requests, in numbers.

Once for each request, when its answer is over; nothing is done for a token.
"""

import os
import time
from collections.abc import Iterator

from ..errors import UpstreamTimeout, UpstreamUnreachable
from ..exchange import Exchange
from ..gateway.spent import Spent
from .board import IN_FLIGHT, PID, UP, UP_AT, Board, Series
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
    SPEEDS,
    WHAT,
    Family,
    bucket,
)
from .models import OTHER, Models

#: What Ollama does, in the order of ``Spent.durations``.
PHASES = ("queue", "load", "prompt", "generation")
#: The status of a request whose client left before there was one.
NONE = "none"
#: How many places are remembered: more than statuses and models make.
_REMEMBERED = 10_000


class Counts:
    """The numbers of one worker, on a board of its own until it shares one."""

    def __init__(self) -> None:
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
        self._places: dict[Series, tuple[int, int]] = {}
        self._dropped = 0
        self._place(DROPPED)

    def begin(self, exchange: Exchange, endpoint: str) -> None:
        """A request has come.

        What it spends in Ollama is noted for those who ask for metrics, once they do.
        """
        self._cells[IN_FLIGHT] += 1
        if exchange.spent is None and self.board.asked:
            exchange.spent = Spent(endpoint, "")

    def end(self, exchange: Exchange, endpoint: str) -> None:
        """Its answer is over."""
        cells, spent = self._cells, exchange.spent
        cells[IN_FLIGHT] -= 1
        answered = exchange.complete or exchange.prompt_tokens is not None
        name = exchange.resolved or exchange.model or (spent.model if spent else "")
        model = self._models.label(name, answered)
        what = (endpoint, model, exchange.status)
        requests, duration = self._places.get(what) or self._placed(what)
        cells[requests] += 1
        self._observe(duration, time.monotonic() - exchange.started)
        if answered:
            self._count_answer(exchange, endpoint, model)
            if spent is not None:
                self._count_spent(spent, model, exchange.completion_tokens)
        if answered or (endpoint == "native" and exchange.status == "200"):
            cells[UP], cells[UP_AT] = 1, time.time()
        if exchange.outcome != "done":
            self._count_failure(exchange, endpoint)

    def _count_answer(self, exchange: Exchange, *what: str) -> None:
        if prompt := exchange.prompt_tokens:
            self._cells[self._place(PROMPT_TOKENS, *what)] += prompt
        if completion := exchange.completion_tokens:
            self._cells[self._place(COMPLETION_TOKENS, *what)] += completion
        if exchange.stream and exchange.first_item_ms is not None:
            seconds = exchange.first_item_ms / 1000
            self._observe(self._place(FIRST_TOKEN, *what), seconds)

    def _count_spent(self, spent: Spent, model: str, tokens: int | None) -> None:
        durations = spent.durations()
        for phase, milliseconds in zip(PHASES, durations, strict=True):
            if milliseconds:
                self._cells[self._place(OLLAMA, model, phase)] += milliseconds / 1000
        if tokens and (took := durations[-1]):
            speed = tokens / took * 1000
            place = self._place(SPEED, model)
            self._cells[place + bucket(SPEEDS, speed)] += 1
            self._cells[place + len(SPEEDS) + 1] += speed

    def _count_failure(self, exchange: Exchange, endpoint: str) -> None:
        if isinstance(exchange.failure, UpstreamUnreachable | UpstreamTimeout):
            self._cells[UP], self._cells[UP_AT] = 0, time.time()
        self._cells[self._place(ERRORS, endpoint, exchange.outcome)] += 1

    def note_dropped(self, rows: int) -> None:
        """So many rows of usage have been dropped since this worker began."""
        if rows != self._dropped:
            self._cells[self._place(DROPPED)] += rows - self._dropped
            self._dropped = rows

    def _observe(self, place: int, seconds: float) -> None:
        self._cells[place + bucket(SECONDS, seconds)] += 1
        self._cells[place + len(SECONDS) + 1] += seconds

    def _placed(self, what: Series) -> tuple[int, int]:
        """Where requests of a kind are counted, and how long they take."""
        endpoint, model, status = what
        places = (
            self._place(REQUESTS, endpoint, model, status or NONE),
            self._place(DURATION, endpoint, model),
        )
        if len(self._places) >= _REMEMBERED:
            self._places.clear()
        self._places[what] = places
        return places

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
