import json
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.server import PATIENCE, ROOT

from app.secret import LENGTH, secret


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    """Each test is a process that has not asked yet."""
    secret.cache_clear()


def test_it_lasts(tmp_path: Path) -> None:
    """It is made once, and read from then on; nobody else may read it."""
    state = tmp_path / "a" / "b"
    first = secret(str(state))
    assert len(first) == LENGTH
    secret.cache_clear()
    assert secret(str(state)) == first
    assert [path.name for path in state.iterdir()] == ["secret"]
    assert stat.S_IMODE((state / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_it_is_read_once(tmp_path: Path) -> None:
    """A process keeps what it has, whatever becomes of the file."""
    first = secret(str(tmp_path))
    (tmp_path / "secret").unlink()
    assert secret(str(tmp_path)) == first


@pytest.mark.live
def test_many_workers_agree(tmp_path: Path) -> None:
    """Processes that ask at the same time all get the same."""
    program = (
        "import sys; from app.secret import secret; sys.stdin.readline();"
        " print(secret(sys.argv[1]).hex())"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for one in running:
        assert one.stdin is not None
        one.stdin.write("now\n")
        one.stdin.flush()
    found = {one.communicate(timeout=PATIENCE)[0] for one in running}
    assert len(found) == 1
    assert len(found.pop().strip()) == 2 * LENGTH
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


@pytest.mark.parametrize(("more", "same"), [(b"", True), (b"\n", False)])
def test_a_file_that_is_named(tmp_path: Path, more: bytes, same: bool) -> None:
    """The installation's own file is the same secret by its name; a text is hashed."""
    own = secret(str(tmp_path))
    named = tmp_path / "named"
    named.write_bytes(own + more)
    assert (secret("", str(named)) == own) is same
    assert len(secret("", str(named))) == LENGTH


@pytest.mark.parametrize("what", ["no directory", "damaged", "none", "taken", "pipe"])
def test_where_it_cannot_be_kept(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the process's own, and one line of the log says so, without it."""
    state = str(tmp_path)
    if what == "no directory":
        (tmp_path / "file").write_text("")
        state = str(tmp_path / "file" / "state")
    elif what == "damaged":
        (tmp_path / "secret").write_bytes(b"short")
    elif what == "taken":
        (tmp_path / "secret").mkdir()
    elif what == "pipe":
        os.mkfifo(tmp_path / "secret")  # nobody writes to it, ever
    else:
        state = ""
    with caplog.at_level(logging.WARNING, "pannier"):
        first = secret(state)
        assert secret(state) == first
    assert len(first) == LENGTH
    assert len(caplog.messages) == 1
    assert first.hex() not in json.dumps(caplog.messages)
    secret.cache_clear()
    assert secret(state) != first
