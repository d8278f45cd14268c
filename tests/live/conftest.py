"""What several modules of live tests ask."""

from collections.abc import Iterator

import pytest
from support.coding import SILENT, serving
from support.server import Server
from support.simulator import Simulator


@pytest.fixture(scope="module")
def ollama() -> Iterator[Simulator]:
    """A simulator that nobody else asks anything."""
    with Simulator() as running:
        yield running


@pytest.fixture
def busy(simulator: Simulator) -> Iterator[None]:
    """Ollama is busy until somebody mends it."""
    simulator.fault("/api/chat", "busy")
    yield
    simulator.mend()


@pytest.fixture(scope="module")
def silent(ollama: Simulator) -> Iterator[Server]:
    """Pannier before a model that never says anything."""
    with serving(ollama, SILENT) as server:
        yield server
