"""Counts the work of a request: Python's instructions, and its calls of C functions.

Seconds differ from run to run; these counts do not, on a busy machine either.  What
happens inside a C function (copying a long text, say) is one call, whatever its length.
A process of its own keeps everything else out: other tests, their threads, coverage.

    python -m tests.support.counting                # every path, beside its record
    python -m tests.support.counting "chat, whole"  # one, function by function
    python -m tests.support.counting --record       # these are the figures from now on
    python -m tests.support.counting --json [path]  # for tests/test_guards.py
"""

import gc
import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from gevent import monkey

if TYPE_CHECKING:
    from .guarded import GuardedPath

HERE = Path(__file__).parent
RECORD = HERE.parent / "guards.json"
#: What asks and answers here is not Pannier's work.
_OURS = (__file__, str(HERE / "guarded.py"), str(HERE / "wired.py"))
#: What counts as a C function: the same in every Python.
_C = (type(len), type(str.join))

#: Instructions and calls by function: its place, and its name.
Counts = dict[str, int]
#: By path: what a request takes without any unit, and what each of its units does.
Figures = dict[str, dict[str, float]]


class Work:
    """Counts what is done in every greenlet that begins after this was made."""

    def __init__(self) -> None:
        self._on = False
        self._done: dict[int, int] = defaultdict(int)
        self._codes: dict[int, CodeType] = {}
        if sys.version_info >= (3, 12):
            self._monitor()
        else:
            # New greenlets inherit it from the loop's, which has to begin after this.
            sys.settrace(self._called)
            sys.setprofile(self._profiled)

    def of(self, run: Callable[[], object]) -> Counts:
        """What ``run`` takes."""
        self._done.clear()
        self._switch(True)
        run()
        self._switch(False)
        counts: Counts = defaultdict(int)
        for number, count in self._done.items():
            counts[_place(self._codes[number])] += count
        return counts

    def _note(self, code: CodeType) -> None:
        number = id(code)  # a code's hash is that of all its parts, each time
        self._done[number] += 1
        self._codes[number] = code  # so that the id stays its own

    def _switch(self, on: bool) -> None:
        self._on = on
        if sys.version_info >= (3, 12):
            events = sys.monitoring.events
            wanted = events.INSTRUCTION | events.CALL if on else 0
            sys.monitoring.set_events(sys.monitoring.PROFILER_ID, wanted)

    # ---------------------------------------------------- Python 3.12 and later: all

    def _monitor(self) -> None:
        monitoring = sys.monitoring
        tool, events = monitoring.PROFILER_ID, monitoring.events
        monitoring.use_tool_id(tool, "counting")
        monitoring.register_callback(tool, events.INSTRUCTION, self._instruction)
        monitoring.register_callback(tool, events.CALL, self._call)

    def _instruction(self, code: CodeType, offset: int) -> Any:
        if code.co_filename in _OURS:
            return sys.monitoring.DISABLE
        self._note(code)
        return None

    def _call(self, code: CodeType, offset: int, called: Any, first: Any) -> Any:
        if code.co_filename in _OURS:
            return sys.monitoring.DISABLE
        if isinstance(called, _C):
            self._note(code)
        return None

    # ----------------------------- Python 3.11: each greenlet, and in it each frame

    def _called(self, frame: FrameType, event: str, arg: Any) -> Any:
        if not self._on or frame.f_code.co_filename in _OURS:
            return None
        frame.f_trace_lines = False
        frame.f_trace_opcodes = True
        return self._traced

    def _traced(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "opcode" and self._on:
            self._note(frame.f_code)
        return self._traced

    def _profiled(self, frame: FrameType, event: str, arg: Any) -> None:
        counts = event == "c_call" and self._on
        if counts and frame.f_code.co_filename not in _OURS:
            self._note(frame.f_code)


def _place(code: CodeType) -> str:
    file = Path(code.co_filename)
    root = HERE.parents[1]
    known = file.relative_to(root) if file.is_relative_to(root) else file.name
    return f"{known}:{code.co_firstlineno} {code.co_qualname}"


class Counted:
    """The work of one path at each of its three sizes."""

    def __init__(self, path: "GuardedPath", counts: list[Counts]) -> None:
        self.unit = path.unit
        self.sizes = path.sizes
        self.counts = counts
        self.totals = [sum(each.values()) for each in counts]

    def figures(self, scale: float = 1.0) -> dict[str, float]:
        """What a request takes without any unit, and each unit more."""
        each = _slope(self.sizes, self.totals, 0, 2)
        fixed = self.totals[0] - each * self.sizes[0]
        return {"request": round(scale * fixed), self.unit: round(scale * each, 2)}

    def halves(self) -> list[float]:
        """What each unit more takes between the first two sizes, and the last two."""
        return [_slope(self.sizes, self.totals, at, at + 1) for at in (0, 1)]

    def places(self) -> str:
        """The figures, unscaled, function by function; the last line is the sum."""
        lines = [f"{self.unit:>12}     request"]
        last = self.counts[-1]
        for place in [*sorted(last, key=last.__getitem__, reverse=True), ""]:
            counts = [each.get(place, 0) for each in self.counts]
            each = _slope(self.sizes, counts if place else self.totals, 0, 2)
            fixed = (counts if place else self.totals)[0] - each * self.sizes[0]
            lines.append(f"{each:12.2f} {fixed:11.1f}  {place}")
        return "\n".join(lines)


def _slope(sizes: Sequence[int], counts: Sequence[int], start: int, end: int) -> float:
    return (counts[end] - counts[start]) / (sizes[end] - sizes[start])


def measured(names: Sequence[str] = ()) -> tuple[float, dict[str, Counted]]:
    """The paths, or all; before them, what makes instructions Python 3.11's."""
    from . import guarded, wired, yardstick

    app = wired.stack()
    work = Work()
    found = {}
    for name in names or guarded.PATHS:
        path = guarded.PATHS[name]
        for size in path.sizes:  # the first time fills caches, and imports
            path.asked(app, size)()
        counts = [work.of(path.asked(app, size)) for size in path.sizes]
        found[name] = Counted(path, counts)
    yardstick.measure()
    return yardstick.TAKES / sum(work.of(yardstick.measure).values()), found


def recorded() -> Figures:
    """The figures that count."""
    found: Figures = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return found


def table(figures: Figures) -> str:
    """The figures beside those that are recorded."""
    known = recorded()
    lines = [f"{'now':>12} {'recorded':>12}"]
    for name, units in figures.items():
        for unit, figure in units.items():
            was = known.get(name, {}).get(unit, 0)
            lines.append(f"{figure:12,} {was:12,}  {name}, a {unit}")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    """Count, and say or record what came out."""
    monkey.patch_all()  # as in a worker, before anything of Pannier's is imported
    gc.disable()  # it would come at times of its own
    names = [word for word in arguments if not word.startswith("--")]
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # the access log
        scale, found = measured(names)
    figures = {name: counted.figures(scale) for name, counted in found.items()}
    if "--json" in arguments:
        halves = {name: counted.halves() for name, counted in found.items()}
        text = json.dumps({"figures": figures, "halves": halves})
    elif "--record" in arguments:
        text = table(figures)
        kept = recorded() if names else {}
        RECORD.write_text(json.dumps(kept | figures, indent=2) + "\n")
    elif names:
        text = "\n\n".join(counted.places() for counted in found.values())
    else:
        text = table(figures)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
