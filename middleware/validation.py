"""From a request's bytes to a struct, and every refusal on the way, in OpenAI's terms.

Pure: bytes in, struct out, ``BadRequest`` raised.  The rules are those of the
specification (reliability, section 7; decisions, 4 and 5).
"""

import re
from functools import cache
from typing import Any, Generic, TypeVar

import msgspec

from app.errors import BadRequest
from app.wire.decoding import decode

Request = TypeVar("Request", bound=msgspec.Struct)

MAX_DEPTH = 128
#: Arrays and objects, and values, of one body.
MAX_CONTAINERS = 100_000
MAX_VALUES = 1_000_000
MAX_DIGITS = 20
MAX_INTEGER = 2**63 - 1
MAX_NAME = 512

#: A field whose members count as fields of the body, where that has none of the name.
EXTRA = "extra_body"

_BOM = b"\xef\xbb\xbf"
#: A string, or the start of one that never ends.  Possessive: whatever comes, each
#: byte is looked at once.
_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NUMBERS = re.compile(rb"[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_DIGITS_AS_0 = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ALL_SQUARE = bytes.maketrans(b"{}", b"[]")
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
    body = _checked_bytes(body)
    try:
        return decode(decoders.strict, body), []
    except msgspec.ValidationError as exc:
        if not str(exc).startswith("Object contains unknown field"):
            raise mistyped(exc) from exc
    except msgspec.DecodeError as exc:
        raise _not_json() from exc
    try:
        given = decode(_decode_object, body)
        extra = given.get(EXTRA)
        if isinstance(extra, dict):
            given, lost = _with_extra(given, extra, decoders.known)
            return msgspec.convert(given, request), lost
        value = decode(decoders.tolerant, body)
    except msgspec.ValidationError as exc:
        raise mistyped(exc) from exc
    except msgspec.DecodeError as exc:
        raise _not_json() from exc
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
        options = merged.get(name) if name == "options" else None
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


def _checked_bytes(body: bytes) -> bytes:
    body = body.removeprefix(_BOM)
    if not body.strip():
        raise _not_json()
    if _is_remarkable(body):
        _check_structure(_STRINGS.sub(b'""', body))
    try:
        body.decode()
    except UnicodeDecodeError as exc:
        raise _not_json("it is not valid UTF-8") from exc
    return body


def _is_remarkable(body: bytes) -> bool:
    """Whether a body could break a bound: a first look, for which strings count."""
    return (
        body.count(b"[") + body.count(b"{") > MAX_DEPTH
        or body.count(b",") > MAX_VALUES
        or b"0" * (MAX_DIGITS + 1) in body.translate(_DIGITS_AS_0)
    )


def _check_structure(outside: bytes) -> None:
    """Bound what decoding costs; ``outside`` is the body with its strings emptied.

    A few bytes of JSON can make hundreds in memory, so the number of values is bounded
    beside the number of bytes.
    """
    brackets = outside.translate(_ALL_SQUARE, _NOT_BRACKETS)
    if len(brackets) > 2 * MAX_CONTAINERS or outside.count(b",") > MAX_VALUES:
        raise _not_accepted("holds too many values")
    if _too_deep(brackets):
        raise _not_accepted(f"is nested too deeply (more than {MAX_DEPTH} levels)")
    for number in _NUMBERS.findall(outside):
        if len(number) > MAX_DIGITS and number.isdigit():
            raise _not_accepted(f"holds an integer of more than {MAX_DIGITS} digits")


def _too_deep(brackets: bytes) -> bool:
    """Whether brackets nest deeper than allowed: each round takes off one level."""
    for _ in range(MAX_DEPTH):
        shorter = brackets.replace(b"[]", b"")
        if len(shorter) == len(brackets):
            return False
        brackets = shorter
    return bool(brackets)


def _not_accepted(reason: str) -> BadRequest:
    return BadRequest(f"The JSON body {reason}.", code="invalid_json")


def _not_json(reason: str = "") -> BadRequest:
    more = f" ({reason})" if reason else ""
    return BadRequest(
        f"We could not parse the JSON body of your request{more}.", code="invalid_json"
    )


def mistyped(exc: msgspec.ValidationError) -> BadRequest:
    """msgspec's complaint with OpenAI's wording, param and code."""
    text, _, path = str(exc).partition(" - at `$")
    param = path.rstrip("`").lstrip(".").replace("[...]", "")
    found = _MESSAGE.match(text)
    if found and found["missing"]:
        return missing(f"{param}.{found['missing']}" if param else found["missing"])
    if not param and text == "Number out of range":
        return _not_accepted("holds a number that is out of range")
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


def missing(param: str) -> BadRequest:
    """A field that must be there is not."""
    return BadRequest(
        f"Missing required parameter: '{param}'.",
        code="missing_required_parameter",
        param=param,
    )


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
