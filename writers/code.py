"""CodeWriter: what all answers of code completion have in common.

Ollama streams, whether or not the client wants a stream: so its text can be trimmed and
ended early.  Here is when that is, and what is then known of its tokens; the kinds of
answers are in ``writers.code_shapes``.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

import msgspec

from app import protocol
from app.errors import UpstreamBroken
from app.ndjson import LineBuffer
from app.wire import openai
from app.wire.code_answers import FillResponse

from .base import MAX_WHOLE
from .generation import GenerationWriter
from .trim import Trimmer


class CodeWriter(GenerationWriter[FillResponse]):
    """Writes a text that fills a hole.

    ``trimmer`` trims it.  ``until`` is asked after each piece whether that is enough,
    and told how many seconds ago the first one came.  ``clean`` makes the text out of
    all that a model said, of which nothing then goes out before its end.
    """

    decoder = msgspec.json.Decoder(FillResponse)
    id_prefix = "cmpl-"
    input_field = "prompt"
    openai_headers = False

    def __init__(
        self,
        *arguments: Any,
        trimmer: Trimmer | None = None,
        until: Callable[[float], bool] | None = None,
        clean: Callable[[str], str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.trimmer = trimmer or Trimmer()
        #: Pieces of text that came, and when the first did.
        self.pieces = 0
        self.began = 0.0
        #: What Ollama said last.
        self.latest = FillResponse()
        self._until = until
        self.clean = clean
        self._held: list[str] = []

    # ---------------------------------------------- meaning, in each shape

    def piece(self, text: str) -> bytes:
        """The frame for some text."""
        raise NotImplementedError

    def last(self) -> bytes:
        """The frames that close a stream."""
        raise NotImplementedError

    def composed(self, text: str) -> bytes:
        """The payload of an answer in one piece."""
        raise NotImplementedError

    # ----------------------------------------------------------- the text

    def chunks(self, reply: FillResponse) -> bytes:
        """One frame for a line of which something may go out."""
        text = self._trimmed(reply)
        return self.piece(text) if text else b""

    def finish(self) -> bytes:
        """What was held back, and the end."""
        rest = self._rest()
        return self.piece(rest) + self.last() if rest else self.last()

    def accept(self, reply: FillResponse) -> None:
        """Keep what is said, for its times."""
        super().accept(reply)
        self.latest = reply

    def _trimmed(self, reply: FillResponse) -> str:
        """What may go out of the text of a line; ends the text where it is enough."""
        text = reply.text
        if not text:
            return ""
        self.pieces += 1
        if self.pieces == 1:
            self.began = time.monotonic()
        if self.clean is not None:
            self._held.append(text)
            text = ""
        else:
            text = self.trimmer.feed(text)
        if not self.done and (self.trimmer.over or self._is_enough()):
            self._stop()
        return text

    def _is_enough(self) -> bool:
        taken = time.monotonic() - self.began
        return self._until is not None and self._until(taken)

    def _stop(self) -> None:
        """End the text before Ollama does: it stops when its connection is cut.

        How long the prompt was, only its last line would have told.
        """
        protocol.close(self._body)
        self._body = None
        self.exchange.prompt = None
        # Only now: what is complete is not cut but read to its end.
        self.done = self.exchange.complete = True
        self.done_reason = "length"
        self.usage = openai.Usage(0, self.pieces, self.pieces)
        self.exchange.prompt_tokens = 0
        self.exchange.completion_tokens = self.pieces

    def _rest(self) -> str:
        """What goes out at the end."""
        said = "".join(self._held)
        rest = self.trimmer.finish(self.clean(said) if self.clean else said)
        if self.trimmer.over:
            self.done_reason = "stop"
        return rest

    # ------------------------------------------------------- in one piece

    def answer(self, app: WSGIApplication, environ: WSGIEnvironment) -> Iterable[bytes]:
        """Call ``app``, read no more of its answer than is wanted, and translate it."""
        if self.stream:
            return super().answer(app, environ)
        try:
            text = self._read(self._open(app, environ))
        finally:
            self.close()
        return self._send_whole(self.composed(text))

    def _read(self, body: Iterable[bytes]) -> str:
        """All of the text; raises when the answer is not complete."""
        said: list[str] = []
        lines, size = LineBuffer(), 0
        for data in body:
            said += map(self._trimmed, self._replies_of(lines.feed(data)))
            if self.done:
                break
            size += len(data)
            if size > MAX_WHOLE:
                raise UpstreamBroken("Ollama's answer is too long.")
        else:
            said += map(self._trimmed, self._replies_of(lines.flush()))
        self._complete()
        return "".join(said) + self._rest()
