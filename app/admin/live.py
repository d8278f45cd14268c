"""Live: what runs now, once or as it changes, and ending one of it."""

from collections.abc import Iterator
from contextlib import suppress
from typing import ClassVar

import gevent
import msgspec

from ..errors import BadRequest, GatewayError
from ..live import CANCEL, Live
from .asked import Admin, Asked, Route, Sent
from .query import Query

#: Seconds between two looks, and after which whoever looks has to come again: only then
#: is it seen that somebody is not signed in any more.
PERIOD, LONGEST = 1.0, 60
#: Those who look at a time, at one worker.
MOST = 4

_HEADERS = (("X-Accel-Buffering", "no"),)


class Feed:
    """What runs, once a second, as events; ends by itself after a minute."""

    open: ClassVar[int] = 0

    def __init__(self, live: Live) -> None:
        self._live = live
        self._left = LONGEST
        self._closed = False
        Feed.open += 1

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if not self._left or self._closed:
            raise StopIteration
        first, self._left = self._left == LONGEST, self._left - 1
        if not first:
            gevent.sleep(PERIOD)
        event = b"data: %b\n\n" % msgspec.json.encode(self._live.overview())
        return b"retry: 1000\n" + event if first else event

    def close(self) -> None:
        """Somebody looks no more."""
        if not self._closed:
            self._closed = True
            Feed.open -= 1


def look(admin: Admin, asked: Asked) -> Sent:
    """What runs: with ``once`` as JSON, else as events until nobody looks any more."""
    live = admin.installation.live
    if Query(asked).flag("once"):
        return Sent(value=live.overview())
    if Feed.open >= MOST:
        raise BadRequest(
            "Too many are looking at what runs; please try again.",
            status=429,
            code="rate_limit_exceeded",
            headers=[("Retry-After", "5")],
        )
    return Sent(body=Feed(live), type="text/event-stream", headers=_HEADERS)


def cancel(admin: Admin, asked: Asked) -> dict[str, int]:
    """End a request; raises ``BadRequest``, 404, where there is none of this id."""
    asked.check_empty()
    id = asked.path["request_id"]
    _, found = admin.installation.live.cancel(id)
    if not found:
        raise BadRequest(
            "No request of this id is under way.", status=404, code="not_found"
        )
    with suppress(GatewayError):  # it has ended, whether or not that can be noted
        admin.office(asked.actor).note(CANCEL, id)
    return {"cancelled": found}


ROUTES: list[Route] = [
    Route("GET", "/live", look, ("once",)),
    Route("POST", "/live/<request_id>/cancel", cancel),
]
