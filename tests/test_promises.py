"""docs/reliability.md and the tests that have a promise in their names."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "reliability.md"

#: How many promises each letter has (specification: reliability).
PROMISES = {
    "E": 5, "T": 4, "U": 12, "S": 7, "D": 5, "R": 8, "B": 9,
    "H": 10, "A": 5, "K": 8, "F": 13, "W": 8, "Q": 8, "L": 8, "G": 5, "P": 14,
}  # fmt: skip
NAME = re.compile(r"test_((?:[a-z][0-9]+_)+)")


def rows() -> dict[str, tuple[str, str]]:
    """What the page says of each promise, and the tests it names."""
    found = re.findall(
        r"^\| ([A-Z]\d+) \| (.*?) ?\| (.*?) ?\|$", PAGE.read_text(), re.MULTILINE
    )
    assert len(found) == len({name for name, _, _ in found})
    return {name: (says, tests) for name, says, tests in found}


def kept() -> dict[str, set[str]]:
    """The tests that have a promise in their names, by promise."""
    tests: dict[str, set[str]] = {}
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef):
                continue
            if match := NAME.match(node.name):
                for name in match[1].upper().strip("_").split("_"):
                    tests.setdefault(name, set()).add(node.name)
    return tests


def test_every_promise_has_a_row() -> None:
    """The page lists each promise once, and says what it is."""
    said = rows()
    assert set(said) == {
        f"{k}{n + 1}" for k, many in PROMISES.items() for n in range(many)
    }
    assert [name for name, (says, _) in said.items() if not says] == []


def test_the_tests_of_the_page_are_there() -> None:
    """A promise has exactly the tests that bear its name, or a reason for none."""
    tests = kept()
    for name, (_, named) in rows().items():
        if name in tests:
            assert set(re.findall(r"`(test_\w+)`", named)) == tests[name], name
        else:
            assert named.startswith("none: "), name
