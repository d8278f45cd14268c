"""Credentials: how the secret of a key looks, and what of it is kept.

A key is ``sk-``, 43 characters for 32 random bytes, and two that tell most typing
errors.  Kept is an HMAC: whoever has the database alone can neither use a key nor try
guesses (specification: gateway, section 2; reliability, K1).
"""

import hmac
import re
import secrets
import string
import zlib
from collections.abc import Callable

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_LENGTH, _CHECK = 43, 2
_OURS = re.compile(rf"sk-([0-9A-Za-z]{{{_LENGTH}}})([0-9A-Za-z]{{{_CHECK}}})")
#: Keys from elsewhere: visible ASCII, so that any client can send them.
_FOREIGN = re.compile(r"[!-~]{8,256}")
#: A shorter secret may be guessed.
STRONG = 32
#: Characters that are shown of a secret: these first ones, and these last.
PREFIX, SUFFIX = 10, 4

#: The digest of a secret, by which its key is known.
Hasher = Callable[[bytes], bytes]


def new_secret() -> str:
    """A new key, which nobody can guess."""
    body = _base62(int.from_bytes(secrets.token_bytes(32)), _LENGTH)
    return f"sk-{body}{_checksum(body)}"


def hasher(secret: bytes) -> Hasher:
    """What turns keys into digests; ``secret`` is the installation's."""
    pepper = hmac.digest(secret, b"pannier api keys", "sha256")
    begun = hmac.new(pepper, digestmod="sha256")

    def digest(key: bytes) -> bytes:
        mac = begun.copy()  # half of the work is done already
        mac.update(key)
        return mac.digest()

    return digest


def fingerprint(hash: Hasher) -> str:
    """What tells whether two installations know the same keys by the same digests."""
    return hash(b"")[:8].hex()


def is_mistyped(key: str) -> bool:
    """Whether this looks like a key of ours and cannot be one."""
    found = _OURS.fullmatch(key)
    return found is not None and _checksum(found[1]) != found[2]


def is_importable(key: str) -> bool:
    """Whether a key from elsewhere can be used here: 8 to 256 visible characters."""
    return _FOREIGN.fullmatch(key) is not None


def shown(key: str) -> tuple[str, str]:
    """The first and the last characters, never more than half of a short one."""
    few = len(key) // 4
    return key[: min(PREFIX, few)], key[-min(SUFFIX, few) :]


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode()) % 62**_CHECK, _CHECK)


def _base62(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits = _DIGITS[digit] + digits
    return digits
