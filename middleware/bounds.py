"""Bounds: what the JSON of a request may hold, seen before anything is decoded.

Pure but for turns: bodies of megabytes are looked at in steps (specification:
reliability, B3 and L5).
"""

import re

from app.errors import BadRequest
from app.turns import STEP, let_others, steps

MAX_DEPTH = 128
#: Arrays and objects, and values, of one body.
MAX_CONTAINERS = 100_000
MAX_VALUES = 1_000_000
MAX_DIGITS = 20

_BOM = b"\xef\xbb\xbf"
#: The rest of a run of backslashes, and what the last may escape.
_ESCAPED = re.compile(rb"\\*+.?", re.DOTALL)
_LONG = b"0" * (MAX_DIGITS + 1)
_IN_FRACTION = (b".", b"e", b"e+", b"e-")
#: What may follow the digits of a number that is not whole.
_FRACTION = (b".", b"e", b"E")
_ZEROS = re.compile(rb"0+")
_DIGITS_AS_0 = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_ALL_SQUARE = bytes.maketrans(b"{}", b"[]")


def checked(body: bytes) -> bytes:
    """The body without a byte order mark; raises ``BadRequest`` beyond a bound."""
    body = body.removeprefix(_BOM)
    if not body.strip():
        raise not_json()
    if _is_remarkable(body):
        _check_structure(_outside(body))
    let_others(body)
    if not body.isascii():  # to decode is to copy
        try:
            body.decode()
        except UnicodeDecodeError as exc:
            raise not_json("it is not valid UTF-8") from exc
        let_others(body)
    return body


def _is_remarkable(body: bytes) -> bool:
    """Whether a body could break a bound: a first look, for which strings count."""
    brackets = commas = 0
    for piece in steps(body, MAX_DIGITS):
        brackets += piece.count(b"[") + piece.count(b"{")
        commas += piece.count(b",")
        if brackets > MAX_DEPTH or commas > MAX_VALUES:
            return True
        if _LONG in piece.translate(_DIGITS_AS_0):
            return True
    return False


def _outside(body: bytes) -> bytes:
    """What of a body is outside its strings; one that never ends takes all."""
    kept = []
    inside = start = 0
    while start < len(body):
        let_others(body)
        found = _ESCAPED.match(body, min(start + STEP, len(body)) - 1)
        assert found is not None  # it matches anything
        piece = body[start : found.end()]
        start = found.end()
        parts = piece.replace(rb"\\", b"").replace(rb"\"", b"").split(b'"')
        kept.append(b'"'.join(parts[inside::2]))
        inside ^= (len(parts) - 1) & 1
    return b'"'.join(kept)


def _check_structure(outside: bytes) -> None:
    """Bound what decoding costs; ``outside`` is the body without its strings.

    A few bytes of JSON can make hundreds in memory, so the number of values is bounded
    beside the number of bytes.
    """
    brackets = b""
    commas = 0
    for piece in steps(outside):
        brackets += piece.translate(_ALL_SQUARE, _NOT_BRACKETS)
        commas += piece.count(b",")
        if len(brackets) > 2 * MAX_CONTAINERS or commas > MAX_VALUES:
            raise not_accepted("holds too many values")
    if _too_deep(brackets):
        raise not_accepted(f"is nested too deeply (more than {MAX_DEPTH} levels)")
    if _has_long_integer(outside):
        raise not_accepted(f"holds an integer of more than {MAX_DIGITS} digits")


def _has_long_integer(outside: bytes) -> bool:
    """Whether so many digits are a whole number, neither fraction nor exponent."""
    zeros = b"".join(piece.translate(_DIGITS_AS_0) for piece in steps(outside))
    at = tried = 0
    while (at := zeros.find(_LONG, at)) >= 0:
        start, at = at, _end_of_digits(zeros, at)
        before = outside[max(start - 2, 0) : start].lower()
        if not before.endswith(_IN_FRACTION) and outside[at : at + 1] not in _FRACTION:
            return True
        tried += 1
        if tried % 10_000 == 0:
            let_others(outside)
    return False


def _end_of_digits(zeros: bytes, at: int) -> int:
    found = _ZEROS.match(zeros, at)
    return found.end() if found else at


def _too_deep(brackets: bytes) -> bool:
    """Whether brackets nest deeper than allowed: each round takes off one level."""
    for _ in range(MAX_DEPTH):
        shorter = brackets.replace(b"[]", b"")
        if len(shorter) == len(brackets):
            return False
        brackets = shorter
    return bool(brackets)


def not_accepted(reason: str) -> BadRequest:
    """The refusal of JSON that is valid, but more than is taken."""
    return BadRequest(f"The JSON body {reason}.", code="invalid_json")


def not_json(reason: str = "") -> BadRequest:
    """The refusal of what is no JSON."""
    more = f" ({reason})" if reason else ""
    return BadRequest(
        f"We could not parse the JSON body of your request{more}.", code="invalid_json"
    )
