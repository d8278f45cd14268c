"""The carrier over ``requests``: https, and plain http by choice.

requests and urllib3 resolve, connect, verify certificates and pool; by ``direct`` the
bytes that go out and come in are ours, read with the head reader and body decoders of
the built-in carrier.  So limits, strictness and errors are the same.  What differs:

- Waiting is a socket timeout (a timer per read).  ``connect`` bounds each address of
  a name, not their sum, and not the look-up; ``send`` bounds each 64 KiB.
- While a streamed body waits for its source, *total* is looked at with its next
  piece, and while the client is slow, with the next read.
- An idle connection is not closed after a minute, only found closed at its next use.

It is cooperative only where gevent has patched the standard library.
"""

import time
from typing import Any

import requests
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
)

from ..errors import UpstreamError
from .answer import Answer
from .base import Clock, Limit, Origin, Request, twice, unreachable
from .direct import Adapter, Exchange

#: Idle connections kept; more are made when needed, the pool never blocks.
MAX_IDLE = 256


class RequestsCarrier:
    """A ``Carrier`` for an ``http`` or ``https`` origin."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._url = f"{origin.scheme}://{origin.authority}/"
        self._session = requests.Session()
        # No proxies, no .netrc, no certificates named in the environment (P11).
        self._session.trust_env = False
        self._session.mount(self._url, Adapter(pool_maxsize=MAX_IDLE, max_retries=0))

    def send(self, request: Request) -> Answer:
        """Send, and answer when the head is there; retries once where R1 allows."""
        clock = Clock(request)

        def attempt(_fresh: bool) -> Answer:
            # It is one: urllib3 leaves an empty place on top where one has failed.
            return self._exchange(Exchange(request, self._origin, clock))

        return twice(request, attempt, time.sleep)

    def close(self) -> None:
        """Close the idle connections; running answers go on."""
        self._session.close()

    def _exchange(self, exchange: Exchange) -> Answer:
        prepared = requests.Request("POST", self._url).prepare()
        prepared.body = exchange  # type: ignore[assignment]
        prepared.method = method = exchange.request.method
        limit = exchange.clock.limit("connect")
        remaining = limit.remaining()
        # urllib3 refuses a zero.
        connect: Any = None if remaining is None else max(remaining, 0.001)
        try:
            response = self._session.send(
                prepared, timeout=(connect, None), stream=True, allow_redirects=False
            )
        except UpstreamError:
            raise
        except (requests.RequestException, HTTPError, OSError) as exc:
            if exchange.interruption is not None:
                raise exchange.interruption from None
            raise connect_failure(exc, exchange.clock, limit) from exc
        exchange.raw = response.raw
        assert exchange.head is not None
        try:
            return Answer(exchange, exchange.head, exchange.rest, method)
        except BaseException:
            exchange.close()
            raise


def connect_failure(exc: Exception, clock: Clock, limit: Limit) -> UpstreamError:
    """What went wrong before the request was sent, as one of our errors."""
    cause: Any = exc.args[0] if exc.args else exc
    if isinstance(cause, MaxRetryError):
        cause = cause.reason
    # A refused connection is a NewConnectionError, to urllib3 a kind of timeout.
    if isinstance(cause, NewConnectionError):
        return unreachable(cause.__cause__ or cause)
    if isinstance(cause, (ConnectTimeoutError, ReadTimeoutError)):
        return clock.late(limit.phase)
    return unreachable(cause if isinstance(cause, BaseException) else exc)
