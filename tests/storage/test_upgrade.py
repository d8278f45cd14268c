"""Tables come to be what the code expects, all or nothing, and say their version."""

import os
from pathlib import Path
from unittest.mock import patch

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from support.server import ROOT, clean_environ

from app import cli
from app.storage.failure import Failure
from app.storage.tables import METADATA, VERSION
from app.storage.upgrade import upgrade

from .conftest import Keeper, Place, chain


@pytest.fixture
def empty(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    """A place without tables."""
    state = str(tmp_path / "state")
    if kind == "sqlite":
        return Place(state_dir=state)
    url = request.getfixturevalue("server").fresh()
    return Place(database_url=url, state_dir=state)


def test_migrations_make_the_tables(place: Place) -> None:
    """What the migrations make is what the code thinks there is."""
    database = place.database()
    with database.reading() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, METADATA) == []
        assert context.get_current_revision() == VERSION
    database.close()


def test_versions_are_in_one_line() -> None:
    """Each migration follows one other, in the order of their numbers."""
    scripts = ScriptDirectory(str(ROOT / "app" / "storage" / "migrations"))
    found = [script.revision for script in scripts.walk_revisions()][::-1]
    assert found == [f"{n + 1:04}" for n in range(len(found))]
    assert found[-1] == VERSION


def test_q7_an_upgrade_is_all_or_nothing(empty: Place) -> None:
    """One that breaks off leaves nothing, and the next one succeeds."""
    database = empty.database()
    done = command.upgrade

    def broken(config: Config, revision: str) -> None:
        done(config, revision)
        raise OSError("the disk is full")

    with patch("alembic.command.upgrade", broken), pytest.raises(Failure):
        upgrade(database)
    with database.reading() as connection:
        assert not database.is_current(connection)
        names = "sqlite_master" if "database_url" not in empty.settings else "pg_tables"
        column = "name" if names == "sqlite_master" else "tablename"
        query = f"SELECT count(*) FROM {names} WHERE {column} = 'response'"
        assert connection.exec_driver_sql(query).scalar() == 0
    upgrade(database)
    upgrade(database)
    assert database.is_current()
    database.close()


@pytest.fixture
def environ(empty: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    """The environment names a place."""
    for name in set(os.environ) - set(clean_environ()):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    for field, value in empty.settings.items():
        monkeypatch.setenv(f"PANNIER_{field.upper()}", value)
    return empty


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The exit code of a command, and what it printed."""
    code = cli.main(["database", *words])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_the_commands(
    environ: Place, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    """``status`` and ``upgrade`` say what there is, and never a password."""
    code, text = said(capsys, "status")
    assert code == 0
    if kind == "sqlite":
        assert "There is no" in text
        assert not Path(environ.settings["state_dir"]).exists()
    else:
        assert f"tables: version none, of {VERSION}" in text
    assert said(capsys, "upgrade") == (0, f"The tables have version {VERSION}.\n")
    keeper = Keeper(environ, lambda: 0.0)
    chain(keeper.responses(), "a", "b")
    keeper.close()
    code, text = said(capsys, "status")
    assert code == 0
    assert f"tables: version {VERSION}, of {VERSION}\n" in text
    assert "responses: 2, " in text
    assert "geheim" not in text
    assert ("pannier:***@" in text) == (kind == "postgres")


@pytest.mark.parametrize("words", [[], ["downgrade"], ["upgrade", "now"]])
def test_other_words(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What is no command is one sentence and exit code 2."""
    text = "pannier: 'database' wants one word: status or upgrade.\n"
    assert said(capsys, *words) == (2, text)


@pytest.mark.parametrize("word", ["status", "upgrade"])
def test_q7_a_database_that_cannot_be_used(
    word: str, environ: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """A newer one, for example, is one sentence and exit code 1."""
    database = environ.database()
    upgrade(database)
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9000'")
    database.close()
    code, text = said(capsys, word)
    assert code == 1
    assert "The database cannot be used: the database is of a newer Pannier" in text
    assert "Traceback" not in text
