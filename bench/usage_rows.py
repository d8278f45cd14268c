"""How long it takes to write and to ask usage, with few rows and with millions.

    python -m bench.usage_rows DIRECTORY [ROWS] [POSTGRESQL_URL]

Fills the database of a state directory until it has so many rows (5,000,000), spread
over 90 days, and prints what the questions of an overview take, and what a batch does.
"""

import random
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

from app.gateway.usage import BATCH, Row
from app.storage.database import Database
from app.storage.storage import Storage
from app.storage.upgrade import upgrade
from app.storage.usage import Ledger
from app.storage.usage_tables import DAY, HOUR
from app.storage.usage_writing import add
from middleware.usage import row_id

#: Rows of one transaction while a database is filled.
MANY = 50_000
#: Days over which rows are spread, keys, models and endpoints that they are of.
DAYS, KEYS, MODELS = 90, 50, 8
ENDPOINTS = ("chat", "messages", "code", "embeddings")
STATUSES = ("ok",) * 18 + ("cancelled", "client_error")
TRIES = 15
#: The ranges of an overview, in milliseconds, and what its chart of times is of.
RANGES = {
    **{"an hour": HOUR, "6 hours": 6 * HOUR, "a day": DAY},
    **{f"{many} days": many * DAY for many in (7, 30, 90)},
}
CHART = (
    *("prompt_tokens", "completion_tokens"),
    *(f"{name}_p{part}" for name in ("ttft", "duration") for part in (50, 95, 99)),
)


def row(at: int, chance: random.Random) -> Row:
    """A row such as they are."""
    key, status = int(chance.paretovariate(1)) % KEYS, chance.choice(STATUSES)
    tokens = chance.randrange(1, 800)
    return Row(
        id=row_id(at),
        at=at,
        request_id=f"req_{chance.getrandbits(96):024x}",
        key_id=f"key_{key}",
        key_name=f"team {key}",
        requested_model="gpt-4o",
        resolved_model=f"llama{chance.randrange(MODELS)}:8b",
        endpoint=chance.choice(ENDPOINTS),
        protocol="openai",
        stream=True,
        http_status=200,
        status=status,
        error_code="",
        prompt_tokens=chance.randrange(5_000),
        completion_tokens=tokens,
        reasoning_tokens=None,
        estimated=False,
        queue_ms=1.5,
        load_ms=2.25,
        ttft_ms=chance.randrange(3_000),
        prompt_ms=120.5,
        eval_ms=tokens * 12.5,
        duration_ms=tokens * 13,
        finish_reason="stop",
        n_messages=5,
        n_tools=0,
        n_tool_calls=0,
        n_images=0,
        bytes_in=3_000,
        bytes_out=9_000,
        think="",
        client_ip="192.168.1.17",
        user_agent="OpenAI/Python 3.52.0",
        end_user="",
    )


def rows(many: int, of: int) -> Iterator[Row]:
    """The last so many of rows that are spread over all the days."""
    chance = random.Random(many)
    now = int(time.time() * 1000)
    for number in range(of - many, of):
        yield row(now - DAYS * DAY + number * DAYS * DAY // of, chance)


def fill(database: Database, wanted: int) -> None:
    """Add rows until there are so many."""
    with database.reading() as connection:
        query = "SELECT count(*) FROM usage_record"
        there = int(connection.exec_driver_sql(query).scalar() or 0)
    waiting: list[Row] = []
    for number, one in enumerate(rows(max(wanted - there, 0), wanted), 1):
        waiting.append(one)
        if len(waiting) == MANY or number == wanted - there:
            with database.writing() as connection:
                add(connection, waiting)
            waiting = []
            sys.stdout.write(f"\r{there + number:,} rows")
            sys.stdout.flush()
    sys.stdout.write("\n")


def took(job: Callable[[], object]) -> str:
    """How long a job takes, in milliseconds: the median and the longest of some."""
    times = []
    for _ in range(TRIES):
        began = time.perf_counter()
        job()
        times.append(1000 * (time.perf_counter() - began))
    return f"{median(times):8.1f} {max(times):8.1f}"


def overview(ledger: Ledger, length: int) -> None:
    """Ask all that an overview of so many milliseconds shows."""
    now = int(time.time() * 1000)
    period = (now - length, now)
    ledger.summary(period, before=True)
    ledger.series("requests", period, group="status")
    ledger.series(CHART, period)
    for by in ("key", "model"):
        ledger.top(by, period, limit=5)
    ledger.series("requests", (now - 90 * DAY, now), step="hour")


def main(directory: str, wanted: int = 5_000_000, url: str = "") -> None:
    """Fill, ask, and print."""
    database = Database(url, directory, 600_000)
    upgrade(database)
    fill(database, wanted)
    database.close()
    storage = Storage(url, directory)
    ledger, now = storage.usage, int(time.time() * 1000)
    month, day, hour = (now - 30 * DAY, now), (now - DAY, now), (now - HOUR, now)
    chance = random.Random(wanted)
    jobs: dict[str, Callable[[], object]] = {
        "summary, 90 days": lambda: ledger.summary((now - 90 * DAY, now)),
        "summary, 30 days": lambda: ledger.summary(month),
        "summary, a day": lambda: ledger.summary(day),
        "summary, an hour": lambda: ledger.summary(hour),
        "series of requests by status, 30 days": lambda: ledger.series(
            "requests", month, group="status"
        ),
        "series of tokens by model, a day": lambda: ledger.series(
            "tokens", day, group="model"
        ),
        "series of first tokens (p95), 7 days": lambda: ledger.series(
            "ttft_p95", (now - 7 * DAY, now)
        ),
        "top keys, 30 days": lambda: ledger.top("key", month),
        "top models by GPU time, 30 days": lambda: ledger.top(
            "model", month, metric="gpu_ms"
        ),
        **{
            f"an overview, {name}": partial(overview, ledger, length)
            for name, length in RANGES.items()
        },
        "hours of 90 days": lambda: ledger.series(
            "requests", (now - 90 * DAY, now), step="hour"
        ),
        "classes of durations, 30 days": lambda: ledger.distribution("duration", month),
        "classes of tokens": lambda: ledger.tokens(month),
        "classes of tokens of one key": lambda: ledger.tokens(month, {"key": "key_3"}),
        "14 days of 500 keys": lambda: ledger.by_day(
            [f"key_{n}" for n in range(500)], (now - 13 * DAY, now)
        ),
        "names of 50 keys": lambda: ledger.names([f"key_{n}" for n in range(50)]),
        "a key that nobody knows": lambda: ledger.key_id("nobody"),
        "newest 100 records": lambda: ledger.records(month),
        "records of one key": lambda: ledger.records(month, filters={"key": "key_3"}),
        "records of a status": lambda: ledger.records(
            month, filters={"status": "client_error"}
        ),
        "records of a user": lambda: ledger.records(month, filters={"user": "0a1b"}),
        "records of an error": lambda: ledger.records(month, filters={"error": "time"}),
        "records of nothing": lambda: ledger.records(month, filters={"model": "none"}),
        f"a batch of {BATCH} rows": lambda: ledger.add(
            [row(int(time.time() * 1000), chance) for _ in range(BATCH)], {}
        ),
    }
    sys.stdout.write(f"{'':40}   median  longest (ms)\n")
    ledger.summary(hour)  # opens it all
    for name, job in jobs.items():
        sys.stdout.write(f"{name:40} {took(job)}\n")
    storage.close()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]), *sys.argv[3:4])
