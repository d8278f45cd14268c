"""Template: how a text is put together of what is known; compiled once, then joined.

Specification: code completion, section 4.  Text stands for itself.  In braces stand the
names of holes, ``{\\n}`` and ``{\\t}``, and special tokens (``{<fim_prefix>}``), which
are text too: Ollama's tokenizer knows them.  ``{{`` and ``}}`` are braces.  ``{bos}``
and ``{eos}`` are nothing: the runner adds what a model's tokenizer wants.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

#: What a prompt may be made of.
HOLES = (
    "code_prefix",
    "code_suffix",
    "code_language",
    "code_file_path",
    "repo_name",
    "extra",
)
#: What another file's text may be made of.
FILE_HOLES = ("file_path", "file_text")

#: So often a hole may stand: each has its text again, and that may be long.
_MOST = 2
#: A line with one of these is never left out: there, empty text says something.
_KEPT = frozenset(("code_prefix", "code_suffix", "file_text"))
_FIXED = {"\\n": "\n", "\\t": "\t", "bos": "", "eos": ""}
#: What is more than plain text; a brace by itself is a mistake.
_SPECIAL = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]|\n")


class TemplateError(ValueError):
    """A template cannot be used; the text is one sentence that says why."""


class _Part(NamedTuple):
    """A piece of a template: fixed text, or the name of a hole."""

    text: str = ""
    hole: str = ""
    token: bool = False
    ends_line: bool = False


class _Line(NamedTuple):
    """Parts that stay or go together.  ``needs``: holes, one of which must be filled.

    Without any the line always stays.
    """

    parts: tuple[_Part, ...]
    needs: tuple[str, ...]


class Template:
    """A text with holes.

    ``holes`` are the names that may stand in it, ``needed`` is the one that must.
    Raises ``TemplateError``.
    """

    def __init__(
        self, text: str, holes: Collection[str] = HOLES, needed: str = "code_prefix"
    ) -> None:
        parts = list(_parts(text, holes))
        if needed and not any(part.hole == needed for part in parts):
            raise TemplateError(f"the template has no {{{needed}}}")
        for hole, times in Counter(part.hole for part in parts if part.hole).items():
            if times > _MOST:
                raise TemplateError(
                    f"{{{hole}}} stands more than twice in the template"
                )
        self._lines = [_line(parts) for parts in _by_line(parts)]
        #: Its special tokens, each once.
        self.tokens = tuple(dict.fromkeys(part.text for part in parts if part.token))
        #: The names that stand in it.
        self.holes = frozenset(part.hole for part in parts if part.hole)

    def filled(self, values: Mapping[str, str]) -> str:
        """The text with a value for each of its holes.  Values are not looked into."""
        pieces: list[str] = []
        for line in self._lines:
            if line.needs and not any(values[name] for name in line.needs):
                continue
            pieces += [values[p.hole] if p.hole else p.text for p in line.parts]
        return "".join(pieces)


def _parts(text: str, holes: Collection[str]) -> Iterator[_Part]:
    """A template's parts, from left to right."""
    end = 0
    for found in _SPECIAL.finditer(text):
        if found.start() > end:
            yield _Part(text[end : found.start()])
        end = found.end()
        yield _part(found, holes)
    if end < len(text):
        yield _Part(text[end:])


def _part(found: re.Match[str], holes: Collection[str]) -> _Part:
    """What a special place of a template means."""
    whole, name = found[0], found[1]
    if whole in ("{{", "}}"):
        return _Part(whole[0])
    if whole == "\n" or name == "\\n":
        return _Part("\n", ends_line=True)
    if name is None:
        what = "is not closed" if whole == "{" else "closes nothing"
        place = f"at character {found.start() + 1} {what}"
        raise TemplateError(f"the brace {place}; a brace as text is written twice")
    if name in _FIXED:
        return _Part(_FIXED[name])
    if name in holes:
        return _Part(hole=name)
    if len(name) > 1 and name[0] == "<" and name[-1] == ">":
        return _Part(name, token=True)
    if re.fullmatch(r"#\d+", name):
        raise TemplateError("token ids cannot be sent through Ollama")
    known = ", ".join(f"{{{hole}}}" for hole in holes)
    raise TemplateError(f"{whole} is no hole of this template; its holes are {known}")


def _by_line(parts: list[_Part]) -> Iterator[list[_Part]]:
    """Parts by line, each with its line break.

    Extra context brings lines of its own: at the beginning of a line it is none of it,
    unless nothing else is in that line.
    """
    line: list[_Part] = []
    for at, part in enumerate(parts):
        line.append(part)
        alone = at + 1 == len(parts) or parts[at + 1].ends_line
        if part.ends_line or (len(line) == 1 and part.hole == "extra" and not alone):
            yield line
            line = []
    if line:
        yield line


def _line(parts: list[_Part]) -> _Line:
    """A line that goes when all of its holes are empty, if it may go."""
    holes = tuple(part.hole for part in parts if part.hole)
    stays = any(part.token or part.hole in _KEPT for part in parts)
    return _Line(tuple(parts), () if stays else holes)
