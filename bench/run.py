"""The benchmark: who is asked what, in which order.

Contestants take turns in every round, another one first each time, so that what else
the machine does hits all of them.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from . import contestants, growth, machine, resources
from .contestants import Contestant
from .figures import Figures, measure
from .results import Results
from .trials import ROUNDS, TRIALS

#: What is measured besides trials.
RESOURCES = ("memory", "start", "growth")


class Plan(NamedTuple):
    """What is measured: ``parts`` are names of trials and of ``RESOURCES``.

    ``against`` and ``without`` are as in ``contestants.field``.  ``brief`` loads tell
    whether all works, and nothing else.
    """

    rounds: int = 15
    parts: Collection[str] = (*TRIALS, *RESOURCES)
    against: Path | None = None
    without: Collection[str] = ()
    brief: bool = False


def run(plan: Plan, say: Callable[[str], None]) -> Results:
    """Measure all of it.  Raises ``Failed`` for a wrong answer.

    ``say`` is told what is going on.
    """
    results = Results(machine=machine.describe(), rounds=plan.rounds)
    trials = [name for name in TRIALS if name in plan.parts]
    if trials:
        if plan.against is None:
            results.missing = dict.fromkeys(plan.without, "it was left out")
            results.missing |= contestants.missing(plan.without)
        with contestants.field(plan.against, plan.without) as field:
            _rounds(plan, trials, field, results, say)
    if "memory" in plan.parts:
        say("memory")
        results.memory = resources.memories(plan.without, brief=plan.brief)
    if "start" in plan.parts:
        say("starts")
        results.starts = resources.starts(1 if plan.brief else resources.STARTS)
    if "growth" in plan.parts:
        say("growth")
        results.growth = growth.measure()
    return results


def _rounds(
    plan: Plan,
    trials: list[str],
    field: list[Contestant],
    results: Results,
    say: Callable[[str], None],
) -> None:
    """Ask everybody: first to warm them up, then in every round."""
    if not plan.brief:
        for name in trials:
            say(f"warming up: {TRIALS[name].title}")
            _turns(name, field, field[0], brief=True)
    for number in range(plan.rounds):
        for name in trials:
            if number < ROUNDS.get(name, plan.rounds):
                say(f"round {number + 1} of {plan.rounds}: {TRIALS[name].title}")
                order = rotated(field, number)
                for one, figures in _turns(name, order, field[0], brief=plan.brief):
                    results.add(name, one, figures)


def _turns(
    name: str, order: list[Contestant], upstream: Contestant, *, brief: bool
) -> list[tuple[str, Figures]]:
    """One trial of each who takes part, in this order."""
    return [
        (one.name, measure(TRIALS[name], one, upstream, brief=brief))
        for one in order
        if one.takes_part(name)
    ]


def rotated(field: list[Contestant], by: int) -> list[Contestant]:
    """The contestants, another one first in each round."""
    at = by % len(field)
    return field[at:] + field[:at]
