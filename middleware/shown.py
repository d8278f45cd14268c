"""Shown: the names under which lists show models to whoever asks.

What is shown can be called by the same key, and what can be called is shown, unless
somebody hid it (specification: gateway, section 4).
"""

from collections.abc import Collection, Iterable, Iterator

from app.gateway.keys import Key
from app.wire.names import key as key_of

from .aliases import Aliases

#: Names, each with the name of the model in Ollama's list.
Named = list[tuple[str, str]]


class Shown:
    """Which of the installed models have which names, by ``aliases`` and their access.

    A display name takes the place of its model's own; other aliases follow the models.
    """

    def __init__(self, aliases: Aliases) -> None:
        self._aliases = aliases
        self._access = aliases.access

    def limited(self, key: Key | None) -> bool:
        """Whether there may be models that are not shown to whoever asks."""
        return self._access.concerns(key) or bool(self._aliases.names.displayed)

    def __call__(self, key: Key | None, installed: Collection[str]) -> Named:
        """The names for models by the names that they have in Ollama's list."""
        if not (self._aliases.exact or self.limited(key)):
            return [(name, name) for name in installed]
        further, displays = self._further(key, installed)
        named: Named = []
        for name in installed:
            instead = displays.get(name)
            own = [name] if self._by_own(key, name, installed) else []
            named += [(shown, name) for shown in instead or own]
        return [*named, *further]

    def once(self, key: Key | None, installed: Collection[str]) -> Named:
        """The same with one name for each model, the first."""
        first: dict[str, str] = {}
        for shown, name in self(key, installed):
            first.setdefault(name, shown)
        return [(shown, name) for name, shown in first.items()]

    def _further(
        self, key: Key | None, installed: Collection[str]
    ) -> tuple[Named, dict[str, list[str]]]:
        """The aliases of installed models, and the display names by model."""
        further: Named = []
        displays: dict[str, list[str]] = {}
        displayed = self._aliases.names.displayed
        for alias, name in self._usable(key, installed):
            if alias in displayed:
                displays.setdefault(name, []).append(alias)
            else:
                further.append((alias, name))
        return further, displays

    def _usable(
        self, key: Key | None, installed: Iterable[str]
    ) -> Iterator[tuple[str, str]]:
        by_key = {key_of(name): name for name in installed}
        lower = {name.lower() for name in by_key.values()}
        for alias, model in self._aliases.exact.items():
            name = by_key.get(key_of(model))
            if name is None or alias.lower() in lower:
                continue
            if self._access.admits(key, model, alias.lower()):
                yield alias, name

    def _by_own(self, key: Key | None, name: str, installed: Iterable[str]) -> bool:
        """Whether a model is shown by its own name, which may be another's alias."""
        if not self._access.concerns(key):
            return True
        meant = self._aliases.names.exact.get(name.lower())
        if meant is None:
            return not self._access.hides(name) and self._access.admits(key, name)
        there = key_of(meant) in map(key_of, installed)
        seen = name.lower() in map(str.lower, self._aliases.exact)
        return there and seen and self._access.admits(key, meant, name.lower())
