"""A catalogue's Ollama whose models differ in what they can do."""

import json
from typing import Any

from app.errors import UpstreamError

#: One model of each kind: what it can do, and its family.
MODELS = {
    "levelled": (["completion", "tools", "thinking"], "gptoss"),
    "switched": (["completion", "tools", "thinking"], "qwen3"),
    "plain": (["completion", "tools"], "llama"),
    "seeing": (["completion", "vision"], "llama"),
    "hearing": (["completion", "vision", "audio"], "gemma4"),
    "unknown": (None, "llama"),
}


class Able:
    """Answers a catalogue's calls; ``asked`` notes for which models."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.calls = 0

    def __call__(self, method: str, path: str, payload: Any, timeout: float) -> bytes:
        """One call."""
        self.calls += 1
        if path != "/api/show":
            listed = [{"name": name, "digest": name} for name in MODELS]
            return json.dumps({"models": listed}).encode()
        self.asked.append(payload.model)
        if payload.model not in MODELS:
            raise UpstreamError("no such model")
        can, family = MODELS[payload.model]
        shown: dict[str, Any] = {"details": {"family": family}}
        return json.dumps(
            shown if can is None else shown | {"capabilities": can}
        ).encode()
