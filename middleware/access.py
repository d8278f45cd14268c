"""Access: which models a request may use, and which it is shown."""

from typing import Any

from app.exchange import Exchange
from app.gateway.current import Current
from app.settings import Settings


class Access:
    """A policy that refuses models which the key, or the installation, does not let be.

    It goes right after the one that resolves names.
    """

    def __init__(self, current: Current, settings: Settings) -> None:
        self._current = current
        self._settings = settings

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Raise ``BadRequest``, 404, unless the model may be used."""
