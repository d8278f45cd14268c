"""Responses, their bodies and their items."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the first tables."""
    op.create_table(
        "response",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("previous_id", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    op.create_index("response_previous_id", "response", ["previous_id"])
    op.create_index("response_expires_at", "response", ["expires_at"])
    op.create_table(
        "response_body",
        _response_id(),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "response_item",
        _response_id(),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("output", sa.Boolean, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("response_item_id", "response_item", ["id"])


def _response_id() -> sa.Column[str]:
    return sa.Column(
        "response_id",
        sa.Text,
        sa.ForeignKey("response.id", ondelete="CASCADE"),
        primary_key=True,
    )
