"""Where log lines go: stdout for requests, stderr for the program itself."""

import contextlib
import os
import select
import sys
from collections.abc import Callable

from gevent import monkey

#: The system's own: with no timeout it answers at once, and no greenlet runs meanwhile.
_poll = monkey.get_original("select", "poll")


def writer() -> Callable[[str], None]:
    """What writes one line of the access log.

    Lines that stdout cannot take at once are dropped; a line says how many.
    """
    return _Stdout()


class _Stdout:
    """Writes whole lines, and rather none than wait: a worker has one thread."""

    def __init__(self) -> None:
        self._dropped = 0

    def __call__(self, line: str) -> None:
        if self._dropped and _written(f"dropped_lines={self._dropped}\n"):
            self._dropped = 0
        if self._dropped or not _written(line):
            self._dropped += 1


def _written(line: str) -> bool:
    # A full disk or a closed pipe must never cost a request.  There is no stdout at
    # all where a program was started with it closed.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        try:
            descriptor = sys.stdout.fileno()
        except (OSError, ValueError):  # something that stands in for it
            sys.stdout.write(line)
            sys.stdout.flush()
            return True
        poll = _poll()
        poll.register(descriptor, select.POLLOUT)
        if poll.poll(0):
            # A pipe that can be written takes PIPE_BUF bytes, and a line is shorter.
            os.write(descriptor, line.encode())
            return True
    return False
