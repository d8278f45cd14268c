"""Ollama2OpenAI: reads its data files into a document (specification: gateway, 9).

Its keys go on to work, by their digests; names that were shown for models become
aliases; parameters become overrides.  A file that is not as it should be is ``Refused``
with the file, the entry and the field; nothing is changed then.
"""

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

import msgspec

from ..changeable import check
from ..gateway import credentials
from ..gateway.entries import AliasEntry, ModelEntry
from ..gateway.keys import Key, Terms
from ..gateway.usage import Row
from ..ids import new_id
from ..storage.refusal import Refused
from .checks import check_alias, check_model, check_name, check_terms, said_of, shaped
from .document import Document, KeptKey
from .foreign import File, at, entries, file, moment
from .ollama2openai_logs import LOGS, rows

KEYS, MODELS, OVERRIDES = "api_keys.json", "models.json", "overrides.json"
CONFIG = "config.json"
#: All that is read.
FILES = (KEYS, MODELS, OVERRIDES, CONFIG, LOGS)

#: Its only pattern; all others are names.
_ALL = "*"
_LONGEST_NAME = 80


class _Key(msgspec.Struct, rename="camel"):
    """An entry of api_keys.json."""

    name: str
    key: str
    id: str | int = ""
    allowed_models: tuple[str, ...] = (_ALL,)
    created: str | None = None
    last_used: str | None = None


class _Model(msgspec.Struct, rename="camel"):
    """An entry of models.json; its keys of other names are Ollama's own facts."""

    original_name: str
    display_name: str | None = None
    enabled: bool = True
    parameter_overrides: dict[str, Any] | None = None


class _Config(msgspec.Struct, rename="camel"):
    """What of config.json means something here."""

    ollama_url: str | None = None
    allow_unverified_options: bool | None = None
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
    with at(OVERRIDES):
        overrides = file(place / OVERRIDES, dict[str, dict[str, Any]], {})
    models, aliases = _models(place, overrides)
    keys, ids = _keys(place, hash, list(there), remarks)
    document = Document(
        fingerprint=credentials.fingerprint(hash),
        settings=_settings(place, remarks),
        models=models,
        aliases=aliases,
        keys=keys,
    )
    return Migration(document, remarks, list(rows(place, ids)))


def _place(directory: File) -> File:
    for place in (directory, directory / "data"):
        if any((place / name).is_file() for name in (KEYS, MODELS, CONFIG)):
            return place
    raise Refused(
        f"{directory} has none of the files of Ollama2OpenAI's data directory"
        f" ({KEYS}, {MODELS}, {CONFIG}).",
        "directory",
    )


def _keys(
    place: File, hash: credentials.Hasher, there: list[Key], remarks: list[str]
) -> tuple[list[KeptKey], dict[str, str]]:
    """The keys, and by the id that each has there the one that it has here."""
    names = {key.name.casefold() for key in there}
    known = {key.digest: key.id for key in there}
    found: list[KeptKey] = []
    ids: dict[str, str] = {}
    for where, entry in entries(place / KEYS, _Key):
        with at(where):
            digest = hash(_secret(entry.key))
            if digest in known:
                ids[str(entry.id)] = known[digest]
                remarks.append(f"{where}: this key is there already.")
                continue
            key = _key(entry, digest, _free(entry.name.strip(), names))
            known[digest] = ids[str(entry.id)] = key.id
            names.add(key.name.casefold())
        if key.weak:
            remarks.append(f"{where}: this key is short enough to be guessed.")
        if not key.terms.allow_models:
            remarks.append(f"{where}: this key may use no model.")
        found.append(key)
    return found, ids


def _key(entry: _Key, digest: bytes, name: str) -> KeptKey:
    check_name(name)
    terms = Terms(allow_models=tuple(map(_glob, filter(None, entry.allowed_models))))
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


def _glob(name: str) -> str:
    """A name as a pattern that fits nothing else."""
    # No name of a model has such a character, and none fits a set of them alone.
    return name if name == _ALL else re.sub(r"[*?\[]", "[*]", name.strip())


def _models(
    place: File, overrides: Mapping[str, dict[str, Any]]
) -> tuple[list[ModelEntry], list[AliasEntry]]:
    """What was set for models, and the names that were shown for them."""
    listed = list(entries(place / MODELS, _Model))
    own = {entry.original_name for _, entry in listed}
    models, aliases = [], []
    left = dict(overrides)
    for where, entry in listed:
        shown = entry.display_name or entry.original_name
        set_there = left.pop(entry.original_name, None) or left.pop(shown, None) or {}
        chosen = entry.parameter_overrides
        given = {
            "name": entry.original_name,
            "enabled": entry.enabled,
            "overrides": set_there if chosen is None else chosen,
        }
        with at(where):
            model = shaped(given, ModelEntry)
            check_model(model)
            if model != ModelEntry(name=model.name):
                models.append(model)
            if shown != entry.original_name:
                aliases.append(_alias(shown, entry.original_name, own))
    for name, chosen in left.items():
        with at(f"{OVERRIDES}, {name!r}"):
            models.append(shaped({"name": name, "overrides": chosen}, ModelEntry))
            check_model(models[-1])
    return models, aliases


def _alias(shown: str, model: str, models: Iterable[str]) -> AliasEntry:
    given = {"name": shown, "target": model, "display": True}
    try:
        alias = shaped(given, AliasEntry)
    except Refused:
        raise Refused(
            f"{shown!r} cannot be an alias, which has 1 to 128 of A-Z a-z 0-9 . _ : /"
            " @ + -: give the model another name there.",
            "displayName",
        ) from None
    check_alias(alias, set(models) - {model})
    return alias


def _settings(place: File, remarks: list[str]) -> dict[str, Any]:
    with at(CONFIG):
        config = file(place / CONFIG, _Config, _Config())
    settings: dict[str, Any] = {}
    if config.ollama_url:
        settings["upstream_url"] = config.ollama_url.rstrip("/")
    if config.allow_unverified_options is False:
        settings["unknown_options"] = "drop"
    if config.admin_password_hash is not None:
        remarks.append(f"{CONFIG}: the administrator's password is not taken over.")
    if config.rate_limit is not None:
        remarks.append(
            f"{CONFIG}: rateLimit counted requests of an address; here each key has its"
            " own limit (`pannier keys set NAME --rpm N`)."
        )
    for field, value in settings.items():
        with at(CONFIG):
            said_of(partial(check, field, value), field)
    return settings
