"""Document: all that is set, as a file (specification: gateway, section 9).

Of keys it has the digests, by which nobody can call anything, and which mean nothing
where the installation's secret is another.
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ..gateway.entries import AliasEntry, ModelEntry
from ..gateway.keys import Key, Moment
from ..storage.refusal import Refused
from ..turns import in_turns
from .checks import refusal, shaped

FORMAT = "pannier-export"
#: In the order in which they are shown.
SECTIONS = ("settings", "overrides", "models", "aliases", "keys")

#: What can be taken in beside requests, which nobody else may wait for: so many entries
#: of a section, so many bytes of all but the keys, and of one key.
MOST = {"models": 2_000, "aliases": 2_000, "keys": 50_000}
LARGEST = {"models": 4 * 1024 * 1024, "aliases": 4 * 1024 * 1024}
LARGEST_OTHER = 1024 * 1024


class KeptKey(Key, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key in a file: nothing in it is overlooked."""

    @classmethod
    def of(cls, key: Key) -> "KeptKey":
        """The same key."""
        return cls(**{field: getattr(key, field) for field in key.__struct_fields__})

    def key(self) -> Key:
        """The same key."""
        return Key(**{field: getattr(self, field) for field in self.__struct_fields__})


class Document(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A file.  Sections that it does not have are left alone when it is taken in."""

    format: Literal["pannier-export"] = "pannier-export"
    version: Literal[1] = 1
    created_at: Moment = 0
    fingerprint: str = ""
    settings: dict[str, Any] | UnsetType = UNSET
    overrides: dict[str, Any] | UnsetType = UNSET
    models: list[ModelEntry] | UnsetType = UNSET
    aliases: list[AliasEntry] | UnsetType = UNSET
    keys: list[KeptKey] | UnsetType = UNSET

    @classmethod
    def read(cls, data: bytes, *, bounded: bool = False) -> "Document":
        """A file as a document; raises ``Refused``.

        ``bounded``: also for more than can be taken in beside requests.
        """
        try:
            given = _members(data)
            for name, raw in given.items() if bounded else ():
                if name != "keys":
                    check_size(name, raw, LARGEST.get(name, LARGEST_OTHER))
            lists = {name: given.pop(name) for name in _KINDS if name in given}
            plain = {name: _value(name, raw) for name, raw in given.items()}
            document = shaped(plain, cls)
            for name, raw in lists.items():
                setattr(document, name, _entries(name, raw, bounded))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refused(f"The file is not JSON: {error}.", "") from None
        return document

    def written(self) -> bytes:
        """The document as a file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"

    def only(self, sections: tuple[str, ...]) -> "Document":
        """The document without the other sections."""
        left_out = {name: UNSET for name in SECTIONS if name not in sections}
        return msgspec.structs.replace(self, **left_out)


class _Head(msgspec.Struct):
    """What tells such a file from any other."""

    format: str = ""


class _Named(msgspec.Struct, gc=False):
    """As much of an entry as it takes to count it, which is little."""

    name: str


_Members = msgspec.defstruct(
    "_Members",
    [(name, Raw, Raw()) for name in Document.__struct_fields__],
    forbid_unknown_fields=True,
)
#: The sections that are lists, and what of.
_KINDS = {"models": ModelEntry, "aliases": AliasEntry, "keys": KeptKey}


def check_size(name: str, data: Raw, largest: int) -> None:
    """Raise ``Refused`` for a part of a file that has more than so many bytes."""
    if len(memoryview(data)) > largest:
        raise Refused(f"'{name}' has more than {largest} bytes.", name)


def check_many(name: str, data: Raw, kind: Any, most: int) -> None:
    """Raise ``Refused`` for a list of more entries, each at least a ``kind``.

    Raises ``msgspec.ValidationError`` for what is no list of such.
    """
    many = len(msgspec.json.decode(data, type=list[kind]))
    if many > most:
        raise Refused(
            f"'{name}' has {many} entries; at most {most} can be taken in while"
            " requests are served: send one part after the other, or use the command.",
            name,
        )


def _members(data: bytes) -> dict[str, Raw]:
    """What a file has, not yet read."""
    try:
        if msgspec.json.decode(data, type=_Head).format != FORMAT:
            raise _foreign()
    except msgspec.ValidationError:  # it is another value than an object
        raise _foreign() from None
    try:
        found = msgspec.json.decode(data, type=_Members)
    except msgspec.ValidationError as error:
        raise refusal(error, Document) from None
    members = msgspec.structs.asdict(found)
    return {name: raw for name, raw in members.items() if memoryview(raw)}


def _value(name: str, data: Raw) -> Any:
    """What a member is."""
    try:
        return msgspec.json.decode(data)
    except msgspec.ValidationError as error:  # a number is too large
        raise refusal(error, Any, name) from None


def _entries(section: str, data: Raw, bounded: bool) -> list[Any]:
    """The entries of a list, one by one: of many others have turns in between."""
    kind = _KINDS[section]
    decode = msgspec.json.Decoder(kind).decode
    found: list[Any] = []
    place = section
    try:
        if bounded:
            check_many(section, data, _Named, MOST[section])
        for raw in in_turns(msgspec.json.decode(data, type=list[Raw])):
            place = f"{section}[{len(found)}]"
            if bounded:
                check_size(place, raw, LARGEST_OTHER)
            found.append(decode(raw))
    except msgspec.ValidationError as error:
        raise refusal(error, kind, place) from None
    return found


def _foreign() -> Refused:
    return Refused(f"The file is no export of Pannier ({FORMAT!r}).", "format")
