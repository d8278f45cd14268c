"""What every chunk, vector and request costs stays what it is, unless somebody says so.

It is counted in instructions and calls of C functions (tests/support/counting.py), so a
busy machine changes nothing.  tests/guards.json holds the figures, in the instructions
of Python 3.11; ``python -m tests.support.counting --record`` writes it anew.
"""

import json
import subprocess
import sys
from typing import Any

import pytest
from support.server import PATIENCE, ROOT, clean_environ

RECORDED = json.loads((ROOT / "tests/guards.json").read_text())
FIGURES = [(name, unit) for name, units in RECORDED.items() for unit in units]

#: A figure that is so many times its record has grown by a fifth: one Python differs
#: from another by as much as a twentieth, in what it makes of the same code.
MOST = 1.15
#: One that is so many times its record would let a fifth grow back unseen.
LEAST = 1 / 1.2
#: In the second half of a range, each may cost so many times what it does in the first.
LINEAR = 1.05
#: Less than this is nothing: an instruction for a hundred characters.
NOTHING = 0.01

COUNTING = "tests.support.counting"
#: One more generator and one more small function around every answer.
LAYERED = """
import sys
from gevent import monkey

monkey.patch_all()

from middleware import stack
from tests.support import counting

def look(item):
    return item if item and not item.isspace() else b""

def items(body):
    try:
        for item in body:
            yield look(item)
    finally:
        body.close()

build = stack.build_stack

def layered(settings):
    app = build(settings)
    return lambda environ, start_response: items(app(environ, start_response))

stack.build_stack = layered
counting.main(sys.argv[1:])
"""


def counted(*arguments: str, seed: int = 0) -> Any:
    """What the counting says, in a process of its own."""
    said = subprocess.run(
        [sys.executable, *arguments, "--json"],
        cwd=ROOT,
        env=clean_environ(PYTHONHASHSEED=str(seed)),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )
    assert said.returncode == 0, said.stderr[-4000:]
    return json.loads(said.stdout)


@pytest.fixture(scope="module")
def now() -> Any:
    """All figures of today."""
    return counted("-m", COUNTING)


def complaint(name: str, unit: str, figure: float, recorded: float) -> str:
    """What is to be said of a figure, nothing if it is as it was."""
    if recorded * LEAST - NOTHING <= figure <= recorded * MOST + NOTHING:
        return ""
    change = f"{abs(figure / recorded - 1):.0%} " if recorded else ""
    where = f'python -m {COUNTING} "{name}"'
    record = f"python -m {COUNTING} --record"
    what = f"{name}: a {unit} takes {figure:,} instructions and calls, {change}"
    if figure > recorded:
        return (
            f"{what}more than the {recorded:,} of tests/guards.json.\n"
            f"Where they are, function by function, here and in an older commit:\n"
            f"  {where}\n"
            f"If it is worth that, record it and give the reason in the commit:\n"
            f"  {record}"
        )
    return (
        f"{what}less than the {recorded:,} of tests/guards.json.\n"
        f"Well done; record it, so that nobody loses it again:\n"
        f"  {record}"
    )


@pytest.mark.parametrize(("name", "unit"), FIGURES)
def test_no_path_grows(name: str, unit: str, now: Any) -> None:
    """No request, and nothing that it has many of, takes a fifth more than it did."""
    figure = now["figures"][name][unit]
    if said := complaint(name, unit, figure, RECORDED[name][unit]):
        pytest.fail(said, pytrace=False)


@pytest.mark.parametrize("dialect", ["messages", "responses"])
@pytest.mark.parametrize("way", ["token by token", "flat out", "thoughts"])
def test_dialects_are_about_as_cheap_as_chats(dialect: str, way: str, now: Any) -> None:
    """A piece of an answer costs half as much again as in a chat, at most."""
    chat = now["figures"][f"chat, {way.replace('thoughts', 'flat out')}"]["chunk"]
    assert now["figures"][f"{dialect}, {way}"]["chunk"] <= 1.5 * chat


def test_every_path_has_its_record(now: Any) -> None:
    """What is counted is recorded, and nothing else is."""
    counted = [(name, unit) for name, units in now["figures"].items() for unit in units]
    assert counted == FIGURES


@pytest.mark.parametrize("name", RECORDED)
def test_cost_is_linear(name: str, now: Any) -> None:
    """The thousandth message, vector or model costs no more than the tenth did."""
    first, second = now["halves"][name]
    if second > LINEAR * first + NOTHING:
        pytest.fail(
            f"{name}: each takes {first:.2f} instructions and calls in the first half"
            f" of the range, and {second:.2f} in the second: something is done for"
            f" each that should be done once.\nWhere, function by function:\n"
            f'  python -m {COUNTING} "{name}"',
            pytrace=False,
        )


@pytest.mark.parametrize("seed", [1, 2])
def test_counts_are_exact(seed: int, now: Any) -> None:
    """Another run counts the same, to the instruction, whatever hashes are."""
    names = ["chat, token by token", "completions, flat out", "chat, whole"]
    again = counted("-m", COUNTING, *names, seed=seed)
    for kind in ("figures", "halves"):
        assert again[kind] == {name: now[kind][name] for name in names}


def test_a_layer_is_seen(now: Any) -> None:
    """One more generator and one more small function for each chunk are counted."""
    name = "native chat, token by token"
    before = now["figures"][name]["chunk"]
    layered = counted("-c", LAYERED, name)["figures"][name]["chunk"]
    assert before + 15 < layered < before + 40


@pytest.mark.parametrize(
    ("figure", "words"),
    [
        (120.0, ["20% more", "100.0", 'counting "a path"', "--record", "reason"]),
        (114.0, []),
        (100.0, []),
        (84.0, []),
        (80.0, ["20% less", "100.0", "--record"]),
    ],
)
def test_what_is_said(figure: float, words: list[str]) -> None:
    """A figure that grew says by how much, where to look, and how it is accepted."""
    said = complaint("a path", "chunk", figure, 100.0)
    assert bool(said) == bool(words)
    assert all(word in said for word in words)
