"""Desk: how an operator's wishes reach the database, and the installation's secret."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..gateway import credentials
from ..option import Given
from ..secret import lasting
from ..settings import Settings
from ..storage import configuration as kept
from ..storage.configuration import FINGERPRINT
from ..storage.refusal import Refused
from ..storage.writing import Run, write

if TYPE_CHECKING:
    from ..storage.database import Database

Result = TypeVar("Result")
Found = TypeVar("Found")
#: SQLAlchemy's, which the storage alone knows.
Connection = Any
Begin = Callable[[Connection], object]


class Desk:
    """One database, in the name of one ``actor``.

    ``run`` is ``Storage.run``, or does a job in this very thread.
    ``found`` is what the environment and ``.env`` say; ``settings`` are made of it.
    ``begin`` comes first in every transaction that writes; where it raises, nothing is
    written.
    """

    def __init__(
        self,
        run: Run,
        settings: Settings,
        actor: str,
        found: Mapping[str, Given],
        begin: Begin | None = None,
    ) -> None:
        self._run = run
        self._begin = begin
        self.settings = settings
        self.actor = actor
        self.found = found

    def read(self, job: Callable[[Connection], Result]) -> Result:
        """What a job finds out."""

        def read(database: "Database") -> Result:
            with database.reading() as connection:
                return job(connection)

        return self._run(read)

    def write(self, job: Callable[[Connection], Result]) -> Result:
        """What a job returns; all that it wrote stays, or nothing if it raised."""
        return self._written(job)

    def write_found(
        self,
        look: Callable[[Connection], Found],
        job: Callable[[Connection, Found], Result],
    ) -> Result:
        """The same of a job that needs what a long look has found.

        Others may write meanwhile.  Both have the time of one.
        """
        found: Found

        def first(database: "Database") -> None:
            nonlocal found
            with database.reading() as connection:
                found = look(connection)

        return self._written(lambda connection: job(connection, found), first)

    def _written(
        self,
        job: Callable[[Connection], Result],
        first: Callable[["Database"], None] | None = None,
    ) -> Result:
        def after_begin(connection: Connection) -> Result:
            if self._begin is not None:
                self._begin(connection)
            return job(connection)

        return write(self._run, after_begin, first)

    def hash(self) -> credentials.Hasher:
        """What makes digests of keys; ``Refused`` where they would not last."""
        found = lasting(self.settings.state_dir, self.settings.secret_file)
        if isinstance(found, str):
            raise Refused(
                "Keys need a secret that lasts: set PANNIER_STATE_DIR to a directory"
                f" that can be written, or PANNIER_SECRET_FILE ({found}).",
                "key",
            )
        return credentials.hasher(found)

    def hash_like(self, connection: Connection) -> credentials.Hasher:
        """The same, if all keys there are were made with this secret."""
        hash = self.hash()
        other = kept.settings(connection).get(FINGERPRINT)
        mine = other == credentials.fingerprint(hash)
        if other and not mine and kept.has_keys(connection):
            raise Refused(
                "The keys in this database were made with another secret than this"
                " machine has: give it the same PANNIER_SECRET_FILE, or the file"
                " `secret` of the state directory there.",
                "key",
            )
        return hash

    def hash_for(self, connection: Connection) -> credentials.Hasher:
        """The same, for keys to be made; notes which secret that is."""
        hash = self.hash_like(connection)
        own = credentials.fingerprint(hash)
        if kept.settings(connection).get(FINGERPRINT) != own:
            kept.set_settings(connection, {FINGERPRINT: own}, self.actor)
        return hash
