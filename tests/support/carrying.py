"""Requests to send and ways to wait, for tests of the carriers."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import msgspec

from app.carriers.base import Request, Timeouts

from .faulty import PATIENCE

#: Long enough for a busy machine; tests of limits lower one of them.
PATIENT = Timeouts(connect=5, first_byte=10, idle=10, total=20)


def get(target: str = "/", **more: Any) -> Request:
    """A GET; ``more`` are further fields of the request."""
    return Request("GET", target, timeouts=PATIENT, **more)


def post(body: Any = b"{}", **more: Any) -> Request:
    """A POST to /api/chat."""
    return Request("POST", "/api/chat", body=body, timeouts=PATIENT, **more)


def within(request: Request, **limits: float | None) -> Request:
    """The same request with some limits changed."""
    timeouts = msgspec.structs.replace(request.timeouts, **limits)
    return msgspec.structs.replace(request, timeouts=timeouts)


def eventually(fact: Callable[[], object]) -> bool:
    """Wait until a fact holds, letting greenlets and threads run; False if never."""
    end = time.monotonic() + PATIENCE
    while not fact():
        if time.monotonic() > end:
            return False
        gevent.sleep(0.01)
    return True


def descriptors() -> int:
    """How many file descriptors this process has open."""
    for table in ("/proc/self/fd", "/dev/fd"):
        if Path(table).is_dir():
            return len(os.listdir(table))
    raise OSError("no table of descriptors")
