"""Results in words: tables for people, and their place in docs/performance.md."""

from . import growth
from .bars import BARS
from .contestants import DIRECT, PANNIER
from .figures import Figures
from .results import Results
from .trials import ROUNDS, TRIALS, Trial

BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def report(results: Results) -> str:
    """All of it as Markdown."""
    parts = [_about(results), _bars(results)]
    parts += [_trial(results, name) for name in results.trials()]
    parts += [_memory(results), _starts(results), _growth(results)]
    return "\n".join(part for part in parts if part)


def page(text: str, results: Results) -> str:
    """A page with its part between the marks made anew."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} … {END}")
    plots = "![Costs side by side](performance.svg)\n\n"
    if results.growth:
        plots += "![How costs grow](performance-growth.svg)\n\n"
    return f"{before}{BEGIN}\n{plots}{report(results)}{END}{after}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    """A table whose first column is of words, the others of figures."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _about(results: Results) -> str:
    machine = dict(results.machine)
    date, cores = machine.pop("date", ""), machine.pop("cores", "?")
    versions = ", ".join(f"{name} {version}" for name, version in machine.items())
    fewer = [TRIALS[name].title for name in results.trials() if name in ROUNDS]
    lines = [f"Measured {date} on {cores} cores: {versions}."]
    lines.append(f"Medians of {results.rounds} round{'s' * (results.rounds > 1)}")
    if fewer and results.rounds > min(ROUNDS.values()):
        lines[-1] += f" ({min(ROUNDS.values())} of {'; '.join(fewer)})"
    lines[-1] += "; ratios are taken within a round."
    lines += [f"**{name} was not measured: {why}.**" for name, why in _missing(results)]
    return "\n".join([*lines, ""])


def _missing(results: Results) -> list[tuple[str, str]]:
    return sorted(results.missing.items())


def _bars(results: Results) -> str:
    rows = []
    for bar in BARS:
        verdict = bar.verdict(results)
        said = f"**{verdict}**" if verdict == "missed" else verdict
        rows.append([bar.figure, bar.bar, bar.beyond, bar.measured(results), said])
    head = ["figure", "bar", "beyond", "measured", "verdict"]
    return f"### The bars\n\n{_table(head, rows)}"


def _trial(results: Results, name: str) -> str:
    trial = TRIALS[name]
    head = ["", f"{trial.unit}s/s", "÷ Pannier's", *_times_head(trial)]
    head += [f"CPU µs/{trial.unit}", "÷ Pannier's", "upstream busy"]
    rows = [_row(results, name, one) for one in results.contestants(name)]
    return f"### {trial.title}\n\n{_table(head, rows)}"


def _times_head(trial: Trial) -> list[str]:
    if trial.units == 1:
        return ["p50 ms", "p99 ms"]
    head = ["first token p50 ms", "p99 ms"]
    return [*head, "gap p50 ms", "p99 ms"] if trial.turns else head


def _times(trial: Trial, figures: Figures) -> list[str]:
    times = [figures.first, figures.first99]
    times += [figures.gap, figures.gap99] if trial.turns else []
    return [f"{time:.2f}" if time < 100 else f"{time:,.0f}" for time in times]


def _row(results: Results, name: str, contestant: str) -> list[str]:
    figures = results.median(name, contestant)
    assert figures is not None
    return [
        contestant,
        f"{figures.rate:,.0f}",
        _times_of(results.ratio(name, "rate", contestant, PANNIER)),
        *_times(TRIALS[name], figures),
        f"{figures.cpu:,.1f}",
        # Its CPU time is that of answering, and nobody's who passes answers on.
        "" if contestant == DIRECT
        else _times_of(results.ratio(name, "cpu", contestant, PANNIER)),
        f"{figures.busy * 100:.0f} %",
    ]  # fmt: skip


def _times_of(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _memory(results: Results) -> str:
    if not results.memory:
        return ""
    rows = [
        [name, f"{memory.fresh:.1f}", f"{memory.growth:+.1f}"]
        for name, memory in results.memory.items()
    ]
    head = ["", "fresh MB", "with 1,000 open streams"]
    return f"### Memory (PSS of all its processes)\n\n{_table(head, rows)}"


def _starts(results: Results) -> str:
    if not results.starts:
        return ""
    each = ", ".join(f"{seconds:.2f}" for seconds in results.starts)
    return (
        "### Start\n\n"
        "Seconds from the start of gunicorn to the first whole answer:"
        f" {results.start():.2f} (median of {each}).\n"
    )


def _growth(results: Results) -> str:
    if not results.growth:
        return ""
    tables = []
    for curve in results.growth:
        head = [f"{curve.title}: {curve.x}", *(f"{x:,.0f}" for x, _ in curve.points)]
        costs = [f"{y:,.0f}" if y >= 100 else f"{y:.1f}" for _, y in curve.points]
        row = [curve.y, *costs, f"{growth.steepest(curve):.2f}"]
        tables.append(_table([*head, "steepest step"], [row]))
    return "### How cost grows\n\n" + "\n".join(tables)
