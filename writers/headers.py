"""Headers: what every translated answer says beside its dialect's own.

OpenAI's two, and which of the request's fields had no effect or were changed.
"""

import re

from app.carriers.base import Headers
from app.exchange import Exchange

#: What a field's name in a header consists of; characters of one, and of all.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.\[\]-]")
MAX_NAME = 64
MAX_NAMES = 1000


def of(exchange: Exchange, dialect: Headers, openai: bool = True) -> Headers:
    """A new list: what the dialect says, OpenAI's two if wanted, and the rest."""
    own = dialect.copy()
    if openai:
        own.append(("openai-version", "2020-10-01"))
        own.append(("openai-processing-ms", str(exchange.milliseconds())))
    if exchange.ignored:
        own.append(("X-Pannier-Ignored", _named(exchange.ignored)))
    if exchange.adjusted:
        own.append(("X-Pannier-Adjusted", ", ".join(exchange.adjusted)))
    return own


def _named(fields: list[str]) -> str:
    """Names of fields for a header: a client chose them, so anything may be in them."""
    names: list[str] = []
    size = 0
    for field in fields:
        name = _NOT_IN_NAMES.sub("_", field[:MAX_NAME]) or "_"
        size += len(name) + 2
        if size > MAX_NAMES:
            names.append("...")
            break
        names.append(name)
    return ", ".join(names)
