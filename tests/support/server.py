"""A real gunicorn that serves this checkout, in a process of its own."""

import atexit
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from app.launch import gunicorn

from . import secrecy

ROOT = Path(__file__).resolve().parent.parent.parent

#: So that tiktoken neither finds a developer's vocabulary nor fetches one.
NO_VOCABULARY = {"TIKTOKEN_CACHE_DIR": "", "https_proxy": "http://127.0.0.1:9"}

#: Seconds within which a server must answer, on a machine that is busy.
PATIENCE = 30.0


#: Sockets that hold ports for those who will listen there soon.
_holders: deque[socket.socket] = deque()


def free_port() -> int:
    """A port where nobody listens on any address, and that nobody is given soon."""
    holder = socket.socket()
    # On Linux one that does not listen keeps nobody from it who asks for it by number.
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # On every address: the end of some client at 127.1.2.3 would be in the way of who
    # listens on all, and a port that is taken on loopback alone may be such a client's.
    holder.bind(("", 0))
    port = int(holder.getsockname()[1])
    _holders.append(holder)
    _release(16 if sys.platform == "linux" else 0)
    return port


@atexit.register
def _release(kept: int = 0) -> None:
    while len(_holders) > kept:
        _holders.popleft().close()


def clean_environ(**more: str) -> dict[str, str]:
    """The environment without anybody's settings, and with ``more``."""
    theirs = ("PANNIER_", "OLLAMA_", "GUNICORN_", "WEB_CONCURRENCY", "PYTHON")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(theirs) and name not in ("HOST", "PORT")
    }
    return {**kept, **more}


class Server:
    """Starts on entering, answers then, and is killed on leaving, workers and all.

    ``env`` are variables such as ``OLLAMA_URL``; ``arguments`` go to gunicorn.  It
    runs in an empty directory, where no ``.env`` of the developer's lies, or in
    ``cwd``.  ``port`` is chosen if not given, ``command`` replaces the program, and
    ``socket_path`` is where it answers if not on ``port``.  What it wrote must hold no
    secret that tests used: an AssertionError on leaving, if it does.
    """

    def __init__(
        self,
        env: Mapping[str, str] | None = None,
        *,
        arguments: Sequence[str] = (),
        command: Sequence[str] | None = None,
        cwd: Path | None = None,
        port: int = 0,
        socket_path: Path | None = None,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        ours, extra = gunicorn(list(arguments))
        self._command = ours if command is None else [*command, *arguments]
        self._starts_others = command is not None
        self._directory = tempfile.TemporaryDirectory()
        ours_too = {
            "PANNIER_PORT": str(self.port),
            "PANNIER_STATE_DIR": f"{self._directory.name}/state",
        }
        self._env = clean_environ(**{**ours_too, **NO_VOCABULARY, **(env or {})})
        if command is None:
            self._env |= extra
        secrecy.note_variables(self._env.items())
        self._socket_path = socket_path
        self._log = Path(self._directory.name) / "output"
        self._cwd = cwd or Path(self._directory.name)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of gunicorn's master."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._cwd,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            if self._starts_others:  # in groups of their own: it has to end them itself
                self.stop(signal.SIGINT)
            # How a server stops has tests of its own; here it would only take time.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        told = secrecy.found(self.output())
        self._directory.cleanup()
        if kind is None:  # else that is what the test is told
            assert told == [], f"the server wrote secrets: {told[:5]}"

    def workers(self) -> list[int]:
        """The child processes of the master."""
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
        )
        pairs = [line.split() for line in listed.stdout.splitlines()]
        found = [int(child) for child, parent in pairs if int(parent) == self.pid]
        assert found
        return found

    def output(self) -> str:
        """What it has written to stdout and stderr so far."""
        return self._log.read_text(errors="replace")

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the master."""
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for its end; returns the exit code."""
        assert self._process is not None
        return self._process.wait(timeout)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, wait, and return the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError, http.client.HTTPException):
                self._ask_health()
                return
            time.sleep(0.02)
        raise RuntimeError(f"the server does not answer; it wrote:\n{self.output()}")

    def _ask_health(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            if self._socket_path is not None:
                connection.sock = socket.socket(socket.AF_UNIX)
                connection.sock.connect(str(self._socket_path))
            connection.request("GET", "/health")
            connection.getresponse().read()
