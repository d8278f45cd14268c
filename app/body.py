"""The body of a request: whole or in pieces, within a size and a time.

A whole body may be compressed; its size is then that of what comes out.  Where
reading fails, what the client may still send is never read as a request.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from socket import SHUT_RD
from ssl import SSLSocket
from typing import IO, Any
from wsgiref.types import WSGIEnvironment

import gevent
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wsgi import get_input_stream

from .errors import BadRequest
from .exchange import Exchange
from .inflate import CODINGS, InflateError, inflate

#: Bytes of a piece: a streamed body needs as many within one timeout.
PIECE = 64 * 1024
#: Pieces that are inflated before others have a turn: some milliseconds of work.
PIECES = 8
#: Other names of codings (RFC 9110, 8.4.1.3).
_OTHERWISE = {"x-gzip": "gzip", "identity": ""}
#: Bytes that had come when the head was whole, where the server says it.
ARRIVED = "pannier.arrived"
#: Longer numbers are no lengths.
_DIGITS = 20
#: Pieces that are thrown away before a connection is given up.
_DRAINED = 64


class OwnBody(io.BytesIO):
    """The body of a call that Pannier itself makes: it is all here, and good."""


def read_body(
    environ: WSGIEnvironment, limit: int, seconds: float, *, form: bool = False
) -> bytes:
    """The whole body, at most ``limit`` bytes, within ``seconds``.

    Raises ``BadRequest``: 413 for a larger body, 408 for a slower one, 415 for one in
    an unknown coding, or a form where ``form`` does not say that one is welcome, 400
    for one that is cut short, badly framed or badly compressed.
    """
    stream = environ["wsgi.input"]
    if isinstance(stream, OwnBody):
        _all_read(environ)  # nobody reads what the client has sent with a GET
        with stream:  # a stream may last for long, and has no use for what was sent
            return stream.read()
    coding = _coding(environ, CODINGS)
    _refuse_forms(environ, form)
    try:
        length = _announced(environ, limit)
        if coding:
            read = partial(_inflated, environ, limit, coding)
        elif length is None:
            read = partial(_joined, environ, limit)
        elif length <= environ.get(ARRIVED, -1):
            seconds = 0  # it came with its head: nobody waits, and nothing can fail
            read = partial(stream.read, length)
        else:
            read = partial(_exactly, stream, length)
        body = _guarded(environ, read, seconds) if seconds else read()
    except RequestEntityTooLarge:
        message = f"The body of the request is larger than {limit} bytes."
        raise _given_up(environ, message, 413, "request_too_large") from None
    _all_read(environ)
    return body


def _inflated(environ: WSGIEnvironment, limit: int, coding: str) -> bytes:
    """What the body says; ``limit`` is for that, and for the bytes that arrive."""
    held = io.BytesIO()
    pieces = inflate(_limited(environ, limit), coding)
    for number, piece in enumerate(pieces):
        if number % PIECES == PIECES - 1:
            gevent.sleep(0.001)  # others wait; of 0 the loop would not look at sockets
        if held.tell() + len(piece) > limit:
            raise RequestEntityTooLarge
        held.write(piece)
    return held.getvalue()


def _limited(environ: WSGIEnvironment, limit: int) -> Iterator[bytes]:
    # At its limit a stream ends without a word, so its limit is one byte later.
    stream = get_input_stream(environ, max_content_length=limit + 1)
    while piece := stream.read(PIECE):
        limit -= len(piece)
        if limit < 0:
            raise RequestEntityTooLarge
        yield piece


def _announced(environ: WSGIEnvironment, limit: int) -> int | None:
    """The length of the body, where that is certain; refuses one beyond the limit."""
    length = environ.get("CONTENT_LENGTH", "")
    certain = length.isascii() and length.isdigit() and len(length) < _DIGITS
    if not certain or "HTTP_TRANSFER_ENCODING" in environ:
        return None
    if int(length) > limit:
        raise RequestEntityTooLarge
    return int(length)


def _joined(environ: WSGIEnvironment, limit: int) -> bytes:
    return b"".join(_limited(environ, limit))


def _exactly(stream: IO[bytes], length: int) -> bytes:
    """So many bytes, of one read where that gives them all."""
    data = stream.read(length)
    while len(data) < length:
        if not (more := stream.read(length - len(data))):
            raise ClientDisconnected
        data += more
    return data


def stream_body(environ: WSGIEnvironment, seconds: float) -> Iterator[bytes]:
    """The body in pieces, of any size, each within ``seconds``; read as they are asked.

    Raises ``BadRequest``: 408 for a slower one, 400 for one that is badly framed, 415
    for one that is compressed: of any size, it is not looked into.
    """
    _coding(environ, ())
    return _streamed(environ, seconds)


def _streamed(environ: WSGIEnvironment, seconds: float) -> Iterator[bytes]:
    stream = environ["wsgi.input"]
    while piece := _guarded(environ, lambda: stream.read(PIECE), seconds):
        yield piece
    _all_read(environ)


def _all_read(environ: WSGIEnvironment) -> None:
    """From here on all that a client does is to leave."""
    watch = Exchange.of(environ).watch
    if watch is not None:
        watch.all_read = True


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
    except InflateError as exc:
        message = "The body of the request is not what its Content-Encoding says."
        raise _given_up(environ, message, detail=str(exc)) from exc
    except gevent.Timeout as exc:
        if exc is not timeout:
            raise
        message = f"The body of the request did not arrive within {seconds:g} seconds."
        raise _given_up(environ, message, 408, "request_timeout") from exc
    except Exception as exc:
        # A server reports a bad chunk as an exception of its own, whatever its type,
        # from inside read(): all that can fail here is the body.
        message = "The body of the request is not complete."
        raise _given_up(environ, message, detail=repr(exc)) from exc


def _given_up(
    environ: WSGIEnvironment,
    message: str,
    status: int = 400,
    code: str = "invalid_body",
    detail: str = "",
) -> BadRequest:
    """The error for a body of which no more is read."""
    _hang_up(environ)
    return BadRequest(message, status=status, code=code, detail=detail)


def finish_body(stream: Any, seconds: float) -> None:
    """Throw away what is left of a body in chunks, after its answer.

    gunicorn would do so too, but where the chunks are broken it sends a second answer
    (specification: reliability, H1).  ``stream`` is its body.
    """
    if stream.failed:
        return
    with gevent.Timeout(seconds, False), suppress(Exception):
        while stream.read(PIECE):
            pass
        return
    stream.failed = True


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


def _coding(environ: WSGIEnvironment, known: Iterable[str]) -> str:
    """The coding of the body, one of those ``known``, or empty."""
    coding: str = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    coding = _OTHERWISE.get(coding, coding)
    if coding and coding not in known:
        accepted = ", ".join(known) or "identity"
        raise _unsupported(
            f"The body of the request must be in no coding but: {accepted}.",
            [("Accept-Encoding", accepted)],
        )
    return coding


def _refuse_forms(environ: WSGIEnvironment, welcome: bool) -> None:
    kind = environ.get("CONTENT_TYPE", "").lower()
    if not welcome and kind.startswith("multipart/"):
        raise _unsupported("The body of the request must be JSON, not a form.")


def _unsupported(
    message: str, headers: list[tuple[str, str]] | None = None
) -> BadRequest:
    return BadRequest(
        message, status=415, code="unsupported_media_type", headers=headers
    )
