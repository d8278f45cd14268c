"""Aside: one thread for work that would hold up the event loop.

One, so that nothing in it needs a lock; those of ``threading`` belong to gevent in a
worker, and are not made for waiting between threads.  So nothing in it writes a log,
either: it returns or raises.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from gevent.threadpool import ThreadPool

Result = TypeVar("Result")


class Aside:
    """Does one job after the other; who asks waits, others go on."""

    def __init__(self) -> None:
        self._pool: Any = None

    @property
    def is_used(self) -> bool:
        """Whether there is a thread yet."""
        return self._pool is not None

    def run(self, job: Callable[[], Result]) -> Result:
        """What a job returns or raises.

        A job that has begun goes on to its end even where nobody waits for it any
        more.  Only greenlets of the thread that asked first may ask.
        """
        if self._pool is None:
            self._pool = ThreadPool(1)
        result: Result
        # gevent prints what a job raises, so it is returned.
        result, error = self._pool.spawn(self._outcome, job).get()
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        """End the thread, when its job is done."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.kill()

    @staticmethod
    def _outcome(job: Callable[[], Result]) -> tuple[Any, BaseException | None]:
        try:
            return job(), None
        except BaseException as error:  # of whatever kind, it belongs to who asked
            return None, error
