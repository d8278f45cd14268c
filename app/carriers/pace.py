"""Pace: what an answer may take until it says something again.

A body of lines that drips blanks, or a line byte by byte, is as silent as one that
stops, so its limits count from one line that says something to the next; those of any
other body count from read to read.  Only the time spent waiting counts: a client that
is slow to read is no silence of Ollama's.
"""

import time

from .base import Clock, Limit, Phase

#: A line that grows by so many bytes, and by as many a second, is alive.
ALIVE = 1024


class Pace:
    """The limits of the reads of one answer; it starts when the request is sent.

    ``limit`` is asked before each read of the body, ``heard`` is told what that gave.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._phase: Phase = "first_byte" if clock.lines else "idle"
        self._patience = clock.seconds(self._phase)
        self._asked = time.monotonic()
        self._waited = 0.0  # since there was a sign of life
        self._grown = 0  # bytes of an unfinished line since then
        self._begun = False  # there is such a line, and it is not blank
        self._steady = False  # the last read ended a line: there is nothing to count

    def limit(self) -> Limit:
        """When the read that begins now has to end."""
        self._asked = now = time.monotonic()
        when, end = now + self._patience - self._waited, self._clock.end
        return Limit(when, self._phase) if when < end else Limit(end, "total")

    def heard(self, data: bytes) -> None:
        """What a read added to the body, be it nothing."""
        if not self._clock.lines:
            return
        if data.endswith(b"\n") and (self._begun or not data.isspace()):
            if not self._steady:
                self._begun, self._steady = False, True
                self._live()
            return
        self._steady = False
        end = data.rfind(b"\n") + 1
        if end and (self._begun or not data[:end].isspace()):
            self._begun = False
            self._live()
        else:
            self._waited += time.monotonic() - self._asked
        if end < len(data) and (self._begun or not data[end:].isspace()):
            self._begun = True
            self._grown += len(data) - end
            if self._grown >= ALIVE * max(1.0, self._waited):
                self._live()

    def _live(self) -> None:
        if self._phase != "idle":
            self._phase = "idle"
            self._patience = self._clock.seconds("idle")
        self._waited = 0.0
        self._grown = 0
