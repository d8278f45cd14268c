"""Database: one connection to SQLite or PostgreSQL, and its transactions.

It is used by one thread at a time.  Whatever the database or its driver says against
it is a ``Failure``, whose text has neither values nor passwords.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.engine.interfaces import DBAPIConnection

from .failure import Failure
from .place import file_of
from .tables import VERSION
from .unpatched import unpatch

#: Milliseconds that a statement may wait or take: a little less than who asked waits,
#: so that whoever asks next finds the thread free.
PATIENCE = 1_800
#: Seconds to connect to PostgreSQL; its library takes no less than two.
CONNECT = 2
#: Any number that nobody else takes for a lock in this database: "pannier" on a phone.
_LOCK = 7266437
#: Bytes of SQLite's log that stay on the disk when it has become longer for a while.
_LOG = 16 * 1024 * 1024
#: Steps of SQLite's machine, some 20 ms, between two looks at the clock.
_STEPS = 1_000_000


class Database:
    """SQLite in the state directory, or what a PostgreSQL URL names.

    ``patience`` is in milliseconds.  Nothing is opened before the first statement.
    """

    def __init__(self, url: str, state_dir: str, patience: int = PATIENCE) -> None:
        self._state_dir = state_dir
        #: SQLite's file; None: there is a server.
        self.file: Path | None = None
        with _failures():
            if url:
                self._engine = _postgresql(url, patience)
            else:
                self.file = _made(state_dir)
                self._engine = _sqlite(self.file, patience)

    @property
    def place(self) -> str:
        """Where it is, for people; without the password."""
        url = self._engine.url
        return str(self.file or url.render_as_string())

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection; on SQLite each statement sees the data of its own moment."""
        with _failures(), self._engine.connect() as connection:
            self._look_after(connection)
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A connection in a transaction, committed at the end; writers take turns."""
        # By turns, since two that change the same rows in another order wait for each
        # other until one is refused.  SQLite has no other way.
        turn = "BEGIN IMMEDIATE"
        if self.file is None:
            turn = f"SELECT pg_advisory_xact_lock({_LOCK})"
        with _failures(), self._engine.begin() as connection:
            self._look_after(connection)
            connection.exec_driver_sql(turn)
            yield connection

    @contextlib.contextmanager
    def moment(self) -> Iterator[Connection]:
        """A connection that sees the data of one moment, for several statements."""
        begin = "BEGIN"
        if self.file is None:
            begin = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
        with _failures(), self._engine.begin() as connection:
            self._look_after(connection)
            connection.exec_driver_sql(begin)
            yield connection

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """No other process is in here meanwhile; makes the file what we want it to be.

        PostgreSQL needs neither.
        """
        if self.file is None:
            yield
            return
        directory = os.open(self._state_dir, os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            with self.reading() as connection:
                # It stays in the file, and two that ask for it at once fail at once.
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
            yield
        finally:
            os.close(directory)

    def is_current(self, connection: Connection | None = None) -> bool:
        """Whether the tables are up to date.

        Raises ``Failure`` if they are newer than this Pannier.
        """
        if connection is None:
            with self.reading() as connection:
                return self.is_current(connection)
        found = version(connection)
        if found > VERSION:
            raise Failure(
                f"the database is of a newer Pannier: its tables have version {found},"
                f" and this one knows {VERSION}"
            )
        return found == VERSION

    def _look_after(self, connection: Connection) -> None:
        """Raise ``Failure`` where SQLite goes on with a file that nobody sees."""
        if self.file is None:
            return
        try:
            inode = os.stat(self.file).st_ino
        except FileNotFoundError:
            inode = 0
        if connection.info.setdefault("inode", inode) != inode:
            raise Failure(
                f"{self.file} was removed or replaced while it was in use: restart"
                " Pannier"
            )

    def close(self) -> None:
        """Close the connection; a further statement would open another."""
        self._engine.dispose()


def version(connection: Connection) -> str:
    """The version of the tables, empty where there are none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    found = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return str(found or "")


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except exc.DBAPIError as error:
        # In its details PostgreSQL quotes rows, and those are people's conversations.
        said = str(error.orig).partition("\nDETAIL")[0]
        raise Failure(f"{type(error.orig).__name__}: {said}") from None
    except (exc.SQLAlchemyError, OSError, ImportError) as error:
        raise Failure(f"{type(error).__name__}: {error}") from None


def _made(state_dir: str) -> Path:
    """The file of the database; made if there is none, for its owner alone."""
    path = file_of("", state_dir)
    if path is None:
        raise Failure("there is no state directory")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Only if it is new: closing a file that SQLite has open would end its locks.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return path


def _sqlite(path: Path, patience: int) -> Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={
            "timeout": patience / 1000,
            "isolation_level": None,  # we say BEGIN ourselves
            "check_same_thread": False,  # for the end, when another one closes it
        },
        hide_parameters=True,
        pool_size=1,
        max_overflow=0,
    )

    @sa.event.listens_for(engine, "connect")
    def connected(connection: DBAPIConnection, _: object) -> None:
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.execute("PRAGMA foreign_keys=ON")
            # A crash loses nothing that way, but a power failure the last moments.
            cursor.execute("PRAGMA synchronous=NORMAL")
            cursor.execute(f"PRAGMA journal_size_limit={_LOG}")

    _bound(engine, patience)
    return engine


def _bound(engine: Engine, patience: int) -> None:
    """Let no statement of SQLite's take longer; it has no such setting."""
    end = 0.0

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, _: object) -> None:
        connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)

    @sa.event.listens_for(engine, "before_cursor_execute")
    def begins(*_: object) -> None:
        nonlocal end
        end = time.monotonic() + patience / 1000


def _postgresql(url: str, patience: int) -> Engine:
    unpatch()
    engine = sa.create_engine(
        sa.make_url(url).set(drivername="postgresql+psycopg"),
        connect_args={
            "connect_timeout": CONNECT,
            "tcp_user_timeout": 2 * patience,  # of a machine that is gone
            "prepare_threshold": None,  # poolers like pgbouncer lose them
        },
        hide_parameters=True,
        pool_size=1,
        max_overflow=0,
        pool_pre_ping=True,  # it may have been restarted
    )

    @sa.event.listens_for(engine, "connect")
    def connected(connection: DBAPIConnection, _: object) -> None:
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.execute(f"SET statement_timeout = {patience}")
        connection.commit()

    return engine
