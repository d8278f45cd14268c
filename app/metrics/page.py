"""Page: all numbers of all workers, as Prometheus reads them.

prometheus-client writes them; it is loaded when somebody first asks, and only in the
worker that answers.
"""

import platform
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

Sums = dict[Series, list[float]]


def written(board: Board, current: Current) -> bytes:
    """The page; others have their turns meanwhile."""
    metrics = _metrics(list(board.sheets()), board.began, current)
    return b"".join([generate_latest(_Alone(one)) for one in in_turns(metrics)])


class _Alone:
    """A registry of one metric: with hundreds of models a page takes long."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        """It."""
        yield self._metric


def _metrics(sheets: list[Sheet], began: float, current: Current) -> Iterator[Metric]:
    yield from _asked(sheets, began, current)
    sums = _sums(sheets)
    for family in COUNTED:
        yield _counted(family, sums)


def _sums(sheets: Iterable[Sheet]) -> Sums:
    """The numbers of each series over all sheets."""
    sums: Sums = {}
    for sheet in sheets:
        for series, numbers in sheet.numbers():
            known = sums.get(series)
            if known is not None:
                numbers = [a + b for a, b in zip(known, numbers, strict=True)]
            sums[series] = numbers
    return sums


def _counted(family: Family, sums: Sums) -> Metric:
    mine = [(series[1:], n) for series, n in sums.items() if series[0] == family.name]
    if family.kind == "counter":
        counter = CounterMetricFamily(family.name, family.help, labels=family.labels)
        for labels, (number,) in sorted(mine):
            counter.add_metric(labels, number)
        return counter
    histogram = HistogramMetricFamily(family.name, family.help, labels=family.labels)
    for labels, numbers in sorted(mine):
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
