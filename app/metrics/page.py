"""Page: all numbers of all workers, as Prometheus reads them.

prometheus-client writes them; it is loaded when somebody first asks, and only in the
worker that answers.
"""

import platform
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from ..gateway.current import Current
from ..turns import in_turns
from ..version import own_version
from .board import IN_FLIGHT, PID, UP, UP_AT, Board, Series, Sheet
from .families import (
    COUNTED,
    DATABASE,
    INFO,
    KEYS,
    MEMORY,
    START,
    WORKERS,
    Family,
)
from .families import IN_FLIGHT as RUNNING
from .families import UP as UPSTREAM

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

#: The numbers of a family's series, by its labels.
Sums = dict[Series, list[float]]


def written(board: Board, current: Current) -> bytes:
    """The page; others have their turns meanwhile."""
    return generate_latest(_Registry(list(board.sheets()), board.began, current))


class _Registry:
    """What a page is of; with hundreds of models that is a lot."""

    def __init__(self, sheets: list[Sheet], began: float, current: Current) -> None:
        self._sheets, self._began, self._current = sheets, began, current

    def collect(self) -> Iterator[Metric]:
        """All metrics; their samples can be taken once."""
        yield from _asked(self._sheets, self._began, self._current)
        sums = _sums(self._sheets)
        for family in COUNTED:
            metric = _counted(family, sums[family.name])
            metric.samples = in_turns(metric.samples)  # type: ignore[assignment]
            yield metric


def _sums(sheets: Iterable[Sheet]) -> dict[str, Sums]:
    """The numbers over all sheets, by family; those that are 0 are left out."""
    sums: dict[str, Sums] = defaultdict(dict)
    for sheet in sheets:
        for (name, *labels), numbers in in_turns(sheet.numbers()):
            mine, series = sums[name], tuple(labels)
            if series in mine:
                mine[series] = [
                    a + b for a, b in zip(mine[series], numbers, strict=True)
                ]
            elif any(numbers) or not labels:
                mine[series] = numbers
    return sums


def _counted(family: Family, sums: Sums) -> Metric:
    mine = sorted(sums.items())
    if family.kind == "counter":
        counter = CounterMetricFamily(family.name, family.help, labels=family.labels)
        for labels, numbers in mine:
            counter.add_metric(labels, numbers[0])
        return counter
    histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    for labels, numbers in in_turns(mine):
        histogram.add_metric(labels, list(_buckets(family, numbers)), numbers[-1])
    return histogram


def _buckets(family: Family, numbers: list[float]) -> Iterator[tuple[str, float]]:
    """Each upper bound, with how many values are not above it."""
    total = 0.0
    bounds = [*[str(float(bound)) for bound in family.buckets], "+Inf"]
    for bound, number in zip(bounds, numbers[:-1], strict=True):
        total += number
        yield bound, total


def _asked(sheets: list[Sheet], began: float, current: Current) -> Iterator[Metric]:
    """What is found out now."""
    running = {str(n): one for n, one in enumerate(sheets) if one.cells[PID]}
    yield _gauge(INFO, 1, own_version(), platform.python_version())
    yield _gauge(START, began)
    yield _gauge(WORKERS, len(running))
    memory = GaugeMetricFamily(MEMORY.name, MEMORY.help, labels=MEMORY.labels)
    for number, sheet in running.items():
        if size := _memory(int(sheet.cells[PID])):
            memory.add_metric([number], size)
    yield memory
    yield _gauge(RUNNING, sum(sheet.cells[IN_FLIGHT] for sheet in sheets))
    latest = max(sheets, key=lambda sheet: sheet.cells[UP_AT])
    if latest.cells[UP_AT]:
        yield _gauge(UPSTREAM, latest.cells[UP])
    if current.failure is None:
        yield _gauge(KEYS, len({key.id for key in current.now.keys.values()}))
    yield _gauge(DATABASE, float(current.failure is None))


def _gauge(family: Family, value: float, *labels: str) -> Metric:
    gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    gauge.add_metric(labels, value)
    return gauge


def _memory(pid: int) -> int:
    """A process's memory in bytes; 0 where the system does not tell."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:  # no Linux, or it has ended
        pass
    return 0
