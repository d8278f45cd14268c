"""psycopg, the library of PostgreSQL, as any other thread has it: without gevent.

It takes what gevent put in the place of waiting and of looking up names.  In a thread
that is not gevent's own these make a second event loop, and Python crashes on that when
it ends.
"""

import socket
from types import SimpleNamespace

from gevent.monkey import get_original


def unpatch() -> None:
    """Have it wait, and look up names, as it does where nothing is patched."""
    from psycopg import _conninfo_attempts, waiting

    plain = SimpleNamespace(
        getaddrinfo=get_original("socket", "getaddrinfo"),
        IPPROTO_TCP=socket.IPPROTO_TCP,
        SOCK_STREAM=socket.SOCK_STREAM,
    )
    # setup.cfg allows no minor release but the one that has these names.
    vars(_conninfo_attempts)["socket"] = plain
    vars(waiting)["DefaultSelector"] = get_original("selectors", "DefaultSelector")
    vars(waiting)["wait"] = waiting.wait_selector
