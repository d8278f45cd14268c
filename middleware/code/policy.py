"""Fill: the policy that puts a hole into a call.

It finds out which model that is for, what family it is of, and how much its context has
room for (specification: code completion, sections 2, 4 and 5), and when the call is
certain to be made it sees to the latency of the others (section 6).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from app.catalog import Catalog, Facts
from app.errors import BadRequest
from app.exchange import Exchange
from app.gateway.keys import Key
from app.settings import Settings

from ..aliases import DEFAULT, Aliases
from . import chatting
from .budget import MARGIN, Ratios, density, size
from .filling import Filling
from .patience import Patience
from .supersede import Sessions
from .warm import WarmUp
from .ways import Ways

#: No prompt is longer, in characters: a client may ask for any context, and nobody at
#: an editor waits until so much is read.
LARGEST = 1_000_000
#: The smallest context that Ollama gives to anybody, and its usual one, in tokens.
SMALLEST = 2048
USUAL = 4096


_encode = msgspec.json.Encoder().encode


class Fill:
    """The policy that puts a hole into a call.

    It acts on exchanges with a ``filling``, and goes before all that looks at a prompt;
    ``set_`` puts what is set for the model into a call, before it is known what fits.
    Raises ``BadRequest``, 404, where no model is named and none can fill in.
    """

    def __init__(
        self,
        catalog: Catalog,
        settings: Settings,
        aliases: Aliases,
        ways: Ways,
        warm: WarmUp | None = None,
        set_: Callable[[Exchange, Any], None] | None = None,
    ) -> None:
        self._catalog = catalog
        self._settings = settings
        self._aliases = aliases
        self._ways = ways
        self._ratios = Ratios()
        self._sessions = Sessions()
        self._patience = Patience(
            settings.code_first_token_timeout,
            settings.code_load_timeout,
            settings.code_timeout,
            catalog.absent,
        )
        self._warm = warm
        self._set = set_

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Amend the call."""
        filling: Filling | None = exchange.filling
        if filling is None:
            return
        if filling.empty:
            self._look(exchange, call)
            return
        call.model = filling.model = self._named(exchange, call.model)
        if self._set is not None:
            self._set(exchange, call)
        facts = self._catalog.facts(call.model)
        family = self._ways.of(call.model, facts.family if facts else "")
        wanted = self._ways.strategy(call.model)
        filling.decide(family, facts, self._settings, wanted)
        filling.entry = self._ways.entry(call.model)
        filling.room = self._room(filling, call, facts)
        kept = filling.put(call, filling.hole)
        if kept != filling.hole or (filling.own and call.prompt != filling.prompt):
            exchange.adjusted.append("prompt=trimmed")
        sent = len(call.prompt) + len(call.suffix)
        if filling.strategy == "chat":
            sent = size(kept) + chatting.AROUND
        exchange.counted = partial(
            self._ratios.learn, call.model, sent, context=filling.context
        )
        self._stop(filling, call)
        if exchange.wish is None and facts and "thinking" in (facts.capabilities or ()):
            call.think = "low" if facts.family in ("gptoss", "gpt-oss") else False
        filling.repeatable = not filling.ahead and call.options.get("temperature") == 0
        exchange.prepare = partial(self._begin, exchange, filling, call)

    def _look(self, exchange: Exchange, call: Any) -> None:
        """See to it that the model may be used of which nothing is wanted."""
        if self._aliases.access.concerns(exchange.key) and not _is_default(call.model):
            self._named(exchange, call.model)

    def _named(self, exchange: Exchange, name: str) -> str:
        """The model that a name means, which may be used, and the exchange knows."""
        exchange.resolved, exchange.alias = self.meant(name, exchange.key)
        if self._aliases.access.concerns(exchange.key):
            self._aliases.access.check(exchange, exchange.resolved)
        return exchange.resolved

    def model(self, name: str, key: Key | None = None) -> str:
        """The model that a name means; ``default`` is the one for code."""
        return self.meant(name, key)[0]

    def meant(self, name: str, key: Key | None = None) -> tuple[str, str]:
        """The same with the alias that says so, if one does."""
        if not _is_default(name):
            return self._aliases.meant(name, key)
        own = key.terms.default_code_model if key is not None else ""
        for chosen in filter(None, (own, self._settings.code_model)):
            model, alias = self._aliases.meant(chosen, key)
            if self._aliases.access.admits(key, model, alias, chosen):
                return model, alias
        among = partial(self._aliases.access.admits, key)
        if found := self._catalog.first(self._fills_in, among):
            return found, ""
        raise BadRequest(
            "no code model is configured",
            status=404,
            code="model_not_found",
            param="model",
        )

    def _fills_in(self, facts: Facts) -> bool:
        family = self._ways.of(facts.name, facts.family)
        known = family is not None and family.strategy == "raw"
        return known or facts.inserts

    def _room(self, filling: Filling, call: Any, facts: Facts | None) -> int:
        """How many characters of the hole the model's context can hold."""
        ratio = self._ratios.of(call.model)
        predicted = max(call.options.get("num_predict", 0), 0)
        taken = predicted + MARGIN
        context = call.options.get("num_ctx")
        around = chatting.AROUND if filling.strategy == "chat" else 0
        asked = max(size(filling.hole), len(filling.prompt)) + around
        if context is None:
            if asked <= (SMALLEST - taken) * ratio:
                context = SMALLEST  # it fits anywhere, so nobody need be asked
            else:
                context = self._context(call.model, facts)
        context = min(context, (facts.context_length if facts else None) or context)
        filling.context = context
        # An answer that is to be longer than the context leaves the half to the prompt.
        left = max(context - taken, context // 2)
        if asked > left * ratio / 2:
            ratio = density(filling.hole, ratio)
        return min(int(left * ratio), LARGEST) - around

    def _context(self, model: str, facts: Facts | None) -> int:
        if loaded := self._catalog.loaded(model):
            return loaded
        usual = (facts.num_ctx if facts else None) or USUAL
        return min(usual, (facts.context_length if facts else None) or usual)

    def _stop(self, filling: Filling, call: Any) -> None:
        """The client's stop strings, then those of the family, each once."""
        ends: list[str] = []
        if filling.strategy == "chat":
            ends = chatting.STOP
        elif filling.family is not None and filling.strategy in ("raw", "prefix"):
            ends = filling.family.stops(filling.hole)
        if ends:
            own = call.options.get("stop") or []
            call.options["stop"] = list(dict.fromkeys([*own, *ends]))

    # ------------------------------------------------------ when it is certain

    def _begin(self, exchange: Exchange, filling: Filling, call: Any) -> None:
        """Take the place of what the same editor asked before; bound the wait."""
        if filling.ahead:
            filling.read_ahead = self._warm.start if self._warm else None
            return
        if self._warm is not None:
            self._warm.make_way()
        if self._settings.context == "ollama" and 2 * len(call.prompt) < filling.room:
            exchange.prompt = None  # nobody need look whether it was cut
        watch = exchange.watch
        if self._settings.code_supersede:
            session = (*filling.session, call.model)
            asked = (call.prompt, call.suffix, _encode(call.options))
            filling.ticket = self._sessions.enter(session, watch, asked)
        if watch is not None:
            watch.look_closely()
            self._patience.begin(watch, filling.beginning, call.model)


def _is_default(name: str) -> bool:
    return name.strip().lower() == DEFAULT
