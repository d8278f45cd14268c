"""Ways: how each model is asked to fill a hole, by what is set for it and its family.

What somebody set for a model counts before its family, field by field (specification:
code completion, sections 2 and 4; gateway, section 2).
"""

from collections.abc import Mapping
from functools import lru_cache

from msgspec import UNSET
from msgspec.structs import replace

from app.gateway.current import Current
from app.gateway.entries import CodeEntry
from app.gateway.snapshot import Snapshot
from app.settings import Settings
from app.wire.names import key as key_of

from .families import Families, Family
from .hole import Hole
from .parser import markers
from .strategy import Setting

#: Families with another template that are remembered.
_REMEMBERED = 256
_NOTHING = CodeEntry()
#: A model of which only its template is known: it has no family.
_STRANGER = Family(name="")


class Ways:
    """Families and one strategy for all, and before them what is set in ``current``.

    Models are named as Ollama has them: aliases are replaced before.
    """

    def __init__(
        self, families: Families, settings: Settings, current: Current | None = None
    ) -> None:
        self._families = families
        self._usual: Setting = settings.code_strategy
        self._current = current or Current()
        self._always = any(known.mode == "always" for known in families.known)
        self._snapshot: Snapshot | None = None
        self._entries: Mapping[str, CodeEntry] = {}

    def of(self, model: str, family: str = "") -> Family | None:
        """The family of a model, with the template that is set for it.

        ``family`` is Ollama's ``details.family``.
        """
        found, entry = self._families.of(model, family), self.entry(model)
        if entry.template is UNSET:
            return found
        return _templated(found, entry.template, prefix=entry.strategy == "prefix")

    def strategy(self, model: str) -> Setting:
        """How a model is to be asked; ``auto`` is its own way."""
        entry = self.entry(model)
        if entry.strategy is not UNSET:
            return entry.strategy
        return self._usual if entry.template is UNSET else "raw"

    def always(self, model: str) -> bool:
        """Whether each prompt for a model is code."""
        entry = self.entry(model)
        if entry.mode is not UNSET:
            return entry.mode == "always"
        if not self._always:
            return False
        family = self._families.of(model)
        return family is not None and family.mode == "always"

    def entry(self, model: str) -> CodeEntry:
        """What is set for a model."""
        if self._current.plain:
            return _NOTHING
        now = self._current.now
        if now is not self._snapshot:
            named = now.models.items()
            self._entries = {n: one.code for n, one in named if one.code != _NOTHING}
            self._snapshot = now
        if not self._entries:
            return _NOTHING
        return self._entries.get(key_of(model), _NOTHING)


@lru_cache(_REMEMBERED)
def _templated(family: Family | None, template: str, *, prefix: bool) -> Family:
    """A family with another template, whose markers end a text, and are harmless in it.

    So is it with all that we know, but for those that are only of other files.
    """
    found = replace(
        family or _STRANGER,
        template=template,
        strategy="prefix" if prefix else "raw",
        better=True,
    )
    compiled = found.compiled("template")
    new = tuple(token for token in compiled.tokens if token not in found.stop)
    return replace(
        found,
        file=found.file if "extra" in compiled.holes else "",
        stop=(*found.stop, *new),
        tokens=(*found.tokens, *(one for one in new if one not in found.tokens)),
        markers=markers(found.prompt(Hole("a", "b"))),
    )
