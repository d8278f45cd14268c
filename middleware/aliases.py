"""Aliases: from the name a client uses to the model that answers.

The answer still says the client's name: that is the exchange's, this changes the
call's.  Specification: gateway, section 2; decisions, 25.
"""

from functools import partial
from typing import Any

from app.aliases import aliases
from app.catalog import Catalog
from app.exchange import Exchange
from app.gateway.current import Current
from app.gateway.keys import Key
from app.gateway.names import Names
from app.gateway.snapshot import Snapshot
from app.settings import Settings

from .access import Access

DEFAULT = "default"


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
    def names(self) -> Names:
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
        if wanted == DEFAULT and wanted not in self.names.exact:
            return self._default(name, key)
        installed = partial(self._installed, key=key)
        model, alias = self.names.meant(name, installed)
        if self._bare and wanted.startswith("gpt-"):
            known = alias and self.access.admits(key, model, alias, name)
            if not known and (alias or not self._installed(name, key)):
                return self._default(name, key)
        return model, alias

    def _default(self, name: str, key: Key | None) -> tuple[str, str]:
        """What stands for ``name`` where that says nothing."""
        installed = partial(self._installed, key=key)
        for chosen in (key.terms.default_model if key else "", self._chosen):
            model, alias = self.names.exactly(chosen, installed)
            if chosen and self.access.admits(key, model, alias):
                return model, alias
        if not installed(name):
            among = partial(self.access.admits, key)
            name = self._catalog.first_chat_model(among) or name
        return name, ""

    def _installed(self, name: str, key: Key | None) -> bool:
        return self.access.admits(key, name) and self._catalog.installed(name)
