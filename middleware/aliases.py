"""Aliases: from the name a client uses to the model that answers.

The answer still says the client's name: that is the exchange's, this changes the
call's.  Specification: gateway, section 2; decisions, 25.
"""

import re
from fnmatch import translate
from typing import Any

from app.aliases import aliases, is_pattern
from app.catalog import Catalog
from app.exchange import Exchange
from app.settings import Settings

DEFAULT = "default"


class Aliases:
    """A policy that resolves the model of a call.

    The first of these counts: an alias of this name, an installed model, a pattern (the
    one with the longest beginning).  ``default`` is the default model; where ``bare``,
    so is every ``gpt-*`` that nobody knows.  Ollama's list is only looked at for a name
    that a pattern matches.
    """

    def __init__(
        self, catalog: Catalog, settings: Settings, *, bare: bool = False
    ) -> None:
        named = aliases(settings.aliases)
        self._catalog = catalog
        #: Model by alias, without patterns.
        self.exact = {n: model for n, model in named.items() if not is_pattern(n)}
        self._exact = {name.lower(): model for name, model in self.exact.items()}
        self._patterns = [
            (re.compile(translate(name.lower())), named[name])
            for name in sorted(filter(is_pattern, named), key=_beginning, reverse=True)
        ]
        chosen = settings.default_model
        self._default = self._exact.get(chosen.lower(), chosen)
        self._bare = bare

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Put the model that is meant into a call; code has a default of its own."""
        if exchange.filling is None:
            call.model = self.resolved(call.model)

    def resolved(self, name: str) -> str:
        """The model that a name means; the name itself if it is no other's."""
        wanted = name.strip().lower()
        exact = self._exact.get(wanted)
        if exact is not None:
            return exact
        if wanted == DEFAULT and self._default:
            return self._default
        other = self._of_pattern(wanted)
        if other is None or self._catalog.installed(name):
            return name
        return other or self._catalog.first_chat_model() or name

    def _of_pattern(self, wanted: str) -> str | None:
        """What a name means if no model has it; ``""`` is the first that chats."""
        if wanted == DEFAULT:
            return self._default
        for pattern, model in self._patterns:
            if pattern.match(wanted):
                return model
        if self._bare and wanted.startswith("gpt-"):
            return self._default
        return None


def _beginning(pattern: str) -> int:
    """How long a pattern is up to its first wildcard."""
    return len(re.split("[*?]", pattern)[0])
