"""Parents: what Ollama tells of a model names others, which are not for everybody.

``details.parent_model`` names the one that a model was made of, ``modelfile`` both
(specification: gateway, section 4).
"""

from collections.abc import Callable

import msgspec

from .members import Members, decoded, encoded, object_of

#: Whether whoever asks may use the model of this name.
May = Callable[[str], bool]


class _Details(msgspec.Struct):
    parent_model: str = ""


class _Told(msgspec.Struct):
    details: _Details | None = None
    modelfile: str = ""


_told = msgspec.json.Decoder(_Told)
_NOTHING = msgspec.Raw(b'""')


def listed(entry: msgspec.Raw, may: May) -> msgspec.Raw:
    """An entry of a list, its parent blank where that may not be used."""
    members = shown(bytes(entry), may)
    return entry if members is None else encoded(members)


def shown(told: bytes, may: May, name: str | None = None) -> Members | None:
    """What is told of one model, without names that whoever asks may not use.

    ``name`` is the model's own, where its ``modelfile`` is told.  ``None`` says that
    nothing has to be left out, or that this is no such thing.
    """
    what = decoded(_told, told)
    if what is None:
        return None
    parent = what.details.parent_model if what.details else ""
    hides = bool(parent) and not may(parent)
    unmade = bool(what.modelfile) and (hides or (name is not None and not may(name)))
    if not (hides or unmade):
        return None
    members = object_of(told) or {}
    if hides:
        details = object_of(members["details"]) or {}
        members["details"] = encoded(details | {"parent_model": _NOTHING})
    if unmade:
        members["modelfile"] = _NOTHING
    return members
