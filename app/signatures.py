"""Signatures: of what a model thought, so that it is known again when it comes back.

A client keeps a thinking block and sends it with the next turn; its signature tells
whether this is what we wrote down.  It is opaque to clients, as Anthropic's are.
"""

import hmac
from base64 import b64encode
from collections.abc import Callable
from functools import cached_property

_PREFIX = "pannier1."
#: Pieces that are signed at once.
MANY = 64


class Signatures:
    """Signs with a key that ``secret`` gives, once somebody wants a signature."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret

    def begin(self) -> "Signature":
        """The signature of a text that is still to come."""
        return Signature(self._key)

    def sign(self, text: str) -> str:
        """The signature of a text."""
        signature = self.begin()
        signature.add(text)
        return signature.value

    def verify(self, text: str, signature: str) -> bool:
        """Whether the signature is ours, and of this text."""
        if not signature.isascii():
            return False
        return hmac.compare_digest(self.sign(text), signature)

    @cached_property
    def _key(self) -> bytes:
        return hmac.digest(self._secret(), b"what a model thought", "sha256")


class Signature:
    """The signature of a text that comes in pieces, of which few are kept."""

    def __init__(self, key: bytes) -> None:
        self._mac = hmac.new(key, digestmod="sha256")
        self._pieces: list[str] = []

    def add(self, text: str) -> None:
        """Take the next piece; to sign many at once costs a fifth."""
        self._pieces.append(text)
        if len(self._pieces) == MANY:
            self._sign()

    def _sign(self) -> None:
        self._mac.update("".join(self._pieces).encode(errors="replace"))
        self._pieces.clear()

    @property
    def value(self) -> str:
        """The signature of all that has come."""
        self._sign()
        return _PREFIX + b64encode(self._mac.digest()).decode()
