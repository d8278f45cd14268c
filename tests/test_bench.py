"""The benchmark: that it judges rightly, and that its pieces fit together."""

import importlib
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.server import ROOT

from bench import contestants, load, plot, results, trials
from bench.bars import BARS
from bench.contestants import DIRECT, HELLO, NAIVE, PANNIER, PASSING
from bench.figures import Figures
from bench.growth import Curve
from bench.report import page, report
from bench.results import Memory, Results
from bench.run import Plan, run

#: Everybody the same, so that all ratios are 1 and all differences 0.
SAME = Figures(rate=1.0, cpu=1.0, first=1.0, first99=1.0, gap=1.0, gap99=1.0, busy=0.5)
EVERYBODY = (DIRECT, PANNIER, PASSING, HELLO, NAIVE)


def made_up(**ours: float) -> Results:
    """Results of two rounds in which only Pannier has figures of its own."""
    found = Results(machine={"date": "2026-01-02", "cores": "2"}, rounds=2)
    for trial in trials.TRIALS:
        for name in EVERYBODY:
            mine = SAME._replace(**ours) if name == PANNIER else SAME
            found.add(trial, name, mine)
            found.add(trial, name, mine)
    found.memory = {PANNIER: Memory(fresh=50.0, growth=25.0)}
    found.starts = [0.5, 3.0, 0.7]
    found.growth = [Curve("Streams & more", "streams", "CPU", [(50, 9.0), (1000, 7.5)])]
    return found


@pytest.mark.parametrize(
    "path", sorted((ROOT / "bench").glob("[a-z]*.py")), ids=lambda path: path.stem
)
def test_what_is_run_by_itself_fits(path: Path) -> None:
    """Each module finds what it needs of Pannier."""
    importlib.import_module(f"bench.{path.stem}")


def verdicts(found: Results) -> list[str]:
    """What is said of each bar, in their order."""
    return [bar.verdict(found) for bar in BARS]


def test_bars() -> None:
    """Each figure is held against its own bar, in the direction that is better."""
    assert verdicts(made_up()) == [
        "beyond", "missed", "beyond", "missed", "beyond", "beyond",
        "beyond", "missed", "held", "missed", "beyond",
    ]  # fmt: skip
    assert verdicts(made_up(rate=4.0, cpu=0.1, first=1.3, first99=5, gap99=1.2)) == [
        "beyond", "held", "held", "beyond", "beyond", "held",
        "held", "beyond", "held", "held", "beyond",
    ]  # fmt: skip
    assert verdicts(made_up(cpu=3.0, first=1.5, first99=7, gap99=3.1))[:7] == [
        "missed", "missed", "missed", "missed", "missed", "missed", "missed",
    ]  # fmt: skip


def test_the_worse_value_counts() -> None:
    """Where a bar is for two figures, one that misses it is enough."""
    found = made_up()
    found.memory[PANNIER] = Memory(fresh=30.0, growth=31.0)
    found.figures["paced-500"][PANNIER] = [SAME._replace(cpu=2.3)] * 2
    assert [verdicts(found)[at] for at in (4, 8)] == ["missed", "missed"]
    assert BARS[8].measured(found) == "30.0 MB; 31.0 MB"
    assert BARS[4].measured(found) == "1.00; 2.30"


def test_ratios_are_of_a_round() -> None:
    """A round in which the machine was slow for all changes no ratio."""
    found = Results()
    for rate in (1.0, 10.0, 3.0):
        found.add("flat", PANNIER, SAME._replace(rate=2 * rate))
        found.add("flat", PASSING, SAME._replace(rate=rate))
    assert found.ratio("flat", "rate", PANNIER, PASSING) == 2.0
    assert found.difference("flat", "rate", PANNIER, PASSING) == 3.0


def test_what_was_not_measured() -> None:
    """Without nginx its bars are neither held nor missed, and the reason is told."""
    found = made_up()
    found.missing = {PASSING: "nginx is not installed"}
    for figures in found.figures.values():
        del figures[PASSING]
    assert [at for at, one in enumerate(verdicts(found)) if one == "not measured"] == [
        3, 4, 6,
    ]  # fmt: skip
    assert f"{PASSING} was not measured: nginx is not installed" in report(found)
    assert set(verdicts(Results())) == {"not measured"}


def test_kept_results(tmp_path: Path) -> None:
    """Results that were kept give the same report, page and plots again."""
    found = made_up(rate=4.0)
    results.save(found, tmp_path / "new" / "bench.json")
    again = results.load(tmp_path / "new" / "bench.json")
    assert report(again) == report(found)
    assert plot.costs(again) == plot.costs(found)
    text = (ROOT / "docs" / "performance.md").read_text()
    once = page(text, found)
    assert page(once, again) == once
    assert once.count("### The bars") == 1
    assert once.partition("## History")[2] == text.partition("## History")[2]


def test_plots() -> None:
    """Plots are well-formed, and name everybody and every figure."""
    found = made_up(cpu=0.25)
    bars = ElementTree.fromstring(plot.costs(found))
    said = [one.text for one in bars.iter() if one.text]
    assert {PANNIER, PASSING, NAIVE, "0.25"} <= set(said)
    lines = ElementTree.fromstring(plot.curves(found.growth))
    assert {"Streams & more", "7.5"} <= {one.text for one in lines.iter()}


@pytest.mark.parametrize(
    "answer",
    [
        b'data: {"choices":[{"delta":{"content":" word0"}}]}\n\ndata: [DONE]\n\n',
        b'data: {"choices":[{"delta":{"content":" word0 word1"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":" word1 word0"}}]}\n\ndata: [DONE]\n\n',
    ],
    ids=["lost", "no end", "order"],
)
def test_a_wrong_answer(answer: bytes) -> None:
    """A stream that lost text, its end or its order ends the benchmark."""
    with pytest.raises(load.Failed):
        trials.says_words(2)(answer)


@pytest.mark.live
@pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="reads Linux's /proc"
)
def test_benchmark() -> None:
    """One round of one load goes through, with real programs."""
    told: list[str] = []
    parts = (contestants.OURS, contestants.INSIDE)
    without = (PASSING, HELLO, *parts, NAIVE, contestants.LITELLM)
    plan = Plan(rounds=1, parts=["chat-1", "start"], without=without, brief=True)
    found = run(plan, told.append)
    assert found.contestants("chat-1") == [DIRECT, PANNIER]
    ours = found.median("chat-1", PANNIER)
    assert ours is not None
    assert min(ours.rate, ours.cpu, ours.first, ours.busy) > 0
    assert len(found.starts) == 1
    assert told
