"""Guard: whose requests come in, and in which form (specification: gateway, 10)."""

import re
from wsgiref.types import WSGIEnvironment

from ..administration.passwords import is_same
from ..body import read_body
from ..doors import is_own
from ..errors import BadRequest
from ..turns import in_turns
from .sessions import Visitor

#: Methods that change nothing.
SAFE = {"GET", "HEAD"}
#: Bytes of a body, and of those that bring a whole installation.
LIMIT, LARGE = 1024 * 1024, 32 * 1024 * 1024
#: How deep objects and lists may lie in each other.
DEPTH = 64
#: All up to the next bracket that is in no string, if there is one.
_BRACKET = re.compile(
    rb'(?:[^][{}"]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"?)*+([][{}]?)', re.DOTALL
)


def is_secure(environ: WSGIEnvironment) -> bool:
    """Whether the browser speaks TLS; the server knows which proxies may say so."""
    return bool(environ["wsgi.url_scheme"] == "https")


def check_origin(environ: WSGIEnvironment) -> None:
    """Raise ``BadRequest``, 403, for what a page of others sends.

    Programs that are no browser say nothing of themselves.
    """
    if environ["REQUEST_METHOD"] in SAFE:
        return
    site = environ.get("HTTP_SEC_FETCH_SITE", "same-origin")
    origin, host = environ.get("HTTP_ORIGIN"), environ.get("HTTP_HOST", "")
    if site != "same-origin" or (origin is not None and not is_own(origin, host)):
        raise BadRequest(
            "Only Pannier's own pages may do this. (HINT: a proxy in between has to"
            " pass on the header Host as it is.)",
            status=403,
            code="origin_not_allowed",
        )


def check_token(environ: WSGIEnvironment, visitor: Visitor) -> None:
    """Raise ``BadRequest``, 403, for a change without the session's own token."""
    if environ["REQUEST_METHOD"] in SAFE:
        return
    if not is_same(environ.get("HTTP_X_CSRF_TOKEN", ""), visitor.session.csrf):
        raise BadRequest(
            "The header X-CSRF-Token has to be the csrf_token of the session.",
            status=403,
            code="csrf_token_invalid",
        )


def body_of(environ: WSGIEnvironment, limit: int, seconds: float) -> bytes:
    """The body, which is JSON if there is any; raises ``BadRequest``: 413, 415, 422."""
    kind = environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower()
    if kind and kind != "application/json":
        raise _not_json()
    body = read_body(environ, limit, seconds)
    if body and not kind:
        raise _not_json()
    if body and _is_deep(body):
        raise BadRequest(
            f"The body is nested too deeply (more than {DEPTH} levels).",
            status=422,
            code="invalid_value",
        )
    return body


def _is_deep(body: bytes) -> bool:
    depth = 0
    for found in in_turns(_BRACKET.finditer(body)):
        depth += 1 if found[1] in (b"[", b"{") else -1
        if depth > DEPTH:
            return True
        if depth < 0:  # the end, or no JSON, as whoever reads it will say
            return False
    return False


def _not_json() -> BadRequest:
    return BadRequest(
        "The body has to be JSON, and to say so: Content-Type: application/json.",
        status=415,
        code="unsupported_media_type",
    )
