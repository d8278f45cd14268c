"""docs/admin-api.md: its routes are those that there are, and its examples work."""

import re
import shlex
from argparse import ArgumentParser
from pathlib import Path

from support import examples
from support.handling import Handlers, handlers
from support.server import ROOT
from support.simulator import Simulator

from app.admin import me
from app.admin.routes import ROUTES

PAGE = ROOT / "docs" / "admin-api.md"
_PART = re.compile("<(?:path:)?")
_NAMED = re.compile(r"`((?:GET|POST|PATCH|DELETE) [a-z][^` ]*)`")


def test_every_route() -> None:
    """The page, or that about what runs, names every route and no other."""
    named = set(_NAMED.findall(PAGE.read_text(encoding="utf-8")))
    there = {_route(method, path) for method, path, *_ in [*ROUTES, *me.ROUTES]}
    live = {route for route in there if " live" in route}
    assert named - live == there - live


def _route(method: str, path: str) -> str:
    """A route as the page writes it."""
    return f"{method} {_PART.sub('{', path.lstrip('/')).replace('>', '}')}"


def test_examples(tmp_path: Path) -> None:
    """Every example works as it is pasted, one after the other."""
    lines = [
        line
        for block in examples.blocks(PAGE, "sh")
        for line in block.code.splitlines()
        if line.startswith("admin ")
    ]
    assert len(lines) > 15
    files: dict[str, bytes] = {}
    with Simulator() as ollama, handlers(tmp_path, upstream_url=ollama.url) as here:
        here.copy("qwen3", "qwen3:4b")
        for line in lines:
            _run(here, line, files)


def _run(here: Handlers, line: str, files: dict[str, bytes]) -> None:
    """Do what curl would do with these words."""
    parser = ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("-N", action="store_true")
    for option in ("-X", "-d", "-o"):
        parser.add_argument(option)
    words = parser.parse_args(shlex.split(line)[1:])
    data = words.d or ""
    body = files[data[1:]] if data.startswith("@") else data.encode()
    target = words.url.removeprefix("$URL/")
    answer = here.ask(words.X or ("POST" if words.d else "GET"), target, body)
    assert answer.status in (200, 201, 204), (line, answer)
    assert b"event: error" not in answer.body, (line, answer)
    files[words.o or ""] = answer.body
