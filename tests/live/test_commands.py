"""The operator's commands, beside a Pannier that runs."""

import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from support.operating import Operator
from support.postgres import Postgres, needs_postgres, postgres
from support.raw import ask
from support.server import PATIENCE, Server, free_port
from support.simulator import Simulator

pytestmark = pytest.mark.live

CHAT = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
#: Seconds within which a change is felt, and a few for a machine that is busy.
FELT = 1.0 + 2.0
OURS = re.compile(r"sk-[0-9A-Za-z]{45}")


@pytest.fixture(scope="session")
def database_server() -> Iterator[Postgres]:
    """PostgreSQL."""
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=needs_postgres)])
def operator(
    request: pytest.FixtureRequest, tmp_path: Path, simulator: Simulator
) -> Operator:
    """An operator of an installation with a database of each kind."""
    env = {"OLLAMA_URL": simulator.url}
    if request.param == "postgres":
        server = request.getfixturevalue("database_server")
        env["PANNIER_DATABASE_URL"] = server.fresh()
    return Operator(tmp_path, **env)


@pytest.fixture
def alone(tmp_path: Path) -> Operator:
    """An operator with SQLite, and no Ollama."""
    return Operator(tmp_path, OLLAMA_URL=f"http://127.0.0.1:{free_port()}")


@pytest.fixture
def running(operator: Operator) -> Iterator[Server]:
    """Pannier with the operator's settings."""
    names = ("OLLAMA_URL", "PANNIER_DATABASE_URL", "PANNIER_STATE_DIR")
    env = {name: operator.env[name] for name in names if name in operator.env}
    with Server(env) as server:
        yield server


def status(server: Server, key: str = "", body: Any = CHAT) -> int:
    """The status of a chat with a key."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return ask(server.port, "POST", "/v1/chat/completions", body, headers).status


def felt(server: Server, wanted: int, **request: Any) -> float:
    """How long it takes until a request has this status, in seconds."""
    begun = time.monotonic()
    while (seconds := time.monotonic() - begun) < PATIENCE:
        if status(server, **request) == wanted:
            return seconds
    raise AssertionError(f"never {wanted}")


def test_a_key_from_its_making_to_its_end(operator: Operator, running: Server) -> None:
    """The first key closes what was open, works in both libraries, and is revoked."""
    assert status(running) == 200
    done = operator("keys", "create", "--name", "laptop", "--allow", "*", "--yes")
    assert done.code == 0
    key = done.out.strip()
    assert OURS.fullmatch(key)
    assert felt(running, 401) < FELT
    assert status(running, key) == 200
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=key) as client:
        assert client.chat.completions.create(**CHAT).choices[0].message.content
    with anthropic.Anthropic(base_url=running.url, api_key=key) as claude:
        assert claude.messages.create(max_tokens=9, **CHAT).content
    assert ask(running.port, "GET", "/api/tags", None, {"X-API-Key": key}).status == 200
    operator.do("keys", "revoke", "LAPTOP", "--yes")
    assert felt(running, 401, key=key) < FELT
    # No secret is in any output but the one that made it.
    heard = "".join(operator.heard)
    assert heard.count(key) == 1
    assert key not in running.output()


def test_changes_are_felt(operator: Operator, running: Server) -> None:
    """Models, aliases, keys and settings change without a restart."""
    key = operator.do("keys", "create", "--name", "a", "--allow", "tiny", "--yes")
    assert felt(running, 200, key=key) < FELT
    operator.do("alias", "add", "house-model", "tiny")
    aliased = {**CHAT, "model": "house-model"}
    assert felt(running, 200, key=key, body=aliased) < FELT
    operator.do("models", "set", "tiny", "--disable")
    assert felt(running, 404, key=key) < FELT
    operator.do("models", "reset", "tiny")
    assert felt(running, 200, key=key) < FELT
    operator.do("keys", "set", "a", "--deny", "tiny*")
    assert felt(running, 404, key=key) < FELT
    operator.do("keys", "set", "a", "--allow", "*", "--deny", "none")
    assert felt(running, 200, key=key) < FELT
    operator.do("settings", "set", "PANNIER_MAX_CHOICES", "1")
    assert felt(running, 400, key=key, body={**CHAT, "n": 2}) < FELT
    new = operator.do("keys", "rotate", "a", "--grace", "1h")
    assert felt(running, 200, key=new) < FELT
    assert status(running, key) == 200
    operator.do("keys", "disable", "a")
    assert felt(running, 401, key=new) < FELT
    assert status(running, key) == 401


def test_a_key_from_elsewhere_by_standard_input(
    operator: Operator, running: Server
) -> None:
    """A foreign key works, and is in no output at all."""
    secret = "foreign-key-1"
    words = ["keys", "import", "--name", "old", "--allow", "*", "--yes"]
    done = operator(*words, stdin=f"{secret}\n")
    assert done.code == 0
    assert "guessed" in done.err
    assert felt(running, 200, key=secret) < FELT
    assert felt(running, 401) < FELT
    operator.do("keys", "list")
    operator.do("keys", "show", "old")
    operator.do("audit")
    operator.do("export")
    assert secret not in "".join(operator.heard)


#: A name of a model as people over there like them.
NICE = "Nice Coder (fast)"


def test_ollama2openai_from_end_to_end(
    operator: Operator, running: Server, tmp_path: Path
) -> None:
    """Clients of Ollama2OpenAI go on with their keys and their names of models."""
    place = tmp_path / "data"
    place.mkdir()
    keys = [{"id": "1", "name": "x", "key": "changeme", "allowedModels": [NICE]}]
    models = [
        {
            "originalName": "tiny",
            "displayName": NICE,
            "enabled": True,
            "parameterOverrides": {"num_ctx": 4096, "request_timeout": 99999999},
        }
    ]
    (place / "api_keys.json").write_text(json.dumps(keys))
    (place / "models.json").write_text(json.dumps(models))
    planned = operator.do("migrate-ollama2openai", str(place), "--dry-run")
    assert "Nothing was changed" in planned
    assert "+ key x" in planned
    assert operator.do("keys", "list") == "There are no keys."
    operator.do("migrate-ollama2openai", str(place), "--yes")
    again = operator("migrate-ollama2openai", str(place))
    assert again.out == "Nothing was changed: there is nothing new in it.\n"
    assert "entry 1: this key is there already." in again.err
    nice = {**CHAT, "model": NICE}
    assert felt(running, 200, key="changeme", body=nice) < FELT
    assert felt(running, 401, body=nice) < FELT
    got = ask(running.port, "GET", "/v1/models", None, {"X-API-Key": "changeme"})
    assert got.status == 200
    assert [model["id"] for model in json.loads(got.body)["data"]] == [NICE]
    assert "changeme" not in "".join(operator.heard)


def test_the_doctor_sends_a_stream(operator: Operator, running: Server) -> None:
    """A stream through Pannier comes in pieces; with keys it needs one."""
    asked = ["doctor", "--url", running.url, "--model", "sim-tps50"]
    assert "comes in pieces" in operator.do(*asked)
    key = operator.do("keys", "create", "--name", "a", "--allow", "*", "--yes")
    assert felt(running, 401) < FELT
    assert "status 401" in operator(*asked).out
    out = operator.do(*asked, "--key", stdin=f"{key}\n")
    assert "comes in pieces" in out
    assert "This is the key 'a'" in out


class _HeldBack(http.server.BaseHTTPRequestHandler):
    """What a proxy does that keeps a stream until its end."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(0.5)  # as long as a model takes
        body = b"data: {}\n\n" * 30
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_the_doctor_sees_what_is_held_back(alone: Operator) -> None:
    """A stream that comes all at once is in the way, and so is no answer at all."""
    with http.server.HTTPServer(("127.0.0.1", 0), _HeldBack) as proxy:
        thread = threading.Thread(target=proxy.handle_request)
        thread.start()
        done = alone("doctor", "--url", f"http://127.0.0.1:{proxy.server_port}/v1")
        thread.join(PATIENCE)
    assert done.code == 1
    assert "proxy_buffering off" in done.out
    done = alone("doctor", "--url", f"http://127.0.0.1:{free_port()}")
    assert "Nothing answers at" in done.out
