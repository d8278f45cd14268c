"""AuthMiddleware: lets through whoever has a key, where one is needed.

Keys are looked up in memory, by their digests (specification: gateway, sections 2 and
3; reliability, K2, K3 and K7; decisions, 28 and 29).  A key is never repeated to
anybody: not to Ollama, not in an error, not in a log.
"""

import hmac
import time
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.errors import BadRequest, GatewayError, again_in
from app.exchange import Exchange
from app.gateway.credentials import is_mistyped
from app.gateway.groups import ADMIN, METRICS, OPEN, OPEN_BELOW
from app.gateway.guesses import Guesses
from app.gateway.keys import Key
from app.installation import Installation
from app.proxies import is_local

#: Seconds between two notes that a key has been used.
NOTED = 60.0

_MISSING = (
    "You didn't provide an API key. This server needs one, in the header Authorization"
    " after 'Bearer ', or in the header x-api-key or api-key."
)
_UNSCHEMED = (
    "The header Authorization has no 'Bearer ' before the API key. Please put it there,"
    " or send the key in the header x-api-key or api-key."
)


class AuthMiddleware:
    """Finds the key of a request; raises ``GatewayError``, mostly 401.

    ``address`` says where a request came from, ``clock`` is Unix time in seconds.
    ``keyless`` is where a request goes for which no key was looked for.  ``kept`` is
    what is kept of an address.
    """

    def __init__(
        self,
        app: WSGIApplication,
        installation: Installation,
        address: Callable[[WSGIEnvironment], str],
        clock: Callable[[], float] = time.time,
        guesses: Guesses | None = None,
        keyless: WSGIApplication | None = None,
        kept: Callable[[str], str] = str,
    ) -> None:
        self.app = app
        self.keyless = keyless or app
        self.installation = installation
        self.current = installation.current
        self.address = address
        self.kept = kept
        self.clock = clock
        self.guesses = guesses or Guesses()
        #: Unknown keys while nobody can say whether they are new ones.
        self._unsure = Guesses()
        self._noted: dict[str, float] = {}

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on, with the key that it has."""
        current = self.current
        if current.may_close and environ["PATH_INFO"] not in OPEN and current.closed:
            self._admit(environ)
            return self.app(environ, start_response)
        return self.keyless(environ, start_response)

    def _admit(self, environ: WSGIEnvironment) -> None:
        path = environ["PATH_INFO"]
        if path.startswith(OPEN_BELOW) or path == ADMIN:
            return
        if path == METRICS and is_local(environ):
            return
        exchange = Exchange.of(environ)
        exchange.key = key = self._key(environ, exchange)
        self._note(key, exchange.started, environ)

    def _key(self, environ: WSGIEnvironment, exchange: Exchange) -> Key:
        secret = _given(environ)
        if not secret:
            raise unauthorized(_why_none(environ))
        digest = self.installation.hash(secret.encode("latin-1"))
        key = self.current.now.keys.get(digest)
        newest = key is not None and hmac.compare_digest(digest, key.digest)
        if key is None or not (newest or _was(digest, key)):
            raise self._refusal(secret, self.address(environ))
        if key.weak:  # it could be found by trying
            self._hold(self.address(environ))
        if fault := key.fault(self.clock, newest):
            raise unauthorized(fault, detail=f"key {key.id}")
        if not newest:
            exchange.outdated = True
        return key

    def _hold(self, address: str) -> None:
        """Let nobody in who has just tried many others."""
        if seconds := max(self.guesses.wait(address), self._unsure.wait(address)):
            raise _too_many(seconds)

    def _refusal(self, secret: str, address: str) -> GatewayError:
        """What is said of a key that nobody knows."""
        mistyped = is_mistyped(secret)
        if self.current.failure is not None and not mistyped:  # it may be a new one
            self._unsure.count(address)
            return self.current.unavailable()
        if seconds := self.guesses.count(address):
            return _too_many(seconds)
        if mistyped:
            return unauthorized(
                f"Incorrect API key provided: {masked(secret)} has a typing error in"
                " it. Please copy it once more."
            )
        return unauthorized(f"Incorrect API key provided: {masked(secret)}.")

    def _note(self, key: Key, now: float, environ: WSGIEnvironment) -> None:
        """Have it written that a key is used; ``now`` is of the monotonic clock."""
        at = self._noted.get(key.id)
        if at is not None and now - at < NOTED:
            return
        if len(self._noted) > len(self.current.now.keys):
            self._noted.clear()  # of keys that are no more
        self._noted[key.id] = now
        address = self.kept(self.address(environ))
        self.installation.usage.note_used(key.id, address)


def masked(secret: str) -> str:
    """As much of a wrong key as tells its owner which one it was.

    That is its first 3 and its last 4 characters, or a quarter of a shorter one, and
    nothing of what nobody could read.
    """
    if not (secret.isascii() and secret.isprintable()):
        return "…"
    few = len(secret) // 4
    first = min(3, few)
    last = min(4, few - first)
    return f"{secret[:first]}…{secret[len(secret) - last :]}"


#: Where a key may be instead.
_OTHERS = frozenset(["HTTP_X_API_KEY", "HTTP_API_KEY"])


def _given(environ: WSGIEnvironment) -> str:
    """The key of a request, empty for none; it may be there more than once."""
    scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    secret: str = given.strip() if scheme.lower() == "bearer" else ""
    if secret and _OTHERS.isdisjoint(environ):
        return secret
    for name in _OTHERS:
        other: str = environ.get(name, "").strip()
        if other and secret and other != secret:
            raise unauthorized("Two different API keys are in this request.")
        secret = secret or other
    return secret


def _why_none(environ: WSGIEnvironment) -> str:
    """What is said where a request has no key, of which nothing is repeated."""
    words = environ.get("HTTP_AUTHORIZATION", "").split()
    return _UNSCHEMED if words and words[0].lower() != "bearer" else _MISSING


def _was(digest: bytes, key: Key) -> bool:
    """Whether this is of the secret that a key had before it was rotated."""
    return hmac.compare_digest(digest, key.previous_digest or b"")


def _too_many(seconds: int) -> BadRequest:
    return BadRequest(
        f"Too many wrong API keys came from this address. {again_in(seconds)}",
        status=429,
        code="rate_limit_exceeded",
        headers=[("Retry-After", str(seconds))],
    )


def unauthorized(message: str, detail: str = "") -> BadRequest:
    """The refusal of a key, 401; ``detail`` is for the log.

    Some agents (Claude Code 2.1) try again for minutes unless they are told not to.
    """
    return BadRequest(
        message,
        status=401,
        code="invalid_api_key",
        headers=[("WWW-Authenticate", "Bearer"), ("x-should-retry", "false")],
        detail=detail,
    )
