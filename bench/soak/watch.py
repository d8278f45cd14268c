"""What a running Pannier holds: memory, descriptors, CPU, and Ollama's attention."""

import os
import time
from typing import NamedTuple

from tests.support.server import Server
from tests.support.simulator import Simulator

from .. import process


class Sample(NamedTuple):
    """One look.  Memory in MB; ``cpu`` is seconds used so far by master and workers."""

    second: float
    memory: float
    descriptors: int
    upstream: int
    cpu: float


class Watch:
    """Looks at a server and its simulator again and again."""

    def __init__(self, server: Server, simulator: Simulator) -> None:
        self._server = server
        self._simulator = simulator
        self._start = time.monotonic()
        self.samples: list[Sample] = []

    def look(self) -> Sample:
        """Take a sample."""
        pids = list(process.tree(self._server.pid))
        sample = Sample(
            time.monotonic() - self._start,
            sum(process.pss(pid) for pid in pids) / 1024,
            sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids),
            self._simulator.open(),
            process.cpu(self._server.pid),
        )
        self.samples.append(sample)
        return sample

    def workers(self) -> list[int]:
        """The processes that answer."""
        return list(process.tree(self._server.pid))[1:]
