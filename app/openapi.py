"""The OpenAPI description of what Pannier translates, made of the wire structs.

``document()`` is served at ``/openapi.json`` and shown at ``/docs``.  The native routes
are Ollama's own and described there.
"""

from functools import cache
from typing import Any

import msgspec

from .version import own_version
from .wire import openai

SCHEMAS = "#/components/schemas/"
JSON = "application/json"

#: What may go wrong, by status; every endpoint that calls Ollama can answer each.
FAILURES = {
    "400": "the request is wrong; `param` names the field",
    "401": "Ollama wants its user to sign in",
    "403": "Ollama, or a setting, does not allow it",
    "404": "no such model",
    "408": "the body of the request did not arrive in time",
    "413": "the body of the request is too large",
    "415": "the body of the request is compressed, or a form where none is expected",
    "429": "too many requests",
    "500": "the model, or Ollama, failed",
    "502": "Ollama cannot be reached, or its answer cannot be understood",
    "503": "Ollama is overloaded",
    "504": "Ollama took too long",
}


_TEXT = {"type": "string", "minLength": 1}
_TOKENS = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_TEXTS_OR_TOKENS = [
    _TEXT,
    {"type": "array", "items": _TEXT, "minItems": 1},
    _TOKENS | {"minItems": 1},
    {"type": "array", "items": _TOKENS, "minItems": 1},
]
#: Types of fields that are checked by hand.
KINDS = {
    "ChatCompletionRequest.messages": [
        {"type": "array", "items": {"$ref": SCHEMAS + "Message"}, "minItems": 1}
    ],
    "CompletionRequest.prompt": _TEXTS_OR_TOKENS,
    "EmbeddingRequest.input": _TEXTS_OR_TOKENS,
}


def _range(minimum: float, maximum: float | None = None) -> dict[str, float]:
    return {"minimum": minimum} | ({} if maximum is None else {"maximum": maximum})


#: What fields take beyond their type, by name or by struct and name.
VALUES: dict[str, dict[str, Any]] = {
    "model": {"minLength": 1, "maxLength": 512},
    "best_of": _range(1),
    "dimensions": _range(1),
    "frequency_penalty": _range(-2, 2),
    "max_completion_tokens": _range(1),
    "max_tokens": _range(1),
    "min_p": _range(0, 1),
    "n": _range(1),
    "num_ctx": _range(1),
    "presence_penalty": _range(-2, 2),
    "repeat_penalty": _range(0.01, 100),
    "repetition_penalty": _range(0.01, 100),
    "temperature": _range(0, 2),
    "top_logprobs": _range(0, 20),
    "top_p": _range(0, 1),
    "CompletionRequest.logprobs": _range(0, 5),
    "EmbeddingRequest.encoding_format": {"enum": ["float", "base64"]},
    "ContentPart.type": {
        "enum": ["text", "image_url", "input_audio", "file", "refusal"],
    },
    "Message.role": {
        "enum": ["system", "developer", "user", "assistant", "tool", "function"],
    },
    "ResponseFormat.type": {"enum": ["text", "json_object", "json_schema"]},
}


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint: where it is, what it takes and what it gives.

    ``needs`` names the fields that must be there, ``chunk`` is what the events of its
    stream hold; ``form`` says that the request is a form and not JSON.
    """

    method: str
    path: str
    name: str
    summary: str
    takes: Any = None
    needs: tuple[str, ...] = ()
    gives: Any
    chunk: Any = None
    form: bool = False


OPERATIONS = [
    Operation(
        method="POST",
        path="/v1/chat/completions",
        name="createChatCompletion",
        summary="The next message of a conversation",
        takes=openai.ChatCompletionRequest,
        needs=("model", "messages"),
        gives=openai.ChatCompletion,
        chunk=openai.ChatCompletionChunk,
    ),
    Operation(
        method="POST",
        path="/v1/completions",
        name="createCompletion",
        summary="The continuation of a text",
        takes=openai.CompletionRequest,
        needs=("model", "prompt"),
        gives=openai.Completion,
        chunk=openai.Completion,
    ),
    Operation(
        method="POST",
        path="/v1/embeddings",
        name="createEmbedding",
        summary="Vectors of texts",
        takes=openai.EmbeddingRequest,
        needs=("model", "input"),
        gives=openai.EmbeddingList,
    ),
    Operation(
        method="GET",
        path="/v1/models",
        name="listModels",
        summary="The models that are installed, and their other names",
        gives=openai.ListCompletion,
    ),
    Operation(
        method="GET",
        path="/v1/models/{model}",
        name="retrieveModel",
        summary="One model; its name may hold slashes",
        gives=openai.Model,
    ),
]


@cache
def document() -> dict[str, Any]:
    """The whole description, OpenAPI 3.1."""
    types = {openai.ErrorResponse}
    for operation in OPERATIONS:
        types |= {operation.takes, operation.gives, operation.chunk} - {None}
    _, components = msgspec.json.schema_components(
        sorted(types, key=lambda type_: type_.__name__), ref_template=SCHEMAS + "{name}"
    )
    for owner, schema in components.items():
        _refine(schema, owner)
    _insist(components["Message"], ("role",))
    for operation in OPERATIONS:
        if operation.needs:
            _insist(components[operation.takes.__name__], operation.needs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pannier",
            "version": own_version(),
            "summary": "Ollama behind OpenAI's API",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # Relative to where this document lies, whatever proxy is in front.
        "servers": [{"url": "./"}],
        "paths": _paths(),
        "components": {"schemas": dict(sorted(components.items()))},
    }


def _insist(schema: dict[str, Any], names: tuple[str, ...]) -> None:
    """Say that fields must be there: the structs leave that to the middlewares."""
    schema["required"] = sorted({*schema.get("required", ()), *names})
    for name in names:
        field = schema["properties"][name]
        kinds = [kind for kind in field.get("anyOf", ()) if kind != {"type": "null"}]
        if kinds:
            schema["properties"][name] = {"anyOf": kinds}
        schema["properties"][name].pop("default", None)


def _refine(schema: dict[str, Any], owner: str) -> None:
    """Say which values a field takes, where its type says too little."""
    for name, field in schema.get("properties", {}).items():
        if found := KINDS.get(f"{owner}.{name}"):
            field["anyOf"] = found
        said = VALUES.get(f"{owner}.{name}") or VALUES.get(name, {})
        for kind in field.get("anyOf", [field]):
            wanted = ("integer", "number") if "minimum" in said else ("string",)
            if kind.get("type") in wanted:
                kind.update(said)


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        path = paths.setdefault(operation.path, {})
        if "{model}" in operation.path:
            path["parameters"] = [
                {
                    "name": "model",
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "minLength": 1},
                }
            ]
        path[operation.method.lower()] = _operation(operation)
    return paths


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
    }
    if operation.takes is not None:
        media = "multipart/form-data" if operation.form else JSON
        described["requestBody"] = {
            "required": True,
            "content": {media: _schema(operation.takes)},
        }
    content = {JSON: _schema(operation.gives)}
    if operation.chunk is not None:
        content["text/event-stream"] = {"schema": _event(operation.chunk)}
    failures = {
        status: {"description": what, "content": {JSON: _schema(openai.ErrorResponse)}}
        for status, what in FAILURES.items()
    }
    described["responses"] = {
        "200": {"description": "the answer", "content": content}
    } | failures
    return described


def _event(chunk: Any) -> dict[str, Any]:
    """One event of a stream; the data of the last one is ``[DONE]`` or an error."""
    data = {
        "type": "string",
        "contentMediaType": JSON,
        "contentSchema": {"$ref": SCHEMAS + chunk.__name__},
    }
    said = {"anyOf": [{"const": "[DONE]"}, data]}
    return {"type": "object", "properties": {"data": said}, "required": ["data"]}


def _schema(type_: Any) -> dict[str, Any]:
    return {"schema": {"$ref": SCHEMAS + type_.__name__}}


class Field(msgspec.Struct, frozen=True):
    """A field of a request as the page shows it."""

    name: str
    type: str
    needed: bool


def described() -> list[tuple[Operation, list[Field]]]:
    """Every operation with the fields that it takes."""
    schemas = document()["components"]["schemas"]
    return [
        (operation, _fields(schemas[operation.takes.__name__], operation.needs))
        if operation.takes
        else (operation, [])
        for operation in OPERATIONS
    ]


def _fields(schema: dict[str, Any], needs: tuple[str, ...]) -> list[Field]:
    return [
        Field(name, _words(field), name in needs)
        for name, field in schema["properties"].items()
    ]


def _words(schema: dict[str, Any]) -> str:
    """A type in words; ``null`` goes without saying."""
    if "anyOf" in schema:
        words = dict.fromkeys(map(_words, schema["anyOf"]))
        return " or ".join(word for word in words if word != "null") or "anything"
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(SCHEMAS)
    if schema.get("type") == "array":
        return f"list of {_words(schema.get('items', {}))}"
    return str(schema.get("type", "anything"))
