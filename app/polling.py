"""Polling: what a descriptor is ready for at this moment, without any waiting."""

import select

from gevent import monkey

#: The system's own: with no timeout it answers at once, and no greenlet runs meanwhile.
poll = monkey.get_original("select", "poll")


def takes(descriptor: int) -> bool:
    """Whether something can be written at once; raises ``OSError``, ``ValueError``."""
    asked = poll()
    asked.register(descriptor, select.POLLOUT)
    return bool(asked.poll(0))
