"""Names: which alias a name is, of those that the environment and operators have set.

Those of the environment count more, as its settings do (specification: gateway, section
2; decisions, 25 and 27).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import translate

from ..aliases import is_pattern
from .entries import AliasEntry

_LATEST = ":latest"


class Names:
    """Aliases by name in lower case: those of settings (model by name), then others."""

    def __init__(
        self, named: Mapping[str, str], entries: Iterable[AliasEntry] = ()
    ) -> None:
        ours = {name.lower() for name in named}
        others = [e for e in entries if e.enabled and e.name.lower() not in ours]
        #: Model by alias as it is written: all that count.
        self.models = {**named, **{entry.name: entry.target for entry in others}}
        hidden = {entry.name for entry in others if entry.hidden}
        exact = {n: model for n, model in self.models.items() if not is_pattern(n)}
        #: Those of them that lists show.
        self.shown = {n: model for n, model in exact.items() if n not in hidden}
        #: Those of them that stand in the place of their model's own name.
        self.displayed = {e.name for e in others if e.display} & self.shown.keys()
        self.exact = {name.lower(): model for name, model in exact.items()}
        ordered = sorted(filter(is_pattern, self.models), key=_beginning, reverse=True)
        #: Model by pattern, those with the longest beginning first.
        self.patterns = {name.lower(): self.models[name] for name in ordered}
        self._compiled = [(n, re.compile(translate(n))) for n in self.patterns]

    def __bool__(self) -> bool:
        return bool(self.exact or self.patterns)

    def meant(self, name: str, installed: Callable[[str], bool]) -> tuple[str, str]:
        """The model that a name means, and the alias that says so, or none.

        The first of these counts: an alias of this name, a model that is ``installed``,
        an alias of this name with or without ``:latest``, a pattern.  That is only
        asked for a name of the latter two.
        """
        if alias := self.alias(name, installed):
            return self.exact[alias], alias
        if (pattern := self.pattern(name.lower())) and not installed(name):
            return self.patterns[pattern], pattern
        return name, ""

    def exactly(self, name: str, installed: Callable[[str], bool]) -> tuple[str, str]:
        """The same where patterns do not count."""
        alias = self.alias(name, installed)
        return self.exact.get(alias, name), alias

    def alias(self, name: str, installed: Callable[[str], bool]) -> str:
        """The alias alone, of those without patterns; empty where none counts."""
        wanted = name.lower()
        if wanted in self.exact:
            return wanted
        other = self.otherwise(wanted)
        return other if other and not installed(name) else ""

    def otherwise(self, wanted: str) -> str:
        """The alias that a name in lower case is with or without ``:latest``."""
        if not self.exact:
            return ""
        bare = wanted.removesuffix(_LATEST)
        if bare == wanted and ":" not in wanted.rpartition("/")[2]:
            bare += _LATEST
        return bare if bare != wanted and bare in self.exact else ""

    def pattern(self, wanted: str) -> str:
        """The first pattern that a name in lower case fits; empty where none does."""
        for pattern, compiled in self._compiled:
            if compiled.match(wanted):
                return pattern
        return ""


def _beginning(pattern: str) -> int:
    """How long a pattern is up to its first wildcard."""
    return len(re.split("[*?]", pattern)[0])
