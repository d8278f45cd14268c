"""Requests to a server whose Ollama fails, all at once, and what became of each."""

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from app.simulator import faults

from .simulator import Simulator

#: Longer than any limit of the servers under test.
PATIENCE = 60.0
#: So many requests at a time.
THREADS = 48
#: Ways of asking after which a good request follows.
FOLLOWED = {"chat-stream", "retrieve"}
SAYS = "Say “hello” to me."


class Way(NamedTuple):
    """One way to ask: method, path, body, and which route of Ollama it is about.

    Routes that are asked by a model's name fail by that; ``breaks`` names the route
    that has to be broken instead.
    """

    method: str
    path: str
    body: dict[str, Any] | None = None
    breaks: str = ""

    @property
    def native(self) -> bool:
        """Whether it is one of Ollama's own routes."""
        return self.path.startswith("/api/")

    @property
    def streams(self) -> bool:
        """Whether a good answer is a stream."""
        return bool(self.body) and bool(self.body.get("stream", self.native))


_CHAT = {"messages": [{"role": "user", "content": SAYS}]}
WAYS = {
    "chat": Way("POST", "/v1/chat/completions", _CHAT),
    "chat-stream": Way("POST", "/v1/chat/completions", {**_CHAT, "stream": True}),
    "completion": Way("POST", "/v1/completions", {"prompt": SAYS}),
    "completion-stream": Way(
        "POST", "/v1/completions", {"prompt": SAYS, "stream": True}
    ),
    "embeddings": Way("POST", "/v1/embeddings", {"input": SAYS}),
    "list": Way("GET", "/v1/models", None, "/api/tags"),
    "retrieve": Way("GET", "/v1/models/llama3.2", None, "/api/show"),
    "native": Way("POST", "/api/chat", {**_CHAT, "stream": False}),
    "native-stream": Way("POST", "/api/chat", _CHAT),
    "native-list": Way("GET", "/api/tags", None, "/api/tags"),
}


class Seen(NamedTuple):
    """An answer: ``whole`` says that its framing ended as it should.

    ``asked`` is how many requests it made of Ollama, ``then`` the status of a good
    request right after it, where there was one.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool
    seconds: float
    asked: int = 0
    then: int | None = None

    @property
    def error(self) -> dict[str, Any]:
        """The error of an answer that is one."""
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error

    @property
    def events(self) -> list[str]:
        """The data of a stream's events, which is all there may be in it."""
        *frames, rest = self.body.decode().split("\n\n")
        assert rest == ""
        assert all(f.startswith("data: ") and "\n" not in f for f in frames)
        return [frame.removeprefix("data: ") for frame in frames]


def ask(port: int, way: Way, model: str = "", name: str = "good") -> Seen:
    """One request on a connection of its own; ``name`` becomes its id."""
    body = None
    if way.body is not None:
        body = json.dumps({"model": model, **way.body})
    start = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request(way.method, way.path, body, {"X-Request-Id": name})
        answer = connection.getresponse()
        headers = {key.lower(): value for key, value in answer.getheaders()}
        whole = True
        try:
            data = answer.read()
        except http.client.IncompleteRead as exc:
            data, whole = exc.partial, False
        seconds = time.monotonic() - start
        return Seen(answer.status, headers, data, whole, seconds)
    finally:
        connection.close()


class Table:
    """Asks a server in many ``ways`` while its simulator fails in many ways."""

    def __init__(
        self, port: int, simulator: Simulator, ways: Mapping[str, Way] = WAYS
    ) -> None:
        self._port = port
        self._simulator = simulator
        self._ways = ways
        self._asked: dict[int, str] = {}
        self._tried = 0
        self._lock = threading.Lock()

    def run(self, cases: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Seen]:
        """What each pair of a fault and a way gives.

        They run side by side; of those that break a route, one after the other.
        """
        rows: dict[str, list[tuple[str, str]]] = {}
        for case in cases:
            rows.setdefault(self._ways[case[1]].breaks, []).append(case)
        free = rows.pop("", [])
        found = {}
        with ThreadPoolExecutor(THREADS) as threads:
            broken = [threads.submit(self._row, row) for row in rows.values()]
            for case, seen in zip(free, threads.map(self._one, free), strict=True):
                found[case] = seen
            for job in broken:
                found |= job.result()
        self._look()
        asked = Counter(self._asked.values())
        return {
            (fault, name): seen._replace(asked=asked[f"{fault}.{name}"])
            for (fault, name), seen in found.items()
        }

    def _row(self, cases: list[tuple[str, str]]) -> dict[tuple[str, str], Seen]:
        found = {}
        for fault, name in cases:
            known = faults.find(fault)
            assert known, fault
            self._simulator.fault(self._ways[name].breaks, *known)
            found[fault, name] = self._one((fault, name))
        return found

    def _one(self, case: tuple[str, str]) -> Seen:
        fault, name = case
        seen = ask(self._port, self._ways[name], f"fault-{fault}", f"{fault}.{name}")
        then = None
        if name in FOLLOWED:
            then = ask(self._port, WAYS["chat"], "llama3.2").status
        with self._lock:
            self._tried += 1
            # One to three requests each, and the log keeps the last hundred.
            if self._tried % 10 == 0:
                self._look()
        return seen._replace(then=then)

    def _look(self) -> None:
        for entry in self._simulator.log():
            headers = {key.lower(): value for key, value in entry["headers"]}
            self._asked[entry["id"]] = headers.get("x-request-id", "")
