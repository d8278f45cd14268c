"""The operator's words and pages, and the doctor."""

import argparse
import contextlib
import getpass
import http.server
import io
import json
import os
import re
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.operating import administration
from support.redis import Redis, needs_redis, redis
from support.server import PATIENCE, clean_environ, free_port
from support.simulator import Simulator

from app import cli
from app.commands import (
    health_here,
    health_kept,
    health_limits,
    health_ollama,
    health_stream,
    words,
)
from app.commands.command import Parser
from app.commands.table import TABLE
from app.commands.terminal import Terminal
from app.gateway.usage import Row
from app.settings import Settings
from app.simulator.window import VERSION
from app.stand_in import told
from app.upstream import Upstream

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
        self.set("PANNIER_PORT", str(free_port()))

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
        health_kept.CANNOT_BE_USED,
        health_limits.CANNOT_COUNT,
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
        (words.moment, 253_402_300_799_999, "9999-12-31 23:59"),
        (words.moment, 253_402_300_800_000, "after 9999"),
        (words.moment, 2**63, "after 9999"),
        (words.moment, -(2**63), "before 1"),
        (words.moment, None, "-"),
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


def test_a_key_has_two_secrets_at_most(typed: Typed) -> None:
    """Who rotates twice is told that the first secret ends before its time."""
    typed.do(*KEY, "*")
    first = typed("keys", "rotate", "a", "--grace", "24h")[2]
    until = first.rpartition("is good until ")[2].strip()
    assert "no longer good" not in first
    second = typed("keys", "rotate", "a", "--grace", "1h")[2]
    assert f"was to be good until {until[:-1]}, is no longer good." in second
    typed.do("keys", "rotate", "a")
    assert "The one before" not in typed("keys", "rotate", "a")[2]


def test_models_of_the_simulator(typed: Typed, simulator: Simulator) -> None:
    """Beside `make run` its simulator's models are listed, as what they are."""
    here = Terminal(print, print).settings
    with told(here, here.upstream_url, simulator.url):
        code, out, noted = typed("models", "list")
    assert code == 0
    assert "llama3.2:latest" in out
    assert noted == "These are the models of the simulator of `make run`.\n"


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
    assert typed.do("import", str(file), "--dry-run", "--mode", "skip_existing")
    assert planned.splitlines()[:3] == [
        "+ setting PANNIER_CONTEXT",
        "+ overrides for all models: temperature",
        "+ model qwen3",
    ]
    assert typed.do("import", "-", stdin=file.read_text()).endswith("3 changes.")
    assert '"hidden": true' in typed.do("models", "list", "--json")
    assert '{"strategy":"chat"}' in typed.do("models", "list")
    assert "auto" in typed.do("settings", "list")
    assert "temperature" in typed.do("overrides", "show")


@pytest.mark.parametrize(
    ("auth", "others", "words", "asks"),
    [
        ("auto", [], ["revoke"], "opens nothing"),
        ("auto", [["revoke"]], ["revoke"], "opens nothing"),
        ("auto", [["disable"]], ["delete"], "opens nothing"),
        ("auto", [], ["delete"], "nobody needs one"),
        ("auto", [[]], ["revoke"], ""),
        ("auto", [[]], ["delete"], ""),
        ("auto", [], ["disable"], ""),
        ("auto", [], ["set", "--expires", "1d"], ""),
        ("auto", [[]], ["set", "--expires", "1d"], ""),
        ("off", [[]], ["set", "--expires", "1d"], ""),
        ("on", [], ["revoke"], "every request is refused (PANNIER_AUTH=on)"),
        ("on", [["disable"]], ["delete"], "every request is refused"),
        ("off", [], ["revoke"], ""),
        ("off", [], ["delete"], ""),
    ],
)
def test_the_last_good_key_asks(
    typed: Typed, auth: str, others: list[list[str]], words: list[str], asks: str
) -> None:
    """What becomes of requests without it is said first; ``--yes`` goes on."""
    for name, done in [("a", []), *((f"b{n}", done) for n, done in enumerate(others))]:
        typed.do("keys", "create", "--name", name, "--allow", "*", "--yes")
        if done:
            typed.do("keys", *done, name)
    typed.set("PANNIER_AUTH", auth)
    before = typed.do("keys", "list")
    code, _, err = typed("keys", words[0], "a", *words[1:])
    if not asks:
        assert code == 0
        assert ("every request is refused now" in err) == (words == ["disable"])
        if words == ["set", "--expires", "1d"]:
            assert ("every request is refused from" in err) == (not others)
        return
    assert code == 2
    assert asks in err
    assert "--yes" in err
    assert typed.do("keys", "list") == before
    typed.do("keys", *words, "a", "--yes")
    assert typed.do("keys", "list") != before


def test_an_alias_that_hides_a_model(typed: Typed) -> None:
    """The sentence says the option that lets it."""
    typed.do("models", "set", "qwen3", "--hide")
    code, _, err = typed("alias", "add", "qwen3", "llama3.2")
    assert code == 2
    assert "--shadow" in err
    typed.do("alias", "add", "qwen3", "llama3.2", "--shadow")


def test_an_alias_of_an_alias(typed: Typed) -> None:
    """It is refused, since nobody would follow it, unless a model is called so."""
    typed.do("alias", "add", "fast", "qwen3")
    code, _, err = typed("alias", "add", "faster", "FAST")
    assert code == 2
    assert "'FAST' is an alias itself; name its model, 'qwen3'" in err
    typed.do("models", "set", "fast", "--enable")
    typed.do("alias", "add", "faster", "fast")
    typed.do("alias", "add", "llama3", "qwen3", "--shadow")
    typed.do("alias", "add", "faster", "llama3")
    typed.set("PANNIER_ALIASES", "slow=llama3.2")
    code, _, err = typed("alias", "add", "slower", "Slow")
    assert code == 2
    assert "'Slow' is an alias itself, of PANNIER_ALIASES; name its model" in err


OVERRIDES = ["--overrides", '{"temprature": 1, "top_k": 3, "max_tokens": 9}']
KEY = ["keys", "create", "--name", "a", "--yes", "--allow"]


@pytest.mark.parametrize(
    ("words", "answers", "said"),
    [
        (["models", "set", "m", "--disable"], False, "checked whether it has 'm'"),
        (["models", "set", "m", "--disable"], True, "no model 'm' now"),
        (["alias", "add", "a:8b", "m"], False, "a model that is called 'a:8b'"),
        (["alias", "add", "a:8b", "m"], True, "no model 'm' now"),
        (["models", "set", "m", *OVERRIDES], True, "'temprature' (is 'temperature'"),
        (["alias", "add", "a", "m", *OVERRIDES], True, "option 'temprature'"),
        (["overrides", "set", '{"xyzzy": 1}'], True, "an option 'xyzzy'."),
        ([*KEY, "*", *OVERRIDES], True, "option 'temprature'"),
        ([*KEY, "llama9"], True, "fits 'llama9'"),
        ([*KEY, "llama9"], False, "not checked whether it has models that fit"),
    ],
    ids=lambda one: " ".join(one)[:40] if isinstance(one, list) else None,
)
def test_what_may_be_a_mistake(
    typed: Typed, ollama: Simulator, words: list[str], answers: bool, said: str
) -> None:
    """It is done, and what may be wrong with it is said in one line."""
    if not answers:
        typed.set("OLLAMA_URL", f"http://127.0.0.1:{free_port()}")
    code, _, noted = typed(*words)
    assert code == 0
    assert said in noted
    for known in ("top_k", "max_tokens"):
        assert known not in noted


@pytest.mark.parametrize(
    ("answers", "patterns"), [(True, ["llama*", "small", "*"]), (False, ["small", "*"])]
)
def test_what_is_no_mistake(
    typed: Typed, ollama: Simulator, answers: bool, patterns: list[str]
) -> None:
    """Patterns that fit a model are not remarked on; for an alias nobody is asked."""
    typed.do("alias", "add", "small", "llama3.2")
    if not answers:
        typed.set("OLLAMA_URL", f"http://127.0.0.1:{free_port()}")
    _, _, noted = typed(*KEY, *patterns)
    assert "fits" not in noted
    assert "checked" not in noted


# ------------------------------------------------------------------- usage


def used(number: int, **more: Any) -> Row:
    """What a request has used a few seconds ago."""
    at = int(time.time() * 1000) - 1000
    known: dict[str, Any] = dict.fromkeys(Row.__struct_fields__)
    texts = ("request_id", "key_name", "requested_model", "error_code", "protocol")
    texts += ("finish_reason", "think", "client_ip", "user_agent", "end_user")
    known |= dict.fromkeys((*texts, "key_id"), "")
    known |= {"id": f"{at:012x}7{number:03x}8{0:015x}", "at": at, "endpoint": "chat"}
    known |= {"status": "ok", "stream": False, "estimated": False, "duration_ms": 9}
    known |= {"bytes_in": 1, "bytes_out": 2, "resolved_model": "tiny:latest"}
    known |= {"prompt_tokens": 3, "completion_tokens": 4, "eval_ms": 1500.0}
    return Row(**{**known, **more})


def test_usage(typed: Typed) -> None:
    """Sums of the last days, and who used most, by name; a request without a key too.

    It is the same as the administration says over HTTP.
    """
    assert "0 requests" in typed.do("usage")
    made = typed.do("keys", "create", "--name", "a", "--allow", "*", "--yes", "--json")
    id = json.loads(made)["id"]
    own = {"key_id": id, "key_name": "a"}
    rows = [used(1, **own), used(2, **own, status="timeout"), used(3)]
    old = int(time.time() * 1000) - 3 * 86_400_000
    rows.append(used(4, key_id="", at=old, endpoint="code", resolved_model="b:latest"))
    with administration(Settings.from_environ()) as office:
        office.usage.add(rows, {})
    lines = typed.do("usage").splitlines()
    assert "3 requests, 1 error, 9 tokens read, 12 written, 4.5s of GPU" in lines[0]
    end = lines[0].partition(" to ")[2][: len("2026-01-31 09:40")]
    assert end <= words.moment(int(time.time() * 1000))  # and no whole hour
    assert [line.split() for line in lines[1:]] == [
        ["KEY", "REQUESTS", "ERRORS", "TOKENS", "GPU", "TIME"],
        ["a", "2", "1", "14", "3.0s"],
        ["-", "1", "0", "7", "1.5s"],
    ]
    rest = typed.do("usage", "--days", "7", "--by", "model").splitlines()[2:]
    assert [line.split()[:2] for line in rest] == [
        ["tiny:latest", "3"],
        ["b:latest", "1"],
    ]
    assert "code" not in typed.do("usage", "--by", "endpoint")
    found = json.loads(typed.do("usage", "--json"))
    assert (found["summary"]["requests"], found["names"]) == (3, {id: "a"})
    assert [one["tokens"] for one in found["top"]] == [14, 7]
    typed.do("keys", "delete", "a", "--yes")
    assert typed.do("usage").splitlines()[1:] == lines[1:]  # its name is known for ever


@pytest.mark.parametrize(
    ("setting", "key", "said"),
    [
        ("auto", False, "no key"),
        ("auto", True, ""),
        ("on", False, ""),
        ("off", True, "=off"),
    ],
)
def test_usage_that_is_not_kept(
    typed: Typed, setting: str, key: bool, said: str
) -> None:
    """Where nothing is noted the command says so, and why."""
    typed.set("PANNIER_USAGE", setting)
    if key:
        typed.do("keys", "create", "--name", "a", "--allow", "*", "--yes")
    noted = typed("usage")[2]
    assert said in noted
    assert ("Nothing is noted now" in noted) == bool(said)


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
    (["models", "set", "a", "--code", '{"strategy": "x"}'], "'chat', 'prefix'"),
    (["models", "set", "a", "--code", '{"template": "x"}'], "{code_prefix}"),
    (["alias", "add", "a b", "c"], "name"),
    (["alias", "remove", "a"], "'a'"),
    (["settings", "set", "PANNIER_PORT", "1"], "before Pannier starts: PANNIER_PORT"),
    (["settings", "set", "PANNIER_PRT", "1"], "'PANNIER_PRT' is not a setting"),
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
    (["usage", "--days", "0"], "--days"),
    (["usage", "--days", "x"], "--days"),
    (["usage", "--by", "status"], "--by"),
    (["alias", "add", "same", "SAME"], "itself"),
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
    assert "Pannier's own simulator: its answers are made up" in out
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
    typed.do("keys", "revoke", "narrow")
    assert "'narrow'" not in typed("doctor", "--model", "gpt-4o")[1]


def test_doctor_about_keys(
    typed: Typed, ollama: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    code, out, _ = typed("doctor", "--key", stdin="")
    assert code == 1
    assert "Invalid API key: none came on the standard input." in out
    assert "there is no such key" in said("sk-nobody-knows-it")
    assert "typing error" in said(key[:-1] + ("0" if key[-1] != "0" else "1"))
    typed("keys", "create", "--name", "b", "--allow", "*")
    newer = typed("keys", "rotate", "a", "--grace", "1h")[1].strip()
    assert "'a'; it is good" in said(key)
    later = time.time() + 3600
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: later)
        assert "'a', and is replaced by a newer one" in said(key)
        assert "'a'; it is good" in said(newer)
    typed("keys", "disable", "a")
    assert "this is 'a', which is disabled" in said(key)
    Path("state/secret").write_bytes(b"x" * 32)
    code, out, _ = typed("doctor")
    assert code == 1
    assert "another secret" in out


def test_doctor_about_a_key_and_a_model(typed: Typed, ollama: Simulator) -> None:
    """That this key may not use this model is in the way; of others nothing is said."""
    _, key, _ = typed("keys", "create", "--name", "a", "--allow", "qwen*", "--yes")
    typed("keys", "create", "--name", "b", "--allow", "none-*")
    asked = ("doctor", "--key", "--model")
    code, out, _ = typed(*asked, "tiny", stdin=key)
    assert code == 1
    assert "bad   Model not found: the key 'a' may not use 'tiny'" in out
    assert "'b'" not in out
    code, out, _ = typed(*asked, "qwen3", stdin=key)
    assert (code, "may not use" in out) == (0, False)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            {"error": {"message": "The model `x`\x1b does not exist"}},
            "404: The model `x` does not exist",
        ),
        ({"error": "no"}, "404: is that Pannier, and the key?"),
    ],
)
def test_doctor_about_what_a_stream_is_refused_for(
    typed: Typed, ollama: Simulator, body: Any, said: str
) -> None:
    """What Pannier says of a request that it refuses is repeated."""
    handler = type("Handler", (_Pannier,), {"refusal": body})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        code, out, _ = typed("doctor", "--url", url)
        thread.join(PATIENCE)
    assert code == 1
    assert f"bad   {url} answers with status {said}\n" in out


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


@pytest.mark.parametrize("what", ["directory", "short", "pipe", "named"])
def test_doctor_about_the_secret(typed: Typed, ollama: Simulator, what: str) -> None:
    """One that is none is in the way before there are keys, and holds nobody up."""
    own = Path("state/secret")
    Path("state").mkdir()
    if what == "directory":
        own.mkdir()
    elif what == "pipe":
        os.mkfifo(own)
    elif what == "short":
        own.write_bytes(b"short")
    else:
        typed.set("PANNIER_SECRET_FILE", str(own))
    code, out, _ = typed("doctor")
    assert code == 1
    (bad,) = [line for line in out.splitlines() if line.startswith("bad")]
    assert bad.startswith("bad   No key can be made: there is no secret")
    assert str(own) in bad


class Forbidden:
    """A machine on which this user may not read or write some files."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._access = os.access

    def __call__(self, path: Any, mode: int, **more: Any) -> bool:
        """What ``os.access`` says there."""
        return Path(path).name not in self._names and self._access(path, mode, **more)


def junk() -> None:
    """A file that is no database."""
    Path("state/pannier.db").write_bytes(b"nonsense" * 1000)


def torn() -> None:
    """A database of which a part was overwritten."""
    file = Path("state/pannier.db")
    found = bytearray(file.read_bytes())
    found[4096:12288] = b"x" * 8192
    file.write_bytes(found)


def newer() -> None:
    """A database of a Pannier that is still to come."""
    with contextlib.closing(sqlite3.connect("state/pannier.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.commit()


def directory() -> None:
    """A directory where the file should be."""
    Path("state/pannier.db").unlink()
    Path("state/pannier.db").mkdir()


def no_directory() -> None:
    """A file where the directory should be."""
    shutil.rmtree("state")
    Path("state").touch()


def nothing() -> None:
    """No state directory yet."""
    shutil.rmtree("state")


def whole() -> None:
    """All is as it should be."""


@pytest.mark.parametrize(
    ("make", "forbidden", "url", "found", "known"),
    [
        (junk, [], "", "not a database.+put a copy in its place", False),
        (torn, [], "", "malformed.+put a copy in its place", False),
        (newer, [], "", "newer Pannier.+9999.+before its upgrade", False),
        (directory, [], "", "is a directory.+move it away", False),
        (no_directory, [], "", "state is no directory: move it away", True),
        (whole, ["pannier.db"], "", "cannot be read and written.+as the user", False),
        (whole, ["state"], "", "state cannot be written.+as the user", False),
        (nothing, ["@"], "", "state cannot be made.+PANNIER_STATE_DIR", True),
        (whole, [], "postgresql://u:geheim@127.0.0.1:1/d", "start PostgreSQL", False),
    ],
)
def test_doctor_about_the_database(
    typed: Typed,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[], None],
    forbidden: list[str],
    url: str,
    found: str,
    known: bool,
) -> None:
    """What keeps it from being used is one line that says what to do; nothing is made.

    Whether keys are needed is only said where that is ``known``.
    """
    typed.do("models", "set", "qwen3", "--hide")
    make()
    typed.set("PANNIER_DATABASE_URL", url)
    # The directory of the test is where the state directory would be made.
    names = [name.replace("@", Path.cwd().name) for name in forbidden]
    monkeypatch.setattr(os, "access", Forbidden(*names))
    there = sorted(Path().rglob("*"))
    code, out, err = typed("doctor")
    assert (code, err) == (1, "")
    bad = [line for line in out.splitlines() if line.startswith("bad")]
    assert len(bad) == 2, out  # the other one is Ollama, which is not there
    assert ("pannier settings set OLLAMA_URL" in bad[1]) == known
    assert ("could not be read" in bad[1]) != known
    assert re.search(found, bad[0]), out
    assert all(re.match("(ok  |note|bad )  ", line) for line in out.splitlines())
    assert ("Requests need" in out) == known
    assert ("answers 503" in out) != known
    assert "geheim" not in out
    assert sorted(Path().rglob("*")) == there


@pytest.mark.parametrize(
    ("free", "kind", "said"),
    [(0, "bad", "is full"), (2**20, "bad", "make room"), (2**40, "ok", "are free")],
)
def test_doctor_about_room(
    typed: Typed, monkeypatch: pytest.MonkeyPatch, free: int, kind: str, said: str
) -> None:
    """A disk that is full, or soon will be, is in the way."""
    typed.do("models", "set", "qwen3", "--hide")
    usage = argparse.Namespace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    lines = typed("doctor")[1].splitlines()
    assert [line for line in lines if line.startswith(f"{kind:<4}") and said in line]


@pytest.fixture(scope="module")
def limits() -> Iterator[Redis]:
    """A Redis that wants a password."""
    with redis() as server:
        yield server


@needs_redis
@pytest.mark.parametrize(
    ("url", "replica", "kind", "said"),
    [
        ("redis://:{password}@127.0.0.1:{port}/0", False, "ok", "Redis [0-9.]+ at 127"),
        ("redis://:{password}@127.0.0.1:{port}/0", True, "bad", "is a replica"),
        ("redis://:geheim@127.0.0.1:{port}/0", False, "bad", "PANNIER_LIMITS_URL has"),
        ("redis://127.0.0.1:{port}/0", False, "bad", "PANNIER_LIMITS_URL has"),
        (
            "redis://:geheim@127.0.0.1:1/0",
            False,
            "bad",
            "127.0.0.1:1: no answer.+start",
        ),
    ],
)
def test_doctor_about_redis(
    typed: Typed,
    ollama: Simulator,
    limits: Redis,
    url: str,
    replica: bool,
    kind: str,
    said: str,
) -> None:
    """The Redis of limits answers, or the line says what to do; never the password."""
    given = url.format(password=limits.PASSWORD, port=limits.port)
    typed.set("PANNIER_LIMITS_URL", given)
    limits.ask("REPLICAOF", *(("127.0.0.1", "1") if replica else ("NO", "ONE")))
    code, out, _ = typed("doctor")
    assert code == (kind == "bad")
    assert re.search(f"^{kind:<4}  .*{said}", out, re.M), out
    assert limits.PASSWORD not in out
    assert "geheim" not in out


def test_doctor_is_quiet_about_no_redis(typed: Typed) -> None:
    """Where none is set none is looked at."""
    assert "Redis" not in typed("doctor")[1]


class _Pannier(http.server.BaseHTTPRequestHandler):
    """As much of a Pannier as the doctor asks."""

    ollama: str | None = None
    refusal: Any = None

    def do_GET(self) -> None:
        said = {"version": "0.1.0", "ollama": self.ollama}
        self._answer(200 if self.path == "/version" else 404, said)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(404, self.refusal)

    def _answer(self, status: int, said: Any) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("version", "made_up"), [(VERSION, True), ("0.12.3", False), (None, False)]
)
@pytest.mark.parametrize("answers", [False, True])
def test_doctor_beside_make_run(
    typed: Typed,
    monkeypatch: pytest.MonkeyPatch,
    version: str | None,
    made_up: bool,
    answers: bool,
) -> None:
    """Where a Pannier answers by the simulator the doctor says so, and what to do.

    Where an Ollama answers as well, that is in the way.
    """
    if answers:
        said = b'{"version":"0.12.3","models":[]}'
        monkeypatch.setattr(Upstream, "control", lambda *_, **__: said)
    handler = type("Handler", (_Pannier,), {"ollama": version})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        typed.set("PANNIER_PORT", str(server.server_port))
        out = typed("doctor")[1]
        thread.join(PATIENCE)
    assert ("Cannot connect to Ollama" in out) is not answers
    kind, what = "note", "answers all the same, by the simul"
    if answers:
        kind, what = "bad ", "asks another, the simul"
    line = f"{kind}  The Pannier at http://127.0.0.1:{server.server_port} {what}"
    assert (line in out) == made_up
    assert ("made up" in out) == made_up


def test_a_broken_database_is_one_line(typed: Typed) -> None:
    """Commands that need the database say that it cannot be used: exit code 1."""
    Path("state").mkdir()
    Path("state/pannier.db").write_bytes(b"nonsense" * 1000)
    code, out, err = typed("keys", "list")
    assert (code, out) == (1, "")
    assert err.startswith("pannier: the database cannot be used")
    assert "'pannier doctor'" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("why", "code", "said"),
    [(EOFError, 2, "nothing was typed in."), (KeyboardInterrupt, 130, "stopped.")],
)
@pytest.mark.parametrize(
    "words",
    ["doctor --key", "password", "keys import --name a --allow * --yes"],
)
def test_who_is_asked_may_leave(
    typed: Typed,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    why: type[BaseException],
    code: int,
    said: str,
) -> None:
    """Ctrl-D and Ctrl-C at a prompt are one line, and nothing is done."""

    def leave(prompt: str) -> str:
        raise why

    monkeypatch.setattr(getpass, "getpass", leave)
    monkeypatch.setattr(sys, "stdin", argparse.Namespace(isatty=lambda: True))
    assert cli.main(words.split()) == code
    assert capsys.readouterr() == ("", f"\npannier: {said}\n")
    assert typed.do("keys", "list") == "There are no keys."


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


def test_aliases_of_the_environment(typed: Typed) -> None:
    """What counts more is said when one is set beside it, in lists, and at its end.

    None of them can be removed by a command.
    """
    typed.set("PANNIER_ALIASES", "gpt-4o=qwen3,gpt-4*=llama3.2")
    more = "PANNIER_ALIASES is set in the environment, which counts more"
    code, out, err = typed("alias", "add", "GPT-4o", "llama3.2")
    assert (code, more in err) == (0, True)
    assert out == "'GPT-4o' stands for 'llama3.2' in the database.\n"
    lines = [line.split() for line in typed.do("alias", "list").splitlines()[1:]]
    assert [(line[0], line[1], line[-1]) for line in lines] == [
        ("gpt-4*", "llama3.2", "environment"),
        ("gpt-4o", "qwen3", "environment"),
        ("GPT-4o", "llama3.2", "database"),
    ]
    listed = json.loads(typed.do("alias", "list", "--json"))
    assert [one["why"].startswith(more) for one in listed] == [False, False, True]
    assert more in typed("alias", "remove", "gpt-4o")[2]
    code, _, err = typed("alias", "remove", "gpt-4o")
    assert code == 2
    assert "which is set in the environment" in err


def test_the_doctor_resolves_names_as_requests_do(
    typed: Typed, ollama: Simulator
) -> None:
    """Aliases of the environment count more, the pattern with most letters first."""
    typed.set("PANNIER_ALIASES", "gpt-4o=qwen3,gpt*=qwen3,gpt-4*=llama3.2")
    typed.do("alias", "add", "gpt-4o", "llama3.2")
    for name, model in (("gpt-4o", "qwen3"), ("gpt-4-turbo", "llama3.2")):
        out = typed("doctor", "--model", name)[1]
        assert f"'{name}', which is '{model}', can be called" in out


def test_settings_have_one_language(typed: Typed) -> None:
    """They are called as in ``.env``, with values as there, wherever they are shown."""
    said = typed.do("settings", "set", "PANNIER_OPENAI_DEFAULTS", "on")
    assert said == "PANNIER_OPENAI_DEFAULTS is true in the database."
    lines = map(str.split, typed.do("settings", "list").splitlines())
    values = {line[0]: line[1] for line in lines}
    assert values["PANNIER_OPENAI_DEFAULTS"] == "true"
    assert not {"True", "False"} & set(values.values())
    typed.do("export", "all.json")
    typed.do("settings", "unset", "PANNIER_OPENAI_DEFAULTS")
    planned = typed.do("import", "all.json", "--dry-run").splitlines()
    assert "+ setting PANNIER_OPENAI_DEFAULTS" in planned
    said = typed.do("audit")
    assert "settings  PANNIER_OPENAI_DEFAULTS\n" in said
    assert "    PANNIER_OPENAI_DEFAULTS: true -> null" in said


def test_an_audit_log_with_nothing(typed: Typed) -> None:
    """It says so, as other lists do; as JSON it is an empty list."""
    assert typed.do("audit") == "There are no entries in the audit log."
    assert json.loads(typed.do("audit", "--json")) == []


def test_the_list_of_keys_says_what_is_unusual(typed: Typed) -> None:
    """Endpoints that are not the usual ones, overrides, an old secret that is good."""
    typed.do(*KEY, "*")
    more = ["--endpoints", "chat", "models", "--overrides", '{"top_k": 3}']
    typed.do("keys", "create", "--name", "b", "--allow", "*", *more)
    typed.do("keys", "rotate", "b", "--grace", "24h")
    head, plain, unusual = typed.do("keys", "list").splitlines()
    column = slice(head.index("MORE"), head.index("EXPIRES"))
    assert plain[column].strip() == "-"
    said = unusual[column].split("; ")
    assert said[:2] == ["endpoints: chat, models", "overrides"]
    assert said[2].startswith("old secret until 20")
