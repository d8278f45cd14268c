"""A PostgreSQL of a test's own, on a free port of loopback."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from .nginx import wait_for_port
from .server import PATIENCE, free_port

#: Debian keeps the programs of each version in a directory of its own.
_PLACES = [str(path) for path in Path("/usr/lib/postgresql").glob("*/bin")]
_PATH = os.pathsep.join([*sorted(_PLACES, reverse=True), os.environ.get("PATH", "")])

needs_postgres = pytest.mark.skipif(
    shutil.which("initdb", path=_PATH) is None, reason="PostgreSQL is not installed"
)


class Postgres:
    """A server whose user `pannier` needs the password `geheim`, as a text file has it.

    ``directory`` holds its data and a unix socket.
    """

    PASSWORD = "geheim-12"

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._names = iter(range(10_000))
        # It does not run as root, and its files have to be its own.
        self._who: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._who = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            shutil.chown(directory, "nobody", "nogroup")

    def start(self) -> None:
        """Start it; return when it listens."""
        words = ["-D", "data", "-p", str(self.port), "-k", str(self.directory)]
        words += ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        command = [_program("postgres"), *words]
        self._process = subprocess.Popen(
            command, cwd=self.directory, stderr=subprocess.DEVNULL, **self._who
        )
        wait_for_port(self.port, self._process)
        while not self._is_ready():  # it listens before it is
            assert self._process.poll() is None

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if "starting up" not in str(error):
                raise
            return False
        return True

    def stop(self) -> None:
        """Cut its connections and wait until it has ended."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)

    def make(self) -> None:
        """Make its files."""
        password = self.directory / "password"
        password.write_text(self.PASSWORD)
        password.chmod(0o644)
        words = ["-D", "data", "-U", "pannier", "-A", "scram-sha-256", "-E", "UTF8"]
        words += ["--no-sync", "--no-locale", f"--pwfile={password}"]
        subprocess.run(
            [_program("initdb"), *words],
            cwd=self.directory,
            check=True,
            capture_output=True,
            **self._who,
        )

    def url(self, database: str) -> str:
        """The URL of a database."""
        place = f"127.0.0.1:{self.port}/{database}"
        return f"postgresql://pannier:{self.PASSWORD}@{place}"

    def fresh(self, template: str = "template1") -> str:
        """The URL of a new database, empty or like ``template``."""
        name = f"test_{next(self._names)}"
        with closing(psycopg.connect(self.url("postgres"), autocommit=True)) as one:
            one.execute(f"CREATE DATABASE {name} TEMPLATE {template}")  # type: ignore[arg-type]
        return self.url(name)


def _program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    assert found is not None
    return found


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A running server."""
    with tempfile.TemporaryDirectory() as directory:
        server = Postgres(Path(directory))
        server.make()
        server.start()
        try:
            yield server
        finally:
            server.stop()
