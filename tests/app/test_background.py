"""Jobs in the background: how many, what ends them, and who hears of their failures."""

import logging
from collections.abc import Callable, Iterator

import gevent
import pytest
from gevent.event import Event

from app.background import Background
from app.errors import UpstreamTimeout


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Whatever hangs is a failure after a while."""
    with gevent.Timeout(20):
        yield


class Jobs:
    """Jobs that wait for the test, and note how they end."""

    def __init__(self) -> None:
        self.begun = 0
        self.ended: list[str] = []
        self.go = Event()

    def __call__(self) -> str:
        """Wait, and say how that ended."""
        self.begun += 1
        how = "stopped"
        try:
            self.go.wait()
            how = "done"
        finally:
            self.ended.append(how)
        return how


def idle(background: Background) -> None:
    """Wait until nothing runs."""
    while len(background):
        gevent.sleep(0)


@pytest.mark.parametrize("limit", [1, 3])
def test_so_many_at_a_time(limit: int) -> None:
    """What is more than the limit is dropped, not kept for later."""
    background, jobs = Background(limit), Jobs()
    started = [background.start(jobs) for _ in range(limit + 2)]
    assert started == [True] * limit + [False] * 2
    gevent.sleep(0)
    assert jobs.begun == limit
    jobs.go.set()
    idle(background)
    assert jobs.ended == ["done"] * limit
    assert background.start(jobs)
    idle(background)
    assert jobs.begun == limit + 1


def test_nobody_waits() -> None:
    """Who starts a job goes on before it begins."""
    background, jobs = Background(), Jobs()
    jobs.go.set()
    assert background.start(jobs)
    assert jobs.begun == 0
    idle(background)
    assert jobs.begun == 1


def test_stopped() -> None:
    """What runs is ended where it waits, lets go of what it holds, and makes room."""
    background, jobs = Background(2), Jobs()
    background.start(jobs)
    background.start(jobs)
    gevent.sleep(0)
    background.stop()
    assert jobs.ended == []  # nobody waits for that either
    idle(background)
    assert jobs.ended == ["stopped"] * 2
    background.stop()
    jobs.go.set()
    assert background.start(jobs)
    idle(background)
    assert jobs.ended == ["stopped", "stopped", "done"]


def test_stopped_before_it_began() -> None:
    """What has not begun never does."""
    background, jobs = Background(), Jobs()
    background.start(jobs)
    background.stop()
    idle(background)
    assert jobs.begun == 0
    assert background.start(jobs)
    background.stop()
    idle(background)


def fail(error: Exception) -> Callable[[], object]:
    """A job that raises an error."""

    def job() -> object:
        raise error

    return job


def test_failures_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Ollama's failures are one calm line now and then, a fault of ours has a trace."""
    background = Background()
    for _ in range(3):
        error = UpstreamTimeout("Too late.", detail="120 s")
        assert background.start(fail(error))
        idle(background)
    (line,) = caplog.records
    assert line.levelno == logging.WARNING
    assert line.getMessage() == "a job in the background failed: Too late. 120 s"
    assert line.exc_info is None
    caplog.clear()
    for _ in range(3):
        assert background.start(fail(ValueError("x")))
        idle(background)
    (line,) = caplog.records
    assert line.levelno == logging.ERROR
    assert line.exc_info is not None


def test_stopping_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    """Of a job that was stopped the log says nothing."""
    background, jobs = Background(), Jobs()
    background.start(jobs)
    gevent.sleep(0)
    background.stop()
    idle(background)
    assert caplog.records == []
