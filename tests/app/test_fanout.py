import gc
import weakref
from collections.abc import Callable, Generator, Iterator
from functools import partial
from itertools import islice

import gevent
import pytest
from gevent.event import Event

from app.fanout import MAX_WAITING, Interleaved, gather

Items = Generator[object, None, None]


@pytest.fixture(autouse=True)
def patience() -> Iterator[None]:
    """Whatever hangs is a failure after a while."""
    with gevent.Timeout(20):
        yield


class Jobs:
    """Jobs that note what becomes of them."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.running = Event()

    def job(self, name: str, act: Callable[[], object]) -> object:
        """Do something and say so."""
        self.begun.append(name)
        self.running.set()
        try:
            return act()
        finally:
            self.ended.append(name)

    def items(self, name: str, *acts: object) -> Items:
        """Give items; what can be called is done instead."""
        self.begun.append(name)
        self.running.set()
        try:
            for act in acts:
                if callable(act):
                    act()
                else:
                    yield act
        finally:
            self.ended.append(name)


def fail(error: BaseException) -> object:
    """Raise an error."""
    raise error


def forever() -> object:
    """Wait for what never comes."""
    return Event().wait()


# ------------------------------------------------------------------- gather


@pytest.mark.parametrize("at_once", [1, 2, 3, 5])
def test_results_are_in_the_order_of_the_jobs(at_once: int) -> None:
    """Whoever is ready first, results come in the order of the jobs."""
    done = [Event() for _ in range(4)]

    def job(number: int) -> int:
        # With all of them running, the last one ends first.
        if at_once >= 4 and number < 3:
            done[number + 1].wait()
        done[number].set()
        return number

    assert gather([partial(job, n) for n in range(4)], at_once) == [0, 1, 2, 3]


def test_nothing_to_gather() -> None:
    """No jobs give no results."""
    assert gather([], 2) == []


@pytest.mark.parametrize("at_once", [1, 2, 7])
@pytest.mark.parametrize("how", ["gather", "Interleaved"])
def test_as_many_at_once_as_allowed(how: str, at_once: int) -> None:
    """As many run at a time as may, never more."""
    running: set[int] = set()
    peak = 0
    full = Event()

    def job(number: int) -> int:
        nonlocal peak
        running.add(number)
        peak = max(peak, len(running))
        if peak == at_once:
            full.set()
        full.wait()
        running.remove(number)
        return number

    def items(number: int) -> Items:
        yield job(number)

    if how == "gather":
        found = list[object](gather([partial(job, n) for n in range(7)], at_once))
    else:
        found = list(Interleaved([partial(items, n) for n in range(7)], at_once))
    assert sorted(found, key=str) == list(range(7))
    assert peak == at_once


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), gevent.Timeout(), SystemExit(3)],
    ids=["fault", "time is up", "exit"],
)
def test_the_first_failure_ends_all(error: BaseException) -> None:
    """The first to fail is raised, what runs is ended, what waits never begins."""
    jobs = Jobs()
    acts = [forever, partial(fail, error), partial(fail, KeyError("later"))]
    with pytest.raises(type(error)) as raised:
        gather(
            [partial(jobs.job, str(n), act) for n, act in enumerate(acts)], at_once=2
        )
    assert raised.value is error
    assert sorted(jobs.begun) == sorted(jobs.ended) == ["0", "1"]


def test_first_means_in_time() -> None:
    """Of two failures the earlier one is raised, whatever the order of the jobs."""
    failed = Event()

    def early() -> None:
        failed.set()
        raise ValueError("early")

    def late() -> None:
        failed.wait()
        raise ValueError("late")

    with pytest.raises(ValueError, match="early"):
        gather([late, early], 2)


def test_a_caller_that_is_ended_leaves_nothing_running() -> None:
    """When the caller is killed, so are the jobs."""
    jobs = Jobs()
    caller = gevent.spawn(gather, [partial(jobs.job, n, forever) for n in "abc"], 2)
    jobs.running.wait()
    caller.kill()
    assert sorted(jobs.begun) == sorted(jobs.ended) == ["a", "b"]


# -------------------------------------------------------------- Interleaved


def test_items_come_when_they_are_there() -> None:
    """One generator does not wait for another, and keeps its own order."""
    seen = Event()
    jobs = Jobs()
    calls = Interleaved(
        [
            partial(jobs.items, "slow", seen.wait, "s1", "s2"),
            partial(jobs.items, "fast", "f1", "f2"),
        ],
        2,
    )
    assert [next(calls), next(calls)] == ["f1", "f2"]
    seen.set()
    assert list(calls) == ["s1", "s2"]
    assert jobs.ended == ["fast", "slow"]
    calls.close()


def test_nothing_to_interleave() -> None:
    """No generators give no items."""
    assert list(Interleaved[object]([], 3)) == []


def test_what_came_before_a_failure_is_given() -> None:
    """Items before the failure come, then it; the others are ended; then nothing."""
    jobs = Jobs()
    error = ValueError("boom")
    calls = Interleaved(
        [
            partial(jobs.items, "a", "a1", forever),
            partial(jobs.items, "b", "b1", "b2", partial(fail, error), "b3"),
            partial(jobs.items, "c", "c1"),
        ],
        2,
    )
    assert [next(calls) for _ in range(3)] == ["a1", "b1", "b2"]
    with pytest.raises(ValueError, match="boom") as raised:
        next(calls)
    assert raised.value is error
    assert sorted(jobs.begun) == sorted(jobs.ended) == ["a", "b"]
    assert list(calls) == []


def test_a_job_that_cannot_even_begin() -> None:
    """A failure before there is a generator is a failure like any other."""
    jobs = Jobs()

    def broken() -> Items:
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"):
        list(Interleaved([partial(jobs.items, "a", forever), broken], 2))
    assert jobs.begun == jobs.ended == ["a"]


def test_closed_before_it_began() -> None:
    """Nothing begins any more, whoever asks."""
    jobs = Jobs()
    calls = Interleaved([partial(jobs.items, "a", "a1")], 1)
    calls.close()
    assert list(calls) == []
    gevent.idle()
    assert jobs.begun == []


@pytest.mark.parametrize("at_once", [1, 3])
@pytest.mark.parametrize(
    "after",
    [
        pytest.param((forever,), id="waiting"),
        pytest.param(range(1000), id="queue-full"),
    ],
)
def test_closed_while_it_runs(after: tuple[object, ...], at_once: int) -> None:
    """What has begun runs its finally before close returns; what waits never begins."""
    jobs = Jobs()
    works = [partial(jobs.items, n, "first", *after, forever) for n in "abcd"]
    calls = Interleaved(works, at_once)
    assert next(calls) == "first"
    gevent.idle()  # the queue is as full as it gets
    calls.close()
    assert sorted(jobs.begun) == sorted(jobs.ended) == list("abcd"[:at_once])
    assert list(calls) == []
    calls.close()
    gevent.idle()
    assert len(jobs.begun) == at_once


def test_closed_after_the_end() -> None:
    """Closing what is over changes nothing."""
    jobs = Jobs()
    calls = Interleaved([partial(jobs.items, n, n) for n in "ab"], 1)
    assert list(calls) == ["a", "b"]
    calls.close()
    assert (jobs.ended, list(calls)) == (["a", "b"], [])


@pytest.mark.parametrize("kill", [True, False])
def test_closed_while_somebody_waits(kill: bool) -> None:
    """Who waits for an item hears of the end, and so does who was killed waiting."""
    jobs = Jobs()
    calls = Interleaved([partial(jobs.items, "a", forever)], 1)
    reader = gevent.spawn(list, calls)
    jobs.running.wait()
    if kill:
        reader.kill()
    calls.close()
    reader.join()
    assert reader.dead
    assert jobs.ended == ["a"]


def test_a_reader_that_is_slow() -> None:
    """Only so much is taken ahead of the reader, and nothing is lost."""
    taken: list[int] = []

    def eager() -> Generator[int, None, None]:
        for number in range(10_000):
            taken.append(number)
            yield number

    calls = Interleaved([eager], 1)
    assert next(calls) == 0
    gevent.idle()
    assert len(taken) == MAX_WAITING + 2  # one was read, one does not fit in
    assert list(islice(calls, 500)) == list(range(1, 501))
    calls.close()


def test_a_failure_at_a_full_queue() -> None:
    """A failure that finds no room waits its turn."""
    jobs = Jobs()
    many = range(MAX_WAITING)
    work = partial(jobs.items, "a", *many, partial(fail, ValueError("boom")))
    calls = Interleaved([work, partial(jobs.items, "b", *many)], 1)
    assert next(calls) == 0
    gevent.idle()
    assert list(islice(calls, MAX_WAITING - 1)) == [*many][1:]
    with pytest.raises(ValueError, match="boom"):
        next(calls)
    assert jobs.begun == ["a"]


def test_nothing_begins_after_a_failure() -> None:
    """Also while nobody has read of the failure yet, no further one begins."""
    jobs = Jobs()
    failed, over = Event(), Event()

    def fails() -> object:
        failed.set()
        raise ValueError("boom")

    works = {"a": (failed.wait, over.set), "b": (1, fails), "c": (2,)}
    calls = Interleaved([partial(jobs.items, n, *acts) for n, acts in works.items()], 2)
    assert next(calls) == 1
    over.wait()
    assert jobs.ended == ["b", "a"]
    with pytest.raises(ValueError, match="boom"):
        next(calls)
    assert jobs.begun == ["a", "b"]


def test_a_failure_while_being_closed() -> None:
    """What a generator raises when it is closed keeps nobody from closing."""
    running = Event()

    def stubborn() -> Items:
        try:
            running.set()
            yield forever()
        finally:
            raise ValueError("no")

    jobs = Jobs()
    calls = Interleaved([stubborn, partial(jobs.items, "b", "b1", forever)], 2)
    assert next(calls) == "b1"
    running.wait()
    calls.close()
    assert jobs.ended == ["b"]
    assert list(calls) == []


def test_an_ended_job_holds_nothing() -> None:
    """What a job held is let go when it is ended, without the garbage collector."""

    def items(held: Jobs) -> Items:
        yield held
        gevent.sleep(20)

    held = Jobs()
    seen = weakref.ref(held)
    calls = Interleaved([partial(items, held)], 1)
    gc.collect()
    gc.disable()
    try:
        assert next(calls) is held
        calls.close()
        del held, calls
        assert seen() is None
    finally:
        gc.enable()
