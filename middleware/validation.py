"""From a request's bytes to a struct, and every refusal on the way, in OpenAI's terms.

Pure: bytes in, struct out, ``BadRequest`` raised.  The rules are those of the
specification (reliability, section 7; decisions, 4 and 5).
"""

import re
from collections.abc import Sized
from functools import cache, partial
from typing import Any, Generic, TypeVar

import msgspec

from app.errors import BadRequest
from app.turns import let_others
from app.wire.decoding import decode

from .bounds import checked, not_accepted, not_json

Request = TypeVar("Request", bound=msgspec.Struct)

MAX_INTEGER = 2**63 - 1
MAX_NAME = 512

#: A field whose members count as fields of the body, where that has none of the name.
EXTRA = "extra_body"
#: Those of its members that are merged with the body's.
OPTIONS = ("options", "ollama_options")

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MESSAGE = re.compile(
    r"Expected `(?P<expected>[^`]*)`, got `(?P<got>[^`]*)`"
    r"|Object missing required field `(?P<missing>[^`]*)`"
)
#: What msgspec calls a type, in a user's words.
_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "null": "null",
    "array": "an array",
    "object": "an object",
}


class _Decoders(Generic[Request]):
    """Decoders of one request type: the strict one, and the one that tolerates.

    The strict one refuses unknown fields, which is how they are noticed without a
    second look at ordinary requests.
    """

    def __init__(self, request: type[Request]) -> None:
        strict = msgspec.defstruct(
            request.__name__, [], bases=(request,), forbid_unknown_fields=True
        )
        self.strict: msgspec.json.Decoder[Request] = msgspec.json.Decoder(strict)
        self.tolerant = msgspec.json.Decoder(request)
        self.known = {field.encode_name for field in msgspec.structs.fields(request)}


_decode_object = msgspec.json.Decoder(dict[str, Any])


def parse(request: type[Request], body: bytes) -> tuple[Request, list[str]]:
    """The request and the names of its fields that nobody knows.

    Raises ``BadRequest`` for anything that is no JSON object of the right types.
    """
    decoders: _Decoders[Request] = _decoders(request)
    body = checked(body)
    pause = partial(let_others, body)
    try:
        return decode(decoders.strict, body, pause), []
    except msgspec.ValidationError as exc:
        if not str(exc).startswith("Object contains unknown field"):
            raise mistyped(exc) from exc
    except msgspec.DecodeError as exc:
        raise not_json() from exc
    pause()
    try:
        given = decode(_decode_object, body, pause)
        extra = given.get(EXTRA)
        if isinstance(extra, dict):
            given, lost = _with_extra(given, extra, decoders.known)
            return msgspec.convert(given, request), lost
        pause()
        value = decode(decoders.tolerant, body, pause)
    except msgspec.ValidationError as exc:
        raise mistyped(exc) from exc
    except msgspec.DecodeError as exc:
        raise not_json() from exc
    return value, [name for name in given if name not in decoders.known]


def _with_extra(
    given: dict[str, Any], extra: dict[str, Any], known: set[str]
) -> tuple[dict[str, Any], list[str]]:
    """A body with what its ``extra_body`` adds, and the names of what has no effect.

    OpenAI's SDK puts the members of ``extra_body`` beside the other fields; clients
    without it send it as it is.
    """
    merged = {k: v for k, v in given.items() if v is not None and k != EXTRA}
    lost = [name for name in merged if name not in known]
    for name, value in extra.items():
        options = merged.get(name) if name in OPTIONS else None
        if isinstance(options, dict) and isinstance(value, dict):
            merged[name] = {**value, **options}
        elif value is not None:
            if name in merged or name not in known:
                lost.append(f"{EXTRA}.{name}")
            merged.setdefault(name, value)
    return merged, lost


@cache
def _decoders(request: type[msgspec.Struct]) -> _Decoders[Any]:
    return _Decoders(request)


def converted(value: Any, kind: type[Request], place: str) -> Request:
    """A part of a request as a struct; raises ``BadRequest`` that names its place."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as exc:
        raise mistyped(exc, place) from exc


def mistyped(exc: msgspec.ValidationError, place: str = "") -> BadRequest:
    """msgspec's complaint with OpenAI's wording, param and code.

    ``place`` is where in the request the value is that msgspec was given.
    """
    text, _, path = str(exc).partition(" - at `$")
    param = f"{place}{path}".rstrip("`").lstrip(".").replace("[...]", "")
    found = _MESSAGE.match(text)
    if found and found["missing"]:
        return missing(f"{param}.{found['missing']}" if param else found["missing"])
    if not param and text == "Number out of range":
        return not_accepted("holds a number that is out of range")
    if not param:
        return BadRequest(
            "The body of the request must be a JSON object.", code="invalid_type"
        )
    if ".content[" in param:
        return BadRequest("invalid message format", code="invalid_type", param=param)
    if found is None:
        return BadRequest(
            f"Invalid value for '{param}': {text[:1].lower()}{text[1:]}.",
            code="invalid_value",
            param=param,
        )
    return BadRequest(
        f"Invalid type for '{param}': expected {_words(found['expected'])},"
        f" but got {_words(found['got'])} instead.",
        code="invalid_type",
        param=param,
    )


def _words(types: str) -> str:
    types = types.removesuffix(" | null").replace("int | float", "int")
    return " or ".join(_WORDS.get(name, name) for name in types.split(" | "))


def check_many(given: Sized, most: int, param: str, what: str) -> None:
    """Raise ``BadRequest`` for a list of more than ``most``, whatever it is of."""
    if len(given) > most:
        raise BadRequest(
            f"Invalid '{param}': expected at most {most} {what}, but got"
            f" {len(given)} instead.",
            code="invalid_value",
            param=param,
        )


def missing(param: str) -> BadRequest:
    """A field that must be there is not."""
    return BadRequest(
        f"Missing required parameter: '{param}'.",
        code="missing_required_parameter",
        param=param,
    )


def required(text: str | None, param: str) -> str:
    """A text that must be there; raises ``BadRequest``."""
    if text is None:
        raise missing(param)
    return text


def integer(value: float | None, param: str, minimum: int | None = None) -> int | None:
    """An integer, which may be written as 5.0; ``None`` stays ``None``."""
    if value is None:
        return None
    if value != int(value) or abs(value) > MAX_INTEGER:
        raise BadRequest(
            f"Invalid type for '{param}': expected an integer, but got a number"
            " instead.",
            code="invalid_type",
            param=param,
        )
    if minimum is not None and value < minimum:
        raise BadRequest(
            f"Invalid '{param}': integer below minimum value. Expected a value"
            f" >= {minimum}, but got {int(value)} instead.",
            code="integer_below_min_value",
            param=param,
        )
    return int(value)


def within(
    value: float | None, param: str, minimum: float, maximum: float
) -> float | None:
    """A number inside a closed range; ``None`` stays ``None``."""
    if value is None or minimum <= value <= maximum:
        return value
    if value < minimum:
        side, sign, limit = "below minimum", ">=", minimum
    else:
        side, sign, limit = "above maximum", "<=", maximum
    raise BadRequest(
        f"Invalid '{param}': decimal {side} value. Expected a value {sign} {limit:g},"
        f" but got {value:g} instead.",
        code="invalid_value",
        param=param,
    )


def model_name(model: str | None) -> str:
    """The model's name as the client sent it."""
    if not model or not model.strip():
        raise BadRequest(
            "model is required", code="missing_required_parameter", param="model"
        )
    if len(model) > MAX_NAME or _CONTROL.search(model):
        raise BadRequest("invalid model name", code="invalid_value", param="model")
    return model
