"""Heartbeat: an iterator that can be waited for in turns.

A generator that waits for Ollama cannot be asked for anything else meanwhile.  So its
steps are made in a greenlet of its own, which hands over each item directly: two
switches for an item, and no queue.  Who waits for an item gets ``BEAT`` instead when
none came for so long; the generator notices nothing (decisions, 9 and 10).
"""

import time
from collections.abc import Generator
from typing import Any, Final

import gevent
from greenlet import GreenletExit, getcurrent, greenlet

from .inflight import Watch

#: In the place of an item: nothing came for as long as was said.
BEAT: Final = b""


class _End:
    """After the last item: with what the generator raised, if it did."""

    def __init__(self, failure: BaseException | None = None) -> None:
        self.failure = failure


class Heartbeat:
    """The items of a generator, none of them empty, and ``BEAT`` in between.

    ``seconds`` is the silence before a beat, and between two; ``watch`` is that of the
    request, which looks in.  One greenlet at a time may ask.  What interrupts its wait
    leaves the generator as it is, until ``close`` ends it wherever it waits.
    """

    def __init__(
        self, items: Generator[bytes, None, None], seconds: float, watch: Watch
    ) -> None:
        self._items = items
        self._seconds = seconds
        watch.beats = self
        self._worker = greenlet(self._work)
        self._asker: Any = None  # who waits for an item
        self._resting = True  # the worker goes on only when it is asked
        self._ready: bytes | _End | None = None  # an item that came uncalled for
        self._due = 0.0
        self._over = False

    def __iter__(self) -> "Heartbeat":
        return self

    def __next__(self) -> bytes:
        if self._over:
            raise StopIteration
        item, self._ready = self._ready, None
        if item is None:
            item = self._wait()
        if not isinstance(item, _End):
            return item
        self.close()
        if item.failure is not None:
            raise item.failure
        raise StopIteration

    def _wait(self) -> bytes | _End:
        self._asker = getcurrent()
        self._due = time.monotonic() + self._seconds
        try:
            item: bytes | _End
            if self._resting:
                self._resting = False
                item = self._worker.switch()
            else:  # it waits for Ollama, and will switch here when that has spoken
                item = gevent.get_hub().switch()
            return item
        finally:
            self._asker = None

    def tick(self, now: float) -> None:
        """End a wait that has lasted long enough; called in the event loop."""
        if self._asker is not None and now >= self._due:
            self._asker.switch(BEAT)

    def _work(self) -> None:
        end = _End()
        try:
            for item in self._items:
                self._offer(item)
        except GreenletExit:  # closed
            return
        except BaseException as exc:
            end.failure = exc
        self._offer(end)

    def _offer(self, item: bytes | _End) -> None:
        """Hand an item over and rest, in the worker."""
        self._resting = True
        if self._asker is not None:
            self._asker.switch(item)
        else:
            self._ready = item
            gevent.get_hub().switch()

    def close(self) -> None:
        """End the generator, and wait until it has let go; later calls do nothing."""
        if self._over:
            return
        self._over = True
        if self._worker:
            self._worker.parent = getcurrent()  # where its end leads
            self._worker.throw(GreenletExit)
        self._items.close()
