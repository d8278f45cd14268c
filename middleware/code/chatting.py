"""Chatting: how a model that only chats is asked to fill a hole, and its answer read.

The text is shown with a mark at the hole; the answer is wanted between two tags.  One
turn of an example shows what is meant.  Nothing is put into the model's mouth: not
every model goes on with what an assistant's message began.  Specification: code
completion, section 4, strategy ``chat``.
"""

import re
from collections.abc import Iterator

from app.wire import ollama

from .hole import Hole

OPENING, CLOSING = "<completion>", "</completion>"
#: Where the answer ends.
STOP = [CLOSING]

_MARK = re.compile(r"<missing_(\d+)>")
#: So much of what stands before the hole is looked for at the answer's beginning ...
_ECHOED_LINES = 20
#: ... and so many characters are an echo: brackets and digits may stand there twice.
_ECHO = 4
_ECHO_WITH_LETTERS = 2

_SYSTEM = f"""\
You complete text in an editor, mostly source code. The user shows a file in which one \
piece is missing, at the mark {{mark}}. Write exactly the text that belongs there, \
beginning where the text before the mark ends and stopping where the text after it \
begins. Do not repeat the text before or after the mark. Keep the style and the \
indentation of the file. Do not explain, and use no Markdown.
Put the text between {OPENING} and {CLOSING}, without line breaks of your own."""

_EXAMPLE = "def area(width, height):\n    return {mark}\n"
_EXAMPLE_ANSWER = f"{OPENING}width * height{CLOSING}"

_FENCED = re.compile(r"\s*```[^\n`]*\n")
_FENCE = re.compile(r"^[ \t]*```[ \t]*(.*)$", re.MULTILINE)


def messages(hole: Hole) -> list[ollama.Message]:
    """The conversation that asks for the text at the hole."""
    mark = _mark(hole)
    return [
        ollama.Message("system", _SYSTEM.format(mark=mark)),
        ollama.Message("user", _shown("", "", _EXAMPLE.format(mark=mark), mark)),
        ollama.Message("assistant", _EXAMPLE_ANSWER),
        ollama.Message("user", _question(hole, mark)),
    ]


def cleaned(answer: str, hole: Hole) -> str:
    """The text for the hole: without tags, code fences, and what stood before it.

    White space at its beginning is part of it.
    """
    before, opening, after = answer.partition(OPENING)
    text = (after if opening else before).partition(CLOSING)[0]
    return _without_echo(_without_fence(text), hole.prefix)


def _mark(hole: Hole) -> str:
    """A mark that is nowhere in what the model is shown."""
    shown = [*hole[:5], *(text for file in hole.files for text in file)]
    taken = {number for text in shown for number in _MARK.findall(text)}
    number = 1
    while str(number) in taken:
        number += 1
    return f"<missing_{number}>"


def _question(hole: Hole, mark: str) -> str:
    """The files, and the text around the hole in the last of them."""
    pieces = [f"Repository: {hole.repo}\n\n"] if hole.repo else []
    pieces += [f"{_file(path, text)}\n" for path, text in hole.files]
    text = f"{hole.prefix}{mark}{hole.suffix}"
    return "".join([*pieces, _shown(hole.language, hole.path, text, mark)])


def _shown(language: str, path: str, text: str, mark: str) -> str:
    kind = f"Language: {language}\n" if language else ""
    return f"{kind}{_file(path, text)}\nWhat text belongs at {mark}?"


def _file(path: str, text: str) -> str:
    name = f' path="{path}"' if path else ""
    return f"<file{name}>\n{text}\n</file>\n"


def _without_fence(text: str) -> str:
    """What is between code fences, where a text begins with one."""
    opened = _FENCED.match(text)
    if not opened:
        return text
    depth = 1  # a text in Markdown has fences of its own: those with a word open
    for fence in _FENCE.finditer(text, opened.end()):
        depth += 1 if fence[1] else -1
        if not depth:
            return text[opened.end() : fence.start()].removesuffix("\n")
    return text[opened.end() :]


def _without_echo(text: str, prefix: str) -> str:
    """A text without the lines before the hole that it begins with."""
    for echo in _echoes(prefix, len(text)):
        if text.startswith(echo) and _tells(echo):
            return text[len(echo) :]
    return text


def _tells(echo: str) -> bool:
    """Whether a text is too much to stand twice by chance."""
    visible = "".join(echo.split())
    letters = any(map(str.isalpha, visible))
    return len(visible) >= (_ECHO_WITH_LETTERS if letters else _ECHO)


def _echoes(prefix: str, longest: int) -> Iterator[str]:
    """What a model may repeat: last lines, the most first; one without indentation."""
    # Cut so that a line which is not whole is longer than the answer.
    lines = prefix[-longest - 1 :].split("\n")[-_ECHOED_LINES:]
    for at in range(len(lines)):
        yield "\n".join(lines[at:])
    yield prefix.rpartition("\n")[2].lstrip()


#: Characters of the conversation beside the texts of the hole.
AROUND = sum(len(message.content) for message in messages(Hole()))
