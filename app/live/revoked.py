"""Revoked: what still runs of a key that is good no more ends.

No later request of the key comes in; this is about those that came before
(specification: decisions, 30).  So it is with a secret that a rotation has replaced.
"""

import time
from collections.abc import Callable

from ..errors import BadRequest
from ..exchange import Exchange
from ..gateway.keys import REPLACED, REVOKED, Key
from ..gateway.snapshot import Snapshot
from ..inflight import Inflight, Watch


def end_revoked(
    inflight: Inflight, now: Snapshot, clock: Callable[[], float] = time.time
) -> None:
    """End the requests whose key is good no more by what is set now.

    Called when anything has changed that is set, and when a key has expired, which is
    seldom.
    """
    asking: list[tuple[Watch, Exchange, Key]] = []
    for watch in inflight:
        if watch.answer is not None:
            exchange = watch.answer.seen().exchange
            if exchange.key is not None:
                asking.append((watch, exchange, exchange.key))
    if not asking:
        return
    ids = {key.id for _, _, key in asking}
    known = {key.id: key for key in now.keys.values() if key.id in ids}
    for watch, exchange, before in asking:
        secret = before.previous_digest if exchange.outdated else before.digest
        fault = _fault(known.get(before.id), secret, clock)
        if fault:
            watch.end_with(
                BadRequest(fault, status=401, code="invalid_api_key", detail=before.id)
            )


def _fault(key: Key | None, secret: bytes | None, clock: Callable[[], float]) -> str:
    """Why a secret of what is left of a key is good no more, empty if it is."""
    if key is None:
        return REVOKED
    newest = secret == key.digest
    if newest or secret == key.previous_digest:
        return key.fault(clock, newest)
    return key.fault(clock) or REPLACED
