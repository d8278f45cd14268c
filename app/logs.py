"""Where log lines go: stdout for requests, stderr for the program itself.

Nobody waits for a log (specification: reliability, G5).  What goes to stderr is freed
of secrets here; the access log does that with each of its values.
"""

import atexit
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Literal

import gevent
from gevent import getcurrent

from .polling import takes
from .redaction import Redaction, plain

#: A pipe that can be written takes so many bytes at once (POSIX asks for less).
_PIECE = 4096


def writer() -> Callable[[str], None]:
    """What writes one line of the access log.

    Lines that stdout cannot take at once are dropped; a line says how many.
    """
    gathered = Gathered(Unwaited("stdout"))
    atexit.register(gathered.flush)
    return gathered.write


class Unwaited:
    """Writes whole lines, and rather none than wait: a worker has one thread."""

    def __init__(self, name: Literal["stdout", "stderr"]) -> None:
        self._name = name
        self._dropped = 0

    def write(self, text: str) -> None:
        """Write a text of whole lines, or count them as dropped."""
        if self._dropped and self._written(f"dropped_lines={self._dropped}\n"):
            self._dropped = 0
        if self._dropped or not self._written(text):
            self._dropped += text.count("\n")

    def flush(self) -> None:
        """Nothing is ever kept."""

    def _written(self, text: str) -> bool:
        # A full disk or a closed pipe must never cost a request.  There is no stream
        # at all where a program was started with it closed.
        stream = getattr(sys, self._name)
        with contextlib.suppress(OSError, ValueError, AttributeError):
            try:
                descriptor = stream.fileno()
            except (OSError, ValueError):  # something that stands in for it
                stream.write(text)
                stream.flush()
                return True
            return _sent(descriptor, text.encode(errors="backslashreplace"))
        return False


def _sent(descriptor: int, data: bytes) -> bool:
    # Longer than a piece are tracebacks alone, which may be cut at one.
    for start in range(0, len(data), _PIECE):
        if not takes(descriptor):
            return False
        os.write(descriptor, data[start : start + _PIECE])
    return True


class Gathered:
    """Writes lines together that come in one turn of gevent's loop."""

    def __init__(self, inner: Unwaited) -> None:
        self._inner = inner
        self._lines: list[str] = []

    def write(self, line: str) -> None:
        """Write a line, with its end, before the loop waits again."""
        self._lines.append(line)
        if getcurrent().parent is None:  # nobody turns a loop here
            self.flush()
        elif len(self._lines) == 1:
            gevent.get_hub().loop.run_callback(self.flush)

    def flush(self) -> None:
        """Write what there is: whole lines, as many at once as a pipe takes whole."""
        lines, self._lines = self._lines, []
        piece = ""
        for line in lines:
            if len(piece) + len(line) > _PIECE:
                self._inner.write(piece)
                piece = ""
            piece += line
        if piece:
            self._inner.write(piece)


class Safe(logging.Formatter):
    """Another formatter's text without secrets, and with one beginning."""

    def __init__(self, inner: logging.Formatter, redaction: Redaction) -> None:
        super().__init__()
        self._inner = inner
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record; a traceback's lines are indented."""
        return plain(self._redaction.redacted(self._inner.format(record)))


class Faults:
    """Counts equal faults, so that each is told at length only now and then."""

    SECONDS = 10.0
    #: Places in the code that are kept apart.
    MOST = 256

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[object, tuple[float, int]] = {}

    def tell(self, log: logging.Logger, words: str, fault: BaseException) -> None:
        """Log a fault with its trace, if it is not one that was told just now."""
        more = self.untold(fault)
        if more is not None:
            seen = f" (seen {more} more times)" if more else ""
            log.error("%s%s", words, seen, exc_info=fault)

    def untold(self, fault: BaseException) -> int | None:
        """How many like it were not told since the last that was.

        ``None`` if this is one of them: within ten seconds, one is enough.
        """
        place = _place(fault)
        now = self._clock()
        when, more = self._told.get(place, (-self.SECONDS, 0))
        if now - when < self.SECONDS:
            self._told[place] = (when, more + 1)
            return None
        if len(self._told) >= self.MOST:
            self._told.clear()
        self._told[place] = (now, 0)
        return more


def _place(fault: BaseException) -> object:
    """What makes two faults equal: their type, and the line that raised them."""
    trace = fault.__traceback__
    if trace is None:
        return type(fault)
    while trace.tb_next is not None:
        trace = trace.tb_next
    return type(fault), trace.tb_frame.f_code, trace.tb_lineno
