"""Signatures: of what a model thought, so that it is known again when it comes back.

A client keeps a thinking block and sends it with the next turn; its signature tells
whether this is what we wrote down.  It is opaque to clients, as Anthropic's are.
"""

import hmac
from base64 import b64encode
from collections.abc import Callable
from functools import cached_property

_PREFIX = "pannier1."


class Signatures:
    """Signs with a key that ``secret`` gives, once somebody wants a signature."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        self._secret = secret

    def sign(self, text: str) -> str:
        """The signature of a text."""
        digest = hmac.digest(self._key, text.encode(errors="replace"), "sha256")
        return _PREFIX + b64encode(digest).decode()

    def verify(self, text: str, signature: str) -> bool:
        """Whether the signature is ours, and of this text."""
        if not signature.isascii():
            return False
        return hmac.compare_digest(self.sign(text), signature)

    @cached_property
    def _key(self) -> bytes:
        return hmac.digest(self._secret(), b"what a model thought", "sha256")
