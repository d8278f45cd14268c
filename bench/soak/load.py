"""Requests at a rate, whatever becomes of those before; and what became of them."""

import traceback
from collections import Counter

import gevent

from .checks import Unexplained
from .kinds import KINDS, Kind, Scene

#: Requests under way at most: beyond, the machine is too small for the rate.
MOST = 600
#: Seconds of a long run.
LONG = 300.0


class Load:
    """Starts requests of all kinds by their weights, ``rate`` a second.

    ``done`` counts them by kind, ``unexplained`` by kind and by what was wrong;
    ``examples`` has the first of each of those.
    """

    def __init__(self, scene: Scene, rate: float) -> None:
        self._scene = scene
        self._rate = rate
        self._running: set[gevent.Greenlet] = set()
        self.done: Counter[str] = Counter()
        self.slowest: dict[str, float] = {}
        self.unexplained: Counter[tuple[str, str]] = Counter()
        self.examples: dict[tuple[str, str], str] = {}
        self.late = 0

    @property
    def running(self) -> int:
        """How many requests are under way."""
        return len(self._running)

    def run(self, seconds: float) -> None:
        """Start requests for so long."""
        luck = self._scene.luck
        kinds = [kind for kind in KINDS.values() if seconds >= LONG or not kind.long]
        weights = [kind.weight for kind in kinds]
        end = due = gevent.get_hub().loop.now()
        end += seconds
        while due < end:
            due += luck.expovariate(self._rate)
            gevent.sleep(max(0, due - gevent.get_hub().loop.now()))
            if len(self._running) >= MOST:
                self.late += 1
                continue
            (kind,) = luck.choices(kinds, weights)
            greenlet = gevent.spawn(self._one, kind)
            self._running.add(greenlet)
            greenlet.rawlink(self._running.discard)

    def finish(self) -> None:
        """Wait for those that are under way: each has its own limit."""
        gevent.joinall(list(self._running))

    def _one(self, kind: Kind) -> None:
        start = gevent.get_hub().loop.now()
        try:
            with gevent.Timeout(kind.limit, Unexplained("took too long")):
                kind.act(self._scene)
        except Exception as exc:
            self._note(kind, exc)
        took = gevent.get_hub().loop.now() - start
        self.done[kind.name] += 1
        self.slowest[kind.name] = max(took, self.slowest.get(kind.name, 0))

    def _note(self, kind: Kind, exc: Exception) -> None:
        what = str(exc.args[0]) if isinstance(exc, Unexplained) else repr(exc)
        notes = ", ".join(getattr(exc, "__notes__", ()))
        place = (f"{kind.name} ({notes})" if notes else kind.name, what)
        self.unexplained[place] += 1
        if place not in self.examples:
            known = isinstance(exc, Unexplained)
            told = str(exc.args[-1]) if known else "".join(traceback.format_exc())
            self.examples[place] = told[-600:]
