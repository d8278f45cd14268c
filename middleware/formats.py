"""Response formats: what an answer is held to, as Ollama's ``format``, pure.

The table is section 3 of the specification's page on chat; each dialect has a spelling
of its own.  What Ollama's grammar cannot hold is left out of ``format``; a strict
format is checked in the end.
"""

from typing import Any, NamedTuple

from app.errors import BadRequest
from app.wire import openai

from .grammars import Grammar
from .schema_checks import Check, check, looks_valid
from .validation import missing


class Format(NamedTuple):
    """A format: a ``schema``, or any JSON where that is ``None``.

    A ``strict`` one promises that the answer fits; ``param`` is the schema's place.
    """

    schema: dict[str, Any] | bool | None = None
    strict: bool = False
    param: str = ""


def response_format(wanted: openai.ResponseFormat | None) -> Format | None:
    """The format of Chat Completions and Completions; raises ``BadRequest``."""
    if wanted is None:
        return None
    described = wanted.json_schema
    return of_kind(
        wanted.type,
        described.schema if described else None,
        bool(described and described.strict),
        "response_format",
        "response_format.json_schema",
    )


def of_kind(
    kind: str, schema: Any, strict: bool, param: str, schema_param: str
) -> Format | None:
    """The format that OpenAI calls ``kind``; raises ``BadRequest``."""
    known = kind.strip().lower()
    if known == "text":
        return None
    if known == "json_object":
        return Format()
    if known != "json_schema":
        raise BadRequest(
            f"Invalid value: '{kind[:64]}'. Supported values are: 'text',"
            " 'json_object', and 'json_schema'.",
            code="invalid_value",
            param=f"{param}.type",
        )
    if schema is None:
        raise missing(schema_param)
    return Format(schema, strict, f"{schema_param}.schema")


def native(wanted: Format | None) -> Any:
    """Ollama's ``format``: nothing, ``"json"`` or a schema; raises ``BadRequest``."""
    if wanted is None:
        return None
    if wanted.schema is None:
        return "json"
    return _prepared(wanted.schema, wanted.strict, wanted.param)


def answer_check(wanted: Format | None) -> Check | None:
    """What the answer must pass: a strict format promises that it fits."""
    if wanted is None or wanted.schema is None or not wanted.strict:
        return None
    return check(wanted.schema, wanted.param)


def _prepared(
    schema: dict[str, Any] | bool, strict: bool, param: str
) -> dict[str, Any]:
    if schema is False:
        raise BadRequest(
            f"Invalid '{param}': nothing can fit it.",
            code="invalid_value",
            param=param,
        )
    if schema is True or not schema:
        return {}
    if strict:
        check(schema, param)
    else:
        looks_valid(schema, param)
    grammar = Grammar()
    return grammar.complete(grammar.schema(schema))
