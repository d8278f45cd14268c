"""Strict decoding of JSON, the same for requests and for Ollama's lines.

``decode`` is msgspec with two differences.  A string with an escaped lone surrogate
(``"\\ud800"``), which is legal JSON but no text, is read with U+FFFD in its place;
and everything that is no JSON raises ``msgspec.DecodeError``, whatever the reason.
"""

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

T = TypeVar("T")

#: Surrogates, in pairs and alone; and escaped backslashes, which start none.  All of
#: them begin alike, so that what lies between is skipped quickly.
_ESCAPE = re.compile(
    rb"\\(?:\\|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
#: What msgspec says of half a pair: in the middle, close to the end, and in a value
#: that it only skips.
_BROKEN = re.compile("surrogate|truncated|hex escape")
#: Of these so many are mended between two pauses.
_MANY = 10_000


def decode(
    decoder: msgspec.json.Decoder[T],
    data: bytes,
    pause: Callable[[], object] = lambda: None,
) -> T:
    """Decode ``data``; raises ``msgspec.ValidationError`` or ``DecodeError``.

    ``pause`` is called now and then where that takes long.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError as exc:
        if not _BROKEN.search(str(exc)):
            raise
        pause()
        mended = _mended(data, pause)
        pause()
        if mended == data:
            raise
        return decode(decoder, mended)
    except (UnicodeDecodeError, RecursionError) as exc:
        raise msgspec.DecodeError("JSON is malformed") from exc


def _mended(data: bytes, pause: Callable[[], object]) -> bytes:
    mended = bytearray()
    kept = 0
    for number, found in enumerate(_ESCAPE.finditer(data), 1):
        if found[1]:
            mended += data[kept : found.start()] + rb"\ufffd"
            kept = found.end()
        if number % _MANY == 0:
            pause()
    return bytes(mended + data[kept:])
