"""A simulator in its own process, for tests: ``with Simulator() as ollama: …``."""

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parents[2]


class Simulator:
    """Runs ``python -m app.simulator`` on a free port of 127.0.0.1.

    ``url`` and ``port`` say where.  ``log``, ``clear``, ``wait`` and ``open`` look at
    the requests it was asked; ``fault`` breaks a route until ``mend``.
    """

    def __init__(self, *arguments: str) -> None:
        self._command = [sys.executable, "-m", "app.simulator", "--port", "0"]
        self._command += arguments
        self._process: subprocess.Popen[str] | None = None
        self.url = ""
        self.port = 0

    def start(self) -> "Simulator":
        """Start the process and wait for the line that names its port."""
        self._process = subprocess.Popen(
            self._command, cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        self.url = line.rpartition(" ")[2].strip()
        self.port = urlsplit(self.url).port or 0
        assert self.port, f"the simulator did not start: {line!r}"
        return self

    def stop(self) -> int:
        """Stop the process by SIGTERM; returns its exit status."""
        assert self._process is not None
        self._process.terminate()
        try:
            return self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            if self._process.stdout is not None:
                self._process.stdout.close()

    def __enter__(self) -> "Simulator":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id, for looking at memory and the like."""
        assert self._process is not None
        return self._process.pid

    def ask(
        self, method: str, target: str, body: Any = None, timeout: float = 15
    ) -> tuple[int, bytes]:
        """Send one request; returns status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, target, data)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def _own(self, method: str, own: str, /, **query: Any) -> Any:
        target = f"/simulator/{own}?{urlencode(query)}"
        status, body = self.ask(method, target, timeout=query.get("timeout", 5) + 10)
        answer = json.loads(body)
        assert status == 200, f"{target}: {answer}"
        return answer

    def log(self) -> list[dict[str, Any]]:
        """The last 100 requests, oldest first."""
        requests: list[dict[str, Any]] = self._own("GET", "log")["requests"]
        return requests

    def clear(self) -> None:
        """Forget the log."""
        self._own("DELETE", "log")

    def wait(self, timeout: float = 5, **query: Any) -> dict[str, Any]:
        """The newest request of this ``method``, ``path``, ``outcome``.

        Also by a ``body`` that it holds, or ``after`` which id it came.  Waits up to
        ``timeout`` seconds for one; an AssertionError when none came.
        """
        found: dict[str, Any] = self._own("GET", "wait", timeout=timeout, **query)
        entry: dict[str, Any] = found["request"]
        return entry

    def open(self) -> int:
        """How many requests are being answered now."""
        return int(self._own("GET", "open")["open"])

    def fault(self, path: str, name: str, after: int | None = None) -> None:
        """Break a route (such as /api/tags), whatever the model, by a fault's name."""
        more = {} if after is None else {"after": after}
        self._own("POST", "fault", path=path, name=name, **more)

    def mend(self) -> None:
        """Undo every ``fault``."""
        self._own("DELETE", "fault")
