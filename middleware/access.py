"""Access: which models a request may use.

A model that a key may not use, or that is switched off, is as one that does not exist:
the answer is the same (specification: gateway, section 4; reliability, K4).  Without
keys that is Ollama's (decisions, 21).
"""

from typing import Any

from app.aliases import is_pattern
from app.errors import BadRequest
from app.exchange import Exchange
from app.gateway import globs
from app.gateway.current import Current
from app.gateway.keys import Key
from app.gateway.snapshot import Snapshot
from app.settings import Settings
from app.wire.names import key as key_of
from app.wire.ollama import EmbedRequest

from .validation import MAX_NAME

#: Verdicts that are remembered until something is set anew; clients choose the names.
_REMEMBERED = 4096
#: Characters of a name with which one is; longer ones are looked at each time.
_LONGEST = 128


class Access:
    """A policy that refuses models which the key, or the installation, does not let be.

    It goes right after the one that resolves names.
    """

    def __init__(self, current: Current, settings: Settings) -> None:
        self._current = current
        self._admits_new = settings.new_models == "enabled"
        self._snapshot: Snapshot | None = None
        self._verdicts: dict[tuple[str | None, str, str, str], bool] = {}

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Raise ``BadRequest``, 404, unless the model may be used."""
        if exchange.key is None and not self.concerns(None):
            return
        if exchange.filling is not None and not exchange.resolved:
            return  # nothing is to be filled in, and no model is asked
        model = exchange.resolved or call.model
        self.check(exchange, model, embeds=isinstance(call, EmbedRequest))

    def check(self, exchange: Exchange, model: str, *, embeds: bool = False) -> None:
        """Raise ``BadRequest``, 404, unless a model may be used by whoever asks."""
        name = exchange.model
        if not self.admits(exchange.key, model, exchange.alias, name):
            raise unknown(name) if exchange.key else missing(model, embeds=embeds)

    def concerns(self, key: Key | None) -> bool:
        """Whether there may be a model that whoever asks may not use."""
        if key is not None or not self._admits_new:
            return True
        return not self._current.plain and bool(self._current.now.models)

    def governs(self, key: Key | None) -> bool:
        """Whether anything is set that concerns what whoever asks may do."""
        if self.concerns(key):
            return True
        current = self._current
        return not current.plain and bool(current.now.overrides or current.now.aliases)

    def admits(
        self, key: Key | None, model: str, alias: str = "", name: str = ""
    ) -> bool:
        """Whether a key, or whoever needs none, may use a model by one of its names.

        ``alias`` makes it of ``name``, which counts where that is a pattern.
        """
        now = self._current.now
        if now is not self._snapshot:
            self._snapshot, self._verdicts = now, {}
        if name and not is_pattern(alias):
            name = ""
        asked = (None if key is None else key.id, model, alias, name)
        verdict = self._verdicts.get(asked)
        if verdict is None:
            verdict = self._enabled(now, model) and grants(key, model, alias, name)
            present = key is None or now.has(key)
            if present and max(len(model), len(alias), len(name)) <= _LONGEST:
                if len(self._verdicts) >= _REMEMBERED:
                    self._verdicts.clear()
                self._verdicts[asked] = verdict
        return verdict

    def hides(self, model: str) -> bool:
        """Whether lists leave a model out, which can be used all the same."""
        entry = self._current.now.models.get(key_of(model))
        return entry is not None and entry.hidden

    def _enabled(self, now: Snapshot, model: str) -> bool:
        if not now.models and self._admits_new:
            return True
        if not globs.names(model):
            return False  # Ollama may make a name of it that nobody looked for
        entry = now.models.get(key_of(model))
        return self._admits_new if entry is None else entry.enabled


def grants(key: Key | None, model: str, alias: str = "", name: str = "") -> bool:
    """Whether a key's globs let a model be used by its name, or by another.

    ``name`` is one that the client chose, and an alias makes the model's: it may only
    be denied.
    """
    if key is None:
        return True
    own = globs.names(model)
    terms = key.terms
    matcher = globs.matcher(terms.allow_models, terms.deny_models)
    if not own or (name and matcher.denies(globs.alias_names(name))):
        return False
    return matcher.admits((*own, *globs.alias_names(alias)))


def unknown(name: str) -> BadRequest:
    """The refusal of a model that does not exist, or might as well not."""
    shown = name[:MAX_NAME]
    return _not_found(
        f"The model `{shown}` does not exist or you do not have access to it."
    )


def missing(model: str, *, embeds: bool = False) -> BadRequest:
    """The same in the words of Ollama, which has others where it embeds."""
    shown = model[:MAX_NAME]
    if embeds:
        return _not_found(f'model "{shown}" not found, try pulling it first')
    return _not_found(f"model '{shown}' not found")


def _not_found(message: str) -> BadRequest:
    return BadRequest(
        message,
        status=404,
        code="model_not_found",
        param="model",
    )
