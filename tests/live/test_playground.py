"""The playground over HTTP, with a real gunicorn and a simulator: streams and ends."""

import json
import re
from collections.abc import Iterator
from socket import socket
from typing import Any

import pytest
from support.administering import PASSWORD, PREFIX, Admin
from support.leaving import ask, eventually, fin, fresh, rest, said, until
from support.scripted import ALL_CHATS, talk
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

#: An answer that lasts longer than any test, and one that never begins.
SLOW, NEVER = "sim-chunks1000-tps5", "fault-never"
#: The mark of an error in a stream of each dialect.
MARKS = {
    "openai": b'"code":"request_cancelled"',
    "anthropic": b"event: error",
    "responses": b"response.failed",
    "native": b'{"error":',
}


@pytest.fixture(scope="module")
def admin(ollama: Simulator) -> Iterator[Admin]:
    """Somebody who is signed in to a Pannier of one worker."""
    env = {"ADMIN_PASSWORD": PASSWORD, "OLLAMA_URL": ollama.url}
    with Server(env) as server:
        admin = Admin(server)
        assert admin.sign_in().status == 200
        yield admin


def trying(admin: Admin, name: str, path: str, body: Any, **more: Any) -> socket:
    """A try under way."""
    head = [f"{key}: {value}" for key, value in admin.headers.items()]
    form = {"path": path, "body": body, **more}
    return ask(admin.server.port, "POST", f"{PREFIX}/playground", name, form, *head)


def keyed(admin: Admin, **terms: Any) -> str:
    """The name of a new key."""
    name = fresh("key")
    admin.do("POST", "keys", {"name": name, "allow_models": ["*"], **terms})
    return name


def running(admin: Admin, name: str) -> list[Any]:
    """What is seen of a request while it runs."""
    found = admin.do("GET", "live?once=1")["running"]
    return [one for one in found if one["id"] == name]


@pytest.mark.parametrize("dialect", ALL_CHATS)
def test_a_stream_is_seen_and_can_be_ended(
    ollama: Simulator, admin: Admin, dialect: str
) -> None:
    """It comes piece by piece, runs in the name of its key, and ends as others do."""
    ollama.clear()
    name, key = fresh("try"), keyed(admin)
    path, body = ALL_CHATS[dialect], talk(dialect, SLOW, True)
    with trying(admin, name, path, body, key=key) as sock:
        assert b" 200 OK" in until(sock, b" word")
        (one,) = running(admin, name)
        assert (one["key_name"], one["model"], one["state"]) == (key, SLOW, "answering")
        assert ollama.open() == 1
        assert admin.do("POST", f"live/{name}/cancel")["cancelled"] == 1
        end = rest(sock)
    assert MARKS[dialect] in end
    assert end.endswith(b"0\r\n\r\n")
    eventually(lambda: not ollama.open(), 1)


@pytest.mark.parametrize("model", [SLOW, NEVER], ids=["begun", "waiting"])
def test_who_leaves_ends_it(ollama: Simulator, admin: Admin, model: str) -> None:
    """Ollama is let go of at once, and both lines of the log say so."""
    ollama.clear()
    name, path = fresh("left"), ALL_CHATS["openai"]
    with trying(admin, name, path, talk("openai", model, True)) as sock:
        ollama.wait(path="/api/chat", outcome="open")
        if model == SLOW:
            until(sock, b" word")
        fin(sock)
    eventually(lambda: not ollama.open(), 1)
    lines = eventually(lambda: len(said(admin.server, name)) == 2 and said)(
        admin.server, name
    )
    assert [f"path={path} " in line for line in lines] == [True, False]
    assert all("outcome=left" in line for line in lines), lines
    assert "Traceback" not in admin.server.output()


def test_a_key_that_is_revoked_meanwhile(ollama: Simulator, admin: Admin) -> None:
    """What runs in its name ends, and what comes after is refused."""
    key, path = keyed(admin), ALL_CHATS["openai"]
    body = talk("openai", SLOW, True)
    with trying(admin, fresh("revoked"), path, body, key=key) as sock:
        until(sock, b" word")
        admin.do("POST", f"keys/{key}/revoke")
        assert b"This API key has been revoked." in rest(sock)
    got = admin.ask("POST", "playground", {"path": path, "body": body, "key": key})
    assert (got.status, got.code) == (401, "invalid_api_key")


def test_limits_hold(ollama: Simulator, admin: Admin) -> None:
    """One at a time is one at a time, whoever asks in the key's name."""
    key, path = keyed(admin, max_concurrent=1), ALL_CHATS["openai"]
    form = {"path": path, "body": talk("openai", "llama3.2", False), "key": key}
    with trying(admin, fresh("first"), path, talk("openai", SLOW, True), key=key) as s:
        until(s, b" word")
        assert admin.ask("POST", "playground", form).status == 429
    eventually(lambda: admin.ask("POST", "playground", form).status == 200)


def test_usage(admin: Admin) -> None:
    """There is a row with the tokens, in the name of the key, and no audit entry."""
    key, path = keyed(admin), ALL_CHATS["anthropic"]
    form = {"path": path, "body": talk("anthropic", "llama3.2", True), "key": key}
    assert admin.ask("POST", "playground", form).status == 200
    (row,) = eventually(
        lambda: admin.do("GET", f"usage/records?key={key}")["records"], 10
    )
    assert (row["endpoint"], row["status"], row["stream"]) == ("messages", "ok", True)
    assert row["completion_tokens"] > 0
    done = [one["action"] for one in admin.do("GET", "audit?limit=1")["entries"]]
    assert done == ["key.create"]


def test_a_worker_that_stops_says_so(ollama: Simulator) -> None:
    """A stream that ends because Pannier does ends with an error, as others."""
    env = {
        "ADMIN_PASSWORD": PASSWORD,
        "OLLAMA_URL": ollama.url,
        "PANNIER_GRACEFUL_TIMEOUT": "3",
    }
    with Server(env) as server:
        admin = Admin(server)
        admin.sign_in()
        body = talk("openai", SLOW, True)
        with trying(admin, fresh("stopped"), ALL_CHATS["openai"], body) as sock:
            until(sock, b" word")
            server.stop()
            end = rest(sock)
    assert b"server_shutting_down" in end
    assert end.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("fault", ["fault-cut-length", "fault-short-length"])
def test_an_answer_that_breaks_off(ollama: Simulator, fault: str) -> None:
    """It breaks off here, too, and the log has it as a failure of Ollama's."""
    env = {"OLLAMA_URL": ollama.url, "ADMIN_PASSWORD": PASSWORD}
    with Server(env) as server:
        admin = Admin(server)
        admin.sign_in()
        body = talk("native", fault, True)
        with trying(admin, fresh("broken"), "/api/chat", body) as sock:
            assert not rest(sock).endswith(b"0\r\n\r\n")
        line = r"path=/admin/api/v1/playground .* outcome=upstream_error"
        eventually(lambda: re.search(line, server.output()))
        assert "Traceback" not in server.output()


def test_a_failure_of_ollama(admin: Admin) -> None:
    """What goes wrong there is said as a client is told."""
    body = talk("native", "fault-out-of-memory", False)
    got = admin.ask("POST", "playground", {"path": "/api/chat", "body": body})
    assert got.status >= 400
    assert isinstance(json.loads(got.body)["error"], str)
