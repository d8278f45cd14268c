"""Keys that are revoked while their answers are under way."""

import time
from contextlib import ExitStack, closing
from pathlib import Path
from socket import socket

import pytest
from support.keyed import SECRET, Keyring
from support.leaving import ask, eventually, until
from support.scripted import ALL_CHATS, talk
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

#: An answer that lasts longer than any test.
SLOW = "sim-chunks1000-tps5"
OTHER = "sk-other-key-of-thirty-two-characters"
REVOKED = b"This API key has been revoked."
#: What the events of each dialect say beside.
MARKS = {
    "openai": b'"code":"invalid_api_key"',
    "anthropic": b"event: error",
    "responses": b"response.failed",
    "native": b'{"error":',
}


def test_k6_what_runs_of_a_revoked_key(ollama: Simulator, tmp_path: Path) -> None:
    """Its streams end with an error in each dialect, what waits is a 401; no others.

    So does what runs of a key that expires, though nobody changes anything then.
    """
    ollama.clear()
    env = {"OLLAMA_URL": ollama.url, "PANNIER_STATE_DIR": str(tmp_path)}
    with closing(Keyring(tmp_path)) as ring, ExitStack() as stack:
        key, other = ring.add("one", SECRET), ring.add("other", OTHER)
        server = stack.enter_context(Server(env))

        def asked(dialect: str, secret: str, stream: bool = True) -> socket:
            head = f"Authorization: Bearer {secret}"
            body = talk(dialect, SLOW, stream)
            path = ALL_CHATS[dialect]
            sock = ask(server.port, "POST", path, dialect, body, head)
            return stack.enter_context(sock)

        streams = {dialect: asked(dialect, SECRET) for dialect in ALL_CHATS}
        others = asked("openai", OTHER)
        waiting = asked("openai", SECRET, stream=False)
        for sock in (*streams.values(), others):
            until(sock, b" word")
        eventually(lambda: ollama.open() == len(streams) + 2)
        ring.change(key, revoked_at=int(time.time() * 1000))
        for dialect, sock in streams.items():
            told = until(sock, b"0\r\n\r\n")
            assert REVOKED in told, dialect
            assert MARKS[dialect] in told
            assert b"[DONE]" not in told
        answer = until(waiting, REVOKED)
        assert answer.startswith(b"HTTP/1.1 401 ")
        assert REVOKED in answer
        eventually(lambda: ollama.open() == 1)
        assert b" word" in until(others, b" word")
        end = int(time.time() * 1000) + 1500
        ring.change(other, expires_at=end)
        told = until(others, b"0\r\n\r\n")
        assert time.time() * 1000 >= end
        assert b"This API key has expired." in told
