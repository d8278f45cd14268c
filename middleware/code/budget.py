"""Budget: how much of a hole a model's context has room for.

What does not fit is left out by us: Ollama would cut the prompt anywhere, and with it
the markers (specification: code completion, section 4).  Pure but for what ``Ratios``
remembers.
"""

import math

from app import tokens as kinds

from .hole import File, Hole

#: Characters of code that a token has, until a model's own prompts tell.
CHARACTERS = 3.2
#: Tokens that markers and paths may need beside the text.
MARGIN = 64
#: Characters to either side that tell how dense a text is.
_NEAR = 2000
#: What a file costs beside its path and its text, in characters.
_AROUND_FILE = 32

#: Models whose ratio is remembered.
_MODELS = 500
#: Shorter prompts tell too little, in characters.
_TELLING = 400
#: Other ratios are no text's: an older Ollama does not count what it had cached.
_CREDIBLE = (0.5, 5.0)
#: From so much of a context on it is full, and then the ratio becomes so much less.
_FULL = 0.98
_DENSER = 0.8
#: How much the newest prompt counts.
_WEIGHT = 0.2


class Ratios:
    """How many characters a token has, by model: a moving average."""

    def __init__(self) -> None:
        self._known: dict[str, float] = {}

    def of(self, model: str) -> float:
        """Characters of one token."""
        return self._known.get(model, CHARACTERS)

    def learn(
        self, model: str, characters: int, tokens: int, *, context: float = math.inf
    ) -> None:
        """Take in how many tokens Ollama found in a prompt of so many characters.

        As many as the ``context`` holds may be what was left of more.
        """
        if characters < _TELLING or tokens <= 0:
            return
        if tokens >= _FULL * context:
            self._known[model] = _DENSER * self.of(model)
            return
        ratio = characters / tokens
        if not _CREDIBLE[0] <= ratio <= _CREDIBLE[1]:
            return
        known = self._known.pop(model, ratio)
        while len(self._known) >= _MODELS:
            del self._known[next(iter(self._known))]
        self._known[model] = known + _WEIGHT * (ratio - known)


def density(hole: Hole, usual: float) -> float:
    """How many characters of a hole a token has, ``usual`` unless it is much denser.

    Texts in other scripts have more tokens than code; what stands next to the hole is
    looked at.
    """
    near = hole.prefix[-_NEAR:] + hole.suffix[:_NEAR]
    if near.isascii():
        return usual
    return min(usual, len(near) / max(kinds.about(near), 1))


def size(hole: Hole) -> int:
    """How many characters a hole's texts have."""
    return len(hole.prefix) + len(hole.suffix) + sum(map(_cost, hole.files))


def trimmed(hole: Hole, room: int) -> Hole:
    """The hole within ``room`` characters, about.

    The text before keeps its end and has three quarters, the text after its beginning
    and a quarter; what one does not need the other has, and the files have the rest,
    the last of them first.  Texts are cut at lines.
    """
    before, after = _shares(len(hole.prefix), len(hole.suffix), max(room, 0))
    prefix, suffix = _end_of(hole.prefix, before), _beginning_of(hole.suffix, after)
    left = room - len(prefix) - len(suffix)
    return hole._replace(prefix=prefix, suffix=suffix, files=_fitting(hole.files, left))


def _shares(prefix: int, suffix: int, room: int) -> tuple[int, int]:
    """How many characters of the two texts there is room for."""
    before = min(prefix, max(room * 3 // 4, room - suffix))
    return before, min(room - before, suffix)


def _end_of(text: str, room: int) -> str:
    """The last lines of a text; a part of a line where that is most of them."""
    if len(text) <= room:
        return text
    start = len(text) - room
    line = text.find("\n", max(start - 1, 0)) + 1
    return text[line if 0 < line <= start + room // 2 else start :]


def _beginning_of(text: str, room: int) -> str:
    """The first lines of a text, in the same way."""
    if len(text) <= room:
        return text
    line = text.rfind("\n", 0, room) + 1
    return text[: line if line >= room // 2 else room]


def _fitting(files: tuple[File, ...], room: int) -> tuple[File, ...]:
    """Those files that fit, in their order; the last ones are the best."""
    kept: list[File] = []
    for file in reversed(files):
        if (cost := _cost(file)) <= room:
            kept.append(file)
            room -= cost
    return tuple(reversed(kept))


def _cost(file: File) -> int:
    return len(file.path) + len(file.text) + _AROUND_FILE
