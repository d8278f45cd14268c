"""Overrides: parameters that an installation sets, put into a call.

A policy.  What is forced counts before a request, what is a default after it, and caps
before all.  What of a request had to give way is named (specification: gateway,
section 5; decisions, 13 and 33).
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from app.catalog import Catalog
from app.exchange import Exchange
from app.gateway.current import Current
from app.gateway.overrides import Layers, within
from app.gateway.parameters import KNOWN, RUNNER, cut, is_number
from app.gateway.rules import SPECIAL
from app.gateway.snapshot import Snapshot
from app.relay import bounds
from app.settings import Settings
from app.wire import names, ollama

from . import unloading
from .caps import Caps, Options
from .effects import unsupported
from .members import Members, value_of
from .special import Rules, Special, noted
from .timeouts import bounded

_NONE: Rules = {}
#: What no request of a key may say, unless it is allowed to.
_RUNNER = RUNNER - {"num_ctx"}
#: What of Ollama's own requests can be forced, beside options.
NATIVE = frozenset(["format", "keep_alive", "shift", "think", "truncate"])

_encode = msgspec.json.Encoder().encode


class Overrides:
    """A policy that brings a call and its exchange to what was set.

    It goes after ``Access`` and before all that looks at parameters.  ``catalog`` knows
    what context a model would have, where a call is bound to one.
    """

    def __init__(
        self, current: Current, settings: Settings, catalog: Catalog | None = None
    ) -> None:
        self._current = current
        self._settings = settings
        self._caps = Caps(settings, catalog)
        self._special = Special(settings)
        self._usual = {s: bounds(settings, s) for s in (None, False, True)}
        self._snapshot: Snapshot | None = None
        self._layers = Layers(Snapshot())

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Amend the call and what the exchange says of it.

        Code has had it before (``on_code``).  Raises ``BadRequest`` for what the key
        must not do.
        """
        if exchange.filling is None and (rules := self._amended(exchange, call)):
            self._special.amend(exchange, call, rules)

    def on_code(self, exchange: Exchange, call: Any) -> None:
        """The same for code, before it is known how much of it fits."""
        if rules := self._amended(exchange, call):
            self._special.amend(exchange, call, rules)

    def narrowly(self, exchange: Exchange, call: Any) -> None:
        """The same for a call that is no text of a client's: options and times."""
        if rules := self._amended(exchange, call):
            self._special.keep(exchange, call, rules)

    def native(self, exchange: Exchange, members: Members, path: str) -> Members:
        """The members of a request to one of Ollama's own paths, each as its bytes.

        Caps hold, what is forced is put in, and what the key must not say goes; the
        defaults are left to Ollama's Modelfile.  The exchange knows the model.  Raises
        ``BadRequest`` for what the key must not do, and for a number out of range.
        """
        rules = self._rules(exchange, exchange.resolved or exchange.model)
        if not rules and exchange.key is None:
            return members
        self._bound(exchange, rules)
        amended = dict(members)
        if not _may_keep(exchange):
            raws = _taken(amended, "keep_alive")
            said = [value_of("keep_alive", raw) for raw in raws]
            if kept := [one for one in said if one is not None]:
                if unloading.unloads(kept, amended, path):
                    raise unloading.refusal()
                self._refuse(exchange, "keep_alive")
        for name in NATIVE & rules.keys():
            found = rules[name]
            if found.rule is None or not found.forces:
                continue
            value = None if found.rule.value is None else _encode(found.rule.value)
            if [raw for raw in _taken(amended, name) if bytes(raw) != value]:
                exchange.adjusted.append(noted(name, found.rule.value))
            if value is not None:
                amended[name] = msgspec.Raw(value)
        return self._with_options(exchange, amended, rules)

    # ------------------------------------------------------------- what counts

    def _rules(self, exchange: Exchange, model: str) -> Rules:
        """What is set for this model, by the name it has and to this key."""
        now = self._current.now
        if now is not self._snapshot:
            self._snapshot, self._layers = now, Layers(now)
        key = exchange.key
        if self._layers.any or (key is not None and key.terms.overrides):
            return self._layers.of(exchange.alias, names.key(model), key)
        return _NONE

    def _amended(self, exchange: Exchange, call: Any) -> Rules:
        """The rules of a call, after its options and times are as they say."""
        key = exchange.key
        if key is None and exchange.patience is None and self._current.plain:
            return _NONE
        rules = self._rules(exchange, call.model)
        if rules or exchange.patience is not None:
            self._bound(exchange, rules)
        if not rules and key is None:
            return rules
        if call.keep_alive is not None and not _may_keep(exchange):
            self._refuse(exchange, "keep_alive")
            call.keep_alive = None
        options = dict(call.options or {})
        given = self._allowed(exchange, options, exchange.given)
        if rules:
            self._set(exchange, options, given, rules, defaults=True)
        embeds = isinstance(call, ollama.EmbedRequest)
        chosen = exchange.filling is None
        self._caps(exchange, call.model, options, rules, embeds=embeds, chosen=chosen)
        # Code is put into a call after this, and has options in any case.
        call.options = options if exchange.filling is not None else options or None
        return rules

    # ---------------------------------------------------------------- options

    def _known(self, exchange: Exchange, options: Options) -> None:
        """See to what of a key's options Ollama is not known to have."""
        policy = self._settings.unknown_options
        for name in sorted(options.keys() - KNOWN):
            if name.lower() in _RUNNER:
                continue  # however it is spelt, it is a matter of rights
            if policy == "reject":
                raise unsupported(f"options.{name}")
            self._refuse(exchange, f"options.{name}")
            if policy == "drop":
                del options[name]

    def _allowed(
        self, exchange: Exchange, options: Options, given: Iterable[str]
    ) -> set[str]:
        """The names that a request gives, without those that its key may not."""
        names_given = set(given)
        if exchange.key is None or exchange.key.terms.allow_runner_options:
            return names_given
        for name in sorted(names_given):
            if name.lower() in _RUNNER:
                self._refuse(exchange, f"options.{name}")
                options.pop(name, None)
                names_given.discard(name)
        return names_given

    def _set(
        self,
        exchange: Exchange,
        options: Options,
        given: set[str],
        rules: Rules,
        *,
        defaults: bool,
    ) -> None:
        """Put into the options what the rules say of them; ``given`` are a client's."""
        for name, found in rules.items():
            if name in SPECIAL:
                continue
            if (rule := found.rule) is not None and found.forces:
                if name in given and options.get(name) != rule.value:
                    exchange.adjusted.append(noted(name, rule.value))
                options.pop(name, None)
            counts = found.forces or (defaults and name not in given)
            if rule is not None and rule.value is not None and counts:
                options[name] = rule.value
            value: Any = options.get(name)
            if is_number(value) and (nearest := within(name, value, found)) != value:
                options[name] = nearest
                exchange.adjusted.append(noted(name, nearest))

    def _with_options(
        self, exchange: Exchange, members: Members, rules: Rules
    ) -> Members:
        """Members with their options amended, which may be in several objects."""
        options: Options = {}
        rest = dict(members)
        for raw in _taken(rest, "options"):
            given = value_of("options", raw)
            if given is not None and not isinstance(given, dict):
                return members  # Ollama refuses it
            options = options | given if given else {}
        before = dict(options)
        options = {name: cut(name, value) for name, value in options.items()}
        if exchange.key is not None:
            self._known(exchange, options)
        allowed = self._allowed(exchange, options, options)
        self._set(exchange, options, allowed, rules, defaults=False)
        self._caps(exchange, exchange.resolved or exchange.model, options, rules)
        if options == before and len(members) - len(rest) < 2:
            return members
        return rest | {"options": msgspec.Raw(_encode(options))}

    # ------------------------------------------------------------------ others

    def _refuse(self, exchange: Exchange, name: str) -> None:
        """Name what the key may not say; strict mode refuses it."""
        if self._settings.strict:
            raise unsupported(name)
        exchange.ignored.append(name)

    def _bound(self, exchange: Exchange, rules: Rules) -> None:
        """The times of the call, where anybody said something of them."""
        said = {
            name: rules[f"{name}_timeout"].rule
            for name in ("request", "first_token", "idle")
            if f"{name}_timeout" in rules
        }
        seconds = {n: rule.value for n, rule in said.items() if rule is not None}
        if not seconds and exchange.patience is None:
            return
        whole = said.get("request")
        heard = whole is None or whole.mode == "default"
        exchange.timeouts = bounded(
            self._usual[exchange.stream],
            stream=exchange.stream,
            wish=exchange.patience if heard else None,
            total=seconds.get("request"),
            first=seconds.get("first_token"),
            idle=seconds.get("idle"),
        )


def _taken(members: Members, name: str) -> list[msgspec.Raw]:
    """Take the members of a name out, which Go reads in any case."""
    found = [field for field in members if field.casefold() == name]
    return [members.pop(field) for field in found]


def _may_keep(exchange: Exchange) -> bool:
    """Whether a request may say how long its model stays loaded."""
    return exchange.key is None or exchange.key.terms.allow_keep_alive
