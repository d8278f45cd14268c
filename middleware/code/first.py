"""FirstToken: notices when Ollama begins a text that is to be filled in.

It sends the head of a stream with the first token, and nothing before.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from werkzeug.wsgi import ClosingIterator

from app import protocol
from app.exchange import Exchange

from .filling import Filling


class FirstToken:
    """Wraps an application that speaks Ollama; only fillings are looked at."""

    def __init__(self, app: WSGIApplication) -> None:
        self.app = app

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the call on and watch for the first piece of its answer."""
        filling: Filling | None = Exchange.of(environ).filling
        body = self.app(environ, start_response)
        if filling is None:
            return body
        return ClosingIterator(_noticed(filling, body), partial(protocol.close, body))


def _noticed(filling: Filling, body: Iterable[bytes]) -> Iterator[bytes]:
    pieces = iter(body)
    for piece in pieces:
        filling.begin()
        yield piece
        break
    yield from pieces  # from here on there is no step between
