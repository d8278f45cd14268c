"""The shapes of code completion: what each kind of editor reads.

The code API's (``SeedWriter``), Ollama's, Tabby's, Mistral's (``FimWriter``) and
llama.cpp's (``InfillWriter``; specification: code completion, sections 2.1 and 6).
"""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

import msgspec
from msgspec import UNSET, UnsetType

from app.carriers.base import Headers
from app.errors import GatewayError
from app.wire import code_answers, errors, ollama, openai

from . import sse
from .base import encode
from .code import CodeWriter

_LOCAL_TIME = "%Y-%m-%dT%H:%M:%S"
_MILLION = 1_000_000


class _LinesWriter(CodeWriter):
    """Streams lines of JSON: they have no form for what says nothing."""

    heartbeats = False
    stream_headers: ClassVar[Headers] = [
        ("Content-Type", "application/x-ndjson"),
        ("X-Accel-Buffering", "no"),
    ]

    def failure(self, error: GatewayError) -> bytes:
        """A line of its own."""
        return errors.native(error.message) + b"\n"


class SeedWriter(_LinesWriter):
    """The code API's seven keys, in one piece a stream of one line.

    ``extended`` adds why it ended, the model that ran and what its prompt was made
    with.
    """

    def __init__(
        self,
        *arguments: Any,
        extended: bool = False,
        resolved_model: str = "",
        template: str = "",
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._created_at = time.strftime(_LOCAL_TIME)
        self._extended = extended
        self._resolved_model = resolved_model
        self._template = template

    def piece(self, text: str) -> bytes:
        """A line without counters."""
        line = code_answers.SeedAnswer(self.model, self._created_at, text)
        return encode(line) + b"\n"

    def last(self) -> bytes:
        """A line without text."""
        return self.composed("")

    def composed(self, text: str) -> bytes:
        """All seven keys, and those of ours where they are wanted."""
        answer = code_answers.SeedAnswer(
            self.model,
            self._created_at,
            text,
            self.usage.prompt_tokens,
            self.usage.completion_tokens,
            self.exchange.milliseconds() / 1000,
            done=True,
        )
        if self._extended:
            answer.done_reason = self.done_reason
            answer.resolved_model = self._resolved_model
            answer.template = self._template
        return encode(answer) + b"\n"

    def failure(self, error: GatewayError) -> bytes:
        """A line that says that it is the last."""
        return errors.native(error.message)[:-1] + b',"done":true}\n'


class OllamaWriter(_LinesWriter):
    """Ollama's own shape, with the client's name for the model."""

    content_type = "application/json; charset=utf-8"

    def piece(self, text: str) -> bytes:
        """A line as ``/api/generate`` has it."""
        line = code_answers.OllamaAnswer(
            model=self.model, created_at=self._created_at(), response=text, done=False
        )
        return encode(line) + b"\n"

    def last(self) -> bytes:
        """A line without text."""
        return self.composed("") + b"\n"

    def composed(self, text: str) -> bytes:
        """What Ollama measured; of a text that we ended, what we know."""
        latest, known = self.latest, ollama.count
        total = known(latest.total_duration)
        if not latest.done:
            total = int((time.monotonic() - self.exchange.started) * 1e9)
        answer = code_answers.OllamaAnswer(
            model=self.model,
            created_at=self._created_at(),
            response=text,
            done=True,
            done_reason=self.done_reason,
            total_duration=total,
            load_duration=known(latest.load_duration),
            prompt_eval_count=self.usage.prompt_tokens,
            prompt_eval_duration=known(latest.prompt_eval_duration),
            eval_count=self.usage.completion_tokens,
            eval_duration=known(latest.eval_duration),
        )
        return encode(answer)

    def _created_at(self) -> str:
        return self.latest.created_at or datetime.now(UTC).isoformat()


class TabbyWriter(CodeWriter):
    """Tabby's completion, which is never streamed."""

    def __init__(self, *arguments: Any, stream: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)

    def composed(self, text: str) -> bytes:
        """One choice."""
        choice = code_answers.TabbyChoice(0, text)
        return encode(code_answers.TabbyAnswer(self.id, [choice]))


class FimWriter(CodeWriter):
    """Mistral's chat completion of a prompt and its suffix."""

    _role: str | UnsetType = "assistant"

    def composed(self, text: str) -> bytes:
        """The text as a message, and beside it."""
        message = code_answers.FimMessage(text, "assistant")
        choice = code_answers.FimChoice(0, message, text, self.finish_reason())
        answer = code_answers.FimAnswer(
            id=self.id,
            created=self.created,
            model=self.model,
            choices=[choice],
            usage=self.usage,
        )
        return encode(answer)

    def piece(self, text: str) -> bytes:
        """A chunk; the first says whose the text is."""
        return self._chunk(text)

    def last(self) -> bytes:
        """Why it ended, what it used, and the mark of the end."""
        return self._chunk("", self.finish_reason(), self.usage) + sse.DONE

    def _chunk(
        self,
        text: str,
        reason: str | None = None,
        usage: openai.Usage | UnsetType = UNSET,
    ) -> bytes:
        delta = code_answers.FimMessage(text, self._role)
        self._role = UNSET
        chunk = code_answers.FimChunk(
            id=self.id,
            created=self.created,
            model=self.model,
            choices=[code_answers.FimDelta(0, delta, text, reason)],
            usage=usage,
        )
        return sse.frame(encode(chunk))


class InfillWriter(CodeWriter):
    """llama.cpp's answer to ``/infill`` and ``/completion``.

    ``response_fields`` names what is wanted of it, all by default; a path with ``/``
    is then the name of what lies there.  As there, a stream keeps to that in its last
    frame only.
    """

    def __init__(
        self,
        *arguments: Any,
        response_fields: Sequence[str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._fields = response_fields

    def piece(self, text: str) -> bytes:
        """A frame that goes on."""
        return sse.frame(encode(code_answers.InfillFrame(text, self.pieces)))

    def last(self) -> bytes:
        """The frame that stops; there is no other mark of the end."""
        return sse.frame(self.composed(""))

    def composed(self, text: str) -> bytes:
        """The answer, or what is wanted of it."""
        answer = code_answers.InfillAnswer(
            content=text,
            model=self.model,
            tokens_predicted=self.usage.completion_tokens,
            tokens_evaluated=self.usage.prompt_tokens,
            stop_type=self._stop_type(),
            stopping_word=self.trimmer.word,
            timings=self._timings(),
        )
        if not self._fields:
            return encode(answer)
        whole = msgspec.to_builtins(answer)
        found = [(path, _at(whole, path)) for path in self._fields]
        return encode({path: value for path, value in found if value is not UNSET})

    def _stop_type(self) -> str:
        """Which of llama.cpp's three it was; what else ended the text is a limit."""
        if self.trimmer.word:
            return "word"
        limited = self.trimmer.over or self.done_reason == "length"
        return "limit" if limited else "eos"

    def _timings(self) -> code_answers.Timings:
        """Ollama's nanoseconds as llama.cpp's milliseconds; our own where we ended."""
        latest = self.latest
        predicted = ollama.count(latest.eval_duration) / _MILLION
        if not latest.done and self.began:
            predicted = round((time.monotonic() - self.began) * 1000, 3)
        prompt = ollama.count(latest.prompt_eval_duration) / _MILLION
        return code_answers.Timings(
            *_paces(self.usage.prompt_tokens, prompt),
            *_paces(self.usage.completion_tokens, predicted),
        )


def _paces(count: int, milliseconds: float) -> tuple[int, float, float, float]:
    """So many tokens in so many milliseconds, and how fast that is both ways."""
    each = milliseconds / count if count else 0.0
    return (
        count,
        milliseconds,
        each,
        1000 * count / milliseconds if milliseconds else 0.0,
    )


#: More keys than any path in an answer has.
_DEEPEST = 8


def _at(value: Any, path: str) -> Any:
    """What lies at a path of keys; ``UNSET`` for nothing."""
    for key in path.split("/", _DEEPEST):
        if not isinstance(value, dict) or key not in value:
            return UNSET
        value = value[key]
    return value
