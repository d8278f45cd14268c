"""Ledger: what requests have used, as it is kept; waits for the database.

Periods are pairs of Unix milliseconds, from and to.  ``filters`` give one value for
some of ``key``, ``model``, ``endpoint`` and ``status``; records also know ``protocol``,
``stream``, ``user`` (the beginning of a digest), ``error`` (a part of a code) and
``failed``.  What
is no metric, group, step or filter raises ``ValueError``: names come from lists, values
are bound (specification: reliability, Q8).
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from ..gateway.usage import Row, Used

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

Result = TypeVar("Result")
Period = tuple[int, int]
Filters = Mapping[str, Any]
NONE: Filters = {}

#: Rows of one page.
MOST = 500


class Page(NamedTuple):
    """Some records, newest first; ``cursor`` asks for the next, empty at the end."""

    records: list[dict[str, Any]]
    cursor: str


class Jobs(Protocol):
    """What runs jobs in the database; each call may raise ``GatewayError``, 503."""

    def read(self, job: "Callable[[Connection], Result]") -> Result:
        """What a job finds out."""

    def write(self, job: "Callable[[Connection], Result]") -> Result:
        """What a job changes, all or nothing."""


class Ledger:
    """Rows of requests, and sums of them."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    def add(self, rows: list[Row], used: Used) -> None:
        """Keep rows and add them up, all or none; those that are there do not count.

        ``used`` says when keys were used last.
        """

        def write(connection: "Connection") -> None:
            from .keys import note_used
            from .usage_writing import add

            add(connection, rows)
            note_used(connection, used)

        self._jobs.write(write)

    def tidy(self, before: int) -> bool:
        """Remove a few rows from before then, and old sums; whether there are more."""

        def due(connection: "Connection") -> bool:
            from .usage_writing import is_due

            return is_due(connection, before)

        def write(connection: "Connection") -> bool:
            from .usage_writing import remove

            return remove(connection, before)

        return self._jobs.read(due) and self._jobs.write(write)

    def summary(
        self, period: Period, filters: Filters = NONE, *, before: bool = False
    ) -> dict[str, Any]:
        """Totals, averages and percentiles of a period, and requests by status.

        ``before`` adds those of the period of the same length that ends where it
        begins.
        """
        found: dict[str, Any] = self._ask("summary", period, filters, before)
        return found

    def series(
        self,
        metrics: str | Sequence[str],
        period: Period,
        *,
        step: str = "",
        group: str = "",
        filters: Filters = NONE,
    ) -> list[dict[str, Any]]:
        """Metrics over time: ``at``, the group if there is one, and the values.

        That of a metric alone is ``value``, those of several have their names.
        ``step`` is ``minute``, ``hour`` or ``day``; by itself, one that fits.
        """
        found: list[dict[str, Any]] = self._ask(
            "series", metrics, period, step, group, filters
        )
        return found

    def top(
        self,
        by: str,
        period: Period,
        *,
        metric: str = "requests",
        limit: int = 10,
        filters: Filters = NONE,
    ) -> list[dict[str, Any]]:
        """Those with most of a metric, as ``summary`` has it."""
        found: list[dict[str, Any]] = self._ask(
            "top", by, period, metric, limit, filters
        )
        return found

    def distribution(
        self, of: str, period: Period, filters: Filters = NONE
    ) -> list[dict[str, Any]]:
        """How many requests took how long: ``ttft`` or ``duration``, by classes."""
        found: list[dict[str, Any]] = self._ask("distribution", of, period, filters)
        return found

    def tokens(self, period: Period, filters: Filters = NONE) -> dict[str, Any]:
        """How many of the newest records had how many completion tokens."""

        def job(connection: "Connection") -> dict[str, Any]:
            from .usage_records import tokens

            return tokens(connection, period, filters)

        return self._jobs.read(job)

    def by_day(self, ids: Collection[str], period: Period) -> dict[str, dict[int, int]]:
        """Requests of keys by the day (UTC), of days that have any."""
        found: dict[str, dict[int, int]] = self._ask("by_day", ids, period)
        return found

    def records(
        self,
        period: Period,
        *,
        cursor: str = "",
        limit: int = 100,
        filters: Filters = NONE,
    ) -> Page:
        """A page of records, newest first; a cursor comes from the page before.

        A page may be short, or empty, before the end: of records that few filters fit,
        only so many are looked at for one page.
        """
        most = min(max(limit, 1), MOST)

        def job(connection: "Connection") -> Page:
            from .usage_records import records  # here, since it loads SQLAlchemy

            return Page(*records(connection, period, cursor, most, filters))

        return self._jobs.read(job)

    def every(
        self, period: Period, filters: Filters = NONE
    ) -> Iterator[dict[str, Any]]:
        """All records of a period, newest first; read a page at a time."""
        cursor = ""
        while True:
            found, cursor = self.records(
                period, cursor=cursor, limit=MOST, filters=filters
            )
            yield from found
            if not cursor:
                return

    def names(self, ids: Collection[str]) -> dict[str, str]:
        """What keys were called when they used something last, by their ids."""

        def job(connection: "Connection") -> dict[str, str]:
            from .usage_keys import names

            return names(connection, ids)

        return self._jobs.read(job)

    def key_id(self, wanted: str) -> str:
        """The id of a key by its id or name; of one that is gone by its id.

        Empty where there is none.
        """

        def job(connection: "Connection") -> str:
            from .usage_keys import id_of

            return id_of(connection, wanted)

        return self._jobs.read(job)

    def _ask(self, what: str, *arguments: Any) -> Any:
        def job(connection: "Connection") -> Any:
            from . import usage_queries  # here, since it loads SQLAlchemy

            return getattr(usage_queries, what)(connection, *arguments)

        return self._jobs.read(job)
