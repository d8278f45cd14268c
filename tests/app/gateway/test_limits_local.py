"""The file in which workers count together, and what may be wrong with it."""

import fcntl
import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import pytest
from support.gateway import key

from app.gateway.keys import Key
from app.gateway.limits import Limits
from app.gateway.limits_local import FILE
from app.gateway.room import DAY, OWNER, SIZE, WINDOW, WORKERS, Room
from app.gateway.taken import Taken

ONE = key(rpm=1000, tpd=1000, max_concurrent=50)


def enter(limits: Limits, one: Key = ONE) -> Taken:
    """One request that asks to be let in."""
    taken = Taken(one)
    limits.enter(taken)
    return taken


@pytest.fixture(params=[False, True], ids=["together", "alone"])
def limits(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Limits]:
    """Limits that have counted one request, which has gone on to be."""
    first = Limits("", str(tmp_path), alone=request.param)
    enter(first)
    first.close()
    counting = Limits("", str(tmp_path), alone=request.param)
    yield counting
    counting.close()


def spoiled(path: Path, spoil: Callable[[Room], object]) -> None:
    """Write something else into the room of the one key."""
    data = path.read_bytes()
    place = next(at for at in range(0, len(data), SIZE) if any(data[at:][:16]))
    room = Room.of(data[place : place + SIZE])
    told = spoil(room)
    with path.open("r+b") as file:
        file.seek(place + OWNER.size)
        file.write(told if isinstance(told, bytes) else room.packed())


def minute(room: Room) -> None:
    """More in each second than there is in all of them."""
    room.second, room.used = int(time.time()) - 2, 1
    room.cells = [4_000_000_000] * WINDOW


def tokens(room: Room, used: int) -> None:
    """More tokens of today than can be, or fewer."""
    room.day, room.tokens = int(time.time()) // DAY, used


def leases(room: Room) -> None:
    """Somebody else has all places, for ever."""
    room.leases = [7, 50, 2**62] * WORKERS


def anything(room: Room) -> bytes:
    """What a disk may make of it."""
    return random.Random(5).randbytes(SIZE - OWNER.size)


@pytest.mark.parametrize(
    "spoil",
    [
        minute,
        lambda room: tokens(room, 2**63 - 1),
        lambda room: tokens(room, -(2**63)),
        leases,
        anything,
    ],
)
def test_a_room_with_something_else(
    limits: Limits, tmp_path: Path, spoil: Callable[[bytearray], object]
) -> None:
    """What no counts can be is counted anew, and nobody waits for anybody."""
    spoiled(tmp_path / FILE, spoil)
    taken = [enter(limits) for _ in range(3)]
    assert [one.refused for one in taken] == ["", "", ""]
    assert limits.reserve(taken[0], 900)
    assert not limits.reserve(taken[1], 900)
    for one in taken:
        limits.leave(one, 5)
    assert limits._local.running == {}
    other = Limits("", str(tmp_path))
    assert enter(other).refused == ""
    other.close()


def test_a_fault_leaves_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fault of our own the others are not kept waiting."""
    faulty, other = (Limits("", str(tmp_path)) for _ in range(2))
    enter(faulty)
    taken = enter(faulty)
    monkeypatch.setattr(Room, "reserve", lambda *_: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        faulty.reserve(taken, 3)
    assert enter(other).requests == 3
    assert not other._local._busy
    faulty.close()
    other.close()


def test_a_lock_that_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Who keeps the lock stops nobody; limits hold in each worker meanwhile."""
    one = key(rpm=4, tpd=100, max_concurrent=3)
    limits, other = (Limits("", str(tmp_path)) for _ in range(2))
    first = enter(limits, one)
    assert limits.reserve(first, 60)
    ticks: list[float] = []

    def look() -> None:
        while True:
            ticks.append(time.monotonic())
            gevent.sleep(0.001)

    looking = gevent.spawn(look)
    keeper = os.open(tmp_path / FILE, os.O_RDWR)
    fcntl.flock(keeper, fcntl.LOCK_EX)
    begun = time.monotonic()
    second = enter(limits, one)
    assert len(ticks) > 3  # others were at work
    third, fourth = enter(limits, one), enter(limits, one)
    assert time.monotonic() - begun < 5
    looking.kill()
    assert [t.refused for t in (second, third, fourth)] == ["", "", "concurrent"]
    assert not limits.reserve(second, 50)
    limits.leave(first, 10)
    limits.leave(second, 0)
    limits._local.write()
    assert "somebody keeps it locked" in caplog.text
    os.close(keeper)
    limits._local.write()
    limits.leave(third, 0)
    seen = enter(other, one)
    assert (seen.refused, seen.tokens) == ("", 10)
    assert limits._local.running == {}
    limits.close()
    other.close()


def kept(limits: Limits, taken: list[Taken]) -> None:
    """Two requests reserve and one leaves while somebody keeps the file."""
    assert limits.reserve(taken[0], 60)
    assert limits.reserve(taken[1], 300)
    limits.leave(taken[0], 40)


def cleared(limits: Limits, taken: list[Taken]) -> None:
    """One leaves meanwhile that has reserved nothing, and one that had before."""
    limits.leave(taken[2], 70)
    limits.leave(taken[0], 0)


@pytest.mark.parametrize("later", [Limits.close, lambda limits: enter(limits)])
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(("happen", "used"), [(kept, 440), (cleared, 70)])
def test_what_is_counted_while_it_is_kept(
    tmp_path: Path,
    happen: Callable[[Limits, list[Taken]], None],
    used: int,
    known: bool,
    later: Callable[[Limits], object],
) -> None:
    """Tokens reach the file later, what was taken and what was given back."""
    limits, other = (Limits("", str(tmp_path)) for _ in range(2))
    taken = [enter(limits) for _ in range(3)]
    if known:
        assert limits.reserve(taken[2], 100)
    else:
        used -= 100 if happen is kept else 70
    with (tmp_path / FILE).open("r+b") as keeper:
        fcntl.flock(keeper, fcntl.LOCK_EX)
        happen(limits, taken)
    later(limits)
    assert enter(other).tokens == used
    assert not limits._local._late
    limits.close()
    other.close()


def test_what_began_together_alone(tmp_path: Path) -> None:
    """First requests of a worker alone that wait for the file count together."""
    one = key(rpm=2)
    limits = Limits("", str(tmp_path), alone=True)
    with (tmp_path / FILE).open("w+b") as keeper:
        fcntl.flock(keeper, fcntl.LOCK_EX)
        asking = [gevent.spawn(enter, limits, one) for _ in range(20)]
        gevent.sleep(0.002)
        assert not any(greenlet.dead for greenlet in asking)
    gevent.joinall(asking, timeout=30, raise_error=True)
    assert sum(not greenlet.value.refused for greenlet in asking) == 2
    limits.close()
    assert enter(Limits("", str(tmp_path)), one).refused == "requests"


def test_a_day_does_not_come_back() -> None:
    """Who comes late takes of the day that has begun; a clock a week ahead is none."""
    room, late, now = Room(), Taken(ONE, day=20), Taken(ONE, day=21)
    assert room.reserve(late, 500, 1000)
    assert room.reserve(now, 700, 1000)
    assert not room.reserve(Taken(ONE, day=20), 301, 1000)
    late = Taken(ONE, day=20)
    assert room.reserve(late, 300, 1000)
    room.settle(late.day, -100)
    room.settle(20, -100)
    room.settle(20, 100)
    assert (room.day, room.tokens) == (21, 900)
    assert room.reserve(Taken(ONE, day=14), 5, 1000)
    assert (room.day, room.tokens) == (14, 5)


def test_an_interruption_while_it_is_kept(tmp_path: Path) -> None:
    """Who is interrupted while waiting for the lock gives nothing back."""
    limits = Limits("", str(tmp_path))
    first = enter(limits)
    assert limits.reserve(first, 60)
    keeper = os.open(tmp_path / FILE, os.O_RDWR)
    fcntl.flock(keeper, fcntl.LOCK_EX)
    entering = Taken(ONE)
    waiting = gevent.spawn(limits.enter, entering)
    gevent.sleep(0.002)
    assert not waiting.dead
    waiting.kill()
    limits.leave(entering, 0)
    assert limits._local.running == {ONE.id: 1}
    second = Taken(ONE)
    waiting = gevent.spawn(limits.reserve, second, 60)
    gevent.sleep(0.002)
    assert not waiting.dead
    waiting.kill()
    limits.leave(second, 0)
    os.close(keeper)
    assert enter(limits).tokens == 60
    limits.close()


@pytest.mark.parametrize("what", ["link", "fifo", "another's"])
def test_a_file_that_is_not_ours(
    tmp_path: Path,
    what: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is not a file of our own is neither read nor written."""
    path, target = tmp_path / FILE, tmp_path / "target"
    target.write_bytes(b"precious")
    if what == "link":
        path.symlink_to(target)
    elif what == "fifo":
        os.mkfifo(path)
    else:
        path.write_bytes(b"precious")
        monkeypatch.setattr("os.geteuid", lambda: 12345)
    limits = Limits("", str(tmp_path))
    assert [enter(limits).refused for _ in range(2)] == ["", ""]
    assert "each worker counts for itself" in caplog.text
    assert target.read_bytes() == b"precious"
    assert what != "another's" or path.read_bytes() == b"precious"
    limits.close()
