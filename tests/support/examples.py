"""Examples out of Markdown, and programs to run them with."""

import json
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "live" / "js"
#: Seconds for one example.
PATIENCE = 60

_BLOCK = re.compile(
    r"^#+ (?P<title>[^\n]+)$|^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S
)


class Block(NamedTuple):
    """A fenced block; ``title`` is the heading above it."""

    title: str
    language: str
    code: str


def blocks(path: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page that are written in one of ``languages``."""
    found, title = [], ""
    for match in _BLOCK.finditer(path.read_text(encoding="utf-8")):
        if match["title"]:
            title = match["title"]
        elif match["language"] in languages:
            found.append(Block(title, match["language"], match["code"]))
    return found


def python(code: str, cwd: Path) -> str:
    """Run Python; what it printed.  A failure is the test's."""
    return _run([sys.executable, "-"], code, cwd)


def javascript(code: str) -> str:
    """Run JavaScript as a module that can import the installed clients."""
    install()
    return _run(["node", "--input-type=module", "-"], code, PACKAGE)


def shell(code: str, cwd: Path) -> str:
    """Run a shell script, which ends at the first failure."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    return _run(["sh", "-eu"], code, cwd)


def documents(text: str) -> list[dict[str, Any]]:
    """All JSON objects that stand one after the other in a text."""
    decoder, found = json.JSONDecoder(), []
    text = text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].lstrip()
    return found


def install(package: Path = PACKAGE) -> None:
    """Have npm install what a package's lock names; skips where it cannot."""
    if problem := _problem(package):
        pytest.skip(problem)


@cache
def _problem(package: Path) -> str:
    """Why its clients are not there; nothing if they are.  Tried once."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        return "there is no Node.js with npm"
    npm = ["npm", "--prefix", str(package)]
    if subprocess.run([*npm, "ls"], capture_output=True, check=False).returncode == 0:
        return ""
    quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--fetch-retries=1"]
    done = subprocess.run(
        [*npm, "ci", *quiet], capture_output=True, text=True, check=False
    )
    return f"npm ci failed: {done.stderr[-1000:]}" if done.returncode else ""


def _run(command: list[str], code: str, cwd: Path) -> str:
    done = subprocess.run(
        command,
        input=code,
        capture_output=True,
        cwd=cwd,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout
