"""The operator's words and pages, and the doctor."""

import argparse
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.server import clean_environ, free_port
from support.simulator import Simulator

from app import cli
from app.commands import health_here, health_ollama, health_stream, words
from app.commands.command import Parser
from app.commands.table import TABLE

OURS = re.compile(r"sk-[0-9A-Za-z]{45}")
DOCS = Path(__file__).parents[2] / "docs"


class Typed:
    """Commands in this process: no settings but those that are said."""

    def __init__(
        self, place: Path, patch: pytest.MonkeyPatch, heard: pytest.CaptureFixture[str]
    ) -> None:
        self._patch, self._heard = patch, heard
        patch.chdir(place)
        for name in set(os.environ) - set(clean_environ()):
            patch.delenv(name)
        self.set("PANNIER_STATE_DIR", str(place / "state"))
        self.set("OLLAMA_URL", f"http://127.0.0.1:{free_port()}")

    def set(self, name: str, value: str) -> None:
        """Set a variable."""
        self._patch.setenv(name, value)

    def __call__(self, *words: str, stdin: str = "") -> tuple[int, str, str]:
        """The exit code, and what was printed."""
        given = io.TextIOWrapper(io.BytesIO(stdin.encode()))
        self._patch.setattr(sys, "stdin", given)
        code = cli.main(list(words))
        captured = self._heard.readouterr()
        return code, captured.out, captured.err

    def do(self, *words: str, stdin: str = "") -> str:
        """What a command printed that succeeds."""
        code, out, err = self(*words, stdin=stdin)
        assert code == 0, err
        return out.strip()


@pytest.fixture
def typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Typed:
    """Commands, each on the same empty installation without an Ollama."""
    return Typed(tmp_path, monkeypatch, capsys)


@pytest.fixture
def ollama(typed: Typed) -> Iterator[Simulator]:
    """An Ollama for these commands."""
    with Simulator() as simulator:
        typed.set("OLLAMA_URL", simulator.url)
        yield simulator


# ------------------------------------------------------------------- pages


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers(below)


def test_the_page_has_every_word() -> None:
    """docs/commands.md, or troubleshooting.md, names each command, word and option."""
    pages = (DOCS / "commands.md").read_text() + (
        DOCS / "troubleshooting.md"
    ).read_text()
    missing = []
    for name, arguments in TABLE.items():
        top = Parser(prog=name)
        arguments(top)
        for parser in parsers(top):
            options = {o for a in parser._actions for o in a.option_strings}
            wanted = {*options, parser.prog} - {"-h", "--help", name}
            missing += [word for word in wanted if word not in pages]
        if f"pannier {name}" not in pages:
            missing.append(name)
    assert sorted(missing) == []


@pytest.mark.parametrize(
    "said",
    [
        health_ollama.CANNOT_CONNECT,
        health_here.INVALID_KEY,
        health_ollama.NOT_FOUND,
        health_stream.HELD_BACK,
    ],
)
def test_the_page_has_what_the_doctor_says(said: str) -> None:
    """docs/troubleshooting.md has each bad line, with its heading."""
    page = (DOCS / "troubleshooting.md").read_text()
    pattern = ".+".join(map(re.escape, re.split(r"\{[^}]*\}", said)))
    assert re.search(f"^bad   {pattern}$", page, re.M)


@pytest.mark.parametrize("name", TABLE)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``--help`` says what a command is for, and is no failure."""
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--help"])
    assert end.value.code == 0
    assert f"usage: pannier {name}" in capsys.readouterr().out
    assert name in cli.COMMANDS


# ------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("read", "text", "meant"),
    [
        (words.duration, "90s", 90_000),
        (words.duration, "12h", 43_200_000),
        (words.duration, "7D", 604_800_000),
        (words.duration, "0", 0),
        (words.expiry, "2w", ("in", 1_209_600_000)),
        (words.expiry, "2027-01-01", ("at", 1_798_761_600_000)),
        (words.expiry, "2027-01-01T01:00+01:00", ("at", 1_798_761_600_000)),
        (words.expiry, "never", ("at", 0)),
        (words.limit, "60", 60),
        (words.limit, "None", None),
        (words.mapping, '{"a": 1}', {"a": 1}),
    ],
)
def test_words(read: Callable[[str], Any], text: str, meant: Any) -> None:
    """Times, limits and JSON mean what people mean."""
    assert read(text) == meant


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (words.duration, "12"),
        (words.duration, "1y"),
        (words.duration, "-1h"),
        (words.expiry, "0d1"),
        (words.expiry, "2027-13-01"),
        (words.limit, "1e3"),
        (words.limit, "1" * 17),
        (words.limit, ""),
        (words.mapping, "[]"),
        (words.mapping, "{"),
        (words.mapping, "\ud800"),
    ],
)
def test_what_means_nothing(read: Callable[[str], Any], text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(argparse.ArgumentTypeError):
        read(text)


# ---------------------------------------------------------------- commands


def test_the_first_key_asks(typed: Typed) -> None:
    """Nobody closes a door by mistake; the sentence says how to go on."""
    words = ["keys", "create", "--name", "a", "--allow", "*"]
    code, out, err = typed(*words)
    assert (code, out) == (2, "")
    assert "every request needs one" in err
    assert "--yes" in err
    assert typed.do("keys", "list") == "There are no keys."
    typed.do(*words, "--yes")
    typed.do("keys", "create", "--name", "b", "--allow", "*")
    typed.do("keys", "delete", "b")
    code, _, err = typed("keys", "delete", "a")
    assert code == 2
    assert "the only key" in err


def test_json(typed: Typed) -> None:
    """What programs read is JSON, and no digest is in it."""
    words = ["--name", "a", "--allow", "q*", "l*", "--expires", "30d", "--rpm", "5"]
    made = json.loads(typed.do("keys", "create", *words, "--yes", "--json"))
    assert OURS.fullmatch(made.pop("key"))
    assert (made["allow_models"], made["rpm"]) == (["q*", "l*"], 5)
    days = (made["expires_at"] - made["created_at"]) / 86_400_000
    assert days == pytest.approx(30, abs=0.01)
    assert json.loads(typed.do("keys", "list", "--json")) == [made]
    assert json.loads(typed.do("keys", "show", made["id"])) == made
    assert not [name for name in made if "digest" in name]
    again = json.loads(
        typed.do("keys", "set", "a", "--rpm", "none", "--expires", "never")
    )
    assert (again["rpm"], again["expires_at"]) == (None, None)


def test_an_import_that_opens_the_door(typed: Typed, tmp_path: Path) -> None:
    """To remove the last key takes a word of its own; a dry run tells of it."""
    typed.do("keys", "create", "--name", "a", "--allow", "*", "--yes")
    file = tmp_path / "none.json"
    file.write_text('{"format": "pannier-export", "version": 1, "keys": []}')
    replace = ("import", str(file), "--mode", "replace")
    code, said, noted = typed(*replace, "--dry-run")
    assert (code, said.splitlines()[0]) == (0, "- key a")
    assert "nobody needs one" in noted
    code, _, noted = typed(*replace, "--yes")
    assert code == 2
    assert "--open" in noted
    assert '"a"' in typed.do("keys", "list", "--json")
    assert typed.do(*replace, "--yes", "--open").endswith("1 change.")
    assert typed.do("keys", "list") == "There are no keys."


def test_export_and_import(typed: Typed, tmp_path: Path) -> None:
    """What a file has comes back with it, after a look; the file is its owner's."""
    typed.do("keys", "create", "--name", "a", "--allow", "*", "--yes")
    typed.do("models", "set", "qwen3", "--hide", "--overrides", '{"num_ctx": 8192}')
    typed.do("models", "set", "qwen3", "--code", '{"strategy": "chat"}')
    typed.do("overrides", "set", '{"temperature": {"value": 1, "mode": "max"}}')
    typed.do("settings", "set", "context", "auto")
    file = tmp_path / "all.json"
    typed.do("export", str(file))
    assert file.stat().st_mode & 0o777 == 0o600
    typed.do("models", "reset", "qwen3")
    typed.do("overrides", "clear")
    typed.do("settings", "unset", "PANNIER_CONTEXT")
    planned = typed.do("import", str(file), "--dry-run")
    assert planned.splitlines()[:3] == [
        "+ setting context",
        "+ overrides for all models: temperature",
        "+ model qwen3",
    ]
    assert typed.do("import", "-", stdin=file.read_text()).endswith("3 changes.")
    assert '"hidden": true' in typed.do("models", "list", "--json")
    assert '{"strategy":"chat"}' in typed.do("models", "list")
    assert "auto" in typed.do("settings", "list")
    assert "temperature" in typed.do("overrides", "show")


WRONG: list[tuple[list[str], str]] = [
    (["keys"], "WORD"),
    (["keys", "make"], "'make'"),
    (["keys", "create"], "--name"),
    (["keys", "create", "--name", "a"], "--allow"),
    (["keys", "create", "--name", "a", "--allow"], "--allow"),
    (["keys", "create", "--name", "a", "--allow", ""], "allow_models"),
    (["keys", "create", "--name", "a", "--allow", "[z-a]", "--yes"], "allow_models"),
    (["keys", "create", "--name", "a", "--allow", "*", "--rpm", "-1"], "--rpm"),
    (["keys", "create", "--name", "a", "--allow", "*", "--rpm", "x"], "whole number"),
    (["keys", "create", "--name", "a", "--allow", "*", "--expires", "soon"], "30d"),
    (
        ["keys", "create", "--name", "a", "--allow", "*", "--expires", "1999-01-01"],
        "past",
    ),
    (["keys", "create", "--name", "a", "--allow", "*", "--endpoints", "x"], "'x'"),
    (["keys", "create", "--name", "a", "--allow", "*", "--overrides", "{"], "JSON"),
    (["keys", "create", "--nam", "a", "--allow", "*"], "--name"),
    (["keys", "revoke", "nobody"], "'nobody'"),
    (["keys", "rotate", "nobody", "--grace", "8d"], "7 days"),
    (["keys", "import", "--name", "a", "--allow", "*", "--yes"], "8 to 256"),
    (["models", "reset", "none"], "'none'"),
    (["models", "set", "a", "--enable", "--disable"], "--disable"),
    (["models", "set", "a", "--overrides", '{"num_ctx": "x"}'], "num_ctx"),
    (["models", "set", "a", "--code", "chat"], '{"strategy": "chat"}'),
    (["models", "set", "a", "--code", '{"strategy": "x"}'], "code.strategy"),
    (["models", "set", "a", "--code", '{"template": "x"}'], "{code_prefix}"),
    (["alias", "add", "a b", "c"], "name"),
    (["alias", "remove", "a"], "'a'"),
    (["settings", "set", "PANNIER_PORT", "1"], "PANNIER_PORT"),
    (["settings", "set", "PANNIER_CONTEXT", "x"], "PANNIER_CONTEXT"),
    (["settings", "unset", "x"], "'x'"),
    (["overrides", "set", "7"], "JSON"),
    (["audit", "--limit", "x"], "--limit"),
    (["import", "/nonexistent/file"], "/nonexistent/file"),
    (["import", "-"], "JSON"),
    (["import", "-", "--mode", "x"], "--mode"),
    (["export", "/nonexistent/file"], "/nonexistent/file"),
    (["migrate-ollama2openai", "/nonexistent"], "/nonexistent"),
    (["doctor", "more"], "more"),
]


@pytest.mark.parametrize(("words", "named"), WRONG, ids=lambda w: " ".join(w)[:60])
def test_l7_wrong_usage_is_one_sentence(
    words: list[str], named: str, typed: Typed
) -> None:
    """Exit code 2, one line that names what is wrong, nothing on standard output."""
    code, out, err = typed(*words)
    assert (code, out) == (2, "")
    assert err.startswith("pannier: ")
    assert err.count("\n") == 1
    assert named in err


# ------------------------------------------------------------------- audit


def test_the_audit_log_says_what_counts(typed: Typed) -> None:
    """A model that was switched off, and a limit of 0, are seen; what is usual not."""
    typed.do("models", "set", "qwen3", "--disable")
    typed.do("keys", "create", "--name", "a", "--allow", "*", "--rpm", "0", "--yes")
    typed.do("settings", "set", "context", "auto")
    said = typed.do("audit")
    assert "    enabled: null -> false" in said
    assert "    rpm: null -> 0" in said
    for usual in ("enabled: null -> true", "hidden", "tpd", "deny_models", "notes"):
        assert usual not in said


def test_the_status_counts_what_was_set(typed: Typed) -> None:
    """Neither overrides for all, nor what keys need, are settings of anybody's."""
    typed.do("keys", "create", "--name", "a", "--allow", "*", "--yes")
    typed.do("overrides", "set", '{"seed": 1}')
    assert "keys: 1, models: 0, aliases: 0, settings: 0" in typed.do(
        "database", "status"
    )
    typed.do("settings", "set", "context", "auto")
    assert "settings: 1" in typed.do("database", "status")


# ------------------------------------------------------------------ doctor


def test_doctor_without_ollama(typed: Typed) -> None:
    """It says that Ollama does not answer and what to do, and makes no file."""
    code, out, _ = typed("doctor")
    assert code == 1
    assert re.search(
        r"^bad   Cannot connect to Ollama at http://127\.0\.0\.1:", out, re.M
    )
    assert "ollama serve" in out
    assert "Nothing is in the way" not in out
    assert not Path("state").exists()


def test_doctor_where_all_is_well(typed: Typed, ollama: Simulator) -> None:
    """It names versions, the door and the models, and ends with exit code 0."""
    ollama.ask("POST", "/api/generate", {"model": "tiny", "prompt": "x"})
    code, out, _ = typed("doctor", "--model", "tiny")
    assert code == 0, out
    assert "simulator answers at" in out
    assert "tiny:latest is in memory, with a context of" in out
    assert "'tiny' can be called" in out
    assert "Requests need no key" in out
    assert out.endswith("Nothing is in the way.\n")


def test_doctor_where_something_else_answers(typed: Typed, ollama: Simulator) -> None:
    """An address where no Ollama is counts as none."""
    typed.set("OLLAMA_URL", f"{ollama.url}/simulator")
    code, out, _ = typed("doctor")
    assert code == 1
    assert "Cannot connect to Ollama" in out


def test_doctor_about_models(typed: Typed, ollama: Simulator) -> None:
    """A model that cannot be called, or not by all keys, is named with the reason."""
    assert (
        "Ollama has no 'nope'; 'ollama pull nope'"
        in typed("doctor", "--model", "nope")[1]
    )
    typed("models", "set", "tiny", "--disable")
    typed("alias", "add", "gpt-4o", "tiny")
    code, out, _ = typed("doctor", "--model", "gpt-4o")
    assert code == 1
    assert "'gpt-4o', which is 'tiny', is disabled" in out
    typed("models", "reset", "tiny")
    typed("keys", "create", "--name", "narrow", "--allow", "qwen*", "--yes")
    typed("keys", "create", "--name", "named", "--allow", "gpt-4o")
    code, out, _ = typed("doctor", "--model", "gpt-4o")
    assert code == 0
    assert "the key 'narrow' may not use 'gpt-4o'" in out
    assert "'named'" not in out


def test_doctor_about_keys(typed: Typed, ollama: Simulator) -> None:
    """A key is good, or the line says why not; it is never repeated."""
    _, key, _ = typed("keys", "create", "--name", "a", "--allow", "*", "--yes")
    key = key.strip()

    def said(secret: str) -> str:
        out = typed("doctor", "--key", stdin=f"{secret}\n")[1]
        assert secret not in out
        return next(
            line for line in out.splitlines() if re.search("This is|Invalid", line)
        )

    assert said(key) == "ok    This is the key 'a'; it is good"
    assert "there is no such key" in said("sk-nobody-knows-it")
    assert "typing error" in said(key[:-1] + ("0" if key[-1] != "0" else "1"))
    typed("keys", "create", "--name", "b", "--allow", "*")
    typed("keys", "disable", "a")
    assert "this is 'a', which is disabled" in said(key)
    Path("state/secret").write_bytes(b"x" * 32)
    code, out, _ = typed("doctor")
    assert code == 1
    assert "another secret" in out


@pytest.mark.parametrize(
    ("auth", "host", "bad"),
    [
        ("auto", "127.0.0.1", False),
        ("auto", "0.0.0.0", True),
        ("off", "0.0.0.0", True),
        ("on", "127.0.0.1", True),
    ],
)
def test_doctor_about_the_door(
    typed: Typed, ollama: Simulator, auth: str, host: str, bad: bool
) -> None:
    """A door that is open to strangers, or shut to all, is in the way."""
    typed.set("PANNIER_AUTH", auth)
    typed.set("PANNIER_HOST", host)
    assert typed("doctor")[0] == bad


def test_doctor_where_the_database_is_broken(typed: Typed, ollama: Simulator) -> None:
    """A file that is no database is named; nothing is raised."""
    Path("state").mkdir()
    Path("state/pannier.db").write_bytes(b"nonsense" * 1000)
    code, out, _ = typed("doctor")
    assert code == 1
    assert "bad   The database cannot be used" in out


def test_a_broken_database_is_one_line(typed: Typed) -> None:
    """Commands that need the database say that it cannot be used: exit code 1."""
    Path("state").mkdir()
    Path("state/pannier.db").write_bytes(b"nonsense" * 1000)
    code, out, err = typed("keys", "list")
    assert (code, out) == (1, "")
    assert err.startswith("pannier: the database cannot be used")
    assert err.count("\n") == 1


def test_what_root_makes_belongs_to_the_server(typed: Typed) -> None:
    """The files that a command of root's makes are the state directory's owner's."""
    Path("state").mkdir(mode=0o700)
    owner = os.geteuid() or 65534  # only root can give something away
    if not os.geteuid():
        os.chown("state", owner, owner)
    code, _, err = typed("keys", "create", "--name", "a", "--allow", "*", "--yes")
    assert code == 0
    assert str(Path("state/pannier.db").resolve()) in err
    made = list(Path("state").iterdir())
    assert {"pannier.db", "secret"} <= {file.name for file in made}
    assert {(file.stat().st_uid, file.stat().st_mode & 0o777) for file in made} == {
        (owner, 0o600)
    }
