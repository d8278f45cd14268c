"""The request bodies' Go types: which key is what, and Go's words when it is not.

A specification is a Go type name, a list with one specification (a slice), a
dict of keys (a struct; ``""`` holds its Go name), or a function that checks and
converts a value itself, as ``UnmarshalJSON`` methods do.
"""

import re
from typing import Any

from .golang import FOREVER, GoError, duration, string, truncated

LEVELS = ("high", "medium", "low", "max")
_WORDS = '"high", "medium", "low", "max", true, or false'


def think(value: Any) -> Any:
    """``api.ThinkValue``: a boolean or one of four words."""
    if isinstance(value, bool) or value in LEVELS:
        return value
    if isinstance(value, str):
        raise GoError(f"invalid think value: {string(value)} (must be {_WORDS})")
    raise GoError(f"think must be a boolean or string ({_WORDS})")


def keep_alive(value: Any) -> int:
    """``api.Duration`` in nanoseconds; negative means for ever."""
    if isinstance(value, str):
        span = duration(value)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        span = truncated(value * 10**9)
    else:
        kind = kind_of(value)
        raise GoError(f"Unsupported type: '{kind}'")
    return FOREVER if span < 0 else span


def image(value: Any) -> str:
    """One entry of ``images``: standard base64 with padding."""
    if not isinstance(value, str):
        raise GoError(
            f"json: cannot unmarshal {kind_of(value)} into Go struct field "
            "ChatRequest.messages.images of type api.ImageData"
        )
    text = value.replace("\n", "").replace("\r", "")
    bad = re.search(r"[^A-Za-z0-9+/]", text.rstrip("="))
    if bad:
        raise GoError(f"illegal base64 data at input byte {bad.start()}")
    if len(text) % 4 or len(text) - len(text.rstrip("=")) > 2:
        raise GoError(f"illegal base64 data at input byte {len(text) - len(text) % 4}")
    return text


def arguments(value: Any) -> dict[str, Any]:
    """The arguments of a tool call, an object."""
    if not isinstance(value, dict):
        raise GoError("Value looks like object, but can't find closing '}' symbol")
    return value


def properties(value: Any) -> dict[str, Any]:
    """The properties of a tool's parameters: objects, no boolean schemas."""
    kind = kind_of(value)
    if isinstance(value, dict):
        odd = (item for item in value.values() if not isinstance(item, dict))
        kind = next((kind_of(item) for item in odd), "")
        if not kind:
            return value
    raise GoError(
        f"json: cannot unmarshal {kind} into Go struct field "
        "ChatRequest.tools.function.parameters.properties of type api.ToolProperty"
    )


def license_text(value: Any) -> str:
    """A licence, or a list of them; what is neither counts as none."""
    several = value if isinstance(value, list) else [value]
    return "\n".join(one for one in several if isinstance(one, str))


def anything(value: Any) -> Any:
    """``json.RawMessage`` or ``any``."""
    return value


_OPTIONS = "map[string]interface {}"
_CALL = {
    "": "api.ToolCall",
    "id": "string",
    "function": {
        "": "api.ToolCallFunction",
        "index": "int",
        "name": "string",
        "arguments": arguments,
    },
}
_MESSAGE = {
    "": "api.Message",
    "role": "string",
    "content": "string",
    "thinking": "string",
    "images": [image],
    "tool_calls": [_CALL],
    "tool_name": "string",
    "tool_call_id": "string",
}
_TOOL = {
    "": "api.Tool",
    "type": "string",
    "items": anything,
    "function": {
        "": "api.ToolFunction",
        "name": "string",
        "description": "string",
        "parameters": {
            "": "api.ToolFunctionParameters",
            "type": "string",
            "$defs": anything,
            "items": anything,
            "required": ["string"],
            "properties": properties,
        },
    },
}
_COMMON: dict[str, Any] = {
    "model": "string",
    "stream": "bool",
    "format": anything,
    "keep_alive": keep_alive,
    "options": _OPTIONS,
    "think": think,
    "truncate": "bool",
    "shift": "bool",
    "_debug_render_only": "bool",
    "logprobs": "bool",
    "top_logprobs": "int",
}
CHAT = {
    "": "ChatRequest",
    **_COMMON,
    "messages": [_MESSAGE],
    "tools": [_TOOL],
}
GENERATE = {
    "": "GenerateRequest",
    **_COMMON,
    "prompt": "string",
    "suffix": "string",
    "system": "string",
    "template": "string",
    "raw": "bool",
    "images": [image],
    "context": ["int"],
}
EMBED = {
    "": "EmbedRequest",
    "model": "string",
    "input": anything,
    "keep_alive": keep_alive,
    "truncate": "bool",
    "dimensions": "int",
    "options": _OPTIONS,
}
EMBEDDINGS = {
    "": "EmbeddingRequest",
    "model": "string",
    "prompt": "string",
    "keep_alive": keep_alive,
    "options": _OPTIONS,
}
NAMED = {
    "": "ShowRequest",
    "model": "string",
    "name": "string",
    "system": "string",
    "verbose": "bool",
    "stream": "bool",
    "insecure": "bool",
    "options": _OPTIONS,
}
COPY = {"": "CopyRequest", "source": "string", "destination": "string"}
CREATE = {
    "": "CreateRequest",
    "model": "string",
    "name": "string",
    "stream": "bool",
    "from": "string",
    "files": "map[string]string",
    "template": "string",
    "license": license_text,
    "system": "string",
    "parameters": "map[string]interface {}",
    "messages": [_MESSAGE],
}


def kind_of(value: Any) -> str:
    """The JSON kind of a value in Go's words."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (list, dict)):
        return "array" if isinstance(value, list) else "object"
    return "null"


def read(spec: dict[str, Any], value: Any) -> dict[str, Any]:
    """``value`` as the struct ``spec``: known keys only, in their own spelling.

    Keys match in any case and the last one wins; null counts as absent.
    """
    root = spec[""]
    if value is None:
        return {}
    if not isinstance(value, dict):
        kind = kind_of(value)
        raise GoError(f"json: cannot unmarshal {kind} into Go value of type api.{root}")
    return _struct(spec, value, root)


def _struct(spec: dict[str, Any], value: dict[str, Any], path: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, item in value.items():
        name = key if key in spec else key.lower()
        if name and name in spec and item is not None:
            result[name] = _convert(spec[name], item, f"{path}.{name}")
    return result


def _convert(spec: Any, value: Any, path: str) -> Any:
    if callable(spec):
        return spec(value)
    if isinstance(spec, list) and isinstance(value, list):
        return [_element(spec[0], item, path) for item in value]
    if isinstance(spec, dict) and isinstance(value, dict):
        return _struct(spec, value, path)
    if isinstance(spec, str) and _fits(spec, value):
        return value
    kind = kind_of(value)
    if kind == "number" and spec == "int":
        kind = f"number {value}"
    raise GoError(
        f"json: cannot unmarshal {kind} into Go struct field {path}"
        f" of type {_go_type(spec)}"
    )


def _element(spec: Any, value: Any, path: str) -> Any:
    if value is None:
        return {} if isinstance(spec, dict) else _ZERO.get(spec, "")
    return _convert(spec, value, path)


_ZERO: dict[Any, Any] = {"int": 0, "bool": False, "string": ""}


def _fits(spec: str, value: Any) -> bool:
    if spec == "string":
        return isinstance(value, str)
    if spec == "bool":
        return isinstance(value, bool)
    if spec == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, dict)


def _go_type(spec: Any) -> str:
    if isinstance(spec, list):
        element = spec[0]
        if element is _TOOL:
            return "api.Tools"
        return "[]api.ImageData" if element is image else f"[]{_go_type(element)}"
    return str(spec[""] if isinstance(spec, dict) else spec)
