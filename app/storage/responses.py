"""Responses: what /v1/responses keeps, for as long as the settings say.

A response is kept with the items that its request added and those of its answer.  With
the responses before it (``previous_id``) they are a conversation.  Conversations live
as long as their newest response: each moves the end of all before it to its own.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gevent
from gevent.event import Event
from msgspec import Struct

from ..errors import GatewayError

if TYPE_CHECKING:
    from .database import Database

#: Seconds between two looks for what is to be removed.
PERIOD = 60.0
#: That look comes early when a part of what may be kept was written: so many parts are
#: the whole.
PARTS = 32


class Item(Struct, frozen=True):
    """An item of a conversation: its JSON as it was given."""

    id: str
    body: bytes
    output: bool


class Kept(Struct, frozen=True):
    """A response: its JSON as it was given; ``created_at`` is in Unix seconds."""

    id: str
    previous_id: str | None
    created_at: int
    body: bytes


class Responses:
    """Keeps responses and finds them again; each call waits for the database.

    ``run`` does a job with it, and raises ``GatewayError`` (503) where it cannot.
    ``clock`` says the Unix time.
    """

    def __init__(
        self,
        run: Callable[[Callable[["Database"], Any]], Any],
        ttl: float,
        max_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        self._run = run
        self._ttl = ttl
        self._max_bytes = max_bytes
        self._clock = clock
        self._written = 0
        self._much = Event()
        self._tidying: gevent.Greenlet | None = None

    def keep(
        self,
        id: str,
        previous_id: str | None,
        body: bytes,
        items: list[Item],
        created_at: int,
    ) -> bool:
        """Keep a response; again is the same as once.

        ``False`` says that it is too large to be kept: more than a tenth of all that
        may be.
        """
        raise NotImplementedError

    def get(self, id: str) -> Kept | None:
        """A response, or ``None``."""
        raise NotImplementedError

    def items(self, id: str, *, output: bool = True) -> list[Item]:
        """The items of a response in their order, without those before it.

        ``output=False`` leaves its answer's out.  None where there is no response.
        """
        raise NotImplementedError

    def conversation(self, id: str) -> list[Item] | None:
        """All items from the first response to this one, oldest first.

        ``None`` if this one or any before it is unknown, deleted or expired.
        """
        raise NotImplementedError

    def item(self, id: str) -> bytes | None:
        """The JSON of the newest item with this id, or ``None``."""
        raise NotImplementedError

    def delete(self, id: str) -> bool:
        """Remove a response and its items; ``False`` if there is none."""
        raise NotImplementedError

    def close(self) -> None:
        """Look for nothing more to remove."""
