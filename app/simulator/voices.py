"""Two ways to speak: the recorded tables of ``tiny*``, and the echo of the others.

A voice renders a call as a prompt, counts tokens, and gives the tokens of the
answer.  Both are pure: the same call gives the same tokens.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from . import text, tiny
from .tiny import DATA, Token

Chances = list[tuple[bytes, float]]


class Voice(Protocol):
    """What the generating routes need of a model."""

    def render(self, call: Any) -> str:
        """The prompt that the call becomes."""
        ...

    def count(self, call: Any, prompt: str) -> int:
        """Tokens of a prompt, images included."""
        ...

    def numbers(self, prompt: str) -> list[int]:
        """Token numbers of a text, for ``context``."""
        ...

    def told(self, numbers: list[int]) -> str:
        """The text that token numbers stand for."""
        ...

    def tokens(self, call: Any, prompt: str) -> Iterator[Token]:
        """The answer, token by token."""
        ...

    def spell(self, said: str) -> Iterator[Token]:
        """A given text, token by token."""
        ...

    def chances(self, token: Token, top: int) -> Chances:
        """A token's log probability, then those of the likeliest."""
        ...


class Tiny:
    """A recorded model; ``kind`` is its name."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def render(self, call: Any) -> str:
        """The prompt that the call becomes."""
        return tiny.render(self.kind, call)

    def count(self, call: Any, prompt: str) -> int:
        """Tokens of a prompt, images included."""
        # An image of 56 x 56 becomes 17 tokens in place of its mark's 7.
        seen = call.image_count if self.kind == "tiny-vision" else 0
        return 1 + len(tiny.tokenize(prompt)) + 10 * seen

    def numbers(self, prompt: str) -> list[int]:
        """Token numbers of a text, for ``context``."""
        return tiny.tokenize(prompt)

    def told(self, numbers: list[int]) -> str:
        """The text that token numbers stand for."""
        return tiny.detokenize(numbers)

    def tokens(self, call: Any, prompt: str) -> Iterator[Token]:
        """The answer, token by token."""
        if self.kind == "tiny-rand":
            return _babble(call, prompt)
        if call.format == "json":
            return tiny.follow("<|a:json|>")
        if call.format is not None and not call.thinks:
            return tiny.spell(text.formatted(call, call.said))
        return tiny.follow(prompt)

    def spell(self, said: str) -> Iterator[Token]:
        """A given text, token by token."""
        return tiny.spell(said)

    def chances(self, token: Token, top: int) -> Chances:
        """A token's log probability, then those of the likeliest."""
        return tiny.chances(token, top, self.kind == "tiny-soft")


def _babble(call: Any, prompt: str) -> Iterator[Token]:
    """Words that depend on prompt, seed and temperature, and never end."""
    words: list[str] = DATA["words"]
    heat = call.options.get("temperature", 0.8)
    base = (prompt, heat, call.seed if heat else None)
    place = 0
    while True:
        word = words[text.seed_of(*base, place) % len(words)]
        yield Token(word.replace("\u2581", " ").encode(), place)
        place += 1


class Echo:
    """A model that answers with the user's words, or with so many chunks."""

    def render(self, call: Any) -> str:
        """The prompt that the call becomes."""
        if call.suffix:
            return f"<PRE>{call.prompt}<SUF>{call.suffix}<MID>"
        head = "".join(f"{tool}\n" for tool in call.tools)
        turns = (f"<|{m.get('role', '')}|>{_shown(m)}\n" for m in call.messages)
        return f"{head}{''.join(turns)}<|assistant|>"

    def count(self, call: Any, prompt: str) -> int:
        """Tokens of a prompt, images included."""
        images: int = call.image_count
        return text.count(prompt) + 256 * images

    def numbers(self, prompt: str) -> list[int]:
        """Token numbers of a text, for ``context``."""
        return [text.seed_of(piece) % 32000 for piece in text.pieces(prompt)]

    def told(self, numbers: list[int]) -> str:
        """The text that token numbers stand for."""
        return "".join(f" {number}" for number in numbers)

    def tokens(self, call: Any, prompt: str) -> Iterator[Token]:
        """The answer, token by token."""
        call.text = prompt
        behaviour = call.model.behaviour
        if behaviour.chunks and call.format is None and not call.tools:
            if call.thinks:
                yield from self.spell("<think>\nA count was asked for.\n</think>\n\n")
            yield from (Token(chunk(behaviour.bytes)) for _ in range(behaviour.chunks))
        elif call.thinks and call.format is not None:
            yield from self.spell("<think>\nThe form is given.\n</think>\n\nSo")
        else:
            yield from self.spell(text.answer(call))

    def spell(self, said: str) -> Iterator[Token]:
        """A given text, token by token."""
        for place, raw in enumerate(text.pieces(said)):
            yield Token(raw, place)

    def chances(self, token: Token, top: int) -> Chances:
        """A token's log probability, then those of the likeliest."""
        return text.chances(token.raw, top, token.number)


def _shown(message: dict[str, Any]) -> str:
    images = "".join("[img]" for _ in message.get("images", []))
    calls = "".join(str(call) for call in message.get("tool_calls", []))
    return f"{images}{message.get('content', '')}{calls}"


def chunk(size: int) -> bytes:
    """One token of ``size`` bytes; 0 means an ordinary word."""
    return b" word" if not size else (b" " + b"x" * (size - 1))


_echo = Echo()


def of(model: Any) -> Voice:
    """The voice of a model."""
    return Tiny(model.voice) if model.voice else _echo
