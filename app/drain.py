"""Drain: how a worker that was told to stop ends what it is still answering.

Answers may run for all of gunicorn's ``graceful_timeout`` but a few seconds.  In those
the rest is told: a stream by an error event and a proper end, others by a 503
(specification: reliability, L1).  The application does not hear of SIGTERM; the worker
does (decisions, 15).
"""

from typing import Any

import gevent

from .errors import GatewayError
from .inflight import Inflight

#: Seconds of the graceful timeout that are kept for saying so.
RESERVE = 3.0
#: Seconds between two looks.
TICK = 0.25


def drain(worker: Any, inflight: Inflight) -> None:
    """Wait until a gunicorn worker has to stop, then end its requests in time.

    Runs as long as the worker does, in a greenlet of its own.
    """
    while worker.alive:
        gevent.sleep(TICK)
    patience: float = worker.cfg.graceful_timeout
    gevent.sleep(max(patience - RESERVE, patience / 2))
    while True:  # on kept connections more may come
        inflight.end_all(shutting_down())
        gevent.sleep(TICK)


def shutting_down() -> GatewayError:
    """What clients of a worker that stops are told."""
    return GatewayError(
        "Pannier is shutting down; please try again.",
        status=503,
        code="server_shutting_down",
        headers=[("Retry-After", "1")],
    )
