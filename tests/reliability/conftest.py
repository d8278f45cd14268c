from collections.abc import Iterator

import pytest
from support.simulator import Simulator


@pytest.fixture(scope="module")
def ollama() -> Iterator[Simulator]:
    """A simulator of one module alone, whose log is looked at or whose routes break."""
    with Simulator() as running:
        yield running
