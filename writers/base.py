"""ResponseWriter: the protocol side of every answer that Pannier translates.

A writer belongs to one request.  Its meaning is pure and lives in the subclasses:
``chunks(reply)`` gives the frames for one line of Ollama's, ``whole(reply)`` the
payload of an answer in one piece, ``finish()`` what closes a stream.  Here is what
they share: calling the wrapped application, cutting lines, noticing errors and early
ends, closing.  Failures are raised; ``middleware.errors`` renders them, with
``failure`` once a stream has begun.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any, ClassVar, Generic, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import msgspec

from app import protocol, refusal
from app.carriers.base import Headers
from app.errors import GatewayError, UpstreamBroken
from app.exchange import Exchange
from app.ndjson import LineBuffer
from app.wire import errors
from app.wire.decoding import decode

from . import headers, sse

Reply = TypeVar("Reply")

#: The largest whole answer that is read (reliability, U9).
MAX_WHOLE = 64 * 1024 * 1024
#: How often an answer that seems complete is decoded, all tries together: one that
#: only seems so, and goes on, costs no more than in proportion to its length.
MOST_TRIED = 8

#: How a reply says that it is the last, and enough bytes for it to be cut anywhere.
_DONE = re.compile(rb'"done"\s*:\s*true')
_DONE_BYTES = 32

encode = msgspec.json.Encoder().encode


class ResponseWriter(Generic[Reply]):
    """Turns one answer of Ollama into the answer of a dialect.

    ``decoder`` reads one reply.  ``answer`` is the whole WSGI face: it returns an
    iterable with ``close()`` and calls ``start_response`` with a status that is true:
    at once for a whole answer, in the first step of the iterable for a stream.
    """

    decoder: ClassVar[msgspec.json.Decoder[Any]]
    #: Whether a reply of Ollama's says that it is the last.
    says_done: ClassVar[bool] = False
    #: The field of the request that is to blame for a prompt that is too long.
    input_field: ClassVar[str] = "messages"
    #: How the dialect says that a prompt is too long, as ``refusal.About`` has it.
    too_long: ClassVar[tuple[str, str]] = (refusal.TOO_LONG, "")
    #: What a whole answer is.
    content_type = "application/json"
    #: Whether OpenAI's headers go with it.
    openai_headers: ClassVar[bool] = True
    #: What a stream is, and whether something may be said in it that says nothing.
    stream_headers: ClassVar[Headers] = sse.HEADERS
    heartbeats: ClassVar[bool] = True

    def __init__(
        self, exchange: Exchange, start_response: StartResponse, stream: bool = False
    ) -> None:
        self.exchange = exchange
        self.done = False
        self.stream = stream
        self._client = start_response
        self._headed = False
        self._write: Callable[[bytes], object] = protocol.refuse_write
        self._status = 0
        self._headers: Headers = []
        self._body: Iterable[bytes] | None = None
        self._frames: Iterator[bytes] = iter(())

    # ------------------------------------------------------------ meaning

    def chunks(self, reply: Reply) -> bytes:
        """The frames for one reply of a stream, none as ``b""``."""
        raise NotImplementedError

    def finish(self) -> bytes:
        """The frames that close a stream whose ``done`` line has come."""
        raise NotImplementedError

    def whole(self, replies: list[Reply]) -> bytes:
        """The payload of an answer in one piece, of at least one reply."""
        raise NotImplementedError

    def failure(self, error: GatewayError) -> bytes:
        """The last frame of a stream that failed; nothing follows it."""
        return sse.frame(
            errors.openai_envelope(error.message, error.type, error.param, error.code)
        )

    def accept(self, reply: Reply) -> None:
        """Look at every reply first: raise its error, note its end."""
        if (error := getattr(reply, "error", None)) is not None:
            raise refusal.in_stream(error, self._about())

    # ----------------------------------------------------------- protocol

    def answer(self, app: WSGIApplication, environ: WSGIEnvironment) -> Iterable[bytes]:
        """Call ``app`` and translate its answer for the client."""
        if self.stream:
            self._frames = self._translate(app, environ)
            return self._watched()
        return self._send_whole(self.whole(self.replies(app, environ)))

    def replies(self, app: WSGIApplication, environ: WSGIEnvironment) -> list[Reply]:
        """All that ``app`` answers, in one piece, looked at and closed."""
        try:
            return self._whole(self._open(app, environ))
        finally:
            self.close()

    def _send_whole(self, payload: bytes) -> list[bytes]:
        kind = ("Content-Type", self.content_type)
        length = ("Content-Length", str(len(payload)))
        self._client("200 OK", self._headers_of([kind, length]))
        return [payload]

    def __iter__(self) -> Iterator[bytes]:
        """A writer is the iterable of its own stream; its frames need no step more."""
        return self._frames

    def close(self) -> None:
        """Let go of Ollama's answer, also when no item was ever asked for."""
        protocol.close(self._body)
        self._frames = iter(())  # a generator of ours, which holds us

    def _watched(self) -> "ResponseWriter[Reply]":
        """Have the watch say something where a stream is silent for long."""
        exchange = self.exchange
        if exchange.watch is not None and self.heartbeats:
            exchange.watch.when_silent(exchange.heartbeat, self._speak)
        return self

    def _speak(self) -> None:
        """Say that the stream lives; it begins with that, whatever Ollama will say."""
        awaited = self.exchange.awaited
        said = awaited() if awaited is not None and not self._status else ""
        if self.exchange.watch is not None and self.exchange.watch.silent:  # still
            self._begin_stream()
            with suppress(OSError):  # the client is gone: the watch sees to that
                self._write(self.alive(said))

    def alive(self, said: str) -> bytes:
        """What is said while there is nothing to say; ``said`` is why, if known."""
        return sse.comment(said or "keep-alive")

    def _begin_stream(self) -> None:
        if not self._headed:
            self._headed = True
            self.exchange.render_failure = self.failure
            self._write = self._client("200 OK", self._headers_of(self.stream_headers))

    def _headers_of(self, own: Headers) -> Headers:
        return headers.of(self.exchange, own, self.openai_headers)

    def _translate(
        self, app: WSGIApplication, environ: WSGIEnvironment
    ) -> Iterator[bytes]:
        body = self._open(app, environ)
        del app, environ  # a stream lasts, and has no use for them
        self._begin_stream()
        yield from self._translated(body)

    def _translated(self, body: Iterable[bytes]) -> Iterator[bytes]:
        following = protocol.steps(body)
        lines = LineBuffer()
        failure, ended = None, False
        # Once it is done, the answer is complete, whatever Ollama still does.
        while not (ended or self.done or failure):
            try:
                whole = lines.feed(following())
            except StopIteration:
                whole, ended = lines.flush(), True
            frames, failure = self._feed(whole)
            if frames:
                yield frames
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # or it holds, by its traceback, itself
        self._complete()

    def _feed(self, lines: Iterable[bytes]) -> tuple[bytes, GatewayError | None]:
        """The frames for some lines, joined; those of the last one close the stream.

        With them comes the failure that ended them, if one did: what came before it
        goes out first.
        """
        frames: list[bytes] = []
        try:
            for line in lines:
                reply = self._decode(line)
                self.accept(reply)
                frames.append(self.chunks(reply))
                if self.done:
                    frames.append(self.finish())
                    break
        except GatewayError as exc:
            return b"".join(frames), exc
        return b"".join(frames), None

    def _replies_of(self, lines: Iterable[bytes]) -> Iterator[Reply]:
        """What lines say, each looked at, up to the one that is the last by meaning."""
        for line in lines:
            reply = self._decode(line)
            self.accept(reply)
            yield reply
            if self.done:
                return

    def _complete(self) -> None:
        """Refuse an answer that ended without ``done``: to clients it looks whole."""
        if not self.done:
            raise UpstreamBroken(
                "Ollama's answer ended before it was complete.",
                code="upstream_incomplete",
            )

    def _open(self, app: WSGIApplication, environ: WSGIEnvironment) -> Iterable[bytes]:
        """Call the application; raises for an answer that is none of ours."""
        self._body = body = app(environ, self._start_response)
        if not self._status:
            # An application may start its response with its first item (PEP 3333).
            items = iter(body)
            body = chain([next(items, b"")], items)
        if self._status >= 400:
            raise refusal.of_answer(self._status, body, self._headers, self._about())
        if self._status != 200:
            raise UpstreamBroken(
                "Ollama answered with a status that makes no sense here.",
                detail=f"status {self._status}",
            )
        for name, value in self._headers:
            if name.lower() == "content-encoding" and value.lower() != "identity":
                raise UpstreamBroken("Ollama sent a compressed answer.")
        return body

    def _about(self) -> refusal.About:
        wish, prompt = self.exchange.wish, self.exchange.prompt
        about = refusal.About(self.input_field, prompt, *self.too_long)
        return about._replace(thinking=wish.field) if wish and wish.field else about

    def _start_response(
        self, status: str, headers: Headers, exc_info: Any = None, /
    ) -> Any:
        self._status = int(status[:3])
        self._headers = headers
        return protocol.refuse_write

    def _whole(self, body: Iterable[bytes]) -> list[Reply]:
        """All replies of an answer in one piece: one, or those of an NDJSON stream.

        An answer that says it is done is complete, whatever its framing still does.
        """
        pieces: list[bytes] = []
        size, hinted, before, tried = 0, False, b"", 0
        for data in body:
            pieces.append(data)
            size += len(data)
            if size > MAX_WHOLE:
                raise UpstreamBroken("Ollama's answer is too long.")
            # Only a hint, so that what is not over is not decoded again and again.
            window = before + data
            hinted = hinted or bool(_DONE.search(window))
            before = window[-_DONE_BYTES:]
            ends = hinted and data.endswith((b"}", b"}\n"))
            if self.says_done and ends and tried <= MOST_TRIED * size:
                tried += size
                with suppress(UpstreamBroken):
                    replies = self._replies(b"".join(pieces))
                    if self.done:
                        return replies
        return self._replies(b"".join(pieces))

    def _replies(self, body: bytes) -> list[Reply]:
        """The one reply that a body is, or one for each of its lines."""
        try:
            reply = self._decode(body)
        except UpstreamBroken:
            lines = LineBuffer()
            replies = list(self._replies_of(chain(lines.feed(body), lines.flush())))
            if not replies:
                raise
            return replies
        self.accept(reply)
        return [reply]

    def _decode(self, data: bytes) -> Reply:
        try:
            reply: Reply = self.decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._mended(data)
        return reply

    def _mended(self, data: bytes) -> Reply:
        try:
            reply: Reply = decode(self.decoder, data)
        except msgspec.DecodeError as exc:
            raise UpstreamBroken(
                "Ollama's answer could not be understood.", detail=str(exc)
            ) from exc
        return reply
