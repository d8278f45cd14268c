"""Response formats: from OpenAI's ``response_format`` to Ollama's ``format``, pure.

The table is section 3 of the specification's page on chat.
"""

from typing import Any

from app.errors import BadRequest
from app.wire import openai

from .validation import missing


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
    schema = wanted.json_schema.schema if wanted.json_schema else None
    if schema is None:
        raise missing("response_format.json_schema")
    if schema is False:
        raise BadRequest(
            "Invalid 'response_format.json_schema.schema': nothing can fit it.",
            code="invalid_value",
            param="response_format.json_schema.schema",
        )
    return {} if schema is True else schema
