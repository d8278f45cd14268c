"""Revoked: what still runs of a key that is good no more ends.

No later request of the key comes in; this is about those that came before
(specification: decisions, 30).
"""

import time
from collections.abc import Callable

from ..errors import BadRequest
from ..gateway.keys import REVOKED, Key
from ..gateway.snapshot import Snapshot
from ..inflight import Inflight, Watch


def end_revoked(
    inflight: Inflight, now: Snapshot, clock: Callable[[], float] = time.time
) -> None:
    """End the requests whose key is good no more by what is set now.

    Called when anything has changed that is set, which is seldom.
    """
    asking: list[tuple[Watch, Key]] = []
    for watch in inflight:
        if watch.answer is not None:
            key = watch.answer.seen().exchange.key
            if key is not None:
                asking.append((watch, key))
    if not asking:
        return
    ids = {key.id for _, key in asking}
    known = {key.id: key for key in now.keys.values() if key.id in ids}
    for watch, before in asking:
        key = known.get(before.id)
        fault = REVOKED if key is None else key.fault(clock)
        if fault:
            watch.end_with(
                BadRequest(fault, status=401, code="invalid_api_key", detail=before.id)
            )
