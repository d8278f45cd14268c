"""Awaited: a policy that lets a silent stream say what it waits for.

It asks nothing before a stream has been silent for so long that it has to speak.
"""

from functools import partial
from typing import Any

from app.catalog import Catalog
from app.exchange import Exchange


class Awaited:
    """Notes on the exchange how to find out whether the model is being loaded."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Note it for streams; nobody else can say anything."""
        if exchange.stream:
            exchange.awaited = partial(self._said, call.model)

    def _said(self, model: str) -> str:
        return f"loading {model}" if self.catalog.absent(model) else ""
