"""Outside: aliases that the environment or ``.env`` has, which nobody can change here.

They count more than those of the database (specification: decisions, 27).
"""

from collections.abc import Iterable

import msgspec

from ..aliases import aliases
from ..gateway.entries import AliasEntry
from ..gateway.names import Names
from ..option import Given
from ..storage.refusal import Refused
from .desk import Desk

_UNKNOWN = Given("", "PANNIER_ALIASES", "the environment")


class Alias(msgspec.Struct, frozen=True):
    """An alias, and where it is from.

    ``origin`` is ``database``, ``environment`` or ``.env``.  ``why`` says why it cannot
    be changed here, or why it does not count; empty where neither is so.
    """

    entry: AliasEntry
    origin: str
    changeable: bool
    why: str


class Outside:
    """The aliases of ``PANNIER_ALIASES``, as they were at the start."""

    def __init__(self, desk: Desk) -> None:
        self._models = aliases(desk.settings.aliases)
        self._by_name = {name.lower(): name for name in self._models}
        self._given = desk.found.get("aliases", _UNKNOWN)

    def names(self, kept: Iterable[AliasEntry]) -> Names:
        """All that count, as requests know them; ``kept`` are the database's."""
        return Names(self._models, kept)

    def beside(self, kept: Iterable[AliasEntry]) -> list[Alias]:
        """All aliases by name, also those that do not count, each after what does."""
        where = self._given.where
        origin = "environment" if where == _UNKNOWN.where else where
        shown = [
            Alias(
                AliasEntry(name=name, target=model),
                origin,
                False,
                f"{self._given.variable} is set in {where}: it is changed there.",
            )
            for name, model in self._models.items()
        ]
        shown += [Alias(one, "database", True, self.why(one.name)) for one in kept]
        return sorted(shown, key=lambda one: (one.entry.name.lower(), one.changeable))

    def why(self, name: str) -> str:
        """Why one of this name in the database does not count; empty if it does."""
        own = self._named(name)
        if own is None:
            return ""
        return (
            f"{self._given.variable} is set in {self._given.where}, which counts more:"
            f" there {own!r} stands for {self._models[own]!r}."
        )

    def check(self, name: str) -> None:
        """Raise ``Refused`` for an alias that only the environment has."""
        own = self._named(name)
        if own is not None:
            raise Refused(
                f"The alias {own!r} is of {self._given.variable}, which is set in"
                f" {self._given.where}: it is changed there.",
                "name",
            )

    def check_target(self, target: str) -> None:
        """Raise ``Refused`` for a target that is an alias here: nobody would follow."""
        own = self._named(target)
        if own is not None:
            raise Refused(
                f"{target!r} is an alias itself, of {self._given.variable}; name its"
                f" model, {self._models[own]!r}.",
                "target",
            )

    def _named(self, name: str) -> str | None:
        """The alias of a name as it is written there; None where it has none."""
        return self._by_name.get(name.strip().lower())
