"""The whole stack with keys, in process, and the ways in which clients send one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch
from wsgiref.types import WSGIApplication

from werkzeug.middleware.lint import LintMiddleware

from app.gateway.credentials import hasher
from app.gateway.keys import Key
from app.secret import secret
from app.settings import Settings
from app.storage import configuration
from app.storage.database import Database
from app.storage.upgrade import upgrade
from middleware.stack import build_stack

from .gateway import installed, key, snapshot
from .ollama import FakeUpstream

#: The secret of the key that ``gateway.key`` makes, and another one.
SECRET = "sk-test-key-of-thirty-two-characters"
OTHER = "another-key-from-elsewhere"

#: How a client sends a key: the header, and what stands before it.
WAYS = {
    "Authorization": "Bearer ",
    "authorization": "bearer   ",
    "x-api-key": "",
    "api-key": "",
}
CHAT = {"model": "a", "messages": [{"role": "user", "content": "Hi"}]}
#: A good request of each kind that a model answers, and of lists.
REQUESTS: dict[str, tuple[str, str, Any]] = {
    "chat": ("POST", "/v1/chat/completions", CHAT),
    "bare chat": ("POST", "/chat/completions", CHAT),
    "completions": ("POST", "/v1/completions", {"model": "a", "prompt": "x"}),
    "embeddings": ("POST", "/v1/embeddings", {"model": "a", "input": "x"}),
    "messages": ("POST", "/v1/messages", CHAT | {"max_tokens": 9}),
    "responses": ("POST", "/v1/responses", {"model": "a", "input": "x"}),
    "native chat": ("POST", "/api/chat", CHAT),
    "native generate": ("POST", "/api/generate", {"model": "a", "prompt": "x"}),
    "models": ("GET", "/v1/models", None),
    "native models": ("GET", "/api/tags", None),
}


def header(way: str, secret: str = SECRET) -> dict[str, str]:
    """The headers of one of the ways."""
    return {way.replace("-", "_"): WAYS[way] + secret}


def gateway(
    *keys: Key,
    upstream: FakeUpstream | None = None,
    lint: Callable[[WSGIApplication], WSGIApplication] = LintMiddleware,
    **settings: Any,
) -> WSGIApplication:
    """Pannier with these keys, as it is served, over a fake Ollama, under a linter."""
    upstream = upstream or FakeUpstream()
    chosen = {"access_log": False, "responses_ttl": 0, **settings}
    installation = installed(snapshot(*keys), **chosen)
    with patch("middleware.stack.Upstream.of", lambda settings: upstream):
        return lint(build_stack(Settings(**chosen), installation))


class Keyring:
    """The keys in the database of a state directory, as an operator changes them."""

    def __init__(self, state_dir: Path) -> None:
        self._hash = hasher(secret(str(state_dir)))
        self._database = Database("", str(state_dir))
        upgrade(self._database)

    def add(self, name: str, secret: str, **more: Any) -> Key:
        """Make a key."""
        made = key(name, secret, digest=self._hash(secret.encode()), **more)
        with self._database.writing() as connection:
            configuration.add_key(connection, made, "test")
        return made

    def change(self, made: Key, **changes: Any) -> None:
        """Change it."""
        with self._database.writing() as connection:
            configuration.change_key(connection, made.id, changes, "test")

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()
