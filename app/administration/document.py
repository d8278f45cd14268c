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
from .checks import shaped

FORMAT = "pannier-export"
#: In the order in which they are shown.
SECTIONS = ("settings", "overrides", "models", "aliases", "keys")


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
    def read(cls, data: bytes) -> "Document":
        """A file as a document; raises ``Refused``."""
        try:
            members = msgspec.json.decode(data, type=dict[str, Raw])
            keys = members.pop("keys", None)
            found = {name: msgspec.json.decode(raw) for name, raw in members.items()}
            if found.get("format") != FORMAT:
                raise _foreign()
            document = shaped(found, cls)
            if keys is not None:
                document.keys = _keys(keys)
        except msgspec.ValidationError:  # it is another value than an object
            raise _foreign() from None
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


def _keys(data: Raw) -> list[KeptKey] | UnsetType:
    """The keys of a file, one by one: of many others have their turns in between."""
    decode = msgspec.json.Decoder(KeptKey).decode
    try:
        many = msgspec.json.decode(data, type=list[Raw])
        return [decode(one) for one in in_turns(many)]
    except msgspec.ValidationError:  # which does not say where
        return shaped({"keys": msgspec.json.decode(data)}, Document).keys


def _foreign() -> Refused:
    return Refused(f"The file is no export of Pannier ({FORMAT!r}).", "format")
