"""Whatever a prompt holds, it is read: without error, without loss, in linear time."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from support.server import PATIENCE, ROOT, clean_environ

from middleware.code import parser
from middleware.code.hole import Hole
from middleware.code.languages import comment_sign
from middleware.code.parser import FOREIGN, Markers, known, markers, parse

#: Text as files have it, pieces of markers, and what looks like a header.
PLAIN = ["<", "<SUF", "SUF>", "<PRE> ", "<MID", " ", "  ", "\n", "\r\n", "\t", "\u2028"]
PLAIN += [
    "😀",
    "\ud800",
    "é",
    "#",
    "# ",
    "// ",
    "def f(x):\n    return x\n",
    "[",
    "<fim_",
]
HEADERS = [
    "# Path: a.py\n",
    "// Language: C\n",
    "<!-- Lang: x -->\n",
    "# File: b (c)\n",
]
MARKS = [mark for each in FOREIGN for mark in each[1:4] if mark]
MARKS += ["<SUF>", " <SUF> ", "<MID>", " <MID>", "<PRE>", "<PRE> ", "<PRE> <PRE> "]


def text(*pieces: str) -> st.SearchStrategy[str]:
    """Any text, with some pieces more often than chance would have them."""
    piece = st.one_of(st.sampled_from(pieces), st.text(max_size=5))
    return st.lists(piece, max_size=10).map("".join)


def rendered(hole: Hole) -> str:
    """A hole in llama-coder's form; its header only as far as there is one."""
    sign = comment_sign(hole.language, hole.path)
    language = f"{sign} Language: {hole.language}\n" if hole.language else ""
    path = f"{sign} Path: {hole.path}\n" if hole.path else ""
    return f"<PRE> {language}{path}{hole.prefix} <SUF> {hole.suffix} <MID>"


LANGUAGES = st.sampled_from(["Python", "TypeScript", "C++", "BAT file", "Lua", "LaTeX"])
#: Without what belongs to the editor, not to the path: blanks around it, an identifier
#: in brackets behind it, the end of a comment, a URI.
PATHS = st.from_regex(r"[\w/.~+-]([\w/.~+ -]{0,60}[\w/.~+-])?", fullmatch=True)


@given(text(*PLAIN, *HEADERS, *MARKS), text(*PLAIN, *HEADERS, *MARKS), LANGUAGES, PATHS)
@example(" \r\n", " \r\n", "C++", "a")
@example("", "", "Python", "a b")
@example("<MID>", " <SUF> <MID> ", "Python", "a")
def test_a_hole_with_a_header(
    prefix: str, suffix: str, language: str, path: str
) -> None:
    """What is written with a full header is read again, character by character.

    Lost is only a prefix with the mark itself: the first one counts.
    """
    assume("<SUF>" not in prefix)
    hole = Hole(prefix, suffix, language, path)
    assert parse(rendered(hole)) == hole


@given(text(*PLAIN, *HEADERS, *MARKS), text(*PLAIN, *HEADERS, *MARKS))
@example("\n\n", "")
@example("\n# Path", "# Path: a")
def test_a_hole_without_a_header(prefix: str, suffix: str) -> None:
    """Without a header, a prefix is read again that does not begin like one.

    Nobody could tell such lines of the file from an editor's.
    """
    assume("<SUF>" not in prefix)
    assume(not re.match(r"(?is)\s*[^\w\s]*(rem)?\s*(lang|path|file)[\w ]*\s*:", prefix))
    assert parse(rendered(Hole(prefix, suffix))) == Hole(prefix, suffix)


@given(text(*PLAIN, *HEADERS), text(*PLAIN, *HEADERS), LANGUAGES, PATHS)
def test_a_hole_for_the_original(
    prefix: str, suffix: str, language: str, path: str
) -> None:
    """The strict parser reads its own form again; no text may have a mark at all."""
    assume("<SUF>" not in prefix + suffix)
    assume("<MID>" not in prefix + suffix)
    hole = Hole(prefix, suffix, language, path)
    form = f"# Language: {language}\n# Path: {path}\n{prefix} <SUF> {suffix} <MID>"
    assert parse(form, strict=True) == hole
    assert parse(f"<PRE> {form}", strict=True) == hole


@pytest.mark.parametrize("each", FOREIGN)
@given(prefix=text(*PLAIN, *HEADERS, *MARKS), suffix=text(*PLAIN, *HEADERS, *MARKS))
def test_a_hole_of_another_family(each: Markers, prefix: str, suffix: str) -> None:
    """Another family's form is read again, unless its first text has the second mark.

    A header takes the place of one that the prefix might begin with.
    """
    first, second = (prefix, suffix)[:: -1 if each.suffix_first else 1]
    marks = (each.prefix, each.suffix)[:: -1 if each.suffix_first else 1]
    head = "# Language: C\n# Path: a.c\n"
    assume(marks[1] not in first)
    first, second = (
        (first, head + second) if each.suffix_first else (head + first, second)
    )
    form = f"{marks[0]}{first}{marks[1]}{second}{each.middle}"
    assert parse(form) == Hole(prefix, suffix, "C", "a.c")
    assert markers(form) == each.name


@given(text(*PLAIN, *HEADERS, *MARKS), st.sampled_from(["", "s"]), st.booleans())
def test_any_text(prompt: str, suffix: str, strict: bool) -> None:
    """Any text is read; nothing gets into prefix and suffix that was not there."""
    hole = known(parse(prompt, suffix, strict=strict))
    assert hole.prefix in prompt
    assert hole.suffix == suffix if suffix else hole.suffix in prompt
    assert markers(prompt) in ("", "codellama", *(each.name for each in FOREIGN))


class Bounded:
    """An expression that is only asked about short texts."""

    def __init__(self, expression: "re.Pattern[str]") -> None:
        self.expression = expression
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        def ask(*arguments: str) -> Any:
            self.asked += 1
            assert len(arguments[-1]) <= 1024
            return getattr(self.expression, name)(*arguments)

        return ask


HEAD = "# Language: %s\n# Path: file:///%s\n%s"


@pytest.mark.parametrize(
    "prompt",
    [
        HEAD % ("C (c)", "a.c", 3000 * "x"),
        HEAD % ("C", 3000 * "x", ""),
        HEAD % (3000 * " (x", "a", ""),
        3000 * "\n" + HEAD % ("C", "a", ""),
        3000 * " " + "\n" + HEAD % ("C", "a", ""),
        "<fim_prefix>" + 3000 * "x" + "<fim_suffix>" + 3000 * "x" + "<fim_middle>",
        "<PRE> " + 3000 * "x" + " <SUF> " + 3000 * "x" + " <MID>",
    ],
)
def test_expressions_see_short_texts(
    prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A regular expression, which might take long, only sees short lines."""
    patterns = {k: v for k, v in vars(parser).items() if isinstance(v, re.Pattern)}
    bounded = {name: Bounded(pattern) for name, pattern in patterns.items()}
    for name, stand_in in bounded.items():
        monkeypatch.setattr(parser, name, stand_in)
    parse(HEAD % ("C (c)", "a.c", ""))
    assert all(each.asked for each in bounded.values())
    parse(prompt)


#: By name: what stands before and after the part that grows.
GROWING = {
    "code": ("<PRE> # Language: C\n# Path: a.c\n", "x = 1;\n", " <SUF> x <MID>"),
    "a suffix": ("a <SUF> ", "x = 1;\n", " <MID>"),
    "marks": ("", "<SUF>", ""),
    "marks with blanks": ("", " <SUF> ", ""),
    "beginnings of marks": ("", " <SU", ""),
    "last marks": ("", "<MID>", ""),
    "last marks with blanks": ("", " <MID>", ""),
    "first marks": ("", "<PRE> ", ""),
    "line feeds": ("", "\n", ""),
    "line feeds after a mark": ("<PRE> ", "\r\n", "# Language: C\n"),
    "header lines": ("", "# Language: C\n", ""),
    "blanks before the end": ("a <SUF> b", " ", "<MID>"),
    "blanks at the end": ("a <SUF> b <MID>", " ", ""),
    "one line": ("", "x", ""),
    "a long header": ("# Language: ", " (x", "\n"),
    "a long blank line": ("", " ", "\n# Language: C\n"),
    "marks of others": ("", "<fim_prefix>", ""),
    "others' second marks": ("[SUFFIX]", "[PREFIX]", ""),
    "almost a mark of others": ("<fim_prefix>", "<fim_suffix", "<fim_middle>"),
    "others' lines": ("<fim_prefix>", "\n", "# Path: a\n<fim_suffix><fim_middle>"),
}
COUNTING = """
import json, sys
from middleware.code.parser import known, markers, parse
from tests.support.counting import Work

work = Work()
ways = {
    "parse": lambda prompt: known(parse(prompt)),
    "strict": lambda prompt: known(parse(prompt, strict=True)),
    "suffix": lambda prompt: known(parse(prompt, "s")),
    "markers": markers,
}
counts = {}
for name, (before, part, after) in json.load(sys.stdin).items():
    prompts = [before + size * part + after for size in (20_000, 20_000, 40_000)]
    for way, ask in ways.items():
        counted = [work.of(lambda: ask(prompt)) for prompt in prompts]
        counts[f"{way}: {name}"] = [sum(each.values()) for each in counted[1:]]
print(json.dumps(counts))
"""


def test_linear() -> None:
    """A prompt twice as long takes not one instruction, or call, more.

    What grows is only what a call takes that searches for a fixed text, or copies.
    """
    said = subprocess.run(
        [sys.executable, "-c", COUNTING],
        input=json.dumps(GROWING),
        cwd=ROOT,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )
    assert said.returncode == 0, said.stderr[-4000:]
    counts = json.loads(said.stdout)
    assert len(counts) == 4 * len(GROWING)
    assert all(once > 0 for once, _ in counts.values())
    assert {name: both for name, both in counts.items() if both[1] > both[0]} == {}
