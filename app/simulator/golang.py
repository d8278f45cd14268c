"""JSON, times and durations as Go's standard library writes and reads them.

Ollama is a Go program: its bytes show Go's escapes and number formats, its errors
are Go's decoder texts.  This module knows those, and nothing of Ollama.
"""

import datetime
import decimal
import json
import math
import re
import struct
import time
from json.encoder import encode_basestring
from typing import Any

_ESCAPES = str.maketrans(
    {
        "<": "\\u003c",
        ">": "\\u003e",
        "&": "\\u0026",
        "\u2028": "\\u2028",
        "\u2029": "\\u2029",
    }
)
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
#: The longest a Go duration can be, in nanoseconds.
FOREVER = 2**63 - 1


class GoError(ValueError):
    """A text that Go's standard library would have returned as an error."""


class Raw(str):
    """A piece of JSON that is written as it stands."""

    __slots__ = ()


def string(value: str) -> str:
    """One JSON string with Go's HTML-safe escapes."""
    return encode_basestring(value).translate(_ESCAPES)


def number(value: float) -> str:
    """A float64 as ``encoding/json`` prints it: no ``.0``, exponents only at ends."""
    if value == 0 or 1e-6 <= abs(value) < 1e21:
        text = repr(value)
        if "e" in text:
            text = format(decimal.Decimal(text), "f")
        return text.removesuffix(".0")
    return re.sub(r"e([+-])0(\d)$", r"e\1\2", repr(value))


def float32(value: float) -> str:
    """The shortest decimal that names the float32 nearest to ``value``."""
    single = struct.unpack("f", struct.pack("f", value))[0]
    for digits in range(6, 10):
        text = f"{single:.{digits}g}"
        if struct.unpack("f", struct.pack("f", float(text)))[0] == single:
            return number(float(text))
    return number(single)


def single(value: float) -> float:
    """``value`` rounded to float32, as a float64."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded


def encode(value: Any) -> str:
    """``json.Marshal`` of plain values; the order of keys is the dict's."""
    if isinstance(value, Raw):
        return value
    if isinstance(value, str):
        return string(value)
    if value is None or isinstance(value, bool):
        return "null" if value is None else "true" if value else "false"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        items = (f"{string(str(k))}:{encode(v)}" for k, v in value.items())
        return "{" + ",".join(items) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(encode, value)) + "]"
    return str(value)


_second = (0, "")


def timestamp(nanoseconds: int | None = None) -> str:
    """RFC 3339 in UTC, now by default, trailing zeros of the fraction cut."""
    global _second
    seconds, rest = divmod(nanoseconds or time.time_ns(), 10**9)
    if _second[0] != seconds:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
        _second = (seconds, moment.strftime("%Y-%m-%dT%H:%M:%S"))
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{_second[1]}{fraction}Z"


def duration(text: str) -> int:
    """Nanoseconds of a duration such as ``1h30m``; raises ``GoError``."""
    match = re.fullmatch(r"([+-]?)(.*)", text, re.DOTALL)
    sign, rest = (match[1], match[2]) if match else ("", "")
    if rest == "0":
        return 0
    if not rest or not re.match(r"[.\d]", rest):
        raise GoError(f"time: invalid duration {string(text)}")
    total = 0.0
    while rest:
        part = re.match(r"(\d*\.?\d*)([^.\d]*)", rest)
        figure, unit = (part[1], part[2]) if part else ("", "")
        if figure in ("", "."):
            raise GoError(f"time: invalid duration {string(text)}")
        if not unit:
            raise GoError(f"time: missing unit in duration {string(text)}")
        if unit not in _UNITS:
            reason = f"time: unknown unit {string(unit)} in duration {string(text)}"
            raise GoError(reason)
        total += float(figure) * _UNITS[unit]
        rest = rest[len(figure) + len(unit) :]
    return int(-total if sign == "-" else total)


def _constant(name: str) -> Any:
    raise ValueError(name)


_decoder = json.JSONDecoder(parse_constant=_constant)


def decode(body: bytes) -> Any:
    """The first JSON value in ``body``; what follows it is ignored, as Go does.

    Raises ``GoError`` with the decoder's text.  Invalid UTF-8 and lone surrogates
    become U+FFFD.
    """
    text = body.decode("utf-8", "replace")
    start = len(text) - len(text.lstrip(" \t\r\n"))
    try:
        value, _ = _decoder.raw_decode(text, start)
    except RecursionError:
        raise GoError("exceeded max depth") from None
    except ValueError:
        raise GoError(Scanner(text, start).complaint()) from None
    return _whole(value) if "\\ud" in text.lower() else value


def _whole(value: Any) -> Any:
    """``value`` with each lone surrogate replaced by U+FFFD."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [_whole(item) for item in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(item) for key, item in value.items()}
    return value


class Scanner:
    """Finds what Go's scanner would say about a text that is no JSON."""

    def __init__(self, text: str, position: int) -> None:
        self.text = text
        self.at = position

    def complaint(self) -> str:
        """The error text of ``encoding/json``; never called for valid JSON."""
        try:
            self._value()
        except GoError as error:
            return str(error)
        return "unexpected EOF"

    def _next(self, skip: bool = True) -> str:
        while skip and self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1
        if self.at >= len(self.text):
            raise GoError("unexpected EOF")
        self.at += 1
        return self.text[self.at - 1]

    def _fail(self, char: str, where: str) -> GoError:
        # Go's scanner sees bytes, and shows one as if it were Latin-1.
        char = chr(char.encode()[0])
        shown = {"'": "\\'", '"': '"'}.get(char) or string(char)[1:-1]
        return GoError(f"invalid character '{shown}' {where}")

    def _value(self) -> None:
        char = self._next()
        if char == "{":
            self._object()
        elif char == "[":
            self._array()
        elif char == '"':
            self._string()
        elif char in "-0123456789":
            self._number(char)
        elif char in "tfn":
            self._literal({"t": "true", "f": "false", "n": "null"}[char])
        else:
            raise self._fail(char, "looking for beginning of value")

    def _object(self) -> None:
        char = self._next()
        while char != "}":
            if char != '"':
                raise self._fail(char, "looking for beginning of object key string")
            self._string()
            char = self._next()
            if char != ":":
                raise self._fail(char, "after object key")
            self._value()
            char = self._next()
            if char not in ",}":
                raise self._fail(char, "after object key:value pair")
            if char == "," and (char := self._next()) == "}":
                raise self._fail(char, "looking for beginning of object key string")

    def _array(self) -> None:
        char = self._next()
        if char == "]":
            return
        self.at -= 1
        while char != "]":
            self._value()
            char = self._next()
            if char not in ",]":
                raise self._fail(char, "after array element")

    def _string(self) -> None:
        while (char := self._next(skip=False)) != '"':
            if ord(char) < 0x20:
                raise self._fail(char, "in string literal")
            if char != "\\":
                continue
            if (char := self._next(skip=False)) == "u":
                for _ in range(4):
                    if (char := self._next(skip=False)) not in "0123456789abcdefABCDEF":
                        raise self._fail(char, "in \\u hexadecimal character escape")
            elif char not in 'bfnrt\\/"':
                raise self._fail(char, "in string escape code")

    def _number(self, char: str) -> None:
        if char == "-" and (char := self._next(skip=False)) not in "0123456789":
            raise self._fail(char, "in numeric literal")
        rest = r"" if char == "0" else r"\d*"
        match = re.compile(rest + r"(\.\d*)?([eE][+-]?\d*)?").match(self.text, self.at)
        if match is None:
            return
        self.at = match.end()
        if match[1] == ".":
            where = "after decimal point in numeric literal"
            raise self._fail(self._next(skip=False), where)
        if match[2] and not match[2][-1].isdigit():
            raise self._fail(self._next(skip=False), "in exponent of numeric literal")

    def _literal(self, word: str) -> None:
        for expected in word[1:]:
            if (char := self._next(skip=False)) != expected:
                where = f"in literal {word} (expecting '{expected}')"
                raise self._fail(char, where)


def truncated(value: float) -> int:
    """A JSON number where Go converts a float64 to int."""
    return int(value) if math.isfinite(value) else 0
