"""Responses: the rows of the specification's tables (other endpoints, section 4)."""

from collections.abc import Callable
from typing import Any

from support.events import accepted, events, kinds
from support.keeping import FakeKeeper
from support.ollama import Ollama
from support.pictures import PNG, text
from support.writing import lines

from .seen import (
    Case,
    Check,
    Ignores,
    Seen,
    answers,
    lacks,
    refuses,
    row,
    says,
    sends,
)

#: The tables name no classes: these say what becomes of each row here.
SPECIFIED = """
H model
H input string
H input array
H instructions
H max_output_tokens
H temperature
H top_p
H reasoning.effort
H reasoning.summary, generate_summary
H text.format
I text.verbosity
H tools: function
H tools: custom
H tools: namespace
W tools: web_search and other hosted
H tool_choice
H parallel_tool_calls
I max_tool_calls
H previous_response_id
E conversation
E background
E prompt
H store
H metadata
H include
W include of what is not here
I user
I service_tier
H truncation
I safety_identifier
I prompt_cache_key
I prompt_cache_options
I prompt_cache_retention
I context_management
H stream_options
H stream
H Content-Encoding
H item: message
H content: input_text, output_text
H content: input_image
H content: input_file
H content: refusal, text, summary_text
E content: other
H item: function_call
H item: function_call_output
H item: assistant message between a call and its output
H item: reasoning
W item: web_search_call
H item: custom_tool_call
H item: item_reference
W item: computer_call, mcp, shell, compaction
E item: no type, no role
H event: response.created, response.in_progress
H event: reasoning
H event: text
H event: calls
H event: response.completed
H event: response.incomplete
H event: response.failed
H GET, DELETE, input_items
H input_tokens
E cancel, compact
"""

USER = {"role": "user", "content": "hi"}
F: dict[str, Any] = {
    "type": "function",
    "name": "f",
    "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
}
CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c", "output": "5"}
SAYS = {"role": "assistant", "content": "ok"}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
LOGPROBS = "message.output_text.logprobs"


def told(*messages: dict[str, Any]) -> Check:
    """The model was told these messages."""
    return sends(messages=list(messages))


def items(*given: Any) -> dict[str, Any]:
    """A request with these items."""
    return {"input": list(given)}


def part(**content: Any) -> dict[str, Any]:
    """A request with a message of one part."""
    return items({"role": "user", "content": [content]})


def eventful(fact: Callable[[list[dict[str, Any]]], Any]) -> Check:
    """The events of the stream, which OpenAI's accumulator takes, are so."""

    def check(seen: Seen) -> None:
        found = events(seen.answer)
        accepted(found)
        assert fact(found), kinds(found)

    return check


def said(**message: Any) -> Callable[[], Ollama]:
    """An Ollama that says this and is done."""
    line = {"message": {"role": "assistant", "content": "", **message}}
    return lambda: Ollama(lines(line, {"done": True, "done_reason": "stop"}))


def stream(*facts: Callable[[list[dict[str, Any]]], Any], **more: Any) -> Case:
    """A stream of which these facts are true."""
    return Case({"stream": True}, *map(eventful, facts), **more)


def has(*wanted: str) -> Callable[[list[dict[str, Any]]], bool]:
    """The stream has these events, next to each other."""

    def look(found: list[dict[str, Any]]) -> bool:
        names = kinds(found)
        size = len(wanted)
        return any(tuple(names[at : at + size]) == wanted for at in range(len(names)))

    return look


def ends(kind: str, **response: Any) -> Callable[[list[dict[str, Any]]], bool]:
    """The stream ends so."""

    def look(found: list[dict[str, Any]]) -> bool:
        last = found[-1]
        state = {name: last["response"][name] for name in response}
        return last["type"] == f"response.{kind}" and state == response

    return look


def with_call(name: str = "f", **call: Any) -> dict[str, Any]:
    """The message with a call."""
    function = {"name": name, "arguments": call or {}, "index": 0}
    tool_calls = [{"function": function, "id": "c"}]
    return {"role": "assistant", "content": "", "tool_calls": tool_calls}


def a_result(name: str = "f") -> dict[str, Any]:
    """The message with what it came to."""
    return {"role": "tool", "content": "5", "tool_name": name, "tool_call_id": "c"}


THINKS = said(content="b", thinking="a")
CALLS = said(content="b", tool_calls=[{"id": "c", "function": {"name": "f"}}])
CUT = b'{"message":{"content":"Hel"},"done":true,"done_reason":"length"}\n'
MISSING = "missing_required_parameter"
UNSUPPORTED = "unsupported_parameter"

FIELDS = [
    row(
        "H",
        "model",
        Case({"model": "m:x"}, sends(model="m:x"), answers("model", "m:x")),
    ),
    row(
        "H",
        "input string",
        Case({"input": "hi"}, told(USER)),
        *[Case({"input": none}, refuses("input", MISSING)) for none in (None, "")],
        Case(
            {"input": ""},
            says(
                lambda seen: (
                    seen.answer.error["message"]
                    == 'One of "input" or "previous_response_id" or \'prompt\' or'
                    " 'conversation_id' must be provided."
                )
            ),
        ),
    ),
    row(
        "H",
        "input array",
        Case(items(USER), told(USER)),
        Case(items(), refuses("input", MISSING)),
        *[Case({"input": odd}, refuses("input", "invalid_type")) for odd in (5, {})],
    ),
    row(
        "H",
        "instructions",
        Case(
            {"instructions": "Be kind."},
            told({"role": "system", "content": "Be kind."}, USER),
            answers("instructions", "Be kind."),
        ),
    ),
    row(
        "H",
        "max_output_tokens",
        Case({"max_output_tokens": 5}, sends(options={"num_predict": 5})),
        Case(
            {"max_output_tokens": 0},
            refuses("max_output_tokens", "integer_below_min_value"),
        ),
    ),
    row(
        "H",
        "temperature",
        Case({}, sends(options={"temperature": 1.0})),
        Case({"temperature": 0.5}, sends(options={"temperature": 0.5})),
        Case({}, lacks("options"), openai_defaults=False),
    ),
    row(
        "H",
        "top_p",
        Case({}, lacks("top_p")),
        Case({"top_p": 0.5}, sends(options={"top_p": 0.5})),
    ),
    row(
        "H",
        "reasoning.effort",
        Case({"reasoning": {"effort": "low"}}, sends(think="low")),
        Case({"reasoning": {"effort": "none"}}, sends(think=False)),
        Case({"reasoning": {"effort": "zzz"}}, refuses("reasoning.effort")),
    ),
    row(
        "H",
        "reasoning.summary, generate_summary",
        *[
            Case(
                {"reasoning": {name: "auto"}},
                Ignores(),
                answers("reasoning.summary", "auto"),
            )
            for name in ("summary", "generate_summary")
        ],
    ),
    row(
        "H",
        "text.format",
        Case({"text": {"format": {"type": "text"}}}, lacks("format")),
        Case({"text": {"format": {"type": "json_object"}}}, sends(format="json")),
        Case(
            {
                "text": {
                    "format": {"type": "json_schema", "name": "s", "schema": SCHEMA}
                }
            },
            sends(format=SCHEMA),
            answers("text.format.schema", SCHEMA),
        ),
    ),
    row(
        "I",
        "text.verbosity",
        Case({"text": {"verbosity": "low"}}, Ignores("text.verbosity")),
    ),
    row(
        "H",
        "tools: function",
        Case(
            {"tools": [F]},
            says(
                lambda seen: seen.calls[0].json["tools"][0]["function"]["name"] == "f"
            ),
            answers("tools", [F]),
            answers("output.0.type", "function_call"),
        ),
    ),
    row(
        "H",
        "tools: custom",
        Case(
            {"tools": [{"type": "custom", "name": "c"}]},
            Ignores(),
            answers("output.0.type", "custom_tool_call"),
            answers("output.0.input", lambda given: isinstance(given, str)),
        ),
    ),
    row(
        "H",
        "tools: namespace",
        Case(
            {"tools": [{"type": "namespace", "name": "n", "tools": [F]}]},
            says(
                lambda seen: seen.calls[0].json["tools"][0]["function"]["name"] == "n.f"
            ),
            answers("output.0.namespace", "n"),
            answers("output.0.name", "f"),
        ),
    ),
    row(
        "W",
        "tools: web_search and other hosted",
        *[
            Case({"tools": [{"type": kind}]}, Ignores("tools[0]"), lacks("tools"))
            for kind in (
                "web_search",
                "web_search_preview",
                "file_search",
                "local_shell",
            )
        ],
    ),
    row(
        "H",
        "tool_choice",
        Case({"tools": [F], "tool_choice": "none"}, lacks("tools")),
        Case(
            {"tools": [F], "tool_choice": {"type": "function", "name": "f"}},
            answers("output.0.name", "f"),
            answers("tool_choice.name", "f"),
        ),
        Case({"tool_choice": "required"}, refuses("tool_choice")),
    ),
    row(
        "H",
        "parallel_tool_calls",
        Case(
            {"tools": [F, F | {"name": "g"}], "parallel_tool_calls": False},
            answers("output", lambda output: len(output) == 1),
            answers("parallel_tool_calls", value=False),
        ),
    ),
    row("I", "max_tool_calls", Case({"max_tool_calls": 3}, Ignores("max_tool_calls"))),
    row(
        "H",
        "previous_response_id",
        *[
            Case(
                {"previous_response_id": "resp_x"},
                refuses("previous_response_id", "previous_response_not_found"),
                says(
                    lambda seen, end=end: (
                        seen.answer.error["message"]
                        == f"Previous response with id 'resp_x' not found{end}"
                    )
                ),
                **settings,
            )
            for settings, end in (
                ({}, ": this server keeps no responses."),
                ({"keeper": FakeKeeper()}, "."),
            )
        ],
    ),
    row(
        "E",
        "conversation",
        Case({"conversation": "x"}, refuses("conversation", UNSUPPORTED)),
    ),
    row(
        "E",
        "background",
        Case({"background": True}, refuses("background", UNSUPPORTED)),
        Case({"background": False}, Ignores()),
    ),
    row("E", "prompt", Case({"prompt": {"id": "x"}}, refuses("prompt", UNSUPPORTED))),
    row(
        "H",
        "store",
        Case({}, answers("store", value=True), keeper=FakeKeeper()),
        Case({"store": False}, answers("store", value=False), keeper=FakeKeeper()),
        Case({"store": True}, Ignores("store"), answers("store", value=False)),
    ),
    row(
        "H",
        "metadata",
        Case({"metadata": {"a": "b"}}, Ignores(), answers("metadata", {"a": "b"})),
    ),
    row(
        "H",
        "include",
        Case({"include": ["reasoning.encrypted_content"]}, Ignores()),
        Case(
            {"include": [LOGPROBS]},
            sends(logprobs=True),
            answers("output.0.content.0.logprobs", bool),
        ),
    ),
    row(
        "W",
        "include of what is not here",
        Case({"include": ["file_search_call.results"]}, Ignores("include[0]")),
    ),
    row("I", "user", Case({"user": "u"}, Ignores("user"), answers("user", "u"))),
    row("I", "service_tier", Case({"service_tier": "flex"}, Ignores("service_tier"))),
    row(
        "H",
        "truncation",
        Case({"truncation": "disabled"}, lacks("truncate", "shift")),
        Case(
            {"truncation": "disabled"}, sends(truncate=False, shift=False), strict=True
        ),
        Case({"truncation": "never"}, refuses("truncation")),
    ),
    row(
        "I",
        "safety_identifier",
        Case({"safety_identifier": "s"}, Ignores("safety_identifier")),
    ),
    *[
        row(
            "I",
            f"prompt_cache_{name}",
            Case({f"prompt_cache_{name}": value}, Ignores(f"prompt_cache_{name}")),
        )
        for name, value in (
            ("key", "k"),
            ("options", {"ttl": "30m"}),
            ("retention", "24h"),
        )
    ],
    row(
        "I",
        "context_management",
        Case(
            {"context_management": [{"type": "compaction"}]},
            Ignores("context_management"),
        ),
    ),
    row(
        "H",
        "stream_options",
        Case({"stream_options": {"include_obfuscation": True}}, Ignores()),
    ),
    row(
        "H",
        "stream",
        Case({}, sends(stream=False)),
        stream(has("created", "in_progress")),
    ),
    row(
        "H",
        "Content-Encoding",
        Case(
            None,
            says(lambda seen: seen.answer.status == 415),
            path="/v1/responses",
            headers={"Content_Encoding": "br"},
        ),
    ),
]

ITEMS = [
    row(
        "H",
        "item: message",
        Case(items({"type": "message", **USER}), told(USER)),
        Case(
            items({"role": "developer", "content": "d"}, USER),
            told({"role": "system", "content": "d"}, USER),
        ),
    ),
    row(
        "H",
        "content: input_text, output_text",
        Case(part(type="input_text", text="hi"), told(USER)),
        Case(part(type="output_text", text="hi"), told(USER)),
    ),
    row(
        "H",
        "content: input_image",
        Case(
            part(type="input_image", image_url=text(PNG)),
            told({"role": "user", "content": "", "images": [text(PNG)]}),
        ),
        Case(
            part(type="input_image", file_id="x"),
            refuses("input[0].content[0].image_url", "invalid_image"),
        ),
    ),
    row(
        "H",
        "content: input_file",
        Case(
            part(type="input_file", file_data="data:text/plain;base64,aGk="), told(USER)
        ),
    ),
    row(
        "H",
        "content: refusal, text, summary_text",
        Case(part(type="refusal", refusal="hi"), told(USER)),
        Case(part(type="text", text="hi"), told(USER)),
        Case(part(type="summary_text", text="hi"), told(USER)),
    ),
    row(
        "E",
        "content: other",
        Case(part(type="input_video"), refuses("input[0].content[0].type")),
    ),
    row(
        "H",
        "item: function_call",
        Case(items(USER, CALL), told(USER, with_call())),
        Case(items(CALL | {"arguments": ""}), told(with_call())),
        Case(items(CALL | {"arguments": "["}), refuses("input[0].arguments")),
    ),
    row(
        "H",
        "item: function_call_output",
        Case(items(CALL, RESULT), told(with_call(), a_result())),
    ),
    row(
        "H",
        "item: assistant message between a call and its output",
        Case(
            items(CALL, SAYS, RESULT),
            told(with_call() | {"content": "ok"}, a_result()),
        ),
    ),
    row(
        "H",
        "item: reasoning",
        *[
            Case(
                items({"type": "reasoning", "summary": [], **thought}, SAYS),
                told(SAYS | {"thinking": "hm"}),
            )
            for thought in (
                {"encrypted_content": "hm"},
                {"summary": [{"type": "summary_text", "text": "hm"}]},
                {"content": [{"type": "reasoning_text", "text": "hm"}]},
            )
        ],
    ),
    row(
        "W",
        "item: web_search_call",
        Case(items(USER, {"type": "web_search_call"}), Ignores("input[1]"), told(USER)),
    ),
    row(
        "H",
        "item: custom_tool_call",
        Case(
            items(
                {"type": "custom_tool_call", "call_id": "c", "name": "g", "input": "x"},
                {"type": "custom_tool_call_output", "call_id": "c", "output": "5"},
            ),
            told(with_call("g", input="x"), a_result("g")),
        ),
    ),
    row(
        "H",
        "item: item_reference",
        Case(items({"type": "item_reference", "id": "x"}), refuses("input[0].id")),
    ),
    row(
        "W",
        "item: computer_call, mcp, shell, compaction",
        *[
            Case(items(USER, {"type": kind}), Ignores("input[1]"), told(USER))
            for kind in ("computer_call", "mcp_call", "local_shell_call", "compaction")
        ],
    ),
    row(
        "E",
        "item: no type, no role",
        Case(items({"content": "x"}), refuses("input[0].type", MISSING)),
    ),
]

EVENTS = [
    row(
        "H",
        "event: response.created, response.in_progress",
        stream(
            lambda found: kinds(found)[:2] == ["created", "in_progress"],
            lambda found: (
                {one["response"]["status"] for one in found[:2]} == {"in_progress"}
            ),
            lambda found: found[0]["response"]["output"] == [],
            lambda found: found[0]["response"]["usage"] is None,
        ),
    ),
    row(
        "H",
        "event: reasoning",
        stream(
            has(
                "output_item.added",
                "reasoning_summary_part.added",
                "reasoning_summary_text.delta",
                "reasoning_summary_text.done",
                "reasoning_summary_part.done",
                "output_item.done",
            ),
            ollama=THINKS,
        ),
    ),
    row(
        "H",
        "event: text",
        stream(
            has(
                "output_item.added",
                "content_part.added",
                "output_text.delta",
                "output_text.done",
                "content_part.done",
                "output_item.done",
            ),
            ollama=THINKS,
        ),
    ),
    row(
        "H",
        "event: calls",
        stream(
            has(
                "output_item.done",
                "output_item.added",
                "function_call_arguments.delta",
                "function_call_arguments.done",
                "output_item.done",
            ),
            ollama=CALLS,
        ),
    ),
    row(
        "H", "event: response.completed", stream(ends("completed", status="completed"))
    ),
    row(
        "H",
        "event: response.incomplete",
        stream(
            ends("incomplete", incomplete_details={"reason": "max_output_tokens"}),
            ollama=lambda: Ollama(CUT),
        ),
    ),
    row(
        "H",
        "event: response.failed",
        stream(
            ends("failed", status="failed", store=False),
            ollama=lambda: Ollama(b'{"message":{"content":"a"}}\n{"error":"boom"}\n'),
        ),
    ),
]

ROUTES = [
    row(
        "H",
        "GET, DELETE, input_items",
        *[
            Case(
                None,
                refuses("response_id", "response_not_found", 404),
                path=f"/v1/responses/{path}",
                method=method,
            )
            for method, path in (
                ("GET", "x"),
                ("DELETE", "x"),
                ("GET", "x/input_items"),
            )
        ],
    ),
    row(
        "H",
        "input_tokens",
        Case(
            {},
            answers("object", "response.input_tokens"),
            path="/v1/responses/input_tokens",
        ),
    ),
    row(
        "E",
        "cancel, compact",
        *[
            Case(
                {}, refuses(None, "not_implemented", 501), path=f"/v1/responses/{path}"
            )
            for path in ("x/cancel", "compact")
        ],
    ),
]

ROWS = [*FIELDS, *ITEMS, *EVENTS, *ROUTES]
