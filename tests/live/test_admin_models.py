"""Models in Ollama, done over HTTP by whoever administers: gunicorn and a simulator."""

import json
from collections.abc import Iterator
from socket import socket
from typing import Any

import pytest
from support.administering import PASSWORD, PREFIX, Admin
from support.leaving import ask, eventually, fin, fresh, left, rest, until
from support.server import Server, free_port
from support.simulator import Simulator

pytestmark = pytest.mark.live

#: It loads for two seconds; to pull it takes half a minute.
SLOW, LONG = "sim-load2", "sim-load30"


@pytest.fixture(scope="module")
def served(ollama: Simulator) -> Iterator[Admin]:
    """Somebody who is signed in to a Pannier of two workers before a simulator."""
    env = {
        "ADMIN_PASSWORD": PASSWORD,
        "OLLAMA_URL": ollama.url,
        "WEB_CONCURRENCY": "2",
        # Of streams, and of what is silent: a model that loads may be.
        "PANNIER_FIRST_BYTE_TIMEOUT": "1",
        "PANNIER_IDLE_TIMEOUT": "1",
    }
    with Server(env) as server:
        admin = Admin(server)
        assert admin.sign_in().status == 200
        yield admin


def running(ollama: Simulator) -> set[str]:
    """The names of what Ollama says it has in memory."""
    found = json.loads(ollama.ask("GET", "/api/ps")[1])["models"]
    return {model["name"] for model in found}


def pulling(admin: Admin, model: str, name: str) -> socket:
    """A pull under way."""
    return asked(admin, "models/pull", name, {"model": model})


def asked(admin: Admin, path: str, name: str, body: Any) -> socket:
    """A request under way."""
    head = [f"{key}: {value}" for key, value in admin.headers.items()]
    return ask(admin.server.port, "POST", f"{PREFIX}/{path}", name, body, *head)


def test_a_model_is_loaded_and_unloaded(ollama: Simulator, served: Admin) -> None:
    """Ollama has it in memory then, however long that took, and then no more."""
    found = served.do("POST", f"models/{SLOW}/load", {"keep_alive": "5m"})
    assert found["load_ms"] >= 2000
    assert f"{SLOW}:latest" in running(ollama)
    loaded = served.do("GET", "health")["ollama"]["loaded"]
    assert f"{SLOW}:latest" in [model["name"] for model in loaded]
    assert served.do("POST", f"models/{SLOW}/unload")["unloaded"] is True
    assert f"{SLOW}:latest" not in running(ollama)
    done = [entry["action"] for entry in served.do("GET", "audit?limit=2")["entries"]]
    assert done == ["model.unload", "model.load"]


def test_what_is_set_counts_in_each_worker(ollama: Simulator, served: Admin) -> None:
    """A model is loaded with the context that was just set for it."""
    served.do("PATCH", "models/gemma3", {"overrides": {"num_ctx": 2345}})

    def context() -> Any:
        return served.do("POST", "models/gemma3/load")["context_length"]

    eventually(lambda: {context() for _ in range(8)} == {2345})


def test_who_leaves_ends_the_load(ollama: Simulator, served: Admin) -> None:
    """Nobody waits for a model that nobody wants any more."""
    name = fresh("load")
    ollama.clear()
    with asked(served, f"models/{LONG}/load", name, {}):
        ollama.wait(path="/api/generate", outcome="open")
    ollama.wait(path="/api/generate", outcome="client-left")
    left(served.server, name)


def test_a_pull_is_seen_piece_by_piece(ollama: Simulator, served: Admin) -> None:
    """Its progress comes while Ollama still pulls; at the end all workers know it."""
    ollama.clear()
    with pulling(served, "mistral:7b", fresh("pull")) as pull:
        head = until(pull, b'"completed"')
        assert b" 200 OK" in head
        assert b"Content-Type: text/event-stream" in head
        assert b"X-Accel-Buffering: no" in head
        assert ollama.wait(path="/api/pull")["outcome"] == "open"
        end = until(pull, b"0\r\n\r\n")
    assert b'data: {"status":"success"}\n\n' in end
    assert b"event: error" not in end

    def is_there() -> bool:
        return served.ask("GET", "models/mistral:7b").status == 200

    eventually(lambda: all(is_there() for _ in range(8)))
    served.do("POST", "models/mistral:7b/remove")
    eventually(lambda: not any(is_there() for _ in range(8)))


def test_who_leaves_ends_the_pull(ollama: Simulator, served: Admin) -> None:
    """Ollama is let go of at once, the model is not there, and nothing was logged."""
    name = fresh("pull")
    ollama.clear()
    with pulling(served, LONG, name) as pull:
        until(pull, b'"total"')
        assert ollama.open() == 1
        fin(pull)
    entry = ollama.wait(path="/api/pull", outcome="client-left")
    assert entry["closed"] - entry["started"] < 20
    left(served.server, name)
    done = served.do("GET", "audit?limit=1")["entries"][0]
    assert (done["action"], done["object"]) != ("model.pull", LONG)


def test_a_pull_of_what_nobody_has(served: Admin) -> None:
    """The last event is the error, and the answer ends as it should."""
    with pulling(served, "nope", fresh("nope")) as pull:
        said = until(pull, b"0\r\n\r\n")
    assert b"event: error\ndata: " in said
    assert b"file does not exist" in said


def test_a_worker_that_stops_says_so(ollama: Simulator) -> None:
    """A pull that ends because Pannier does ends with an error, not with silence."""
    env = {
        "ADMIN_PASSWORD": PASSWORD,
        "OLLAMA_URL": ollama.url,
        "PANNIER_GRACEFUL_TIMEOUT": "3",
    }
    with Server(env) as server:
        admin = Admin(server)
        assert admin.sign_in().status == 200
        with pulling(admin, LONG, fresh("stopped")) as pull:
            until(pull, b'"total"')
            server.stop()
            end = rest(pull)
    assert b'event: error\ndata: {"error":' in end
    assert b"server_shutting_down" in end
    assert end.endswith(b"0\r\n\r\n")


def test_ollama_is_down() -> None:
    """What needs it is a 502 that says where it was looked for; health is an answer."""
    port = free_port()
    env = {"ADMIN_PASSWORD": PASSWORD, "OLLAMA_URL": f"http://127.0.0.1:{port}"}
    with Server(env) as server:
        admin = Admin(server)
        assert admin.sign_in().status == 200
        for path, body in (
            ("models/llama3.2/load", {}),
            ("models/llama3.2/unload", {}),
            ("models/llama3.2/test", {}),
            ("models/llama3.2/remove", {}),
            ("models/pull", {"model": "llama3.2"}),
        ):
            got = admin.ask("POST", path, body)
            assert (got.status, got.code) == (502, "upstream_unreachable")
            assert str(port).encode() in got.body
        found = admin.do("GET", "health")
        assert found["ollama"]["ok"] is False
        assert found["database"]["ok"] is True
        assert found["workers"] == 1
        assert found["inflight"] == 1
        assert admin.ask("POST", "upstream/test", {"url": server.url}).status == 422
