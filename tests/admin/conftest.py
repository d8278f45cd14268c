"""Installations to administer, each in a directory of its own."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.admin import House
from support.operating import administration

from app.settings import Settings


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with tables and nothing in them, to be copied."""
    place = tmp_path_factory.mktemp("tables")
    with administration(Settings(state_dir=str(place))):
        return place


@pytest.fixture
def build(tables: Path, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Makes installations; the fields of settings are theirs."""
    with ExitStack() as running:

        def build(**settings: object) -> House:
            place = tmp_path / "state"
            if not place.exists():
                shutil.copytree(tables, place)
            return running.enter_context(House(place, **settings))

        yield build


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    """One installation in which nobody has signed in."""
    return build()
