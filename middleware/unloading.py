"""Unloading: whether one of Ollama's own requests would take a model out of memory.

Such a request keeps the model for no time and has nothing to be answered: only a key
that may say how long models stay may send it (specification: gateway, section 5).
"""

import re
from collections.abc import Iterable
from typing import Any

from app.errors import NotAllowed
from app.gateway.parameters import is_duration, is_number

from .members import Members

#: What each route answers; without it, a model is only loaded, or unloaded.
_ASKING = {
    "/api/chat": "messages",
    "/api/embed": "input",
    "/api/embeddings": "prompt",
    "/api/generate": "prompt",
}
#: Ollama counts in nanoseconds; here they are seconds.
_NOTHING = 1e-9
#: JSON that says nothing.
_EMPTY = re.compile(rb'null|""|\[\s*\]')


def unloads(kept: Iterable[Any], members: Members, path: str) -> bool:
    """Whether a request to ``path`` is there to unload a model.

    ``kept`` is what it says of ``keep_alive``, ``members`` all else.
    """
    return any(map(_ends, kept)) and not _asks(members, path)


def refusal() -> NotAllowed:
    """The refusal to unload a model; without its time, the request would load it."""
    return NotAllowed(
        "This API key may not unload models: it would need to be allowed to say how"
        " long they stay loaded (allow_keep_alive)."
    )


def _asks(members: Members, path: str) -> bool:
    """Whether there is anything to be answered."""
    name = _ASKING.get(path)
    asking = [raw for field, raw in members.items() if field.casefold() == name]
    return not all(_EMPTY.fullmatch(bytes(raw).strip()) for raw in asking)


def _ends(keep_alive: Any) -> bool:
    """Whether a model that is kept so long is not kept at all: for 0, or "0s"."""
    if isinstance(keep_alive, str):
        return is_duration(keep_alive) and not re.search("[1-9]", keep_alive)
    return is_number(keep_alive) and abs(keep_alive) < _NOTHING
