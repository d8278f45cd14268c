"""Taken: what one request has of its key's limits."""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from .keys import Key


class Taken(Struct):
    """What one request has taken of its key's limits.

    ``ticket`` tells the request from all others in Redis.  ``refused`` is the limit
    that does not let it through, if one does: ``requests``, ``concurrent`` or
    ``tokens``; ``wait`` is the seconds until a request may go through again.
    ``requests`` are those of the minute, ``reset`` the seconds until none is counted
    any more; ``tokens`` are those of the day, with the ``reserved`` ones of this
    request; of these ``prompt`` are for what it asks and ``answer`` for what each of
    its calls may answer.  ``several`` takes what several calls need, where tokens are
    limited.  ``asked`` says that Ollama has been asked.  ``running``: it is counted as
    under way; ``shared``: all of it in Redis.
    """

    key: Key
    ticket: str = ""
    refused: str = ""
    wait: float = 0.0
    requests: int = 0
    reset: float = 0.0
    tokens: int = 0
    day: int = 0
    prompt: int = 0
    reserved: int = 0
    answer: int = 0
    several: Callable[["Taken", list[Any]], None] | None = None
    asked: bool = False
    running: bool = False
    shared: bool = False
