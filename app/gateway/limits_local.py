"""Local: what this machine has counted, in memory or in a file of its workers.

In the file each key has a room.  A worker that is alone counts in memory, and has what
it counted written now and then: the tokens of a day are not forgotten with a restart.
Of several workers each reads and writes the file for each request, under a lock.  While
somebody else keeps the lock, each goes by what it saw last.  A file that cannot be used
is said once; from then on each worker counts for itself.
"""

import errno
import fcntl
import hashlib
import logging
import os
import secrets
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import gevent

from .room import OWNER, SIZE, Had, Room
from .taken import Taken

#: The layout of its rooms is part of the name: another version has another file.
FILE = "limits-1"
#: Rooms in the file, and how many of them are looked at for one key.
ROOMS, NEAR = 16_384, 16
#: How often a lock is asked for, and the seconds between; mostly it is free at once.
#: Who holds it has no more to do than a few microseconds, but may not be running.
TRIES, BETWEEN = 40, 0.001
#: Seconds between two lines about a lock that somebody keeps.
REPEAT = 60.0

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
        self._memory: dict[str, Room] = {}
        #: What is written into the room of a key, and where it was last.
        self._places: dict[str, tuple[bytes, int]] = {}
        #: Requests that this worker has under way, of keys that have a limit for them.
        self.running: dict[str, int] = {}
        #: Keys whose counts in memory are not in the file.
        self.unwritten: set[str] = set()
        #: What could not be counted there, or corrected: the day, and its tokens.
        self._late: dict[str, tuple[int, int]] = {}
        #: Whether somebody keeps the lock, and when that was said.
        self._busy, self._said_at = False, -REPEAT

    def enter(self, taken: Taken) -> None:
        """Count a request in, if its limits allow it; it is told."""
        key = taken.key.id
        if self._alone:
            self._enter(taken, self._room(key))
            return
        try:
            self._in_file(key, partial(self._enter, taken))
        except BlockingIOError:
            self._enter(taken, self._seen(key))

    def leave(self, key: str, running: bool, day: int, more: int) -> None:
        """A request is over: count it out, and correct its tokens of a day.

        Nothing is waited for: on the way out nobody must be interrupted.
        """
        if running and (left := self.running.pop(key, 0) - 1) > 0:
            self.running[key] = left
        if self._alone:
            if more:
                self._room(key).settle(day, more)
            return
        if not self._settled(key, day, more):
            self._seen(key).settle(day, more)
            self._put_off(key, day, more)

    def reserve(self, taken: Taken, tokens: int, tpd: int) -> bool:
        """Take tokens of a day for a request, if that many are left."""
        key = taken.key.id
        if self._alone:
            return self._room(key).reserve(taken, tokens, tpd)
        try:
            return self._in_file(key, lambda room: room.reserve(taken, tokens, tpd))
        except BlockingIOError:
            if granted := self._seen(key).reserve(taken, tokens, tpd):
                self._put_off(key, taken.day, tokens)
            return granted

    def had(self, keys: Iterable[str]) -> dict[str, Had]:
        """What keys have had by now; nothing is changed, and no lock waited for."""
        now, found = self._clock(), dict[str, Had]()
        for key in keys:
            room, running = self._looked_at(key), self.running.get(key, 0)
            if not self._alone:
                running += room.running_elsewhere(self._worker, now)
            found[key] = room.had(now, running)
        return found

    def renew(self) -> None:
        """Say that this worker lives, and what it has under way."""
        for key in () if self._alone else tuple(self.running):
            if not self._settled(key, 0, 0):
                return

    def write(self) -> None:
        """Write what is in memory alone, if nobody keeps the file."""
        for key in (*self._late, *self.unwritten):
            if not self._settled(key, 0, 0):
                return
            self.unwritten.discard(key)

    def close(self) -> None:
        """Write what there is, and close the file."""
        self.write()
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _enter(self, taken: Taken, room: Room) -> None:
        now, key = self._clock(), taken.key.id
        if taken.key.terms.max_concurrent is None:
            room.enter(taken, now, 0, 0)
            return
        running, others = self.running.get(key, 0), 0
        if not self._alone:
            others = room.running_elsewhere(self._worker, now)
        room.enter(taken, now, others, running)
        if not taken.refused:
            self.running[key] = running + 1
            taken.running = True
            self._note(key, room)

    def _settled(self, key: str, day: int, more: int) -> bool:
        """Whether the room of a key has been corrected: nobody else had the file."""

        def settle(room: Room) -> None:
            if more:
                room.settle(day, more)
            self._note(key, room)

        try:
            self._in_file(key, settle, 1)
        except BlockingIOError:
            return False
        return True

    def _put_off(self, key: str, day: int, more: int) -> None:
        """Have tokens counted in the file later; only those of the last day matter."""
        late, known = self._late.get(key, (0, 0))
        if day > late:
            late, known = day, 0
        self._late[key] = late, known + (more if day == late else 0)

    def _note(self, key: str, room: Room) -> None:
        if not self._alone:
            running = self.running.get(key, 0)
            room.note_running(self._worker, running, self._clock())

    # ------------------------------------------------------------- rooms

    def _room(self, key: str) -> Room:
        """The room of a key in memory; what is changed there will be written."""
        room = self._memory.get(key)
        if room is None:
            if self._path is not None:
                with suppress(BlockingIOError):
                    self._in_file(key, id)
            room = self._seen(key)
        if self._path is not None:
            self.unwritten.add(key)
        return room

    def _in_file(
        self, key: str, count: Callable[[Room], Result], tries: int = TRIES
    ) -> Result:
        """What is found in the room of a key, and what is changed there stays.

        Nobody else has the file meanwhile; raises ``BlockingIOError`` while another
        has it.  Where there is none it is the room as it was last seen.
        """
        found: list[Result] = []
        try:
            file = self._locked(tries)
            try:
                place, room = self._found(key, file)
                if self._alone:  # what is in memory is newer
                    room = self._memory.get(key, room)
                self._memory[key] = room
                if late := self._late.get(key):
                    room.settle(*late)
                found.append(count(room))
                owner = OWNER.pack(self._places[key][0], int(self._clock()))
                os.pwrite(file, owner + room.packed(), place * SIZE)
                self._late.pop(key, None)
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)
        except BlockingIOError:
            raise
        except OSError as error:
            self._give_up(error)
        return found[0] if found else count(self._seen(key))

    def _looked_at(self, key: str) -> Room:
        """The room of a key as it is now, only to be looked at."""
        seen = self._memory.get(key)
        if self._path is None or (self._alone and seen is not None):
            return seen or Room()
        try:
            if self._file is None:
                self._file = self._opened()
            _, room = self._found(key, self._file)
        except OSError:  # whoever counts will say so
            return seen or Room()
        if late := self._late.get(key):
            room.settle(*late)
        return room

    def _seen(self, key: str) -> Room:
        """The room of a key as it was last seen."""
        return self._memory.setdefault(key, Room())

    def _locked(self, tries: int) -> int:
        """The file, which nobody else has now; nothing stands still meanwhile."""
        for left in range(tries - 1, -1, -1):
            if self._alone and self._path is None:  # another request has given it up
                break
            if self._file is None:
                self._file = self._opened()
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if self._busy or not left:
                    break
            else:
                self._busy = False
                return self._file
            gevent.sleep(BETWEEN)
        if tries > 1 and not self._busy:
            self._give_way()
        raise BlockingIOError

    def _give_way(self) -> None:
        """Wait no more until the lock has been free once."""
        self._busy, now = True, self._clock()
        if abs(now - self._said_at) >= REPEAT:
            self._said_at = now
            log.warning(
                "Limits of keys cannot be counted in %s: somebody keeps it locked."
                " Until then each worker counts for itself.",
                self._path,
            )

    def _opened(self) -> int:
        assert self._path is not None
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        how = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        file = os.open(self._path, how, 0o600)
        about = os.fstat(file)
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid():
            os.close(file)
            raise PermissionError(errno.EPERM, "it is not a file of our own")
        return file

    def _found(self, key: str, file: int) -> tuple[int, Room]:
        """Where the room of a key is, and what it holds: its own, or a fresh one."""
        known = self._places.get(key)
        if known is None or (data := _read(file, known[1]))[:16] != known[0]:
            owner = hashlib.blake2b(key.encode(), digest_size=16).digest()
            known = self._places[key] = owner, _place(file, owner)
            data = _read(file, known[1])
        owner, place = known
        return place, Room.of(data) if data[:16] == owner else Room()

    def _give_up(self, error: OSError) -> None:
        log.warning(
            "Limits of keys cannot be counted in %s (%s): each worker counts for"
            " itself from now on.",
            self._path,
            error.strerror,
        )
        self._path, self._alone = None, True
        self.unwritten.clear()
        self._late.clear()
        self._close()


def _read(file: int, place: int) -> bytes:
    return os.pread(file, SIZE, place * SIZE).ljust(SIZE, b"\0")


def _place(file: int, owner: bytes) -> int:
    """Where a key has its room, or may have it: a free one, or the longest unused."""
    first = int.from_bytes(owner[:4], "little")
    oldest = (1 << 64, 0)
    for step in range(NEAR):
        place = (first + step) % ROOMS
        found = os.pread(file, OWNER.size, place * SIZE)
        if found[:16] == owner:
            return place
        whose = found.ljust(OWNER.size, b"\0")
        oldest = min(oldest, (OWNER.unpack(whose)[1], place))
    return oldest[1]
