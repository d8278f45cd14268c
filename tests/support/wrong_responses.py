"""Requests for responses that are wrong, beside those of the other tables."""

from typing import Any

import msgspec

from app.wire import openai, responses
from app.wire.generating import Reasoning

RESPONSES = "/v1/responses"
GOOD: dict[str, Any] = {"model": "m", "input": "hi"}
#: What objects of a request become when it is known what they are.
LATER = {
    responses.CallItem,
    openai.CustomTool,
    openai.Function,
    responses.MessageItem,
    responses.NamespaceTool,
    responses.ResultItem,
    responses.ThoughtItem,
    responses.ToolsItem,
}


def items(*given: Any) -> dict[str, Any]:
    """A request with these items."""
    return {"input": list(given)}


def parts(*content: Any, **message: Any) -> dict[str, Any]:
    """A request with a message of these parts."""
    return items({"role": "user", "content": list(content)} | message)


def image(url: Any) -> dict[str, Any]:
    """A request with an image."""
    return parts({"type": "input_image", "image_url": url})


#: Where each inner struct sits in a request: its path, a good one, and the request.
INNER: list[tuple[str, type[msgspec.Struct], str, dict[str, Any], Any]] = [
    (RESPONSES, kind, place, good, request)
    for kind, place, good, request in (
        (responses.MessageItem, "input[0]", {"role": "user", "content": "x"}, items),
        (
            responses.CallItem,
            "input[0]",
            {"type": "function_call", "name": "f", "call_id": "c"},
            items,
        ),
        (
            responses.ResultItem,
            "input[0]",
            {"type": "function_call_output", "call_id": "c", "output": "x"},
            items,
        ),
        (responses.ThoughtItem, "input[0]", {"type": "reasoning"}, items),
        (
            responses.ToolsItem,
            "input[0]",
            {"type": "additional_tools", "tools": []},
            items,
        ),
        (
            responses.ContentPart,
            "input[0].content[0]",
            {"type": "input_text", "text": "x"},
            parts,
        ),
        (openai.ImageURL, "input[0].content[0].image_url", {"url": "AAAA"}, image),
        (
            openai.InputAudio,
            "input[0].content[0].input_audio",
            {"data": "AAAA"},
            lambda it: parts({"type": "input_audio", "input_audio": it}),
        ),
        (
            openai.Function,
            "tools[0]",
            {"type": "function", "name": "f"},
            lambda it: {"tools": [it]},
        ),
        (
            openai.CustomTool,
            "tools[0]",
            {"type": "custom", "name": "f"},
            lambda it: {"tools": [it]},
        ),
        (
            responses.NamespaceTool,
            "tools[0]",
            {"type": "namespace", "name": "f", "tools": []},
            lambda it: {"tools": [it]},
        ),
        (responses.TextConfig, "text", {}, lambda it: {"text": it}),
        (
            responses.TextFormat,
            "text.format",
            {"type": "text"},
            lambda it: {"text": {"format": it}},
        ),
        (Reasoning, "reasoning", {}, lambda it: {"reasoning": it}),
        (openai.StreamOptions, "stream_options", {}, lambda it: {"stream_options": it}),
    )
]

F = {"type": "function", "name": "f"}
CALL = {"type": "function_call", "name": "f", "call_id": "c"}
PART = "input[0].content[0]"
MISSING = "missing_required_parameter"
TOO_SMALL = "integer_below_min_value"
TOO_LARGE = "integer_above_max_value"


def formatted(**wanted: Any) -> dict[str, Any]:
    """A wish for a format."""
    return {"text": {"format": wanted}}


#: What is put into a good request, param, code.
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"input": None}, "input", MISSING),
    ({"input": ""}, "input", MISSING),
    ({"input": []}, "input", MISSING),
    (items({"type": "web_search_call", "id": "x"}), "input", "invalid_value"),
    (items({}), "input[0].type", MISSING),
    (items({"content": "x"}), "input[0].type", MISSING),
    (items({"id": "x", "content": "x"}), "input[0].type", MISSING),
    (items({"type": 5}), "input[0].type", "invalid_type"),
    (items({"type": "message", "content": "x"}), "input[0].role", MISSING),
    (items({"role": "user"}), "input[0].content", MISSING),
    (items({"role": "robot", "content": "x"}), "input[0].role", "invalid_value"),
    (items({"role": "tool", "content": "x"}), "input[0].role", "invalid_value"),
    (items(*[{"role": "user", "content": "x"}] * 10_001), "input", "invalid_value"),
    (
        parts(*[{"type": "input_text", "text": "x"}] * 1025),
        "input[0].content",
        "invalid_value",
    ),
    (parts({"type": "input_text"}), f"{PART}.text", MISSING),
    (parts({"type": "refusal"}), f"{PART}.refusal", MISSING),
    (parts({"type": "input_video"}), f"{PART}.type", "invalid_value"),
    (parts({"type": "image_url", "image_url": "x"}), f"{PART}.type", "invalid_value"),
    (
        parts({"type": "input_image", "file_id": "x"}),
        f"{PART}.image_url",
        "invalid_image",
    ),
    (image(""), f"{PART}.image_url", "invalid_image"),
    (image("AAAA"), f"{PART}.image_url", "invalid_image"),
    (image("file:///etc/passwd"), f"{PART}.image_url", "invalid_image"),
    (image("http://x/y.png"), f"{PART}.image_url", "invalid_image"),
    (parts({"type": "input_audio"}), f"{PART}.input_audio", "invalid_type"),
    (
        parts({"type": "input_audio", "input_audio": {"data": "AAAA"}}),
        f"{PART}.input_audio.data",
        "invalid_value",
    ),
    *[
        (
            parts({"type": "input_file", **file}),
            f"{PART}.file_data",
            "unsupported_value",
        )
        for file in (
            {"file_id": "x"},
            {"file_url": "https://a/b.txt"},
            {"file_data": "x"},
            {"file_data": "data:application/pdf;base64,AAAA"},
        )
    ],
    (items(CALL | {"arguments": "{"}), "input[0].arguments", "invalid_value"),
    (items({"type": "function_call", "name": "f"}), "input[0].call_id", MISSING),
    (items({"type": "custom_tool_call", "call_id": "c"}), "input[0].name", MISSING),
    (items({"type": "function_call_output"}), "input[0].output", MISSING),
    (
        items({"type": "function_call_output", "output": "x"}),
        "input[0].call_id",
        MISSING,
    ),
    (
        items({"type": "custom_tool_call_output", "output": "x"}),
        "input[0].call_id",
        MISSING,
    ),
    (
        items(
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "x"}]}
        ),
        "input[0].output[0].type",
        "invalid_value",
    ),
    (items({"type": "item_reference", "id": "x"}), "input[0].id", "invalid_value"),
    (items({"type": "item_reference"}), "input[0].id", MISSING),
    (items({"id": "x"}), "input[0].id", "invalid_value"),
    (
        items({"type": "additional_tools", "tools": [{"type": "function"}]}),
        "input[0].tools[0].name",
        MISSING,
    ),
    (
        {"previous_response_id": "resp_x"},
        "previous_response_id",
        "previous_response_not_found",
    ),
    ({"conversation": "x"}, "conversation", "unsupported_parameter"),
    ({"conversation": {"id": "x"}}, "conversation", "unsupported_parameter"),
    ({"background": True}, "background", "unsupported_parameter"),
    ({"prompt": {"id": "x"}}, "prompt", "unsupported_parameter"),
    ({"truncation": "always"}, "truncation", "invalid_value"),
    ({"max_output_tokens": 0}, "max_output_tokens", TOO_SMALL),
    ({"max_output_tokens": 1.5}, "max_output_tokens", "invalid_type"),
    ({"temperature": 2.5}, "temperature", "invalid_value"),
    ({"temperature": -1}, "temperature", "invalid_value"),
    ({"top_p": 2}, "top_p", "invalid_value"),
    ({"top_logprobs": 21}, "top_logprobs", TOO_LARGE),
    ({"top_logprobs": -1}, "top_logprobs", TOO_SMALL),
    ({"include": [5]}, "include[0]", "invalid_type"),
    ({"reasoning": {"effort": "extreme"}}, "reasoning.effort", "invalid_value"),
    (formatted(), "text.format.type", MISSING),
    (formatted(type="xml"), "text.format.type", "invalid_value"),
    (formatted(type="json_schema"), "text.format.schema", MISSING),
    (
        formatted(type="json_schema", name="s", schema=False),
        "text.format.schema",
        "invalid_value",
    ),
    (
        formatted(type="json_schema", schema={"type": "nothing"}),
        "text.format.schema",
        "invalid_value",
    ),
    (
        formatted(type="json_schema", strict=True, schema={"$ref": "http://a/b"}),
        "text.format.schema",
        "invalid_value",
    ),
    ({"tools": [{}]}, "tools[0].type", MISSING),
    ({"tools": [{"type": 5}]}, "tools[0].type", "invalid_type"),
    (
        {"tools": [{"type": "namespace", "name": "n", "tools": [{}]}]},
        "tools[0].tools[0].type",
        MISSING,
    ),
    ({"tools": [{"type": "function"}]}, "tools[0].name", MISSING),
    ({"tools": [{"type": "function", "name": ""}]}, "tools[0].name", MISSING),
    ({"tools": [{"type": "custom", "name": ""}]}, "tools[0].name", MISSING),
    (
        {"tools": [{"type": "function", "name": "x" * 257}]},
        "tools[0].name",
        "invalid_value",
    ),
    ({"tools": [{"type": "namespace", "name": "n"}]}, "tools[0].tools", MISSING),
    (
        {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "custom"}]}]},
        "tools[0].tools[0].name",
        MISSING,
    ),
    ({"tools": [{"type": "x"}] * 1025}, "tools", "invalid_value"),
    (
        {"tools": [{"type": "namespace", "name": "n", "tools": [F] * 1025}]},
        "tools",
        "invalid_value",
    ),
    (
        {"tools": [F | {"parameters": {"properties": []}}]},
        "tools[0].parameters.properties",
        "invalid_type",
    ),
    (
        {"tools": [F | {"parameters": {"type": "array"}}], "tool_choice": "required"},
        "tools[0].parameters",
        "invalid_value",
    ),
    *[
        ({"tools": [F], "tool_choice": choice}, "tool_choice", "invalid_value")
        for choice in (
            "any",
            {},
            {"type": "function"},
            {"type": "function", "name": "g"},
            {"type": "custom", "name": "g"},
            {"type": "web_search_preview"},
            {"type": "mcp", "server_label": "x"},
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function"}]},
        )
    ],
    *[
        ({"tool_choice": choice}, "tool_choice", "invalid_value")
        for choice in ("required", {"type": "function", "name": "f"})
    ],
    *[
        (
            {"tools": [F], "tool_choice": {"type": "allowed_tools", **what}},
            f"tool_choice.allowed_tools.{name}",
            "invalid_value",
        )
        for name, what in (
            ("mode", {"mode": "none", "tools": [F]}),
            ("tools", {"mode": "auto"}),
            ("tools", {"mode": "auto", "tools": [{"type": "web_search"}]}),
        )
    ],
]
