"""Tables and the verdict: what must hold after hours as after minutes."""

from statistics import median
from typing import NamedTuple

from .load import Load
from .watch import Sample

#: How much memory and descriptors may grow: by this share, or by so much.
SHARE = 0.05
MEGABYTES, DESCRIPTORS = 12.0, 32
#: The beginning that does not count: caches and arenas fill up.
WARM = 300.0


class Verdict(NamedTuple):
    """One thing that must hold."""

    holds: bool
    words: str


def settled(samples: list[Sample]) -> tuple[list[Sample], list[Sample]]:
    """The first and the last third of the time that counts.

    It begins after five minutes, or after a third of a run that is shorter than 15.
    """
    end = samples[-1].second
    warm = min(WARM, end / 3)
    third = (end - warm) / 3
    first = [one for one in samples if warm <= one.second <= warm + third]
    return first, [one for one in samples if one.second >= end - third]


def flat(name: str, before: float, after: float, allowance: float) -> Verdict:
    """Whether something did not grow between two medians."""
    limit = before + max(before * SHARE, allowance)
    words = f"{name}: {before:.1f} -> {after:.1f} (at most {limit:.1f})"
    return Verdict(after <= limit, words)


def verdicts(samples: list[Sample], load: Load) -> list[Verdict]:
    """What the samples under load and the answers say."""
    first, last = settled(samples)
    memory = [median([one.memory for one in part]) for part in (first, last)]
    # How many calls are open is luck, and each has two: its client's, and Ollama's.
    files = [
        median([one.descriptors - 2 * one.upstream for one in part])
        for part in (first, last)
    ]
    wrong = sum(load.unexplained.values())
    return [
        flat("memory, MB, medians", *memory, MEGABYTES),
        flat("descriptors beside open calls, medians", *files, DESCRIPTORS),
        Verdict(not wrong, f"unexplained answers: {wrong}"),
        Verdict(
            not load.late, f"requests that the machine was too busy for: {load.late}"
        ),
    ]


def over_time(samples: list[Sample], rows: int = 30) -> str:
    """A table of at most so many samples."""
    lines = [
        "| second | memory MB | descriptors | open at Ollama | CPU % of a core |",
        "|--:|--:|--:|--:|--:|",
    ]
    step = max(1, -(-len(samples) // rows))
    shown = samples[::step]
    if shown[-1] is not samples[-1]:
        shown.append(samples[-1])
    for before, one in zip([None, *shown], shown, strict=False):
        used = "" if before is None else f"{load_of(before, one) * 100:.0f}"
        lines.append(
            f"| {one.second:.0f} | {one.memory:.1f} | {one.descriptors}"
            f" | {one.upstream} | {used} |"
        )
    return "\n".join(lines)


def load_of(before: Sample, one: Sample) -> float:
    """The cores in use between two samples."""
    return (one.cpu - before.cpu) / max(one.second - before.second, 0.001)


def by_kind(load: Load) -> str:
    """How many requests of each kind, and what was wrong with them."""
    lines = ["| kind | requests | slowest, s |", "|---|--:|--:|"]
    for name, count in load.done.most_common():
        lines.append(f"| {name} | {count:,} | {load.slowest[name]:.1f} |")
    lines.append(f"| all | {sum(load.done.values()):,} | |")
    for (name, what), count in load.unexplained.most_common():
        example = load.examples[name, what]
        lines.append(f"\nUnexplained, {count}: {name}: {what}\n    {example}")
    return "\n".join(lines)
