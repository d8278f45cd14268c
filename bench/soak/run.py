"""The soak: Pannier in front of the simulator, a load on it, and an eye on both."""

import time

import gevent

from tests.support.server import Server
from tests.support.simulator import Simulator

from . import away, bad, broken, good  # noqa: F401 - they fill the table of kinds
from .kinds import SETTINGS, Scene
from .load import Load
from .report import Verdict, by_kind, over_time, verdicts
from .watch import Watch

#: Seconds between two samples.
EVERY = 5.0
#: Seconds after the load within which Ollama must have nothing left to do.
QUIET = 3.0


def run(seconds: float, rate: float, workers: int) -> bool:
    """Soak for so long; prints everything, says whether all of it holds."""
    print(
        f"{rate:g} requests a second of every kind, good and bad, for {seconds:g}"
        f" seconds; {workers} workers of Pannier in front of the simulator."
    )
    with Simulator() as simulator:
        env = {"OLLAMA_URL": simulator.url, "WEB_CONCURRENCY": str(workers), **SETTINGS}
        with Server(env) as server:
            load = Load(Scene(server.port, simulator), rate)
            watch = Watch(server, simulator)
            found = _soak(load, watch, seconds)
            found += [_quiet(simulator), *_logged(server)]
    print(f"\n{over_time(watch.samples)}\n\n{by_kind(load)}\n")
    for holds, words in found:
        print("ok    " if holds else "FAILED", words)
    holds = all(verdict.holds for verdict in found)
    print("\nAll of it held." if holds else "\nNot all of it held.")
    return holds


def _soak(load: Load, watch: Watch, seconds: float) -> list[Verdict]:
    """Put the load on, look again and again, wait for the last answers."""
    workers = watch.workers()
    loading = gevent.spawn(load.run, seconds)
    while not loading.ready():
        gevent.sleep(min(EVERY, seconds / 12))
        sample = watch.look()
        print(
            f"{sample.second:6.0f} s  {sum(load.done.values()):8,} requests"
            f"  {sum(load.unexplained.values())} unexplained"
            f"  {sample.memory:6.1f} MB  {sample.descriptors} descriptors"
            f"  {sample.upstream} open at Ollama  {load.running} under way",
            flush=True,
        )
    loading.get()
    load.finish()
    same = Verdict(watch.workers() == workers, "the workers are those of the start")
    return [*verdicts(watch.samples, load), same]


def _quiet(simulator: Simulator) -> Verdict:
    """Whether everything that was begun at Ollama ends soon after the load."""
    start = time.monotonic()
    while (left := simulator.open()) and time.monotonic() < start + QUIET:
        gevent.sleep(0.1)
    took = time.monotonic() - start
    return Verdict(not left, f"open at Ollama after the load: {left}, {took:.1f} s")


def _logged(server: Server) -> list[Verdict]:
    """What must not be in the server's output."""
    output = server.output()
    return [
        Verdict(not (count := output.count(words)), f"{words!r} in the log: {count}")
        for words in ("Traceback", "ResourceWarning", "[ERROR]")
    ]
