"""The command ``pannier`` as an operator runs it, in a process of its own."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from app.administration import Administration
from app.settings import Settings
from app.storage.database import Database
from app.storage.upgrade import upgrade

from . import secrecy
from .server import PATIENCE, ROOT, clean_environ


class Done(NamedTuple):
    """What became of a command."""

    code: int
    out: str
    err: str


class Operator:
    """Runs commands in ``directory``, with these variables set."""

    def __init__(self, directory: Path, **env: str) -> None:
        self._directory = directory
        state = {"PANNIER_STATE_DIR": str(directory / "state")}
        self.env = clean_environ(**{**state, **env}, PYTHONPATH=str(ROOT))
        #: All that any command has printed.
        self.heard: list[str] = []

    def __call__(self, *words: str, stdin: str = "") -> Done:
        """Run ``pannier WORDS``."""
        if words[0] in ("keys", "password"):  # what is typed is one
            secrecy.note(stdin.strip())
        done = subprocess.run(
            [sys.executable, "-P", "-m", "app.cli", *words],
            cwd=self._directory,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        self.heard += [done.stdout, done.stderr]
        return Done(done.returncode, done.stdout, done.stderr)

    def do(self, *words: str, stdin: str = "") -> str:
        """Run a command that succeeds; what it printed."""
        done = self(*words, stdin=stdin)
        assert done.code == 0, done
        return done.out.strip()


@contextmanager
def administration(settings: Settings, actor: str = "test") -> Iterator[Administration]:
    """The administration of these settings' database, with its tables."""
    database = Database(settings.database_url, settings.state_dir)
    try:
        upgrade(database)
        yield Administration(lambda job: job(database), settings, actor)
    finally:
        database.close()
