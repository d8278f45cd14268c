"""Configuration: keys, models, aliases and settings, as they are kept."""

from typing import TYPE_CHECKING

from ..gateway.snapshot import NOTHING, Snapshot

if TYPE_CHECKING:
    from .storage import Storage


class Configuration:
    """What is set; each call waits for the database.

    Each raises ``GatewayError`` (503, ``storage_unavailable``) where that cannot be
    used.
    """

    def __init__(self, storage: "Storage") -> None:
        self._storage = storage

    def version(self) -> int:
        """The version of what is set; 0 where nothing ever was."""
        return 0

    def snapshot(self) -> Snapshot:
        """What is set now."""
        return NOTHING
