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
        self._inode = 0

    def version(self) -> int:
        """The version; 0 where there are no such tables yet.  Raises ``Failure``."""
        return self._number("SELECT n FROM config_version")

    def accounts(self) -> int:
        """How many there are to administer Pannier with.  Raises ``Failure``."""
        return self._number("SELECT count(*) FROM admin_user")

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _number(self, query: str) -> int:
        """What is asked for; 0 where there are no such tables yet."""
        try:
            self._open()
            assert self._connection is not None
            found = self._connection.execute(query).fetchone()
        except (sqlite3.Error, OSError) as error:
            if "no such table" in str(error):
                return 0
            self.close()
            raise Failure(f"{type(error).__name__}: {error}") from None
        return int(found[0]) if found else 0

    def _open(self) -> None:
        """Open the file that is there now: it may be another one."""
        inode = os.stat(self._path).st_ino
        if self._connection is not None and inode == self._inode:
            return
        self.close()
        self._connection = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode=ro",
            uri=True,
            timeout=_PATIENCE,
            isolation_level=None,
            check_same_thread=False,  # for the end, when another one closes it
        )
        self._inode = inode
