"""The table of kinds of request, and how a function gets into it."""

import itertools
import json
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.support.simulator import Simulator

from ..load import post
from .wire import Answer, ask

#: What Pannier is told, so that whatever stalls ends soon (seconds).
SETTINGS = {
    "PANNIER_FIRST_BYTE_TIMEOUT": "3",
    "PANNIER_IDLE_TIMEOUT": "2",
    "PANNIER_TOTAL_TIMEOUT": "20",
    "PANNIER_BODY_TIMEOUT": "3",
    "PANNIER_WRITE_TIMEOUT": "5",
    "PANNIER_HEADER_TIMEOUT": "5",
    "PANNIER_HEARTBEAT": "0.5",
    "PANNIER_MAX_BODY_BYTES": str(16 << 20),
}
CHAT, TEXT, EMBED = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
MESSAGE = "/v1/messages"
CODE = "/api/generate"
PROMPTS = [f"Tell me of number {number}" for number in range(20)]


class Scene:
    """What a request needs: where Pannier is, what is right, and some luck."""

    def __init__(self, port: int, simulator: Simulator) -> None:
        self.port = port
        self.luck = random.Random(1)
        self.turns = itertools.count()
        self.chats = {prompt: _said(simulator, prompt) for prompt in PROMPTS}
        self.texts = {prompt: _generated(simulator, prompt) for prompt in PROMPTS}
        self.vectors = {prompt: _vector(simulator, prompt) for prompt in PROMPTS}

    def prompt(self) -> str:
        """One of the prompts whose answers are known."""
        return self.luck.choice(PROMPTS)

    def ask(self, path: str, body: dict[str, Any]) -> Answer:
        """One request on a connection of its own."""
        return ask(self.port, post(path, body))


class Kind(NamedTuple):
    """A kind of request: how often it comes, and how many seconds it may take.

    A ``long`` one is only for runs in which memory has minutes to settle.
    """

    name: str
    act: Callable[[Scene], None]
    weight: float
    limit: float
    long: bool


KINDS: dict[str, Kind] = {}


def kind(
    weight: float = 1, limit: float = 10, long: bool = False
) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Enter a function into the table under its own name."""

    def enter(act: Callable[[Scene], None]) -> Callable[[Scene], None]:
        name = act.__name__.replace("_", " ")
        KINDS[name] = Kind(name, act, weight, limit, long)
        return act

    return enter


def chat(prompt: str, model: str = "llama3.2", **more: Any) -> dict[str, Any]:
    """The body of a chat."""
    return {"model": model, "messages": [{"role": "user", "content": prompt}], **more}


def code(model: str, **more: Any) -> dict[str, Any]:
    """The body of an editor that wants code."""
    return {"model": model, "prompt": "<PRE> x = <SUF> + y <MID>", **more}


def _asked(simulator: Simulator, path: str, body: dict[str, Any]) -> Any:
    return json.loads(simulator.ask("POST", path, {**body, "stream": False})[1])


def _said(simulator: Simulator, prompt: str) -> str:
    return str(_asked(simulator, "/api/chat", chat(prompt))["message"]["content"])


def _generated(simulator: Simulator, prompt: str) -> str:
    body = {"model": "llama3.2", "prompt": prompt}
    return str(_asked(simulator, "/api/generate", body)["response"])


def _vector(simulator: Simulator, prompt: str) -> Any:
    body = {"model": "all-minilm", "input": prompt}
    return _asked(simulator, "/api/embed", body)["embeddings"][0]
