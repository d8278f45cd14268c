"""A catalogue's Ollama with one model for each way to fill in."""

import json
from typing import Any

from app.errors import UpstreamError, UpstreamTimeout

#: A template for conversations, and one that is none.
CHATS = "{{ range .Messages }}{{ .Content }}{{ end }}"
BARE = "{{ .Prompt }}"
INSERTS = "{{ if .Suffix }}{{ .Prompt }}|{{ .Suffix }}{{ else }}{{ .Prompt }}{{ end }}"

#: What each model can do, its family and its template; those changed last come first.
MODELS: dict[str, tuple[list[str] | None, str, str]] = {
    "talker": (["completion", "tools"], "odd", CHATS),
    "thinker": (["completion", "thinking"], "odd", CHATS),
    "base": (["completion"], "odd", BARE),
    "inserter": (["completion", "insert"], "odd", INSERTS),
    # A template may know suffixes where Ollama says that the model does not.
    "no-inserter": (["completion"], "odd", INSERTS),
    "older-inserter": (None, "odd", INSERTS),
    "older-talker": (None, "odd", CHATS),
    "older-base": (None, "odd", ""),
    "thinking-coder": (["completion", "insert", "thinking"], "starcoder2", INSERTS),
    "qwen2.5-coder:7b": (["completion", "tools", "insert"], "qwen2", INSERTS),
    "starcoder2:3b": (["completion", "insert"], "starcoder2", INSERTS),
    "codellama:7b-code": (["completion", "insert"], "llama", INSERTS),
    "codellama:7b-instruct": (["completion"], "llama", CHATS),
    "deepseek-coder:6.7b-base": (["completion"], "llama", BARE),
    "codestral": (["completion", "insert"], "llama", INSERTS),
    "granite-code:3b": (["completion", "insert"], "llama", INSERTS),
    "llama3.2": (["completion", "tools"], "llama", CHATS),
    "gpt-oss:20b": (["completion", "tools", "thinking"], "gptoss", CHATS),
    "embedder": (["embedding"], "bert", ""),
}


class Coders:
    """Answers a catalogue's calls; ``asked`` notes which.

    ``only`` are the models there are.  ``loaded`` are the contexts of those in memory,
    ``num_ctx`` and ``own`` those that every model sets, and was trained for.  What is
    ``silent`` does not answer.
    """

    def __init__(
        self,
        *only: str,
        loaded: dict[str, int] | None = None,
        num_ctx: int | None = None,
        own: int | None = None,
        silent: bool = False,
    ) -> None:
        self.models = {name: MODELS[name] for name in only or MODELS}
        self.in_memory = loaded or {}
        self.num_ctx = num_ctx
        self.own = own
        self.silent = silent
        self.asked: list[str] = []

    def __call__(self, method: str, path: str, payload: Any, timeout: float) -> bytes:
        """One call."""
        self.asked.append(path)
        if self.silent:
            raise UpstreamTimeout("nothing")
        return json.dumps(self._answer(path, payload)).encode()

    def _answer(self, path: str, payload: Any) -> dict[str, Any]:
        if path == "/api/tags":
            return {"models": [_listed(*each) for each in enumerate(self.models)]}
        if path == "/api/ps":
            loaded = self.in_memory.items()
            return {"models": [{"name": n, "context_length": c} for n, c in loaded]}
        if payload.model not in self.models:
            raise UpstreamError("no such model")
        return self._shown(*self.models[payload.model])

    def _shown(self, can: list[str] | None, family: str, template: str) -> Any:
        shown: dict[str, Any] = {"details": {"family": family}, "template": template}
        if can is not None:
            shown["capabilities"] = can
        if self.num_ctx:
            shown["parameters"] = f"num_ctx {self.num_ctx}"
        if self.own:
            shown["model_info"] = {"odd.context_length": self.own}
        return shown


def _listed(age: int, name: str) -> dict[str, str]:
    changed = f"2026-01-{28 - age:02}T00:00:00Z"
    return {"name": name, "digest": name, "modified_at": changed}
