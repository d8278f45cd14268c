"""Strict decoding of JSON, the same for requests and for Ollama's lines.

``decode`` is msgspec with two differences.  A string with an escaped lone surrogate
(``"\\ud800"``), which is legal JSON but no text, is read with U+FFFD in its place;
and everything that is no JSON raises ``msgspec.DecodeError``, whatever the reason.
"""

import re
from typing import TypeVar

import msgspec

T = TypeVar("T")

#: Surrogates, in pairs and alone; and escaped backslashes, which start none.
_ESCAPE = re.compile(
    rb"(?:\\\\)++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def decode(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """Decode ``data``; raises ``msgspec.ValidationError`` or ``DecodeError``."""
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended = _ESCAPE.sub(_mend, data)
        if mended == data:
            raise
        return decode(decoder, mended)
    except (UnicodeDecodeError, RecursionError) as exc:
        raise msgspec.DecodeError("JSON is malformed") from exc


def _mend(match: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if match[1] else match[0]
