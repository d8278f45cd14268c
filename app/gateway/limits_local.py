"""Local: what this machine has counted, in memory or in a file of its workers.

In the file each key has a room.  A worker that is alone counts in memory, and has what
it counted written now and then: the tokens of a day are not forgotten with a restart.
Of several workers each reads and writes the file for each request, under a lock.  A
file that cannot be used is said once; from then on each worker counts for itself.
"""

import fcntl
import hashlib
import logging
import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from . import limits_counts as counts
from .keys import Terms

#: The layout of its rooms is part of the name: another version has another file.
FILE = "limits-1"
#: Rooms in the file, and how many of them are looked at for one key.
ROOMS, NEAR = 16_384, 16

Result = TypeVar("Result")

log = logging.getLogger("pannier")


class Local:
    """Counts by the id of a key.

    ``directory`` is where the file is, empty for none; ``alone`` says that no other
    worker counts there.
    """

    def __init__(
        self, directory: str, clock: Callable[[], float], alone: bool = False
    ) -> None:
        self._path = Path(directory, FILE) if directory else None
        self._clock = clock
        self._alone = alone or not directory
        self._file: int | None = None
        #: Which of all workers this is.
        self._worker = secrets.randbits(63) | 1
        self._memory: dict[str, bytearray] = {}
        #: What is written into the room of a key, and where it was last.
        self._places: dict[str, tuple[bytes, int]] = {}
        #: Requests that this worker has under way, of keys that have a limit for them.
        self.running: dict[str, int] = {}
        #: Keys whose counts in memory are not in the file.
        self.unwritten: set[str] = set()

    def enter(self, key: str, terms: Terms) -> counts.Entered:
        """Count a request in, if its limits allow it."""
        return self._counted(key, lambda room: self._enter(room, key, terms))

    def leave(self, key: str, running: bool, day: int, more: int) -> None:
        """A request is over: count it out, and correct its tokens of a day."""
        self._counted(key, lambda room: self._leave(room, key, running, day, more))

    def reserve(self, key: str, tokens: int, tpd: int, day: int) -> counts.Reserved:
        """Take tokens of a day, if that many are left."""
        return self._counted(key, lambda room: counts.reserve(room, tokens, tpd, day))

    def renew(self) -> None:
        """Say that this worker lives, and what it has under way."""
        for key in tuple(self.running):
            self._counted(key, partial(self._note, key))

    def write(self) -> None:
        """Write what is in memory alone."""
        while self.unwritten:
            key = self.unwritten.pop()
            self._in_file(key, partial(_become, self._memory[key]))

    def close(self) -> None:
        """Write what there is, and close the file."""
        self.write()
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _enter(self, room: bytearray, key: str, terms: Terms) -> counts.Entered:
        now = self._clock()
        running, others = self.running.get(key, 0), 0
        bounded = terms.max_concurrent is not None
        if bounded and not self._alone:
            others = counts.running_elsewhere(room, self._worker, now)
        entered = counts.enter(room, terms, now, others, running)
        if bounded and not entered.refused:
            self.running[key] = running + 1
            self._note(key, room)
        return entered

    def _leave(
        self, room: bytearray, key: str, running: bool, day: int, more: int
    ) -> None:
        if more:
            counts.settle(room, day, more)
        if running:
            left = self.running.pop(key) - 1
            if left:
                self.running[key] = left
            self._note(key, room)

    def _note(self, key: str, room: bytearray) -> None:
        if not self._alone:
            running = self.running.get(key, 0)
            counts.note_running(room, self._worker, running, self._clock())

    # ------------------------------------------------------------- rooms

    def _counted(self, key: str, count: Callable[[bytearray], Result]) -> Result:
        """What ``count`` finds in the room of a key, and what it changes there stays.

        Nobody else has the room meanwhile.
        """
        if not self._alone:
            return self._in_file(key, count)
        room = self._memory.get(key)
        if room is None:
            known = self._in_file(key, bytearray) if self._path is not None else b""
            room = self._memory[key] = bytearray(known or counts.SIZE)
        if self._path is not None:
            self.unwritten.add(key)
        return count(room)

    def _in_file(self, key: str, count: Callable[[bytearray], Result]) -> Result:
        try:
            if self._file is None:
                self._file = self._opened()
            fcntl.flock(self._file, fcntl.LOCK_EX)
            place, room = self._found(key, self._file)
        except OSError as error:
            self._give_up(error)
            return count(self._memory.setdefault(key, bytearray(counts.SIZE)))
        try:
            found = count(room)
            os.pwrite(self._file, room, place * counts.SIZE)
        except OSError as error:
            self._memory[key] = room
            self._give_up(error)
        else:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        return found

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

    def _give_up(self, error: OSError) -> None:
        log.warning(
            "Limits of keys cannot be counted in %s (%s): each worker counts for"
            " itself from now on.",
            self._path,
            error.strerror,
        )
        self._path, self._alone = None, True
        self.unwritten.clear()
        self._close()


def _become(known: bytearray, room: bytearray) -> None:
    """Have a room hold what is known, but for whose it is."""
    room[counts.OWNER.size :] = known[counts.OWNER.size :]


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
