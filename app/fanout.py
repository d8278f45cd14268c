"""Several calls at once behind one request, and what they answer.

``gather`` is for answers in one piece, ``Interleaved`` for streams.  Either way the
first failure, or nobody wanting the rest, ends all of them (decisions, 14).
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import Generic, TypeVar

import gevent
from gevent.pool import Pool
from gevent.queue import Queue

Result = TypeVar("Result")
Item = TypeVar("Item")

#: Reads of all calls together that wait to be taken.
MAX_WAITING = 64


def gather(jobs: Iterable[Callable[[], Result]], at_once: int) -> list[Result]:
    """What the jobs give, in their order; raises what the first failing one raises.

    ``at_once`` bounds how many run at a time.  None is left running.
    """
    pool = Pool(at_once)
    try:
        return list(pool.imap(_called, jobs))
    finally:
        pool.kill()


def _called(job: Callable[[], Result]) -> Result:
    return job()


class Interleaved(Generic[Item]):
    """Items of several generators as they come, in no particular order.

    Each runs in a greenlet of its own from the first step on; a failure of one is
    raised and the others are ended.
    """

    def __init__(
        self, jobs: Iterable[Callable[[], Generator[Item, None, None]]]
    ) -> None:
        self._queue: Queue[Item | _End] = Queue(MAX_WAITING)
        self._jobs = list(jobs)
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._running = len(self._jobs)

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        if not self._greenlets:
            self._greenlets = [gevent.spawn(self._run, job) for job in self._jobs]
        while self._running:
            item: Item | _End = self._queue.get()
            if not isinstance(item, _End):
                return item
            self._running -= 1
            if item.failure is not None:
                self.close()
                raise item.failure
        raise StopIteration

    def _run(self, job: Callable[[], Generator[Item, None, None]]) -> None:
        failure = None
        try:
            with closing(job()) as items:
                for item in items:
                    self._queue.put(item)
        except Exception as exc:
            failure = exc
        self._queue.put(_End(failure))

    def close(self) -> None:
        """End what still runs, and wait until it has let go."""
        self._running = 0
        gevent.killall(self._greenlets)


class _End:
    """How one generator ended: with ``None``, or with what it raised."""

    def __init__(self, failure: Exception | None) -> None:
        self.failure = failure
