"""Snapshots: what is set, as a worker asks for it again and again."""

import logging
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StorageUnavailable
from ..gateway.snapshot import Snapshot
from .place import file_of

if TYPE_CHECKING:
    from .database import Database
    from .peek import Peek
    from .storage import Storage


class Snapshots:
    """What is set; each call waits for the database.

    Each raises ``GatewayError`` (503, ``storage_unavailable``) where that cannot be
    used.  ``url`` names a server; without one there may be SQLite's file.
    """

    def __init__(self, storage: "Storage", url: str, state_dir: str) -> None:
        self._storage = storage
        self._url = url
        self._file = file_of(url, state_dir)
        self._peek: Peek | None = None
        self._newest = 0
        self._told: set[str] = set()

    def version(self) -> int:
        """The version of what is set; 0 where nothing ever was."""
        if self._url:
            return self._storage.run(_version)
        if self._file is None or not _is_there(self._file):
            if self._newest:
                raise StorageUnavailable(f"{self._file} is gone")
            return 0
        version = self._storage.aside(partial(self._look, self._file))
        self._newest = version or self._newest
        return version

    def snapshot(self) -> Snapshot:
        """What is set now."""
        unread: list[str] = []

        def job(database: "Database") -> Snapshot:
            from .configuration import read_snapshot

            with database.moment() as connection:
                return read_snapshot(connection, unread)

        snapshot = self._storage.run(job)
        self._tell(unread)
        return snapshot

    def has_account(self) -> bool:
        """Whether anybody has ever signed in to administer Pannier."""
        if self._url:
            return self._storage.run(_has_account)
        if self._file is None or not _is_there(self._file):
            return False
        return self._storage.aside(partial(self._accounts, self._file)) > 0

    def close(self) -> None:
        """Close what is open; in the storage's thread."""
        if self._peek is not None:
            self._peek.close()

    def _look(self, file: Path) -> int:
        return self._peeking(file).version()

    def _accounts(self, file: Path) -> int:
        return self._peeking(file).accounts()

    def _peeking(self, file: Path) -> "Peek":
        from .peek import Peek  # here is where Python's sqlite3 is loaded

        self._peek = self._peek or Peek(file)
        return self._peek

    def _tell(self, unread: list[str]) -> None:
        new = [what for what in unread if what not in self._told]
        self._told.update(new)
        if new:
            log = logging.getLogger("pannier")
            log.error("Not in force, since this Pannier cannot read it: %s", _few(new))


def _version(database: "Database") -> int:
    from .audit import read_version

    with database.reading() as connection:
        return read_version(connection)


def _has_account(database: "Database") -> bool:
    from .admins import account

    with database.reading() as connection:
        return account(connection) is not None


def _is_there(file: Path) -> bool:
    try:
        os.stat(file)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise StorageUnavailable(f"{type(error).__name__}: {error}") from None
    return True


def _few(names: list[str]) -> str:
    more = len(names) - 5
    return ", ".join(names[:5]) + (f", and {more} more" if more > 0 else "")
