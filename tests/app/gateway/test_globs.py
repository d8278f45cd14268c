"""Globs: what patterns of names fit, and what the names of a model are."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.gateway.globs import Matcher, alias_names, check, matcher, names

case = pytest.mark.parametrize


@case(
    ("model", "wanted"),
    [
        ("qwen3", ("qwen3:latest", "qwen3")),
        ("qwen3:latest", ("qwen3:latest", "qwen3")),
        ("Qwen3:LATEST", ("qwen3:latest", "qwen3")),
        ("library/qwen3", ("qwen3:latest", "qwen3")),
        ("registry.ollama.ai/library/qwen3:8b", ("qwen3:8b",)),
        ("registry.ollama.ai/me/x", ("me/x:latest", "me/x")),
        ("https://registry.ollama.ai/library/qwen3", ("qwen3:latest", "qwen3")),
        ("hf.co/A/B-GGUF:Q4_K_M", ("hf.co/a/b-gguf:q4_k_m",)),
        ("localhost:5000/me/x", ("localhost:5000/me/x:latest", "localhost:5000/me/x")),
        ("gpt-oss:120b-cloud", ("gpt-oss:120b-cloud",)),
    ],
)
def test_names(model: str, wanted: tuple[str, ...]) -> None:
    """All spellings of a model have the same names, in lower case and short."""
    assert names(model) == wanted


NO_NAMES = [
    "",
    " ",
    " qwen3",
    "qwen3 ",
    "qwen3\n",
    "qw en3",
    "qwen3\x00",
    "\x00",
    "..",
    "../qwen3",
    "library/../qwen3",
    "library//qwen3",
    "/qwen3",
    "qwen3/",
    "qwen3:",
    ":latest",
    "qwen3:a:b",
    "qwen3:a/b",
    "a/b/c/qwen3",
    "x://registry.ollama.ai/library/qwen3",
    "https://qwen3",
    "qwen3\\",
    "qwen3:local",
    "qwen3:8b:local",
    "qwen3:LOCAL",
    "qwen3;x",
    "-qwen3",
    "qwen\uff13",
    "qwen3" * 20,
    "\u212aey",
]


@case("model", NO_NAMES)
def test_what_is_no_name(model: str) -> None:
    """What Ollama might read otherwise than globs do has no names: nothing fits it."""
    assert names(model) == ()
    assert not Matcher(["*"]).admits(names(model))


@case(
    ("glob", "fits", "fits_not"),
    [
        ("*", ["qwen3", "hf.co/a/b:q4", "a/b"], []),
        ("qwen3", ["qwen3", "QWEN3:latest", "library/qwen3"], ["qwen3:8b", "qwen33"]),
        ("QWEN3", ["qwen3"], []),
        ("qwen3:latest", ["qwen3", "qwen3:latest"], ["qwen3:8b"]),
        ("qwen3:*", ["qwen3", "qwen3:8b"], ["qwen3x:8b"]),
        ("qwen*", ["qwen3", "qwen3:8b", "qwen/x"], ["me/qwen3", "xqwen"]),
        ("*:8b", ["qwen3:8b", "a/b:8b"], ["qwen3", "qwen3:8bx"]),
        ("*/*", ["a/b", "hf.co/a/b"], ["qwen3", "library/qwen3"]),
        ("hf.co/*", ["hf.co/a/b:q4"], ["hf.com/a/b", "a/b"]),
        ("qwen?", ["qwen3", "qwen2"], ["qwen", "qwen33", "qwen3:8b"]),
        ("qwen[23]", ["qwen3", "qwen2"], ["qwen1", "qwen23"]),
        ("qwen[2-4]*", ["qwen3:8b"], ["qwen5"]),
        ("qwen[!2-4]", ["qwen5", "qwenx"], ["qwen3"]),
        ("qwen[^34]", ["qwen5"], ["qwen3"]),
        ("[A-Z]wen3", ["qwen3"], []),
        ("a[-b]c", ["a-c", "abc"], ["acc"]),
        ("a.c", ["a.c"], ["abc"]),
        ("a+b|c", [], ["aab", "c", "a"]),
        ("(a)", [], ["a"]),
        ("a[ ]b", [], ["ab", "a:b"]),
        ("a$", [], ["a"]),
        ("library/qwen3", ["qwen3", "library/qwen3"], ["me/qwen3"]),
        ("library/*", ["qwen3", "phi4:14b"], ["me/x", "hf.co/a/b"]),
        ("registry.ollama.ai/library/*", ["qwen3"], ["me/x", "hf.co/a/b"]),
        ("registry.ollama.ai/me/*", ["me/x"], ["hf.co/me/x", "qwen3"]),
        ("registry.ollama.ai/*", ["me/x", "qwen3"], ["hf.co/a/b"]),
        ("*a*b*", ["xaxbx", "ab"], ["ba"]),
        ("*ab*ab", ["abab", "ababab"], ["ab", "aba"]),
        ("[[]a]", [], ["a", "xa"]),
    ],
)
def test_what_fits(glob: str, fits: list[str], fits_not: list[str]) -> None:
    """A star stands for anything, case does not count, nothing else is special."""
    check(glob)
    only = Matcher([glob])
    assert [model for model in fits if not only.admits(names(model))] == []
    assert [model for model in fits_not if only.admits(names(model))] == []


@given(
    glob=st.text("ab/*?", min_size=1, max_size=12).filter(lambda g: g.count("*") < 9),
    name=st.text("ab/", min_size=1, max_size=14),
)
def test_as_a_plain_pattern(glob: str, name: str) -> None:
    """It fits what the plain, slow pattern fits."""
    slow = "".join({"*": ".*", "?": "."}.get(char, char) for char in glob)
    fits = any(re.fullmatch(slow, n) for n in alias_names(name))
    assert Matcher([glob]).admits(alias_names(name)) == fits


@case(
    ("allow", "deny", "admits"),
    [
        (["*"], [], True),
        ([], [], False),
        ([], ["x"], False),
        (["*"], ["qwen*"], False),
        (["qwen3"], ["qwen3:8b"], True),
        (["phi*", "qwen*"], ["phi*"], True),
        (["qwen3"], ["qwen3:latest"], False),
        (["*"], ["["], False),
        (["[", "qwen3"], [], True),
        (["["], [], False),
    ],
)
def test_who_is_let_through(allow: list[str], deny: list[str], admits: bool) -> None:
    """One denial is enough; else one that allows; what is wrong allows nothing."""
    assert Matcher(allow, deny).admits(names("qwen3")) is admits


@case(
    ("glob", "why"),
    [
        ("", "1 to 256"),
        ("a" * 257, "1 to 256"),
        ("*" * 17, "at most 16"),
        ("a b", "no spaces"),
        ("a[ ]b c", "no spaces"),
        ("a[ b]", "no spaces"),
        ("a\n", "no spaces"),
        ("a\x00", "no spaces"),
        ("[", r"after \["),
        ("a[", r"after \["),
        ("a[]", r"after \["),
        ("a[[b]]", r"after \["),
        ("[z-a]", "backwards"),
        ("[!z-a]", "backwards"),
    ],
)
def test_a_wrong_glob(glob: str, why: str) -> None:
    """It is refused, and says what is wrong with it."""
    with pytest.raises(ValueError, match=why):
        check(glob)


@case("glob", ["a" * 256, "*" * 16])
def test_the_longest_globs(glob: str) -> None:
    """What is just not too long, or has just not too many stars, is a glob."""
    check(glob)


@given(st.text("[]!^-&|~a\\*?z", min_size=1, max_size=8))
def test_any_text_is_a_glob_or_is_not(glob: str) -> None:
    """Whatever is written, it is a glob or refused, and never fails when it is used."""
    try:
        check(glob)
    except ValueError:
        assert not Matcher([glob]).admits(alias_names("a"))
    else:
        assert Matcher([glob]).admits(("a",)) in (True, False)


@case("glob", ["*a" * 16 + "b", "*?" * 16 + "b", "*[a-c]" * 15 + "*b", "a" * 200 + "*"])
def test_no_glob_is_a_trap(glob: str) -> None:
    """The worst lists take milliseconds for the worst name, where a plain one hangs."""
    worst = [glob[:-1] + f"{number:x}" for number in range(256)]
    for one in worst:
        check(one)
    only = Matcher(worst)
    begun = time.perf_counter()
    assert not only.admits(["a" * 512 + "-"])
    assert time.perf_counter() - begun < 2


def test_lists_are_compiled_once() -> None:
    """Keys with the same lists share what is made of them."""
    assert matcher(("a*",), ()) is matcher(("a*",), ())
