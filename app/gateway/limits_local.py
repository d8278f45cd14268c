"""Local: what this machine has counted, in a file of its workers or in memory.

In the file each key has a room, which is read and written under a lock: 10 µs.  It
outlives workers and Pannier: the tokens of a day are not forgotten with a restart.  A
file that cannot be used is said once; from then on each worker counts for itself.
"""

import fcntl
import hashlib
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from . import limits_counts as counts
from .keys import Terms

#: The layout of its rooms is part of the name: another version has another file.
FILE = "limits-1"
#: Rooms in the file, and how many of them are looked at for one key.
ROOMS, NEAR = 16_384, 16

log = logging.getLogger("pannier")


class Local:
    """Counts by the id of a key; ``directory`` empty: in memory."""

    def __init__(self, directory: str, clock: Callable[[], float]) -> None:
        self._path = Path(directory, FILE) if directory else None
        self._clock = clock
        self._file: int | None = None
        #: Which of all workers this is.
        self._worker = secrets.randbits(63) | 1
        self._memory: dict[str, bytearray] = {}
        #: What is written into the room of a key, and where it was last.
        self._places: dict[str, tuple[bytes, int]] = {}
        #: Requests that this worker has under way, of keys that have a limit for them.
        self.running: dict[str, int] = {}

    def enter(self, key: str, terms: Terms) -> counts.Entered:
        """Count a request in, if its limits allow it."""
        now = self._clock()
        running, others = self.running.get(key, 0), 0
        bounded = terms.max_concurrent is not None
        with self._room(key) as room:
            if bounded and self._path is not None:
                others = counts.running_elsewhere(room, self._worker, now)
            entered = counts.enter(room, terms, now, others, running)
            if bounded and not entered.refused:
                self.running[key] = running + 1
                self._note(room, key, now)
        return entered

    def leave(self, key: str, running: bool, day: int, more: int) -> None:
        """A request is over: count it out, and correct its tokens of a day."""
        with self._room(key) as room:
            if more:
                counts.settle(room, day, more)
            if running:
                left = self.running.pop(key) - 1
                if left:
                    self.running[key] = left
                self._note(room, key, self._clock())

    def reserve(self, key: str, tokens: int, tpd: int, day: int) -> counts.Reserved:
        """Take tokens of a day, if that many are left."""
        with self._room(key) as room:
            return counts.reserve(room, tokens, tpd, day)

    def renew(self) -> None:
        """Say that this worker lives, and what it has under way."""
        for key in tuple(self.running):
            with self._room(key) as room:
                self._note(room, key, self._clock())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _note(self, room: bytearray, key: str, now: float) -> None:
        if self._path is not None:
            counts.note_running(room, self._worker, self.running.get(key, 0), now)

    @contextmanager
    def _room(self, key: str) -> Iterator[bytearray]:
        """The room of a key, which nobody else has meanwhile; what it becomes stays."""
        if self._path is not None:
            try:
                place, room = self._taken(key)
            except OSError as error:
                self._give_up(error)
            else:
                try:
                    yield room
                finally:
                    self._put(place, room)
                return
        yield self._memory.setdefault(key, bytearray(counts.SIZE))

    def _taken(self, key: str) -> tuple[int, bytearray]:
        """Lock the file, and read the room of a key."""
        if self._file is None:
            self._file = self._opened()
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            return self._found(key, self._file)
        except OSError:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            raise

    def _opened(self) -> int:
        assert self._path is not None
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _found(self, key: str, file: int) -> tuple[int, bytearray]:
        """Where the room of a key is, and what it holds: its own, or a fresh one."""
        known = self._places.get(key)
        if known is None or (room := _read(file, known[1]))[:16] != known[0]:
            owner = hashlib.blake2b(key.encode(), digest_size=16).digest()
            known = self._places[key] = owner, _place(file, owner)
            room = _read(file, known[1])
        owner, place = known
        if room[:16] != owner:
            room = bytearray(counts.SIZE)
        counts.OWNER.pack_into(room, 0, owner, int(self._clock()))
        return place, room

    def _put(self, place: int, room: bytearray) -> None:
        """Write a room, and let others have the file."""
        assert self._file is not None
        try:
            os.pwrite(self._file, room, place * counts.SIZE)
        except OSError as error:
            fcntl.flock(self._file, fcntl.LOCK_UN)
            self._give_up(error)
        else:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _give_up(self, error: OSError) -> None:
        log.warning(
            "Limits of keys cannot be counted in %s (%s): each worker counts for"
            " itself from now on.",
            self._path,
            error.strerror,
        )
        self._path = None
        self.close()


def _read(file: int, place: int) -> bytearray:
    room = bytearray(os.pread(file, counts.SIZE, place * counts.SIZE))
    return room if len(room) == counts.SIZE else room.ljust(counts.SIZE, b"\0")


def _place(file: int, owner: bytes) -> int:
    """Where a key has its room, or may have it: a free one, or the longest unused."""
    first = int.from_bytes(owner[:4], "little")
    oldest = (1 << 64, 0)
    for step in range(NEAR):
        place = (first + step) % ROOMS
        found = os.pread(file, counts.OWNER.size, place * counts.SIZE)
        if found[:16] == owner:
            return place
        whose = found.ljust(counts.OWNER.size, b"\0")
        oldest = min(oldest, (counts.OWNER.unpack(whose)[1], place))
    return oldest[1]
