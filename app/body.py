"""The body of a request: whole or in pieces, within a size and a time.

Where reading fails, what the client may still send is never read as a request.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from socket import SHUT_RD
from ssl import SSLSocket
from typing import IO
from wsgiref.types import WSGIEnvironment

import gevent
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from .errors import BadRequest

#: Bytes of a piece: a streamed body needs as many within one timeout.
PIECE = 64 * 1024
#: Pieces that are thrown away before a connection is given up.
_DRAINED = 64


class OwnBody(io.BytesIO):
    """The body of a call that Pannier itself makes: it is all here, and good."""


def read_body(
    environ: WSGIEnvironment, limit: int, seconds: float, *, form: bool = False
) -> bytes:
    """The whole body, at most ``limit`` bytes, within ``seconds``.

    Raises ``BadRequest``: 413 for a larger body, 408 for a slower one, 415 for one
    that is encoded, or a form where ``form`` does not say that one is welcome, 400 for
    one that is cut short or badly framed.
    """
    stream = environ["wsgi.input"]
    if isinstance(stream, OwnBody):
        return stream.read()
    _refuse_other_media(environ, form)

    def read() -> bytes:
        length = _announced(environ)
        if length is not None and length <= limit:
            return _exactly(stream, length)
        # At its limit a stream ends without a word, so its limit is one byte later.
        body = get_input_stream(environ, max_content_length=limit + 1).read()
        if len(body) > limit:
            raise RequestEntityTooLarge
        return body

    try:
        return _guarded(environ, read, seconds)
    except RequestEntityTooLarge:
        _hang_up(environ)
        raise BadRequest(
            f"The body of the request is larger than {limit} bytes.",
            status=413,
            code="request_too_large",
        ) from None


def _announced(environ: WSGIEnvironment) -> int | None:
    """The length of the body, where that is certain."""
    length = environ.get("CONTENT_LENGTH", "")
    certain = length.isascii() and length.isdigit()
    return int(length) if certain and "HTTP_TRANSFER_ENCODING" not in environ else None


def _exactly(stream: IO[bytes], length: int) -> bytes:
    """So many bytes, of one read where that gives them all."""
    data = stream.read(length)
    while len(data) < length:
        if not (more := stream.read(length - len(data))):
            raise ClientDisconnected
        data += more
    return data


def stream_body(environ: WSGIEnvironment, seconds: float) -> Iterator[bytes]:
    """The body in pieces, of any size, each within ``seconds``.

    Raises ``BadRequest``: 408 for a slower one, 400 for one that is badly framed.
    """
    stream = environ["wsgi.input"]
    while piece := _guarded(environ, lambda: stream.read(PIECE), seconds):
        yield piece


def _guarded(
    environ: WSGIEnvironment, read: Callable[[], bytes], seconds: float
) -> bytes:
    """What ``read`` gives; whatever ends it is the fault of the body."""
    timeout = gevent.Timeout(seconds)
    try:
        with timeout:
            return read()
    except RequestEntityTooLarge:
        raise
    except gevent.Timeout as exc:
        if exc is not timeout:
            raise
        _hang_up(environ)
        raise BadRequest(
            f"The body of the request did not arrive within {seconds:g} seconds.",
            status=408,
            code="request_timeout",
        ) from exc
    except Exception as exc:
        # A server reports a bad chunk as an exception of its own, whatever its type,
        # from inside read(): all that can fail here is the body.
        _hang_up(environ)
        raise BadRequest(
            "The body of the request is not complete.",
            code="invalid_body",
            detail=repr(exc),
        ) from exc


def _hang_up(environ: WSGIEnvironment) -> None:
    """Take nothing more from the client: the connection ends after the answer.

    gunicorn would wait for the rest and then go on reading; no header of ours makes
    it close (decisions, 7).  Where another server runs, that is its own affair.
    """
    sock = environ.get("gunicorn.socket")
    stream = environ["wsgi.input"]
    if sock is None or not hasattr(stream, "failed"):
        return
    with suppress(Exception):
        if not isinstance(sock, SSLSocket):  # which would forget its key
            sock.shutdown(SHUT_RD)
            # From here on a read does not wait.  What has come is taken, since
            # closing over it resets the connection, and the answer may be lost.
            for _ in range(_DRAINED):
                if not stream.read(PIECE):
                    break
    stream.failed = True  # gunicorn's own mark of a body after which nothing is read


def _refuse_other_media(environ: WSGIEnvironment, form: bool) -> None:
    encoding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding not in ("", "identity"):
        raise _unsupported("The body of the request must not be compressed.")
    if not form and environ.get("CONTENT_TYPE", "").lower().startswith("multipart/"):
        raise _unsupported("The body of the request must be JSON, not a form.")


def _unsupported(message: str) -> BadRequest:
    return BadRequest(message, status=415, code="unsupported_media_type")
