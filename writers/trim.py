"""Trimmer: what becomes of a model's text on its way into an editor.

It takes the text in pieces, however they are cut, and gives of each what may go out:
what may yet have to go is held back until that is decided (specification: code
completion, sections 4 and 6).  It knows nothing of Ollama and of dialects.
"""

import re
from collections.abc import Sequence

#: Put into markers that are text, so that no model takes them for markers.
JOINER = "\u200d"
#: So much of the text behind the hole must be repeated to be taken for a repetition.
LEAST_REPEATED = 8

#: As much of a text as has so many characters that are not blank.
_REPEATED = re.compile(rf"(?:\s*+\S){{{LEAST_REPEATED}}}")
#: The end of a line, and the white space that begins the next one.
_LINE = re.compile(r"\n([^\S\n]*+)")


class _Step:
    """One rule: text in, text out; ``over`` says that it wants no more of it."""

    over = False

    def feed(self, text: str) -> str:
        """What may go out now."""
        raise NotImplementedError

    def rest(self) -> str:
        """What was held back, when nothing follows it."""
        return ""

    def finish(self, text: str) -> str:
        """The last of the text."""
        return "" if self.over else self.feed(text) + self.rest()


class Trimmer(_Step):
    """Trims one answer.

    ``ends`` are texts that end it and are no part of it.  ``suffix`` stands behind the
    hole: an answer that ends with at least eight characters of its beginning, blanks
    not counted, loses them.  ``max_lines`` is how many lines there may be, and
    ``indent`` how many blanks must begin every line but the first that has anything
    else; 0 is no limit.  ``joined`` are markers: a joiner after their first
    character is taken out again.  White space at the beginning always stays.

    ``over`` says that nothing more is wanted, ``broken`` that a line has gone out;
    ``word`` is the end that came, if one.
    """

    broken = False

    def __init__(
        self,
        ends: Sequence[str] = (),
        suffix: str = "",
        *,
        max_lines: int = 0,
        indent: int = 0,
        joined: Sequence[str] = (),
    ) -> None:
        wanted = tuple(end for end in ends if end)
        self._ends = _Ends(wanted) if wanted else None
        least = _REPEATED.match(suffix)
        steps = (
            self._ends,
            # After the ends: what was joined is text, though it now looks like one.
            _Joined(joined) if joined else None,
            _Lines(max_lines) if max_lines > 0 else None,
            _Indent(indent) if indent > 0 else None,
            _Repetition(suffix, least.end()) if least else None,
        )
        self._steps = [step for step in steps if step is not None]

    @property
    def word(self) -> str:
        """The end that came, empty for none."""
        return self._ends.word if self._ends is not None else ""

    def feed(self, text: str) -> str:
        """What may go out after one more piece."""
        if self.over:
            return ""
        for step in self._steps:
            text = step.feed(text)
            if step.over:
                self.over = True
        if "\n" in text:
            self.broken = True
        return text

    def finish(self, text: str = "") -> str:
        """What goes out when no more comes; called once."""
        for step in self._steps:
            text = step.finish(text)
            self.over = self.over or step.over
        return text


class _Ends(_Step):
    """Ends the text at the first of some texts that is complete."""

    def __init__(self, ends: tuple[str, ...]) -> None:
        self.word = ""
        self._ends = ends
        self._firsts = frozenset(end[0] for end in ends)
        self._longest = max(map(len, ends))
        self._held = ""

    def feed(self, text: str) -> str:
        """All but what may be the beginning of an end."""
        if not self._held and self._firsts.isdisjoint(text):
            return text
        text = self._held + text
        found = [(at + len(e), at, e) for e in self._ends if (at := text.find(e)) >= 0]
        if found:
            # The first to be complete, so that it does not matter how pieces are cut.
            _, at, self.word = min(found)
            self.over, self._held = True, ""
            return text[:at]
        at = _undecided(text, self._ends, self._longest)
        self._held = text[at:]
        return text[:at]

    def rest(self) -> str:
        """It became none."""
        return self._held


def _undecided(text: str, wanted: tuple[str, ...], longest: int) -> int:
    """Where the last of a text begins that may become one of those wanted."""
    firsts = {one[0] for one in wanted}
    for at in range(max(0, len(text) - longest + 1), len(text)):
        if text[at] in firsts:
            tail = text[at:]
            if any(one.startswith(tail) for one in wanted):
                return at
    return len(text)


class _Joined(_Step):
    """Takes the joiners out again that were put into some texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = {text[0] + JOINER + text[1:]: text for text in texts}
        self._longest = max(map(len, self._texts), default=0)
        self._held = ""

    def feed(self, text: str) -> str:
        """All but what may be the beginning of such a text."""
        text = self._held + text
        for joined, plain in self._texts.items():
            text = text.replace(joined, plain)
        at = _undecided(text, tuple(self._texts), self._longest)
        self._held = text[at:]
        return text[:at]

    def rest(self) -> str:
        """It became none."""
        return self._held


class _Lines(_Step):
    """Allows so many lines, the break after the last not counted."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._held = ""  # half of a line's end, maybe

    def feed(self, text: str) -> str:
        """The lines that are allowed."""
        text = self._held + text
        self._held = ""
        if (breaks := text.count("\n")) >= self._left:
            at = -1
            for _ in range(self._left):
                at = text.index("\n", at + 1)
            self.over = True
            return text[:at].removesuffix("\r")
        self._left -= breaks
        if text.endswith("\r"):
            text, self._held = text[:-1], "\r"
        return text

    def rest(self) -> str:
        """It was no line's end."""
        return "" if self.over else self._held


class _Indent(_Step):
    """Ends the text before a line that is not indented enough."""

    def __init__(self, least: int) -> None:
        self._least = least
        self._begun = True  # a line, with more than blanks
        self._held = ""

    def feed(self, text: str) -> str:
        """All but blanks at the beginning of a line, until more of it is known."""
        if self._begun and "\n" not in text:
            return text
        said = 0 if self._begun else 1  # the break before it is out already
        text = "\n" * said + self._held + text
        self._begun, self._held = True, ""
        for line in _LINE.finditer(text):
            if line.end() == len(text):
                self._begun, self._held = False, line[1]
                return text[said : line.start() + 1]
            if text[line.end()] != "\n" and len(line[1]) < self._least:
                self.over = True
                return text[said : line.start() + 1]
        return text[said:]

    def rest(self) -> str:
        """A line of blanks."""
        return self._held


class _Repetition(_Step):
    """Drops an end of the text that the suffix begins with.

    Knuth, Morris and Pratt: ``_matched`` is the length of the longest end of the text
    that the suffix begins with, and ``_shorter[n]`` that of the next shorter one when
    ``n + 1`` characters match.  The table grows only as far as something ever matched,
    for suffixes are long and matches are short.
    """

    def __init__(self, suffix: str, least: int) -> None:
        self._suffix = suffix
        self._first = suffix[0]
        self._least = least
        self._matched = 0
        self._shorter = [0]

    def feed(self, text: str) -> str:
        """All but what the suffix begins with."""
        held = self._matched
        if not held and self._first not in text:
            return text
        self._match(text)
        out = held + len(text) - self._matched
        return self._suffix[: min(held, out)] + text[: max(0, out - held)]

    def _match(self, text: str) -> None:
        suffix, shorter, matched = self._suffix, self._shorter, self._matched
        for character in text:
            if matched == len(suffix):
                matched = shorter[matched - 1]
            while matched and suffix[matched] != character:
                matched = shorter[matched - 1]
            if suffix[matched] == character:
                matched += 1
                if matched > len(shorter):
                    shorter.append(self._border(matched))
        self._matched = matched

    def _border(self, length: int) -> int:
        """The longest end, not all, of a beginning of the suffix that begins it too."""
        suffix, shorter = self._suffix, self._shorter
        last, border = suffix[length - 1], shorter[length - 2]
        while border and suffix[border] != last:
            border = shorter[border - 1]
        return border + 1 if suffix[border] == last else 0

    def rest(self) -> str:
        """What matches, if it is too little to be a repetition."""
        matched = self._matched
        return "" if matched >= self._least else self._suffix[:matched]
