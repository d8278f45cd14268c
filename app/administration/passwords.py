"""Passwords: how they are kept and compared.

Argon2id with OWASP's lowest numbers (specification: reliability, W2): 19 MiB, two
passes, one lane.  It takes some tens of milliseconds of a core, and the memory, so it
happens in a thread, and at most twice at a time.
"""

import hmac
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from gevent import get_hub
from gevent.lock import BoundedSemaphore

Result = TypeVar("Result")

#: At most so many at a time, in all of the worker.
_turns = BoundedSemaphore(2)
_hasher = PasswordHasher(
    time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID
)


def hashed(password: str) -> str:
    """What is kept of a password."""
    return _aside(lambda: _hasher.hash(_bytes(password)))


def matches(password: str, kept: str) -> bool:
    """Whether this is the password of which ``kept`` is kept; takes as long anyway."""

    def verify() -> bool:
        try:
            return _hasher.verify(kept, _bytes(password))
        except (VerificationError, InvalidHashError):
            return False

    return _aside(verify)


def is_same(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that does not tell."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _bytes(password: str) -> bytes:
    return password.encode(errors="surrogatepass")


def _aside(job: Callable[[], Result]) -> Result:
    with _turns:
        result: Result = get_hub().threadpool.apply(job)
    return result
