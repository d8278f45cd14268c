"""What a request may cost: no small one holds the worker, whatever is in it.

Each takes seconds, or gigabytes, in a careless reader.  The bound is generous, since a
machine may be busy: processor time is measured, not the clock's.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.ollama import Ollama, ask
from support.stack import linted

CHAT, TEXT, EMBED = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
GOOD: dict[str, dict[str, Any]] = {
    CHAT: {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    TEXT: {"model": "m", "prompt": "hi"},
    EMBED: {"model": "m", "input": "hi"},
}
#: Seconds of the processor; what is guarded against takes many more.
MOST = 1.5
SIZE = 900_000


def schema(inner: Any, *, strict: bool = True) -> dict[str, Any]:
    """A request for an answer that fits a schema."""
    described = {"name": "x", "strict": strict, "schema": inner}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


def tools(parameters: Any, **more: Any) -> dict[str, Any]:
    """A request with one tool."""
    function = {"name": "f", "parameters": parameters}
    return {"tools": [{"type": "function", "function": function}], **more}


def properties(count: int, inner: Any) -> dict[str, Any]:
    """An object with so many properties of one kind."""
    named = {f"p{number}": inner for number in range(count)}
    return {"type": "object", "properties": named}


def many_tools(count: int, **more: Any) -> dict[str, Any]:
    """A request with many different tools."""
    return {
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": f"f{number}",
                    "parameters": properties(3, {"const": number}),
                },
            }
            for number in range(count)
        ],
        **more,
    }


REFERENCES = {
    "$defs": {"list": [{"type": "string"}] * 5000},
    **properties(300, {"$ref": "#/$defs/list/4999"}),
}
WIDE = {"allOf": [{"anyOf": [{"const": n} for n in range(256)]}, *[{}] * 60_000]}
PATTERNS = properties(4000, {"type": "string", "pattern": "^(a{150}){150}N$"})
ALLOWED = [{"type": "function", "function": {"name": "f1023"}}] * 22_000

COSTLY: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "keep_alive": (CHAT, lambda: {"keep_alive": "1" * SIZE}),
    "keep_alive of completions": (TEXT, lambda: {"keep_alive": "1." * (SIZE // 2)}),
    "keep_alive of embeddings": (EMBED, lambda: {"keep_alive": "1" * SIZE + "x"}),
    "model": (CHAT, lambda: {"model": "m/" * (SIZE // 2)}),
    "patterns": (CHAT, lambda: schema(PATTERNS)),
    "patterns, not strict": (CHAT, lambda: schema(PATTERNS, strict=False)),
    "allOf": (CHAT, lambda: schema(WIDE)),
    "allOf, not strict": (CHAT, lambda: schema(WIDE, strict=False)),
    "anyOf": (
        CHAT,
        lambda: schema(
            properties(3000, {"anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]})
            | {"$defs": {"a": {"anyOf": [{"const": n} for n in range(256)]}}}
        ),
    ),
    "enum": (CHAT, lambda: schema({"enum": [f"value {n}" for n in range(60_000)]})),
    "required": (
        CHAT,
        lambda: schema({"type": "object", "required": [str(n) for n in range(90_000)]}),
    ),
    "references": (CHAT, lambda: schema(REFERENCES)),
    "references of a tool": (CHAT, lambda: tools(REFERENCES)),
    "forced, references": (CHAT, lambda: tools(REFERENCES, tool_choice="required")),
    "long names": (
        CHAT,
        lambda: tools({"properties": {"x" * 9000 + str(n): {} for n in range(100)}}),
    ),
    "deep": (
        CHAT,
        lambda: tools(
            {"properties": {"a": json.loads('{"items":' * 60 + "{}" + "}" * 60)}}
        ),
    ),
    "allowed_tools": (
        CHAT,
        lambda: many_tools(
            1024,
            tool_choice={
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": ALLOWED},
            },
        ),
    ),
    "forced, many tools": (
        CHAT,
        lambda: many_tools(1000, tool_choice="required", n=8),
    ),
    "forced, patterns of many tools": (
        CHAT,
        lambda: {
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": f"f{number}",
                        "parameters": properties(
                            4,
                            {
                                "type": "string",
                                "pattern": rf"^[\p{{L}}\d_-]{{1,64}}{number}$",
                            },
                        ),
                    },
                }
                for number in range(100)
            ],
            "tool_choice": "required",
        },
    ),
    "prompts": (TEXT, lambda: {"prompt": ["a"] * 128, "system": "x" * SIZE}),
    "stop": (CHAT, lambda: {"stop": ["x"] * 200_000}),
    "extra_body": (CHAT, lambda: {"extra_body": {f"a{n}": n for n in range(60_000)}}),
    "unknown": (CHAT, lambda: {f"a{n}": n for n in range(60_000)}),
    "options": (CHAT, lambda: {"options": {f"a{n}": n for n in range(60_000)}}),
    "image": (
        CHAT,
        lambda: {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": "data:" + ";x" * 400_000}
                    ],
                }
            ]
        },
    ),
    "tokens": (EMBED, lambda: {"input": [1] * 300_000}),
    "tokens of completions": (TEXT, lambda: {"prompt": [[1]] * 90_000}),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", COSTLY)
def test_no_request_holds_the_worker(name: str, stream: bool) -> None:
    """A megabyte of anything is answered, or refused, in a moment."""
    path, make = COSTLY[name]
    request = GOOD[path] | make() | ({"stream": True} if stream else {})
    assert len(json.dumps(request)) < 1_500_000
    if path == EMBED:
        request.pop("stream", None)
    app = linted(Ollama())
    before = time.process_time()
    answer = ask(app, "POST", path, request)
    used = time.process_time() - before
    assert answer.status in (200, 400, 413, 502), answer.body[:300]
    assert used < MOST
