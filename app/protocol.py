"""Protocol: WSGI's small print, for everyone who wraps an application or its answer."""

from http import HTTPStatus
from typing import Any


def status_line(status: int) -> str:
    """A status as ``start_response`` wants it, such as ``404 Not Found``."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Unknown"  # Ollama's own, such as 499


def refuse_write(data: bytes, /) -> Any:
    """What ``start_response`` gives to an application of ours: it has to return."""
    raise TypeError("the wrapped application must return its body, not write it")


def close(body: object) -> None:
    """Close what an application returned, if it can be closed."""
    method = getattr(body, "close", None)
    if method is not None:
        method()
