"""Tables come to be what the code expects, all or nothing, and say their version."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from unittest.mock import patch

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from support.gateway import key
from support.server import ROOT, clean_environ

from app import cli
from app.errors import GatewayError
from app.storage import Item, Kept
from app.storage.configuration import add_key
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


def brought_to(version: str, place: Place) -> Path | None:
    """Make a place's tables what they were in that version."""
    database = place.database()
    with patch("app.storage.upgrade.VERSION", version):
        copy = upgrade(database)
    database.close()
    return copy


#: What a Pannier of the first version writes.
FIRST = (
    "INSERT INTO response (id, previous_id, created_at, expires_at, size)"
    " VALUES ('r1', NULL, 1, 9000000000000, 9)",
    "INSERT INTO response_item (response_id, position, id, output, body)"
    " VALUES ('r1', 0, 'i1', false, CAST('1' AS {bytes}))",
    "INSERT INTO response_body (response_id, body)"
    " VALUES ('r1', CAST('{{}}' AS {bytes}))",
)


def begun(place: Place) -> Place:
    """The place, with a response that a Pannier of the first version kept."""
    brought_to("0001", place)
    database = place.database()
    name = "BLOB" if database.file else "bytea"
    with database.writing() as connection:
        for statement in FIRST:
            connection.exec_driver_sql(statement.format(bytes=name))
    database.close()
    return place


#: Sums of three keys and of none, and rows of two of them.
BEFORE_NAMES = {
    "usage_rollup": [
        {"grain": "key_id", "key_id": id, "bucket_start": start}
        for id in ("", "key_a", "key_b", "key_without_rows")
        for start in (1, 2)
    ],
    "usage_record": [
        {"id": "1", "key_id": "key_a", "key_name": "old"},
        {"id": "3", "key_id": "key_a", "key_name": "new"},
        {"id": "2", "key_id": "key_b", "key_name": "b"},
        {"id": "4", "key_id": "", "key_name": ""},
    ],
}


def test_names_of_keys_are_those_of_rows(empty: Place) -> None:
    """A key that used something before its name was kept has that of its last row."""
    brought_to("0003", empty)
    database = empty.database()
    with database.writing() as connection:
        for table, rows in BEFORE_NAMES.items():
            columns = METADATA.tables[table].columns
            for values in rows:
                nothing = {one.name: one.type.python_type() for one in columns}
                connection.execute(sa.insert(METADATA.tables[table]), nothing | values)
    database.close()
    brought_to("0004", empty)
    database = empty.database()
    with database.reading() as connection:
        found = connection.exec_driver_sql("SELECT id, name FROM usage_key ORDER BY id")
        assert [tuple(row) for row in found] == [("key_a", "new"), ("key_b", "b")]
    database.close()


@pytest.fixture
def first(empty: Place) -> Place:
    """One of the first version."""
    return begun(empty)


def test_q7_an_upgrade_keeps_what_is_there(first: Place) -> None:
    """What an older version kept is found, nothing is set, and anything can be."""
    keeper = Keeper(first, lambda: 1_800_000_000.0)
    storage = keeper.storage()
    assert storage.responses is not None
    assert storage.responses.get("r1") == Kept("r1", None, 1, b"{}")
    assert storage.responses.items("r1") == [Item("i1", b"1", False)]
    assert storage.responses.get("r1", "key_a") is None
    assert storage.configuration.version() == 0
    storage.write(lambda connection: add_key(connection, key("a"), "test"))
    assert storage.configuration.version() == 1
    keeper.close()


def test_q7_a_copy_comes_first(first: Place, kind: str) -> None:
    """What was in SQLite's file is in one beside it, its owner's alone, as it was."""
    copy = brought_to(VERSION, first)
    if kind == "postgres":
        assert copy is None
        return
    state = Path(first.settings["state_dir"])
    assert copy == state / f"pannier.db.before-{VERSION}"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(path.name for path in state.iterdir()) == ["pannier.db", copy.name]
    with closing(sqlite3.connect(copy)) as before:
        assert before.execute("SELECT id, size FROM response").fetchall() == [("r1", 9)]
        found = before.execute("SELECT version_num FROM alembic_version").fetchone()
        assert found == ("0001",)
        assert before.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert brought_to(VERSION, first) is None


def test_a_new_file_needs_no_copy(tmp_path: Path) -> None:
    """Where there was nothing there is nothing to go back to."""
    assert brought_to(VERSION, Place(state_dir=str(tmp_path))) is None
    assert [path.name for path in tmp_path.iterdir()] == ["pannier.db"]


def test_q7_without_a_copy_no_upgrade(tmp_path: Path) -> None:
    """Where none can be made the tables stay as they were, and the log says so."""
    first = begun(Place(state_dir=str(tmp_path)))
    (tmp_path / f"pannier.db.before-{VERSION}").mkdir()
    keeper = Keeper(first, lambda: 1_800_000_000.0)
    with pytest.raises(GatewayError) as caught:
        keeper.responses().get("r1")
    keeper.close()
    assert "are as they were" in caught.value.detail
    assert f"pannier.db.before-{VERSION} could not be made" in caught.value.detail
    assert first.scalar("SELECT version_num FROM alembic_version") == "0001"
    assert first.count() == (1, 1, 1)
    assert len(list(tmp_path.glob("pannier.db.*"))) == 1


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
    assert "keys: 0, models: 0, aliases: 0, settings: 0\n" in text
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
