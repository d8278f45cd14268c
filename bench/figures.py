"""What one trial of one contestant gave, in figures."""

import statistics
from typing import NamedTuple

from . import process
from .contestants import Contestant
from .trials import Trial, first_word


class Figures(NamedTuple):
    """Times in milliseconds, CPU of the process tree in microseconds a unit."""

    rate: float
    cpu: float
    first: float
    first99: float
    gap: float
    gap99: float
    busy: float  # share of a core that the upstream used


def measure(
    trial: Trial, contestant: Contestant, upstream: Contestant, *, brief: bool = False
) -> Figures:
    """Put a load on a contestant.  Raises ``Failed`` for a wrong answer."""
    used, theirs = process.cpu(contestant.pid), process.cpu(upstream.pid)
    found = trial.run(contestant.url, native=contestant.native, brief=brief)
    used, theirs = process.cpu(contestant.pid) - used, process.cpu(upstream.pid) - theirs
    units = len(found.answers) * trial.units
    firsts, gaps = [], [0.0]
    for answer in found.answers:
        at = first_word(answer) if trial.units > 1 else -1
        firsts.append((answer.arrivals[at] - answer.asked) * 1000)
        if trial.turns:
            told = answer.arrivals[at:]
            gaps += [(b - a) * 1000 for a, b in zip(told, told[1:], strict=False)]
    return Figures(
        rate=units / found.seconds,
        cpu=used / units * 1e6,
        first=statistics.median(firsts),
        first99=_worst(firsts),
        gap=statistics.median(gaps),
        gap99=_worst(gaps),
        busy=theirs / found.seconds,
    )


def _worst(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]
