"""Storage: the database of a worker, opened when it is first needed."""

import atexit
import json
import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import gevent
from gevent import subprocess

from .. import launch
from ..errors import StorageUnavailable
from ..later import load_aside
from ..settings import Settings
from .aside import Aside
from .failure import Failure
from .responses import Responses
from .snapshots import Snapshots
from .usage import Ledger
from .writing import write

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from .database import Database

Result = TypeVar("Result")

#: What jobs need.  It loads SQLAlchemy, and not when the thread of jobs first does.
_PARTS = (
    "database queries configuration admins"
    " usage_writing usage_keys usage_queries usage_records"
)

#: Seconds that a request waits, and the first one, which has it all loaded
#: (specification: decisions, 31).
WAIT, FIRST = 2.0, 10.0


class Storage:
    """What is kept.  ``responses`` is ``None`` where none are.

    ``configuration`` is what was set, ``usage`` what was used.
    """

    def __init__(self, url: str, state_dir: str) -> None:
        self._url = url
        self._state_dir = state_dir
        self._aside = Aside()
        self._database: Database | None = None
        self._opening: gevent.Greenlet | None = None
        self.responses: Responses | None = None
        self.configuration = Snapshots(self, url, state_dir)
        self.usage = Ledger(self)

    @classmethod
    def of(
        cls, settings: Settings, clock: Callable[[], float] = time.time
    ) -> "Storage":
        """The storage of these settings; it opens nothing yet."""
        storage = cls(settings.database_url, settings.state_dir)
        if settings.responses_ttl:
            storage.responses = Responses(
                storage.run, settings.responses_ttl, settings.responses_max_bytes, clock
            )
        return storage

    def run(self, job: Callable[["Database"], Result]) -> Result:
        """What a job finds out from the database, in the database's own thread.

        Raises ``GatewayError`` (503, ``storage_unavailable``) when the database cannot
        be used, or takes too long.
        """
        limit = FIRST if self._database is None else WAIT
        with gevent.Timeout(
            limit, StorageUnavailable(f"no answer within {limit:g} seconds")
        ):
            try:
                database = self._database or self._opened()
                return self._aside.run(lambda: job(database))
            except Failure as failure:
                raise StorageUnavailable(str(failure)) from None

    def aside(self, job: Callable[[], Result]) -> Result:
        """What a job finds out in the database's thread, without the database.

        Raises as ``run`` does.
        """
        if not self._aside.is_used:
            atexit.register(self.close)
        with gevent.Timeout(
            WAIT, StorageUnavailable(f"no answer within {WAIT:g} seconds")
        ):
            try:
                return self._aside.run(job)
            except Failure as failure:
                raise StorageUnavailable(str(failure)) from None

    def read(self, job: "Callable[[Connection], Result]") -> Result:
        """What is read by a job of some statements; raises as ``run`` does."""

        def reading(database: "Database") -> Result:
            with database.reading() as connection:
                return job(connection)

        return self.run(reading)

    def write(self, job: "Callable[[Connection], Result]") -> Result:
        """What a transaction returns; what raises changes nothing, not later either.

        Raises as ``run`` does.
        """
        return write(self.run, job)

    def close(self) -> None:
        """Close what is open, and end the thread; what runs there has two seconds.

        A thread that still runs when Python ends may take the process with it.
        """
        atexit.unregister(self.close)
        if self.responses is not None:
            self.responses.close()
        database, self._database = self._database, None
        with gevent.Timeout(WAIT, False):
            if database is not None:
                self._aside.run(database.close)
            if self._aside.is_used:
                self._aside.run(self.configuration.close)
            self._aside.close()

    def _opened(self) -> "Database":
        """The database, once it is open; whoever asks first has it opened."""
        opening = self._opening
        if opening is None:
            # It goes on without the client who made it begin.
            opening = self._opening = gevent.spawn(self._open)
        found: Database | Exception = opening.get()
        if isinstance(found, Exception):
            raise found
        return found

    def _open(self) -> "Database | Exception":
        # Returned, not raised: gevent prints what greenlets raise.
        try:
            self._database = self._ready()
        except Exception as error:
            return error
        finally:
            self._opening = None
        atexit.register(self.close)
        return self._database

    def _ready(self) -> "Database":
        load_aside(*[f"app.storage.{part}" for part in _PARTS.split()])
        database = self._aside.run(self._load)
        try:
            if not self._aside.run(database.is_current):
                self._upgrade()
                if not self._aside.run(database.is_current):
                    raise Failure("the tables are still not up to date")
        except BaseException:
            self._aside.run(database.close)
            raise
        return database

    def _load(self) -> "Database":
        from .database import Database

        return Database(self._url, self._state_dir)

    def _upgrade(self) -> None:
        """Bring the tables up to date; the process takes 40 MB with it when it ends."""
        command, extra = launch.module("app.storage.upgrade", [])
        done = subprocess.run(
            command,
            input=json.dumps([self._url, self._state_dir]).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **extra},
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            what = "the tables could not be brought up to date, and are as they were"
            raise Failure(f"{what}: {said}")
        copy = done.stdout.decode(errors="replace")
        before = f"; what was there before is in {copy}" if copy else ""
        logging.getLogger("pannier").info("The database is up to date%s", before)
