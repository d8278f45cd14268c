"""CompleteWriter: ``/api/generate`` answers as (legacy) Completions."""

import math
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from app.wire import ollama, openai

from . import sse
from .base import encode
from .generation import GenerationWriter
from .reasoning import spoken


class CompleteWriter(GenerationWriter[ollama.GenerateResponse]):
    """Writes text completions; reasoning has no place in this dialect.

    ``echo`` is a text to put before the answer's.
    """

    decoder = msgspec.json.Decoder(ollama.GenerateResponse)
    input_field = "prompt"
    id_prefix = "cmpl-"

    def __init__(self, *arguments: Any, echo: str = "", **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.echo = echo
        self._offset = 0
        self._said: list[str] = []

    def chunks(self, reply: ollama.GenerateResponse) -> bytes:
        """One frame a line with text; the last one also says why it ended."""
        text = reply.response or ""
        plain = text and not (self.done or reply.thinking or reply.logprobs)
        if plain and not (self.check or self.echo or self.reasoning.characters):
            return self.text_frame(text)
        if self.check is not None:
            self._hold_all(text)
        if reply.thinking or self.reasoning.characters:
            self.reasoning.count(reply.thinking, text)
        logprobs = reply.logprobs or []
        if reply.thinking:
            logprobs = spoken(logprobs, text)
        if self.echo:
            text = self._echoed() + text
        if not (text or logprobs or self.done):
            return b""
        reason = self.finish_reason() if self.done else None
        return self._frame(self._choice(text, logprobs, reason))

    def frame_of(self, text: str) -> bytes:
        """A frame with text, as nearly all are."""
        return self._frame(self._choice(text, [], None))

    def _frame(self, choice: openai.CompletionChoice) -> bytes:
        return sse.frame(encode(self.chunk([choice], self._no_usage())))

    def closing(self) -> bytes:
        """Nothing more: the last frame with text says why it ended."""
        return b""

    def choice(self, replies: list[ollama.GenerateResponse]) -> openai.CompletionChoice:
        """The choice that all replies make."""
        said = "".join([reply.response or "" for reply in replies])
        self.hold(said)
        text = self._echoed() + said
        for reply in replies:
            self.reasoning.count(reply.thinking, reply.response)
        logprobs = [token for reply in replies for token in reply.logprobs or ()]
        if self.reasoning.characters:
            logprobs = spoken(logprobs, said)
        return self._choice(text, logprobs, self.finish_reason())

    def _hold_all(self, text: str) -> None:
        """Gather the text; its last piece is only sent when all of it fits."""
        self._said.append(text)
        if self.done:
            self.hold("".join(self._said))

    def _echoed(self) -> str:
        """The prompt, once; offsets count from its beginning."""
        echo, self.echo = self.echo, ""
        self._offset = len(echo)
        return echo

    def _choice(
        self, text: str, logprobs: list[ollama.Logprob], reason: str | None
    ) -> openai.CompletionChoice:
        legacy = self._legacy_logprobs(logprobs) if logprobs else None
        return openai.CompletionChoice(text, self.index, reason, legacy)

    def chunk(
        self,
        choices: list[openai.CompletionChoice],
        usage: openai.Usage | UnsetType | None,
    ) -> openai.Completion:
        """An answer, or a chunk of one: in this dialect they look the same."""
        return openai.Completion(
            id=self.id,
            created=self.created,
            model=self.model,
            choices=choices,
            usage=usage,
        )

    completion = chunk

    def _no_usage(self) -> UnsetType | None:
        return None if self.include_usage else UNSET

    def _legacy_logprobs(
        self, logprobs: list[ollama.Logprob]
    ) -> openai.CompletionLogprobs:
        """Four parallel lists; offsets count characters from the answer's start."""
        offsets = []
        for token in logprobs:
            offsets.append(self._offset)
            self._offset += len(token.token)
        return openai.CompletionLogprobs(
            [token.token for token in logprobs],
            [token.logprob for token in logprobs],
            [
                {top.token: top.logprob for top in token.top_logprobs}
                if token.top_logprobs
                else None
                for token in logprobs
            ],
            offsets,
        )


def most_probable(
    choices: list[openai.CompletionChoice], *, of: int, n: int, logprobs: bool
) -> list[openai.CompletionChoice]:
    """The best ``n`` of every ``of`` choices by mean log probability, numbered anew.

    What tells no log probabilities comes last; they are left out unless asked for.
    """
    kept: list[openai.CompletionChoice] = []
    for first in range(0, len(choices), of):
        tried = choices[first : first + of]
        kept += sorted(tried, key=_improbability)[:n]
    for index, choice in enumerate(kept):
        choice.index = index
        if not logprobs:
            choice.logprobs = None
    return kept


def _improbability(choice: openai.CompletionChoice) -> float:
    tokens = choice.logprobs.token_logprobs if choice.logprobs else []
    return -sum(tokens) / len(tokens) if tokens else math.inf
