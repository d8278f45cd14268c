"""Peek: a look at the version of what is set in a SQLite file, and at nothing else.

Workers look twice a second, and most of them never need the database for anything else:
so it loads no more than Python's own ``sqlite3``, and makes no file.
"""

import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from .failure import Failure

#: Seconds to wait for a lock; readers hardly ever have to.
_PATIENCE = 1.5


class Peek:
    """Looks at one file, in one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        #: Reads the file alone; None while that is empty.
        self._bare: sqlite3.Connection | None = None
        self._inode = 0

    def version(self) -> int:
        """The version; 0 where there are no such tables yet.  Raises ``Failure``."""
        return self._number("SELECT n FROM config_version")

    def accounts(self) -> int:
        """How many there are to administer Pannier with.  Raises ``Failure``."""
        return self._number("SELECT count(*) FROM admin_user")

    def close(self) -> None:
        """Close the file."""
        for connection in (self._connection, self._bare):
            if connection is not None:
                connection.close()
        self._connection = self._bare = None

    def _number(self, query: str) -> int:
        """What is asked for; 0 where there are no such tables yet."""
        try:
            self._open()
            assert self._connection is not None
            if self._bare is not None:
                _check_head(self._bare)
            found = self._connection.execute(query).fetchone()
        except (sqlite3.Error, OSError) as error:
            if "no such table" in str(error):
                return 0
            self.close()
            raise Failure(f"{type(error).__name__}: {error}") from None
        return int(found[0]) if found else 0

    def _open(self) -> None:
        """Open the file that is there now: it may be another one."""
        found = os.stat(self._path)
        if self._connection is not None and found.st_ino != self._inode:
            self.close()
        if self._connection is None:
            self._connection, self._inode = self._connected("ro"), found.st_ino
        if self._bare is None and found.st_size:
            self._bare = self._connected("ro&immutable=1")

    def _connected(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{quote(str(self._path))}?mode={mode}",
            uri=True,
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,  # for the end, when another one closes it
        )


def _check_head(bare: sqlite3.Connection) -> None:
    """Raise ``sqlite3.Error`` where something else was written over the file.

    Other connections would not notice: they have its pages in memory, and in the log
    beside it.  This one, which takes the file for one that never changes, looks into
    neither once it has forgotten what it read; that is a matter of microseconds.
    """
    bare.execute("PRAGMA shrink_memory")
    try:
        bare.execute("PRAGMA schema_version").fetchall()
    except sqlite3.DatabaseError as error:
        # All else may be, for a moment, while the log is written into the file.
        if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
            raise
