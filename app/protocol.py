"""Protocol: WSGI's small print, for everyone who wraps an application or its answer."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any


def status_line(status: int) -> str:
    """A status as ``start_response`` wants it, such as ``404 Not Found``."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"  # Ollama's own, such as 499


def nothing_more() -> bytes:
    """The step after the last."""
    raise StopIteration


def refuse_write(data: bytes, /) -> Any:
    """What ``start_response`` gives to an application of ours: it has to return."""
    raise TypeError("the wrapped application must return its body, not write it")


def steps(body: Iterable[bytes]) -> Callable[[], bytes]:
    """What gives the next item of a body, or raises ``StopIteration``.

    Called so, a step costs an open stream half a kilobyte less than with ``next`` or
    ``for``, where Python enters its interpreter anew, and all of that is copied each
    time the stream waits.
    """
    return iter(body).__next__


def close(body: object) -> None:
    """Close what an application returned, if it can be closed."""
    method = getattr(body, "close", None)
    if method is not None:
        method()
