"""An installation as a firm might have it, to look at full pages.

    python -m tests.support.showcase [PORT]

runs it at http://127.0.0.1:8090/admin/ until Ctrl-C.
"""

import contextlib
import json
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from app.moment import now_ms
from app.storage.storage import Storage

from . import made_up
from .administering import PASSWORD, Admin
from .leaving import ask, fresh, rest
from .simulator import Simulator
from .site import Site, running

#: Models that talk for minutes, by what they are in the simulator.
TALKERS = {
    "llama3.2:1b": "sim-tools-chunks9000-tps38",
    "tinyllama:1.1b": "sim-chunks9000-tps27",
    "falcon3:1b": "sim-tools-chunks9000-tps64",
}
#: Who asks them all the time: a key, a path, a model.
STREAMS = [
    ("website chat", "/v1/chat/completions", "llama3.2:1b"),
    ("website chat", "/v1/chat/completions", "llama3.2:1b"),
    ("ana's laptop", "/v1/chat/completions", "tinyllama:1.1b"),
    ("coding agents", "/v1/messages", "falcon3:1b"),
]


@contextmanager
def showcase(port: int = 0) -> Iterator[Site]:
    """One that runs, with all that was made up; some streams go on in it for ever."""
    with ExitStack() as there:
        state = there.enter_context(tempfile.TemporaryDirectory())
        env = {"PANNIER_STATE_DIR": state, "PANNIER_ACCESS_LOG": "off"}
        site = there.enter_context(running(env, port=port))
        _furnish(site.ollama)
        keys = _set_up(site.admin)
        _use(Path(state), {name: made["id"] for name, made in keys.items()})
        streams = there.enter_context(_Streams(site.server.port))
        for name, path, model in STREAMS:
            streams.begin(keys[name]["key"], path, model)
        yield site


def _furnish(ollama: Simulator) -> None:
    """Have the models that somebody would have."""
    listed = json.loads(ollama.ask("GET", "/api/tags")[1])["models"]
    for model in listed:
        if model["name"].startswith("tiny"):
            ollama.ask("DELETE", "/api/delete", {"model": model["name"]})
    for name, kind in TALKERS.items():
        copy = {"source": kind, "destination": name}
        assert ollama.ask("POST", "/api/copy", copy)[0] == 200


def _set_up(admin: Admin) -> dict[str, Any]:
    """Set all that can be set; the keys that were made, by name."""
    month = now_ms() + 30 * made_up.DAY
    keys = {}
    for team in made_up.TEAMS:
        form = {"name": team.name, **team.form}
        if team.name == "nightly summaries":
            form["expires_at"] = month
        keys[team.name] = admin.do("POST", "keys", form)
    admin.do("POST", f"keys/{keys['workshop in spring']['id']}/disable")
    admin.do("POST", f"keys/{keys['contractor']['id']}/revoke")
    for alias in made_up.ALIASES:
        admin.do("POST", "aliases", alias)
    for model, changes in made_up.MODELS.items():
        admin.do("PATCH", f"models/{model}", changes)
    admin.do("PATCH", "settings", made_up.SETTINGS)
    return keys


def _use(state: Path, ids: dict[str, str]) -> None:
    """Keep a month of requests."""
    rows = list(made_up.usage(ids, now_ms()))
    last = {row.key_id: (row.at, row.client_ip) for row in rows}
    storage = Storage("", str(state))
    for start in range(0, len(rows), 500):
        storage.usage.add(rows[start : start + 500], last)
    storage.close()


class _Streams:
    """Requests that are made again when they are over, until the end."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._is_over = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> "_Streams":
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for sock in list(self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def begin(self, secret: str, path: str, model: str) -> None:
        """Ask this, again and again."""
        words = [{"role": "user", "content": "Tell me all that you know."}]
        body = {"model": model, "messages": words, "stream": True, "max_tokens": 9999}
        thread = threading.Thread(target=self._ask, args=(secret, path, body))
        thread.start()
        self._threads.append(thread)

    def _ask(self, secret: str, path: str, body: Any) -> None:
        head = [f"Authorization: Bearer {secret}", "Connection: close"]
        while not self._is_over.is_set():
            with ask(self._port, "POST", path, fresh("show"), body, *head) as sock:
                sock.settimeout(None)
                self._open.add(sock)
                rest(sock)
                self._open.discard(sock)
            self._is_over.wait(0.5)  # if it was refused: the key may still be too new


def main(port: str = "8090") -> None:
    """Run one until Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt), showcase(int(port)) as site:
        sys.stdout.write(f"{site.url}/admin/  user: admin  password: {PASSWORD}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:2])
