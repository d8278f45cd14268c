"""Headers: what every translated answer says beside its dialect's own.

OpenAI's two, and which of the request's fields had no effect or were changed.
"""

from app.carriers.base import Headers
from app.exchange import Exchange
from app.named import named


def of(exchange: Exchange, dialect: Headers, openai: bool = True) -> Headers:
    """A new list: what the dialect says, OpenAI's two if wanted, and the rest."""
    own = dialect.copy()
    if openai:
        own.append(("openai-version", "2020-10-01"))
        own.append(("openai-processing-ms", str(exchange.milliseconds())))
    if exchange.ignored:
        own.append(("X-Pannier-Ignored", named(exchange.ignored)))
    if exchange.adjusted:
        own.append(("X-Pannier-Adjusted", ", ".join(exchange.adjusted)))
    return own
