"""The body of a request: all of it, within a size and a time."""

from wsgiref.types import WSGIEnvironment

import gevent
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from .errors import BadRequest


def read_body(environ: WSGIEnvironment, limit: int, seconds: float) -> bytes:
    """The whole body, at most ``limit`` bytes, within ``seconds``.

    Raises ``BadRequest``: 413 for a larger body, 408 for a slower one, 415 for one
    that is encoded or a form, 400 for one that is cut short or badly framed.
    """
    _refuse_other_media(environ)
    try:
        with gevent.Timeout(seconds):
            stream = get_input_stream(environ, max_content_length=limit)
            body = stream.read()
    except RequestEntityTooLarge:
        raise BadRequest(
            f"The body of the request is larger than {limit} bytes.",
            status=413,
            code="request_too_large",
        ) from None
    except gevent.Timeout as exc:
        raise BadRequest(
            f"The body of the request did not arrive within {seconds:g} seconds.",
            status=408,
            code="request_timeout",
        ) from exc
    except Exception as exc:
        # A server reports a bad chunk as an exception of its own, whatever its type,
        # from inside read(): all that can fail here is the body.
        raise BadRequest(
            "The body of the request is not complete.",
            code="invalid_body",
            detail=repr(exc),
        ) from exc
    return body


def _refuse_other_media(environ: WSGIEnvironment) -> None:
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in ("", "identity"):
        raise _unsupported("The body of the request must not be compressed.")
    if environ.get("CONTENT_TYPE", "").lower().startswith("multipart/"):
        raise _unsupported("The body of the request must be JSON, not a form.")


def _unsupported(message: str) -> BadRequest:
    return BadRequest(message, status=415, code="unsupported_media_type")
