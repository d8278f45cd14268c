"""The tables as they are now; ``migrations`` says how they became so.

Times are Unix times: ``created_at`` in seconds, as OpenAI's, ``expires_at`` in
milliseconds, so that two conversations hardly ever end at the same.  Bodies are JSON in
UTF-8, bytes as they came: as text they would be decoded and encoded for nothing.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

#: The newest of ``migrations/versions``.
VERSION = "0001"

METADATA = MetaData()

# Small, since with each response those before it are written again: their end moves.
RESPONSE = Table(
    "response",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("previous_id", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("size", BigInteger, nullable=False),
    Index("response_previous_id", "previous_id"),
    Index("response_expires_at", "expires_at"),
)

RESPONSE_BODY = Table(
    "response_body",
    METADATA,
    Column(
        "response_id",
        Text,
        ForeignKey("response.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("body", LargeBinary, nullable=False),
)

RESPONSE_ITEM = Table(
    "response_item",
    METADATA,
    Column(
        "response_id",
        Text,
        ForeignKey("response.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("position", Integer, primary_key=True),
    Column("id", Text, nullable=False),
    Column("output", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("response_item_id", "id"),
)
