"""Current: the snapshot in force, renewed when the database has another.

A request takes ``now`` and waits for nothing, but for the very first snapshot of a
worker.  While the database cannot say, what it said last stays in force
(specification: reliability, Q1 and Q2; gateway, section 2).
"""

import logging
import time
from collections.abc import Callable
from typing import Literal, Protocol

import gevent
from gevent.event import Event

from ..errors import GatewayError, StorageUnavailable
from ..logs import Faults
from .snapshot import NOTHING, Snapshot

#: Seconds between two looks at the version: changes are felt within a second.
PERIOD = 0.5
#: Seconds that the first requests wait for the first snapshot.
FIRST = 10.0
#: Seconds between two lines about a database that cannot be used.
REPEAT = 60.0

log = logging.getLogger("pannier")


class Source(Protocol):
    """Where snapshots are; both raise ``GatewayError`` while that cannot be asked."""

    def version(self) -> int:
        """The version of what is set; 0 where nothing ever was."""

    def snapshot(self) -> Snapshot:
        """What is set now."""


class Current:
    """The snapshot in force in this worker.

    ``source`` of None is nothing set, for ever.  ``auth`` is the setting: where it is
    ``off``, a database that cannot be asked at first is as good as an empty one.
    ``changed`` are called with each new snapshot, in a greenlet that nothing waits for;
    ``expired`` with that in force, when a key of it is good no more, or a secret before
    a rotation.  ``clock`` is monotonic, ``unix`` is Unix time, both in seconds.
    """

    def __init__(
        self,
        source: Source | None = None,
        auth: str = "auto",
        clock: Callable[[], float] = time.monotonic,
        unix: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._auth = auth
        self._clock = clock
        self._unix = unix
        self._now = NOTHING
        self._ready = source is None
        self._first = Event()
        self._always: tuple[gevent.Greenlet, ...] = ()
        self._said_at = -REPEAT
        self._faults = Faults()
        #: Why the database cannot be asked at the moment; None: it can.
        self.failure: GatewayError | None = None
        self.changed: list[Callable[[Snapshot], object]] = []
        self.expired: list[Callable[[Snapshot], object]] = []
        #: When the next key of it ends, in Unix milliseconds, and when that was found.
        self._end: int | None = None
        self._looked = 0.0
        self._note()

    @property
    def now(self) -> Snapshot:
        """What is in force.

        Raises ``GatewayError`` (503, ``storage_unavailable``) where that is needed and
        was never known.
        """
        return self._now if self._ready else self._awaited()

    @property
    def closed(self) -> bool:
        """Whether requests need a key (specification: decisions, 28); raises as now."""
        if self._auth == "auto":
            return bool(self.now.keys)
        return self._auth == "on"

    @property
    def database(self) -> Literal["up", "down", "none", "unknown"]:
        """How the database was at the last look, ``unknown`` before the first.

        ``none``: there is none in which anything was ever set.
        """
        if self.failure is not None:
            return "down"
        if not self._ready:
            return "unknown"
        return "up" if self._now.version else "none"

    def start(self) -> None:
        """Begin to look, if nobody has; of a worker, after the fork."""
        if not self._always and self._source is not None:
            # Two, since the database may be long in answering, and time goes on.
            self._always = (
                gevent.spawn(self._repeat, self.renew, "what was set"),
                gevent.spawn(self._repeat, self.expire, "that keys end"),
            )

    def close(self) -> None:
        """Look no more."""
        gevent.killall(self._always)
        self._always = ()

    def renew(self) -> None:
        """Take up what the database has, if it is not what is in force."""
        assert self._source is not None
        try:
            self._take(self._source)
            self.failure = None
        except GatewayError as error:
            self._fail(error)
        self._first.set()

    def expire(self) -> None:
        """Tell of keys that are good no more since the last look."""
        if self._unix() * 1000 < self._looked:
            self._note_end()  # the clock was put back: an end may be to come again
        if self._end is None or self._end > self._unix() * 1000:
            return
        self._note_end()
        self._tell(self.expired, "that keys end")

    def _take(self, source: Source) -> None:
        version = source.version()
        if version == self._now.version and self._ready:
            return
        if version < 1 <= self._now.version:
            raise GatewayError("", detail="all that was set is gone from the database")
        new = source.snapshot() if version else NOTHING
        self._now, self._ready = new, True
        self._note()
        self._tell(self.changed, "what was set")

    def _tell(self, whom: list[Callable[[Snapshot], object]], what: str) -> None:
        """Tell all what is in force, whatever becomes of one of them."""
        now = self._now
        for tell in [*whom]:  # which may change meanwhile
            try:
                tell(now)
            except Exception as fault:  # a bug, by which the others lose nothing
                self._faults.tell(log, f"{what} could not be taken up", fault)

    def _note(self) -> None:
        """Note what every request wants to know, before anything else is looked at."""
        now, known = self._now, self._ready
        self._note_end()
        #: Whether a request may need a key, as far as is known.
        self.may_close = self._auth != "off"
        if self._auth == "auto":
            self.may_close = bool(now.keys) or not known
        #: Whether it is known that nothing is set for those who need no key.
        self.plain = known and not (now.models or now.aliases or now.overrides)

    def _note_end(self) -> None:
        self._looked = self._unix() * 1000
        self._end = self._now.next_end(self._looked)

    def _fail(self, error: GatewayError) -> None:
        self.failure = error
        if self._clock() - self._said_at < REPEAT:
            return
        self._said_at = self._clock()
        goes_on = "what was last known goes on" if self._ready else "nothing is known"
        log.error("Keys and settings cannot be read; %s: %s", goes_on, error.detail)

    def _awaited(self) -> Snapshot:
        """The first snapshot."""
        self.start()
        self._first.wait(FIRST)
        if self._ready or self._auth == "off":
            return self._now
        raise self.unavailable()

    def unavailable(self) -> GatewayError:
        """What is said to whoever needs what the database cannot say now."""
        error = self.failure
        return StorageUnavailable(
            error.detail if error else f"no answer within {FIRST:g} seconds",
            "Keys cannot be looked up",
        )

    def _repeat(self, look: Callable[[], object], what: str) -> None:
        while True:
            try:
                look()
            except Exception as fault:  # a bug, after which others must still be felt
                self._faults.tell(log, f"{what} could not be taken up", fault)
            gevent.sleep(PERIOD)
