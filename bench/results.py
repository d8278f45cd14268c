"""What a benchmark found, as it is kept: every round's figures, and how to compare.

Ratios and differences are taken within a round, where both had the same machine, and
their median is what counts.
"""

import statistics
from collections.abc import Callable
from pathlib import Path

import msgspec

from .contestants import DIRECT
from .figures import Figures
from .growth import Curve
from .trials import TRIALS


class Memory(msgspec.Struct):
    """MB that a process tree holds (PSS)."""

    fresh: float  # after its first answers
    growth: float  # with ``bench.resources.STREAMS`` open streams


class Results(msgspec.Struct):
    """All that was measured.

    ``figures`` has, for each trial and contestant by name, those of each round;
    ``starts`` the seconds from each start to the first answer.
    """

    machine: dict[str, str] = {}
    rounds: int = 0
    whole: bool = False  # of everything, and worth a place in the page
    missing: dict[str, str] = {}  # who could not take part, and why
    figures: dict[str, dict[str, list[Figures]]] = {}
    memory: dict[str, Memory] = {}
    starts: list[float] = []
    growth: list[Curve] = []

    def add(self, trial: str, contestant: str, figures: Figures) -> None:
        """Keep the figures of a round."""
        self.figures.setdefault(trial, {}).setdefault(contestant, []).append(figures)

    def median(self, trial: str, contestant: str) -> Figures | None:
        """A contestant's medians over the rounds; ``None`` if it did not take part."""
        rounds = self.figures.get(trial, {}).get(contestant)
        if not rounds:
            return None
        return Figures(*map(statistics.median, zip(*rounds, strict=True)))

    def compared(
        self,
        trial: str,
        one: str,
        other: str,
        compare: Callable[[Figures, Figures], float],
    ) -> float | None:
        """Two contestants; ``None`` unless both took part."""
        found = self.figures.get(trial, {})
        pairs = zip(found.get(one, []), found.get(other, []), strict=False)
        values = [compare(mine, theirs) for mine, theirs in pairs]
        return statistics.median(values) if values else None

    def ratio(self, trial: str, figure: str, one: str, other: str) -> float | None:
        """How many times the other's figure one's is."""

        def compare(a: Figures, b: Figures) -> float:
            return float(getattr(a, figure) / getattr(b, figure))

        return self.compared(trial, one, other, compare)

    def difference(self, trial: str, figure: str, one: str, other: str) -> float | None:
        """By how much one's figure is above the other's."""
        return self.compared(
            trial, one, other, lambda a, b: getattr(a, figure) - getattr(b, figure)
        )

    def start(self) -> float | None:
        """The median of the starts."""
        return statistics.median(self.starts) if self.starts else None

    def contestants(self, trial: str) -> list[str]:
        """Who took part in a trial: the upstream first."""
        return sorted(self.figures.get(trial, {}), key=lambda name: name != DIRECT)

    def trials(self) -> list[str]:
        """The trials that were made, in their order."""
        return [name for name in TRIALS if name in self.figures]


def save(results: Results, path: Path) -> None:
    """Keep them as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results)))


def load(path: Path) -> Results:
    """Read what was kept.  Raises ``OSError`` and ``msgspec.ValidationError``."""
    return msgspec.json.decode(path.read_bytes(), type=Results)
