"""Aliases: from the name a client uses to the model that answers.

The answer still says the client's name: that is the exchange's, this changes the
call's.  Specification: gateway, section 2; decisions, 25.
"""

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from typing import Any

from app.aliases import aliases, is_pattern
from app.catalog import Catalog
from app.exchange import Exchange
from app.gateway.current import Current
from app.gateway.entries import AliasEntry
from app.gateway.keys import Key
from app.gateway.snapshot import Snapshot
from app.settings import Settings

DEFAULT = "default"


class Aliases:
    """A policy that resolves the model of a call.

    The first of these counts: an alias of this name, an installed model, a pattern (the
    one with the longest beginning).  ``default`` is the default model, of the key
    before that of the settings; where ``bare``, so is every ``gpt-*`` that nobody
    knows.  Ollama's list is only looked at for a name that a pattern matches.  Aliases
    of the settings count before those of ``current``.
    """

    def __init__(
        self,
        catalog: Catalog,
        settings: Settings,
        current: Current | None = None,
        *,
        bare: bool = False,
    ) -> None:
        self._catalog = catalog
        self._current = current or Current()
        self._settings = aliases(settings.aliases)
        self._chosen = settings.default_model
        self._bare = bare
        self._snapshot: Snapshot | None = None
        self._names = Names({})

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Put the model that is meant into a call; code has a default of its own."""
        if exchange.filling is None:
            name = call.model
            call.model = exchange.resolved = self.resolved(name, exchange.key)
            exchange.alias = self.alias(name)

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

    def alias(self, name: str) -> str:
        """The alias that a name is, empty if it is none; patterns are by their own."""
        return self.names.alias(name.strip().lower())

    def resolved(self, name: str, key: Key | None = None) -> str:
        """The model that a name means; the name itself if it is no other's."""
        wanted = name.strip().lower()
        names = self.names
        exact = names.exact.get(wanted)
        if exact is not None:
            return exact
        chosen = key.terms.default_model if key is not None else ""
        chosen = chosen or self._chosen
        default = names.exact.get(chosen.lower(), chosen)
        if wanted == DEFAULT and default:
            return default
        other = default if wanted == DEFAULT else names.of_pattern(wanted)
        if other is None and self._bare and wanted.startswith("gpt-"):
            other = default
        if other is None or self._catalog.installed(name):
            return name
        return other or self._catalog.first_chat_model() or name


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
        self.exact = {name.lower(): model for name, model in exact.items()}
        self._patterns = [
            (re.compile(translate(name.lower())), name.lower(), models[name])
            for name in sorted(filter(is_pattern, models), key=_beginning, reverse=True)
        ]

    def __bool__(self) -> bool:
        return bool(self.exact or self._patterns)

    def of_pattern(self, wanted: str) -> str | None:
        """The model of the first pattern that a name fits."""
        for pattern, _, model in self._patterns:
            if pattern.match(wanted):
                return model
        return None

    def alias(self, wanted: str) -> str:
        """The alias that fits a name, in lower case; empty where none does."""
        if wanted in self.exact:
            return wanted
        for pattern, alias, _ in self._patterns:
            if pattern.match(wanted):
                return alias
        return ""


def _beginning(pattern: str) -> int:
    """How long a pattern is up to its first wildcard."""
    return len(re.split("[*?]", pattern)[0])
