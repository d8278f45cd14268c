"""Keys as usage knows them: by id, also when they are gone.  Loads SQLAlchemy."""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from .tables import API_KEY
from .usage_tables import USAGE_KEY

_U, _K = USAGE_KEY.c, API_KEY.c


def names(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """What these were called when they used something last; some may not be known."""
    found = connection.execute(sa.select(_U.id, _U.name).where(_U.id.in_(ids)))
    return {row.id: row.name for row in found}


def id_of(connection: Connection, wanted: str) -> str:
    """The id of a key by its id, or its name in any case; empty where there is none.

    Of keys that are gone only the id is known: others may have had the same name.
    """
    for found in (
        sa.select(_K.id).where(_K.id == wanted),
        sa.select(_K.id).where(_K.name_key == wanted.casefold()),
        sa.select(_U.id).where(_U.id == wanted),
    ):
        if id := connection.scalar(found):
            return str(id)
    return ""
