"""Shared: what all workers and machines count together, in a Redis.

One greenlet talks to it, over one connection: what many requests ask at a time goes out
together.  Each question is one script, so what it looks at and what it changes cannot
come apart; the clock is Redis's own.  A request waits about 0.2 ms.  Redis takes longer
than ``SLOW``, or fails: nobody asks it until it answers in time again, and nobody waits
for it meanwhile.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import gevent
from gevent.event import AsyncResult, Event
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.retry import Retry

from ..ids import new_id
from .limits import Unavailable
from .limits_scripts import ENTER, LOOK, RENEW, RESERVE, SETTLE
from .room import DAY, LEASE, WINDOW, Had
from .taken import Taken

#: Seconds that Redis may take for an answer (specification: reliability, Q2).
SLOW = 0.05
#: Seconds to connect, between two tries, and that a request waits whatever happens.
CONNECT, RETRY, PATIENCE = 0.25, 1.0, 1.0
#: Questions that go out together, and how many of what nobody waits for are kept.
TOGETHER, KEPT = 64, 10_000
#: Seconds between two lines about a Redis that cannot be used.
REPEAT = 60.0

_REFUSED = ("", "requests", "concurrent")

log = logging.getLogger("pannier")

#: One of redis's; its methods have no types.
Connection = Any
Argument = str | int
Job = tuple[tuple[Argument, ...], AsyncResult | None]


class _Slow(Exception):
    """Redis takes too long."""


class Shared:
    """Counts by the id of a key, in the Redis that ``url`` names."""

    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool.from_url(
            url,
            socket_timeout=CONNECT,
            socket_connect_timeout=CONNECT,
            retry=Retry(NoBackoff(), 0),
        )
        self._jobs: deque[Job] = deque()
        self._wake = Event()
        self._down = False
        self._said_at = -REPEAT
        self._talking = gevent.spawn(self._talk_always)
        #: The tickets of requests that this worker has under way, by key.
        self.running: dict[str, set[str]] = {}

    def enter(self, taken: Taken) -> None:
        """Count a request in, if its limits allow it; raises ``Unavailable``."""
        terms, key = taken.key.terms, taken.key.id
        taken.ticket = taken.ticket or new_id("")
        taken.shared, taken.running = True, terms.max_concurrent is not None
        if taken.running:
            self.running.setdefault(key, set()).add(taken.ticket)
        limits = (_number(terms.rpm), _number(terms.max_concurrent))
        try:
            answer = self._ask(ENTER, _names(key), *limits, taken.ticket, WINDOW, LEASE)
        except Unavailable:
            self.leave(taken, taken.running, 0)
            taken.shared = taken.running = False
            raise
        refused, requests, reset, wait, tokens = map(int, answer)
        if refused:
            self._forget(taken)
            taken.running = False
        taken.refused, taken.wait = _REFUSED[refused], wait / 1000
        taken.requests, taken.reset = requests, reset / 1000
        taken.tokens = max(0, tokens)

    def reserve(self, taken: Taken, tokens: int, tpd: int) -> bool:
        """Take tokens of a day, if that many are left; raises ``Unavailable``."""
        name = _day(taken.key.id, taken.day)
        unheard = partial(self._give_back, name, tokens)
        answer = self._ask(RESERVE, (name,), tokens, tpd, unheard=unheard)
        granted, taken.tokens = map(int, answer)
        if granted:
            taken.reserved += tokens
        return bool(granted)

    def _give_back(self, name: str, tokens: int, answer: AsyncResult) -> None:
        """Undo what was reserved for a request that did not wait to hear of it."""
        if answer.successful() and int(answer.value[0]):
            self._tell(("EVALSHA", SETTLE.sha, 1, name, -tokens))

    def had(self, keys: Sequence[str]) -> dict[str, Had]:
        """What keys have had by now, counted nowhere; raises ``Unavailable``.

        Some are asked for at a time: requests that come meanwhile wait for few.
        """
        found: dict[str, Had] = {}
        with gevent.Timeout(PATIENCE, Unavailable):
            for start in range(0, len(keys), TOGETHER):
                some = keys[start : start + TOGETHER]
                asked = [self._put(LOOK, _names(key), WINDOW) for key in some]
                for key, answer in zip(some, asked, strict=True):
                    had = map(int, answer.get())
                    found[key] = Had(*(max(0, count) for count in had))
        return found

    def leave(self, taken: Taken, running: bool, tokens: int) -> None:
        """A request is over: count it out, and correct its tokens by so many."""
        key = taken.key.id
        if running:
            self._forget(taken)
            self._tell(("ZREM", f"{_name(key)}:running", taken.ticket))
        if tokens:
            self._tell(("EVALSHA", SETTLE.sha, 1, _day(key, taken.day), tokens))

    def renew(self) -> None:
        """Say that this worker lives, and what it has under way."""
        if self._down:
            return
        for key, tickets in self.running.items():
            name = f"{_name(key)}:running"
            self._tell(("EVALSHA", RENEW.sha, 1, name, LEASE, *tickets))

    def close(self) -> None:
        """Say what is still to be said, and let go of the connection."""
        with gevent.Timeout(SLOW, False):
            while self._jobs and not self._down:
                gevent.sleep(0)
        self._talking.kill()
        self._fail_all(Unavailable())
        self._pool.disconnect()

    def _forget(self, taken: Taken) -> None:
        tickets = self.running.get(taken.key.id, set())
        tickets.discard(taken.ticket)
        if not tickets:
            self.running.pop(taken.key.id, None)

    # ------------------------------------------------------------ talking

    def _ask(
        self,
        script: Any,
        names: tuple[str, ...],
        *arguments: Argument,
        unheard: Callable[[AsyncResult], None] | None = None,
    ) -> list[Any]:
        """What a script answers; if nobody waits that long, ``unheard`` is told."""
        answer = self._put(script, names, *arguments)
        try:
            found: list[Any] = answer.get(timeout=PATIENCE)
        except BaseException as error:
            if unheard is not None:
                answer.rawlink(unheard)
            if isinstance(error, gevent.Timeout):
                raise Unavailable from None
            raise
        return found

    def _put(
        self, script: Any, names: tuple[str, ...], *arguments: Argument
    ) -> AsyncResult:
        """What will be answered; raises ``Unavailable`` where nobody is asked."""
        if self._down:
            raise Unavailable
        answer = AsyncResult()
        command = ("EVALSHA", script.sha, len(names), *names, *arguments)
        self._jobs.append((command, answer))
        self._wake.set()
        return answer

    def _tell(self, command: tuple[Argument, ...]) -> None:
        """Have something done that nobody waits for; when Redis is back, if need be."""
        if len(self._jobs) < KEPT:
            self._jobs.append((command, None))
            self._wake.set()

    def _talk_always(self) -> None:
        while True:
            connection: Connection = self._pool.make_connection()
            try:
                self._begin(connection)
                while True:
                    self._wake.wait()
                    self._wake.clear()
                    while self._jobs:
                        self._send(connection)
            except (
                Exception,
                gevent.Timeout,
            ) as error:  # whatever it is: once a second
                self._fail(error)
            finally:
                with suppress(Exception):
                    connection.disconnect()
            gevent.sleep(RETRY)

    def _begin(self, connection: Connection) -> None:
        """Connect, leave the scripts there, and see whether it answers in time."""
        with gevent.Timeout(CONNECT):
            connection.connect()
            for script in (ENTER, LOOK, RESERVE, SETTLE, RENEW):
                _one(connection, "SCRIPT", "LOAD", script.text)
        started = time.monotonic()
        _one(connection, "PING")
        if time.monotonic() - started > SLOW:
            raise _Slow
        if self._down:
            log.info("Limits of keys are counted in Redis again.")
        self._down = False

    def _send(self, connection: Connection) -> None:
        """Ask what is to be asked, and hand out the answers."""
        jobs = [self._jobs.popleft() for _ in range(min(TOGETHER, len(self._jobs)))]
        until = time.monotonic() + SLOW
        try:
            commands = [command for command, _ in jobs]
            connection.send_packed_command(connection.pack_commands(commands))
            for _, answer in jobs:
                found = _read(connection, until)
                if answer is not None:
                    answer.set(found)
        except BaseException:
            for _, answer in jobs:
                if answer is not None and not answer.ready():
                    answer.set_exception(Unavailable())
            raise

    def _fail(self, error: BaseException) -> None:
        """Have nobody wait; what nobody waits for may still be said later."""
        self._down = True
        self._fail_all(Unavailable())
        if time.monotonic() - self._said_at < REPEAT:
            return
        self._said_at = time.monotonic()
        # Not what the error says: it may quote the URL, and that has a password.
        log.warning(
            "Redis cannot be used for the limits of keys (%s): they are counted on"
            " this machine meanwhile.",
            "too slow" if isinstance(error, _Slow) else type(error).__name__,
        )

    def _fail_all(self, error: Unavailable) -> None:
        waiting = [answer for _, answer in self._jobs if answer is not None]
        self._jobs = deque(job for job in self._jobs if job[1] is None)
        for answer in waiting:
            answer.set_exception(error)


def _one(connection: Connection, *command: Argument) -> Any:
    connection.send_packed_command(connection.pack_commands([command]))
    return connection.read_response()


def _read(connection: Connection, until: float) -> Any:
    """The next answer; one that is there counts, however late we look."""
    left = max(0.0, until - time.monotonic())
    if not (connection.can_read(left) or connection.can_read(0)):
        raise _Slow
    return connection.read_response()


def _number(limit: int | None) -> int:
    return -1 if limit is None else limit


def _name(key: str) -> str:
    """What is counted of a key; the braces keep it together in a cluster."""
    return f"pannier:limits:{{{key}}}"


def _names(key: str) -> tuple[str, str, str]:
    """Its minute, what it has under way, and its tokens of today."""
    today = int(time.time()) // DAY
    return f"{_name(key)}:minute", f"{_name(key)}:running", _day(key, today)


def _day(key: str, day: int) -> str:
    return f"{_name(key)}:tokens:{day}"
