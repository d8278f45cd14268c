"""Usage: what requests have used, on its way to the database."""

from typing import Protocol

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What one request has used."""

    id: str


class Keeper(Protocol):
    """Keeps rows; raises ``GatewayError`` while the database cannot be used."""

    def add(self, rows: list[Row]) -> None:
        """Keep rows, all or none."""


class Usage:
    """Rows on their way."""

    def __init__(self, keeper: Keeper | None = None) -> None:
        self._keeper = keeper

    def close(self) -> None:
        """Write what there is."""
