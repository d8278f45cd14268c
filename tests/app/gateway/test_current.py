import logging

import gevent
import pytest
from support.gateway import Known, key, snapshot

from app.errors import GatewayError
from app.gateway.current import REPEAT, Current
from app.gateway.snapshot import NOTHING, Snapshot

BROKEN = GatewayError("gone", status=503, code="storage_unavailable", detail="locked")


class Clock:
    """A clock that stands still until it is set."""

    now = 0.0

    def __call__(self) -> float:
        """Its time."""
        return self.now


def test_nothing_is_set() -> None:
    """Without a source nothing is set, nobody waits, and no key is needed."""
    current = Current()
    assert current.now is NOTHING
    assert not current.closed
    current.start()
    current.close()


def test_what_is_new_is_taken_up() -> None:
    """Another version takes the place of the one before; the same is not told again."""
    source = Known(snapshot(version=3))
    current = Current(source)
    told: list[Snapshot] = []
    current.changed.append(told.append)
    current.renew()
    current.renew()
    assert told == [source.now]
    source.now = snapshot(key(), version=4)
    current.renew()
    assert current.now is source.now
    assert len(told) == 2
    assert current.closed


def test_an_older_version_counts_too() -> None:
    """A backup that was put back is in force, though its version is lower."""
    source = Known(snapshot(key(), version=9))
    current = Current(source)
    current.renew()
    source.now = snapshot(version=2)
    current.renew()
    assert current.now.version == 2


@pytest.mark.parametrize(
    ("auth", "keys", "closed"),
    [
        ("auto", 0, False),
        ("auto", 1, True),
        ("on", 0, True),
        ("on", 1, True),
        ("off", 0, False),
        ("off", 1, False),
    ],
)
def test_when_keys_are_needed(auth: str, keys: int, closed: bool) -> None:
    """On and off say so; otherwise the first key closes the door, revoked or not."""
    current = Current(Known(snapshot(*[key(revoked_at=1)] * keys)), auth)
    current.renew()
    assert current.closed is closed


def test_q2_what_was_known_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """While the database cannot say, what it said goes on, and the log tells it."""
    source, clock = Known(snapshot(key())), Clock()
    current = Current(source, clock=clock)
    current.renew()
    known = current.now
    source.broken = BROKEN
    with caplog.at_level(logging.ERROR, "pannier"):
        for moment in (1.0, 2.0, REPEAT, REPEAT + 2):
            clock.now = moment
            current.renew()
    assert [record.getMessage() for record in caplog.records] == [
        "Keys and settings cannot be read; what was last known goes on: locked"
    ] * 2
    assert current.now is known
    assert current.failure is BROKEN
    source.broken = None
    current.renew()
    assert current.failure is None


def test_a_lost_database_opens_no_door() -> None:
    """Where all that was set has vanished, the keys that were known still count."""
    source = Known(snapshot(key()))
    current = Current(source)
    current.renew()
    source.now = NOTHING
    current.renew()
    assert current.closed
    assert current.failure is not None
    assert "gone from the database" in current.failure.detail


def test_who_is_told_may_want_no_more() -> None:
    """Whoever leaves while all are told keeps nobody else from being told."""
    source, told = Known(snapshot(key())), list[str]()
    current = Current(source)

    def once(_: Snapshot) -> None:
        told.append("once")
        current.changed.remove(once)

    current.changed += [once, lambda _: told.append("always")]
    current.renew()
    source.now = snapshot(version=2)
    current.renew()
    assert told == ["once", "always", "always"]


def test_that_nothing_is_set_is_known() -> None:
    """An empty database is one that was read: nobody needs a key, or waits for one."""
    current = Current(Known(NOTHING))
    assert (current.may_close, current.plain) == (True, False)
    current.renew()
    assert (current.may_close, current.plain) == (False, True)


def test_the_first_is_waited_for() -> None:
    """Who asks before anything is known gets what is found, not nothing."""
    source = Known(snapshot(key()))
    current = Current(source)
    try:
        assert current.now is source.now
    finally:
        current.close()


@pytest.mark.parametrize("auth", ["auto", "on", "off"])
def test_q2_nothing_known_yet(auth: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ever having known keys nobody comes in, unless none are needed."""
    monkeypatch.setattr("app.gateway.current.FIRST", 0.01)
    source = Known(snapshot(key()))
    source.broken = BROKEN
    current = Current(source, auth)
    try:
        if auth == "off":
            assert current.now is NOTHING
            return
        with pytest.raises(GatewayError) as caught:
            current.now  # noqa: B018
    finally:
        current.close()
    assert (caught.value.status, caught.value.code) == (503, "storage_unavailable")
    assert caught.value.headers == [("Retry-After", "1")]
    assert caught.value.detail == "locked"


def test_keys_end_by_the_time() -> None:
    """Each end of a key, or of a secret before a rotation, is told once, when it is."""
    keys = [
        key(f"k{end}", str(end), digest=b"%d" % end, expires_at=end)
        for end in (9000, 3000, 1000)
    ]
    rotated = key("r", digest=b"r", previous_digest=b"p", previous_until=5000)
    source, clock = Known(snapshot(*keys, key("ever", digest=b"e"), rotated)), Clock()
    current = Current(source, unix=clock)
    told: list[float] = []
    current.expired.append(lambda now: told.append(clock.now))
    clock.now = 2.0
    current.renew()
    for clock.now in (2.0, 2.999, 3.0, 3.5, 6.0, 6.5, 8.999):
        current.expire()
    assert told == [3.0, 6.0]
    source.broken = BROKEN
    current.renew()
    clock.now = 9.0
    current.expire()
    clock.now = 99.0
    current.expire()
    assert told == [3.0, 6.0, 9.0]


def test_a_clock_that_was_put_back() -> None:
    """An end that a wrong clock had passed, or hid, is told when it really comes."""
    source, clock = Known(snapshot(key(expires_at=5000))), Clock()
    current = Current(source, unix=clock)
    told: list[float] = []
    current.expired.append(lambda now: told.append(clock.now))
    current.renew()
    for clock.now in (9.0, 2.0, 4.9, 5.0, 5.5):
        current.expire()
    assert told == [9.0, 5.0]
    clock.now = 9.0
    source.now = snapshot(key(expires_at=5000), version=2)
    current.renew()
    for clock.now in (9.0, 4.0, 5.0):
        current.expire()
    assert told == [9.0, 5.0, 5.0]


@pytest.mark.parametrize("what", ["changed", "expired"])
def test_all_are_told(what: str, caplog: pytest.LogCaptureFixture) -> None:
    """When one who is told fails the others are told, and the log says so."""
    source, clock = Known(snapshot(key(expires_at=1000))), Clock()
    current = Current(source, unix=clock)
    told: list[Snapshot] = []

    def fails(_: Snapshot) -> None:
        raise GatewayError("a bug")

    getattr(current, what).extend([fails, told.append])
    current.renew()
    clock.now = 1.0
    current.expire()
    assert told == [source.now]
    assert current.failure is None
    assert "could not be taken up" in caplog.text


def test_it_looks_at_the_time_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys end in time also while the database does not answer."""
    monkeypatch.setattr("app.gateway.current.PERIOD", 0.001)
    source, clock = Known(snapshot(key(expires_at=1000))), Clock()
    current = Current(source, unix=clock)
    told = gevent.event.AsyncResult()
    current.expired.append(told.set)
    current.start()
    assert current.now is source.now
    silent = gevent.event.Event()
    with monkeypatch.context() as patched:
        patched.setattr(source, "version", silent.wait)
        clock.now = 1.0
        assert told.get(timeout=10) is source.now
    current.close()


def test_it_looks_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once begun it looks again and again, until it is closed."""
    monkeypatch.setattr("app.gateway.current.PERIOD", 0.001)
    source = Known(snapshot())
    current = Current(source)
    seen = gevent.event.AsyncResult()
    current.changed.append(lambda new: seen.set(new) if new.keys else None)
    current.start()
    current.start()
    assert current.now is source.now
    source.now = snapshot(key(), version=2)
    assert seen.get(timeout=10) is source.now
    current.close()


def test_a_bug_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """When somebody who is told fails, later changes are still taken up and told."""
    monkeypatch.setattr("app.gateway.current.PERIOD", 0.001)
    source = Known(snapshot())
    current = Current(source)
    seen = gevent.event.AsyncResult()

    def tell(new: Snapshot) -> None:
        if new.version == 1:
            raise ValueError("a bug")
        seen.set(new)

    current.changed.append(tell)
    current.start()
    assert current.now is source.now
    source.now = snapshot(key(), version=2)
    assert seen.get(timeout=10) is source.now
    current.close()
