"""``make bench``: measure, print the report, keep it in docs/performance.md."""

import argparse
import resource
import sys
import time
from pathlib import Path

from tests.support.server import ROOT

from . import contestants, plot, process, results
from .load import Failed
from .report import page, report
from .results import Results
from .run import RESOURCES, Plan, run
from .trials import TRIALS

PARTS = (*TRIALS, *RESOURCES)
#: Who, or what, can be left out.
OTHERS = {
    "nginx": contestants.PASSING,
    "hello": contestants.HELLO,
    "worker": contestants.OURS,
    "inside": contestants.INSIDE,
    "naive": contestants.NAIVE,
    "litellm": contestants.LITELLM,
}
DOCS = ROOT / "docs"


def main() -> int:
    """Read the arguments; 1 if nothing could be measured or an answer was wrong."""
    arguments = _parser().parse_args()
    kept = arguments.results or ROOT / "build" / "bench.json"
    if arguments.report_only:
        if not kept.exists():
            print(f"There are no figures in {kept}.", file=sys.stderr)
            return 1
        return _tell(results.load(kept))
    if not process.available():
        print("The benchmark reads /proc and needs Linux.", file=sys.stderr)
        return 1
    plan = _plan(arguments)
    try:
        found = _measure(plan)
    except Failed as failed:
        print(f"\nThe benchmark ends here. {failed}", file=sys.stderr)
        return 1
    found.whole = _is_whole(plan)
    if found.whole or arguments.results:
        results.save(found, kept)
    return _tell(found)


def _tell(found: Results) -> int:
    """Print the report; results of everything also go into the page."""
    print(report(found))
    if found.whole:
        _write(found)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench")
    add = parser.add_argument
    add("--rounds", type=int, default=15, help="rounds (15)")
    add("--only", nargs="+", choices=PARTS, metavar="PART",
        help=f"measure only these, and print: {', '.join(PARTS)}")  # fmt: skip
    others = [*OTHERS, *RESOURCES]
    add("--without", nargs="+", default=[], choices=others, metavar="NAME",
        help=f"leave out: {', '.join(others)}")  # fmt: skip
    add("--against", type=Path, metavar="DIR",
        help="compare with another checkout of Pannier, and nobody else")  # fmt: skip
    add("--brief", action="store_true", help="see that all works; figures mean nothing")
    add("--results", type=Path, metavar="FILE",
        help="where figures are kept (build/bench.json)")  # fmt: skip
    add("--report-only", action="store_true",
        help="make report and plots from what was kept")  # fmt: skip
    return parser


def _plan(arguments: argparse.Namespace) -> Plan:
    parts = arguments.only or (TRIALS if arguments.against else PARTS)
    return Plan(
        rounds=arguments.rounds,
        parts=[part for part in parts if part not in arguments.without],
        against=arguments.against,
        without=[OTHERS[name] for name in arguments.without if name in OTHERS],
        brief=arguments.brief,
    )


def _is_whole(plan: Plan) -> bool:
    """Whether it is worth keeping: of all trials, and of one Pannier."""
    return not plan.brief and plan.against is None and {*TRIALS} <= {*plan.parts}


def _measure(plan: Plan) -> Results:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a thousand streams each
    for name, why in contestants.missing(plan.without).items():
        print(f"{name}: {why}; it is left out.", file=sys.stderr)
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:4.0f} s  {what}", file=sys.stderr, flush=True)

    found = run(plan, say)
    say("done\n")
    return found


def _write(found: Results) -> None:
    """The page's part, and its plots."""
    path = DOCS / "performance.md"
    path.write_text(page(path.read_text(), found))
    (DOCS / "performance.svg").write_text(plot.costs(found))
    if found.growth:
        (DOCS / "performance-growth.svg").write_text(plot.curves(found.growth))
    print(f"\nWritten to {path.relative_to(ROOT)}, with its plots.")


sys.exit(main())
