"""Writing: a transaction that comes to nothing where nobody waits for it any more."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..errors import StorageUnavailable
from .failure import Failure

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.sql.base import Executable

    from .database import Database

Result = TypeVar("Result")

#: Rows for which a statement is executed at once; they have its time together.
_ROWS = 1000


class Run(Protocol):
    """Does a job with the database; raises ``GatewayError`` (503) where it cannot."""

    def __call__(self, job: "Callable[[Database], Result]", /) -> Result:
        """What the job returns."""


def write(
    run: Run,
    job: "Callable[[Connection], Result]",
    first: "Callable[[Database], object] | None" = None,
) -> Result:
    """What a transaction returns; what raises is not done later either.

    It was said that it failed.  ``first`` is done before the transaction, in the same
    time.  Who stops waiting when it is being committed already waits for the end of
    that, since it may be done: for as long as for another job, and raises then.
    """
    waited, commits = True, False
    done: list[Result] = []

    def writing(database: "Database") -> Result:
        nonlocal commits
        if first is not None:
            first(database)
        with database.writing() as connection:
            result = job(connection)
            commits = True  # before the look: one of the two sees what the other set
            if not waited:
                raise Failure("nobody waits for it any more")
        done.append(result)
        return result

    try:
        return run(writing)
    except StorageUnavailable:
        waited = False
        if commits:
            run(lambda database: None)  # jobs are done one after the other
        if not done:
            raise
        return done[0]
    finally:
        waited = False


def execute_all(
    connection: "Connection",
    statement: "Executable",
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Execute a statement for each of many rows."""
    for start in range(0, len(rows), _ROWS):
        connection.execute(statement, rows[start : start + _ROWS])
