"""RewriteMiddleware: the protocol side of every translated endpoint.

Read the body once, parse it, rewrite it, encode the call once, hand it to the wrapped
application, and let a writer translate what comes back.  An endpoint adds its meaning:
``request_type``, ``path``, ``rewrite`` (pure) and ``writer``.
"""

import io
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Generic, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.body import read_body
from app.exchange import Exchange
from writers.base import ResponseWriter

from .rules import Rules
from .validation import parse

Request = TypeVar("Request", bound=msgspec.Struct)
#: What a policy does: look at an exchange and its call, amend the call or raise.
Policy = Callable[[Exchange, Any], None]

DEFAULTS = Rules()

_encode = msgspec.json.Encoder().encode


class RewriteMiddleware(Generic[Request]):
    """Translates one endpoint around any WSGI application that speaks Ollama.

    ``policies`` are called in order with the exchange and the call; ``rules`` are the
    operator's.  Raises ``GatewayError``, which ``ErrorMiddleware`` renders.
    """

    request_type: ClassVar[type[msgspec.Struct]]
    path: ClassVar[str]

    def __init__(
        self,
        app: WSGIApplication,
        policies: Iterable[Policy] = (),
        rules: Rules = DEFAULTS,
    ) -> None:
        self.app = app
        self.policies = tuple(policies)
        self.rules = rules

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        exchange = Exchange.of(environ)
        body = read_body(environ, self.rules.max_body, self.rules.body_timeout)
        request, unknown = parse(self.request_type, body)
        call = self.rewrite(request, exchange)  # type: ignore[arg-type]
        exchange.model = call.model
        exchange.ignored += unknown
        for policy in self.policies:
            policy(exchange, call)
        writer = self.writer(exchange, request, start_response)  # type: ignore[arg-type]
        return writer.answer(self.app, calling(environ, self.path, _encode(call)))

    def rewrite(self, request: Request, exchange: Exchange) -> Any:
        """The call to Ollama for a request; pure but for the exchange's notes."""
        raise NotImplementedError

    def writer(
        self, exchange: Exchange, request: Request, start_response: StartResponse
    ) -> ResponseWriter[Any]:
        """The writer for a request."""
        raise NotImplementedError


def calling(
    environ: WSGIEnvironment, path: str, body: bytes | None, method: str = "POST"
) -> WSGIEnvironment:
    """A copy of the environ that makes one call to Ollama.

    Nothing of the client's own framing, path, query or wishes is left in it.
    """
    call = environ.copy()
    for name in (
        "REQUEST_URI",
        "HTTP_TRANSFER_ENCODING",
        "HTTP_CONTENT_ENCODING",
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "HTTP_ACCEPT",
    ):
        call.pop(name, None)
    call |= {"REQUEST_METHOD": method, "PATH_INFO": path, "RAW_URI": path}
    call |= {"QUERY_STRING": "", "SCRIPT_NAME": ""}
    call["wsgi.input"] = io.BytesIO(body or b"")
    if body is not None:
        call["CONTENT_TYPE"] = "application/json"
        call["CONTENT_LENGTH"] = str(len(body))
    return call
