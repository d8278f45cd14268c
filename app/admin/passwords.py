"""Passwords: how they are kept and compared, and which are too weak.

Argon2id with OWASP's lowest numbers (specification: reliability, W2): 19 MiB, two
passes, one lane.  It takes some tens of milliseconds of a core, and the memory, so it
happens in a thread, and at most twice at a time.
"""

import base64
import hmac
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from gevent import get_hub
from gevent.lock import BoundedSemaphore

Result = TypeVar("Result")

SHORTEST, LONGEST = 10, 256
#: What is tried first by those who guess.
_KNOWN = {
    "0123456789",
    "1234567890",
    "adminadmin",
    "admin12345",
    "administrator",
    "change-me",
    "changeme",
    "change-me-please",
    "changemeplease",
    "iloveyou12",
    "letmein123",
    "ollama2openai",
    "password12",
    "password123",
    "password1234",
    "passwordpassword",
    "q1w2e3r4t5",
    "qwertyuiop",
    "qwerty12345",
}
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
    """Whether two passwords are the same, in a time that does not tell."""
    return hmac.compare_digest(_bytes(one), _bytes(other))


def weakness(password: str, username: str = "") -> str:
    """Why a password is none to keep, as a sentence; empty: it is good enough."""
    small = password.lower()
    if len(password) < SHORTEST:
        return f"A password has at least {SHORTEST} characters."
    if len(password) > LONGEST:
        return f"A password has at most {LONGEST} characters."
    if small in _KNOWN or small == username.lower() or len(set(small)) < 4:
        return "This password is one of those that are guessed first."
    return ""


def first_password(secret: bytes) -> str:
    """The password of an installation in which nobody has ever signed in.

    100 bits that are made of the installation's secret: every worker knows it, and
    nobody has to keep it.
    """
    digest = hmac.digest(secret, b"pannier first password", "sha256")
    text = base64.b32encode(digest)[:20].decode().lower()
    return "-".join(text[start : start + 5] for start in range(0, 20, 5))


def _bytes(password: str) -> bytes:
    return password.encode(errors="surrogatepass")


def _aside(job: Callable[[], Result]) -> Result:
    with _turns:
        result: Result = get_hub().threadpool.apply(job)
    return result
