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
#: Seconds between two looks; gevent takes up to 0.3 more to hear a signal.
TICK = 0.1
#: Seconds that a connection at rest, or a client that takes nothing, still has then.
STALL = 1


def drain(worker: Any, inflight: Inflight) -> None:
    """Wait until a gunicorn worker has to stop, then end its requests in time.

    Runs as long as the worker does, in a greenlet of its own.
    """
    while worker.alive:
        gevent.sleep(TICK)
    cfg = worker.cfg
    patience = max(cfg.graceful_timeout - RESERVE, cfg.graceful_timeout / 3)
    rest = min(cfg.keepalive, patience)
    gevent.sleep(patience - rest)
    # gunicorn waits for connections at rest too: they must not outlast the others.
    cfg.set("keepalive", min(cfg.keepalive, STALL))
    gevent.sleep(rest)
    inflight.write_timeout = min(inflight.write_timeout, STALL)
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
