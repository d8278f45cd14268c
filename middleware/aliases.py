"""Aliases: from the name a client uses to the model that answers.

The answer still says the client's name: that is the exchange's, this changes the
call's.  Specification: gateway, section 2; decisions, 25.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from functools import partial
from typing import Any

from app.aliases import aliases, is_pattern
from app.catalog import Catalog
from app.exchange import Exchange
from app.gateway.current import Current
from app.gateway.entries import AliasEntry
from app.gateway.keys import Key
from app.gateway.snapshot import Snapshot
from app.settings import Settings

from .access import Access

DEFAULT = "default"
_LATEST = ":latest"


class Aliases:
    """A policy that resolves the model of a call.

    The first of these counts: an alias of this name, an installed model, an alias of
    this name with or without ``:latest``, a pattern (the one with the longest
    beginning).  Space around a name does not count.  ``default`` is the default model,
    of the key before that of the settings; where ``bare``, so is every ``gpt-*`` that
    nobody knows.  A model that may not be used is none that is installed, and no
    default.  Ollama's list is only looked at for a name that is one with ``:latest``
    put to it or taken off, or that a pattern matches.  Aliases of the settings count
    before those of ``current``.
    """

    def __init__(
        self,
        catalog: Catalog,
        settings: Settings,
        current: Current | None = None,
        access: Access | None = None,
        *,
        bare: bool = False,
    ) -> None:
        self._catalog = catalog
        self._current = current or Current()
        #: Which models may be used.
        self.access = access or Access(self._current, settings)
        self._settings = aliases(settings.aliases)
        self._chosen = settings.default_model
        self._bare = bare
        self._snapshot: Snapshot | None = None
        self._names = Names({})

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Put the model that is meant into a call; code has a default of its own."""
        if exchange.filling is None:
            call.model = self.note(exchange, call.model)

    def note(self, exchange: Exchange, name: str) -> str:
        """The model that a name means, which the exchange knows from now on."""
        model, exchange.alias = self.meant(name, exchange.key)
        exchange.resolved = model
        return model

    @property
    def names(self) -> "Names":
        """Those of this moment."""
        now = self._current.now
        if now is not self._snapshot:
            self._names = Names(self._settings, now.aliases.values())
            self._snapshot = now
        return self._names

    @property
    def exact(self) -> dict[str, str]:
        """Model by alias, of those that are shown, without patterns."""
        return self.names.shown

    def resolved(self, name: str, key: Key | None = None) -> str:
        """The model that a name means; the name itself if it is no other's."""
        return self.meant(name, key)[0]

    def meant(self, name: str, key: Key | None = None) -> tuple[str, str]:
        """The model that a name means, and the alias that says so, or none."""
        name = name.strip()
        wanted = name.lower()
        names = self.names
        model, alias = name, ""
        if wanted in names.exact:
            model, alias = names.exact[wanted], wanted
        elif wanted == DEFAULT:
            return self._default(name, key)
        elif (other := names.otherwise(wanted)) and not self._installed(name, key):
            model, alias = names.exact[other], other
        elif names.patterns:
            model, alias = self._of_pattern(name, wanted, key)
        if self._bare and wanted.startswith("gpt-"):
            known = alias and self.access.admits(key, model, alias, name)
            if not known and (alias or not self._installed(name, key)):
                return self._default(name, key)
        return model, alias

    def _of_pattern(self, name: str, wanted: str, key: Key | None) -> tuple[str, str]:
        """What a pattern makes of a name that is no installed model's."""
        pattern = self.names.pattern(wanted)
        if not pattern or self._installed(name, key):
            return name, ""
        return self.names.patterns[pattern], pattern

    def _default(self, name: str, key: Key | None) -> tuple[str, str]:
        """What stands for ``name`` where that says nothing."""
        for chosen in (key.terms.default_model if key else "", self._chosen):
            alias = chosen.lower() if chosen.lower() in self.names.exact else ""
            model = self.names.exact.get(alias, chosen)
            if chosen and self.access.admits(key, model, alias):
                return model, alias
        if not self._installed(name, key):
            among = partial(self.access.admits, key)
            name = self._catalog.first_chat_model(among) or name
        return name, ""

    def _installed(self, name: str, key: Key | None) -> bool:
        return self.access.admits(key, name) and self._catalog.installed(name)


class Names:
    """Aliases by name in lower case: those of settings (model by name), then others."""

    def __init__(
        self, named: Mapping[str, str], entries: Iterable[AliasEntry] = ()
    ) -> None:
        ours = {name.lower() for name in named}
        others = [e for e in entries if e.enabled and e.name.lower() not in ours]
        models = {**named, **{entry.name: entry.target for entry in others}}
        hidden = {entry.name for entry in others if entry.hidden}
        exact = {n: model for n, model in models.items() if not is_pattern(n)}
        #: Model by alias as it is written, of those that lists show.
        self.shown = {n: model for n, model in exact.items() if n not in hidden}
        #: Those of them that stand in the place of their model's own name.
        self.displayed = {e.name for e in others if e.display} & self.shown.keys()
        self.exact = {name.lower(): model for name, model in exact.items()}
        ordered = sorted(filter(is_pattern, models), key=_beginning, reverse=True)
        #: Model by pattern, those with the longest beginning first.
        self.patterns = {name.lower(): models[name] for name in ordered}
        self._compiled = [(n, re.compile(translate(n))) for n in self.patterns]

    def __bool__(self) -> bool:
        return bool(self.exact or self.patterns)

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
