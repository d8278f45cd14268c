import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.server import PATIENCE

SKIPS = """
import pytest

@pytest.mark.skip(reason="no nginx")
def test_marked(): ...

def test_inside():
    pytest.skip("no node")

@pytest.mark.xfail(reason="known")
def test_expected():
    assert False

def test_good(): ...
"""


def outcome(directory: Path, text: str, no_skip: str) -> str:
    """The last line of pytest about a module with this text."""
    (directory / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "support.noskip"]
    alone = ["-c", os.devnull, f"--rootdir={directory}", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *alone, str(directory)],
        cwd=directory,
        env={
            **os.environ,
            "TEST_NO_SKIP": no_skip,
            "PYTHONPATH": str(Path(__file__).parent),
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.stdout.strip().split("\n")[-1]


@pytest.mark.parametrize(
    ("no_skip", "expected"),
    [
        ("1", "1 failed, 1 passed, 1 xfailed, 1 error"),
        ("", "1 passed, 2 skipped, 1 xfailed"),
    ],
)
def test_a_skip_is_a_failure_where_asked(
    tmp_path: Path, no_skip: str, expected: str
) -> None:
    """With TEST_NO_SKIP=1 a skipped test fails, an expected failure does not."""
    assert outcome(tmp_path, SKIPS, no_skip).startswith(expected)


def test_a_module_that_skips_is_a_failure_where_asked(tmp_path: Path) -> None:
    """With TEST_NO_SKIP=1 a module may not skip as a whole."""
    text = "import pytest\npytest.skip('no node', allow_module_level=True)\n"
    assert "1 error" in outcome(tmp_path, text, "1")
