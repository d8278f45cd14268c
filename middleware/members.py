"""Members: the top of a native request's body, walked as Go would read it.

Go takes keys in any case and the last of several, but for a ``null``; so a body that
names something twice is refused (specification: decisions, 3).
"""

from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any, TypeVar

import msgspec

from app.errors import BadRequest
from app.turns import let_others
from app.wire.decoding import decode

from .bounds import checked, not_json

#: The members of an object, each value as its bytes.
Members = dict[str, msgspec.Raw]
#: The keys under which Ollama's requests name models.
NAMES = frozenset(["model", "name", "source", "destination", "from"])
#: Members of one object; no request of Ollama's has as many.
_MOST = 1000

T = TypeVar("T")

_any = msgspec.json.Decoder()
_string = msgspec.json.Decoder(str)
_object = msgspec.json.Decoder(Members)
_encode = msgspec.json.Encoder().encode


class _Field:
    """A key as it stands there; none is the same as another."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


def walked(body: bytes) -> tuple[Members, bool]:
    """The members of a body, and whether each is there but once.

    There are none in an empty body, or in one that is no object.  Raises
    ``BadRequest``, 400, for what is no JSON, and for two keys that name models alike.
    """
    if not body.strip():
        return {}, True
    try:
        fields = decode(_decoder(), checked(body), partial(let_others, body))
    except msgspec.ValidationError:
        return {}, True
    except msgspec.DecodeError as exc:
        raise not_json() from exc
    finally:
        let_others(body)
    seen: set[str] = set()
    for field in fields:
        name = field.name.casefold()
        if name in NAMES and name in seen:
            raise BadRequest(
                f"{name}: it must be there only once, in whatever case",
                code="invalid_value",
                param=name,
            )
        seen.add(name)
    members = {field.name: raw for field, raw in fields.items()}
    return members, len(members) == len(fields)


def texts(given: Members, keys: frozenset[str]) -> dict[str, str]:
    """Those members that have one of some names, in any case, and are strings."""
    found = {}
    for field, raw in given.items():
        if field.casefold() not in keys:
            continue
        with suppress(msgspec.DecodeError):  # Ollama refuses it
            found[field] = decode(_string, bytes(raw))
    return found


def value_of(name: str, raw: msgspec.Raw) -> Any:
    """What a member of a name says; raises ``BadRequest``, 400, if it is unreadable.

    That is a number out of range: of all else the body has been seen to be JSON.
    """
    try:
        return decode(_any, bytes(raw))
    except msgspec.DecodeError as exc:
        raise BadRequest(f"{name}: {exc}", param=name) from exc


def object_of(data: bytes | msgspec.Raw) -> Members | None:
    """The members of some JSON, ``None`` where it is no object."""
    return decoded(_object, data)


def decoded(decoder: msgspec.json.Decoder[T], data: bytes | msgspec.Raw) -> T | None:
    """What some JSON says, ``None`` where it is nothing of that kind."""
    try:
        return decode(decoder, bytes(data))
    except msgspec.DecodeError:
        return None


def encoded(value: object) -> msgspec.Raw:
    """A value as the bytes of a member."""
    return msgspec.Raw(_encode(value))


def _decoder() -> msgspec.json.Decoder[dict[_Field, msgspec.Raw]]:
    """A decoder for one body, which counts its members."""
    number = count()

    def field(kind: Any, name: str) -> _Field:
        if next(number) >= _MOST:
            raise BadRequest(f"a request has at most {_MOST} members")
        return _Field(name)

    return msgspec.json.Decoder(dict[_Field, msgspec.Raw], dec_hook=field)
