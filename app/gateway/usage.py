"""Usage: what requests have used, on its way to the database.

Requests leave a row and go on.  One greenlet writes what there is, a little later and
many rows at once; while it cannot, rows wait, up to a bound (specification: gateway,
section 2; reliability, Q1, Q2, Q4 and Q5).
"""

import logging
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Literal, Protocol

import gevent
import msgspec
from gevent.event import Event

from ..errors import GatewayError
from ..logs import Faults
from ..moment import now_ms

#: Rows that wait at most, and those that are written in one transaction.
ROOM, BATCH = 10_000, 500
#: Seconds that a row waits for others.
PERIOD = 0.3
#: Seconds after which a database that could not be used is tried again.
PAUSE = 1.0
#: Seconds that the last rows of a worker have.
END = 5.0
#: Seconds between two lines about it.
REPEAT = 60.0
#: Seconds between two looks for rows that are too old, and between two removals of a
#: few of them: of millions there are thousands, and each makes requests slower.
TIDY, REST = 600.0, 0.2
_DAY = 86_400_000

Status = Literal[
    "ok",
    "client_error",
    "auth_error",
    "rate_limited",
    "upstream_error",
    "timeout",
    "cancelled",
]

log = logging.getLogger("pannier")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one request has used; ``None`` is what nobody knows.

    ``id`` is a UUIDv7 of ``at``, in hexadecimal: rows in the order of their ids are in
    that of their times.  ``at`` is when the request came, in Unix milliseconds.
    ``estimated``: no count came from Ollama; what was seen of a stream was counted.
    Of a request none of whose texts is kept, ``end_user`` is a digest.
    """

    id: str
    at: int
    request_id: str
    key_id: str
    key_name: str
    requested_model: str
    resolved_model: str
    endpoint: str
    protocol: str
    stream: bool
    http_status: int | None
    status: Status
    error_code: str
    prompt_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    estimated: bool
    queue_ms: float | None
    load_ms: float | None
    ttft_ms: int | None
    prompt_ms: float | None
    eval_ms: float | None
    duration_ms: int
    finish_reason: str
    n_messages: int | None
    n_tools: int | None
    n_tool_calls: int | None
    n_images: int | None
    bytes_in: int
    bytes_out: int
    think: str
    client_ip: str
    user_agent: str
    end_user: str


#: When a key was used last, in Unix milliseconds, and from where.
Used = Mapping[str, tuple[int, str]]


class RowKeeper(Protocol):
    """Keeps rows; raises ``GatewayError`` while the database cannot be used."""

    def add(self, rows: list[Row], used: Used) -> None:
        """Keep rows, all or none; those that are there already are not kept twice."""

    def tidy(self, before: int) -> bool:
        """Remove a few rows from before then, and old sums; whether there are more."""


class Usage:
    """Rows on their way to ``keeper``; without one they are forgotten.

    ``dropped`` counts those that found no room, or that no database takes.
    ``days`` are those for which rows are kept.
    """

    def __init__(self, keeper: RowKeeper | None = None) -> None:
        self._keeper = keeper
        self._rows: deque[Row] = deque()
        self._used: dict[str, tuple[int, str]] = {}
        self._any, self._many = Event(), Event()
        self._writing: gevent.Greenlet | None = None
        self._said_at = -REPEAT
        self._tidied_at = -TIDY
        self._faults = Faults()
        self.days = 30
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._rows)

    def open(self) -> None:
        """Have the database opened before there is anything to be written."""
        if self._writing is None and self._keeper is not None:
            self._writing = gevent.spawn(self._open_and_write, self._keeper)

    def add(self, row: Row) -> None:
        """Have a row kept; it waits for nothing."""
        rows = self._rows
        if len(rows) >= ROOM:
            self.dropped += 1
            return
        rows.append(row)
        if len(rows) == 1:
            self._wake()
        elif len(rows) == BATCH:
            self._many.set()

    def note_used(self, key_id: str, address: str) -> None:
        """Have it noted that a key was used just now, and from where."""
        self._used[key_id] = now_ms(), address
        self._wake()

    def close(self) -> None:
        """Write what there is, if that can be done in time, and no more then."""
        if self._writing is not None:
            self._writing.kill()
            self._writing = None
        with gevent.Timeout(END, False):
            self._write_all()
        if self._rows:
            log.error("It is the end; rows of usage lost: %d", len(self._rows))
        self._rows.clear()

    def _wake(self) -> None:
        if self._keeper is None:
            self._rows.clear()
            self._used.clear()
            return
        self._any.set()
        if self._writing is None:
            self._writing = gevent.spawn(self._write_always)

    def _open_and_write(self, keeper: RowKeeper) -> None:
        with suppress(GatewayError):  # who has something to write will say so
            keeper.add([], {})
        self._write_always()

    def _write_always(self) -> None:
        while True:
            if not (self._rows or self._used):
                self._any.clear()
                self._any.wait()
            self._await_many(PERIOD)
            while not self._write_all():
                gevent.sleep(PAUSE)
            self._tidy()

    def _await_many(self, seconds: float) -> None:
        """Wait that long, or until there is a whole batch."""
        if len(self._rows) < BATCH:
            self._many.clear()
            self._many.wait(seconds)

    def _write_all(self) -> bool:
        """Write what waits now; whether that was possible."""
        left = len(self._rows)
        while left > 0 or self._used:
            batch, used = list(islice(self._rows, BATCH)), self._used
            self._used = {}
            try:
                self._write(batch, used)
            except GatewayError as error:
                self._used = used | self._used
                self._say(error.detail)
                return False
            left -= len(batch)
            for _ in batch:  # others may have come, behind them
                self._rows.popleft()
        return True

    def _write(self, batch: list[Row], used: Used) -> None:
        """Write a batch; what no database takes is dropped, or nothing else passed."""
        assert self._keeper is not None
        try:
            self._keeper.add(batch, used)
        except GatewayError:
            raise
        except Exception as fault:
            self.dropped += len(batch)
            self._faults.tell(log, "rows of usage could not be written", fault)

    def _say(self, why: str) -> None:
        if time.monotonic() - self._said_at < REPEAT:
            return
        self._said_at = time.monotonic()
        waiting = f"; rows that wait: {len(self._rows)}" if self._rows else ""
        dropped = f"; dropped so far: {self.dropped}" if self.dropped else ""
        log.error("Usage cannot be written: %s%s%s", why, waiting, dropped)

    def _tidy(self) -> None:
        """Now and then remove what is too old, a little at a time."""
        if time.monotonic() - self._tidied_at < TIDY:
            return
        self._tidied_at = time.monotonic()
        assert self._keeper is not None
        before = now_ms() - self.days * _DAY
        try:
            while self._keeper.tidy(before):
                self._await_many(REST)
                self._write_all()  # these do not wait for the end of it
        except GatewayError as error:
            log.warning("Old rows of usage were not removed: %s", error.detail)
