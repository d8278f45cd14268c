"""The OpenAPI description of what Pannier translates, made of the wire structs.

``document()`` is served at ``/openapi.json`` and shown at ``/docs``.  The native routes
are Ollama's own and described there.
"""

import re
from functools import cache
from typing import Any

import msgspec

from .gateway.groups import OPEN
from .operations import FAILURES, OPERATIONS, Operation
from .values import KINDS, SCHEMAS, VALUES
from .version import own_version

JSON = "application/json"
#: Where a key may be; one place is enough.
SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key of Pannier's; needed as soon as there is one.",
    },
    **{
        name: {"type": "apiKey", "in": "header", "name": name}
        for name in ("x-api-key", "api-key")
    },
}
#: None at all is the last choice: before there is a key nobody needs one.
_SECURITY: list[dict[str, list[str]]] = [*({one: list[str]()} for one in SCHEMES), {}]


@cache
def document() -> dict[str, Any]:
    """The whole description, OpenAPI 3.1."""
    types: set[Any] = set()
    for operation in OPERATIONS:
        types |= {operation.takes, *operation.forms, *operation.gives} - {None}
        types |= {*operation.chunks, *operation.lines, operation.error}
    components: dict[str, Any] = {}
    for prefix in set(map(_prefix, types)):
        _, some = msgspec.json.schema_components(
            sorted([one for one in types if _prefix(one) == prefix], key=named),
            ref_template=SCHEMAS + prefix + "{name}",
        )
        components |= {prefix + name: schema for name, schema in some.items()}
    for owner, schema in components.items():
        _refine(schema, owner)
    _insist(components["Message"], ("role",))
    components["TranscriptionRequest"]["properties"]["file"] = {
        "type": "string",
        "format": "binary",
    }
    for operation in OPERATIONS:
        if operation.needs:
            _insist(components[named(operation.takes)], operation.needs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pannier",
            "version": own_version(),
            "summary": "Ollama behind OpenAI's and Anthropic's API",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        # Relative to where this document lies, whatever proxy is in front.
        "servers": [{"url": "./"}],
        "paths": _paths(),
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": SCHEMES,
        },
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
        if names := re.findall(r"\{(\w+)\}", operation.path):
            path["parameters"] = [
                {
                    "name": name,
                    "in": "path",
                    "required": True,
                    "schema": {"type": "string", "minLength": 1},
                }
                for name in names
            ]
        path[operation.method.lower()] = _operation(operation)
    return paths


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
    }
    if operation.path not in OPEN:
        described["security"] = _SECURITY
    if operation.takes is not None:
        media = "multipart/form-data" if operation.form else JSON
        described["requestBody"] = {
            "required": True,
            "content": {media: _schema(operation.takes, *operation.forms)},
        }
    failures = {
        status: {"description": what, "content": {JSON: _schema(operation.error)}}
        for status, what in FAILURES.items()
    }
    described["responses"] = _success(operation) | failures
    return described


def _success(operation: Operation) -> dict[str, Any]:
    """The answer in each of its media."""
    if not operation.gives:
        return {"204": {"description": "nothing is said"}}
    content = {JSON: _schema(*operation.gives)}
    if operation.chunks:
        content["text/event-stream"] = {"schema": _event(operation.chunks)}
    if operation.lines:
        content["application/x-ndjson"] = _schema(*operation.lines)
    if operation.form:
        content["text/plain"] = {"schema": {"type": "string"}}
    return {"200": {"description": "the answer", "content": content}}


def _event(chunks: tuple[Any, ...]) -> dict[str, Any]:
    """One event of a stream; the data of the last one is ``[DONE]`` or an error."""
    data = {
        "type": "string",
        "contentMediaType": JSON,
        "contentSchema": _schema(*chunks)["schema"],
    }
    said = {"anyOf": [{"const": "[DONE]"}, data]}
    return {"type": "object", "properties": {"data": said}, "required": ["data"]}


def _schema(*types: Any) -> dict[str, Any]:
    found = [{"$ref": SCHEMAS + named(type_)} for type_ in types]
    return {"schema": found[0] if len(found) == 1 else {"anyOf": found}}


def _prefix(type_: type) -> str:
    """What the names of a dialect begin with, some of which others have too."""
    if ".responses." in type_.__module__:
        return "Responses"
    if ".code" in type_.__module__:
        return "Code"
    return "Anthropic" if ".anthropic." in type_.__module__ else ""


def named(type_: type) -> str:
    """What a type is called in the document."""
    return _prefix(type_) + type_.__name__


class Field(msgspec.Struct, frozen=True):
    """A field of a request as the page shows it."""

    name: str
    type: str
    needed: bool


def described() -> list[tuple[Operation, list[Field]]]:
    """Every operation with the fields that it takes."""
    schemas = document()["components"]["schemas"]
    return [(operation, _fields_of(operation, schemas)) for operation in OPERATIONS]


def _fields_of(operation: Operation, schemas: dict[str, Any]) -> list[Field]:
    """The fields of all its forms, each once."""
    found: dict[str, Field] = {}
    for form in (operation.takes, *operation.forms):
        if form is not None:
            for field in _fields(schemas[named(form)], operation.needs):
                found.setdefault(field.name, field)
    return list(found.values())


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
