"""Messages: the rows of the specification's tables (messages, sections 1, 2 and 3)."""

import json
from typing import Any

from support import messages
from support.ollama import CHAT, JSON, Ollama
from support.pictures import PNG, text

from .seen import (
    HI,
    Case,
    Check,
    Ignores,
    Seen,
    answers,
    lacks,
    rejects,
    row,
    says,
    sends,
)

#: The tables name no classes: these say what becomes of each row here.
SPECIFIED = """
H model
H max_tokens
H messages
H system
H stream
H temperature, top_p, top_k
H stop_sequences
H tools
H tool_choice
H thinking.type
H output_config.effort
H output_config.format
I metadata
I service_tier
W container
I cache_control
I inference_geo
I speed
I user_profile_id
I workspace_id
I diagnostics
I context_management
E mcp_servers
H invalid JSON
H think
H headers
H block: text
H block: image base64
H block: image url
E block: image file
H block: tool_use
H block: tool_result
H block: thinking
H block: redacted_thinking
H block: server_tool_use
H block: web_search_tool_result
H block: document
E block: document that is no text
H block: search_result
W block: container_upload, others
H block: cache_control, citations
E content null
H role
H empty result
H tool: custom
W tool: web_search
H tool: bash, text_editor, memory
W tool: computer, code_execution, web_fetch
I tool: strict
H tool: defer_loading and other labels
"""

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
F = {"name": "f", "input_schema": SCHEMA}
G = {"name": "g", "input_schema": SCHEMA}
OPENAI = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
USE = {"type": "tool_use", "id": "c", "name": "f", "input": {"a": "x"}}
IMAGE = {"type": "image", "source": {"type": "base64", "data": text(PNG)}}
DOCUMENT = {"type": "document", "source": {"type": "text", "data": "in it"}}


def said(*blocks: Any, role: str = "user") -> dict[str, Any]:
    """A conversation whose last message has these blocks."""
    return {"messages": [*HI, {"role": role, "content": list(blocks)}]}


def reads(*wanted: dict[str, Any]) -> Check:
    """The messages after the first are these."""

    def check(seen: Seen) -> None:
        assert seen.answer.status == 200, seen.answer.body
        assert seen.calls[0].json["messages"][1:] == list(wanted)

    return check


def user(content: str, **more: Any) -> dict[str, Any]:
    """What a user says, as Ollama gets it."""
    return {"role": "user", "content": content, **more}


def offered(*names: str) -> Check:
    """The native call offers these tools, and is not held to anything."""

    def check(seen: Seen) -> None:
        assert seen.answer.status == 200, seen.answer.body
        tools = seen.calls[0].json.get("tools") or []
        assert [one["function"]["name"] for one in tools] == list(names)
        assert "format" not in seen.calls[0].json

    return check


def forced(*names: str) -> Check:
    """The call is held to a schema, and the answer is one call that fits its tool."""

    def check(seen: Seen) -> None:
        assert seen.answer.status == 200, seen.answer.body
        assert isinstance(seen.calls[0].json["format"], dict)
        (block,) = seen.answer.json["content"]
        assert block["name"] in names
        assert list(block["input"]) == ["a"]
        assert seen.answer.json["stop_reason"] == "tool_use"

    return check


def kinds(*names: str) -> Check:
    """The answer has blocks of these kinds."""
    return answers("content", lambda given: [one["type"] for one in given] == [*names])


def streamed(seen: Seen) -> bool:
    """Whether the answer is a stream that ends well."""
    message, error = messages.followed(messages.events(seen.answer))
    return message is not None and error is None


class Thoughtless(Ollama):
    """An Ollama whose model cannot think."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        """Refuse a wish to think."""
        body = super().__call__(environ, start_response=lambda *_: None)
        refused = self.calls[-1].json.get("think")
        start_response("400 Bad Request" if refused else "200 OK", [*JSON])
        return [b'{"error":"\\"m\\" does not support thinking"}'] if refused else body


def described(*, has: str = "command") -> Check:
    """The one tool that is offered says what it takes."""
    return says(
        lambda seen: (
            has in json.dumps(seen.calls[0].json["tools"][0]["function"]["parameters"])
        )
    )


REQUEST = [
    row(
        "H",
        "model",
        Case({"model": "claude-x"}, sends(model="m"), aliases="claude-*=m"),
        Case({"model": "claude-x"}, answers("model", "claude-x"), aliases="claude-*=m"),
        Case({"model": None}, rejects("model is required")),
        Case({"model": ""}, rejects("model is required")),
        Case(
            {},
            rejects("model 'm' not found", status=404, kind="not_found_error"),
            ollama=lambda: Ollama(
                b'{"error":"model \'m\' not found"}', status="404 Not Found"
            ),
        ),
    ),
    row(
        "H",
        "max_tokens",
        Case({"max_tokens": 9}, sends(options={"num_predict": 9})),
        Case({}, lacks("num_predict")),
        *[
            Case(
                {"max_tokens": value},
                rejects("max_tokens is required and must be positive"),
            )
            for value in (0, -1)
        ],
        Case(
            {},
            answers("input_tokens", lambda number: number > 1),
            path="/v1/messages/count_tokens",
        ),
    ),
    row(
        "H",
        "messages",
        Case({}, sends(messages=HI)),
        Case({"messages": None}, rejects("messages is required")),
        Case({"messages": []}, rejects("messages is required")),
    ),
    row(
        "H",
        "system",
        Case(
            {"system": "Be kind."},
            sends(messages=[{"role": "system", "content": "Be kind."}, *HI]),
        ),
        Case(
            {"system": [{"type": "text", "text": one} for one in ("s1", "s2")]},
            sends(messages=[{"role": "system", "content": "s1\n\ns2"}, *HI]),
        ),
        Case({"system": ""}, sends(messages=HI)),
        Case({"system": []}, sends(messages=HI)),
    ),
    row(
        "H",
        "stream",
        Case({}, sends(stream=False)),
        Case({"stream": False}, sends(stream=False)),
        Case({"stream": True}, sends(stream=True), says(streamed)),
    ),
    row(
        "H",
        "temperature, top_p, top_k",
        Case({"temperature": 0.5}, sends(options={"temperature": 0.5})),
        Case({"top_p": 0.5}, sends(options={"top_p": 0.5})),
        Case({"top_k": 5}, sends(options={"top_k": 5})),
        Case({}, lacks("temperature", "top_p", "top_k", "options")),
    ),
    row(
        "H",
        "stop_sequences",
        Case({"stop_sequences": ["a", "", "b"]}, sends(options={"stop": ["a", "b"]})),
        Case({"stop_sequences": [""]}, lacks("stop")),
    ),
    row(
        "H",
        "tools",
        Case({"tools": [F, G]}, offered("f", "g"), kinds("tool_use", "tool_use")),
        Case({"tools": [OPENAI]}, offered("f"), kinds("tool_use")),
        Case({"tools": []}, lacks("tools")),
    ),
    row(
        "H",
        "tool_choice",
        Case({"tools": [F], "tool_choice": {"type": "auto"}}, offered("f")),
        Case({"tools": [F], "tool_choice": {"type": "none"}}, lacks("tools")),
        Case({"tools": [F, G], "tool_choice": {"type": "any"}}, forced("f", "g")),
        Case(
            {"tools": [F, G], "tool_choice": {"type": "tool", "name": "g"}}, forced("g")
        ),
        Case(
            {
                "tools": [F, G],
                "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            },
            kinds("tool_use"),
        ),
        Case({"tool_choice": {"type": "any"}}, rejects("tool_choice")),
    ),
    row(
        "H",
        "thinking.type",
        *[
            Case({"model": "switched", "thinking": {"type": kind}}, sends(think=sent))
            for kind, sent in {
                "enabled": True,
                "disabled": False,
                "adaptive": True,
                "between_tools": True,
            }.items()
        ],
        Case(
            {"model": "switched", "thinking": {"type": "enabled"}},
            kinds("thinking", "text"),
        ),
        Case(
            {
                "model": "switched",
                "thinking": {"type": "enabled", "display": "omitted"},
            },
            kinds("text"),
        ),
        Case(
            {"model": "switched", "thinking": {"type": "hard"}},
            lacks("think"),
            Ignores("thinking.type"),
        ),
    ),
    row(
        "H",
        "output_config.effort",
        *[
            Case(
                {"model": "switched", "output_config": {"effort": effort}},
                sends(think=sent),
            )
            for effort, sent in {
                "low": "low",
                "medium": "medium",
                "high": "high",
                "max": "max",
                "xhigh": "max",
            }.items()
        ],
        Case(
            {
                "model": "switched",
                "thinking": {"type": "disabled"},
                "output_config": {"effort": "high"},
            },
            sends(think=False),
        ),
        Case({"output_config": {"effort": "much"}}, rejects("output_config.effort")),
    ),
    row(
        "H",
        "output_config.format",
        Case(
            {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
            sends(format={"properties": SCHEMA["properties"]}),
            answers("content.0.text", lambda given: list(json.loads(given)) == ["a"]),
            Ignores(),
        ),
        Case(
            {"output_format": {"type": "json_schema", "schema": SCHEMA}},
            sends(format={"properties": SCHEMA["properties"]}),
        ),
        Case({"output_config": {"format": {"type": "x"}}}, rejects("output_config")),
    ),
    row(
        "I",
        "metadata",
        Case({"metadata": {"user_id": "a"}}, Ignores("metadata"), lacks("metadata")),
        Case({"metadata": {}}, Ignores()),
    ),
    row(
        "I",
        "service_tier",
        Case({"service_tier": "priority"}, Ignores("service_tier")),
        Case(
            {"service_tier": "auto"},
            Ignores(),
            answers("usage.service_tier", "standard"),
        ),
        Case({"service_tier": "standard_only"}, Ignores()),
    ),
    *[
        row(kind, name, Case({name: value}, Ignores(name), lacks(name)))
        for kind, name, value in (
            ("W", "container", "c"),
            ("I", "cache_control", {"type": "ephemeral"}),
            ("I", "inference_geo", "us"),
            ("I", "speed", "fast"),
            ("I", "user_profile_id", "p"),
            ("I", "workspace_id", "w"),
            ("I", "diagnostics", {"previous_message_id": "m"}),
            ("I", "context_management", {"edits": []}),
        )
    ],
    row(
        "E",
        "mcp_servers",
        Case({"mcp_servers": [{"url": "https://a"}]}, rejects("mcp_servers")),
        Case({"mcp_servers": []}, Ignores()),
    ),
    row(
        "H",
        "invalid JSON",
        Case({"temperature": float("nan")}, rejects("JSON")),
        Case(None, rejects("JSON")),
    ),
    row(
        "H",
        "think",
        Case({"model": "switched"}, lacks("think")),
        Case({"model": "switched", "think": True}, sends(think=True)),
        Case({"model": "plain", "think": True}, lacks("think"), Ignores("think")),
        Case(
            {"think": True},
            answers("content.0.text", "Hello"),
            Ignores("think"),
            says(
                lambda seen: (
                    [call.json.get("think") for call in seen.calls] == [True, None]
                )
            ),
            ollama=lambda: Thoughtless(CHAT),
        ),
    ),
    row(
        "H",
        "headers",
        *[
            Case({}, sends(messages=HI), headers=headers)
            for headers in (
                {"X_Api_Key": "k"},
                {"Authorization": "Bearer k"},
                {"anthropic_version": "2023-06-01", "anthropic_beta": "b-1"},
                {"anthropic_version": "2099-12-31"},
            )
        ],
        Case({}, sends(messages=HI), path="/v1/messages?beta=true"),
    ),
]

TEXTS = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
URL = {"type": "image", "source": {"type": "url", "url": "https://a/b.png"}}
RESULT = {"type": "tool_result", "tool_use_id": "c", "content": "5"}
USED = {
    "role": "assistant",
    "content": "",
    "tool_calls": [
        {"function": {"name": "f", "arguments": {"a": "x"}, "index": 0}, "id": "c"}
    ],
}
FOUND = {"role": "tool", "content": "5", "tool_name": "f", "tool_call_id": "c"}


def resulting(**more: Any) -> dict[str, Any]:
    """A call, and its result with what the user says."""
    blocks = [TEXTS[0], RESULT | more]
    return {
        "messages": [
            *HI,
            {"role": "assistant", "content": [USE]},
            {"role": "user", "content": blocks},
        ]
    }


BLOCKS = [
    row(
        "H",
        "block: text",
        Case(said(*TEXTS), reads(user("a\n\nb"))),
        Case(
            said(*TEXTS, role="assistant"),
            reads({"role": "assistant", "content": "ab"}),
        ),
    ),
    row(
        "H",
        "block: image base64",
        Case(said(TEXTS[0], IMAGE), reads(user("a", images=[text(PNG)]))),
        Case(said({"type": "image"}), rejects("invalid image source")),
        Case(
            said({"type": "image", "source": {"type": "base64", "data": "?!"}}),
            rejects("messages[1].content[0].source.data", "invalid image input"),
        ),
        Case(said(IMAGE) | {"model": "plain"}, rejects("does not support image")),
    ),
    row("H", "block: image url", Case(said(URL), rejects("source.url", "image URLs"))),
    row(
        "E",
        "block: image file",
        Case(
            said({"type": "image", "source": {"type": "file", "file_id": "f"}}),
            rejects("invalid image source type: file"),
        ),
    ),
    row(
        "H",
        "block: tool_use",
        Case(said(USE, role="assistant"), reads(USED)),
        *[
            Case(
                said(USE | {name: ""}, role="assistant"),
                rejects(f"tool_use block missing required '{name}' field"),
            )
            for name in ("id", "name")
        ],
    ),
    row(
        "H",
        "block: tool_result",
        Case(resulting(), reads(USED, FOUND, user("a"))),
        Case(
            resulting(is_error=True),
            reads(USED, FOUND | {"content": "Error: 5"}, user("a")),
        ),
        Case(resulting(content=None), reads(USED, FOUND | {"content": ""}, user("a"))),
        Case(
            resulting(content=[*TEXTS, IMAGE]),
            reads(
                USED,
                FOUND | {"content": "a\n\nb", "images": [text(PNG)]},
                user("a"),
            ),
        ),
    ),
    row(
        "H",
        "block: thinking",
        Case(
            said(
                {"type": "thinking", "thinking": "x"},
                TEXTS[0],
                {"type": "thinking", "thinking": "y"},
                role="assistant",
            ),
            reads({"role": "assistant", "content": "a", "thinking": "xy"}),
            Ignores(),
        ),
        Case(
            said(
                {"type": "thinking", "thinking": "x", "signature": "another's"},
                role="assistant",
            ),
            reads({"role": "assistant", "content": "", "thinking": "x"}),
            Ignores("messages[1].content[0].signature"),
        ),
    ),
    row(
        "H",
        "block: redacted_thinking",
        Case(
            said({"type": "redacted_thinking", "data": "x"}, TEXTS[0]),
            reads(user("a")),
            Ignores(),
        ),
    ),
    row(
        "H",
        "block: server_tool_use",
        Case(said(USE | {"type": "server_tool_use"}, role="assistant"), reads(USED)),
    ),
    row(
        "H",
        "block: web_search_tool_result",
        Case(
            said(
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "c",
                    "content": [
                        {"type": "web_search_result", "title": "T", "url": "http://a"}
                    ],
                },
                role="assistant",
            ),
            reads({"role": "tool", "content": "- T: http://a", "tool_call_id": "c"}),
        ),
        Case(
            said(
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": "c",
                    "content": {
                        "type": "web_search_tool_result_error",
                        "error_code": "max_uses_exceeded",
                    },
                },
                role="assistant",
            ),
            reads(
                {
                    "role": "tool",
                    "content": "web_search_tool_result_error: max_uses_exceeded",
                    "tool_call_id": "c",
                }
            ),
        ),
    ),
    row(
        "H",
        "block: document",
        Case(
            said(DOCUMENT | {"title": "T", "context": "C"}),
            reads(user("Document: T\nC\nin it")),
        ),
        Case(
            said({"type": "document", "source": {"type": "content", "content": TEXTS}}),
            reads(user("Document:\na\n\nb")),
        ),
    ),
    row(
        "E",
        "block: document that is no text",
        *[
            Case(
                said({"type": "document", "source": source}),
                rejects("document source type not supported"),
            )
            for source in (
                {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                {"type": "url", "url": "https://a/b.pdf"},
                {"type": "file", "file_id": "f"},
            )
        ],
    ),
    row(
        "H",
        "block: search_result",
        Case(
            said(
                {
                    "type": "search_result",
                    "title": "T",
                    "source": "https://a",
                    "content": TEXTS[:1],
                }
            ),
            reads(user("Search result: T (https://a)\na")),
        ),
    ),
    row(
        "W",
        "block: container_upload, others",
        *[
            Case(
                said(TEXTS[0], {"type": kind}),
                reads(user("a")),
                Ignores(f"messages[1].content[1].{kind}"),
            )
            for kind in ("container_upload", "hologram")
        ],
    ),
    row(
        "H",
        "block: cache_control, citations",
        Case(
            said(TEXTS[0] | {"cache_control": {"type": "ephemeral"}, "citations": []}),
            reads(user("a")),
            Ignores(),
        ),
    ),
    row(
        "E",
        "content null",
        Case(
            {"messages": [{"role": "user", "content": None}]},
            rejects("messages[0].content"),
        ),
    ),
    row(
        "H",
        "role",
        Case({"messages": [{"role": "USER", "content": "hi"}]}, sends(messages=HI)),
        Case(
            {"messages": [*HI, {"role": "system", "content": "b"}]},
            reads({"role": "system", "content": "b"}),
        ),
        Case({"messages": [{"role": "robot", "content": "a"}]}, rejects("role")),
    ),
    row(
        "H",
        "empty result",
        Case(said(), sends(messages=HI)),
        Case({"messages": [{"role": "user", "content": []}]}, rejects("messages")),
    ),
]

TOOLS = [
    row(
        "H",
        "tool: custom",
        Case({"tools": [F | {"description": "d"}]}, offered("f"), described(has="a")),
        Case({"tools": [F | {"type": "custom"}]}, offered("f"), kinds("tool_use")),
        Case(
            {"tools": [{"name": "f", "input_schema": {"properties": []}}]},
            rejects("tools[0].input_schema.properties"),
        ),
        Case({"tools": [{"name": ""}]}, rejects("tools[0].name")),
    ),
    row(
        "W",
        "tool: web_search",
        Case(
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}, F]},
            offered("f"),
            Ignores("tools[0]"),
        ),
    ),
    row(
        "H",
        "tool: bash, text_editor, memory",
        *[
            Case({"tools": [{"type": kind}]}, offered(name), described(), Ignores())
            for kind, name in {
                "bash_20250124": "bash",
                "text_editor_20250728": "str_replace_based_edit_tool",
                "memory_20250818": "memory",
            }.items()
        ],
    ),
    row(
        "W",
        "tool: computer, code_execution, web_fetch",
        *[
            Case(
                {"tools": [{"type": kind, "name": "x"}]}, offered(), Ignores("tools[0]")
            )
            for kind in (
                "computer_20250124",
                "code_execution_20250825",
                "web_fetch_20250910",
            )
        ],
    ),
    row(
        "I",
        "tool: strict",
        Case(
            {"tools": [F | {"strict": True}]},
            offered("f"),
            Ignores("tools[0].strict"),
        ),
    ),
    row(
        "H",
        "tool: defer_loading and other labels",
        Case(
            {
                "tools": [
                    F
                    | {
                        "defer_loading": True,
                        "input_examples": [{"a": "x"}],
                        "eager_input_streaming": True,
                        "allowed_callers": ["direct"],
                        "cache_control": {"type": "ephemeral"},
                    }
                ]
            },
            offered("f"),
            Ignores(),
        ),
    ),
]

ROWS = [*REQUEST, *BLOCKS, *TOOLS]
