"""What an operator may do, and what becomes of it, on SQLite."""

import json
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import ollama2openai
from support.ollama2openai import LONG, SHORT
from support.operating import administration

from app.administration import Administration, Refused, checks, transfer
from app.administration.checks import KeyForm, check_news, key_form
from app.administration.document import LARGEST_OTHER, MOST, Document
from app.gateway.credentials import hasher
from app.gateway.entries import AliasEntry, CodeEntry, ModelEntry
from app.gateway.snapshot import Snapshot
from app.secret import lasting
from app.settings import Settings
from app.storage.configuration import read_snapshot, read_version
from app.storage.database import Database
from app.wire.names import key as key_of
from middleware.access import grants

DAY = 86_400_000
ALL = {"name": "laptop", "allow_models": ["*"]}


class House:
    """One installation: its administration, and what a worker would see."""

    def __init__(self, running: ExitStack, settings: Settings) -> None:
        self.settings = settings
        self.office: Administration = running.enter_context(administration(settings))
        self._database = Database("", settings.state_dir)
        running.callback(self._database.close)

    def snapshot(self) -> Snapshot:
        """All that is in force."""
        with self._database.reading() as connection:
            return read_snapshot(connection)

    def version(self) -> int:
        """The version of that."""
        with self._database.reading() as connection:
            return read_version(connection)

    def usage(self) -> list[tuple[Any, ...]]:
        """What is kept of requests."""
        with self._database.reading() as connection:
            found = connection.exec_driver_sql(
                "SELECT at, key_id, status, endpoint, resolved_model,"
                " prompt_tokens, completion_tokens"
                " FROM usage_record ORDER BY id"
            )
            return [tuple(row) for row in found]

    def digest(self, secret: str) -> bytes:
        """By what a key is known."""
        found = lasting(self.settings.state_dir)
        assert isinstance(found, bytes)
        return hasher(found)(secret.encode())


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory with tables and nothing in them, to be copied."""
    place = tmp_path_factory.mktemp("tables")
    with administration(Settings(state_dir=str(place))):
        return place


@pytest.fixture
def build(tables: Path, tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Makes installations, each in a directory of its own."""
    with ExitStack() as running:

        def build(name: str = "state", **settings: Any) -> House:
            place = tmp_path / name
            if not place.exists():
                shutil.copytree(tables, place)
            return House(running, Settings(state_dir=str(place), **settings))

        yield build


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    """An installation."""
    return build()


@pytest.fixture
def office(house: House) -> Administration:
    """Its administration."""
    return house.office


# -------------------------------------------------------------------- keys


def test_k1_a_secret_is_handed_out_once_and_kept_nowhere(house: House) -> None:
    """What is kept of a key finds it again, and does not have its secret."""
    key, secret = house.office.keys.create(ALL)
    assert house.snapshot().keys[house.digest(secret)] == key
    assert key.shown == f"{secret[:10]}…{secret[-4:]}"
    _, rotated = house.office.keys.rotate("laptop", DAY)
    house.office.keys.take_in({**ALL, "name": "old"}, "a-key-from-elsewhere-12")
    kept = b"".join(
        file.read_bytes()
        for file in Path(house.settings.state_dir).iterdir()
        if file.name.startswith("pannier.db")
    )
    assert b"laptop" in kept
    for one in (secret, rotated, "a-key-from-elsewhere-12"):
        assert one.encode() not in kept
        assert one[10:20].encode() not in kept


@pytest.mark.parametrize(
    ("now", "fields", "param"),
    [
        (4, ["expires_at"], ""),
        (5, ["expires_at"], "expires_at"),
        (6, ["name", "expires_at"], "expires_at"),
        (6, ["name"], ""),
    ],
)
def test_what_is_never_meant(now: int, fields: list[str], param: str) -> None:
    """No key is set to expire now or in the past; one that has can be changed."""
    form = key_form({**ALL, "expires_at": 5})
    with pytest.raises(Refused) if param else nullcontext() as refused:
        check_news(form, fields, now)
    assert not param or refused.value.param == param


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"name": ""}, "name"),
        ({"name": "n" * 81}, "name"),
        ({"name": " padded"}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"name": 7}, "name"),
        ({"name": "nul\0"}, "name"),
        ({"name": "admin\u202etxt"}, "name"),
        ({"name": "zero\u200bwidth"}, "name"),
        ({"name": "no\u00a0break"}, "name"),
        ({"name": "\U000e0041"}, "name"),
        ({"notes": "two\nlines, \u2066turned"}, "notes"),
        ({"allow_models": []}, "allow_models"),
        ({"allow_models": None}, "allow_models"),
        ({"allow_models": [""]}, "allow_models[0]"),
        ({"allow_models": ["*"] * 257}, "allow_models"),
        ({"allow_models": ["*a" * 17]}, "allow_models"),
        ({"deny_models": ["[z-a]"]}, "deny_models"),
        ({"allow_endpoints": []}, "allow_endpoints"),
        ({"allow_endpoints": ["chatting"]}, "allow_endpoints[0]"),
        ({"rpm": -1}, "rpm"),
        ({"rpm": "60"}, "rpm"),
        ({"tpd": 2**53 + 1}, "tpd"),
        ({"max_concurrent": 1.5}, "max_concurrent"),
        ({"expires_at": 1}, "expires_at"),
        ({"expires_at": 2**63}, "expires_at"),
        ({"expires_at": 253_402_300_800_000}, "expires_at"),
        ({"default_model": "m\x1b[2J"}, "default_model"),
        ({"notes": "n" * 2001}, "notes"),
        ({"default_model": "two words"}, "default_model"),
        ({"overrides": {"num_ctx": "many"}}, "overrides.num_ctx"),
        ({"overrides": []}, "overrides"),
        ({"digest": "0" * 64}, "digest"),
        ({"typo": 1}, "typo"),
    ],
)
def test_what_a_key_cannot_be(house: House, said: dict[str, Any], param: str) -> None:
    """A wrong field is named, in a sentence, and nothing is written."""
    before = house.version()
    with pytest.raises(Refused) as refused:
        house.office.keys.create({**ALL, **said})
    assert refused.value.param == param
    assert str(refused.value).endswith(".")
    assert house.version() == before
    assert not house.office.keys.list()


def test_a_key_needs_models(office: Administration) -> None:
    """A form without a list of models is refused: that is never all of them."""
    with pytest.raises(Refused, match="allow_models"):
        office.keys.create({"name": "laptop"})


@pytest.mark.parametrize("name", ["laptop", "LAPTOP"])
def test_names_are_of_one_key(office: Administration, name: str) -> None:
    """A name is taken in any case, also by a key that is revoked."""
    office.keys.create(ALL)
    office.keys.revoke("laptop")
    with pytest.raises(Refused) as refused:
        office.keys.create({**ALL, "name": name})
    assert refused.value.param == "name"


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "desk"},
        {"rpm": 60, "notes": "for tests\n\tof \u05d0\u05d1 and \u732b"},
        {"name": "\u732b \u05d0\u05d1 \U0001f431"},
        {"enabled": False},
        {"allow_models": ["qwen*"], "deny_models": ["*:cloud"]},
        {"expires_at": 4_000_000_000_000},
        {"overrides": {"temperature": 0.5}},
    ],
)
def test_changes_are_in_force_and_in_the_audit_log(
    house: House, changes: dict[str, Any]
) -> None:
    """A change raises the version by one, and the log says who made it."""
    key, secret = house.office.keys.create(ALL)
    before = house.version()
    house.office.keys.change(key.id, changes)
    assert house.version() == before + 1
    found = house.snapshot().keys[house.digest(secret)]
    for field, value in changes.items():
        holder = found if hasattr(found, field) else found.terms
        now = getattr(holder, field)
        assert (list(now) if isinstance(now, tuple) else now) == value
    newest = house.office.audit(1)[0]
    assert (newest.actor, newest.object) == ("test", "laptop")
    assert set(newest.diff) == set(changes)


def test_the_audit_log_says_what_became_of_a_key(house: House) -> None:
    """Each has a name of its own; of a new secret it has what lists show."""
    keys = house.office.keys
    made, _ = keys.create(ALL)
    keys.change(made.id, {"enabled": False})
    keys.change(made.id, {"enabled": True})
    rotated, _ = keys.rotate(made.id)
    keys.revoke(made.id)
    revoked, rotation, enabled, disabled, created = house.office.audit(5)
    assert [
        one.action.removeprefix("key.")
        for one in (created, disabled, enabled, rotation, revoked)
    ] == ["create", "disable", "enable", "rotate", "revoke"]
    assert created.diff["prefix"] == (None, made.prefix)
    assert rotation.diff["prefix"] == (made.prefix, rotated.prefix)
    assert rotation.diff["digest"] == ("***", "***")


def test_what_changes_nothing_is_not_written(house: House) -> None:
    """To set what is set already raises no version."""
    house.office.keys.create(ALL)
    before = house.version()
    house.office.keys.change("laptop", {"allow_models": ["*"], "enabled": True})
    assert house.version() == before


def test_a_key_of_no_use_can_be_changed(house: House) -> None:
    """What was never meant may be there, and be disabled; it may not be said."""
    house.office.keys.create(ALL)
    document = house.office.transfer.export()
    written = json.loads(document.written())
    written["keys"][0]["terms"]["allow_models"] = []
    house.office.transfer.take_in(Document.read(json.dumps(written).encode()), "merge")
    assert house.office.keys.change("laptop", {"enabled": False}).enabled is False
    with pytest.raises(Refused, match="'\\*' means all"):
        house.office.keys.change("laptop", {"allow_models": []})


@pytest.mark.parametrize("grace", [0, 1, 7 * DAY])
def test_rotation(house: House, grace: int) -> None:
    """The old secret is good for the time that was said, and no longer."""
    _, old = house.office.keys.create(ALL)
    key, new = house.office.keys.rotate("laptop", grace)
    keys = house.snapshot().keys
    assert keys[house.digest(new)].name == "laptop"
    assert (house.digest(old) in keys) is bool(grace)
    assert (key.previous_until is not None) is bool(grace)


@pytest.mark.parametrize("grace", [-1, 7 * DAY + 1])
def test_rotation_is_no_second_key(office: Administration, grace: int) -> None:
    """Seven days are the longest for an old secret."""
    office.keys.create(ALL)
    with pytest.raises(Refused, match="7 days"):
        office.keys.rotate("laptop", grace)


def test_a_revoked_key_stays_so(house: House) -> None:
    """It cannot be enabled, rotated, or brought back by an older export."""
    house.office.keys.create(ALL)
    house.office.keys.rotate("laptop", DAY)
    document = house.office.transfer.export()
    house.office.keys.revoke("laptop")
    for again in (
        lambda: house.office.keys.change("laptop", {"enabled": True}),
        lambda: house.office.keys.rotate("laptop"),
    ):
        with pytest.raises(Refused, match="revoked, for ever"):
            again()
    house.office.transfer.take_in(document, "replace")
    assert house.office.keys.get("laptop").revoked_at is not None


def test_revoking_twice(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is revoked when it was first."""
    house.office.keys.create(ALL)
    first = house.office.keys.revoke("laptop")
    monkeypatch.setattr("app.administration.keys.now_ms", lambda: 4 * 10**12)
    assert house.office.keys.revoke("laptop") == first


def test_revoking_ends_the_old_secret_too(house: House) -> None:
    """The secret from before a rotation is as dead as the new one."""
    _, old = house.office.keys.create(ALL)
    house.office.keys.rotate("laptop", DAY)
    house.office.keys.revoke("laptop")
    assert house.digest(old) not in house.snapshot().keys


@pytest.mark.parametrize(("length", "weak"), [(8, True), (31, True), (32, False)])
def test_keys_from_elsewhere(house: House, length: int, weak: bool) -> None:
    """They are known again; those that may be guessed are marked."""
    secret = secrets.token_hex(200)[:length]
    key = house.office.keys.take_in(ALL, secret)
    assert key.weak is weak
    assert house.snapshot().keys[house.digest(secret)] == key
    assert len(key.prefix + key.suffix) <= length / 2
    assert not house.office.keys.rotate(key.id)[0].weak


@pytest.mark.parametrize(
    "secret", ["", "seven77", "x" * 257, "has space", "ümlautümlaut"]
)
def test_what_no_key_from_elsewhere_can_be(house: House, secret: str) -> None:
    """What no header could carry is refused, and not repeated."""
    with pytest.raises(Refused) as refused:
        house.office.keys.take_in(ALL, secret)
    assert refused.value.param == "key"
    assert not secret or secret not in str(refused.value)


def test_one_secret_is_of_one_key(office: Administration) -> None:
    """The same secret again is refused, with the name of the key that has it."""
    office.keys.take_in(ALL, "the-same-secret")
    with pytest.raises(Refused, match="laptop") as refused:
        office.keys.take_in({**ALL, "name": "other"}, "the-same-secret")
    assert "the-same-secret" not in str(refused.value)


@pytest.mark.parametrize("which", ["nobody", "", "key_0", "lap"])
def test_keys_that_are_not_there(office: Administration, which: str) -> None:
    """All that is about one key says that it is not there."""
    office.keys.create(ALL)
    for do in (office.keys.get, office.keys.revoke, office.keys.delete):
        with pytest.raises(Refused) as refused:
            do(which)
        assert refused.value.unknown


@pytest.mark.parametrize(
    ("auth", "before", "after"),
    [("auto", True, False), ("on", False, False), ("off", False, False)],
)
def test_the_first_key_and_the_last(
    build: Callable[..., House], auth: str, before: bool, after: bool
) -> None:
    """It is known whether a first key closes the door, and a last one opens it."""
    office = build(auth=auth).office
    assert office.keys.closes() is before
    office.keys.create(ALL)
    assert office.keys.closes() is after
    assert office.keys.opens("laptop") is before
    office.keys.create({**ALL, "name": "other"})
    assert not office.keys.opens("laptop")


def test_keys_of_another_secret(build: Callable[..., House]) -> None:
    """Where keys were made with another secret none is made that would not work."""
    house = build()
    house.office.keys.create(ALL)
    Path(house.settings.state_dir, "secret").write_bytes(b"y" * 32)
    with pytest.raises(Refused, match="another secret"):
        house.office.keys.create({**ALL, "name": "other"})
    with pytest.raises(Refused, match="another secret"):
        house.office.keys.rotate("laptop")
    house.office.keys.delete("laptop")
    house.office.keys.create(ALL)


def test_a_secret_that_does_not_last(build: Callable[..., House]) -> None:
    """No key is made that would be unknown after a restart."""
    house = build(secret_file="/nonexistent/secret")
    with pytest.raises(Refused, match="PANNIER_SECRET_FILE"):
        house.office.keys.create(ALL)
    assert not house.office.keys.list()


# --------------------------------------------------------- models, aliases


def test_models(house: House) -> None:
    """What is set for a model stays when something else is set for it."""
    models = house.office.models
    models.set("qwen3", {"overrides": {"num_ctx": 8192}})
    models.set("qwen3", {"code": {"strategy": "chat", "mode": "always"}})
    models.set("qwen3", {"code": {"strategy": "raw", "template": "<{code_prefix}"}})
    models.set("Qwen3:latest", {"enabled": False})
    (entry,) = house.snapshot().models.values()
    assert (entry.enabled, entry.overrides) == (False, {"num_ctx": 8192})
    assert entry.code == CodeEntry(strategy="raw", template="<{code_prefix}")
    models.set("qwen3", {"code": {}})
    (entry,) = house.snapshot().models.values()
    assert entry.code == CodeEntry()
    models.reset("library/qwen3")
    assert not house.snapshot().models
    with pytest.raises(Refused) as refused:
        models.reset("qwen3")
    assert refused.value.unknown


@pytest.mark.parametrize(
    ("name", "said", "param"),
    [
        ("two words", {}, "name"),
        ("", {}, "name"),
        ("qwen3\n", {}, "name"),
        ("qwen3\x1b[2J", {}, "name"),
        ("qwen3\u202e", {}, "name"),
        ("qwen3", {"enabled": "no"}, "enabled"),
        ("qwen3", {"overrides": {"temperature": []}}, "overrides.temperature"),
        (
            "qwen3",
            {"overrides": {"top_k": {"value": 1, "mode": "most"}}},
            "overrides.top_k",
        ),
        ("qwen3", {"typo": 1}, "typo"),
        ("qwen3", {"code": None}, "code"),
        ("qwen3", {"code": {"shape": "seed"}}, "code"),
        ("qwen3", {"code": {"strategy": "auto"}}, "code.strategy"),
        ("qwen3", {"code": {"strategy": None}}, "code.strategy"),
        ("qwen3", {"code": {"mode": "never"}}, "code.mode"),
        ("qwen3", {"code": {"template": 1}}, "code.template"),
        ("qwen3", {"code": {"template": ""}}, "code.template"),
        ("qwen3", {"code": {"template": "{code_prefix}{#1}"}}, "code.template"),
        ("qwen3", {"code": {"template": "{code_prefix}{file}"}}, "code.template"),
        ("qwen3", {"code": {"template": "{code_prefix}".ljust(4001)}}, "code.template"),
    ],
)
def test_what_a_model_cannot_be(
    house: House, name: str, said: dict[str, Any], param: str
) -> None:
    """A wrong field is named, and nothing is written."""
    with pytest.raises(Refused) as refused:
        house.office.models.set(name, said)
    assert refused.value.param == param
    assert not house.snapshot().models


@pytest.mark.parametrize(
    ("given", "kind", "choices"),
    [
        (
            {"name": "m", "code": {"strategy": "guess"}},
            ModelEntry,
            "code.strategy: Invalid enum value 'guess': one of 'chat', 'prefix', 'raw',"
            " 'suffix' is wanted.",
        ),
        ({**ALL, "allow_endpoints": ["x"]}, KeyForm, "'chat', 'code', 'completions'"),
    ],
)
def test_choices_are_named(given: Any, kind: Any, choices: str) -> None:
    """What is none of a few words is refused with these words."""
    with pytest.raises(Refused) as refused:
        checks.shaped(given, kind)
    assert choices in str(refused.value)


@pytest.mark.parametrize("new", ["enabled", "disabled"])
def test_what_is_set_for_a_model_opens_it_to_nobody(
    build: Callable[..., House], new: str
) -> None:
    """What may not be used before may not be used after, unless that is said."""
    models = build(new_models=new).office.models
    assert models.set("a", {"hidden": True}).enabled is (new == "enabled")
    assert models.set("b", {"enabled": True}).enabled


def test_what_is_so_already(house: House) -> None:
    """Setting it once more changes nothing, and nothing is noted of it."""
    office = house.office
    office.models.set("qwen3", {"hidden": True})
    office.aliases.set({"name": "a", "target": "qwen3"})
    office.keys.create(ALL)
    version = house.version()
    office.models.set("qwen3:latest", {"hidden": True, "enabled": True})
    office.aliases.change("A", {"target": "qwen3"})
    office.keys.change("laptop", {"enabled": True})
    assert house.version() == version


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"name": "llama3.2", "target": "qwen3"}, "name"),
        ({"name": "LLAMA3.2:latest", "target": "qwen3"}, "name"),
        ({"name": "set-only", "target": "qwen3"}, "name"),
        ({"name": "ä", "target": "qwen3"}, "name"),
        ({"name": "a\n", "target": "qwen3"}, "name"),
        ({"name": "a", "target": "two words"}, "target"),
        ({"name": "a", "target": "qwen3\n"}, "target"),
        ({"name": "a", "target": "qwen3\x1b[2J"}, "target"),
        ({"name": "a", "target": "qwen3\u202e"}, "target"),
        ({"name": "a*", "target": "qwen3", "display": True}, "display"),
        ({"name": "a", "target": "qwen3", "overrides": {"stop": 1}}, "overrides.stop"),
        ({"name": "a"}, "target"),
    ],
)
def test_what_an_alias_cannot_be(
    house: House, given: dict[str, Any], param: str
) -> None:
    """A name that would hide a model is refused, and what means nothing."""
    house.office.models.set("set-only", {"hidden": True})
    with pytest.raises(Refused) as refused:
        house.office.aliases.set(given, ["llama3.2", "qwen3"])
    assert refused.value.param == param
    assert not house.snapshot().aliases


@pytest.mark.parametrize(
    "given",
    [
        {"name": "llama3.2", "target": "qwen3", "shadow": True},
        {"name": "llama3.2", "target": "llama3.2:latest", "display": True},
        {"name": "llama*", "target": "qwen3"},
        {"name": "gpt-4o", "target": "qwen3"},
    ],
)
def test_aliases(house: House, given: dict[str, Any]) -> None:
    """There is one of a name, in any case; it is replaced, and can be removed."""
    aliases = house.office.aliases
    aliases.set({**given, "target": "other", "shadow": True})
    aliases.set({**given, "name": given["name"].upper()}, ["llama3.2"])
    (entry,) = house.snapshot().aliases.values()
    assert entry.target == given["target"]
    assert aliases.remove(given["name"]).target == given["target"]
    assert not house.snapshot().aliases


# --------------------------------------------------------------- settings


def test_settings(house: House) -> None:
    """They are kept as JSON has them, counted in, and removed again."""
    choices = house.office.choices
    choices.set({"context": "auto", "max_choices": 4, "strict": True})
    assert house.snapshot().settings == {
        "context": "auto",
        "max_choices": 4,
        "strict": True,
    }
    assert choices.in_force().max_choices == 4
    choices.set({"max_choices": None})
    assert choices.in_force().max_choices == Settings().max_choices


@pytest.mark.parametrize(
    "wanted",
    [
        {"port": 81},
        {"auth": "off"},
        {"database_url": "postgresql://a@b/c"},
        {"fingerprint": "0"},
        {"overrides": {}},
        {"nonsense": 1},
        {"max_choices": 0},
        {"context": "all"},
        {"upstream_url": "http://127.0.0.1:8080"},
        {"context": "auto", "max_choices": "many"},
    ],
)
def test_what_cannot_be_set(house: House, wanted: dict[str, Any]) -> None:
    """Nothing of what was asked is written where one thing is wrong."""
    with pytest.raises(Refused):
        house.office.choices.set(wanted)
    assert house.version() == 0


def test_overrides_for_all(house: House) -> None:
    """They are a layer of their own, and wrong ones are refused."""
    house.office.choices.set_overrides({"temperature": 0.2})
    assert house.snapshot().overrides == {"temperature": 0.2}
    with pytest.raises(Refused, match="overrides"):
        house.office.choices.set_overrides({"num_ctx": -1.5})
    house.office.choices.set_overrides({})
    assert not house.snapshot().overrides


# --------------------------------------------------------------- transfer


def furnished(house: House) -> str:
    """Set something of everything; returns a key's secret."""
    office = house.office
    _, secret = office.keys.create({**ALL, "rpm": 60})
    code = {"strategy": "raw", "template": "{<a>}{code_prefix}", "mode": ""}
    office.models.set("qwen3", {"overrides": {"think": True}, "code": code})
    office.aliases.set({"name": "gpt-4o", "target": "qwen3", "display": True})
    office.choices.set({"context": "auto"})
    office.choices.set_overrides({"temperature": 0.2})
    return secret


def same(one: Snapshot, other: Snapshot) -> bool:
    """Whether two installations have the same set."""
    fields = ("keys", "models", "aliases", "settings", "overrides")
    return all(getattr(one, field) == getattr(other, field) for field in fields)


@pytest.mark.parametrize("mode", ["merge", "replace", "skip"])
def test_what_is_exported_can_be_imported(
    build: Callable[..., House], mode: Any
) -> None:
    """Another installation of the same secret has the same set, and its keys work."""
    here, there = build("here"), build("there")
    secret = furnished(here)
    shutil.copy(*(Path(h.settings.state_dir, "secret") for h in (here, there)))
    written = here.office.transfer.export().written()
    assert secret.encode() not in written
    document = Document.read(written)
    planned = there.office.transfer.plan(document, mode)
    assert there.version() == 0
    done = there.office.transfer.take_in(document, mode)
    assert [step[:4] for step in done] == [step[:4] for step in planned]
    assert same(there.snapshot(), here.snapshot())
    assert there.digest(secret) in there.snapshot().keys
    assert there.office.transfer.take_in(document, mode) == []


@pytest.mark.parametrize(
    ("mode", "context", "rpm", "extra"),
    [
        ("merge", "auto", 60, True),
        ("skip", "strict", 5, True),
        ("replace", "auto", 60, False),
    ],
)
def test_modes(house: House, mode: Any, context: str, rpm: int, extra: bool) -> None:
    """What is there stays, gives way or goes, as the mode says."""
    furnished(house)
    document = house.office.transfer.export()
    house.office.choices.set({"context": "strict", "max_choices": 3})
    house.office.choices.set_overrides({"temperature": 0.9, "top_k": 5})
    house.office.keys.change("laptop", {"rpm": 5})
    house.office.keys.create({**ALL, "name": "extra"})
    house.office.aliases.set({"name": "extra", "target": "qwen3"})
    house.office.transfer.take_in(document, mode)
    now = house.snapshot()
    assert now.settings["context"] == context
    assert ("max_choices" in now.settings) is extra
    assert ("top_k" in now.overrides) is extra
    assert ("extra" in now.aliases) is extra
    keys = {key.name: key for key in now.keys.values()}
    assert keys["laptop"].terms.rpm == rpm
    assert ("extra" in keys) is extra


def test_what_is_set_while_a_file_is_looked_at(
    build: Callable[..., House], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others can write meanwhile, and what they write counts, as if it came before."""
    house, other = build(), build()
    furnished(house)
    document = house.office.transfer.export()
    house.office.keys.delete("laptop")
    looked = transfer.steps

    def look(*said: Any) -> Any:
        found = looked(*said)
        monkeypatch.undo()
        other.office.keys.create(ALL)
        return found

    monkeypatch.setattr(transfer, "steps", look)
    with pytest.raises(Refused, match="a key 'laptop' already"):
        house.office.transfer.take_in(document, "merge")
    assert [key.name for key in house.office.keys.list()] == ["laptop"]


def test_a_name_becomes_free_first(house: House) -> None:
    """A key comes back in the place of another that has its name."""
    secret = furnished(house)
    document = house.office.transfer.export()
    house.office.keys.delete("laptop")
    house.office.keys.create(ALL)
    house.office.transfer.take_in(document, "replace")
    (key,) = house.snapshot().keys.values()
    assert key.digest == house.digest(secret)


def test_sections_that_are_not_there_are_left_alone(house: House) -> None:
    """A file without a section removes nothing of it."""
    furnished(house)
    before = house.snapshot()
    house.office.transfer.take_in(Document(), "replace")
    assert same(house.snapshot(), before)


def test_keys_need_their_secret(build: Callable[..., House]) -> None:
    """Keys of another secret are refused; all else can be taken in without them."""
    here, there = build("here"), build("there")
    furnished(here)
    document = here.office.transfer.export()
    with pytest.raises(Refused, match="another secret"):
        there.office.transfer.take_in(document, "merge")
    assert there.version() == 0
    there.office.transfer.take_in(document.only(("models", "settings")), "merge")
    assert there.snapshot().models == here.snapshot().models
    assert not there.snapshot().keys


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], object]:
    def change(document: dict[str, Any]) -> None:
        *way, last = path.split(".")
        place: Any = document
        for step in way:
            place = place[int(step) if step.isdigit() else step]
        place[last] = value

    return change


def _again(section: str, **fields: Any) -> Callable[[dict[str, Any]], object]:
    def change(document: dict[str, Any]) -> None:
        document[section].append(document[section][0] | fields)

    return change


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (_set("format", "other"), "no export"),
        (_set("version", 2), "version"),
        (_set("typo", 1), "typo"),
        (_set("settings.port", 1), "settings"),
        (_set("settings.context", "all"), "settings"),
        (_set("overrides.num_ctx", "x"), "overrides"),
        (_set("models.0.enabled", "x"), "models[0].enabled"),
        (_set("models.0.overrides", {"top_k": []}), "models[0] (qwen3)"),
        (_set("models.0.code.strategy", "auto"), "models[0].code.strategy"),
        (_set("models.0.code.template", "<>"), "code.template"),
        (_set("aliases.0.name", "a\nb"), "aliases[0].name"),
        (_set("aliases.0.name", "a\tb"), "aliases[0] ("),
        (_set("aliases.0.target", "a\n"), "aliases[0].target"),
        (_set("aliases.0.target", "a\x1b"), "aliases[0] ("),
        (_set("models.0.name", "a\u202e"), "models[0] ("),
        (_set("aliases.0.name", "qwen3*"), "aliases[0] (qwen3*)"),
        (_again("models", name="QWEN3:latest"), "models[1] (QWEN3:latest): 'qwen3' is"),
        (_again("models"), "models[1] (qwen3): 'qwen3' is in the file already"),
        (_again("aliases", name="GPT-4o"), "aliases[1] (GPT-4o): 'gpt-4o' is"),
        (_set("keys.0.typo", 1), "typo"),
        (_set("keys.0.name", " x"), "keys[0] ( x)"),
        (_set("keys.0.notes", "\u202e"), "keys[0] (laptop)"),
        (_set("keys.0.digest", "AAAA"), "keys[0] (laptop)"),
        (_set("keys.0.previous_digest", "AAAA"), "keys[0] (laptop)"),
        (_set("keys.0.terms.allow_models", ["[z-a]"]), "keys[0] (laptop)"),
        (_set("keys.0.terms.typo", 1), "typo"),
        (_set("keys.0.id", ""), "An id has"),
        (_set("keys.0.id", "key_/../x"), "An id has"),
        (_set("keys.0.prefix", "\x1b[2J"), "'prefix'"),
        (_set("keys.0.suffix", "s" * 65), "'suffix'"),
        (_set("keys.0.last_used_ip", "1.2.3.4\n"), "'last_used_ip'"),
        (_set("keys.0.notes", "n" * 2001), "keys[0] (laptop)"),
        (_set("keys.0.expires_at", 10**15), "year 9999"),
        (_set("keys.0.last_used_at", 2**62), "year 9999"),
        (_set("fingerprint", "0"), "another secret"),
    ],
)
def test_a_wrong_file_changes_nothing(
    house: House, change: Callable[[dict[str, Any]], object], where: str
) -> None:
    """It is refused with the place that is wrong, as a whole."""
    furnished(house)
    document = json.loads(house.office.transfer.export().written())
    document["settings"]["max_choices"] = 3
    change(document)
    before = house.version()
    with pytest.raises(Refused) as refused:
        house.office.transfer.take_in(
            Document.read(json.dumps(document).encode()), "replace"
        )
    assert where in str(refused.value)
    assert house.version() == before


@pytest.mark.parametrize("mode", ["merge", "skip", "replace"])
def test_two_entries_of_one_key(house: House, mode: Any) -> None:
    """A file in which one key is met by its id and by its secret is refused."""
    house.office.keys.create(ALL)
    document = house.office.transfer.export()
    (key,) = document.keys or []
    by_id = msgspec.structs.replace(key, name="b", digest=b"2" * 32)
    by_secret = msgspec.structs.replace(key, name="c", id="key_other")
    for both in ([by_id, by_secret], [by_secret, by_id], [key, key]):
        document.keys = both
        with pytest.raises(Refused) as refused:
            house.office.transfer.take_in(document, mode)
        assert refused.value.param == "keys[1].id"
    assert [one.name for one in house.office.keys.list()] == ["laptop"]


def test_aliases_are_checked_at_once(
    office: Administration, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice as many models and aliases take twice as long, not four times."""
    looks = 0

    def counted(name: str) -> str:
        nonlocal looks
        looks += 1
        return key_of(name)

    monkeypatch.setattr(transfer, "key_of", counted)
    monkeypatch.setattr(checks, "key_of", counted)
    many = 100
    document = Document(
        models=[ModelEntry(name=f"m{n}") for n in range(many)],
        aliases=[AliasEntry(name=f"a{n}", target=f"m{n}") for n in range(many)],
    )
    assert len(office.transfer.plan(document, "merge")) == 2 * many
    assert many <= looks <= 4 * many


@pytest.mark.parametrize(
    ("auth", "keys", "refused"),
    [("auto", 1, True), ("auto", 0, False), ("on", 1, False), ("off", 1, False)],
)
def test_a_file_that_removes_the_last_key(
    build: Callable[..., House], auth: str, keys: int, refused: bool
) -> None:
    """It is refused where then nobody needed one any more, and only there."""
    office = build(auth=auth).office
    for _ in range(keys):
        office.keys.create(ALL)
    document = msgspec.structs.replace(office.transfer.export(), keys=[])
    with pytest.raises(Refused, match="last key") if refused else nullcontext():
        office.transfer.take_in(document, "replace")
    assert len(office.keys.list()) == refused


MANY = {
    "models": ({"name": "m"}, MOST["models"]),
    "aliases": ({"name": "a", "target": "m"}, MOST["aliases"]),
    "keys": ({"name": "k"}, MOST["keys"]),
}
LONG_ENTRY = {"name": "m", "description": "d" * LARGEST_OTHER}


@pytest.mark.parametrize(
    ("section", "value", "field"),
    [
        *((name, [entry] * (most + 1), name) for name, (entry, most) in MANY.items()),
        ("settings", LONG_ENTRY, "settings"),
        ("overrides", LONG_ENTRY, "overrides"),
        ("fingerprint", "f" * LARGEST_OTHER, "fingerprint"),
        ("models", [LONG_ENTRY] * 4, "models"),
        ("keys", [LONG_ENTRY], "keys[0]"),
    ],
)
def test_a_file_of_too_much(section: str, value: Any, field: str) -> None:
    """What would hold requests up is refused by the name of its section."""
    data = json.dumps({"format": "pannier-export", section: value}).encode()
    with pytest.raises(Refused, match=r"more than|at most") as refused:
        Document.read(data, bounded=True)
    assert refused.value.param == field


def test_a_file_of_much() -> None:
    """As many entries as there may be are taken in; by the command also more."""
    entries = [{"name": f"m{n}"} for n in range(MOST["models"] + 1)]
    for many, bounded in ((MOST["models"], True), (MOST["models"] + 1, False)):
        file = {"format": "pannier-export", "models": entries[:many]}
        document = Document.read(json.dumps(file).encode(), bounded=bounded)
        assert len(document.models or []) == many


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"null", b'"x"'])
def test_what_is_no_file_of_ours(data: bytes) -> None:
    """Anything else is refused in a sentence."""
    with pytest.raises(Refused):
        Document.read(data)


# ----------------------------------------------------------- ollama2openai

#: As that program writes its files: a key made by it, one made by hand, models that it
#: has listed, one of them edited, parameters by name from its older versions.
THEIRS: dict[str, Any] = {
    "config.json": ollama2openai.config("http://ollama.lan:11434/"),
    "api_keys.json": [
        ollama2openai.key("1754000000000", "laptop", LONG, "*")
        | {"lastUsed": "2025-08-02T10:00:00.000Z"},
        ollama2openai.key(
            "1754000000001", "Laptop", SHORT, "coder", "llama3.2:3b", "q*"
        ),
        {"id": "3", "name": "nothing", "key": "sk-nothing", "allowedModels": [""]},
    ],
    "models.json": [
        {
            "id": "qwen3-coder:30b",
            "originalName": "qwen3-coder:30b",
            "displayName": "coder",
            "enabled": True,
            "size": 5,
            "modified": "2025-08-01T10:00:00Z",
            "parameterOverrides": {
                "num_ctx": 163840,
                "request_timeout": 99999999,
                "exclude_reasoning": True,
                "think": True,
            },
        },
        {"originalName": "llama3.2:3b", "displayName": "llama3.2:3b", "enabled": True},
        {"originalName": "old:1b", "displayName": "old:1b", "enabled": False},
    ],
    "overrides.json": {
        "coder": {"num_ctx": 1},
        "llama3.2:3b": {"num_ctx": 8192, "num_predict": 1000},
        "deepseek-r1": {"think": "high", "num_ctx": 32768, "temperature": 0.8},
    },
    "logs.json": [
        ollama2openai.logged("1754000000001", "Laptop"),
        {
            "id": "1754042401000",
            "timestamp": "2025-08-01T10:00:01.000Z",
            "apiKeyId": "of a key that is gone",
            "model": "coder",
            "responseTime": 3.5,
            "status": "error",
            "endpoint": "/messages",
        },
    ],
}


_CODER = "qwen3-coder:30b"


@pytest.mark.parametrize("below", ["", "data"])
def test_what_ollama2openai_has(house: House, tmp_path: Path, below: str) -> None:
    """Its keys work, its names and parameters are there, and once is enough."""
    ollama2openai.written(tmp_path / "theirs" / below, THEIRS)
    for many in (2, 0):
        found = house.office.migration(tmp_path / "theirs")
        assert len(found.rows) == many
        assert "stays" not in " ".join(found.remarks)
        assert bool(house.office.transfer.plan(found.document, "skip")) is bool(many)
        house.office.transfer.take_in(found.document, "skip", found.rows)
    now = house.snapshot()
    keys = {key.name: key for key in now.keys.values()}
    assert house.usage() == [
        (1_754_042_400_123, keys["Laptop (2)"].id, "ok", "chat", _CODER, 5, 7),
        (1_754_042_401_000, "", "upstream_error", "messages", _CODER, None, None),
    ]
    assert set(keys) == {"laptop", "Laptop (2)", "nothing"}
    first = now.keys[house.digest(LONG)]
    assert (first.name, first.weak) == ("laptop", False)
    assert first.created_at == 1_754_042_400_000
    assert now.keys[house.digest(SHORT)].weak
    assert keys["Laptop (2)"].terms.allow_models == ("coder", "llama3.2:3b", "q[*]")
    assert keys["nothing"].terms.allow_models == ()
    (alias,) = now.aliases.values()
    assert (alias.name, alias.target, alias.display) == (
        "coder",
        "qwen3-coder:30b",
        True,
    )
    models = {entry.name: entry for entry in now.models.values()}
    assert models["qwen3-coder:30b"].overrides["request_timeout"] == 99999999
    assert models["llama3.2:3b"].overrides == {"num_ctx": 8192, "num_predict": 1000}
    assert models["deepseek-r1"].overrides["think"] == "high"
    assert not models["old:1b"].enabled
    assert now.settings == {
        "upstream_url": "http://ollama.lan:11434",
        "unknown_options": "drop",
    }


@pytest.mark.parametrize(
    ("setting", "kept"), [("truncated", "10.0.0.0"), ("none", ""), ("full", "10.0.0.1")]
)
def test_what_is_kept_of_their_addresses(
    house: House, tmp_path: Path, setting: str, kept: str
) -> None:
    """No more of those of the past than of those that are to come."""
    house.office.choices.set({"usage_client_ip": setting})
    found = house.office.migration(ollama2openai.written(tmp_path / "theirs", THEIRS))
    assert [row.client_ip for row in found.rows] == [kept, ""]


def test_parameters_that_cannot_be_set_are_left_out(
    house: House, tmp_path: Path
) -> None:
    """One of them stops nobody from taking over all else, and is said with its word."""
    given = {"reasoning_effort": "low", "user": 1, "n": 2, "num_ctx": 4096}
    models = [{"originalName": "a", "parameterOverrides": given}]
    theirs = {"models.json": models, "overrides.json": {"b": {"n_predict": 1}}}
    found = house.office.migration(ollama2openai.written(tmp_path / "theirs", theirs))
    one, two = "models.json, entry 1", "overrides.json, 'b'"
    left = "is not taken over: this cannot be set here"
    assert [remark for remark in found.remarks if left in remark] == [
        f"{two}: the parameter 'n_predict' {left}, but 'num_predict' can.",
        f"{one}: the parameter 'reasoning_effort' {left}, but 'think' can.",
        f"{one}: the parameter 'user' {left}.",
        f"{one}: the parameter 'n' {left}.",
    ]
    house.office.transfer.take_in(found.document, "skip")
    entries = {one.name: one.overrides for one in house.snapshot().models.values()}
    assert entries == {"a": {"num_ctx": 4096}, "b": {}}


@pytest.mark.parametrize("other", ["tiny", "TINY:latest", "shown", "shown:latest"])
def test_spellings_of_a_model_belong_together(
    house: House, tmp_path: Path, other: str
) -> None:
    """Parameters of their second file find their model however it is spelt there."""
    models = [{"originalName": "tiny:latest", "displayName": "shown"}]
    theirs = {"models.json": models, "overrides.json": {other: {"top_k": 3}}}
    found = house.office.migration(ollama2openai.written(tmp_path / "theirs", theirs))
    (entry,) = found.document.models or ()
    assert (entry.name, entry.overrides) == ("tiny:latest", {"top_k": 3})


#: What was taken once, and is not any more.
ONCE = {"reasoning_effort": "low", "top_k": 3}


def test_overrides_of_before_stop_no_other_change(house: House) -> None:
    """What an older Pannier took can stay where it is, and cannot come anew."""
    office = house.office
    office.keys.create({**ALL, "name": "k"})
    office.models.set("m", {"description": "m"})
    office.aliases.set({"name": "a", "target": "m"})
    entries = office.transfer.export()
    for entry in (*(entries.models or ()), *(entries.aliases or ())):
        entry.overrides.update(ONCE)
    for kept in entries.keys or ():
        kept.terms.overrides.update(ONCE)
    entries.overrides = dict(ONCE)
    office.transfer.take_in(entries, "replace")
    assert office.keys.change("k", {"enabled": False, "notes": "n"}).notes == "n"
    assert office.keys.change("k", {"overrides": ONCE, "name": "l"}).name == "l"
    assert office.models.set("m", {"description": "x"}).overrides == ONCE
    assert office.aliases.change("a", {"enabled": False}).overrides == ONCE
    again = {"overrides": {**ONCE, "top_k": 4}}
    for change in (
        lambda: office.keys.change("l", again),
        lambda: office.models.set("m", again),
        lambda: office.aliases.change("a", again),
        lambda: office.keys.create({**ALL, "name": "n", "overrides": ONCE}),
    ):
        with pytest.raises(Refused, match="but 'think' can"):
            change()
    assert office.keys.change("l", {"overrides": {"top_k": 4}}).enabled is False


def test_what_is_set_already_stays(house: House, tmp_path: Path) -> None:
    """Nothing that an operator has set here gives way to what was set there."""
    house.office.models.set("llama3.2:3b", {"overrides": {"num_ctx": 4096}})
    house.office.choices.set({"upstream_url": "http://here:11434"})
    house.office.keys.create({**ALL, "name": "LAPTOP"})
    found = house.office.migration(ollama2openai.written(tmp_path / "theirs", THEIRS))
    said = "\n".join(found.remarks)
    assert "setting OLLAMA_URL: what is set here stays" in said
    assert "model llama3.2:3b: what is set here stays (overrides)." in said
    house.office.transfer.take_in(found.document, "skip")
    now = house.snapshot()
    assert now.settings["upstream_url"] == "http://here:11434"
    (entry,) = (m for m in now.models.values() if m.name == "llama3.2:3b")
    assert entry.overrides == {"num_ctx": 4096}
    names = {key.name for key in now.keys.values()}
    assert names == {"LAPTOP", "laptop (2)", "Laptop (3)", "nothing"}


@pytest.mark.parametrize(
    ("file", "content", "where"),
    [
        ("api_keys.json", "{", "api_keys.json: "),
        ("api_keys.json", {}, "api_keys.json: "),
        ("api_keys.json", [{"name": "x"}], "api_keys.json, entry 1: "),
        ("api_keys.json", [{"name": "x", "key": 1}], "api_keys.json, entry 1: key"),
        (
            "api_keys.json",
            [{"name": "", "key": "k" * 8}],
            "entry 1: a key needs a name",
        ),
        ("api_keys.json", [7], "api_keys.json, entry 1: "),
        ("api_keys.json", [{"name": "x", "key": "short"}], "entry 1: a key has 8"),
        (
            "api_keys.json",
            [{"name": "x", "key": "k" * 8, "allowedModels": "*"}],
            "entry 1: allowedModels",
        ),
        (
            "api_keys.json",
            [{"name": "x", "key": "k" * 8, "created": "yesterday"}],
            "entry 1: created",
        ),
        ("models.json", [{"displayName": "x"}], "models.json, entry 1: "),
        (
            "models.json",
            [{"originalName": "a", "parameterOverrides": {"num_ctx": "x"}}],
            "models.json, entry 1: overrides.num_ctx",
        ),
        (
            "models.json",
            [{"originalName": "a"}, {"originalName": "A:latest", "enabled": False}],
            "models.json, entry 2: originalName: 'a' is in the file already",
        ),
        (
            "overrides.json",
            {"old": {"top_k": 1}, "old:latest": {"top_k": 2}},
            "overrides.json, 'old:latest': name: 'old' is",
        ),
        ("overrides.json", {"a": {"top_k": "x"}}, "overrides.json, 'a': "),
        ("overrides.json", [], "overrides.json: "),
        ("logs.json", [{"timestamp": "later"}], "logs.json, entry 1: timestamp"),
        ("logs.json", [{}], "logs.json, entry 1: "),
        *(
            ("logs.json", [{"timestamp": "2026-01-02", name: value}], f"1: {name}")
            for name, value in [
                ("responseTime", 1e300),
                *(("promptTokens", n) for n in (-3, 2**42 + 1, 2**63, 2**64)),
                *(("completionTokens", n) for n in (-3, 2**63 - 1, 2**70)),
            ]
        ),
        (
            "logs.json",
            [{"timestamp": "9999-12-31T23:59:59-23:59"}],
            "entry 1: timestamp",
        ),
        ("config.json", {"ollamaUrl": 7}, "config.json: "),
        ("config.json", {"ollamaUrl": "nonsense"}, "config.json: "),
    ],
)
def test_a_broken_file_of_ollama2openai(
    house: House, tmp_path: Path, file: str, content: Any, where: str
) -> None:
    """Nothing changes, and it says which file, entry and field; no key is repeated."""
    place = ollama2openai.written(tmp_path / "theirs", {**THEIRS, file: content})
    with pytest.raises(Refused) as refused:
        house.office.transfer.take_in(house.office.migration(place).document, "skip")
    assert where in str(refused.value)
    assert house.version() == 0


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        (" My model (fast) ", ""),
        ("Qwen [fast]", ""),
        ("[[]", ""),
        ("\u901a\u4e49\u5343\u95ee", ""),
        ("n" * 128, ""),
        ("A:1B", ""),
        ("n" * 129, "128 characters"),
        ("\u901a\u3000\u95ee", "characters that can be seen"),
        ("two\nlines", "characters"),
        ("model*", "pattern"),
        ("other", "There is a model called 'other'"),
        ("TAKEN", "Another model has that name"),
    ],
)
def test_names_of_ollama2openai(
    house: House, tmp_path: Path, shown: str, said: str
) -> None:
    """Clients go on with the names they know; one that cannot be is left out alone."""
    named = {"t:1b": "taken", "a:1b": shown, "other": "other"}
    theirs = {
        "models.json": [
            {"originalName": model, "displayName": name}
            for model, name in named.items()
        ],
        "api_keys.json": [ollama2openai.key("1", "k", LONG, shown, "a:1b")],
    }
    found = house.office.migration(ollama2openai.written(tmp_path / "theirs", theirs))
    house.office.transfer.take_in(found.document, "skip")
    now = house.snapshot()
    aliases = {entry.name: entry.target for entry in now.aliases.values()}
    new = {} if said or shown == "A:1B" else {shown.strip(): "a:1b"}
    assert aliases == {"taken": "t:1b"} | new
    (left,) = [one for one in found.remarks if "not taken over" in one] or [""]
    assert said in left
    assert bool(said) is ("models.json, entry 2" in left)
    key = now.keys[house.digest(LONG)]
    assert grants(key, "a:1b")
    if new:
        assert grants(key, "elsewhere", shown)
        assert not grants(key, "elsewhere", shown.strip().replace(" ", "-") + "-")
        assert not grants(key, "elsewhere", shown.replace("[", "*") + "-")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"allowedModels": ["*"], "usageCount": 1, "lastUsed": None}, []),
        ({"allowedModels": []}, ["may use no model"]),
        ({}, ["entry 1: it has no allowedModels", "may use no model"]),
        ({"models": ["a"]}, ["left out: 'models'.", "it has no allowedModels"]),
    ],
)
def test_what_is_not_said_of_a_key_of_ollama2openai(
    office: Administration, tmp_path: Path, fields: dict[str, Any], said: list[str]
) -> None:
    """A key without its list of models, or with fields of others, is remarked upon."""
    keys = [{"name": "k", "key": LONG, **fields}]
    place = ollama2openai.written(tmp_path / "theirs", {"api_keys.json": keys})
    remarks = " ".join(office.migration(place).remarks)
    assert [words for words in said if words not in remarks] == []
    assert bool(said) == bool(remarks)


@pytest.mark.parametrize(
    ("name", "option"),
    [("admin", ""), ("root", " --username root"), ("a b", " --username 'a b'")],
)
def test_the_administrator_of_ollama2openai(
    office: Administration, tmp_path: Path, name: str, option: str
) -> None:
    """Of the password it is said that it is not taken over, and how to set one."""
    config = ollama2openai.config("http://a:1") | {"adminUsername": name}
    place = ollama2openai.written(tmp_path / "theirs", {"config.json": config})
    said = " ".join(office.migration(place).remarks)
    assert (
        f"password is not taken over: set one with `pannier password{option}`" in said
    )
    assert "rateLimit is not taken over" in said


def test_no_data_of_ollama2openai(office: Administration, tmp_path: Path) -> None:
    """A directory without its files is refused by name."""
    with pytest.raises(Refused, match="data directory"):
        office.migration(tmp_path)
