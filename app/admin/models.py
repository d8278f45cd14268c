"""Models, as Ollama has them and as operators set them.

Those that Ollama has no more stay in the list while something is set for them.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec

from ..administration import Administration, Refused
from ..administration.models import find_model
from ..catalog import Facts
from ..gateway import globs
from ..gateway.entries import ModelEntry
from ..gateway.names import Names
from ..gateway.overrides import effective as in_force
from ..gateway.snapshot import Snapshot
from ..settings import Settings
from ..wire import ollama
from ..wire.names import key as key_of
from . import tags
from .asked import Admin, Asked, Route
from .query import PAGES, Query, page, wrong

#: What can be changed of a model.
FIELDS = tuple(n for n in ModelEntry.__struct_fields__ if n != "name")


class Found(msgspec.Struct, frozen=True):
    """A model: what is set for it, what Ollama lists, other names."""

    name: str
    entry: ModelEntry | None
    listed: ollama.ListModel | None
    aliases: list[str]


def listed(admin: Admin, asked: Asked) -> Any:
    """A page of models by name."""
    query = Query(asked)
    found, cursor = page(_found(admin, asked), lambda one: one.name, query)
    return {"models": [_shown(admin, one) for one in found], "cursor": cursor}


def names(admin: Admin, asked: Asked) -> list[str]:
    """What all of them are called; of none Ollama is asked what it is."""
    return sorted(one.name for one in _found(admin, asked))


def get(admin: Admin, asked: Asked) -> Any:
    """One model."""
    wanted = key_of(asked.path["name"])
    for one in _found(admin, asked):
        if key_of(one.name) == wanted:
            shown = _shown(admin, one)
            return tags.tagged(shown, shown["etag"])
    raise _unknown(asked.path["name"])


def change(admin: Admin, asked: Asked) -> Any:
    """Set something for a model."""
    changes = asked.json(dict[str, Any])
    check_fields(changes, FIELDS)
    name = _called(admin, asked, asked.path["name"])
    office = _office(admin, asked)
    entry = office.models.set(name, changes)
    return tags.tagged(
        {**msgspec.to_builtins(entry), "etag": tags.tag(entry)}, tags.tag(entry)
    )


def forget(admin: Admin, asked: Asked) -> None:
    """Forget all that is set for a model."""
    _office(admin, asked).models.reset(asked.path["name"])


def refresh(admin: Admin, asked: Asked) -> Any:
    """Ask Ollama again, in all workers."""
    asked.check_empty()
    admin.office(asked.actor).models.refresh()
    admin.catalog.forget()
    return {"models": [model.called for model in admin.catalog.models()]}


def effective(admin: Admin, asked: Asked) -> Any:
    """What is in force for a model, and which layer says so."""
    query = Query(asked)
    office = admin.office(asked.actor)
    alias, which = query.text("alias"), query.text("key")
    key = office.keys.get(which) if which else None
    kept = {one.name.lower(): one for one in office.aliases.list()}
    names = office.aliases.names()
    name, stands = meant(admin, asked, names)
    alias = alias or stands
    known = {*kept, *names.exact, *names.patterns}
    if alias and alias.lower() not in known:
        other = names.otherwise(alias.lower())
        if not other:
            raise Refused(f"There is no alias {alias[:128]!r}.", "alias", unknown=True)
        alias = other
    snapshot = Snapshot(
        models={key_of(one.name): one for one in office.models.list()},
        aliases=kept,
        overrides=office.choices.overrides(),
    )
    found = in_force(snapshot, admin.settings, name, alias, key)
    return {
        "model": name,
        "alias": next((n for n in names.models if n.lower() == alias.lower()), alias),
        "parameters": [one._asdict() for one in found],
        "code": _of_code(snapshot.models.get(key_of(name)), admin.settings),
    }


def _of_code(entry: ModelEntry | None, settings: Settings) -> list[dict[str, Any]]:
    """What is said of how a model completes code; of the rest its family decides."""
    said = msgspec.to_builtins(entry.code) if entry is not None else {}
    found = [{"name": n, "value": v, "origin": "model"} for n, v in said.items()]
    if not said.keys() & {"strategy", "template"} and settings.code_strategy != "auto":
        usual = settings.code_strategy
        found.append({"name": "strategy", "value": usual, "origin": "settings"})
    return found


def admitted(
    admin: Admin, asked: Asked, allow: tuple[str, ...], deny: tuple[str, ...]
) -> Any:
    """The models, and aliases of them, that these patterns let through now."""
    now, matcher = admin.installation.current.now, globs.matcher(allow, deny)
    usable = {
        key_of(model.called): model.called
        for model in admin.catalog.models()
        if _is_enabled(admin, now.models.get(key_of(model.called)))
    }
    own = {name: globs.names(called) for name, called in usable.items()}
    names = admin.office(asked.actor).aliases.names()
    return {
        "models": [
            usable[name] for name, its in own.items() if its and matcher.admits(its)
        ],
        "aliases": [
            alias
            for alias, model in sorted(names.models.items())
            if (its := own.get(key_of(model)))
            and matcher.admits((*its, *globs.alias_names(alias)))
        ],
    }


def check_fields(given: Iterable[str], known: Iterable[str]) -> None:
    """Raise ``BadRequest`` for a field that cannot be changed."""
    for field in given:
        if field not in known:
            raise wrong(field[:64], f"{field[:64]!r} cannot be changed here.")


def _found(admin: Admin, asked: Asked) -> list[Found]:
    office = admin.office(asked.actor)
    entries = {key_of(entry.name): entry for entry in office.models.list()}
    aliases = defaultdict[str, list[str]](list)
    for alias, model in sorted(office.aliases.names().models.items()):
        aliases[key_of(model)].append(alias)
    listed = {key_of(model.called): model for model in admin.catalog.models()}
    return [
        Found(
            listed[key].called if key in listed else entries[key].name,
            entries.get(key),
            listed.get(key),
            aliases.get(key, []),
        )
        for key in {**listed, **entries}
    ]


def _shown(admin: Admin, found: Found) -> dict[str, Any]:
    """A model as JSON; what nobody knows is ``None``."""
    entry = found.entry or ModelEntry(name=found.name, enabled=_is_enabled(admin, None))
    facts = admin.catalog.facts(found.name) if found.listed else None
    is_known = bool(admin.catalog.models())
    return {
        **msgspec.to_builtins(entry),
        "name": found.name,
        "aliases": found.aliases,
        "is_set": found.entry is not None,
        "available": found.listed is not None if is_known else None,
        "loaded": _is_loaded(admin, found.name),
        **_of_list(found.listed or ollama.ListModel()),
        **_of_facts(facts),
        "etag": tags.tag(found.entry),
    }


def _is_loaded(admin: Admin, name: str) -> bool | None:
    """Whether a model is in memory; ``None`` while Ollama does not say."""
    if admin.catalog.loaded(name) is not None:
        return True
    return False if admin.catalog.absent(name) else None


def _of_list(model: ollama.ListModel) -> dict[str, Any]:
    return {
        "size": ollama.count(model.size) or None,
        "digest": model.digest if isinstance(model.digest, str) else None,
        "modified_at": model.modified_at,
    }


def _of_facts(facts: Facts | None) -> dict[str, Any]:
    details = facts.details if facts else {}
    can = facts.capabilities if facts else None
    return {
        "capabilities": None if can is None else sorted(can),
        "context_length": facts.context_length if facts else None,
        "num_ctx": facts.num_ctx if facts else None,
        "family": facts.family if facts else None,
        "parameter_size": details.get("parameter_size"),
        "quantization": details.get("quantization_level"),
    }


def _is_enabled(admin: Admin, entry: ModelEntry | None) -> bool:
    return admin.settings.new_models == "enabled" if entry is None else entry.enabled


def _called(admin: Admin, asked: Asked, name: str) -> str:
    """What a model is called; raises ``Refused`` where Ollama knows it to be none."""
    facts = admin.catalog.facts(name)
    if facts is not None:
        return facts.name
    own = admin.office(asked.actor).models.list()
    is_set = key_of(name) in {key_of(entry.name) for entry in own}
    if not is_set and admin.catalog.models():
        raise _unknown(name)
    return name


def meant(admin: Admin, asked: Asked, names: Names) -> tuple[str, str]:
    """The model that the path means, as requests resolve it, and the alias, or none."""
    model, alias = names.meant(
        asked.path["name"].strip(), lambda name: admin.catalog.facts(name) is not None
    )
    return _called(admin, asked, model), alias


def _unknown(name: str) -> Refused:
    return Refused(f"There is no model {name[:128]!r}.", "name", unknown=True)


def _office(admin: Admin, asked: Asked) -> Administration:
    """What changes a model only if it is still as somebody has seen it."""
    name = asked.path["name"]
    return admin.office(
        asked.actor, lambda connection: tags.check(asked, find_model(connection, name))
    )


ROUTES: list[Route] = [
    Route("GET", "/models", listed, PAGES),
    Route("POST", "/models/refresh", refresh),
    Route("GET", "/models/<path:name>", get),
    Route("PATCH", "/models/<path:name>", change),
    Route("DELETE", "/models/<path:name>", forget),
    Route("GET", "/models/<path:name>/effective", effective, ("key", "alias")),
]
