"""RewriteMiddleware: the protocol side of every translated endpoint.

Read the body once, parse it, rewrite it, encode the call once, hand it to the wrapped
application, and let a writer translate what comes back.  An endpoint adds its meaning:
``request_type``, ``rewrite`` (pure) and ``writer``.
"""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Generic, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app.body import OwnBody, read_body
from app.errors import BadRequest
from app.exchange import KEY, Exchange
from app.settings import Settings
from app.turns import let_others
from writers.base import ResponseWriter

from .effects import refuse_ignored
from .explain import explained, wants_explanation
from .timeouts import wished
from .validation import parse

Request = TypeVar("Request", bound=msgspec.Struct)
#: What a policy does: look at an exchange and its call, amend the call or raise.
Policy = Callable[[Exchange, Any], None]

DEFAULTS = Settings()

_encode = msgspec.json.Encoder().encode


class RewriteMiddleware(Generic[Request]):
    """Translates one endpoint around any WSGI application that speaks Ollama.

    ``policies`` are called in order with the exchange and the call.  Raises
    ``GatewayError``, which ``ErrorMiddleware`` renders.
    """

    request_type: ClassVar[Any]  # type[Request], which ClassVar cannot say

    def __init__(
        self,
        app: WSGIApplication,
        policies: Iterable[Policy] = (),
        settings: Settings = DEFAULTS,
    ) -> None:
        self.app = app
        self.policies = tuple(policies)
        self.settings = settings

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        exchange = Exchange.of(environ)
        exchange.heartbeat = self._heartbeat(environ)
        request, call = self.prepared(environ, exchange)
        for policy in self.policies:
            policy(exchange, call)
        if exchange.spent is not None:
            exchange.spent.note_call(request, call)
        calls = self.calls(request, call, exchange)
        if len(calls) > 1 and (taken := exchange.taken) and taken.several:
            taken.several(taken, calls)
        if wants_explanation(environ):
            return explained(exchange, calls, start_response)
        if exchange.prepare is not None:
            exchange.prepare()
            exchange.prepare = None  # what it holds may be large
        environs = [
            calling(environ, one.path, body)
            for one, body in zip(calls, self._bodies(calls), strict=True)
        ]
        if len(environs) > 1:
            for one in environs:  # what one call notes of its end is not true of others
                one[KEY] = msgspec.structs.replace(exchange)
        return self.answer(exchange, request, start_response, environs)

    def prepared(
        self, environ: WSGIEnvironment, exchange: Exchange
    ) -> tuple[Request, Any]:
        """The request, and the call that it becomes before policies have seen it."""
        request, unknown = self.read(environ)
        exchange.patience = wished(environ, request)
        call = self.rewrite(request, exchange)
        exchange.model = call.model
        if unknown:
            exchange.unknown = unknown
            exchange.ignored += unknown
        if self.settings.strict:
            refuse_ignored(exchange.ignored, unknown)
        return request, call

    def _bodies(self, calls: list[Any]) -> list[bytes]:
        """The calls as they are sent; one that is made several times is encoded once.

        Raises ``BadRequest``, 413: what many calls have in common must not make much
        of little, so they may be as large as a body, or as the choices of one call.
        """
        if len(calls) == 1:
            body = _encode(calls[0])
            let_others(body)
            return [body]
        known: dict[int, bytes] = {}
        size = 0
        for call in calls:
            if id(call) in known:
                continue
            known[id(call)] = body = _encode(call)
            let_others(body)
            size += len(body)
            many = self.settings.max_choices * len(body)
            if size > max(self.settings.max_body_bytes, many):
                raise BadRequest(
                    "The request is too large: so many calls of that size are not"
                    " made at once.",
                    status=413,
                    code="request_too_large",
                )
        return [known[id(call)] for call in calls]

    def _heartbeat(self, environ: WSGIEnvironment) -> float:
        """Clients that would rather have a true status than an early 200 say so."""
        wish = environ.get("HTTP_X_PANNIER_HEARTBEAT", "")
        return 0.0 if wish.lower() == "off" else self.settings.heartbeat

    def read(self, environ: WSGIEnvironment) -> tuple[Request, list[str]]:
        """The request, and the names of its fields that nobody knows."""
        settings = self.settings
        body = read_body(environ, settings.max_body_bytes, settings.body_timeout)
        Exchange.of(environ).size = len(body)
        parsed = parse(self.request_type, body)
        let_others(body)
        return parsed

    def rewrite(self, request: Request, exchange: Exchange) -> Any:
        """The call to Ollama for a request; pure but for the exchange's notes."""
        raise NotImplementedError

    def calls(self, request: Request, call: Any, exchange: Exchange) -> list[Any]:
        """All the calls that answer a request: most need just the one."""
        return [call]

    def answer(
        self,
        exchange: Exchange,
        request: Request,
        start_response: StartResponse,
        environs: list[WSGIEnvironment],
    ) -> Iterable[bytes]:
        """Make the calls and write their answer.

        Of several calls each has an exchange of its own in its environ.
        """
        writer = self.writer(exchange, request, start_response)
        return writer.answer(self.app, environs[0])

    def writer(
        self, exchange: Exchange, request: Request, start_response: StartResponse
    ) -> ResponseWriter[Any]:
        """The writer for a request."""
        raise NotImplementedError


#: What a client's own request says of itself, and no other.
_CLIENTS = frozenset(
    [
        "REQUEST_URI",
        "HTTP_TRANSFER_ENCODING",
        "HTTP_CONTENT_ENCODING",
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "HTTP_ACCEPT",
        "HTTP_USER_AGENT",
    ]
)


def calling(
    environ: WSGIEnvironment, path: str, body: bytes | None, method: str = "POST"
) -> WSGIEnvironment:
    """A copy of the environ that makes one call to Ollama.

    Nothing of the client's own framing, path, query or wishes is left in it.
    """
    call = environ.copy()
    for name in _CLIENTS & environ.keys():
        del call[name]
    call |= {"REQUEST_METHOD": method, "PATH_INFO": path, "RAW_URI": path}
    call |= {"QUERY_STRING": "", "SCRIPT_NAME": ""}
    call["wsgi.input"] = OwnBody(body or b"")
    if body is not None:
        call["CONTENT_TYPE"] = "application/json"
        call["CONTENT_LENGTH"] = str(len(body))
    return call
