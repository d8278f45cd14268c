"""Requests that Hypothesis makes of the structs' types, sense and nonsense mixed."""

import copy
import json
from typing import Any

import msgspec
from hypothesis import strategies as st

from app.wire import anthropic, openai, responses

from . import wrong_code
from .able import MODELS
from .pictures import GIF, PNG, text
from .recordings import wav

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
EMBED = "/v1/embeddings"
RESPONSES = "/v1/responses"
MESSAGES = "/v1/messages"
STRUCTS: dict[str, type[msgspec.Struct]] = {
    CHAT: openai.ChatCompletionRequest,
    TEXT: openai.CompletionRequest,
    EMBED: openai.EmbeddingRequest,
    RESPONSES: responses.ResponsesRequest,
    MESSAGES: anthropic.MessagesRequest,
}
GOOD: dict[str, dict[str, Any]] = {
    CHAT: {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    TEXT: {"model": "m", "prompt": "hi"},
    EMBED: {"model": "m", "input": "hi"},
    RESPONSES: {"model": "m", "input": "hi"},
    MESSAGES: {"model": "m", "messages": [{"role": "user", "content": "hi"}]},
    **wrong_code.GOOD,
}
#: Those of the endpoints above, and of the forms of editors.
KINDS = STRUCTS | wrong_code.STRUCTS
SCHEMA = {
    "type": "object",
    "properties": {
        "a": {"type": "string", "maxLength": 5},
        "b": {"anyOf": [{"$ref": "#/$defs/b"}, {"type": "null"}]},
        "c": {"type": "array", "items": {"enum": [1, "x", None]}, "minItems": 1},
    },
    "required": ["a", "b"],
    "additionalProperties": False,
    "$defs": {"b": {"type": "integer", "minimum": 3}},
}
#: Schemas that are true to the standard but odd, and some that are none.
SCHEMAS = [
    SCHEMA,
    {"type": "object"},
    {"type": "object", "properties": {}},
    {"type": "array", "items": {"type": "number"}},
    {"$ref": "#"},
    {"allOf": [{"$ref": "#/$defs/x"}], "$defs": {"x": {"$ref": "#/$defs/x"}}},
    {"type": "string", "pattern": "^(a+)+$"},
    {"type": "object", "properties": {"a": True, "b": False}},
    {"type": "object", "properties": {"a": {"type": "nothing"}}},
    {"enum": []},
    {"not": {}},
    {},
]
NAMED = {"type": "function", "function": {"name": "f"}}
G = {"type": "function", "function": {"name": "g", "parameters": SCHEMA}}
CALL = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
#: Tools and items of the Responses API, one of each kind.
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True},
    {"type": "custom", "name": "g", "format": {"type": "grammar", "syntax": "lark"}},
    {"type": "namespace", "name": "n", "tools": [{"type": "function", "name": "f"}]},
    {"type": "web_search", "filters": {}},
]
ITEMS: list[dict[str, Any]] = [
    {"role": "developer", "content": "Be kind."},
    {
        "type": "message",
        "role": "user",
        "content": [
            {"type": "input_text", "text": "?"},
            {"type": "input_image", "image_url": text(PNG), "detail": "auto"},
            {"type": "input_file", "file_data": "data:text/plain;base64,aGk="},
        ],
    },
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "hm"}],
    },
    {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c", "output": "5"},
    {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "ls"},
    {
        "type": "custom_tool_call_output",
        "call_id": "d",
        "output": [{"type": "input_text", "text": "x"}],
    },
    {"role": "assistant", "content": [{"type": "output_text", "text": "ok"}]},
    {"type": "web_search_call", "id": "ws_1", "action": {}},
    {"type": "additional_tools", "role": "developer", "tools": TOOLS[:1]},
    {"type": "item_reference", "id": "x"},
]
#: Tools and messages of Anthropic's, one of each kind.
CLIENT_TOOLS: list[dict[str, Any]] = [
    {"name": "f", "input_schema": SCHEMA},
    {"type": "custom", "name": "g", "strict": True},
    {"type": "bash_20250124", "name": "bash"},
    {"type": "web_search_20250305", "name": "web_search"},
    NAMED,
]
BLOCKS: list[dict[str, Any]] = [
    {"type": "text", "text": "?", "cache_control": {"type": "ephemeral"}},
    {"type": "image", "source": {"type": "base64", "data": text(PNG)}},
    {"type": "document", "source": {"type": "text", "data": "x"}, "title": "T"},
    {"type": "search_result", "source": "http://a", "content": []},
    {"type": "redacted_thinking", "data": "x"},
]
TURNS: list[dict[str, Any]] = [
    {"role": "user", "content": BLOCKS},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "x"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {}},
            {"type": "web_search_tool_result", "tool_use_id": "c", "content": []},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "c", "content": "5"},
            {"type": "hologram"},
        ],
    },
]
#: Values that mean something, by the name of a field.
MEANT: dict[str, list[Any]] = {
    "model": [*MODELS, "m", "gpt-4o", "default", "a/b:c", " ", "x" * 600],
    "role": ["user", "system", "assistant", "tool", "developer", "function", "USER"],
    "type": [
        *("function", "custom", "text", "image_url", "input_audio", "file", "refusal"),
        *("json_schema", "json_object", "input_text", "JSON_SCHEMA"),
        *("image", "tool_use", "tool_result", "thinking", "document", "base64", "url"),
    ],
    "url": [text(PNG), f"data:image/png;base64,{text(PNG)}", text(GIF), "http://x/y"],
    "image_url": [text(PNG), "data:;base64," + text(PNG), "data:,", "https://a"],
    "data": [text(wav()), "AAAA", "A"],
    "file": [{"file_data": "data:text/plain;base64,aGk="}, {"file_id": "f"}, "x"],
    "name": ["f", "g"],
    "arguments": ["{}", '{"a": 1}', "", " ", "[1]", "{", '{"a": "\\ud800"}'],
    "parameters": SCHEMAS,
    "schema": SCHEMAS,
    "format": [{"type": "text"}, {"type": "grammar", "grammar": {}}],
    "effort": ["none", "minimal", "low", "high", "max", "ultra", ""],
    "reasoning_effort": ["none", "minimal", "low", "high", "max", "ultra", "extreme"],
    "thinking": [
        *("enabled", "disabled", "high", True),
        *({"type": "enabled", "budget_tokens": 5000}, {"type": "off"}),
    ],
    "think": ["low", "max", True, False, "hard"],
    "output_config": [
        *({"effort": "low"}, {"effort": 5}, {"x": 1}),
        {"format": {"type": "json_schema", "schema": SCHEMA}},
    ],
    "output_format": [{"type": "json_schema", "schema": SCHEMA}, {"type": "x"}],
    "input_schema": SCHEMAS,
    "messages": [TURNS],
    "system": ["Be kind.", BLOCKS[:1], BLOCKS],
    "stop_sequences": [["x", ""], []],
    "mcp_servers": [[], [{}]],
    "chat_template_kwargs": [{"enable_thinking": True}, {"x": 1}],
    "metadata": [{"exclude_reasoning": "true"}, {"a": "b"}, {"hide_reasoning": 1}],
    "keep_alive": ["5m", "1h30m", "-1", 0, -1, 1e300, "soon", "99999h"],
    "options": [
        {"num_ctx": 64, "temperature": 0.5, "stop": ["x"]},
        {"num_predict": 5.0, "use_mmap": True, "unheard_of": {}},
        {"seed": "x"},
        {"temperature": 1e300},
        {"top_k": 2**70},
    ],
    "stop": ["x", ["x", ""], [], ""],
    "tool_choice": [
        *("none", "auto", "required", "any", NAMED, {"type": "function"}),
        {"type": "function", "name": "g"},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}},
        {"type": "allowed_tools", "mode": "required", "tools": [NAMED]},
        {"type": "custom", "custom": {"name": "f"}},
        *({"type": "any"}, {"type": "tool", "name": "f"}, {"type": "none"}),
        {"type": "auto", "disable_parallel_tool_use": True},
    ],
    "function_call": ["none", "auto", {"name": "f"}, {}],
    "modalities": [["text"], ["audio"], []],
    "service_tier": ["auto", "flex"],
    "prompt": ["hi", ["a", "b"], ["a", ""], [1, 2], [[1], [2]], [], "", {}],
    "include": [["message.output_text.logprobs"], ["x"], []],
    "truncation": ["auto", "disabled", "never"],
    "input": [
        ITEMS[:-1],
        ITEMS,
        "hi",
        "",
        ["a", "b", "c"],
        [""],
        [],
        [1, 2],
        [[1]],
        [[]],
        {},
        ["a", 1],
    ],
    "encoding_format": ["float", "base64", "Base64", "int8", ""],
    "n": [1, 2, 3, 0, 9],
    "best_of": [1, 2, 3, 0, 9],
    "logprobs": [True, 0, 1, 5],
    "top_logprobs": [0, 1, 20],
    "dimensions": [1, 3, 0],
    "tools": [[NAMED], [NAMED, G], [], TOOLS, CLIENT_TOOLS],
}
#: Good requests to begin with.
BASES: dict[str, list[dict[str, Any]]] = {
    CHAT: [
        {},
        {"tools": [NAMED, G]},
        {"tools": [NAMED, G], "tool_choice": "required"},
        {"functions": [{"name": "f", "parameters": SCHEMA}], "function_call": "auto"},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "s", "schema": SCHEMA, "strict": True},
            }
        },
        {
            "model": "hearing",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "?"},
                        {"type": "image_url", "image_url": {"url": text(PNG)}},
                        {"type": "input_audio", "input_audio": {"data": text(wav())}},
                    ],
                },
                {"role": "assistant", "tool_calls": [CALL], "reasoning": "hm"},
                {"role": "tool", "content": "5", "tool_call_id": "c"},
            ],
        },
    ],
    TEXT: [{}, {"prompt": ["a", "b"]}, {"logprobs": 2, "echo": True}],
    EMBED: [{}, {"input": ["a", "b", "c"], "encoding_format": "base64"}],
    RESPONSES: [
        {},
        {"model": "seeing", "input": ITEMS[:-1], "tools": TOOLS},
        {"tools": TOOLS},
        {"tools": TOOLS, "tool_choice": "required"},
        {"include": ["message.output_text.logprobs"], "top_logprobs": 1},
        {
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "s",
                    "schema": SCHEMA,
                    "strict": True,
                }
            }
        },
    ],
}
BASES[MESSAGES] = [
    {},
    {"model": "seeing", "messages": TURNS, "tools": CLIENT_TOOLS},
    {"tools": CLIENT_TOOLS},
    {"tools": CLIENT_TOOLS, "tool_choice": {"type": "any"}},
    {"tools": CLIENT_TOOLS, "tool_choice": {"type": "tool", "name": "f"}},
    {"model": "switched", "thinking": {"type": "enabled", "display": "omitted"}},
    {"model": "switched", "thinking": {"type": "adaptive"}},
    {"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
]
#: Models for code, one for each way to ask.
CODERS = ["qwen2.5-coder", "codestral", "filler", "llama3.2", "gpt-oss", "default", ""]
MARKED = ["<PRE> a <SUF>b <MID>", "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"]
BASES |= {
    wrong_code.INFILL: [
        *({"model": model, "input_suffix": "\n)"} for model in CODERS),
        {"input_extra": [{"text": "a", "filename": "b.py", "time": [1, 2]}]},
        {"n_predict": 0, "response_fields": [""]},
        {"response_fields": ["content", "timings/prompt_n", "a/b/c", ""]},
    ],
    wrong_code.COMPLETION: [
        *({"model": model, "prompt": text} for model in CODERS for text in MARKED),
        {"n_predict": 5, "t_max_predict_ms": 1, "n_indent": 2},
    ],
    wrong_code.FIM: [{"model": model, "suffix": "\n)"} for model in CODERS],
    wrong_code.CODE: [
        *({"model": model, "prompt": text} for model in CODERS for text in MARKED),
        {"model": "", "language": "Go", "path": "a.go", "repo": "r", "max_lines": 1},
        {"prompt": "# Language: Python\n# Path: a.py\ndef f( <SUF> ) <MID>"},
    ],
    wrong_code.TABBY: [
        *({"model": model, "language": "python"} for model in CODERS),
        {"segments": {"prefix": "a", "suffix": "b", "declarations": [{"body": "c"}]}},
    ],
}
NUMBERS = [0, 1, 2, 5, 100, -1, 0.5, 2.0, 4.0, -2.5, 1e30, 1e308, 2**63, -(2**70)]
WORDS = st.sampled_from(["", "hi", "x", "\u0000", "\ud800", "\U0001f999", "a" * 2000])
TEXTS = WORDS | st.text(max_size=8)
NESTED: Any = []
for _ in range(150):
    NESTED = [NESTED]
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    TEXTS,
    st.sampled_from(NUMBERS),
    st.sampled_from([[], {}, [None], [[]], {"": None}, 10**30, float("inf")]),
    st.just(NESTED),
    st.recursive(
        st.none() | st.integers() | TEXTS,
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
        ),
        max_leaves=4,
    ),
)


def values(annotation: Any, name: str = "") -> st.SearchStrategy[Any]:
    """JSON values of a type, mostly such as mean something for a field's name."""
    meant = [one for one in MEANT.get(name, ()) if _fits(one, annotation)]
    made = _made(msgspec.inspect.type_info(annotation), name)
    return st.sampled_from(meant) | made if meant else made


def _made(kind: Any, name: str) -> st.SearchStrategy[Any]:
    inspect = msgspec.inspect
    match kind:
        case inspect.StructType():
            return objects(kind.cls)
        case inspect.UnionType():
            kinds = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
            return st.one_of([_made(one, name) for one in kinds])
        case inspect.ListType():
            return st.lists(_made(kind.item_type, name), max_size=3)
        case inspect.DictType():
            return st.dictionaries(TEXTS, JUNK, max_size=2)
        case inspect.IntType() | inspect.FloatType():
            return st.sampled_from([1, 2, *NUMBERS])
        case inspect.BoolType():
            return st.booleans()
        case inspect.StrType():
            return TEXTS
        case _:
            return JUNK


def _fits(value: Any, annotation: Any) -> bool:
    try:
        msgspec.convert(value, annotation)
    except msgspec.ValidationError:
        return False
    return True


@st.composite
def objects(
    draw: st.DrawFn, struct: type[msgspec.Struct], most: int = 4, **given: Any
) -> dict[str, Any]:
    """An object of a struct's required fields and a few of the others."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    optional = sorted(name for name, one in fields.items() if not one.required)
    chosen = draw(st.lists(st.sampled_from(optional), max_size=most, unique=True))
    needed = [name for name, one in fields.items() if one.required]
    return given | {
        name: draw(values(fields[name].type, name)) for name in [*needed, *chosen]
    }


@st.composite
def requests(draw: st.DrawFn, path: str) -> tuple[bytes, Any]:
    """A request's body, and whether it is a stream; one in two holds some junk."""
    good = GOOD[path] | draw(st.sampled_from(BASES[path]))
    request = copy.deepcopy(draw(objects(KINDS[path], 5, **good)))
    if path != EMBED and draw(st.booleans()):
        request["stream"] = True
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        _spoil(draw, request)
    if draw(st.integers(0, 9)) == 0:
        request["extra_body"] = draw(objects(KINDS[path], 3) | JUNK)
    body = json.dumps(request).encode()
    if draw(st.integers(0, 19)) == 0:
        body = body[: draw(st.integers(0, len(body)))]
    return body, request.get("stream")


def _spoil(draw: st.DrawFn, request: Any) -> None:
    """Replace, take away or add one thing, somewhere."""
    place = request
    for _ in range(draw(st.integers(0, 4))):
        inner = list(place.values()) if isinstance(place, dict) else list(place)
        inner = [one for one in inner if isinstance(one, dict | list) and one]
        if not inner:
            break
        place = draw(st.sampled_from(inner))
    keys = sorted(place) if isinstance(place, dict) else range(len(place))
    key = draw(st.sampled_from(keys))
    if draw(st.integers(0, 3)) == 0:
        del place[key]
    elif isinstance(place, dict) and draw(st.integers(0, 3)) == 0:
        place[draw(TEXTS)] = copy.deepcopy(draw(JUNK))
    else:
        place[key] = copy.deepcopy(draw(JUNK))
