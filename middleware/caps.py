"""Caps: the most that an answer may be long, and a model remember.

What is set and what a key may are one bound, the lower of both (specification:
gateway, section 5; decisions, 33).
"""

from typing import Any, TypeAlias

from app.catalog import Catalog
from app.errors import NotAllowed
from app.exchange import Exchange
from app.gateway.overrides import endless
from app.gateway.parameters import is_number
from app.settings import Settings

from .context import quiet
from .special import Rules, noted

Options: TypeAlias = dict[str, Any]


class Caps:
    """Brings the options of a call below what is the most.

    ``catalog`` knows what context a model would have by itself.
    """

    def __init__(self, settings: Settings, catalog: Catalog | None) -> None:
        self._settings = settings
        self._catalog = catalog

    def __call__(
        self,
        exchange: Exchange,
        model: str,
        options: Options,
        rules: Rules,
        *,
        embeds: bool = False,
        chosen: bool = False,
    ) -> None:
        """Hold the length of the answer and the context to what is the most.

        ``chosen``: where a context is chosen for the prompt, that is done later.
        """
        own = exchange.key.terms if exchange.key is not None else None
        tokens = _least(rules, "num_predict", own.max_output_tokens if own else None)
        context = _least(rules, "num_ctx", own.max_num_ctx if own else None)
        if tokens is not None and not embeds:
            self._lower(exchange, options, "num_predict", tokens)
        if context is None:
            return
        exchange.max_num_ctx = context
        if options.get("num_ctx") is not None or context < 1:
            self._lower(exchange, options, "num_ctx", context)
        elif not chosen or self._settings.context != "auto":
            self._hold(exchange, model, options, context)

    def _lower(
        self, exchange: Exchange, options: Options, name: str, most: int
    ) -> None:
        """An option at its cap, where it is above; said where something was asked."""
        if most < 1:
            raise NotAllowed(
                f"This API key may have nothing of a model: its limit of {name} is 0."
            )
        value = options.get(name)
        if value is None:
            options[name] = most
        elif is_number(value) and endless(name, value) > most:
            options[name] = most
            exchange.adjusted.append(noted(name, most))

    def _hold(self, exchange: Exchange, model: str, options: Options, cap: int) -> None:
        """The context where nobody says which: Ollama's own choice may be above."""
        facts = self._catalog.facts(model) if self._catalog is not None else None
        loaded = self._catalog.loaded(model) if self._catalog is not None else None
        options["num_ctx"] = context = quiet(
            cap,
            loaded=loaded,
            modelfile=facts.num_ctx if facts else None,
            own=facts.context_length if facts else None,
        )
        if context != loaded and not (facts and facts.num_ctx == context):
            exchange.adjusted.append(noted("num_ctx", context))


def _least(rules: Rules, name: str, cap: int | None) -> int | None:
    """The cap of an option: the key's, or the one that is set, if that is lower."""
    most = rules[name].most if name in rules else None
    if most is None:
        return cap
    value = int(most.value)
    return value if cap is None else min(cap, value)
