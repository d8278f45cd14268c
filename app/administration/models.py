"""Models, Aliases: what is set for models, and other names of them.

What is set for a model stays when it vanishes from Ollama (specification: gateway,
section 2).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ..gateway.entries import AliasEntry, ModelEntry
from ..storage import configuration as kept
from ..storage.refusal import Refused
from ..wire.names import key as key_of
from .checks import check_alias, check_model, shaped
from .desk import Connection, Desk


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
            old = _model(connection, name)
            before = msgspec.to_builtins(old) if old else {"name": name}
            entry = shaped({**before, **changes}, ModelEntry)
            check_model(entry)
            if entry != old:
                kept.set_model(connection, entry, self._desk.actor)
            return entry

        return self._desk.write(change)

    def reset(self, name: str) -> None:
        """Forget all that is set for a model."""

        def reset(connection: Connection) -> None:
            entry = _model(connection, name)
            if entry is None:
                raise Refused(f"Nothing is set for {name!r}.", "name", unknown=True)
            kept.remove_model(connection, entry.name, self._desk.actor)

        self._desk.write(reset)


class Aliases:
    """Other names of models, which are the same in any case."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def list(self) -> list[AliasEntry]:
        """All of them, by name."""
        return sorted(self._desk.read(kept.aliases), key=lambda entry: entry.name)

    def set(
        self, given: Mapping[str, Any], installed: Iterable[str] = ()
    ) -> AliasEntry:
        """Set an ``AliasEntry``, in the place of one of its name.

        ``installed`` are the models that Ollama has, as far as anybody knows.
        """
        entry = shaped(given, AliasEntry)

        def change(connection: Connection) -> AliasEntry:
            models = [model.name for model in kept.models(connection)]
            check_alias(entry, [*models, *installed])
            kept.set_alias(connection, entry, self._desk.actor)
            return entry

        return self._desk.write(change)

    def remove(self, name: str) -> AliasEntry:
        """Remove an alias; returns what it was."""

        def remove(connection: Connection) -> AliasEntry:
            for entry in kept.aliases(connection):
                if entry.name.lower() == name.strip().lower():
                    kept.remove_alias(connection, entry.name, self._desk.actor)
                    return entry
            raise Refused(f"There is no alias {name!r}.", "name", unknown=True)

        return self._desk.write(remove)


def _model(connection: Connection, name: str) -> ModelEntry | None:
    wanted = key_of(name)
    for entry in kept.models(connection):
        if key_of(entry.name) == wanted:
            return entry
    return None
