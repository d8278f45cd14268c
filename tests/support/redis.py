"""A Redis of a test's own, on a free port of loopback."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from redis import Redis as Client

from .nginx import wait_for_port
from .server import PATIENCE, free_port

_PROGRAM = shutil.which("redis-server")

needs_redis = pytest.mark.skipif(_PROGRAM is None, reason="Redis is not installed")


class Redis:
    """A server that needs the password ``PASSWORD`` and keeps nothing."""

    PASSWORD = "geheim-redis-12"

    def __init__(self, directory: str) -> None:
        self.port = free_port()
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its URL, with the password."""
        return f"redis://:{self.PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it; return when it listens."""
        assert _PROGRAM is not None
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        words += ["--requirepass", self.PASSWORD, "--dir", self._directory]
        self._process = subprocess.Popen(
            [_PROGRAM, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_port(self.port, self._process)

    def stop(self) -> None:
        """Cut its connections and wait until it has ended; what it knew is gone."""
        assert self._process is not None
        if self._process.poll() is None:
            self.freeze(False)
            self._process.terminate()
            self._process.wait(PATIENCE)

    @property
    def pid(self) -> int:
        """The id of its process."""
        assert self._process is not None
        return self._process.pid

    def freeze(self, frozen: bool) -> None:
        """Have it answer nothing, or go on."""
        os.kill(self.pid, signal.SIGSTOP if frozen else signal.SIGCONT)

    def ask(self, *command: str | int) -> Any:
        """What it answers to a command."""
        with Client.from_url(self.url, decode_responses=True) as client:
            return client.execute_command(*command)


@contextmanager
def redis() -> Iterator[Redis]:
    """A running server."""
    with tempfile.TemporaryDirectory() as directory:
        server = Redis(directory)
        server.start()
        try:
            yield server
        finally:
            server.stop()
