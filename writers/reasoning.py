"""Reasoning: where an answer carries it, and how much of the answer it is.  Pure."""

from typing import Literal

from app.wire import ollama

Field = Literal["both", "reasoning", "reasoning_content", "think_tags", "none"]

_OPENING, _CLOSING = "<think>", "</think>"


class Reasoning:
    """The reasoning of one answer.

    ``characters`` counts it, hidden or not, and ``others`` what else the model said;
    of that only what followed needs to be counted.
    """

    def __init__(self, field: Field) -> None:
        self._field = field
        self._open = False
        self.characters = 0
        self.others = 0

    @property
    def hidden(self) -> bool:
        """Whether the client gets to see none of it."""
        return self._field == "none"

    def piece(self, text: str) -> dict[str, str]:
        """The keys of a message that carry a piece; none for one that is hidden."""
        self.characters += len(text)
        if self._field == "none":
            return {}
        if self._field == "both":
            return {"reasoning": text, "reasoning_content": text}
        if self._field == "think_tags":
            opening = "" if self._open else _OPENING
            self._open = True
            return {"content": opening + text}
        return {self._field: text}

    def whole(self, text: str) -> dict[str, str]:
        """The same for all of it at once."""
        told = self.piece(text)
        if tag := self.close():
            told["content"] += tag
        return told

    def close(self) -> str:
        """The tag that ends the reasoning, where one is open."""
        closing = _CLOSING if self._open else ""
        self._open = False
        return closing

    def count(self, text: str | None, other: str | None) -> None:
        """Note what was said, where nothing of it is to be placed."""
        self.characters += len(text or "")
        self.others += len(other or "")

    def tokens(self, completion: int) -> int:
        """About how many of an answer's tokens were reasoning: Ollama does not say."""
        share = self.characters / (self.characters + self.others)
        return min(completion, max(1, round(completion * share)))


def spoken(
    logprobs: list[ollama.Logprob] | None, content: str | None
) -> list[ollama.Logprob]:
    """The tokens at the end that make up ``content``: those before were reasoning."""
    tokens, left = logprobs or [], len(content or "")
    start = len(tokens)
    while start and left > 0:
        start -= 1
        left -= len(tokens[start].token)
    return tokens[start:]
