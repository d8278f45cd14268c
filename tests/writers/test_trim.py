import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from writers.trim import JOINER, Trimmer

ENDS = ("<END>", "<|e|>", "\n+++++ ")


def trimmed(pieces: list[str], *arguments: Any, **options: Any) -> str:
    """What a trimmer lets out of all pieces."""
    trimmer = Trimmer(*arguments, **options)
    return "".join(map(trimmer.feed, pieces)) + trimmer.finish()


@pytest.mark.parametrize(
    ("text", "options", "want"),
    [
        ("  a b\n", {}, "  a b\n"),
        ("", {"ends": ENDS, "suffix": "12345678", "max_lines": 1, "indent": 1}, ""),
        # ends
        ("a<END>b", {"ends": ENDS}, "a"),
        ("<END>", {"ends": ENDS}, ""),
        ("a<EN", {"ends": ENDS}, "a<EN"),
        ("a<E<END>", {"ends": ENDS}, "a<E"),
        ("if a <b", {"ends": ENDS}, "if a <b"),
        ("a\n+++++ f.py\n", {"ends": ENDS}, "a"),
        ("<|e|><END>", {"ends": ENDS}, ""),
        ("xabcd", {"ends": ["abcd", "bc"]}, "xa"),
        ("xabcd", {"ends": ["abc", "bc"]}, "x"),
        ("abc", {"ends": ["", ""]}, "abc"),
        # joiners
        (f"a<{JOINER}END>b<END>c", {"ends": ENDS, "joined": ENDS}, "a<END>b"),
        (f"a{JOINER}b", {}, f"a{JOINER}b"),
        # lines
        ("a\nb\nc", {"max_lines": 2}, "a\nb"),
        ("a\nb\n", {"max_lines": 2}, "a\nb"),
        ("a\nb", {"max_lines": 2}, "a\nb"),
        ("a\r\nb\r\nc", {"max_lines": 2}, "a\r\nb"),
        ("a\r", {"max_lines": 2}, "a\r"),
        ("\n\na", {"max_lines": 1}, ""),
        # indentation
        ("a\n  b\nc\n", {"indent": 2}, "a\n  b\n"),
        ("a\n\n \t\n  b\n c", {"indent": 2}, "a\n\n \t\n  b\n"),
        ("a\n\tb\n\t\tc\n\td", {"indent": 2}, "a\n"),
        ("a\r\n\r\n  b\r\nc", {"indent": 2}, "a\r\n\r\n  b\r\n"),
        ("a\n ", {"indent": 2}, "a\n "),
        ("a\n  b<END>", {"indent": 2, "ends": ENDS}, "a\n  b"),
        ("a\n <END>", {"indent": 2, "ends": ENDS}, "a\n "),
        # what stands behind the hole
        ("x = 1\n)  # the end", {"suffix": "\n)  # the end\nmore"}, "x = 1"),
        ("x\n)", {"suffix": "\n)\n\n"}, "x\n)"),
        ("x\n    ab cd e", {"suffix": "\n    ab cd ef gh"}, "x\n    ab cd e"),
        ("x\n    ab cd efg", {"suffix": "\n    ab cd efgh"}, "x\n    ab cd efg"),
        ("x\n    ab cd efgh", {"suffix": "\n    ab cd efgh"}, "x"),
        ("12345678 and", {"suffix": "12345678"}, "12345678 and"),
        ("1234567812345678", {"suffix": "12345678"}, "12345678"),
        ("aabaabaaabaabaac", {"suffix": "aabaabaac"}, "aabaaba"),
        ("    return", {"suffix": "    return a"}, "    return"),
        ("    return a_", {"suffix": "    return a_b"}, ""),
        # one after the other
        ("a\n12345678<END>", {"ends": ENDS, "suffix": "\n12345678"}, "a"),
        ("a\n12345678\n", {"max_lines": 2, "suffix": "\n12345678"}, "a"),
        ("a\n  b\n12345678", {"indent": 2, "suffix": "\n12345678"}, "a\n  b\n"),
    ],
)
def test_rules(text: str, options: dict[str, Any], want: str) -> None:
    """What stays of a text, whole or character by character."""
    assert trimmed([text], **options) == want
    assert trimmed(list(text), **options) == want


@pytest.mark.parametrize(
    ("pieces", "options", "out"),
    [
        (["a<", "E", "x"], {"ends": ENDS}, ["a", "", "<Ex"]),
        (["a", "\n ", " b"], {"indent": 2}, ["a", "\n", "  b"]),
        (["a\r", "\n"], {"max_lines": 5}, ["a", "\r\n"]),
        (["a\n", "\n123", "z"], {"suffix": "\n12345678"}, ["a", "\n", "\n123z"]),
        (["\n\n", "\n\n"], {"suffix": "\n12345678"}, ["\n", "\n\n"]),
    ],
)
def test_what_is_held_back(
    pieces: list[str], options: dict[str, Any], out: list[str]
) -> None:
    """Only what may have to go, and no longer than that."""
    trimmer = Trimmer(**options)
    assert [trimmer.feed(piece) for piece in pieces] == out


@pytest.mark.parametrize(
    ("text", "options", "word"),
    [
        ("a<END>", {"ends": ENDS}, "<END>"),
        ("a\n", {"max_lines": 1}, ""),
        ("a\nb", {"indent": 1}, ""),
    ],
)
def test_over(text: str, options: dict[str, Any], word: str) -> None:
    """It says at once that nothing more is wanted, and takes nothing more."""
    trimmer = Trimmer(**options)
    assert (trimmer.feed(text[:-1]), trimmer.over) != ("", True)
    trimmer.feed(text[-1])
    assert (trimmer.over, trimmer.word) == (True, word)
    assert (trimmer.feed("more"), trimmer.finish()) == ("", "")


def test_an_end_that_comes_last() -> None:
    """What was held back can end the text too."""
    trimmer = Trimmer(["\n<END>"], max_lines=1)
    assert (trimmer.feed("a\n"), trimmer.over) == ("a", False)
    assert (trimmer.finish(), trimmer.over) == ("", True)


# ------------------------------------------------------------- every cut


def reference(
    text: str,
    ends: list[str],
    suffix: str,
    max_lines: int,
    indent: int,
    joined: list[str],
) -> str:
    """The rules on a whole text, as simply as they can be said."""
    for stop in range(len(text)):
        if come := [end for end in ends if end and text[: stop + 1].endswith(end)]:
            text = text[: stop + 1 - max(map(len, come))]
            break
    for marker in joined:
        text = text.replace(marker[0] + JOINER + marker[1:], marker)
    lines = text.split("\n")
    if max_lines and len(lines) > max_lines:
        text = "\n".join(lines[:max_lines]).removesuffix("\r")
        lines = text.split("\n")
    for number, line in enumerate(lines):
        blanks = len(line) - len(line.lstrip())
        if number and line.strip() and blanks < indent:
            text = "\n".join([*lines[:number], ""])
            break
    for size in range(min(len(text), len(suffix)), 0, -1):
        if text.endswith(suffix[:size]):
            enough = len("".join(suffix[:size].split())) >= 8
            return text[:-size] if enough else text
    return text


#: Few letters, so that much repeats.
TEXTS = st.text("ab<\n \r" + JOINER, max_size=40)
SUFFIXES = st.one_of(TEXTS, st.text("ab", min_size=8, max_size=20))
OPTIONS = st.fixed_dictionaries(
    {
        "ends": st.lists(st.text("ab<\n", max_size=4), max_size=3),
        "suffix": SUFFIXES,
        "max_lines": st.integers(0, 4),
        "indent": st.integers(0, 3),
        "joined": st.lists(st.text("ab<", min_size=2, max_size=4), max_size=2),
    }
)


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A text that may well end as the suffix begins, and how to trim it."""
    options = draw(OPTIONS)
    suffix = options["suffix"]
    repeated = suffix[: draw(st.integers(0, len(suffix)))]
    return draw(TEXTS) + repeated + draw(st.sampled_from(["", "", "a"])), options


@given(answers(), st.lists(st.integers(0, 60)))
@example(("a\r\n", {"max_lines": 1}), [2])
def test_any_cut(answer: tuple[str, dict[str, Any]], cuts: list[int]) -> None:
    """However a text is cut, what goes out is what the rules say of all of it."""
    text, options = answer
    places = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[start:end] for start, end in pairwise(places)]
    every = {"ends": [], "suffix": "", "max_lines": 0, "indent": 0, "joined": []}
    want = reference(text, **(every | options))
    assert trimmed(pieces, **options) == want
    assert trimmed([text], **options) == want
    assert trimmed(list(text), **options) == want


# ---------------------------------------------------------------- its cost


def _seconds(trimmer: Trimmer, pieces: list[str]) -> float:
    started = time.process_time()
    for piece in pieces:
        trimmer.feed(piece)
    trimmer.finish()
    return time.process_time() - started


@pytest.mark.parametrize("suffix", ["ab" * 500_000, " " * 1_000_000, "a" * 1_000_000])
def test_a_long_suffix_costs_nothing(suffix: str) -> None:
    """A megabyte behind the hole is not looked at, but for what matches."""
    trimmer = Trimmer(ENDS, suffix)
    assert _seconds(trimmer, [" foo", "(a)", "\n"] * 10) < 0.02
    table = trimmer._steps[-1]
    assert len(getattr(table, "_shorter", [])) < 10


def test_time_grows_with_the_text() -> None:
    """Twice as much of the worst text takes about twice as long."""
    suffix = "a" * 20_000 + "b"

    def best(size: int) -> float:
        pieces = ["a" * 10] * (size // 10)
        return min(_seconds(Trimmer(ENDS, suffix), pieces) for _ in range(3))

    assert best(60_000) < 6 * best(20_000) + 0.01
