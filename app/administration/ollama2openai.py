"""Ollama2OpenAI: reads its data files into a document (specification: gateway, 9).

Its keys go on to work, by their digests; names that were shown for models become
aliases; parameters become overrides.  A file that is not as it should be is ``Refused``
with the file, the entry and the field; nothing is changed then.  What cannot be here is
left out and said.
"""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from shlex import quote
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from ..changeable import check
from ..gateway import credentials, globs
from ..gateway.keys import Key, Terms
from ..gateway.usage import Row
from ..ids import new_id
from ..storage.refusal import Refused
from .checks import check_name, check_terms, said_of
from .document import Document, KeptKey
from .foreign import File, at, entries, file, moment
from .ollama2openai_logs import LOGS, rows
from .ollama2openai_models import MODELS, OVERRIDES, models

KEYS, CONFIG = "api_keys.json", "config.json"
#: All that is read.
FILES = (KEYS, MODELS, OVERRIDES, CONFIG, LOGS)

#: What its entries have; `usageCount` is counted anew by the rows of its logs.
_FIELDS = frozenset(
    ["id", "name", "key", "allowedModels", "created", "usageCount", "lastUsed"]
)
#: Its only pattern; all others are names.
_ALL = "*"
_LONGEST_NAME = 80


class _Key(msgspec.Struct, rename="camel"):
    """An entry of api_keys.json."""

    name: str
    key: str
    id: str | int = ""
    allowed_models: tuple[str, ...] | UnsetType = UNSET
    created: str | None = None
    last_used: str | None = None


class _Config(msgspec.Struct, rename="camel"):
    """What of config.json means something here."""

    ollama_url: str | None = None
    allow_unverified_options: bool | None = None
    admin_username: str = ""
    admin_password_hash: str | None = None
    rate_limit: Any = None


class Migration(NamedTuple):
    """What was found; ``remarks`` are sentences about what is otherwise than before.

    ``rows`` are requests of the past.
    """

    document: Document
    remarks: list[str]
    rows: list[Row]


def read(directory: File, hash: credentials.Hasher, there: Iterable[Key]) -> Migration:
    """The data files of ``directory``, or of ``data`` in it; raises ``Refused``.

    ``there`` are the keys that are there already: names are made unlike theirs.
    """
    place = _place(directory)
    remarks: list[str] = []
    entries_of_models, aliases, left_out = models(place)
    keys, ids = _keys(place, hash, list(there), remarks)
    remarks += left_out
    shown = {alias.name: alias.target for alias in aliases}
    document = Document(
        fingerprint=credentials.fingerprint(hash),
        settings=_settings(place, remarks),
        models=entries_of_models,
        aliases=aliases,
        keys=keys,
    )
    return Migration(document, remarks, list(rows(place, ids, shown)))


def _place(directory: File) -> File:
    for place in (directory, directory / "data"):
        if any((place / name).is_file() for name in (KEYS, MODELS, CONFIG)):
            return place
    raise Refused(
        f"{directory} has none of the files of Ollama2OpenAI's data directory"
        f" ({KEYS}, {MODELS}, {CONFIG}).",
        "",
    )


def _keys(
    place: File, hash: credentials.Hasher, there: list[Key], remarks: list[str]
) -> tuple[list[KeptKey], dict[str, str]]:
    """The keys, and by the id that each has there the one that it has here."""
    names = {key.name.casefold() for key in there}
    known = {key.digest: key.id for key in there}
    found: list[KeptKey] = []
    ids: dict[str, str] = {}
    remarks += _unknown(place)
    for where, entry in entries(place / KEYS, _Key):
        with at(where):
            digest = hash(_secret(entry.key))
            if digest in known:
                ids[str(entry.id)] = known[digest]
                remarks.append(f"{where}: this key is there already.")
                continue
            allowed, others = _globs(_allowed(entry))
            key = _key(entry, allowed, digest, _free(entry.name.strip(), names))
            known[digest] = ids[str(entry.id)] = key.id
            names.add(key.name.casefold())
        remarks += [
            f"{where}: {name!r} is left out of its models: none can be called so."
            for name in others
        ]
        if entry.allowed_models is UNSET:
            remarks.append(f"{where}: it has no allowedModels.")
        if key.weak:
            remarks.append(f"{where}: this key is short enough to be guessed.")
        if not key.terms.allow_models:
            remarks.append(f"{where}: this key may use no model.")
        found.append(key)
    return found, ids


def _unknown(place: File) -> Iterator[str]:
    """What is said of fields of keys that mean nothing: one may be a misspelt limit."""
    with at(KEYS):
        found = file(place / KEYS, list[Any], [])
    names = {name for entry in found if isinstance(entry, dict) for name in entry}
    if unknown := sorted(names - _FIELDS):
        shown = ", ".join(repr(name[:40]) for name in unknown[:10])
        yield f"{KEYS}: fields that mean nothing are left out: {shown}."


def _key(entry: _Key, allowed: tuple[str, ...], digest: bytes, name: str) -> KeptKey:
    check_name(name)
    terms = Terms(allow_models=allowed)
    check_terms(terms)
    prefix, suffix = credentials.shown(entry.key)
    return KeptKey(
        id=new_id("key_"),
        name=name,
        digest=digest,
        prefix=prefix,
        suffix=suffix,
        terms=terms,
        created_at=moment(entry.created, "created") or 0,
        last_used_at=moment(entry.last_used, "lastUsed"),
        weak=len(entry.key) < credentials.STRONG,
        notes="from Ollama2OpenAI",
    )


def _allowed(entry: _Key) -> tuple[str, ...]:
    """The names of models that an entry has; where it does not say, none is allowed."""
    return () if entry.allowed_models is UNSET else entry.allowed_models


def _secret(key: str) -> bytes:
    if not credentials.is_importable(key):
        raise Refused("a key has 8 to 256 visible ASCII characters.", "key")
    return key.encode()


def _free(name: str, taken: set[str]) -> str:
    """A name that no other key has."""
    if not name:
        raise Refused("a key needs a name.", "name")
    free, number = name[:_LONGEST_NAME], 2
    while free.casefold() in taken:
        suffix = f" ({number})"
        free, number = name[: _LONGEST_NAME - len(suffix)] + suffix, number + 1
    return free


def _globs(names: Iterable[str]) -> tuple[tuple[str, ...], list[str]]:
    """Names as patterns that fit nothing else, and those of which none can be made."""
    found, others = [], []
    for name in filter(None, map(str.strip, names)):
        # In a set of its own such a character stands for itself.
        glob = name if name == _ALL else re.sub(r"[*?\[]", r"[\g<0>]", name)
        glob = glob.replace(" ", "[ ]")
        try:
            globs.check(glob)
        except ValueError:
            others.append(name[:128])
        else:
            found.append(glob)
    return tuple(found), others


def _settings(place: File, remarks: list[str]) -> dict[str, Any]:
    with at(CONFIG):
        config = file(place / CONFIG, _Config, _Config())
    settings: dict[str, Any] = {}
    if config.ollama_url:
        settings["upstream_url"] = config.ollama_url.rstrip("/")
    if config.allow_unverified_options is False:
        settings["unknown_options"] = "drop"
    if config.admin_password_hash is not None:
        remarks.append(_of_password(config.admin_username))
    if config.rate_limit is not None:
        remarks.append(
            f"{CONFIG}: rateLimit is not taken over: it was for addresses, whoever"
            " asked from there. Here each key has its own limit:"
            " `pannier keys set NAME --rpm N`."
        )
    for field, value in settings.items():
        with at(CONFIG):
            said_of(partial(check, field, value), field)
    return settings


def _of_password(username: str) -> str:
    """What is said of the administrator, whose password is kept as bcrypt has it."""
    name = username.strip()
    other = name and name != "admin" and name.isprintable()
    option = f" --username {quote(name)}" if other else ""
    return (
        f"{CONFIG}: the administrator's password is not taken over: set one with"
        f" `pannier password{option}`, and sign in with that."
    )
