"""What keys were called that have used something."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table, and fill it with what rows say."""
    op.create_table(
        "usage_key",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
    )
    # By the index of rows by key: there may be millions of them.
    newest = (
        "SELECT key_name FROM usage_record WHERE usage_record.key_id = known.key_id"
        " ORDER BY id DESC LIMIT 1"
    )
    known = "SELECT DISTINCT key_id FROM usage_rollup WHERE grain = 'key_id'"
    op.execute(
        "INSERT INTO usage_key (id, name) SELECT key_id, key_name FROM"  # noqa: S608
        f" (SELECT key_id, ({newest}) AS key_name FROM ({known}) AS known) AS named"
        " WHERE key_id <> '' AND key_name IS NOT NULL"
    )
