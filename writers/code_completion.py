"""FilledCompleteWriter: text completions of OpenAI's that fill a hole."""

from typing import Any
from wsgiref.types import WSGIApplication, WSGIEnvironment

from app.wire import ollama, openai
from app.wire.code_answers import FillResponse

from .base import encode
from .code import CodeWriter
from .completion import CompleteWriter


class FilledCompleteWriter(CodeWriter, CompleteWriter):  # type: ignore[misc]
    """A ``CompleteWriter`` whose text is trimmed, and may end early.

    (mypy: the replies of the one are those of the other with some fields more.)
    """

    openai_headers = True

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._tokens: list[ollama.Logprob] = []

    def accept(self, reply: FillResponse) -> None:
        """Keep what is known of the tokens until their text goes out."""
        super().accept(reply)
        if reply.logprobs:
            self._tokens += reply.logprobs

    def piece(self, text: str) -> bytes:
        """A frame as of any completion."""
        plain = not (self._tokens or self.echo)
        return self.text_frame(text) if plain else self._frame(self._of(text, None))

    def last(self) -> bytes:
        """Why it ended; where it is alone, usage and the end."""
        closing = self._frame(self._of("", self.finish_reason()))
        return closing + self.end(self.usage) if self.alone else closing

    def composed(self, text: str) -> bytes:
        """The answer in one piece."""
        choice = self._of(text, self.finish_reason())
        return encode(self.completion([choice], self.usage))

    def complete_choice(self, app: WSGIApplication, environ: WSGIEnvironment) -> Any:
        """One choice of several, in one piece."""
        try:
            text = self._read(self._open(app, environ))
        finally:
            self.close()
        return self._of(text, self.finish_reason())

    def _of(self, text: str, reason: str | None) -> openai.CompletionChoice:
        tokens, self._tokens = self._tokens, []
        if self.echo:  # once: offsets begin anew with it
            text = self._echoed() + text
        return self._choice(text, tokens, reason)
