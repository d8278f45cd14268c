"""Background: jobs that nobody waits for, and that give way to all else."""

import logging
from collections.abc import Callable

import gevent
from gevent import GreenletExit

from .errors import GatewayError, forget_frames
from .logs import Faults

log = logging.getLogger("pannier")


class Background:
    """Runs at most ``limit`` jobs at a time, each in a greenlet of its own.

    A failure of one is logged, and told to nobody else.
    """

    def __init__(self, limit: int = 1, faults: Faults | None = None) -> None:
        self.limit = limit
        self._faults = faults or Faults()
        self._running: set[gevent.Greenlet[[], None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, job: Callable[[], object]) -> bool:
        """Run a job, if there is room for it; else it is dropped: False."""
        if len(self._running) >= self.limit:
            return False
        greenlet = gevent.Greenlet(self._run, job)
        self._running.add(greenlet)
        greenlet.link(self._running.discard)
        greenlet.start()
        return True

    def stop(self) -> None:
        """End what runs, without waiting until it has let go of what it holds."""
        for greenlet in tuple(self._running):
            greenlet.kill(block=False)

    def _run(self, job: Callable[[], object]) -> None:
        try:
            job()
        except GreenletExit:
            pass
        except GatewayError as exc:
            if self._faults.untold(exc) is not None:
                told = " ".join(filter(None, [exc.message, exc.detail]))
                log.warning("a job in the background failed: %s", told)
            forget_frames(exc)
        except Exception as exc:
            self._faults.tell(log, "a job in the background failed", exc)
            forget_frames(exc)
