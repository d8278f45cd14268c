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

    def render(self, call: Any) -> str: ...

    def count(self, call: Any, prompt: str) -> int: ...

    def numbers(self, prompt: str) -> list[int]: ...

    def told(self, numbers: list[int]) -> str: ...

    def tokens(self, call: Any, prompt: str) -> Iterator[Token]: ...

    def spell(self, said: str) -> Iterator[Token]: ...

    def chances(self, token: Token, top: int) -> Chances: ...


class Tiny:
    """A recorded model; ``kind`` is its name."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def render(self, call: Any) -> str:
        return tiny.render(self.kind, call)

    def count(self, call: Any, prompt: str) -> int:
        # An image of 56 x 56 becomes 17 tokens in place of its mark's 7.
        seen = call.image_count if self.kind == "tiny-vision" else 0
        return 1 + len(tiny.tokenize(prompt)) + 10 * seen

    def numbers(self, prompt: str) -> list[int]:
        return tiny.tokenize(prompt)

    def told(self, numbers: list[int]) -> str:
        return tiny.detokenize(numbers)

    def tokens(self, call: Any, prompt: str) -> Iterator[Token]:
        if self.kind == "tiny-rand":
            return _babble(call, prompt)
        if call.format == "json":
            return tiny.follow("<|a:json|>")
        if call.format is not None and not call.thinks:
            return tiny.spell(text.formatted(call, call.said))
        return tiny.follow(prompt)

    def spell(self, said: str) -> Iterator[Token]:
        return tiny.spell(said)

    def chances(self, token: Token, top: int) -> Chances:
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
        if call.suffix:
            return f"<PRE>{call.prompt}<SUF>{call.suffix}<MID>"
        head = "".join(f"{tool}\n" for tool in call.tools)
        turns = (f"<|{m.get('role', '')}|>{_shown(m)}\n" for m in call.messages)
        return f"{head}{''.join(turns)}<|assistant|>"

    def count(self, call: Any, prompt: str) -> int:
        return text.count(prompt) + 256 * call.image_count

    def numbers(self, prompt: str) -> list[int]:
        return [text.seed_of(piece) % 32000 for piece in text.pieces(prompt)]

    def told(self, numbers: list[int]) -> str:
        return "".join(f" {number}" for number in numbers)

    def tokens(self, call: Any, prompt: str) -> Iterator[Token]:
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
        for place, raw in enumerate(text.pieces(said)):
            yield Token(raw, place)

    def chances(self, token: Token, top: int) -> Chances:
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
