"""Requests with a value of a wrong type, made of the structs' own types."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from app.wire import anthropic, openai, responses
from app.wire.generating import Reasoning

from . import wrong_code, wrong_messages, wrong_responses
from .wrong_messages import MESSAGES
from .wrong_responses import RESPONSES

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
EMBED = "/v1/embeddings"
GOOD: dict[str, dict[str, Any]] = {
    CHAT: {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    TEXT: {"model": "m", "prompt": "hi"},
    EMBED: {"model": "m", "input": "hi"},
    RESPONSES: wrong_responses.GOOD,
    MESSAGES: wrong_messages.GOOD,
    **wrong_code.GOOD,
}
STRUCTS = {
    CHAT: openai.ChatCompletionRequest,
    TEXT: openai.CompletionRequest,
    EMBED: openai.EmbeddingRequest,
    RESPONSES: responses.ResponsesRequest,
    MESSAGES: anthropic.MessagesRequest,
    **wrong_code.STRUCTS,
}


def said(**message: Any) -> dict[str, Any]:
    """A conversation of one message."""
    return {"messages": [{"role": "user", "content": "hi"} | message]}


CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
#: Where each inner struct sits in a request: its path, a good one, and the request.
INNER: list[tuple[str, type[msgspec.Struct], str, dict[str, Any], Any]] = [
    (
        CHAT,
        openai.Message,
        "messages[1]",
        {"role": "user", "content": "x"},
        lambda it: {"messages": [{"role": "user", "content": "hi"}, it]},
    ),
    (
        CHAT,
        openai.ContentPart,
        "messages[0].content[0]",
        {"type": "text", "text": "x"},
        lambda it: {"messages": [{"role": "user", "content": [it]}]},
    ),
    (
        CHAT,
        openai.ImageURL,
        "messages[0].content[0].image_url",
        {"url": "AAAA"},
        lambda it: {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": it}]}
            ]
        },
    ),
    (
        CHAT,
        openai.InputAudio,
        "messages[0].content[0].input_audio",
        {"data": "AAAA"},
        lambda it: {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "input_audio", "input_audio": it}],
                }
            ]
        },
    ),
    (
        CHAT,
        openai.ToolCall,
        "messages[0].tool_calls[0]",
        CALL,
        lambda it: {"messages": [{"role": "assistant", "tool_calls": [it]}]},
    ),
    (
        CHAT,
        openai.FunctionCall,
        "messages[0].tool_calls[0].function",
        {"name": "f"},
        lambda it: {
            "messages": [{"role": "assistant", "tool_calls": [CALL | {"function": it}]}]
        },
    ),
    (
        CHAT,
        openai.ReasoningDetail,
        "messages[0].reasoning_details[0]",
        {"text": "x"},
        lambda it: {
            "messages": [
                {"role": "assistant", "content": "", "reasoning_details": [it]}
            ]
        },
    ),
    (
        CHAT,
        openai.Tool,
        "tools[0]",
        {"type": "function", "function": {"name": "f"}},
        lambda it: {"tools": [it]},
    ),
    (
        CHAT,
        openai.Function,
        "tools[0].function",
        {"name": "f"},
        lambda it: {"tools": [{"type": "function", "function": it}]},
    ),
    (
        CHAT,
        openai.ResponseFormat,
        "response_format",
        {"type": "text"},
        lambda it: {"response_format": it},
    ),
    (
        TEXT,
        openai.JSONSchema,
        "response_format.json_schema",
        {"schema": {}},
        lambda it: {"response_format": {"type": "json_schema", "json_schema": it}},
    ),
    (
        CHAT,
        openai.CustomCall,
        "messages[0].tool_calls[0].custom",
        {"name": "c"},
        lambda it: {
            "messages": [{"role": "assistant", "tool_calls": [{"custom": it}]}]
        },
    ),
    (
        CHAT,
        openai.FunctionCall,
        "messages[0].function_call",
        {"name": "f"},
        lambda it: {"messages": [{"role": "assistant", "function_call": it}]},
    ),
    (
        CHAT,
        openai.CustomTool,
        "tools[0].custom",
        {"name": "c"},
        lambda it: {"tools": [{"type": "custom", "custom": it}]},
    ),
    (
        CHAT,
        openai.Function,
        "functions[0]",
        {"name": "f"},
        lambda it: {"functions": [it]},
    ),
    (
        TEXT,
        openai.StreamOptions,
        "stream_options",
        {"include_usage": True},
        lambda it: {"stream_options": it},
    ),
    (
        CHAT,
        Reasoning,
        "reasoning",
        {"effort": "low"},
        lambda it: {"reasoning": it},
    ),
    *wrong_responses.INNER,
    *wrong_messages.INNER,
    *wrong_code.INNER,
]
SAMPLES = ["text", 5, 1.5, True, [], {}, [None], [5], [[]], [{}]]


def _misfits(type_: Any) -> Iterator[Any]:
    """Values that are not of a type."""
    for value in SAMPLES:
        try:
            msgspec.convert(value, type_)
        except msgspec.ValidationError:
            yield value


def _mistyped() -> Iterator[Any]:
    for path, struct in STRUCTS.items():
        for field in msgspec.structs.fields(struct):
            for value in _misfits(field.type):
                body = GOOD[path] | {field.encode_name: value}
                name = f"{path} {field.encode_name}={value!r}"
                yield pytest.param(path, body, field.encode_name, id=name)
    for path, struct, place, good, request in INNER:
        for field in msgspec.structs.fields(struct):
            for value in _misfits(field.type):
                body = GOOD[path] | request(good | {field.encode_name: value})
                param = f"{place}.{field.encode_name}"
                yield pytest.param(path, body, param, id=f"{param}={value!r}")
        for value in ("text", 5, True, []):
            if struct is openai.ImageURL and value == "text":
                continue
            body = GOOD[path] | request(value)
            yield pytest.param(path, body, place, id=f"{place}={value!r}")


MISTYPED = list(_mistyped())
