"""Models, Aliases: what is set for models, and other names of them.

What is set for a model stays when it vanishes from Ollama (specification: gateway,
section 2).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..gateway.entries import AliasEntry, ModelEntry
from ..gateway.names import Names
from ..storage import configuration as kept
from ..storage.audit import changed
from ..storage.refusal import Refused
from ..wire.names import key as key_of
from .checks import check_alias, check_model, check_new_alias, shaped
from .desk import Connection, Desk
from .outside import Alias, Outside


class Models:
    """What is set for models.  Names are as Ollama reads them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def list(self) -> list[ModelEntry]:
        """All of them, by name."""
        return sorted(self._desk.read(kept.models), key=lambda entry: entry.name)

    def set(self, name: str, changes: Mapping[str, Any]) -> ModelEntry:
        """Set fields of a ``ModelEntry``; the others stay as they are."""

        def change(connection: Connection) -> ModelEntry:
            old = find_model(connection, name)
            is_new = {"name": name, "enabled": self._admits_new()}
            before = msgspec.to_builtins(old) if old else is_new
            entry = shaped({**before, **changes}, ModelEntry)
            check_model(entry, old.overrides if old else None)
            if entry != old:
                kept.set_model(connection, entry, self._desk.actor)
            return entry

        return self._desk.write(change)

    def reset(self, name: str) -> None:
        """Forget all that is set for a model."""

        def reset(connection: Connection) -> None:
            entry = find_model(connection, name)
            if entry is None:
                raise Refused(f"Nothing is set for {name!r}.", "name", unknown=True)
            kept.remove_model(connection, entry.name, self._desk.actor)

        self._desk.write(reset)

    def refresh(self, action: str = "model.refresh", name: str = "") -> None:
        """Have all workers ask Ollama again which models there are.

        ``action`` is what became of the model of this name there, if that is why.
        """
        actor = self._desk.actor
        self._desk.write(
            lambda connection: changed(connection, actor, action, name, {}, {})
        )

    def _admits_new(self) -> bool:
        """Whether a model for which nothing is set may be used."""
        return self._desk.settings.new_models == "enabled"


class Aliases:
    """Other names of models, which are the same in any case."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._outside = Outside(desk)

    def list(self) -> list[AliasEntry]:
        """All that the database has, by name."""
        return sorted(self._desk.read(kept.aliases), key=lambda entry: entry.name)

    def everywhere(self) -> Sequence[Alias]:
        """All by name, those of the environment too, and where each is from."""
        return self._outside.beside(self._desk.read(kept.aliases))

    def names(self) -> Names:
        """Those that count, as requests resolve them."""
        return self._outside.names(self._desk.read(kept.aliases))

    def why(self, name: str) -> str:
        """Why one of this name in the database does not count; empty if it does."""
        return self._outside.why(name)

    def set(
        self,
        given: Mapping[str, Any],
        installed: Iterable[str] = (),
        *,
        is_new: bool = False,
    ) -> AliasEntry:
        """Set an ``AliasEntry``, in the place of one of its name.

        ``installed`` are the models that Ollama has, as far as anybody knows.
        ``is_new``: there is none of its name, or it is ``Refused``.
        """
        entry = shaped(given, AliasEntry)

        def change(connection: Connection) -> AliasEntry:
            there = find_alias(connection, entry.name)
            if is_new and there is not None:
                raise Refused(f"There is an alias {entry.name!r} already.", "name")
            if there is None:
                check_new_alias(entry.name)
            return self._write(connection, entry, installed)

        return self._desk.write(change)

    def change(
        self, name: str, changes: Mapping[str, Any], installed: Iterable[str] = ()
    ) -> AliasEntry:
        """Set fields of an alias that is there; the others stay as they are."""

        def change(connection: Connection) -> AliasEntry:
            old = find_alias(connection, name)
            if old is None:
                self._outside.check(name)
                raise _no_alias(name)
            entry = shaped({**msgspec.to_builtins(old), **changes}, AliasEntry)
            if entry == old:
                return entry
            return self._write(connection, entry, installed, old.overrides)

        return self._desk.write(change)

    def remove(self, name: str) -> AliasEntry:
        """Remove an alias; returns what it was."""

        def remove(connection: Connection) -> AliasEntry:
            entry = find_alias(connection, name)
            if entry is None:
                self._outside.check(name)
                raise _no_alias(name)
            kept.remove_alias(connection, entry.name, self._desk.actor)
            return entry

        return self._desk.write(remove)

    def _write(
        self,
        connection: Connection,
        entry: AliasEntry,
        installed: Iterable[str],
        before: Mapping[str, Any] | None = None,
    ) -> AliasEntry:
        models = [model.name for model in kept.models(connection)]
        known = set(map(key_of, (*models, *installed)))
        check_alias(entry, known, before)
        if key_of(entry.target) not in known:
            self._outside.check_target(entry.target)
            _check_target(connection, entry.target)
        kept.set_alias(connection, entry, self._desk.actor)
        return entry


def find_alias(connection: Connection, name: str) -> AliasEntry | None:
    """The alias of this name, in any case."""
    wanted = name.strip().lower()
    for entry in kept.aliases(connection):
        if entry.name.lower() == wanted:
            return entry
    return None


def _check_target(connection: Connection, target: str) -> None:
    """Raise ``Refused`` for a target that is an alias: nobody would follow it.

    One that hides a model is as good as that.
    """
    other = find_alias(connection, target)
    if other is not None and not other.shadow:
        raise Refused(
            f"{target!r} is an alias itself; name its model, {other.target!r}.",
            "target",
        )


def _no_alias(name: str) -> Refused:
    return Refused(f"There is no alias {name[:128]!r}.", "name", unknown=True)


def find_model(connection: Connection, name: str) -> ModelEntry | None:
    """What is set for a model, by any of the spellings of its name."""
    wanted = key_of(name)
    for entry in kept.models(connection):
        if key_of(entry.name) == wanted:
            return entry
    return None
