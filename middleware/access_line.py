"""Line: what the log says of one request whose answer is over.

It is logfmt and never holds a body; what clients choose (path, model, id) is escaped,
so one request is one line, and freed of secrets.
"""

import json
import re
import time
from functools import lru_cache

from app.errors import BadRequest, GatewayError
from app.exchange import Exchange
from app.redaction import Redaction

#: What was asked: the client's address and its own id, the method, the path.
Asked = tuple[str, str, str, str]

MAX_VALUE = 256
#: What needs no quotes; everything else is written as JSON, in ASCII.
_PLAIN = re.compile(r"[!#-<>-\[\]-~]+", re.ASCII)


def line(exchange: Exchange, redaction: Redaction, asked: Asked) -> str:
    """The line, with its end.

    Its texts are looked at together, and one by one if need be.
    """
    texts = [exchange.id, *asked, exchange.model, exchange.outcome]
    if exchange.adjusted or exchange.failure is not None:
        texts += _further(exchange)
    together = "".join(texts)
    if redaction.is_suspect(together):
        texts = [redaction.redacted(text) for text in texts]
        together = "".join(texts)
    if len(together) > MAX_VALUE or not _PLAIN.fullmatch(together):
        texts = [_shown(text) for text in texts]
    id, address, client_id, method, path, model, outcome, *further = texts
    key = _shown(exchange.key.id) if exchange.key is not None else ""
    said = (
        f"id={id} time={_now()}"
        f"{address and ' client=' + address}"
        f"{client_id and ' client_id=' + client_id}"
        f" method={method}"
        f"{path and ' path=' + path}"
        f"{key and ' key=' + key}"
        f"{model and ' model=' + model}"
        f"{exchange.status and ' status=' + exchange.status}"
        f" outcome={outcome}"
        f" bytes={exchange.sent} ms={exchange.milliseconds()}"
        f"{_number('first_byte_ms', exchange.first_byte_ms)}"
        f"{_number('prompt_tokens', exchange.prompt_tokens)}"
        f"{_number('completion_tokens', exchange.completion_tokens)}"
    )
    if further:
        named = zip(_FURTHER, further, strict=True)
        said += "".join([f" {name}={text}" for name, text in named if text])
    return said + "\n"


def _now() -> str:
    """The time of day, to the millisecond."""
    seconds, rest = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(seconds)}.{rest:03d}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


#: What few lines say.
_FURTHER = ("adjusted", "param", "error", "detail")


def _further(exchange: Exchange) -> tuple[str, ...]:
    """The texts of ``_FURTHER``, empty where there is nothing to say."""
    adjusted, failure = ", ".join(exchange.adjusted), exchange.failure
    if failure is None:
        return adjusted, "", "", ""
    return adjusted, failure.param or "", _told(failure), failure.detail


def _told(failure: GatewayError) -> str:
    """What the client was told, unless it may quote from its own request's body."""
    quotes = isinstance(failure, BadRequest) and failure.status == 400
    return "" if quotes else failure.message


def _number(name: str, value: int | None) -> str:
    return "" if value is None else f" {name}={value}"


def _shown(value: str) -> str:
    """A text of a line as it is, or cut and in quotes."""
    value = value[:MAX_VALUE]
    return value if not value or _PLAIN.fullmatch(value) else f'"{_escaped(value)}"'


def _escaped(text: str) -> str:
    """As JSON in ASCII, cut before an escape that would make it too long."""
    if text.isascii() and text.isprintable():
        said = json.dumps(text)[1:-1]
        if len(said) <= MAX_VALUE:
            return said
    said = ""
    for character in text:
        # JSON may leave DEL as it is, a log may not.
        more = "\\u007f" if character == "\x7f" else json.dumps(character)[1:-1]
        if len(said) + len(more) > MAX_VALUE:
            break
        said += more
    return said
