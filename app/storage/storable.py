"""Storable: what a table can take, and its newer reader can read."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from .refusal import Refused

T = TypeVar("T")

_MOST = 2**63


def body(value: msgspec.Struct) -> bytes:
    """The JSON of a struct, which can be read again; raises ``Refused``."""
    try:
        encoded = msgspec.json.encode(value)
        msgspec.json.decode(encoded, type=type(value))
    except (msgspec.ValidationError, UnicodeEncodeError, OverflowError) as error:
        said, _, path = str(error).partition(" - at `$")
        raise Refused(said, path.strip(".`")) from None
    return encoded


def row(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same values; raises ``Refused`` for one that no column can have."""
    for name, value in values.items():
        if isinstance(value, str) and not _is_text(value):
            raise Refused(f"'{name}' has characters that are no text.", name)
        if isinstance(value, int) and not -_MOST <= value < _MOST:
            raise Refused(f"'{name}' is too large.", name)
    return values


def _is_text(value: str) -> bool:
    """PostgreSQL takes no NUL, and nothing takes half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in value
