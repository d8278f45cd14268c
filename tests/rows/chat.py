"""Chat: the rows of the specification's section 7."""

import json
from typing import Any

from support.pictures import PNG, text
from support.recordings import wav

from .seen import (
    HI,
    Case,
    Check,
    Ignores,
    Seen,
    answers,
    calls,
    each,
    lacks,
    omits,
    refuses,
    row,
    says,
    sends,
    streams,
)

#: A field and a value apart where the table has them in one line.
SPECIFIED = """
H n
H tool_choice:auto
H tool_choice absent
H tool_choice:none
H tool_choice:required
H tool_choice:function
H tool_choice:allowed_tools
H parallel_tool_calls:false
H max_completion_tokens
H role:developer
H functions
H function_call
H role:function
W tool:custom
I tool.strict
H stop
I logit_bias:{}
W logit_bias
I user
I safety_identifier
I metadata
I prompt_cache_key
I prompt_cache_options
I prompt_cache_retention
I moderation
I store
I service_tier
I stream_options.include_obfuscation
I stream_options without stream
I modalities:text
E modalities:audio
E audio
H input_audio
I prediction
I verbosity
W web_search_options
H reasoning_effort
H logprobs
H top_logprobs
H seed
I image_url.detail
H refusal in output
H annotations and audio in output
E response_format regex and grammar
H temperature
H penalties
"""


def tool(name: str, **more: Any) -> dict[str, Any]:
    """A function of one required text."""
    parameters = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
    }
    return {
        "type": "function",
        "function": {"name": name, "parameters": parameters, **more},
    }


F, G = tool("f"), tool("g")
BOTH = {"tools": [F, G]}
NAMED = {"type": "function", "function": {"name": "f"}}
ALLOWED = {
    "type": "allowed_tools",
    "allowed_tools": {"mode": "required", "tools": [NAMED]},
}
FUNCTION = F["function"]
CUSTOM = {"type": "custom", "custom": {"name": "run"}}
GRAMMAR = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
AUDIO = {"type": "input_audio", "input_audio": {"data": text(wav()), "format": "wav"}}
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
BIAS = {"logit_bias": {"50256": -100}}
CALL = {"role": "assistant", "content": None, "function_call": {"name": "f"}}


def said(*parts: dict[str, Any], role: str = "user", **more: Any) -> dict[str, Any]:
    """A conversation of one message."""
    return {"messages": [{"role": role, "content": list(parts)} | more]}


def schema(**described: Any) -> dict[str, Any]:
    """A format that is a schema."""
    wanted = {"name": "s", "schema": SCHEMA} | described
    return {"response_format": {"type": "json_schema", "json_schema": wanted}}


def offered(*names: str) -> Check:
    """The native call offers these tools, and is not held to anything."""

    def check(seen: Seen) -> None:
        assert seen.answer.status == 200, seen.answer.body
        (call,) = seen.calls
        tools = call.json.get("tools") or []
        assert [one["function"]["name"] for one in tools] == list(names)
        assert "format" not in call.json

    return check


def forced(*names: str, reason: str) -> Check:
    """The call is held to a schema, and the answer is one call that fits its tool."""

    def check(seen: Seen) -> None:
        assert seen.answer.status == 200, seen.answer.body
        (call,) = seen.calls
        assert isinstance(call.json["format"], dict)
        assert "tools" not in call.json
        (choice,) = seen.answer.json["choices"]
        (made,) = choice["message"]["tool_calls"]
        assert made["function"]["name"] in names
        assert list(json.loads(made["function"]["arguments"])) == ["a"]
        assert choice["message"]["content"] is None
        assert choice["finish_reason"] == reason

    return check


def made(*names: str) -> Check:
    """The answer calls these tools."""

    def check(seen: Seen) -> None:
        assert seen.answer.status == 200, seen.answer.body
        message = seen.answer.json["choices"][0]["message"]
        found = [one["function"]["name"] for one in message["tool_calls"]]
        assert found == list(names)

    return check


def one_end_each(events: list[Any]) -> bool:
    """Each index of a stream of four has text and one finish."""
    choices = [choice for event in events for choice in event["choices"]]
    return all(
        [c["finish_reason"] for c in choices if c["index"] == index][-1:] == ["stop"]
        and sum(c["finish_reason"] is not None for c in choices if c["index"] == index)
        == 1
        for index in range(4)
    )


def is_list(value: Any) -> bool:
    """Whether a value is a list."""
    return isinstance(value, list)


ROWS = [
    row(
        "H",
        "n",
        Case({"n": 3}, calls(seed=[None] * 3), each("index", 0, 1, 2)),
        Case({"n": 3, "seed": 5}, calls(seed=[5, 6, 7])),
        Case(
            {"n": 3},
            answers("usage.prompt_tokens", 7),
            answers("usage.completion_tokens", 9),
        ),
        Case({"n": 4, "stream": True}, streams(one_end_each)),
        Case({"n": 9}, refuses("n", "integer_above_max_value")),
        Case({"n": 3}, refuses("n", "integer_above_max_value"), max_choices=2),
    ),
    row(
        "H", "tool_choice:auto", Case(BOTH | {"tool_choice": "auto"}, offered("f", "g"))
    ),
    row("H", "tool_choice absent", Case(BOTH, offered("f", "g"), made("f", "g"))),
    row("H", "tool_choice:none", Case(BOTH | {"tool_choice": "none"}, lacks("tools"))),
    row(
        "H",
        "tool_choice:required",
        Case(BOTH | {"tool_choice": "required"}, forced("f", "g", reason="tool_calls")),
        Case({"tool_choice": "required"}, refuses("tool_choice")),
        Case(
            BOTH | {"tool_choice": "required"},
            offered("f", "g"),
            tool_choice="hint",
        ),
        Case(
            BOTH | {"tool_choice": "required"},
            refuses("tool_choice", "unsupported_value"),
            tool_choice="reject",
        ),
    ),
    row(
        "H",
        "tool_choice:function",
        Case(BOTH | {"tool_choice": NAMED}, forced("f", reason="stop")),
        Case({"tools": [G], "tool_choice": NAMED}, refuses("tool_choice")),
    ),
    row(
        "H",
        "tool_choice:allowed_tools",
        Case(BOTH | {"tool_choice": ALLOWED}, forced("f", reason="tool_calls")),
        Case(
            BOTH
            | {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [NAMED]},
                }
            },
            offered("f"),
        ),
    ),
    row(
        "H",
        "parallel_tool_calls:false",
        Case(BOTH | {"parallel_tool_calls": False}, made("f")),
        Case(BOTH | {"parallel_tool_calls": True}, made("f", "g")),
    ),
    row(
        "H",
        "max_completion_tokens",
        Case({"max_completion_tokens": 5}, sends(options={"num_predict": 5})),
        Case(
            {"max_completion_tokens": 5, "max_tokens": 9},
            sends(options={"num_predict": 5}),
        ),
    ),
    row(
        "H",
        "role:developer",
        Case(
            {"messages": [{"role": "developer", "content": "Be kind."}, *HI]},
            sends(messages=[{"role": "system", "content": "Be kind."}, *HI]),
        ),
    ),
    row(
        "H",
        "functions",
        Case(
            {"functions": [FUNCTION]},
            offered("f"),
            answers("choices.0.message.function_call.name", "f"),
            answers("choices.0.finish_reason", "function_call"),
            omits("choices.0.message", "tool_calls"),
        ),
        Case(
            {"functions": [FUNCTION], "stream": True},
            streams(
                lambda events: any(
                    "function_call" in event["choices"][0]["delta"] for event in events
                ),
                lambda events: (
                    events[-1]["choices"][0]["finish_reason"] == "function_call"
                ),
            ),
        ),
    ),
    row(
        "H",
        "function_call",
        Case({"functions": [FUNCTION], "function_call": "none"}, lacks("tools")),
        Case({"functions": [FUNCTION], "function_call": "auto"}, offered("f")),
        Case(
            {"functions": [FUNCTION], "function_call": {"name": "f"}},
            answers("choices.0.message.function_call.name", "f"),
            lacks("tools"),
        ),
        Case(
            {"functions": [FUNCTION], "function_call": {"name": "x"}},
            refuses("function_call"),
        ),
    ),
    row(
        "H",
        "role:function",
        Case(
            {
                "messages": [
                    *HI,
                    CALL,
                    {"role": "function", "name": "f", "content": "5"},
                ]
            },
            says(
                lambda seen: (
                    seen.calls[0].json["messages"][2]
                    == {"role": "tool", "content": "5", "tool_name": "f"}
                )
            ),
        ),
    ),
    row(
        "W",
        "tool:custom",
        Case(
            {"tools": [CUSTOM]},
            offered("run"),
            Ignores(),
            says(
                lambda seen: (
                    list(
                        seen.calls[0].json["tools"][0]["function"]["parameters"][
                            "properties"
                        ]
                    )
                    == ["input"]
                )
            ),
            answers("choices.0.message.tool_calls.0.type", "custom"),
        ),
        Case({"tools": [CUSTOM]}, offered("run"), strict=True),
        Case(
            {"tools": [{"type": "custom", "custom": {"name": "c", "format": GRAMMAR}}]},
            refuses("tools[0].custom.format", "unsupported_value"),
        ),
    ),
    row(
        "I",
        "tool.strict",
        Case(
            {"tools": [tool("f", strict=True)]},
            offered("f"),
            Ignores("tools[0].function.strict"),
        ),
    ),
    row(
        "H",
        "stop",
        Case({"stop": None}, lacks("stop")),
        Case({"stop": ""}, lacks("stop")),
        Case({"stop": ["a", ""]}, sends(options={"stop": ["a"]})),
        Case({"stop": list("abcdef")}, sends(options={"stop": list("abcdef")})),
    ),
    row("I", "logit_bias:{}", Case({"logit_bias": {}}, Ignores())),
    row("W", "logit_bias", Case(BIAS, Ignores("logit_bias"))),
    *[
        row("I", name, Case({name: value}, Ignores(name), lacks(name)))
        for name, value in {
            "user": "ann",
            "safety_identifier": "ann",
            "prompt_cache_key": "k",
            "prompt_cache_options": {"ttl": "30m"},
            "prompt_cache_retention": "24h",
            "moderation": {"model": "m"},
            "prediction": {"type": "content", "content": "hi"},
            "verbosity": "low",
        }.items()
    ],
    row(
        "I",
        "metadata",
        Case({"metadata": {"a": "b"}}, Ignores("metadata"), lacks("metadata")),
        Case({"metadata": {"a": "b"}}, omits("", "metadata")),
        Case({"metadata": {}, "store": True}, omits("", "metadata"), Ignores("store")),
        Case(
            {"metadata": {"a": "b"}, "store": True},
            Ignores("metadata", "store"),
            answers("metadata", {"a": "b"}),
        ),
    ),
    row(
        "I",
        "store",
        Case({"store": True}, Ignores("store"), lacks("store")),
        Case({"store": False}, Ignores()),
        Case(
            None,
            refuses(None, "unknown_url", 404),
            method="GET",
            path="/v1/chat/completions/chatcmpl-1",
        ),
    ),
    row(
        "I",
        "service_tier",
        Case(
            {"service_tier": "flex"},
            Ignores("service_tier"),
            answers("service_tier", "default"),
        ),
        Case({"service_tier": "auto"}, Ignores(), answers("service_tier", "default")),
        Case({}, omits("", "service_tier")),
    ),
    row(
        "I",
        "stream_options.include_obfuscation",
        Case(
            {"stream": True, "stream_options": {"include_obfuscation": True}},
            Ignores(),
            streams(lambda events: all("obfuscation" not in one for one in events)),
        ),
    ),
    row(
        "I",
        "stream_options without stream",
        Case(
            {"stream_options": {"include_usage": True}},
            Ignores(),
            answers("object", "chat.completion"),
            answers("usage.total_tokens", 10),
        ),
    ),
    row("I", "modalities:text", Case({"modalities": ["text"]}, Ignores())),
    row(
        "E",
        "modalities:audio",
        Case(
            {"modalities": ["text", "audio"]},
            refuses("modalities", "unsupported_parameter"),
        ),
    ),
    row(
        "E",
        "audio",
        Case({"audio": {"voice": "a"}}, refuses("audio", "unsupported_parameter")),
    ),
    row(
        "H",
        "input_audio",
        Case(
            said({"type": "text", "text": "?"}, AUDIO) | {"model": "hearing"},
            sends(messages=[{"role": "user", "content": "?", "images": [text(wav())]}]),
        ),
        Case(
            said(AUDIO) | {"model": "plain"}, refuses("messages", "unsupported_value")
        ),
    ),
    row(
        "W",
        "web_search_options",
        Case({"web_search_options": {}}, Ignores("web_search_options")),
    ),
    row(
        "H",
        "reasoning_effort",
        *[
            Case({"model": "unknown", "reasoning_effort": said}, sends(think=sent))
            for said, sent in {
                "none": False,
                "minimal": "low",
                "low": "low",
                "medium": "medium",
                "high": "high",
                "xhigh": "max",
                "max": "max",
                "ultra": "max",
            }.items()
        ],
        Case({"reasoning_effort": "extreme"}, refuses("reasoning_effort")),
    ),
    row(
        "H",
        "logprobs",
        Case(
            {"logprobs": True},
            sends(logprobs=True),
            answers("choices.0.logprobs.refusal", None),
            answers("choices.0.logprobs.content.0.top_logprobs", []),
            answers("choices.0.logprobs.content.0.bytes", is_list),
        ),
        Case({}, answers("choices.0.logprobs", None)),
    ),
    row(
        "H",
        "top_logprobs",
        Case(
            {"logprobs": True, "top_logprobs": 2},
            sends(top_logprobs=2),
            answers(
                "choices.0.logprobs.content.0.top_logprobs", lambda it: len(it) == 2
            ),
        ),
        Case({"top_logprobs": 21}, refuses("top_logprobs", "integer_above_max_value")),
    ),
    row(
        "H",
        "seed",
        Case(
            {"seed": 7},
            sends(options={"seed": 7}),
            answers("system_fingerprint", "fp_ollama"),
        ),
    ),
    row(
        "I",
        "image_url.detail",
        Case(
            said(
                {"type": "image_url", "image_url": {"url": text(PNG), "detail": "low"}}
            ),
            Ignores(),
            sends(messages=[{"role": "user", "content": "", "images": [text(PNG)]}]),
        ),
    ),
    row("H", "refusal in output", Case({}, answers("choices.0.message.refusal", None))),
    row(
        "H",
        "annotations and audio in output",
        Case({}, omits("choices.0.message", "annotations", "audio")),
    ),
    row(
        "E",
        "response_format regex and grammar",
        *[
            Case({"response_format": wanted}, refuses("response_format.type"))
            for wanted in (
                {"type": "regex", "regex": "a+"},
                {"type": "grammar", "grammar": "root ::= 'a'"},
            )
        ],
    ),
    row(
        "H",
        "temperature",
        Case({"temperature": 0}, sends(options={"temperature": 0.0})),
        Case({"temperature": 2}, sends(options={"temperature": 2.0})),
        Case({"temperature": 2.5}, refuses("temperature")),
        Case({"temperature": 2.5}, refuses("temperature"), strict=True),
    ),
    row(
        "H",
        "penalties",
        *[
            case
            for name in ("frequency_penalty", "presence_penalty")
            for case in (
                Case({name: -2}, sends(options={name: -2.0})),
                Case({name: 3}, sends(options={name: 2.0})),
                Case({name: 3}, refuses(name), strict=True),
                Case({}, lacks(name)),
            )
        ],
    ),
]
