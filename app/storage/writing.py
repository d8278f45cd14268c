"""Writing: a transaction that comes to nothing where nobody waits for it any more."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from .failure import Failure

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from .database import Database

Result = TypeVar("Result")


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
