"""Turns: work on megabytes is cut into steps, and others run in between.

A worker has one thread, and a step that takes long holds up every stream in it
(specification: reliability, L5).  A thread would not help: what takes long here keeps
Python's lock.
"""

import time
from collections.abc import Iterable, Iterator, Sized
from typing import Any, AnyStr, TypeVar

import gevent

Item = TypeVar("Item")

#: Bytes, or characters, of one step, which take a few milliseconds; less is never worth
#: a turn.
STEP = 1024 * 1024
#: Bytes, or characters, of one piece: a larger one would be memory that the system has
#: to hand out, and clear, each time, which costs more than most looks at it.
PIECE = 16 * 1024
#: Seconds for which one client may be read, or one list be worked on, before the
#: others have a turn.
TURN = 0.01
#: Bytes of one read: gunicorn throws a body away in pieces, and copies at each of them
#: all that it has read ahead.
BLOCK = 64 * 1024


def let_others(data: Sized) -> None:
    """Let others run before the next step, if this is work on so much."""
    if len(data) > STEP:
        gevent.sleep(0.001)  # of 0, the loop would not look at its sockets


def steps(data: AnyStr, overlap: int = 0) -> Iterable[AnyStr]:
    """The data in pieces, each with ``overlap`` of the next at its end."""
    return (data,) if len(data) <= PIECE else _pieces(data, overlap)


def _pieces(data: AnyStr, overlap: int) -> Iterator[AnyStr]:
    for start in range(0, len(data), PIECE):
        if start % STEP == 0:
            let_others(data)
        yield data[start : start + PIECE + overlap]


def in_turns(items: Iterable[Item]) -> Iterator[Item]:
    """The items; whenever what is done with them took long, others have a turn.

    For many that are small each, of which no step knows how many there are.
    """
    since = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - since > TURN:
            gevent.sleep(0.001)
            since = time.monotonic()


class Shared:
    """A client's socket, to read from, that leaves others their turns.

    gevent asks its loop only when there is nothing to read: a client that sends faster
    than it is read, be it requests ahead, would hold the whole worker, limits in time
    included.
    """

    def __init__(self, sock: Any) -> None:
        self._recv = sock.recv
        self._loop = gevent.get_hub().loop
        self._round, self._since = 0, 0.0

    def turn(self) -> None:
        """Let others run, if they could not for long."""
        this = self._loop.iteration
        if this != self._round:
            self._round, self._since = this, time.monotonic()
        elif time.monotonic() - self._since > TURN:
            gevent.sleep(0.001)

    def recv(self, size: int) -> bytes:
        """What is there, at most ``size`` bytes; waits while there is nothing."""
        self.turn()
        data: bytes = self._recv(min(size, BLOCK))
        return data
