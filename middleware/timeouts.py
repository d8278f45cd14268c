"""Timeouts: how long a client, or an installation, gives one call to Ollama, pure.

Milliseconds in requests, seconds here.  A client may shorten its wait and never make it
longer (specification: gateway, section 5.2; reliability, T3; decisions, 13 and 34).
"""

import re
from collections.abc import Iterable
from typing import Any
from wsgiref.types import WSGIEnvironment

from msgspec import Struct
from msgspec.structs import replace

from app.carriers.base import Timeouts
from app.errors import BadRequest

from .fields import Fields

#: All of them mean the same; the first that a request has counts.
NAMES = ("timeout", "timeout_ms", "timeoutMs", "request_timeout", "requestTimeout")
HEADER = "HTTP_X_REQUEST_TIMEOUT"
_asking = Fields(*NAMES, "metadata")
_DIGITS = re.compile(r"-?[0-9]{1,18}")


def wished(environ: WSGIEnvironment, request: Struct) -> float | None:
    """The seconds that a request gives its call; ``None`` leaves it to the server.

    A field counts before one of ``metadata``, and that before ``X-Request-Timeout``.
    Raises ``BadRequest`` for a header that is no number.
    """
    given = _asking.of(request)
    if not given and HEADER not in environ:
        return None
    milliseconds = _of_fields(given)
    if milliseconds is None and HEADER in environ:
        milliseconds = _of_header(environ[HEADER])
    return milliseconds / 1000 if milliseconds and milliseconds > 0 else None


def wished_by_header(environ: WSGIEnvironment) -> float | None:
    """The same where a header alone can say it; raises the same."""
    milliseconds = _of_header(environ[HEADER]) if HEADER in environ else 0
    return milliseconds / 1000 if milliseconds > 0 else None


def bounded(
    usual: Timeouts,
    *,
    stream: bool | None,
    wish: float | None,
    total: float | None = None,
    first: float | None = None,
    idle: float | None = None,
) -> Timeouts:
    """What bounds a call, out of the server's ``usual`` limits; all are seconds.

    ``total``, ``first`` and ``idle`` take the place of those, infinite for none;
    ``wish`` is the client's total.  A call that is not known to ``stream`` (``False``
    or ``None``) may have its first byte with its last.
    """
    ends = _least(usual.total if total is None else total, wish)
    bounds = replace(usual, total=ends)
    if stream is None:
        bounds = replace(bounds, first_byte=ends)
    if stream and first is not None:
        bounds = replace(bounds, first_byte=_least(first, None))
    if stream is not False and idle is not None:
        bounds = replace(bounds, idle=_least(idle, None))
    return bounds


def _least(one: float | None, other: float | None) -> float | None:
    """The smaller of two limits, each ``None`` or infinite for none."""
    limits = [limit for limit in (one, other) if limit is not None]
    least = min(limits, default=float("inf"))
    return None if least == float("inf") else least


def _of_fields(given: Iterable[tuple[str, Any]]) -> float | None:
    for name, value in given:
        if name != "metadata":
            return float(value)
        if (found := _of_metadata(value)) is not None:
            return found
    return None


def _of_metadata(metadata: dict[str, Any]) -> float | None:
    """OpenAI's metadata holds texts, and what a client likes: others are not for us."""
    for name in NAMES:
        value = metadata.get(name)
        if isinstance(value, str) and _DIGITS.fullmatch(value):
            return float(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def _of_header(text: str) -> float:
    if not _DIGITS.fullmatch(text.strip()):
        raise BadRequest(
            "Invalid 'X-Request-Timeout': expected a whole number of milliseconds.",
            code="invalid_value",
            param="X-Request-Timeout",
        )
    return float(text)
