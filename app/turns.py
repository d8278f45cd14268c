"""Turns: work on megabytes is cut into steps, and others run in between.

A worker has one thread, and a step that takes long holds up every stream in it
(specification: reliability, L5).  A thread would not help: what takes long here keeps
Python's lock.
"""

from collections.abc import Iterator
from typing import AnyStr

import gevent

#: Bytes, or characters, of one step, which take a few milliseconds; less is never worth
#: a turn.
STEP = 1024 * 1024


def let_others(data: bytes | str) -> None:
    """Let others run before the next step, if this is work on so much."""
    if len(data) > STEP:
        gevent.sleep(0.001)  # of 0, the loop would not look at its sockets


def steps(data: AnyStr, overlap: int = 0) -> Iterator[AnyStr]:
    """The data in pieces, with so many bytes of the next at the end of each."""
    if len(data) <= STEP:
        yield data
        return
    for start in range(0, len(data), STEP):
        let_others(data)
        yield data[start : start + STEP + overlap]
