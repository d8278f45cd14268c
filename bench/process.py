"""What a process and its children cost: CPU time and memory, from Linux's /proc."""

import os
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")


def tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for thread in (_PROC / str(pid) / "task").iterdir():
        for child in (thread / "children").read_text().split():
            yield from tree(int(child))


def cpu(pid: int) -> float:
    """Seconds of CPU that a tree has used so far."""
    return sum(_cpu(thread) for one in tree(pid) for thread in _threads(one))


def _threads(pid: int) -> Iterator[Path]:
    return (_PROC / str(pid) / "task").iterdir()


def _cpu(thread: Path) -> float:
    scheduled = thread / "schedstat"  # nanoseconds; not every kernel has it
    if scheduled.exists():
        return int(scheduled.read_text().split()[0]) / 1e9
    fields = (thread / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> float:
    """MB that a tree holds: PSS, in which shared pages count once."""
    return sum(pss(one) for one in tree(pid)) / 1024


def pss(pid: int) -> int:
    """KB that one process holds."""
    rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
    return int(rollup.partition("\nPss:")[2].split()[0])


def available() -> bool:
    """Whether this system tells."""
    return (_PROC / "self" / "smaps_rollup").exists()
