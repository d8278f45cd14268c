"""What one trial of one contestant gave, in figures."""

import itertools
import statistics
from typing import NamedTuple

import msgspec

from . import process
from .contestants import Contestant
from .load import Answer, Failed
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
    if trial.turns and contestant.turns:
        trial = trial._replace(turns=contestant.turns)
    used, theirs = process.cpu(contestant.pid), process.cpu(upstream.pid)
    try:
        found = trial.run(
            contestant.url,
            native=contestant.native,
            checked=contestant.checked,
            brief=brief,
        )
    except (Failed, OSError, ValueError, LookupError, msgspec.MsgspecError) as error:
        raise Failed(f"{contestant.name}, {trial.title}: {error}") from error
    used = process.cpu(contestant.pid) - used
    theirs = process.cpu(upstream.pid) - theirs
    firsts, gaps = _times(trial, found.answers)
    units = len(found.answers) * trial.units
    return Figures(
        rate=units / found.seconds,
        cpu=used / units * 1e6,
        first=statistics.median(firsts),
        first99=_worst(firsts),
        gap=statistics.median(gaps),
        gap99=_worst(gaps),
        busy=theirs / found.seconds,
    )


def _times(trial: Trial, answers: list[Answer]) -> tuple[list[float], list[float]]:
    """Milliseconds to the first word or the whole answer, and between the words."""
    firsts, gaps = [], [0.0]
    for answer in answers:
        at = first_word(answer) if trial.units > 1 else -1
        firsts.append((answer.arrivals[at] - answer.asked) * 1000)
        if trial.turns:
            gaps += [
                (b - a) * 1000 for a, b in itertools.pairwise(answer.arrivals[at:])
            ]
    return firsts, gaps


def _worst(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]
