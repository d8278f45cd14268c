"""Secrets: whatever tests use, no server of theirs writes it."""

import sys
from pathlib import Path

import pytest
from support import secrecy
from support.keyed import Keyring
from support.raw import ask
from support.server import Server, free_port
from support.simulator import Simulator

from app.gateway.credentials import new_secret

HI = {"model": "llama3.2", "messages": [{"role": "user", "content": "hi"}]}
#: A server that answers, and says at once what it should keep to itself.
TALKATIVE = """
import http.server, os
print("it is", os.environ["TOLD"], flush=True)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
port = int(os.environ["PANNIER_PORT"])
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
NOTED = "what-somebody-typed-in"


@pytest.mark.parametrize(
    "told",
    [
        NOTED,
        pytest.param(new_secret(), id="a key"),
        "sk-anything-else",
        "Authorization: Bearer abcdefghij",
        "basic dXNlcjpwYXNz",
        "postgresql://pannier:hunter22@db/pannier",
        "redis://:hunter22@db/0",
    ],
)
def test_what_a_server_tells_is_found(told: str) -> None:
    """A server that writes a secret fails its test."""
    secrecy.note_headers([("X-API-Key", NOTED)])
    talkative = Server({"TOLD": told}, command=[sys.executable, "-c", TALKATIVE])
    with pytest.raises(AssertionError, match="wrote secrets"), talkative:
        pass


@pytest.mark.parametrize(
    "said",
    ["sk-…9xYz", "sk-***", "Bearer ***", "http://***@10.0.0.1/", "a task-list-of-mine"],
)
def test_what_is_hidden_is_no_secret(said: str) -> None:
    """What a log has in the place of a secret is none."""
    assert secrecy.found(said) == []


@pytest.mark.live
def test_g2_nothing_secret_is_written(simulator: Simulator, tmp_path: Path) -> None:
    """No log and no file has a key or a password, also when things go wrong."""
    password, good, wrong = "a-password-of-a-server", new_secret(), new_secret()
    ring = Keyring(tmp_path)
    ring.add("somebody", good)
    ring.close()
    env = {
        "OLLAMA_URL": simulator.url,
        "OLLAMA_API_KEY": "upstream-" + password,
        "ADMIN_PASSWORD": "admin-" + password,
        "SESSION_SECRET": "session-" + password,
        "PANNIER_LIMITS_URL": f"redis://:{password}@127.0.0.1:{free_port()}/0",
        "PANNIER_STATE_DIR": str(tmp_path),
    }
    with Server(env, arguments=["--log-level", "debug"]) as server:
        statuses = [
            ask(server.port, "POST", path, HI | more, {header: before + key}).status
            for key in (good, wrong)
            for header, before in (("Authorization", "Bearer "), ("x-api-key", ""))
            for path in ("/v1/chat/completions", f"/v1/messages?key={key}", f"/{key}")
            for more in ({}, {"model": key}, {"messages": key})
        ]
        assert {200, 400, 401, 404} <= set(statuses)
        assert "status=401" in server.output()
        assert server.stop() == 0  # rows of usage are written then
    kept = b"".join(one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())
    assert b"somebody" in kept
    for secret in (good, wrong, password):
        assert secret.encode() not in kept
