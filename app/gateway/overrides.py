"""Overrides: which of the parameters that an installation sets wins, pure.

Each layer has rules by name (``rules``); together they become one set, for an alias, a
model and a key (specification: gateway, section 5).
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ..settings import Settings
from ..wire import names
from .keys import Key
from .parameters import ENDLESS
from .rules import OverrideError, Rule, check, read, shown
from .snapshot import Snapshot

__all__ = [
    "Effective",
    "Layers",
    "Merged",
    "OverrideError",
    "check",
    "effective",
    "endless",
    "merged",
    "within",
]

_BOUNDS = ("min", "max")
#: Combinations of alias, model and key that are remembered: many keys with overrides of
#: their own could make many.
MOST = 10_000


class Merged(NamedTuple):
    """What all layers say of one name.

    ``rule`` gives its value, or takes it away; ``least`` and ``most`` bound it.
    """

    rule: Rule | None
    least: Rule | None = None
    most: Rule | None = None

    @property
    def forces(self) -> bool:
        """Whether the rule counts whatever a request says."""
        return self.rule is not None and self.rule.mode != "default"


# ----------------------------------------------------------------- layers


def merged(layers: Iterable[Mapping[str, Rule]]) -> dict[str, Merged]:
    """What layers say together, the highest first, by name.

    What forces wins over what does not; otherwise the higher layer does.  Bounds of
    all layers hold.
    """
    by_name: dict[str, list[Rule]] = {}
    for layer in layers:
        for name, rule in layer.items():
            by_name.setdefault(name, []).append(rule)
    return {name: _merged(name, rules) for name, rules in sorted(by_name.items())}


def _merged(name: str, rules: list[Rule]) -> Merged:
    giving = [rule for rule in rules if rule.mode not in _BOUNDS]
    if name == "exclude_reasoning":  # here a key counts first (section 5.1)
        giving.sort(key=lambda rule: rule.origin != "key")
    forcing = [rule for rule in giving if rule.mode != "default"]
    least = [rule for rule in rules if rule.mode == "min"]
    most = [rule for rule in rules if rule.mode == "max"]
    return Merged(
        next(iter([*forcing, *giving]), None),
        max(least, key=lambda rule: rule.value, default=None),
        min(most, key=lambda rule: endless(name, rule.value), default=None),
    )


def endless(name: str, value: float) -> float:
    """An option's value as it compares: what means all there is, is infinite."""
    return math.inf if name in ENDLESS and value <= 0 else value


def within(name: str, value: float, rules: Merged) -> float:
    """A value brought to the bounds; the upper one counts where both cannot hold."""
    size = endless(name, value)
    if rules.least is not None and size < endless(name, rules.least.value):
        value = rules.least.value
    most = rules.most
    if most is not None and endless(name, value) > endless(name, most.value):
        value = most.value
    return value


class Layers:
    """The layers of one snapshot, each read once."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._read: dict[tuple[str, str], Mapping[str, Rule]] = {}
        self._merged: dict[tuple[str, str, str], dict[str, Merged]] = {}
        #: Whether anything is set for anybody, keys aside.
        self.any = (
            bool(snapshot.overrides)
            or any(one.overrides for one in snapshot.models.values())
            or any(one.overrides for one in snapshot.aliases.values())
        )

    def of(self, alias: str, model: str, key: Key | None) -> Mapping[str, Merged]:
        """What counts for a model by its ``names.key`` and an alias in lower case."""
        known = self._snapshot
        of_alias, of_model = known.aliases.get(alias), known.models.get(model)
        at = (
            alias if of_alias and of_alias.overrides else "",
            model if of_model and of_model.overrides else "",
            key.id if key and key.terms.overrides else "",
        )
        found = self._merged.get(at)
        if found is None:
            own = read(key.terms.overrides, "key") if key and at[2] else {}
            found = merged(
                [
                    self._layer("alias", at[0], of_alias),
                    self._layer("model", at[1], of_model),
                    own,
                    self._layer("global", "*", known),
                ]
            )
            if not at[2] or (key and known.has(key)):
                if len(self._merged) >= MOST:
                    self._merged.clear()
                self._merged[at] = found
        return found

    def _layer(self, origin: str, id: str, holder: Any) -> Mapping[str, Rule]:
        if not id:
            return {}
        rules = self._read.get((origin, id))
        if rules is None:
            rules = self._read[origin, id] = read(holder.overrides, origin)
        return rules


# -------------------------------------------------------------- effective


class Effective(NamedTuple):
    """One parameter in force: what it is, how, and which layer says so."""

    name: str
    value: Any
    mode: str
    origin: str


def effective(
    snapshot: Snapshot,
    settings: Settings,
    model: str,
    alias: str = "",
    key: Key | None = None,
) -> list[Effective]:
    """What is in force for a model, as it may be asked for by an alias, or by a key.

    Times are in milliseconds.  A name may have a value and two bounds; what requests
    may still say counts before the mode ``default``.
    """
    rules = Layers(snapshot).of(alias.lower(), names.key(model), key)
    found = [
        Effective(name, shown(name, rule.value), rule.mode, rule.origin)
        for name, together in rules.items()
        for rule in together
        if rule is not None
    ]
    given = {one.name for one in found if one.mode not in _BOUNDS}
    found += _caps(key)
    found += [
        Effective(name, value, "default", "settings")
        for name, value in _usual(settings)
        if name not in given
    ]
    return sorted(found, key=lambda one: (one.name, one.mode in _BOUNDS))


def _caps(key: Key | None) -> Iterator[Effective]:
    if key is not None and key.terms.max_output_tokens is not None:
        yield Effective("num_predict", key.terms.max_output_tokens, "max", "key")
    if key is not None and key.terms.max_num_ctx is not None:
        yield Effective("num_ctx", key.terms.max_num_ctx, "max", "key")


def _usual(settings: Settings) -> Iterator[tuple[str, Any]]:
    """What the settings say, in the words of overrides; sampling is OpenAI's."""
    if settings.openai_defaults:
        yield from (("temperature", 1.0), ("top_p", 1.0))
    if settings.think == "off":
        yield "think", False
    yield "exclude_reasoning", settings.exclude_reasoning
    yield "reasoning_field", settings.reasoning_field
    for name, seconds in (
        ("request_timeout", settings.total_timeout),
        ("first_token_timeout", settings.first_byte_timeout),
        ("idle_timeout", settings.idle_timeout),
    ):
        yield name, round(seconds * 1000)
