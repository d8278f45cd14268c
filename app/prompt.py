"""Prompt: how long the prompt of a call is, and whether the context can hold it."""

from typing import Any

import msgspec

from . import tokens
from .catalog import Catalog
from .wire import ollama

#: Tokens that a model's template puts around each message, and around all of it.
_AROUND_MESSAGE = 8
_AROUND = 32
#: What Ollama takes an image for (``server/prompt.go``).
_IMAGE = 768
#: Shorter prompts fit into every context in use; in characters.
_SHORT = 512
#: Of the tokens that there must be; the rest is for tokenizers that nobody has seen.
_SURELY = 0.95

_encode = msgspec.json.Encoder().encode


class Prompt:
    """The prompt of one call, which may be any generating or embedding one.

    ``num_ctx`` is the context that the call asks for; ``estimate`` about how many
    tokens the prompt has, once somebody wanted to know (for embeddings: the longest
    input).  Nothing is looked up until it is asked for.
    """

    def __init__(self, call: Any, catalog: Catalog) -> None:
        self.model: str = call.model
        self.num_ctx: int | None = (call.options or {}).get("num_ctx")
        self.estimate: int | None = None
        # Not the call itself: its images would stay in memory as long as the answer.
        self._texts = _texts(call)
        self._apart = isinstance(call, ollama.EmbedRequest)
        self._catalog = catalog

    def context(self) -> int | None:
        """The context in force: asked for, of the loaded model, or the Modelfile's."""
        loaded = self._loaded() if self.num_ctx is None else None
        if loaded:
            return loaded
        facts = self._catalog.facts(self.model)
        if self.num_ctx is None:
            return facts.num_ctx if facts else None
        own = facts.context_length if facts else None
        return min(self.num_ctx, own or self.num_ctx)

    def cut_to(self, count: int) -> int | None:
        """The context that Ollama cut the prompt to fit; ``None`` if it was not cut.

        ``count`` is how many tokens Ollama says it read.  Only a prompt that must have
        more tokens than that is worth to look at; and only one that must have more than
        the context holds was cut: an older Ollama does not count what it had cached.
        """
        if sum(map(len, self._texts)) < _SHORT:
            return None
        if 10 * sum(map(tokens.at_least_quickly, self._texts)) <= 9 * count:
            return None
        if not self._exceeds(count):
            return None
        context = self.context() or 0
        if self.num_ctx is not None:  # in doubt the larger: others load it, too
            context = max(context, self._loaded() or 0)
        if not context or not self._exceeds(context / _SURELY, apart=self._apart):
            return None
        return context

    def _exceeds(self, most: float, *, apart: bool = False) -> bool:
        """Whether there must be more tokens, be it in one text; counts no further."""
        for text in self._texts:
            least = tokens.at_least(text, most)
            if least > most:
                return True
            if not apart:
                most -= least
        return False

    def _loaded(self) -> int | None:
        """The context with which Ollama has the model now: it may just have loaded."""
        return self._catalog.loaded(self.model, 0)


def _texts(call: Any) -> list[str]:
    """What is in the prompt with certainty, in pieces."""
    if isinstance(call, ollama.EmbedRequest):
        return [call.input] if isinstance(call.input, str) else call.input
    if isinstance(call, ollama.GenerateRequest):
        return [call.prompt, call.suffix, call.system]
    # Templates leave out what a model thought in earlier turns.
    return [message.content.rpartition("</think>")[2] for message in call.messages]


def estimated(call: Any) -> int:
    """About how many tokens the prompt of a call has; of the longest input."""
    counts = map(tokens.about, _texts(call))
    if isinstance(call, ollama.EmbedRequest):
        return max(counts, default=0) + _AROUND_MESSAGE
    total = _AROUND + sum(counts)
    if isinstance(call, ollama.ChatRequest):
        total += sum(map(_beside_content, call.messages))
        if call.tools:
            total += tokens.about(_encode(call.tools).decode())
    return total


def roughly(call: ollama.ChatRequest) -> int:
    """A first guess at the same, which hardly looks: four characters are a token.

    So does Ollama (``EstimateInputTokens`` in ``anthropic/anthropic.go``).
    """
    size = sum(len(message.content) for message in call.messages)
    if call.tools:
        size += len(_encode(call.tools))
    return max(1, size // 4)


def _beside_content(message: ollama.Message) -> int:
    total = _AROUND_MESSAGE + _IMAGE * len(message.images or ())
    if message.thinking:
        total += tokens.about(message.thinking)
    if message.tool_calls:
        total += tokens.about(_encode(message.tool_calls).decode())
    return total
