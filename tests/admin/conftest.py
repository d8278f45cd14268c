"""Installations to administer, each in a directory of its own."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from support.admin import House
from support.handling import Handlers, handlers
from support.operating import administration
from support.postgres import Postgres, needs_postgres, postgres
from support.simulator import Simulator

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


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgres]:
    """PostgreSQL."""
    with postgres() as running:
        yield running


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=needs_postgres)]
)
def here(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Handlers]:
    """Handlers of an installation that the tests of a module share; on each kind."""
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").fresh()
    with handlers(tmp_path_factory.mktemp("here"), database_url=url) as made:
        yield made


@pytest.fixture(scope="module")
def ollama() -> Iterator[Simulator]:
    """A simulator for this module."""
    with Simulator() as running:
        yield running


@pytest.fixture(scope="module")
def office(
    ollama: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Handlers]:
    """Handlers before it."""
    place = tmp_path_factory.mktemp("office")
    with handlers(place, upstream_url=ollama.url) as made:
        yield made
