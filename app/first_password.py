"""FirstPassword: the one that lets somebody in where nobody has ever signed in.

There is none that all installations have (specification: reliability, W1; gateway,
10.1).  Loads nothing that traffic does not need.
"""

import base64
import hmac

import msgspec

from .secret import lasting
from .settings import Settings
from .storage.place import file_of

SHORTEST, LONGEST = 10, 256
#: Of those that are long enough what is tried first by whoever guesses.
_KNOWN = {
    "0123456789",
    "1234567890",
    "admin12345",
    "adminadmin",
    "administrator",
    "change-me-please",
    "changemeplease",
    "letmein123",
    "ollama2openai",
    "pannierpannier",
    "password12",
    "password123",
    "password1234",
    "passwordpassword",
    "q1w2e3r4t5",
    "qwerty12345",
    "qwertyuiop",
}


class FirstPassword(msgspec.Struct, frozen=True):
    """A password that makes the account; with ``must_change`` it does no more."""

    password: str
    must_change: bool


def first_of(settings: Settings) -> FirstPassword | str:
    """The password that makes the account, or why there is none."""
    if not settings.database_url and file_of("", settings.state_dir) is None:
        return "there is no state directory"
    if settings.admin_password:
        weak = weakness(settings.admin_password, settings.admin_username)
        return FirstPassword(settings.admin_password, bool(weak))
    secret = lasting(settings.state_dir, settings.secret_file)
    if isinstance(secret, str):
        return secret
    return FirstPassword(_made_of(secret), True)


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


def _made_of(secret: bytes) -> str:
    """100 bits out of the installation's secret.

    So every worker knows it, and nobody has to keep it.
    """
    digest = hmac.digest(secret, b"pannier first password", "sha256")
    text = base64.b32encode(digest)[:20].decode().lower()
    return "-".join(text[start : start + 5] for start in range(0, 20, 5))
