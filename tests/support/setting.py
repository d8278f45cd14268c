"""Setting things in a running installation, from beside it: as the commands do it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from app.storage import configuration
from app.storage.database import Database
from app.storage.upgrade import upgrade

#: Seconds within which every worker feels a change: one, and what a busy machine adds,
#: which is mostly what it takes to ask them all.
FELT = 10.0


class Setting:
    """A way into the database of an installation."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """A function of ``configuration`` in a transaction of its own."""
        function = getattr(configuration, name)

        def call(*arguments: Any) -> Any:
            with self.database.writing() as connection:
                return function(connection, *arguments)

        return call


@contextmanager
def setting(url: str = "", state_dir: str = "") -> Iterator[Setting]:
    """A way into the database at ``url``, or in the state directory, which is made."""
    database = Database(url, state_dir)
    try:
        upgrade(database)
        yield Setting(database)
    finally:
        database.close()
