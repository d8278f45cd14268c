"""Relay: a bare WSGI application that hands a request to Ollama, bytes for bytes.

It serves the native routes as they are, and the calls that the endpoints make.  Path
and query go on as they were sent; of headers only a few go either way (decisions, 1).
Nothing here knows OpenAI, and no body is ever looked into.
"""

import re
import secrets
from collections.abc import Iterable, Iterator
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIEnvironment

from msgspec.structs import replace

from .body import read_body, stream_body
from .carriers.base import Headers, Request, Response, Timeouts
from .errors import BadRequest, GatewayError, UpstreamBroken, UpstreamUnreachable
from .exchange import Exchange
from .gateway.spent import TAIL
from .named import named
from .protocol import status_line
from .settings import Settings
from .upstream import Upstream
from .wire import errors

#: What we call ourselves; by the number a worker knows what came from itself.
AGENT = f"pannier ({secrets.token_hex(8)})"
#: Of any size and length: streamed both ways, bounded by silence alone.
_STREAMED = ("/api/blobs/", "/api/create", "/api/pull", "/api/push")
#: May be tried again when a kept connection turns out to be dead.
_REPEATABLE = frozenset(
    [
        "/",
        "/api/chat",
        "/api/embed",
        "/api/embeddings",
        "/api/generate",
        "/api/ps",
        "/api/show",
        "/api/tags",
        "/api/version",
    ]
)
_RETURNED = frozenset(["content-type", "content-encoding"])
_RETRY_AFTER = re.compile(r"[0-9]{1,5}")
_AUTHORITY = re.compile(r"\Ahttps?://[^/?#]+", re.IGNORECASE)
#: Paths spelled the one way they should be: no empty or dot segments, no separators in
#: disguise, nothing encoded that need not be (specification: reliability, A2).
_CANONICAL = re.compile(
    r"(?:/(?!\.\.?(?:/|$))"
    r"(?:[A-Za-z0-9._~!$&'()*+,=:@-]"
    r"|%(?:2[1467-9A-Ca-c]|3[ADad]|40|[89A-Fa-f][0-9A-Fa-f]))+)+|/"
)


class Relay:
    """Hands requests to one upstream."""

    def __init__(self, upstream: Upstream, settings: Settings) -> None:
        self.upstream = upstream
        self.max_body = settings.max_body_bytes
        self.body_timeout = settings.body_timeout
        self.idle_timeout = idle = settings.idle_timeout
        self.native = bounds(settings, None)
        self.whole = bounds(settings, False)
        self.stream = bounds(settings, True)
        self.unbounded = replace(self.native, first_byte=idle, total=None)

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Relay one request; raises ``GatewayError``."""
        exchange = Exchange.of(environ)
        target = _target(environ)
        path = environ["PATH_INFO"]
        if path.startswith(_STREAMED):
            request = self._streamed(environ, exchange, target)
        else:
            request = self._buffered(environ, exchange, target)
        response = self.upstream.send(request)
        relayed = _Relayed(response, exchange)
        try:
            headers = relayed.headers()
            start_response(status_line(response.status), headers)
        except BaseException:  # nobody else could close it
            relayed.close()
            raise
        return relayed

    def _buffered(
        self, environ: WSGIEnvironment, exchange: Exchange, target: str
    ) -> Request:
        """Read the body first: a client that leaves meanwhile costs Ollama nothing."""
        timeouts = exchange.timeouts
        if timeouts is None:
            timeouts = self.native
            if exchange.stream is not None:
                timeouts = self.stream if exchange.stream else self.whole
        return Request(
            method=environ["REQUEST_METHOD"],
            target=target,
            headers=_headers(environ, exchange),
            body=read_body(environ, self.max_body, self.body_timeout),
            timeouts=timeouts,
            retry=environ["PATH_INFO"] in _REPEATABLE,
            lines=bool(exchange.stream),
        )

    def _streamed(
        self, environ: WSGIEnvironment, exchange: Exchange, target: str
    ) -> Request:
        length = environ.get("CONTENT_LENGTH") or ""
        chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
        body: bytes | Iterable[bytes] = b""
        if chunked or (length.isascii() and length.isdigit()):
            body = stream_body(environ, self.idle_timeout)
        return Request(
            method=environ["REQUEST_METHOD"],
            target=target,
            headers=_headers(environ, exchange),
            body=body,
            length=int(length) if length and not chunked else None,
            timeouts=self.unbounded,
            retry=False,
        )


def bounds(settings: Settings, stream: bool | None) -> Timeouts:
    """What bounds a call to Ollama whose answer is a stream, one piece, or either."""
    total = settings.total_timeout or None
    connect, idle = settings.connect_timeout, settings.idle_timeout
    if stream is None:  # it may be one piece: then its first byte is its last
        return Timeouts(connect, first_byte=total, idle=idle, total=total)
    if not stream:
        return Timeouts(connect, first_byte=None, idle=None, total=total)
    first = settings.first_byte_timeout
    return Timeouts(connect, first_byte=first, idle=idle, total=total)


class _Relayed:
    """The answer on its way to the client."""

    def __init__(self, response: Response, exchange: Exchange) -> None:
        self._response = response
        self._exchange = exchange
        self._before, self._last = b"", b"\n"
        self._lines = False

    def headers(self) -> Headers:
        """What the client gets of Ollama's headers; raises for a redirect."""
        response = self._response
        if 300 <= response.status < 400 and response.status != 304:
            raise UpstreamBroken("Ollama answered with a redirect.")
        kept: Headers = []
        exchange = self._exchange
        if exchange.stream is None and (exchange.ignored or exchange.adjusted):
            kept = _notes(exchange)
        long = lines = False
        for name, value in response.headers:
            lower = name.lower()
            if lower == "content-length":
                # Two equal ones are one (RFC 9112, 6.3); others never come so far.
                if not long:
                    kept.append((name, value))
                long = True
            elif lower in _RETURNED:
                kept.append((name, value))
                lines = lines or value.startswith("application/x-ndjson")
            elif lower == "retry-after" and _RETRY_AFTER.fullmatch(value):
                kept.append((name, value))
        self._lines = lines
        if lines:
            kept.append(("X-Accel-Buffering", "no"))
            # One more line would fill up a length, as if all came; and what a writer
            # makes of the lines is its own.
            if not long and exchange.stream is None:
                exchange.render_failure = self._ndjson_failure
        return kept

    def __iter__(self) -> Iterator[bytes]:
        # Only here does what a failure says depend on what came before it.  A writer
        # takes Ollama's own blocks: every step between costs an open stream 0.6 KB.
        return self if self._exchange.stream is None else self._response

    def __next__(self) -> bytes:
        data = next(self._response)
        self._before, self._last = self._last, data
        return data

    def _ndjson_failure(self, error: GatewayError) -> bytes:
        """A line of its own, whether or not the one before was cut."""
        fresh = b"" if self._last.endswith(b"\n") else b"\n"
        return fresh + errors.native(error.message) + b"\n"

    def close(self) -> None:
        spent = self._exchange.spent
        if spent is not None and self._exchange.stream is None:
            tail = self._before[-TAIL:] + self._last[-TAIL:]
            self._exchange.note_counts(*spent.note_tail(tail, self._lines))
        # A writer that has all it needs does not wait for the end of the framing.
        if self._exchange.complete:
            self._response.release()
        else:
            self._response.close()


def _notes(exchange: Exchange) -> Headers:
    """What became of a native request that has a key, or an installation's rules."""
    notes = {
        "X-Pannier-Ignored": named(exchange.ignored),
        "X-Pannier-Adjusted": ", ".join(exchange.adjusted),
    }
    return [(name, said) for name, said in notes.items() if said]


def _target(environ: WSGIEnvironment) -> str:
    """Path and query as the client sent them; raises for tricks with spelling."""
    raw: str = (
        environ.get("RAW_URI") or environ.get("REQUEST_URI") or _requoted(environ)
    )
    if not raw.startswith("/"):  # absolute form: only its path counts
        raw = _AUTHORITY.sub("", raw, count=1)
    raw = raw.removeprefix(environ.get("SCRIPT_NAME", ""))
    if not _CANONICAL.fullmatch(raw.partition("?")[0]):
        raise BadRequest("404 page not found", status=404, code="unknown_url")
    return str(raw)


def _requoted(environ: WSGIEnvironment) -> str:
    """For servers that do not hand on the request line."""
    path = quote(environ["PATH_INFO"].encode("latin-1"), safe="/:@!$&'()*+,=~")
    query = environ.get("QUERY_STRING")
    return f"{path}?{query}" if query else path


def _headers(environ: WSGIEnvironment, exchange: Exchange) -> Headers:
    headers = [("User-Agent", AGENT), ("X-Request-Id", exchange.id)]
    if environ.get("HTTP_USER_AGENT") == AGENT:
        raise UpstreamUnreachable(
            "The address that Pannier has for Ollama leads back to Pannier: set"
            " OLLAMA_URL to Ollama's own."
        )
    if environ["PATH_INFO"] == "/api/show" and "HTTP_USER_AGENT" in environ:
        # Ollama answers some editors differently here (server/routes.go).
        headers[0] = ("User-Agent", environ["HTTP_USER_AGENT"])
    headers.append(("Accept", environ.get("HTTP_ACCEPT") or "*/*"))
    if environ.get("CONTENT_TYPE"):
        headers.append(("Content-Type", environ["CONTENT_TYPE"]))
    return headers
