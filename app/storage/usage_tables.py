"""The tables of what requests have used: a row for each, and sums of them.

Times are in Unix milliseconds.  Ids of rows begin with their time, so that the order of
their index is the order of time too.  A sum is of all rows of ``width`` milliseconds
from ``bucket_start`` on that share key, model, endpoint and status; sums are few, and
are kept for longer.  ``grain`` says which of these three are kept apart: each of them,
one alone, or none; the others are ``EVERY``.  So an overview reads few of them.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    Table,
    Text,
)

from .tables import METADATA

#: Widths of sums in milliseconds: a minute, an hour, a day.
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
WIDTHS = (MINUTE, HOUR, DAY)
#: Milliseconds at which the classes of durations end; the last class has no end.
BOUNDS = (
    *(50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000),
    *(20_000, 60_000, 120_000, 300_000, 600_000),
)
CLASSES = len(BOUNDS) + 1
#: What is counted in classes.
CLASSED = ("ttft", "duration")
#: What sums are kept apart by, beside time.
DIMENSIONS = ("key_id", "model", "endpoint", "status")
#: By what sums are kept apart, beside time and status, and what stands for all.
GRAINS = ("each", "key_id", "model", "endpoint", "none")
EVERY = "*"
COUNTS = (
    "requests",
    "prompt_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "eval_tokens",  # those whose generation was timed
    "duration_ms",
    "ttft_ms",
    "bytes_in",
    "bytes_out",
)
TIMES = ("queue_ms", "load_ms", "prompt_ms", "eval_ms")
MAXIMA = ("duration_max", "ttft_max")
HISTOGRAMS = tuple(f"{name}_{n}" for name in CLASSED for n in range(CLASSES))

USAGE_RECORD = Table(
    "usage_record",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("key_name", Text, nullable=False),
    Column("requested_model", Text, nullable=False),
    Column("resolved_model", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("protocol", Text, nullable=False),
    Column("stream", Boolean, nullable=False),
    Column("http_status", Integer),
    Column("status", Text, nullable=False),
    Column("error_code", Text, nullable=False),
    Column("prompt_tokens", BigInteger),
    Column("completion_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    Column("estimated", Boolean, nullable=False),
    Column("queue_ms", Float),
    Column("load_ms", Float),
    Column("ttft_ms", BigInteger),
    Column("prompt_ms", Float),
    Column("eval_ms", Float),
    Column("duration_ms", BigInteger, nullable=False),
    Column("finish_reason", Text, nullable=False),
    Column("n_messages", Integer),
    Column("n_tools", Integer),
    Column("n_tool_calls", Integer),
    Column("n_images", Integer),
    Column("bytes_in", BigInteger, nullable=False),
    Column("bytes_out", BigInteger, nullable=False),
    Column("think", Text, nullable=False),
    Column("client_ip", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("end_user", Text, nullable=False),
    Index("usage_record_key_id", "key_id", "id"),
)

# What keys were called that have used something: a sum has their ids alone, and is kept
# for longer than keys and rows.
USAGE_KEY = Table(
    "usage_key",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
)

USAGE_ROLLUP = Table(
    "usage_rollup",
    METADATA,
    Column("width", BigInteger, primary_key=True),
    Column("grain", Text, primary_key=True),
    Column("bucket_start", BigInteger, primary_key=True),
    *(Column(name, Text, primary_key=True) for name in DIMENSIONS),
    *(Column(name, BigInteger, nullable=False) for name in COUNTS),
    *(Column(name, Float, nullable=False) for name in TIMES),
    *(Column(name, BigInteger, nullable=False) for name in MAXIMA),
    *(Column(name, BigInteger, nullable=False) for name in HISTOGRAMS),
    Index("usage_rollup_key_id", "key_id", "grain", "width", "bucket_start"),
    sqlite_with_rowid=False,
)
