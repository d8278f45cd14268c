"""Writing: a transaction that comes to nothing where nobody waits for it any more."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

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


def write(run: Run, job: "Callable[[Connection], Result]") -> Result:
    """What a transaction returns; what raises is not done later either.

    It was said that it failed.
    """
    waited = True

    def writing(database: "Database") -> Result:
        with database.writing() as connection:
            result = job(connection)
            if not waited:
                raise Failure("nobody waits for it any more")
            return result

    try:
        return run(writing)
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
