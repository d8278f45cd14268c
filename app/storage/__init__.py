"""Storage: what Pannier keeps when a request is over, and how to find it again.

Nothing here is loaded or opened before it is used: SQLAlchemy alone costs a worker
more than half of what it has without (docs/decisions/0013).  Everything else knows the
names below, no table and no SQL; what sets something calls ``configuration``.

    storage.py        Storage: opens the database when it is first needed
    responses.py      Responses: what /v1/responses keeps; waits for the rest
    items.py          Item, Kept: what is kept and handed out again
    queries.py        what is asked of the tables about responses
    configuration.py  all that is set: what reads and changes it
    keys.py           keys
    key_pages.py      pages of them, in an order that somebody wants
    batch.py          Batch: changes of many keys, made ready and then written
    entries.py        models, aliases, settings
    audit.py          who set what, and the version of it all
    admins.py         who operates Pannier over HTTP, and their sessions
    storable.py       what a table can take
    refusal.py        Refused: what cannot be set
    snapshots.py      Snapshots: what is set, for workers that ask again and again
    peek.py           Peek: a look at its version, without SQLAlchemy
    usage.py          Ledger: what was used; usage_*.py are its tables and queries
    aside.py          Aside: the one thread that all of this runs in
    place.py          where SQLite's file is
    size.py           how large it all is
    writing.py        a transaction that nobody may wait for any more
    database.py       Database: SQLite or PostgreSQL, transactions (loads SQLAlchemy)
    tables.py         the tables
    failure.py        Failure: why the database cannot be used
    unpatched.py      psycopg without gevent, for that thread
    upgrade.py        brings tables up to date (loads Alembic), in a process of its own
    backup.py         copies SQLite's file before
    migrations/       how the tables came to be what they are
"""

from .items import Item, Kept, TooMuch
from .responses import Responses
from .storage import Storage

__all__ = ["Item", "Kept", "Responses", "Storage", "TooMuch"]
