"""Requests for messages that are wrong, beside those of the other tables."""

from typing import Any

import msgspec

from app.wire import anthropic, openai

MESSAGES = "/v1/messages"
HI = {"role": "user", "content": "hi"}
GOOD: dict[str, Any] = {"model": "m", "messages": [HI]}


def said(**message: Any) -> dict[str, Any]:
    """A request with a second message."""
    return {"messages": [HI, {"role": "user", "content": "hi"} | message]}


def blocks(*content: Any, role: str = "user") -> dict[str, Any]:
    """A request whose second message has these blocks."""
    return said(role=role, content=list(content))


def image(**source: Any) -> dict[str, Any]:
    """A request with an image."""
    return blocks({"type": "image", "source": source})


def declared(*tools: Any, **more: Any) -> dict[str, Any]:
    """A request with tools."""
    return {"tools": list(tools), **more}


TEXT = {"type": "text", "text": "x"}
BLOCK = "messages[1].content[0]"
F = {"name": "f", "input_schema": {"type": "object"}}
SCHEMA: dict[str, Any] = {"type": "json_schema", "schema": {}}
#: Where each inner struct sits in a request: its path, a good one, and the request.
INNER: list[tuple[str, type[msgspec.Struct], str, dict[str, Any], Any]] = [
    (MESSAGES, kind, place, good, request)
    for kind, place, good, request in (
        (
            anthropic.MessageParam,
            "messages[1]",
            HI,
            lambda it: {"messages": [HI, it]},
        ),
        (anthropic.Block, BLOCK, TEXT, blocks),
        (anthropic.Block, "system[0]", TEXT, lambda it: {"system": [it]}),
        (
            anthropic.Block,
            f"{BLOCK}.content[0]",
            TEXT,
            lambda it: blocks(
                {"type": "tool_result", "tool_use_id": "c", "content": [it]}
            ),
        ),
        (
            anthropic.Source,
            f"{BLOCK}.source",
            {"type": "text", "data": "x"},
            lambda it: blocks({"type": "document", "source": it}),
        ),
        (anthropic.Tool, "tools[0]", F, declared),
        (
            openai.Function,
            "tools[0].function",
            {"name": "f"},
            lambda it: declared({"type": "function", "function": it}),
        ),
    )
]

MISSING = "missing_required_parameter"
TOO_SMALL = "integer_below_min_value"
#: What is put into a good request, param, code (which Anthropic's clients never see).
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"messages": None}, "messages", MISSING),
    ({"messages": []}, "messages", MISSING),
    ({"messages": [None]}, "messages[0]", "invalid_type"),
    ({"messages": [{}]}, "messages[0].role", MISSING),
    ({"messages": [HI] * 10_001}, "messages", "invalid_value"),
    (said(role="robot"), "messages[1].role", "invalid_value"),
    (said(role="tool"), "messages[1].role", "invalid_value"),
    (said(role=None), "messages[1].role", MISSING),
    (said(content=None), "messages[1].content", MISSING),
    (said(content=[TEXT] * 1025), "messages[1].content", "invalid_value"),
    (blocks(None), BLOCK, "invalid_type"),
    (blocks("x"), BLOCK, "invalid_type"),
    (blocks({}), f"{BLOCK}.type", MISSING),
    (blocks({"type": "text"}), f"{BLOCK}.text", MISSING),
    (blocks({"type": "image"}), f"{BLOCK}.source", "invalid_image"),
    (image(), f"{BLOCK}.source.type", "invalid_image"),
    (image(type="file", file_id="f"), f"{BLOCK}.source.type", "invalid_image"),
    (image(type="base64"), f"{BLOCK}.source.data", MISSING),
    (image(type="url"), f"{BLOCK}.source.url", MISSING),
    *[
        (image(type="base64", data=data), f"{BLOCK}.source.data", "invalid_image")
        for data in ("", "!", "A", "AAAAAAAA", "http://a/b", "/etc/passwd", "file:///x")
    ],
    *[
        (image(type="url", url=url), f"{BLOCK}.source.url", "invalid_image")
        for url in ("", "http://a/b.png", "file:///etc/passwd", "ftp://a/b", "//a/b")
    ],
    (
        blocks({"type": "document", "source": {"type": "url", "url": "http://a"}}),
        f"{BLOCK}.source",
        "unsupported_value",
    ),
    (blocks({"type": "document"}), f"{BLOCK}.source", "unsupported_value"),
    (
        blocks({"type": "document", "source": {"type": "text"}}),
        f"{BLOCK}.source.data",
        MISSING,
    ),
    (blocks({"type": "search_result"}), f"{BLOCK}.content", MISSING),
    (blocks({"type": "tool_result"}), f"{BLOCK}.tool_use_id", MISSING),
    (
        blocks({"type": "tool_result", "tool_use_id": "c", "content": [{}]}),
        f"{BLOCK}.content[0].type",
        MISSING,
    ),
    (
        blocks({"type": "tool_use", "name": "f"}, role="assistant"),
        f"{BLOCK}.id",
        MISSING,
    ),
    (
        blocks({"type": "tool_use", "id": "c"}, role="assistant"),
        f"{BLOCK}.name",
        MISSING,
    ),
    *[
        (
            blocks(
                {"type": "tool_use", "id": "c", "name": "f", "input": given},
                role="assistant",
            ),
            f"{BLOCK}.input",
            "invalid_type",
        )
        for given in ("x", 5, [], True)
    ],
    ({"system": [None]}, "system[0]", "invalid_type"),
    ({"system": [{"type": "text"}]}, "system[0].text", MISSING),
    ({"max_tokens": 0}, "max_tokens", TOO_SMALL),
    ({"max_tokens": -1}, "max_tokens", TOO_SMALL),
    ({"max_tokens": 1.5}, "max_tokens", "invalid_type"),
    ({"max_tokens": 1e30}, "max_tokens", "invalid_type"),
    ({"temperature": 2.5}, "temperature", "invalid_value"),
    ({"temperature": -1}, "temperature", "invalid_value"),
    ({"top_p": 2}, "top_p", "invalid_value"),
    ({"top_k": 0.5}, "top_k", "invalid_type"),
    ({"stop_sequences": ["a", 5]}, "stop_sequences[1]", "invalid_type"),
    ({"stop_sequences": [None]}, "stop_sequences[0]", "invalid_type"),
    ({"think": "hard"}, "think", "invalid_value"),
    ({"thinking": {"type": 5}}, "thinking.type", "invalid_type"),
    ({"thinking": {"type": "enabled", "budget_tokens": -1}}, "thinking", TOO_SMALL),
    (
        {"thinking": {"type": "enabled", "budget_tokens": "x"}},
        "thinking.budget_tokens",
        "invalid_type",
    ),
    ({"output_config": {"effort": "x"}}, "output_config.effort", "invalid_value"),
    ({"output_config": {"effort": 5}}, "output_config.effort", "invalid_type"),
    ({"mcp_servers": [{}]}, "mcp_servers", "unsupported_parameter"),
    ({"thread": {}}, "thread", "thread_unsupported_request"),
    *[
        ({name: SCHEMA | given}, f"{name}{place}", code)
        for name in ("output_format",)
        for given, place, code in (
            ({"type": None}, "", "invalid_value"),
            ({"type": "xml"}, ".type", "invalid_value"),
            ({"schema": None}, "", MISSING),
            ({"schema": 5}, ".schema", "invalid_type"),
            ({"schema": False}, ".schema", "invalid_value"),
            ({"schema": {"type": "nothing"}}, ".schema", "invalid_value"),
            ({"schema": {"$ref": "file:///x"}}, ".schema", "invalid_value"),
        )
    ],
    ({"output_config": {"format": 5}}, "output_config.format", "invalid_value"),
    (declared({}), "tools[0].name", MISSING),
    (declared({"name": ""}), "tools[0].name", MISSING),
    (declared({"name": "x" * 257}), "tools[0].name", "invalid_value"),
    (declared({"type": "function"}), "tools[0].function", MISSING),
    (declared(*[F] * 1025), "tools", "invalid_value"),
    (
        declared({"name": "f", "input_schema": {"properties": []}}),
        "tools[0].input_schema.properties",
        "invalid_type",
    ),
    (
        declared({"name": "f", "input_schema": {"type": "array"}}, tool_choice="any"),
        "tools[0].input_schema",
        "invalid_value",
    ),
    *[
        (declared(F, tool_choice=choice), "tool_choice", "invalid_value")
        for choice in (
            "f",
            {},
            {"type": "all"},
            {"type": "tool"},
            {"type": "tool", "name": 5},
            {"type": "tool", "name": "g"},
            {"type": "function", "function": {"name": "g"}},
            {"type": "auto", "disable_parallel_tool_use": "x"},
        )
    ],
    *[
        ({"tool_choice": choice}, "tool_choice", "invalid_value")
        for choice in ("any", {"type": "any"}, {"type": "tool", "name": "f"})
    ],
]
