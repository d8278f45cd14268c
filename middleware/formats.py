"""Response formats: from OpenAI's ``response_format`` to Ollama's ``format``, pure.

The table is section 3 of the specification's page on chat.  What Ollama's grammar
cannot hold is left out of ``format``; a strict format is checked in the end.
"""

from typing import Any

from app.errors import BadRequest
from app.wire import openai

from .grammars import Grammar
from .schema_checks import Check, check, looks_valid
from .validation import missing

_PARAM = "response_format.json_schema.schema"


def response_format(wanted: openai.ResponseFormat | None) -> Any:
    """Ollama's ``format``: nothing, ``"json"`` or a schema."""
    kind = wanted.type.strip().lower() if wanted else "text"
    if wanted is None or kind == "text":
        return None
    if kind == "json_object":
        return "json"
    if kind != "json_schema":
        raise BadRequest(
            f"Invalid value: '{wanted.type[:64]}'. Supported values are: 'text',"
            " 'json_object', and 'json_schema'.",
            code="invalid_value",
            param="response_format.type",
        )
    described = wanted.json_schema
    if described is None or described.schema is None:
        raise missing("response_format.json_schema")
    return _prepared(described.schema, bool(described.strict))


def answer_check(request: openai.Sampling) -> Check | None:
    """What the answer must pass: a strict format promises that it fits."""
    wanted = request.response_format
    described = wanted.json_schema if wanted else None
    if wanted is None or described is None or not described.strict:
        return None
    if wanted.type.strip().lower() != "json_schema" or request.debug_render_only:
        return None
    return check(described.schema, _PARAM)


def _prepared(schema: dict[str, Any] | bool, strict: bool) -> dict[str, Any]:
    if schema is False:
        raise BadRequest(
            f"Invalid '{_PARAM}': nothing can fit it.",
            code="invalid_value",
            param=_PARAM,
        )
    if schema is True or not schema:
        return {}
    if strict:
        check(schema, _PARAM)
    else:
        looks_valid(schema, _PARAM)
    grammar = Grammar()
    return grammar.complete(grammar.schema(schema))
