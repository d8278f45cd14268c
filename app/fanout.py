"""Several calls at once behind one request, and what they answer.

``gather`` is for answers in one piece, ``Interleaved`` for streams.  Either way the
first failure, or nobody wanting the rest, ends all of them (decisions, 14).  Only a few
run at a time: that many workers take the jobs in their order.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import partial
from typing import Generic, TypeVar

import gevent
from gevent.queue import Queue

Result = TypeVar("Result")
Item = TypeVar("Item")

#: Reads of all calls together that wait to be taken.
MAX_WAITING = 64


def gather(jobs: Iterable[Callable[[], Result]], at_once: int) -> list[Result]:
    """What the jobs give, in their order; raises what the first one to fail raises.

    ``at_once``, 1 or more, bounds how many run at a time.  None is left running.
    """
    numbered = [partial(_one, number, job) for number, job in enumerate(jobs)]
    calls = Interleaved(numbered, at_once)
    try:
        found = dict(calls)
    finally:
        calls.close()
    return [found[number] for number in range(len(numbered))]


def _one(
    number: int, job: Callable[[], Result]
) -> Generator[tuple[int, Result], None, None]:
    yield number, job()


class Interleaved(Generic[Item]):
    """Items of several generators as they come, each one's own in their order.

    They run in greenlets from the first step on, ``at_once`` (1 or more) of them at a
    time.  A failure of one is raised after what came before it, and the others are
    ended.  Generators that have begun are always closed.
    """

    def __init__(
        self,
        jobs: Iterable[Callable[[], Generator[Item, None, None]]],
        at_once: int,
    ) -> None:
        self._queue: Queue[Item | _End] = Queue(MAX_WAITING)
        self._waiting = deque(jobs)
        self._running = min(at_once, len(self._waiting))
        self._workers: list[gevent.Greenlet[..., None]] = []
        self._closed = False

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if not self._workers and not self._closed:
            self._workers = [gevent.spawn(self._work) for _ in range(self._running)]
        while self._running and not self._closed:
            item: Item | _End = self._queue.get()
            if not isinstance(item, _End):
                return item
            self._running -= 1
            if (failure := item.failure) is not None:
                self.close()
                try:
                    raise failure
                finally:  # it holds this frame, which is not to hold it
                    del item, failure
        raise StopIteration

    def _work(self) -> None:
        end = _End()
        try:
            while self._waiting:
                job = self._waiting.popleft()
                with closing(job()) as items:
                    for item in items:
                        self._queue.put(item)
        except BaseException as exc:  # nobody else would hear of it
            end.failure = exc
            self._waiting.clear()
        if not self._closed:
            self._queue.put(end)
        del end  # its failure holds this frame, and by that all of the request

    def close(self) -> None:
        """End what still runs, and wait until it has let go."""
        self._closed = True
        gevent.killall(self._workers)
        while not self._queue.empty():  # failures hold us, by their frames
            self._queue.get_nowait()
        self._queue.put_nowait(_End())  # wakes who waits


class _End:
    """How one worker ended: with ``None``, or with what a generator raised."""

    failure: BaseException | None = None
