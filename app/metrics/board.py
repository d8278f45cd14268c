"""Board: numbers in memory that all workers share, a sheet of it for each.

The master makes it before the first fork.  Only one worker writes on a sheet, so
nothing is locked; whoever is asked reads all of them.  A worker that ends leaves its
sheet as it is, however it ended, and the one that takes its place goes on adding there.
"""

import functools
import mmap
import struct
import time
from collections.abc import Iterator

import msgspec

#: Bytes of a sheet: for the names of its series, and for their numbers.  What nobody
#: writes to takes no memory.
NAMES, NUMBERS = 256 * 1024, 256 * 1024
SIZE = NAMES + NUMBERS
#: Sheets of a board that is shared; while workers are replaced there are twice as many.
SHEETS = 256
#: The most numbers that one series has.
WIDEST = 24

#: A series: its family's name, then the values of its labels.
Series = tuple[str, ...]

#: Before each name: its length, and how many numbers it has.
_HEAD = struct.Struct("=HH")
_BYTES = 8

#: The first numbers of a sheet; they are of the worker that has it now.
PID, IN_FLIGHT, UP, UP_AT, _FIXED = range(5)
#: Where those are added that find no room.
WASTE = _FIXED
_FIRST = WASTE + WIDEST

_decode = msgspec.json.Decoder(Series).decode


class Sheet:
    """One worker's numbers: ``cells`` are 64-bit floats, 0 at first."""

    def __init__(self, memory: memoryview) -> None:
        self.cells: memoryview[float] = memory[NAMES:].cast("d")
        self._names = memory[:NAMES]
        self._places: dict[Series, int] = {}
        self._used, self._free = 0, _FIRST
        for series, place, width in self._written():  # by those who had it before
            self._places[series] = place
            self._used += _HEAD.size + len(msgspec.json.encode(series))
            self._free = place + width

    def place(self, series: Series, width: int = 1) -> int:
        """Where the numbers of a series begin; they are there from now on.

        On a sheet that is full it is a place that nobody looks at.
        """
        place = self._places.get(series)
        if place is None:
            place = self._places[series] = self._add(series, width)
        return place

    def _add(self, series: Series, width: int) -> int:
        name = msgspec.json.encode(series)
        start = self._used + _HEAD.size
        end, free = start + len(name), self._free + width
        if end + _HEAD.size > NAMES or free > NUMBERS // _BYTES:
            return WASTE
        self._names[start:end] = name
        # Readers stop where a length is 0: it comes last.
        _HEAD.pack_into(self._names, self._used, len(name), width)
        place, self._used, self._free = self._free, end, free
        return place

    def numbers(self) -> Iterator[tuple[Series, list[float]]]:
        """All that is written, each series with its numbers."""
        for series, place, width in self._written():
            yield series, list(self.cells[place : place + width])

    def _written(self) -> Iterator[tuple[Series, int, int]]:
        at, place = 0, _FIRST
        while at + _HEAD.size <= NAMES:
            length, width = _HEAD.unpack_from(self._names, at)
            if not length:
                return
            at += _HEAD.size
            yield _decode(self._names[at : at + length]), place, width
            at, place = at + length, place + width


class Board:
    """So many sheets; ``began`` is when nothing was counted yet, in Unix seconds."""

    def __init__(self, sheets: int = 1) -> None:
        memory = memoryview(mmap.mmap(-1, mmap.PAGESIZE + sheets * SIZE))
        #: How many sheets were ever taken, and whether anybody has asked for them.
        self._state = memory[: 2 * _BYTES].cast("Q")
        self._memory = memory[mmap.PAGESIZE :]
        self._free = list(range(sheets))
        self.began = time.time()

    def take(self) -> int | None:
        """The number of a sheet for a worker that is about to begin, if one is left.

        Of the master, as ``leave`` is.  Those that were used before come first.
        """
        if not self._free:
            return None
        number = min(self._free)
        self._free.remove(number)
        self._state[0] = max(self._state[0], number + 1)
        return number

    def leave(self, number: int | None) -> None:
        """A worker has ended: what it was doing is not done any more."""
        if number is None:
            return
        cells = self.sheet(number).cells
        for cell in range(_FIXED):
            cells[cell] = 0.0
        self._free.append(number)

    def sheet(self, number: int) -> Sheet:
        """One of them, as it is now."""
        return Sheet(self._memory[number * SIZE : (number + 1) * SIZE])

    @property
    def asked(self) -> bool:
        """Whether anybody has asked for the numbers, in any worker."""
        return self._state[1] != 0

    def note_asked(self) -> None:
        """Somebody has."""
        self._state[1] = 1

    def sheets(self) -> Iterator[Sheet]:
        """All that were ever taken."""
        return map(self.sheet, range(self._state[0]))


@functools.cache
def shared() -> Board:
    """The board of all workers of a master; also when that reads its file again."""
    return Board(SHEETS)
