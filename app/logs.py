"""Where log lines go: stdout for requests, stderr for the program itself."""

import contextlib
import sys
from collections.abc import Callable


def writer(enabled: bool) -> Callable[[str], None]:
    """What writes one line of the access log; nothing when it is off."""
    return _to_stdout if enabled else _nowhere


def _to_stdout(line: str) -> None:
    # A full disk or a closed pipe must never cost a request.
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.write(line)
        sys.stdout.flush()


def _nowhere(line: str) -> None:
    pass
