import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from middleware.code.chatting import CLOSING, OPENING, STOP, cleaned, messages
from middleware.code.hole import File, Hole

HOLE = Hole(
    "def f(x):\n    return ",
    "\n\nf(1)\n",
    "Python",
    "src/a.py",
    "pannier",
    (File("src/b.py", "B = 1\n"), File("src/c.py", "C = {x}\n")),
)

#: Answer, the hole's prefix, the text.
CLEANED = [
    # Tags.
    ("<completion>x</completion>", "", "x"),
    ("<completion>x", "", "x"),
    ("x", "", "x"),
    ("x</completion>", "", "x"),
    ("Sure! Here it is:\n<completion>x</completion>\nThis is x.", "", "x"),
    ("<completion></completion>", "", ""),
    ("Nothing is missing.\n<completion>", "", ""),
    ("", "", ""),
    # White space.
    ("<completion>    x\n</completion>", "", "    x\n"),
    ("<completion>\n    x</completion>", "", "\n    x"),
    ("    x", "a\n    ", "    x"),
    ("\n", "a\n", "\n"),
    # Fences.
    ("```python\nx = 1\n```", "", "x = 1"),
    ("```\nx = 1\ny = 2\n```\n", "", "x = 1\ny = 2"),
    ("<completion>\n```python\n    x = 1\n```\n</completion>", "", "    x = 1"),
    ("```python\n<completion>x = 1</completion>\n```", "", "x = 1"),
    ("```python\nx = 1\n", "", "x = 1\n"),
    ("```python\nx = 1\n```\nThis sets x.", "", "x = 1"),
    ("```md\n```py\nx\n```\n```", "", "```py\nx\n```"),
    ("```py\nx\n  ``` \nOr:\n```py\ny\n```", "", "x"),
    ("```\n```", "", ""),
    ("x = `a` ```b```", "", "x = `a` ```b```"),
    ("````x`\ny", "", "````x`\ny"),
    # What stood before.
    ("    return x + 1", "def f(x):\n    return ", "x + 1"),
    ("return x + 1", "def f(x):\n    return ", "x + 1"),
    ("def f(x):\n    return x", "import os\n\ndef f(x):\n    return ", "x"),
    ("def f(x):\n    return x", "def f(x):\n    return ", "x"),
    ("print(1)", "    pri", "nt(1)"),
    ("x = 5", "\tx = ", "5"),
    ("import os\nimport re", "import os\n", "import re"),
    ("<completion>```\nreturn 1\n```</completion>", "    return ", "1"),
    ("été = 1", "ét", "é = 1"),
    ("return x", "x\nreturn x", ""),
    ("a = 1\nb", "x\na = 1\nb", ""),
    ("))};", "x\n))};", ""),
    # What only looks like it.
    ("(a)", "f(", "(a)"),
    (")", "f(g()", ")"),
    (")))", "x\n)))", ")))"),
    ("i in x", "    i", "i in x"),
    ("1, 1]", "[\n1, ", "1, 1]"),
    ("    }\n}", "    }\n", "    }\n}"),
    ("turn x", "    return ", "turn x"),
    ("turn", "    return", "turn"),
    ("x = 5", "y = x", "x = 5"),
    ("return_value", "return 1\n", "return_value"),
]


@pytest.mark.parametrize(("answer", "prefix", "text"), CLEANED)
def test_an_answer_is_cleaned(answer: str, prefix: str, text: str) -> None:
    """Tags, fences and an echo of the text before go; the text's own blanks stay."""
    assert cleaned(answer, Hole(prefix)) == text


@given(text=st.text(st.sampled_from("ab \n\t{}é")), prefix=st.text())
def test_a_text_between_the_tags_comes_out_as_it_is(text: str, prefix: str) -> None:
    """What a model writes as it was asked to is not changed."""
    wanted = f"<completion>{text}</completion>"
    assert cleaned(wanted, Hole()) == text
    assert text.endswith(cleaned(wanted, Hole(prefix)))


def test_a_long_echo_is_looked_for_in_the_last_lines_only() -> None:
    """A thousand lines before the hole are not compared, the last twenty are."""
    lines = "".join(f"line {number}\n" for number in range(1000))
    last = "".join(f"line {number}\n" for number in range(985, 1000))
    assert cleaned(f"{last}new", Hole(lines)) == "new"
    assert cleaned(f"{lines}new", Hole(lines)) == f"{lines}new"


def test_the_conversation_tells_what_is_known() -> None:
    """Language, path, repository, files in their order and the text with one mark."""
    system, *example, question = messages(HOLE)
    assert [m.role for m in (system, *example)] == ["system", "user", "assistant"]
    assert question.role == "user"
    mark = marks_of(system.content)
    text = question.content
    assert f"{HOLE.prefix}{mark}{HOLE.suffix}" in text
    places = [text.index(part) for part in ("pannier", "src/b.py", "C = {x}", "Python")]
    assert places == sorted(places)
    assert text.index("Python") < text.index("src/a.py") < text.index(HOLE.prefix)
    assert OPENING in system.content
    assert CLOSING in system.content
    assert STOP == [CLOSING]


def test_the_example_answers_as_it_is_asked_to() -> None:
    """The turn that shows the form has the form: the same mark, both tags."""
    system, asked, answered, _ = messages(HOLE)
    assert asked.content.count(marks_of(system.content)) == 2
    assert answered.content.startswith(OPENING)
    assert answered.content.endswith(CLOSING)


def test_nothing_known_is_nothing_said() -> None:
    """A hole without language, path and repository makes no empty lines of them."""
    question = messages(Hole("a", "b"))[-1].content
    assert question.startswith("<file>\na<")
    assert "Language" not in question
    assert "Repository" not in question


@pytest.mark.parametrize(
    "hole",
    [
        Hole("<missing_1> "),
        Hole("", "<missing_1><missing_2>"),
        Hole(path="<missing_1>", repo="<missing_3>", language="<missing_2>"),
        Hole(files=(File("<missing_1>", "<missing_2>"),)),
        Hole("<missing_01>", "<missing_" + "9" * 5000 + ">"),
    ],
)
def test_the_mark_is_in_no_text(hole: Hole) -> None:
    """A file that has such a mark itself gets another one."""
    system, *_, question = messages(hole)
    mark = marks_of(system.content)
    shown = [*hole[:5], *(text for file in hole.files for text in file)]
    assert not any(mark in text for text in shown)
    # One mark is the hole, the other is the question.
    assert question.content.count(mark) == 2


def marks_of(text: str) -> str:
    """The one mark that a text has."""
    (mark,) = set(re.findall(r"<missing_\d+>", text))
    return str(mark)
