"""Requests with a value that is wrong: endpoint, fields, param and code."""

import base64
from typing import Any

from . import wrong_code, wrong_messages, wrong_responses
from .wrong_types import CHAT, EMBED, GOOD, MESSAGES, RESPONSES, TEXT, said

BOTH = (CHAT, TEXT)
IMAGE = "messages[0].content[0].image_url"


def image(url: Any) -> dict[str, Any]:
    """A message with one image."""
    part = {"type": "image_url", "image_url": {"url": url}}
    return {"messages": [{"role": "user", "content": [part]}]}


def formatted(**wanted: Any) -> dict[str, Any]:
    """A wish for a format."""
    return {"response_format": wanted}


def declared(function: Any) -> dict[str, Any]:
    """A tool."""
    return {"tools": [{"type": "function", "function": function}]}


def chosen(choice: Any, *tools: Any) -> dict[str, Any]:
    """A choice among tools."""
    return {"tools": list(tools), "tool_choice": choice}


def allowed(**what: Any) -> dict[str, Any]:
    """A choice of some tools."""
    return chosen({"type": "allowed_tools", "allowed_tools": what}, F)


def older(**fields: Any) -> dict[str, Any]:
    """A function of the older kind."""
    return {"functions": [F["function"]], **fields}


def schema(schema: Any, **more: Any) -> dict[str, Any]:
    """A wish for a format that is a schema."""
    described = {"name": "s", "schema": schema} | more
    return {"response_format": {"type": "json_schema", "json_schema": described}}


def strict(given: Any) -> dict[str, Any]:
    """A schema that must be kept."""
    return schema(given, strict=True)


def extra(**fields: Any) -> dict[str, Any]:
    """Fields that came in the place where OpenAI's library is given them."""
    return {"extra_body": fields}


def media(*parts: Any) -> dict[str, Any]:
    """A second message with these parts after a text."""
    content = [{"type": "text", "text": "?"}, *parts]
    return {"messages": [*HI, {"role": "user", "content": content}]}


def encoded(data: bytes) -> str:
    """As base64."""
    return base64.b64encode(data).decode()


HI = [{"role": "user", "content": "hi"}]
F = {"type": "function", "function": {"name": "f"}}
PART = "messages[1].content[1]"
SCHEMA = "response_format.json_schema.schema"
PARAMETERS = "tools[0].function.parameters"
#: Images that are none, or that nobody reads, by what is wrong with them.
BAD_IMAGES = {
    "empty": "",
    "blank": " ",
    "no base64": "?????",
    "one letter": "A",
    "bytes of nothing": "AAAAAAAA",
    "a word": "picture",
    "no data": "data:image/png;base64,",
    "not encoded": "data:image/png,AAAA",
    "no comma": "data:image/png;base64",
    "a text": "data:text/html;base64,AAAA",
    "padding": "data:image/png;base64,A===",
    "svg": f"data:image/svg+xml;base64,{encoded(b'<svg/>')}",
    "bmp": f"data:image/bmp;base64,{encoded(b'BM' + bytes(40))}",
    "heic": encoded(b"\0\0\0\x18ftypheic" + bytes(20)),
    "pdf": f"data:image/png;base64,{encoded(b'%PDF-1.7' + bytes(20))}",
    "path": "/etc/passwd",
    "file": "file:///etc/passwd",
    "ftp": "ftp://a/b.png",
    "gopher": "gopher://a/b",
    "script": "javascript:alert(1)",
    "blob": "blob:https://a/b",
    "no scheme": "//a/b.png",
    "http": "http://127.0.0.1/x.png",
    "https": "HTTPS://a/b.png",
    "metadata": "http://169.254.169.254/latest",
}
#: Integers that are options, with the smallest that they may be.
INTEGERS = {"num_ctx": 1, "num_keep": -1, "num_predict": -2, "repeat_last_n": -1}
#: Endpoints that need a model's name; for code one is usual.
NAMING = [path for path in GOOD if path not in wrong_code.GOOD]
MISSING = "missing_required_parameter"
TOO_SMALL = "integer_below_min_value"
TOO_LARGE = "integer_above_max_value"
ONE_PART = [{"type": "text", "text": "x"}]
#: Endpoint, what is put into a good request, param, code.
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    *[(path, {"model": None}, "model", MISSING) for path in NAMING],
    *[(path, {"model": ""}, "model", MISSING) for path in NAMING],
    *[(path, {"model": "  "}, "model", MISSING) for path in NAMING],
    *[(path, {"model": "a\r\nb"}, "model", "invalid_value") for path in GOOD],
    *[(path, {"model": "x" * 513}, "model", "invalid_value") for path in GOOD],
    *[(path, {"keep_alive": "soon"}, "keep_alive", "invalid_value") for path in GOOD],
    *[
        (path, {"options": {"num_ctx": "x"}}, "options.num_ctx", "invalid_type")
        for path in GOOD
    ],
    *[(path, {"max_tokens": 0}, "max_tokens", TOO_SMALL) for path in BOTH],
    *[(path, {"max_tokens": 1.5}, "max_tokens", "invalid_type") for path in BOTH],
    *[(path, {"max_tokens": 1e30}, "max_tokens", "invalid_type") for path in BOTH],
    *[(path, {"temperature": 2.5}, "temperature", "invalid_value") for path in BOTH],
    *[(path, {"temperature": -1}, "temperature", "invalid_value") for path in BOTH],
    *[(path, {"top_p": 2}, "top_p", "invalid_value") for path in BOTH],
    *[(path, {"seed": 0.5}, "seed", "invalid_type") for path in BOTH],
    *[(path, {"stop": ["a", 5]}, "stop[1]", "invalid_type") for path in BOTH],
    *[(path, {"stop": [None]}, "stop[0]", "invalid_type") for path in BOTH],
    *[(path, {"think": "hard"}, "think", "invalid_value") for path in BOTH],
    *[(path, {"num_ctx": 0}, "num_ctx", TOO_SMALL) for path in BOTH],
    *[(path, {"min_p": -1}, "min_p", "invalid_value") for path in BOTH],
    *[
        (path, formatted(type="xml"), "response_format.type", "invalid_value")
        for path in BOTH
    ],
    (CHAT, formatted(), "response_format.type", MISSING),
    (CHAT, formatted(type="json_schema"), "response_format.json_schema", MISSING),
    (
        CHAT,
        formatted(type="json_schema", json_schema={"name": "n"}),
        "response_format.json_schema",
        MISSING,
    ),
    (CHAT, {"max_completion_tokens": 0}, "max_completion_tokens", TOO_SMALL),
    (CHAT, {"top_logprobs": -1}, "top_logprobs", TOO_SMALL),
    (CHAT, {"top_logprobs": 21}, "top_logprobs", TOO_LARGE),
    (CHAT, {"top_logprobs": 1.5}, "top_logprobs", "invalid_type"),
    (CHAT, {"reasoning_effort": "extreme"}, "reasoning_effort", "invalid_value"),
    (CHAT, {"reasoning": {"effort": "x"}}, "reasoning.effort", "invalid_value"),
    (CHAT, {"messages": None}, "messages", "invalid_value"),
    (CHAT, {"messages": []}, "messages", "invalid_value"),
    (CHAT, {"messages": [None]}, "messages[0]", "invalid_type"),
    (CHAT, {"messages": [{}]}, "messages[0].role", MISSING),
    (CHAT, {"messages": [{"content": "x"}]}, "messages[0].role", MISSING),
    (CHAT, said(role="robot"), "messages[0].role", "invalid_value"),
    (CHAT, said(content=None), "messages[0].content", "invalid_type"),
    (CHAT, said(content=[]), "messages[0].content", "invalid_value"),
    (CHAT, said(content=ONE_PART * 1025), "messages[0].content", "invalid_value"),
    (CHAT, said(content=[None]), "messages[0].content[0]", "invalid_type"),
    (CHAT, said(content=["x"]), "messages[0].content[0]", "invalid_type"),
    (CHAT, said(content=[{}]), "messages[0].content[0].type", MISSING),
    (
        CHAT,
        said(content=[{"type": "x"}]),
        "messages[0].content[0].type",
        "invalid_value",
    ),
    (CHAT, said(content=[{"type": "text"}]), "messages[0].content[0]", "invalid_type"),
    (CHAT, image(""), IMAGE, "invalid_image"),
    (CHAT, image("http://x/y.png"), IMAGE, "invalid_image"),
    (CHAT, image("/etc/passwd"), IMAGE, "invalid_image"),
    (CHAT, image("file:///x"), IMAGE, "invalid_image"),
    (CHAT, image("data:text/html;base64,AAAA"), IMAGE, "invalid_image"),
    (CHAT, image("data:image/png;base64,A"), IMAGE, "invalid_image"),
    (CHAT, image("!"), IMAGE, "invalid_image"),
    (CHAT, image(None), f"{IMAGE}.url", "invalid_type"),
    (
        CHAT,
        said(content=[{"type": "input_audio", "input_audio": {}}]),
        "messages[0].content[0].input_audio.data",
        MISSING,
    ),
    (
        CHAT,
        said(content=[{"type": "file", "file": {"file_id": "f"}}]),
        "messages[0].content[0].file",
        "unsupported_value",
    ),
    (
        CHAT,
        said(tool_calls=[{}]),
        "messages[0].tool_calls[0].function",
        MISSING,
    ),
    (
        CHAT,
        said(tool_calls=[{"function": {}}]),
        "messages[0].tool_calls[0].function.name",
        MISSING,
    ),
    (
        CHAT,
        said(tool_calls=[{"function": {"name": "f", "arguments": "["}}]),
        "messages[0].tool_calls[0].function.arguments",
        "invalid_value",
    ),
    (CHAT, {"tools": [{}]}, "tools[0].type", MISSING),
    (CHAT, {"tools": [None]}, "tools[0]", "invalid_type"),
    (CHAT, {"tools": [{"type": "function"}]}, "tools[0].function", MISSING),
    (CHAT, declared({}), "tools[0].function.name", MISSING),
    (CHAT, declared({"name": ""}), "tools[0].function.name", MISSING),
    (CHAT, declared({"name": None}), "tools[0].function.name", "invalid_type"),
    (
        CHAT,
        declared({"name": "f", "parameters": {"properties": []}}),
        "tools[0].function.parameters.properties",
        "invalid_type",
    ),
    (CHAT, {"tools": [{"type": "x"}] * 1025}, "tools", "invalid_value"),
    (TEXT, {"prompt": None}, "prompt", MISSING),
    (TEXT, {"prompt": ""}, "prompt", MISSING),
    (TEXT, {"prompt": []}, "prompt", MISSING),
    (TEXT, {"prompt": ["a", ""]}, "prompt[1]", MISSING),
    (TEXT, {"prompt": [""]}, "prompt[0]", MISSING),
    (TEXT, {"prompt": ["a", 1]}, "prompt", "invalid_type"),
    (TEXT, {"prompt": ["a"] * 129}, "prompt", "invalid_value"),
    (TEXT, {"prompt": [1, 2]}, "prompt", "unsupported_value"),
    (TEXT, {"prompt": [[1]]}, "prompt", "unsupported_value"),
    (TEXT, {"prompt": 5}, "prompt", "invalid_type"),
    (TEXT, {"prompt": True}, "prompt", "invalid_type"),
    (TEXT, {"prompt": {}}, "prompt", "invalid_type"),
    # Choices and prompts.
    *[(path, {"n": n}, "n", TOO_SMALL) for path in BOTH for n in (0, -1)],
    *[(path, {"n": n}, "n", TOO_LARGE) for path in BOTH for n in (9, 10**6)],
    *[(path, {"n": n}, "n", "invalid_type") for path in BOTH for n in (1.5, 1e30)],
    (TEXT, {"best_of": -1}, "best_of", TOO_SMALL),
    (TEXT, {"best_of": 0}, "best_of", TOO_SMALL),
    (TEXT, {"best_of": 9}, "best_of", TOO_LARGE),
    (TEXT, {"best_of": 1.5}, "best_of", "invalid_type"),
    (TEXT, {"best_of": 1, "n": 2}, "best_of", "invalid_value"),
    (TEXT, {"prompt": ["a"] * 65, "n": 2}, "prompt", "invalid_value"),
    (TEXT, {"prompt": ["a"] * 43, "n": 3}, "prompt", "invalid_value"),
    *[
        (TEXT, {"prompt": prompt}, "prompt", "invalid_type")
        for prompt in ([None], [{}], [1.5], [True], [["a"]], [[True]], [[]])
    ],
    # Tools and the choice among them.
    *[
        (CHAT, chosen(choice, F), "tool_choice", "invalid_value")
        for choice in (
            "any",
            "f",
            {},
            {"type": "auto"},
            {"type": "tool", "name": "f"},
            {"type": "function"},
            {"type": "function", "function": {}},
            {"type": "function", "function": "f"},
            {"type": "function", "function": {"name": 5}},
            {"type": "function", "function": {"name": "g"}},
            {"type": "function", "name": "g"},
            {"type": "custom", "custom": {"name": "g"}},
        )
    ],
    *[
        (CHAT, {"tool_choice": choice}, "tool_choice", "invalid_value")
        for choice in (
            "required",
            "any",
            {"type": "function", "function": {"name": "f"}},
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [F]}},
        )
    ],
    *[
        (CHAT, allowed(**what), f"tool_choice.allowed_tools.{name}", "invalid_value")
        for name, what in (
            ("mode", {"mode": "none", "tools": [F]}),
            ("mode", {"mode": 5, "tools": [F]}),
            ("mode", {"mode": None, "tools": [F]}),
            ("tools", {"mode": "auto"}),
            ("tools", {"mode": "auto", "tools": []}),
            ("tools", {"mode": "auto", "tools": "f"}),
        )
    ],
    *[
        (CHAT, allowed(mode="auto", tools=[one]), "tool_choice", "invalid_value")
        for one in (None, {}, "f", {"type": "function", "function": {"name": "g"}})
    ],
    (CHAT, {"tools": [{"type": "custom"}]}, "tools[0].custom", MISSING),
    (
        CHAT,
        {"tools": [F, {"type": "custom", "custom": {"name": ""}}]},
        "tools[1].custom.name",
        MISSING,
    ),
    *[
        (
            CHAT,
            {"tools": [{"type": "custom", "custom": {"name": "c", "format": given}}]},
            "tools[0].custom.format",
            "unsupported_value",
        )
        for given in ({"type": "grammar", "grammar": {}}, {"type": "x"}, {"type": None})
    ],
    *[
        (CHAT, declared({"name": "f", "parameters": given}), place, "invalid_type")
        for place, given in (
            (f"{PARAMETERS}.required", {"required": True}),
            (f"{PARAMETERS}.type", {"type": 5}),
            (f"{PARAMETERS}.properties.a", {"properties": {"a": 5}}),
            (f"{PARAMETERS}.properties.a.type", {"properties": {"a": {"type": {}}}}),
            (f"{PARAMETERS}.anyOf[0]", {"anyOf": [5]}),
        )
    ],
    (
        CHAT,
        declared({"name": "f", "parameters": {"type": "array"}})
        | {"tool_choice": "required"},
        PARAMETERS,
        "invalid_value",
    ),
    # Functions as they were.
    (CHAT, {"functions": [{"name": ""}]}, "functions[0].name", MISSING),
    (CHAT, older(tools=[F]), "functions", "invalid_value"),
    (CHAT, {"functions": [{"name": "f"}] * 1025}, "functions", "invalid_value"),
    *[
        (CHAT, older(function_call=choice), "function_call", "invalid_value")
        for choice in ("required", "any", "f", {}, {"name": "g"}, {"name": None})
    ],
    *[
        (CHAT, {"function_call": choice}, "function_call", "invalid_value")
        for choice in ("any", {"name": "f"})
    ],
    (
        CHAT,
        older(functions=[{"name": "f", "parameters": {"properties": 5}}]),
        "functions[0].parameters.properties",
        "invalid_type",
    ),
    (
        CHAT,
        said(role="assistant", function_call={"name": "f", "arguments": "x"}),
        "messages[0].function_call.arguments",
        "invalid_value",
    ),
    # Schemas.
    *[
        (path, schema(given), SCHEMA, "invalid_value")
        for path in BOTH
        for given in (
            False,
            {"type": "nothing"},
            {"type": 5},
            {"properties": []},
            {"required": "a"},
            {"enum": {}},
            {"minLength": -1},
            {"description": "x" * 300_000},
        )
    ],
    *[
        (path, strict(given), SCHEMA, "invalid_value")
        for path in BOTH
        for given in (
            {"$ref": "http://127.0.0.1/schema"},
            {"$ref": "file:///etc/passwd"},
            {"$ref": "other.json"},
            {"$ref": "#x"},
            {"$dynamicRef": "#x"},
            {"properties": {"a": {"$id": "x"}}},
            {"pattern": "("},
        )
    ],
    # Thinking.
    *[
        (path, {"think": level}, "think", "invalid_value")
        for path in BOTH
        for level in ("", "none", "HIGH")
    ],
    *[
        (CHAT, {"reasoning_effort": effort}, "reasoning_effort", "invalid_value")
        for effort in ("HIGH", "true", " low")
    ],
    (CHAT, {"reasoning": {"max_tokens": -1}}, "reasoning.max_tokens", TOO_SMALL),
    (CHAT, {"reasoning": {"max_tokens": 1.5}}, "reasoning.max_tokens", "invalid_type"),
    *[
        (CHAT, fields, "reasoning.enabled", "invalid_value")
        for fields in (
            {"reasoning": {"enabled": False, "effort": "high"}},
            {"reasoning": {"enabled": False}, "reasoning_effort": "low"},
        )
    ],
    (CHAT, {"thinking": "hard"}, "thinking", "invalid_value"),
    (CHAT, {"thinking": {"type": "on"}}, "thinking.type", "invalid_value"),
    (CHAT, {"thinking": {"type": 5}}, "thinking.type", "invalid_type"),
    *[
        (CHAT, {"thinking": {"budget_tokens": number}}, "thinking.budget_tokens", code)
        for number, code in (
            (-1, TOO_SMALL),
            (1.5, "invalid_type"),
            ("x", "invalid_type"),
            (True, "invalid_type"),
        )
    ],
    (CHAT, {"output_config": {"effort": 5}}, "output_config.effort", "invalid_type"),
    (CHAT, {"output_config": {"effort": "x"}}, "output_config.effort", "invalid_value"),
    *[
        (
            CHAT,
            {"chat_template_kwargs": {"enable_thinking": value}},
            "chat_template_kwargs.enable_thinking",
            "invalid_type",
        )
        for value in ("true", 1, [])
    ],
    *[
        (CHAT, {"metadata": {name: value}}, f"metadata.{name}", "invalid_type")
        for name in ("exclude_reasoning", "hide_reasoning")
        for value in (5, [], "perhaps")
    ],
    *[(RESPONSES, *wrong) for wrong in wrong_responses.WRONG],
    *[(MESSAGES, *wrong) for wrong in wrong_messages.WRONG],
    *wrong_code.WRONG,
    # Images and recordings, where they are.
    *[
        (
            CHAT,
            media({"type": "image_url", "image_url": spelled(url)}),
            "messages[1].content[1].image_url",
            "invalid_image",
        )
        for url in BAD_IMAGES.values()
        for spelled in (str, lambda url: {"url": url, "detail": "low"})
    ],
    (CHAT, media({"type": "image_url"}), "messages[1].content[1]", "invalid_type"),
    (CHAT, media({"type": "image"}), "messages[1].content[1].type", "invalid_value"),
    (
        CHAT,
        media({"type": "input_audio"}),
        "messages[1].content[1].input_audio",
        "invalid_type",
    ),
    (
        CHAT,
        media({"type": "input_audio", "input_audio": {"data": "?"}}),
        "messages[1].content[1].input_audio.data",
        "invalid_image",
    ),
    *[
        (
            CHAT,
            media({"type": "file", "file": file}),
            f"{PART}.file",
            "unsupported_value",
        )
        for file in (
            None,
            "x",
            {},
            {"file_data": 5},
            {"file_data": "aGk="},
            {"file_data": "data:application/pdf;base64,aGk="},
            {"file_data": "data:text/plain;base64,gA=="},
            {"filename": "a.txt"},
        )
    ],
    # Ollama's options, beside the fields and among the options.
    *[
        (path, {name: value}, name, code)
        for path in BOTH
        for name, least in INTEGERS.items()
        for value, code in (
            (least - 1, TOO_SMALL),
            (0.5, "invalid_type"),
            (1e30, "invalid_type"),
        )
    ],
    *[
        (path, {name: value}, name, "invalid_value")
        for path in BOTH
        for name, value in (
            ("min_p", 1.5),
            ("typical_p", -1),
            ("typical_p", 2),
            ("top_p", -0.1),
            ("repeat_penalty", 0),
            ("repeat_penalty", 1000),
            ("repetition_penalty", 0),
            ("repetition_penalty", 1000),
        )
    ],
    *[(path, {"top_k": 0.5}, "top_k", "invalid_type") for path in BOTH],
    *[
        (path, {"options": {name: value}}, f"options.{name}", "invalid_type")
        for path in GOOD
        for name, values in {
            "num_ctx": (1.5, "5", True, [], 1e30),
            "num_predict": ("x",),
            "num_gpu": ("all",),
            "num_thread": (0.5,),
            "seed": ("x", 2**64),
            "top_k": ({},),
            "temperature": ("hot", True, 1e30),
            "repeat_penalty": ("x",),
            "use_mmap": ("yes", 1),
            "stop": (5, [5], {}, [None]),
        }.items()
        for value in values
    ],
    *[
        (
            path,
            {"options": {"repeat_penalty": 0}},
            "options.repeat_penalty",
            "invalid_value",
        )
        for path in BOTH
    ],
    *[
        (path, {"keep_alive": value}, "keep_alive", "invalid_value")
        for path in GOOD
        for value in ("", "5 minutes", "5x", "m", "1h 5m", "5m\n")
    ],
    (EMBED, {"num_ctx": 0}, "num_ctx", TOO_SMALL),
    (EMBED, {"num_ctx": 0.5}, "num_ctx", "invalid_type"),
    # The same in a body of its own.
    *[
        (path, extra(**fields), param, code)
        for path in BOTH
        for fields, param, code in (
            ({"num_ctx": 0}, "num_ctx", TOO_SMALL),
            ({"num_ctx": "x"}, "num_ctx", "invalid_type"),
            ({"options": {"num_ctx": "x"}}, "options.num_ctx", "invalid_type"),
            ({"options": 5}, "options", "invalid_type"),
            ({"think": "hard"}, "think", "invalid_value"),
            ({"keep_alive": "soon"}, "keep_alive", "invalid_value"),
            ({"n": 0}, "n", TOO_SMALL),
            ({"temperature": 5}, "temperature", "invalid_value"),
        )
    ],
    (EMBED, extra(dimensions=0), "dimensions", TOO_SMALL),
    (EMBED, extra(truncate="x"), "truncate", "invalid_type"),
    (EMBED, {"dimensions": -5}, "dimensions", TOO_SMALL),
    (EMBED, {"dimensions": 1e30}, "dimensions", "invalid_type"),
    *[
        (EMBED, {"input": given}, "input", "invalid_type")
        for given in ([True], [1.5], [1, "a"], [[1], "a"], [["a"]], [[1.5]], [{}], True)
    ],
    (TEXT, {"logprobs": 6}, "logprobs", TOO_LARGE),
    (TEXT, {"logprobs": -1}, "logprobs", TOO_SMALL),
    (TEXT, {"logprobs": 0.5}, "logprobs", "invalid_type"),
    (EMBED, {"input": None}, "input", "invalid_value"),
    (EMBED, {"input": []}, "input", "invalid_value"),
    (EMBED, {"input": 5}, "input", "invalid_type"),
    (EMBED, {"input": {}}, "input", "invalid_type"),
    (EMBED, {"input": [None]}, "input", "invalid_type"),
    (EMBED, {"input": ["a", 5.5]}, "input", "invalid_type"),
    (EMBED, {"input": [[]]}, "input", "invalid_type"),
    (EMBED, {"input": [1, 2]}, "input", "unsupported_value"),
    (EMBED, {"input": [[1], [2]]}, "input", "unsupported_value"),
    (EMBED, {"input": ["a"] * 2049}, "input", "invalid_value"),
    (EMBED, {"dimensions": 0}, "dimensions", TOO_SMALL),
    (EMBED, {"dimensions": 0.5}, "dimensions", "invalid_type"),
    (EMBED, {"encoding_format": "int8"}, "encoding_format", "invalid_value"),
]

#: Texts that other tools match on; they need not name the field.
VERBATIM = (
    "[] is too short - 'messages'",
    "invalid message format",
    "invalid message content type: null",
    "invalid image input",
    "image URLs are not currently supported",
    "invalid input",
    "invalid input_audio format",
    "invalid tool call arguments",
    "invalid model name",
    "invalid reasoning value",
    "invalid think value",
    "Only text files",
    "arrays of prompts are not supported",
    "token array",
    "Invalid value: ",
    "Item with id",
    "Previous response with id",
    "Too many",
)
