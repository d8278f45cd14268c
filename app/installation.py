"""Installation: what a worker has one of, however often its settings change."""

from collections.abc import Mapping
from functools import cached_property

from .gateway.credentials import Hasher, hasher
from .gateway.current import Current
from .gateway.limits import Limits
from .gateway.snapshot import Snapshot
from .gateway.usage import Usage
from .live import Live
from .metrics.counts import Counts
from .option import Given
from .secret import secret
from .settings import Settings
from .storage import Storage


class Installation:
    """The storage, what is set there, and what is counted; nothing is opened yet.

    ``ledger`` is what was used, ``usage`` the way of rows there; ``found`` is what the
    environment and ``.env`` say.
    """

    def __init__(
        self, settings: Settings, found: Mapping[str, Given] | None = None
    ) -> None:
        self.found = found or {}
        self._secret = (settings.state_dir, settings.secret_file)
        self.storage = storage = Storage.of(settings)
        somewhere = settings.database_url or settings.state_dir
        source = storage.configuration if somewhere else None
        self.current = Current(source, settings.auth)
        self.limits = Limits(
            settings.limits_url, settings.state_dir, alone=settings.workers == 1
        )
        # A thread and a connection of its own: nobody waits while rows are written.
        self._ledger = Storage(settings.database_url, settings.state_dir)
        self.ledger = self._ledger.usage
        self.usage = Usage(self.ledger)
        self.counts = Counts(self.usage)
        self.live = Live(settings.state_dir, settings.limits_url)
        self.current.changed.append(self._expect)

    @cached_property
    def hash(self) -> Hasher:
        """What turns a key into the digest by which it is known."""
        return hasher(secret(*self._secret))

    def start(self) -> None:
        """Begin what goes on beside requests; of a worker, after the fork."""
        self.current.start()

    def _expect(self, new: Snapshot) -> None:
        """Be ready for what keys will use."""
        if new.keys:
            self.usage.open()

    def close(self) -> None:
        """Write what is to be written and close what is open."""
        self.live.close()
        self.current.close()
        self.usage.close()
        self.limits.close()
        self._ledger.close()
        self.storage.close()
