"""Overrides: parameters that an installation sets, put into a call."""

from typing import Any

from app.exchange import Exchange
from app.gateway.current import Current
from app.settings import Settings


class Overrides:
    """A policy that brings a call and its exchange to what was set.

    It goes after ``Access`` and before all that looks at parameters.
    """

    def __init__(self, current: Current, settings: Settings) -> None:
        self._current = current
        self._settings = settings

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Amend the call and what the exchange says of it."""
