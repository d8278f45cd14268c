"""What is set: each change as a whole, with its version and its entry in the log."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection
from support.gateway import key
from support.server import PATIENCE, ROOT, clean_environ

from app.gateway.entries import AliasEntry, CodeEntry, ModelEntry
from app.gateway.keys import Key, Terms
from app.storage import audit as log
from app.storage.configuration import (
    Batch,
    Refused,
    add_key,
    aliases,
    audit,
    change_key,
    find_key,
    keys,
    models,
    note,
    note_used,
    read_version,
    remove_alias,
    remove_key,
    remove_model,
    set_alias,
    set_model,
    set_settings,
    settings,
)
from app.storage.database import Database

from .conftest import Place

A = key("Anna", "sk-a-key-of-thirty-two-characters", rpm=5)
B = key("Bert", "sk-b-key-of-thirty-two-characters")


@pytest.fixture
def database(place: Place) -> Iterator[Database]:
    """The database of a place."""
    with closing(place.database()) as database:
        yield database


Change = Callable[[Connection], Any]


def write(database: Database, *changes: Change) -> Any:
    """What the last of some changes returns, each in a transaction of its own."""
    result = None
    for change in changes:
        with database.writing() as connection:
            result = change(connection)
    return result


def read(database: Database, look: Callable[[Connection], Any]) -> Any:
    """What is there."""
    with database.reading() as connection:
        return look(connection)


def refusal(database: Database, change: Change) -> Refused:
    """Why something cannot be set; nothing of it is."""
    before = read(database, whole)
    with pytest.raises(Refused) as caught, database.writing() as connection:
        change(connection)
    assert read(database, whole) == before
    return caught.value


def whole(connection: Connection) -> list[Any]:
    """All that is set, and what was noted of it."""
    parts: tuple[Callable[[Connection], Any], ...]
    parts = (read_version, keys, models, aliases, settings)
    return [*(part(connection) for part in parts), audit(connection, 9)]


def add(one: Key) -> Change:
    """Add a key."""
    return lambda connection: add_key(connection, one, "cli")


def diffs(database: Database) -> list[tuple[str, str, dict[str, Any]]]:
    """What was noted, oldest first."""
    found = read(database, lambda connection: audit(connection, 9))
    return [(one.action, one.object, one.diff) for one in reversed(found)]


# ------------------------------------------------------------------------------ keys


def test_keys_come_back_as_they_are(database: Database) -> None:
    """Every field of a key and of its terms, of the shortest key and the longest."""
    full = key(
        "Ünïcödé 🦙",
        "x" * 256,
        id="key_1",
        notes="two\nlines",
        enabled=False,
        weak=True,
        created_at=2**52,
        expires_at=1,
        revoked_at=2,
        previous_digest=b"\0\xff",
        previous_until=3,
        last_used_at=4,
        last_used_ip="::1",
        allow_models=("a*", "b"),
        deny_models=("c",),
        allow_endpoints=("chat", "manage"),
        rpm=0,
        tpd=2**53,
        max_concurrent=1,
        max_output_tokens=2,
        max_num_ctx=3,
        allow_runner_options=True,
        allow_keep_alive=True,
        default_model="m",
        default_code_model="n",
        overrides={"temperature": {"value": 1.5, "mode": "force"}, "stop": ["\0"]},
    )
    write(database, add(full), add(A))
    assert read(database, keys) == [A, full]
    for wanted in (full.id, full.name, full.name.swapcase()):
        assert read(database, lambda one, id=wanted: find_key(one, id)) == full


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "anna"},
        {"name": "Other", "notes": "x"},
        {"enabled": False},
        {"revoked_at": 5},
        {"terms": Terms(allow_models=("x",), tpd=3)},
        {"digest": b"n", "previous_digest": A.digest, "previous_until": 9},
        {"expires_at": 7, "prefix": "p", "suffix": "s", "weak": True},
        {},
    ],
    ids=str,
)
def test_keys_are_changed(database: Database, changes: dict[str, Any]) -> None:
    """What is named, and nothing else, of that key alone."""
    write(database, add(A), add(B))
    now = write(database, lambda one: change_key(one, A.id, changes, "ui"))
    values = {name: getattr(A, name) for name in Key.__struct_fields__} | changes
    assert now == Key(**values)
    assert {one.id: one for one in read(database, keys)} == {A.id: now, B.id: B}
    assert read(database, read_version) == 3


def test_keys_are_removed(database: Database) -> None:
    """A key that is removed is no more, and its name and secret are free again."""
    remove = lambda one: remove_key(one, A.id, "cli")  # noqa: E731
    write(database, add(A), add(B), remove)
    assert read(database, keys) == [B]
    write(database, add(A))
    assert read(database, read_version) == 4


def test_a_key_that_cannot_be_read_can_be_revoked(
    database: Database, kind: str
) -> None:
    """It grants nothing, and what a newer Pannier wrote of it stays."""
    write(database, add(A))
    mark, body = "%s" if kind == "postgres" else "?", b'{"newer":1}'
    write(
        database,
        lambda one: one.exec_driver_sql(f"UPDATE api_key SET terms = {mark}", (body,)),
        lambda one: change_key(one, A.id, {"revoked_at": 9}, "cli"),
    )
    (now,) = read(database, keys)
    assert (now.revoked_at, now.terms.allow_models) == (9, ())
    left = "SELECT terms FROM api_key"
    found = read(database, lambda one: one.exec_driver_sql(left).scalar())
    assert bytes(found) == body


def test_many_changes_at_once(database: Database) -> None:
    """They are made in their order, with one version, and an entry for each."""
    c = key("Carl", "sk-c-key-of-thirty-two-characters")
    write(database, add(A), add(B), add(c))
    batch = Batch(read(database, keys), "import")
    batch.remove(A.id)
    anna = batch.change(B.id, {"name": "ANNA"})
    carl = batch.change(c.id, {"name": "Bert", "digest": A.digest})
    new = key("Carl", digest=c.digest, id="key_new")
    batch.add(new)
    assert len(read(database, keys)) == 3, "nothing is written yet"
    write(database, batch.write)
    assert {one.id: one for one in read(database, keys)} == {
        B.id: anna, c.id: carl, new.id: new
    }  # fmt: skip
    assert read(database, read_version) == 4
    noted = [(action, name) for action, name, _ in diffs(database)[3:]]
    assert noted == [
        ("key.remove", "Anna"),
        ("key.change", "Bert"),
        ("key.change", "Carl"),
        ("key.create", "Carl"),
    ]
    write(database, Batch([], "import").write)
    assert read(database, read_version) == 4


def test_many_changes_cost_little(database: Database) -> None:
    """Thousands of keys are a few statements, while which nobody else can write."""
    batch = Batch([], "import")
    for number in range(2500):
        digest = number.to_bytes(32, "big")
        batch.add(key(f"k{number}", digest=digest, rpm=number))
    statements: list[str] = []

    def count(connection: Connection) -> None:
        sa.event.listen(
            connection,
            "before_cursor_execute",
            lambda *said: statements.append(said[2]),
        )
        batch.write(connection)

    write(database, count)
    assert 6 <= len(statements) < 12
    found = read(database, keys)
    assert {one.terms.rpm for one in found} == set(range(2500))
    newest = read(database, lambda connection: audit(connection, 1))
    assert newest[0].object == "k2499"


@pytest.mark.parametrize(
    ("second", "param"),
    [
        (key("ANNA", "12345678", id="n"), "name"),
        (key("new", digest=A.digest), "key"),
        (key("new", digest=b"before"), "key"),
        (key("new", previous_digest=A.digest), "key"),
        (key("new", "12345678", id=A.id), "id"),
        (key("new", "12345678", rpm=-1), "rpm"),
    ],
)
def test_one_of_many_cannot_be(second: Key, param: str) -> None:
    """It is refused for those before it, though nothing is written yet."""
    batch = Batch([], "import")
    batch.add(A)
    batch.change(A.id, {"previous_digest": b"before"})
    with pytest.raises(Refused) as refused:
        batch.add(second)
    assert refused.value.param == param


REVOKED = key("Gone", "sk-g-key-of-thirty-two-characters", revoked_at=1)
OLD = key("Old", "sk-o-key", previous_digest=b"before")
REFUSED: dict[str, tuple[Change, str, bool]] = {
    "name": (add(key("anna", "12345678")), "name", False),
    "name of a revoked key": (add(key("GONE", "12345678")), "name", False),
    "secret": (add(key("new", digest=A.digest)), "key", False),
    "secret before": (add(key("new", digest=b"before")), "key", False),
    "id": (add(key("new", "12345678", id=A.id)), "id", False),
    "empty name": (add(key("", "12345678")), "name", False),
    "long name": (add(key("x" * 81, "12345678")), "name", False),
    "NUL": (add(key("a\0b", "12345678", id="n")), "name", False),
    "half a character": (add(key("\ud800", "12345678", id="n")), "name", False),
    "notes": (add(key("new", "12345678", notes="\0")), "notes", False),
    "a far day": (add(key("new", "12345678", expires_at=2**63)), "expires_at", False),
    "terms": (add(key("new", "12345678", rpm=-1)), "rpm", False),
    "change to a name": (
        lambda one: change_key(one, B.id, {"name": "ANNA"}, "x"),
        "name",
        False,
    ),
    "change to a secret": (
        lambda one: change_key(one, B.id, {"digest": b"before"}, "x"),
        "key",
        False,
    ),
    "change to terms": (
        lambda one: change_key(one, B.id, {"terms": Terms(allow_models=("",))}, "x"),
        "allow_models[0]",
        False,
    ),
    "change of nobody": (lambda one: change_key(one, "nobody", {}, "x"), "id", True),
    "removal of nobody": (lambda one: remove_key(one, "' OR 1=1 --", "x"), "id", True),
    "removal of NUL": (lambda one: remove_key(one, "\0", "x"), "id", False),
    "model": (lambda one: remove_model(one, "none", "x"), "name", True),
    "alias": (lambda one: remove_alias(one, "none", "x"), "name", True),
    "a model's name": (
        lambda one: set_model(one, ModelEntry(name="a b"), "x"),
        "name",
        False,
    ),
    "an alias's target": (
        lambda one: set_alias(one, AliasEntry(name="a", target="x*"), "x"),
        "target",
        False,
    ),
    "NUL in a model": (
        lambda one: set_model(one, ModelEntry(name="a\0"), "x"),
        "key",
        False,
    ),
}


@pytest.mark.parametrize(("change", "param", "unknown"), REFUSED.values(), ids=REFUSED)
def test_q8_what_cannot_be_set(
    database: Database, change: Change, param: str, unknown: bool
) -> None:
    """It is refused with the field that is wrong, and changes nothing."""
    write(database, add(A), add(B), add(REVOKED), add(OLD))
    error = refusal(database, change)
    assert (error.param, error.unknown) == (param, unknown)
    assert str(error).endswith(".") or "`" in str(error)


def test_uses_are_no_changes(database: Database) -> None:
    """The last use is noted without a version, and never goes back in time."""
    write(database, add(A), add(B))
    for moment, ip in ((5, "10.0.0.5"), (7, "10.0.0.7"), (3, "10.0.0.3")):
        used = {A.id: (moment, ip), "gone": (9, "")}
        write(database, lambda one, used=used: note_used(one, used))
        write(database, lambda one: note_used(one, {}))
    found = {one.id: one for one in read(database, keys)}
    assert (found[A.id].last_used_at, found[A.id].last_used_ip) == (7, "10.0.0.7")
    assert found[B.id] == B
    assert read(database, read_version) == 2
    assert len(diffs(database)) == 2


@pytest.mark.parametrize("first", [True, False])
def test_an_id_counts_before_a_name(database: Database, first: bool) -> None:
    """A key that is called as another's id does not take its place."""
    liar = key(A.id, "sk-liar-key-of-thirty-two-characters", id="key_liar")
    write(database, *map(add, [liar, A] if first else [A, liar]))
    assert read(database, lambda one: find_key(one, A.id)).id == A.id


# -------------------------------------------------------- models, aliases, settings


def test_models_and_aliases(database: Database) -> None:
    """One entry for all spellings of a name, the last that was set; others stay."""
    first = ModelEntry(name="Llama3", enabled=False)
    second = ModelEntry(name="llama3:latest", overrides={"stop": ["\0"], "seed": 1})
    code = CodeEntry(template="{code_prefix}\0", mode="")
    other = ModelEntry(name="me/other:1b", hidden=True, description="ö", code=code)
    alias = AliasEntry(name="GPT-4*", target="llama3", shadow=True)
    write(
        database,
        lambda one: set_model(one, first, "x"),
        lambda one: set_model(one, other, "x"),
        lambda one: set_model(one, second, "x"),
        lambda one: set_alias(one, AliasEntry(name="gpt-4*", target="a"), "x"),
        lambda one: set_alias(one, AliasEntry(name="b", target="a"), "x"),
        lambda one: set_alias(one, alias, "x"),
    )
    assert read(database, models) == [second, other]
    assert read(database, aliases) == [alias, AliasEntry(name="b", target="a")]
    write(
        database,
        lambda one: remove_model(one, "registry.ollama.ai/library/LLAMA3", "x"),
        lambda one: remove_alias(one, "B", "x"),
    )
    assert read(database, models) == [other]
    assert read(database, aliases) == [alias]
    assert read(database, read_version) == 8


def test_settings(database: Database) -> None:
    """Any value that JSON has; ``None`` removes one; others stay."""
    values = {"overrides": {"a": [1, None, {"b": "\0"}]}, "port": 1, "strict": False}
    write(
        database,
        lambda one: set_settings(one, values, "x"),
        lambda one: set_settings(one, {"port": None, "origins": "", "no": None}, "x"),
    )
    del values["port"]
    assert read(database, settings) == values | {"origins": ""}
    assert read(database, read_version) == 2


# --------------------------------------------------------------------- the audit log


def test_what_is_noted(database: Database) -> None:
    """What was, and what is, field by field, and no secret anywhere."""
    rotated = {"digest": b"new", "previous_digest": A.digest}
    url = {"upstream_url": "http://me:geheim@host", "upstream_api_key": "geheim"}
    write(
        database,
        add(A),
        lambda one: change_key(one, A.id, {**rotated, "enabled": False}, "ui"),
        lambda one: change_key(one, A.id, {"terms": Terms(allow_models=())}, "ui"),
        lambda one: set_alias(one, AliasEntry(name="a", target="b"), "ui"),
        lambda one: set_alias(one, AliasEntry(name="A", target="c"), "ui"),
        lambda one: remove_alias(one, "a", "ui"),
        lambda one: set_settings(one, url, "ui"),
        lambda one: set_settings(one, {"upstream_api_key": "geheim2"}, "ui"),
    )
    (_, name, made), *rest = diffs(database)
    assert name == "Anna"
    assert made["name"] == (None, "Anna")
    assert made["rpm"] == (None, 5)
    assert made["digest"] == (None, "***")
    alias = {"display": False, "enabled": True, "hidden": False, "shadow": False}
    all_of_it = {field: (None, value) for field, value in alias.items()}
    gone = {field: (value, None) for field, value in alias.items()}
    assert rest == [
        (
            "key.change",
            "Anna",
            {
                "digest": ("***", "***"),
                "previous_digest": (None, "***"),
                "enabled": (True, False),
            },
        ),
        ("key.change", "Anna", {"allow_models": (["*"], []), "rpm": (5, None)}),
        (
            "alias.set",
            "a",
            all_of_it
            | {"name": (None, "a"), "target": (None, "b"), "overrides": (None, {})},
        ),
        ("alias.set", "A", {"name": ("a", "A"), "target": ("b", "c")}),
        (
            "alias.remove",
            "a",
            gone
            | {"name": ("A", None), "target": ("c", None), "overrides": ({}, None)},
        ),
        (
            "settings",
            "upstream_api_key, upstream_url",
            {
                "upstream_api_key": (None, "***"),
                "upstream_url": (None, "http://***@host"),
            },
        ),
        ("settings", "upstream_api_key", {"upstream_api_key": ("***", "***")}),
    ]
    found = read(database, lambda one: audit(one, 9))
    assert [one.actor for one in found] == ["ui"] * 7 + ["cli"]
    assert all(one.at > 1_700_000_000_000 for one in found)


def test_the_log_is_paged_and_bounded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Newest first, page by page; beyond the most that are kept the oldest go."""
    monkeypatch.setattr(log, "MOST", 5)
    for n in range(8):
        write(database, lambda one, n=n: note(one, "me", "login", f"{n}", {}, "::1"))
    first = read(database, lambda one: audit(one, 3))
    second = read(database, lambda one: audit(one, 3, first[-1].id))
    assert [one.object for one in first + second] == ["7", "6", "5", "4", "3"]
    assert first[0].ip == "::1"
    for words, found in (
        ("LOGIN", 5),
        ("me 7", 1),
        ("%", 0),
        ("7 ::1 5", 0),
        ("", 5),
        ("_", 0),
        ("ME", 5),
    ):
        entries = read(database, lambda one, w=words: audit(one, 9, None, w.split()))
        assert len(entries) == found, words
    assert read(database, read_version) == 0
    # Most of the time nobody looks; where many came at once somebody does.
    monkeypatch.setattr(log, "MOST", 3000)
    many = [log.change("me", "a", f"{n}", None, None) for n in range(3002)]
    write(database, lambda one: log.write_changes(one, many))
    assert len(read(database, lambda one: audit(one, 9999))) == 3000


def test_failed_attempts_push_nothing_else_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often somebody fails to sign in, what operators did stays in the log."""
    monkeypatch.setattr(log, "MOST", 3)
    monkeypatch.setattr(log, "MOST_FAILED", 2)
    for action in ("key.add", "login", *["login.failure", "password.failure"] * 4):
        write(database, lambda one, a=action: note(one, "", a, "x", {}, "::1"))
    write(database, lambda one: note(one, "", "key.remove", "x", {}, "::1"))
    found = [entry.action for entry in read(database, lambda one: audit(one, 9))]
    wanted = ["key.remove", "password.failure", "login.failure", "login", "key.add"]
    assert found == wanted


# ---------------------------------------------------------------------- all together


def test_q3_changes_are_all_or_nothing(database: Database) -> None:
    """Several changes in one transaction are all there, or none of them is."""

    def several(connection: Connection) -> None:
        add_key(connection, A, "x")
        set_settings(connection, {"strict": True}, "x")
        add_key(connection, A, "x")

    assert refusal(database, several).param == "id"
    assert read(database, whole) == [0, [], [], [], {}, []]


WRITER = """
import json, sys
from support.gateway import key
from app.storage.configuration import add_key, set_settings
from app.storage.database import Database

url, state_dir, name = json.loads(sys.argv[1])
database = Database(url, state_dir, 60_000)
for n in range(25):
    with database.writing() as connection:
        add_key(connection, key(f"{name}{n}", f"{name}{n}" * 9), name)
        set_settings(connection, {"strict": n % 2 == 0, name: n}, name)
database.close()
"""


@pytest.mark.live
def test_q6_changes_of_many_processes(place: Place) -> None:
    """Processes that write at once lose nothing, and each change is a version."""
    where = [place.settings.get("database_url", ""), place.settings["state_dir"]]
    path = f"{ROOT}:{ROOT / 'tests'}"
    running = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", WRITER, json.dumps([*where, name])],
            cwd=ROOT,
            env={**clean_environ(), "PYTHONPATH": path},
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in "abc"
    ]
    said = [one.communicate(timeout=PATIENCE)[1] for one in running]
    assert said == [""] * 3
    with closing(place.database()) as database:
        assert read(database, read_version) == 150
        assert len(read(database, keys)) == 75
        assert read(database, settings) == {"strict": True, "a": 24, "b": 24, "c": 24}
        assert len(read(database, lambda one: audit(one, 999))) == 150
