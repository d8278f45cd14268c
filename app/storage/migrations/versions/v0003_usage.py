"""What requests have used: a row for each, and sums."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

Kind = sa.types.TypeEngine[Any]

_TEXTS = (
    *("request_id", "key_id", "key_name", "requested_model", "resolved_model"),
    *("endpoint", "protocol", "status", "error_code", "finish_reason", "think"),
    *("client_ip", "user_agent", "end_user"),
)
_COUNTS = (
    *("requests", "prompt_tokens", "completion_tokens", "reasoning_tokens"),
    *("eval_tokens", "duration_ms", "ttft_ms", "bytes_in", "bytes_out"),
)
_MAXIMA = ("duration_max", "ttft_max")
_CLASSES = tuple(f"{name}_{n}" for name in ("ttft", "duration") for n in range(14))
_TIMES = ("queue_ms", "load_ms", "prompt_ms", "eval_ms")


def upgrade() -> None:
    """Make the tables of usage."""
    op.create_table(
        "usage_record",
        sa.Column("id", sa.Text, primary_key=True),
        *_columns(sa.BigInteger, "at", "duration_ms", "bytes_in", "bytes_out"),
        *_columns(sa.Text, *_TEXTS),
        *_columns(sa.Boolean, "stream", "estimated"),
        *_maybe(sa.Integer, "http_status", "n_messages", "n_tools"),
        *_maybe(sa.Integer, "n_tool_calls", "n_images"),
        *_maybe(sa.BigInteger, "prompt_tokens", "completion_tokens"),
        *_maybe(sa.BigInteger, "reasoning_tokens", "ttft_ms"),
        *_maybe(sa.Float, *_TIMES),
    )
    op.create_index("usage_record_key_id", "usage_record", ["key_id", "id"])
    op.create_table(
        "usage_rollup",
        sa.Column("width", sa.BigInteger, primary_key=True),
        sa.Column("grain", sa.Text, primary_key=True),
        sa.Column("bucket_start", sa.BigInteger, primary_key=True),
        *(
            sa.Column(name, sa.Text, primary_key=True)
            for name in ("key_id", "model", "endpoint", "status")
        ),
        *_columns(sa.BigInteger, *_COUNTS),
        *_columns(sa.Float, *_TIMES),
        *_columns(sa.BigInteger, *_MAXIMA, *_CLASSES),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "usage_rollup_key_id",
        "usage_rollup",
        ["key_id", "grain", "width", "bucket_start"],
    )


def _columns(kind: type[Kind], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def _maybe(kind: type[Kind], *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind) for name in names]
