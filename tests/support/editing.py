"""Editors and their models, for tests of the forms of requests for code."""

import json
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from app.errors import UpstreamRefused

from .ollama import NDJSON, Answer, Call, frames
from .writing import lines

INFILL, COMPLETION, BARE = "/infill", "/completion", "/completions"
TEXT, FIM, CODE = "/v1/completions", "/v1/fim/completions", "/code/generate"

CHATS = "{{ range .Messages }}<{{ .Role }}>{{ .Content }}{{ end }}"
#: What a catalogue knows: by name the capabilities, the family, the template.
MODELS: dict[str, tuple[list[str], str, str]] = {
    "llama3.2:latest": (["completion", "tools"], "llama", CHATS),
    "qwen2.5-coder:latest": (["completion", "insert"], "qwen2", CHATS),
    "codestral:latest": (["completion"], "llama", CHATS),
    "filler:latest": (["completion", "insert", "thinking"], "odd", CHATS),
    "qwen3:latest": (["completion", "thinking"], "qwen3", CHATS),
    "gpt-oss:latest": (["completion", "thinking"], "gptoss", CHATS),
}


class Known:
    """A catalogue's Ollama that has some of ``MODELS``, all by default."""

    def __init__(self, *names: str) -> None:
        self.names = names or tuple(MODELS)

    def __call__(self, method: str, path: str, payload: Any, timeout: float) -> bytes:
        """One call."""
        if path == "/api/tags":
            listed = [{"name": name, "digest": name} for name in self.names]
            return json.dumps({"models": listed}).encode()
        if path != "/api/show":
            return b'{"models":[]}'
        name = payload.model if ":" in payload.model else f"{payload.model}:latest"
        if name not in self.names:
            raise UpstreamRefused("not found", status=404)
        can, family, template = MODELS[name]
        shown = {"capabilities": can, "template": template}
        return json.dumps(shown | {"details": {"family": family}}).encode()


TIME = "2026-01-02T03:04:05.678901234Z"
DONE = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 3_000_000_000,
    "prompt_eval_count": 2,
    "prompt_eval_duration": 1_000_000_000,
    "eval_count": 4,
    "eval_duration": 500_000_000,
}


def said(text: str = "", **more: Any) -> dict[str, Any]:
    """One line of a completion."""
    line = {"model": "real", "created_at": TIME, "response": text, "done": False}
    return line | more


END = said(**DONE)
#: What a model says where a test does not care.
WORDS = (said("x, y"), said("):\n"), said("    pass"), END)


class Speaking:
    """An Ollama that says lines, each a block; ``speak`` may wait between them.

    ``closed`` counts the answers that were let go, ``taken`` the lines that were read.
    """

    def __init__(self, speak: Callable[[], Iterable[Any]] = lambda: WORDS) -> None:
        self._speak = speak
        self.calls: list[Call] = []
        self.closed = self.taken = 0

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one call."""
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        call = Call(environ["REQUEST_METHOD"], environ["PATH_INFO"], "", {}, body)
        self.calls.append(call)
        start_response("200 OK", [*NDJSON])
        return _Lines(self, iter(self._speak()))

    @property
    def call(self) -> Any:
        """The only call there was, decoded."""
        assert len(self.calls) == 1, self.calls
        return self.calls[0].json


class _Lines:
    def __init__(self, ollama: Speaking, lines: Any) -> None:
        self._ollama, self._lines = ollama, lines
        self._open = True

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> bytes:
        line = next(self._lines)
        self._ollama.taken += 1
        if isinstance(line, Exception):
            raise line
        return lines(line)

    def close(self) -> None:
        self._ollama.closed += self._open
        self._open = False


class Form(msgspec.Struct, frozen=True):
    """How one kind of editor asks: where, for what is around a hole, and what it reads.

    ``text`` finds the text in an answer, ``piece`` in what a stream holds.
    """

    path: str
    request: Callable[[str, str], dict[str, Any]]
    text: Callable[[Any], str]
    piece: Callable[[Any], str]

    def read(self, answer: Answer) -> str:
        """All of the text that an editor gets, in whatever way."""
        kind = answer.headers["Content-Type"]
        if kind == "text/event-stream":
            found = [one for one in frames(answer.body) if one != "[DONE]"]
        elif kind == "application/x-ndjson":
            found = [json.loads(line) for line in answer.body.splitlines()]
        else:
            return self.text(answer.json)
        assert not any("error" in one for one in found), found
        return "".join(map(self.piece, found))


def _content(answer: Any) -> str:
    return str(answer["content"])


def _response(answer: Any) -> str:
    return str(answer["response"])


def _message(answer: Any) -> str:
    (choice,) = answer["choices"]
    assert choice["text"] == choice["message"]["content"]
    return str(choice["text"])


def _delta(chunk: Any) -> str:
    (choice,) = chunk["choices"]
    assert choice["text"] == choice["delta"]["content"]
    return str(choice["text"])


def _choice(answer: Any) -> str:
    (choice,) = answer["choices"]
    return str(choice["text"])


def _marked(prefix: str, suffix: str) -> dict[str, Any]:
    """A prompt as plugins for Code Llama write it, or nothing where that would be."""
    marked = f"<PRE> {prefix} <SUF>{suffix} <MID>" if prefix or suffix else ""
    return {"prompt": marked, "n_predict": 128}


#: Every form, by its name.
FORMS = {
    "infill": Form(
        INFILL,
        lambda prefix, suffix: {"input_prefix": prefix, "input_suffix": suffix},
        _content,
        _content,
    ),
    "completion": Form(COMPLETION, _marked, _content, _content),
    "completions": Form(BARE, _marked, _content, _content),
    "tabby": Form(
        TEXT,
        lambda prefix, suffix: {"segments": {"prefix": prefix, "suffix": suffix}},
        _choice,
        _choice,
    ),
    "fim": Form(
        FIM,
        lambda prefix, suffix: {"prompt": prefix, "suffix": suffix},
        _message,
        _delta,
    ),
    "generate": Form(
        CODE,
        lambda prefix, suffix: {"prompt": prefix, "suffix": suffix},
        _response,
        _response,
    ),
}
