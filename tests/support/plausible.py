"""An Ollama inside the process that answers each call as a model might.

Unlike ``support.ollama.Ollama`` it reads the call: its types must be Ollama's, or it
raises; a ``format`` is kept to, tools are called, every input gets its vector.  The
same call always gets the same answer.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from app.simulator import calls, fields
from app.simulator.schema import instance

from .ollama import GOOD, JSON, NDJSON, Call

TIME = "2026-01-02T03:04:05.678Z"
WORDS = ["pannier", "llama", "straw"]


class Plausible:
    """Answers native calls; ``calls`` notes them in their order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one call, a line in each block."""
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        path = environ["PATH_INFO"]
        self.calls.append(Call(environ["REQUEST_METHOD"], path, "", {}, body))
        if path not in _ANSWERS:
            start_response("200 OK", [*JSON])
            return [GOOD.get(path, b"")]
        answer, types = _ANSWERS[path]
        call = fields.read(types, json.loads(body))
        calls.options(call.get("options", {}))
        lines = list(answer(call))
        streamed = path != "/api/embed" and call.get("stream", True)
        start_response("200 OK", [*(NDJSON if streamed else JSON)])
        lines = lines if streamed else [_joined(lines)]
        return [json.dumps(line).encode() + b"\n" for line in lines]


def _chat(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if call.get("_debug_render_only"):
        yield _line(call, _debug_info={"rendered_template": "<user>hi"})
        return
    if call.get("think"):
        yield _line(call, message=_said("", thinking="Let me see."))
    tools = [] if call.get("format") else call.get("tools") or []
    if tools:
        calls = [{"function": _called(tool["function"], call)} for tool in tools]
        yield _line(call, message=_said("", tool_calls=calls))
    else:
        for piece in _pieces(_text(call)):
            logprobs = {"logprobs": _logprobs(piece, call)}
            more = logprobs if call.get("logprobs") else {}
            yield _line(call, message=_said(piece), **more)
    yield _line(call, message=_said(""), **_DONE)


def _generate(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if call.get("_debug_render_only"):
        yield _line(call, _debug_info={"rendered_template": "<user>hi"})
        return
    if call.get("think"):
        yield _line(call, response="", thinking="Let me see.")
    for piece in _pieces(_text(call)):
        logprobs = {"logprobs": _logprobs(piece, call)}
        yield _line(call, response=piece, **(logprobs if call.get("logprobs") else {}))
    yield _line(call, response="", **_DONE)


def _embed(call: dict[str, Any]) -> Iterator[dict[str, Any]]:
    given = call["input"]
    inputs = [given] if isinstance(given, str) else given
    vector = [0.5, 0.25, -1.0, 1e-7][: call.get("dimensions", 4)]
    yield {
        "model": call["model"],
        "embeddings": [vector for _ in inputs],
        "prompt_eval_count": len(inputs),
    }


_ANSWERS = {
    "/api/chat": (_chat, fields.CHAT),
    "/api/generate": (_generate, fields.GENERATE),
    "/api/embed": (_embed, fields.EMBED),
}
_DONE = {
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 7,
    "eval_count": 3,
}


def _line(call: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": call["model"], "created_at": TIME, "done": False} | more


def _said(content: str, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content} | more


def _text(call: dict[str, Any]) -> str:
    if not (wanted := call.get("format")):
        return "Hello, llama!"
    schema = {"type": "object"} if wanted == "json" else wanted
    return json.dumps(instance(schema, WORDS, _seed(call)))


def _called(function: dict[str, Any], call: dict[str, Any]) -> dict[str, Any]:
    arguments = instance(function["parameters"], WORDS, _seed(call))
    return {"name": function["name"], "arguments": arguments}


def _seed(call: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(call).encode())


def _pieces(text: str) -> list[str]:
    third = max(1, len(text) // 3)
    return [text[start : start + third] for start in range(0, len(text), third)]


def _logprobs(piece: str, call: dict[str, Any]) -> list[dict[str, Any]]:
    token = {"token": piece, "logprob": -0.5, "bytes": list(piece.encode())}
    most = call.get("top_logprobs") or 0
    return [token | ({"top_logprobs": [token] * most} if most else {})]


def _joined(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer in one piece that a stream's lines make."""
    whole = dict(lines[-1])
    if "message" in whole:
        messages = [line["message"] for line in lines]
        whole["message"] = dict(messages[-1])
        for name in ("content", "thinking"):
            whole["message"][name] = "".join(m.get(name, "") for m in messages)
        if calls := [one for m in messages for one in m.get("tool_calls", ())]:
            whole["message"]["tool_calls"] = calls
    if "response" in whole:
        for name in ("response", "thinking"):
            whole[name] = "".join(line.get(name, "") for line in lines)
    if logprobs := [one for line in lines for one in line.get("logprobs", ())]:
        whole["logprobs"] = logprobs
    return whole
