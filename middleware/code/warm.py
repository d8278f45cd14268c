"""Warm: prompts that a model reads ahead, so that what follows begins sooner.

Editors announce what they will ask about.  Ollama keeps what it has read of a prompt,
so it is made to read that, and to say one token, which nobody wants (specification:
code completion, section 6).
"""

from functools import partial
from typing import Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

from app import protocol
from app.background import Background
from app.carriers.base import Headers
from app.errors import UpstreamRefused
from app.exchange import KEY, Exchange
from app.gateway.spent import READ_AHEAD

#: What of a request a call needs that outlives it; its sockets and the rest are not
#: the call's to hold.
_NEEDED = frozenset(
    [
        "REQUEST_METHOD",
        "PATH_INFO",
        "RAW_URI",
        "QUERY_STRING",
        "SCRIPT_NAME",
        "CONTENT_TYPE",
        "CONTENT_LENGTH",
        "wsgi.input",
    ]
)


class WarmUp:
    """Makes calls whose answers are thrown away, in a ``background`` of its own.

    One at a time; what comes meanwhile is dropped: it is worth nothing later.
    """

    def __init__(self, app: WSGIApplication, background: Background) -> None:
        self.app = app
        self._background = background

    def start(self, environ: WSGIEnvironment) -> None:
        """Make the call that ``environ`` is; nobody waits.

        Dropped while another is being made, or anybody else is being answered: it is
        worth less than what they wait for.
        """
        exchange = Exchange.of(environ)
        if exchange.watch is not None and not exchange.watch.alone:
            return
        call = {name: environ[name] for name in _NEEDED & environ.keys()}
        call[KEY] = Exchange(model=exchange.model, stream=True)
        begun = self._background.start(partial(self._made, call))
        if begun:
            # Before anybody who looks at what was used: that is not known then.
            exchange.closing.insert(0, partial(_forget_counts, exchange))
            if exchange.spent is not None:
                exchange.spent.finish = READ_AHEAD
            if exchange.taken is not None:
                exchange.taken.asked = True  # nobody else sees what it uses

    def make_way(self) -> None:
        """End the call: somebody asks for something that is wanted now."""
        self._background.stop()

    def _made(self, environ: WSGIEnvironment) -> None:
        answer = _Answer()
        body = self.app(environ, answer.start)
        try:
            for _ in body:
                pass
        finally:
            protocol.close(body)
        if answer.status >= 400:
            raise UpstreamRefused(
                "Ollama refused a prompt to read ahead.",
                detail=f"status {answer.status}",
            )


def _forget_counts(exchange: Exchange) -> None:
    """The client was told that nothing was used, and got nothing of the model's."""
    exchange.note_counts(None, None)
    exchange.first_item_ms = None


class _Answer:
    """What is looked at of an answer."""

    status = 0

    def start(self, status: str, headers: Headers, exc_info: Any = None, /) -> Any:
        self.status = int(status[:3])
        return protocol.refuse_write
