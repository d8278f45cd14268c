"""Size: how many bytes a database has on its disk."""

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_SIZES = {
    "sqlite": "SELECT page_count * page_size"
    " FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}


def size(connection: Connection) -> int | None:
    """The bytes of all its tables and indexes; ``None`` where nobody says."""
    found = connection.scalar(sa.text(_SIZES[connection.dialect.name]))
    return None if found is None else int(found)
