"""What still runs of a key that is good no more."""

from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from support.gateway import HASH, key, snapshot

from app.errors import GatewayError
from app.exchange import Exchange
from app.gateway.keys import Key
from app.gateway.snapshot import Snapshot
from app.inflight import Inflight
from app.live.revoked import end_revoked
from app.live.running import Seen

NOW = 1_800_000_000
MOMENT = NOW * 1000


class Counted:
    """One answer of a key, which the server is writing."""

    def __init__(self, all_: Inflight, key: Key | None, outdated: bool = False) -> None:
        self.exchange = Exchange(key=key, outdated=outdated)
        self.watch = all_.begin(None)
        self.watch.inside = False
        self.watch.answer = self

    def seen(self) -> Seen:
        """How it looks."""
        return Seen(self.exchange, "POST", "/v1/chat/completions", "", 0, None)


@pytest.fixture
def all_() -> Iterator[Inflight]:
    """Requests, that end with the test."""
    found = Inflight(60)
    yield found
    for watch in found:
        watch.end()


def told(all_: Inflight, now: Snapshot, *counted: Counted) -> list[GatewayError | None]:
    """What each is told when that is set."""
    end_revoked(all_, now, lambda: float(NOW))
    gevent.sleep(0)
    gevent.sleep(0)
    return [one.watch.ending for one in counted]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (None, "has been revoked"),
        ({"revoked_at": MOMENT}, "has been revoked"),
        ({"enabled": False}, "is disabled"),
        ({"expires_at": MOMENT}, "has expired"),
        ({"expires_at": MOMENT + 1}, ""),
        ({"name": "another"}, ""),
        ({"rpm": 1}, ""),
    ],
)
def test_who_is_told(all_: Inflight, changes: Any, said: str) -> None:
    """Requests of a key that is good no more end, and no others."""
    one, other = key("one"), key("other", "sk-other-key-of-thirty-two-characters")
    mine, others, nobodys = (Counted(all_, k) for k in (one, other, None))
    all_.begin(None)  # of which nothing is known yet
    now = [other]
    if changes is not None:
        now.append(key(**{"name": "one", "id": one.id} | changes))
    error, *rest = told(all_, snapshot(*now), mine, others, nobodys)
    assert rest == [None, None]
    if not said:
        assert error is None
        return
    assert error is not None
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert said in error.message


NEW, OLD, OLDEST = (f"sk-{which}-key-of-thirty-two-characters" for which in "abc")


@pytest.mark.parametrize(
    ("secret", "until", "changes", "said"),
    [
        (NEW, MOMENT, {}, ""),
        (OLD, MOMENT + 1, {}, ""),
        (OLD, MOMENT, {}, "replaced by a newer one"),
        (OLD, None, {}, "replaced by a newer one"),
        (OLDEST, MOMENT + 1, {}, "replaced by a newer one"),
        (OLDEST, MOMENT + 1, {"revoked_at": 1}, "has been revoked"),
        (OLD, MOMENT + 1, {"expires_at": MOMENT}, "has expired"),
    ],
)
@pytest.mark.parametrize("outdated", [False, True])
def test_secrets_before_a_rotation(
    all_: Inflight,
    secret: str,
    until: int | None,
    changes: dict[str, int],
    said: str,
    outdated: bool,
) -> None:
    """What came with a secret ends with the secret, however the key was then."""
    before = key("one", secret)
    if outdated:
        others = {"digest": b"other", "previous_digest": before.digest}
        before = key("one", **others)
    old = HASH(OLD.encode()) if until else None
    now = key("one", NEW, previous_digest=old, previous_until=until, **changes)
    (error,) = told(all_, snapshot(now), Counted(all_, before, outdated))
    assert said in (error.message if error else "")
    assert bool(said) is bool(error)
