"""Databases for tests: each test has one of its own, with empty tables."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.postgres import Postgres, needs_postgres, postgres

from app.settings import Settings
from app.storage import Item, Responses, Storage
from app.storage.database import Database
from app.storage.upgrade import upgrade

KINDS = ["sqlite", pytest.param("postgres", marks=needs_postgres)]
DAY = 86_400
#: Items, and bytes of them, that a conversation may have here.
MOST = (1000, 1024 * 1024)


class Clock:
    """The time, as a test says it is; in Unix seconds."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        """What time it is."""
        return self.now


class Place:
    """Where a database is: the settings that name it.  It can be looked into."""

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def database(self) -> Database:
        """Another way in than the storage's."""
        of = Settings(**self.settings)
        return Database(of.database_url, of.state_dir)

    def scalar(self, statement: str) -> Any:
        """What a statement finds."""
        database = self.database()
        try:
            with database.reading() as connection:
                return connection.exec_driver_sql(statement).scalar()
        finally:
            database.close()

    def count(self) -> tuple[int, int, int]:
        """How many responses, bodies and items there are."""
        tables = ("response", "response_body", "response_item")
        found = [self.scalar(f"SELECT count(*) FROM {table}") for table in tables]
        return found[0], found[1], found[2]


class Keeper:
    """Storages of one place and clock, closed in the end."""

    def __init__(self, place: Place, clock: Callable[[], float]) -> None:
        self.place = place
        self.clock = clock
        self._made: list[Storage] = []

    def storage(self, **settings: Any) -> Storage:
        """A further storage."""
        made = Storage.of(Settings(**self.place.settings, **settings), self.clock)
        self._made.append(made)
        return made

    def responses(self, **settings: Any) -> Responses:
        """Its responses."""
        found = self.storage(**settings).responses
        assert found is not None
        return found

    def close(self) -> None:
        """Close them."""
        for made in self._made:
            made.close()


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """PostgreSQL."""
    with postgres() as running:
        yield running


@pytest.fixture(scope="session")
def ready(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Callable[[str], Any]:
    """By kind: a database with tables, to be copied; made when first asked for."""
    made: dict[str, Any] = {}

    def of(kind: str) -> Any:
        if kind not in made:
            place = tmp_path_factory.mktemp("ready")
            url = ""
            if kind == "postgres":
                url = request.getfixturevalue("server").fresh()
            database = Database(url, str(place))
            upgrade(database)
            database.close()
            made[kind] = url.rpartition("/")[2] or place
        return made[kind]

    return of


@pytest.fixture
def place(
    kind: str,
    tmp_path: Path,
    ready: Callable[[str], Any],
    request: pytest.FixtureRequest,
) -> Place:
    """A database with tables and nothing in them."""
    template = ready(kind)
    if kind == "postgres":
        url = request.getfixturevalue("server").fresh(template)
        return Place(database_url=url, state_dir=str(tmp_path))
    shutil.copytree(template, tmp_path / "state")
    return Place(state_dir=str(tmp_path / "state"))


@pytest.fixture
def clock() -> Clock:
    """The time."""
    return Clock()


@pytest.fixture
def keeper(place: Place, clock: Clock) -> Iterator[Keeper]:
    """Storages there."""
    keeper = Keeper(place, clock)
    yield keeper
    keeper.close()


@pytest.fixture
def responses(keeper: Keeper) -> Responses:
    """Responses there."""
    return keeper.responses()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that needs a place runs on each kind of database."""
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", KINDS)


def chain(responses: Responses, *ids: str, size: int = 10) -> None:
    """Keep a conversation: each response with a question and an answer."""
    before = None
    for id in ids:
        items = [
            Item(f"q_{id}", b'"ask %s"' % id.encode(), False),
            Item(f"a_{id}", b'"say %s"' % id.encode(), True),
        ]
        assert responses.keep(id, before, b" " * size, items, 1)
        before = id
