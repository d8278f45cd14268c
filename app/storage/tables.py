"""The tables as they are now; ``migrations`` says how they became so.

Times are Unix times in milliseconds, so that two conversations hardly ever end at the
same; ``created_at`` of a response is in seconds, as OpenAI's.  Bodies are JSON,
UTF-8 as it came: as text they would be decoded and encoded for nothing.
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
VERSION = "0004"

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
    # The id of the key that made it; empty: no key was needed.
    Column("owner", Text, nullable=False, server_default=""),
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

# ``name_key`` is the name in lower case: databases do not agree on what that is.
API_KEY = Table(
    "api_key",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("previous_digest", LargeBinary, unique=True),
    Column("previous_until", BigInteger),
    Column("prefix", Text, nullable=False),
    Column("suffix", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("weak", Boolean, nullable=False),
    Column("notes", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("last_used_ip", Text, nullable=False),
    Column("terms", LargeBinary, nullable=False),
)

# ``key`` is the one that all spellings of the model share.
MODEL_ENTRY = Table(
    "model_entry",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

# ``key`` is the name in lower case.
ALIAS_ENTRY = Table(
    "alias_entry",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

SETTING = Table(
    "setting",
    METADATA,
    Column("field", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
)

# One row, made with the table.
CONFIG_VERSION = Table(
    "config_version", METADATA, Column("n", BigInteger, nullable=False)
)

AUDIT_LOG = Table(
    "audit_log",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("ip", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("diff", LargeBinary, nullable=False),
)

ADMIN_USER = Table(
    "admin_user",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("username", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("last_login_at", BigInteger),
)

# ``id`` is the SHA-256 of what the browser has.
ADMIN_SESSION = Table(
    "admin_session",
    METADATA,
    Column("id", Text, primary_key=True),
    Column(
        "user_id",
        Text,
        ForeignKey("admin_user.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("csrf", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("ip", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
)

# ``who`` is an address, or ``*`` for all together (specification: reliability, W3).
LOGIN_FAILURE = Table(
    "login_failure",
    METADATA,
    Column("who", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
)
