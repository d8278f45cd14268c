"""Parser: what a prompt of an editor says about its hole, pure.

It knows the document's form (``# Language:``, ``# Path:``, ``<SUF>``, ``<MID>``), the
form of each editor around it, and the markers of other families (specification: code
completion, section 3).  Linear: it searches for fixed texts, and looks with regular
expressions at single short lines only.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote

from .hole import Hole
from .languages import language_of

_PRE, _SUF, _MID = "<PRE>", "<SUF>", "<MID>"
_CODELLAMA = "codellama"
_BLANKS = " \t\r\n"
#: A longer line is no header: half a value would be a wrong one.
_LONGEST = 1024
#: Editors write blank lines before their header (twinny).
_BLANK_LINES = 3

_HEADER = re.compile(
    r"""[ \t]*
    (?: \# | // | -- | ; | % | " | ' | rem(?=[ \t]) | <!-- | /\* | \(\* | \{- | \* )
    [ \t]*
    (?: (?P<language> language | lang )
      | path | file[ ]path | filepath | file[ ]uri | filename | file )
    [ \t]* : (?P<value> .* )""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
#: A path without a language, in any other form, is a line of the file itself.
_LONE_PATH = "# Path: "
_CLOSES = ("-->", "*/", "*)", "-}")
#: twinny: ``TypeScript (typescript)``.
_IDENTIFIER = re.compile(r" \([A-Za-z][\w+#.-]*\)\Z", re.ASCII)
#: twinny puts two line breaks where its context would be.
_TWINNYS_CODESTRAL = "\n\n[SUFFIX]"
_DRIVE = re.compile(r"/[A-Za-z]:")


#: How prompts begin that show other files before the place, in a model's own form.
_FILES = (
    "<|repo_name|>",
    "<|file_sep|>",
    "<|file_separator|>",
    "<repo_name>",
    "<reponame>",
    "<file_sep>",
)


class Markers(NamedTuple):
    """What a family puts around prefix and suffix; an empty ``middle`` is none."""

    name: str
    prefix: str
    suffix: str
    middle: str
    suffix_first: bool = False


FOREIGN: tuple[Markers, ...] = (
    Markers("starcoder", "<fim_prefix>", "<fim_suffix>", "<fim_middle>"),
    Markers("santacoder", "<fim-prefix>", "<fim-suffix>", "<fim-middle>"),
    Markers("qwen", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    # The bars are U+FF5C, the low lines U+2581.
    Markers(
        "deepseek",
        "<\uff5cfim\u2581begin\uff5c>",
        "<\uff5cfim\u2581hole\uff5c>",
        "<\uff5cfim\u2581end\uff5c>",
    ),
    Markers("codestral", "[PREFIX]", "[SUFFIX]", "", suffix_first=True),
    Markers(
        "seed-coder",
        "<[fim-prefix]>",
        "<[fim-suffix]>",
        "<[fim-middle]>",
        suffix_first=True,
    ),
    # As some editors write it, though the model has learnt it the other way round.
    Markers("prefix-first", "<[fim-prefix]>", "<[fim-suffix]>", "<[fim-middle]>"),
)


class _Parts(NamedTuple):
    """A prompt in another family's form: its name, and its two texts."""

    name: str
    prefix: str
    suffix: str


class _Field(NamedTuple):
    """A header line; ``end`` is where the next line begins."""

    is_language: bool
    value: str
    end: int


class _Header(NamedTuple):
    """What the header says; without one, it ends where it would begin."""

    end: int
    language: str = ""
    path: str = ""


def parse(prompt: str, suffix: str = "", *, strict: bool = False) -> Hole:
    """The hole that a prompt describes; a ``suffix`` beside it beats its markers.

    Prefix and suffix are pieces of the prompt, byte for byte.  ``strict`` keeps to what
    the original server reads: no other form of header, no other markers.
    """
    if strict:
        return _original(prompt, suffix)
    if not suffix and (parts := _foreign(prompt)):
        head = _header(parts.prefix, 0, len(parts.prefix))
        prefix = parts.prefix[head.end :]
        return Hole(prefix, parts.suffix, head.language, head.path)
    return _own(prompt, suffix)


def known(hole: Hole) -> Hole:
    """The hole with its language, inferred from its path where nobody said it."""
    if hole.language or not hole.path:
        return hole
    return hole._replace(language=language_of(hole.path))


def markers(prompt: str, *, strict: bool = False) -> str:
    """Whose full set of markers a prompt carries: a name of ``FOREIGN``, or codellama.

    Nothing for text that has some of them, or has them elsewhere; ``strict`` knows
    Code Llama's alone, as ``parse`` does.
    """
    if not strict and (parts := _foreign(prompt)):
        return parts.name
    at_edge = prompt.startswith(_PRE) or prompt.rstrip(_BLANKS).endswith(_MID)
    return _CODELLAMA if at_edge and _SUF in prompt else ""


def _foreign(prompt: str) -> _Parts | None:
    """The prompt as another family's, if its markers are exactly where they belong."""
    if prompt.startswith(_TWINNYS_CODESTRAL):
        prompt = prompt[2:]
    if not prompt.startswith(("<", "[")):
        return None
    in_files = prompt.startswith(_FILES)
    for each in FOREIGN:
        first, second = each.prefix, each.suffix
        if each.suffix_first:
            first, second = second, first
        at = max(prompt.find(first), 0) if in_files else 0
        if not prompt.startswith(first, at):
            continue
        if texts := _between(prompt[at:], first, second, each.middle):
            prefix, suffix = texts[::-1] if each.suffix_first else texts
            return _Parts(each.name, prefix, suffix)
    return None


def _between(prompt: str, first: str, second: str, last: str) -> tuple[str, str] | None:
    """The texts after the first and the second marker, if there are all of them."""
    end = len(prompt)
    if last:
        end = len(prompt.rstrip(_BLANKS)) - len(last)
        if not prompt.startswith(last, max(end, 0)):
            return None
    at = prompt.find(second, len(first), end)
    if at < 0:
        return None
    return prompt[len(first) : at], prompt[at + len(second) : end]


def _own(prompt: str, suffix: str) -> Hole:
    """The hole of a prompt in the document's form, or in none."""
    start = _skipped(prompt, len(_PRE)) if prompt.startswith(_PRE) else 0
    end = len(prompt) if suffix else _end(prompt, start)
    head = _header(prompt, start, end)
    if suffix:
        return Hole(prompt[head.end :], suffix, head.language, head.path)
    at = prompt.find(_SUF, head.end, end)
    if at < 0:
        if not head.end:  # Nothing says that a last <MID> is more than text.
            end = len(prompt)
        return Hole(prompt[head.end : end], "", head.language, head.path)
    before = prompt[head.end : at].removesuffix(" ")
    after = prompt[_skipped(prompt, at + len(_SUF)) : end]
    return Hole(before, after, head.language, head.path)


def _skipped(prompt: str, start: int) -> int:
    """The place, or the next one if there is a space."""
    return start + prompt.startswith(" ", start)


def _end(prompt: str, start: int) -> int:
    """Where the text ends: before a last ``<MID>`` and one space."""
    text = prompt.rstrip(_BLANKS)
    if not text.endswith(_MID):
        return len(prompt)
    end = len(text) - len(_MID)
    return max(end - prompt.startswith(" ", max(end - 1, 0)), start)


def _header(text: str, start: int, end: int) -> _Header:
    """The header that begins there, perhaps after some blank lines."""
    at = _after_blank_lines(text, start, end)
    first = _field(text, at, end)
    if not first:
        return _Header(start)
    second = _field(text, first.end, end)
    if second and second.is_language != first.is_language:
        language, path = (first, second) if first.is_language else (second, first)
        return _Header(second.end, language.value, path.value)
    if first.is_language:
        return _Header(first.end, language=first.value)
    if text.startswith(_LONE_PATH, at, end):
        return _Header(first.end, path=first.value)
    return _Header(start)


def _after_blank_lines(text: str, start: int, end: int) -> int:
    for _ in range(_BLANK_LINES):
        line, after = _line(text, start, end)
        if line is None or line.strip(_BLANKS):
            break
        start = after
    return start


def _field(text: str, start: int, end: int) -> _Field | None:
    """The header line that begins there, if it is one."""
    line, after = _line(text, start, end)
    if line is None or _SUF in line or not (found := _HEADER.fullmatch(line)):
        return None  # the place itself is in no header
    return _Field(found["language"] is not None, _value(found["value"]), after)


def _line(text: str, start: int, end: int) -> tuple[str | None, int]:
    """The line that begins there, and where the next does; no line if it is long."""
    stop = text.find("\n", start, min(end, start + _LONGEST + 1))
    if stop >= 0:
        return text[start:stop], stop + 1
    if end - start > _LONGEST:
        return None, start
    return text[start:end], end


def _value(text: str) -> str:
    """A header's value without what belongs to the comment, or to the editor."""
    value = text.strip(_BLANKS)
    if value.endswith(_CLOSES):
        value = value[: -len("-->") if value.endswith("-->") else -len("*/")]
    value = _IDENTIFIER.sub("", value.rstrip(_BLANKS)).rstrip(_BLANKS)
    return _local(value) if value[:7].lower() == "file://" else value


def _local(uri: str) -> str:
    """The path of a ``file://`` URI, as the editor's machine writes it."""
    path = unquote(uri[7:])
    if not path.startswith("/"):  # The name of a machine.
        return f"//{path}"
    return path[1:] if _DRIVE.match(path) else path


def _original(prompt: str, suffix: str) -> Hole:
    """What the original server makes of a prompt (section 1.1), oddities included."""
    language, start = _rest_of_line(prompt, 0, "# Language: ")
    path, start = _rest_of_line(prompt, start, "# Path: ")
    at = -1 if suffix else prompt.find(" <SUF> ")
    if at < 0:
        return Hole(prompt[start:], suffix, language, path)
    # A marker that comes too early ends nothing: both are sought in the whole prompt.
    prefix = prompt[start:at] if at >= start else prompt[start:]
    after = at + len(" <SUF> ")
    end = prompt.find(" <MID>")
    suffix = prompt[after:end] if end >= after else prompt[after:]
    return Hole(prefix, suffix, language, path)


def _rest_of_line(prompt: str, start: int, mark: str) -> tuple[str, int]:
    """What follows a mark in the line, and where the body begins.

    The line that nothing follows leaves the body at the very beginning.
    """
    stop = prompt.find("\n", start)
    end = stop if stop >= 0 else len(prompt)
    at = prompt.find(mark, start, end)
    if at < 0:
        return "", start
    return prompt[at + len(mark) : end], stop + 1
