"""All that is set as one document, there and back; on both databases."""

import json
import time
from pathlib import Path
from typing import Any

import gevent
import msgspec
import pytest
import sqlalchemy as sa
from support.handling import Handlers, handlers

from app.administration.document import LARGEST, LARGEST_OTHER, MOST, Document
from app.administration.steps import Changes
from app.errors import StorageUnavailable
from app.option import Given
from app.storage import Storage

OLD = {
    "api_keys.json": [{"id": 1, "name": "old", "key": "oldkey-8", "created": None}],
    "models.json": [
        {"originalName": "bge:latest", "displayName": "Embedder", "enabled": True}
    ],
    "overrides.json": {"bge:latest": {"temperature": 0.5}},
    "config.json": {"ollamaUrl": "http://127.0.0.1:11434"},
    "logs.json": [
        {"timestamp": "2026-01-02T03:04:05.678Z", "apiKeyId": 1, "promptTokens": 3}
    ],
}


def _steps(answer: Any) -> list[tuple[str, str, str]]:
    return [(one["action"], one["section"], one["name"]) for one in answer["steps"]]


def test_there_and_back(here: Handlers) -> None:
    """What was exported makes it as it was; a dry run says so and does nothing."""
    key = here.key("kept", rpm=4)
    here.do("POST", "aliases", {"name": "kept", "target": "bge"})
    file = here.ask("POST", "export").body
    assert key["key"].encode() not in file
    here.do("PATCH", f"keys/{key['id']}", {"rpm": 5})
    here.do("DELETE", "aliases/kept")
    here.do("PATCH", "models/bge", {"hidden": True})
    wanted = [
        ("remove", "model", "bge:latest"),
        ("change", "key", "kept"),
        ("add", "alias", "kept"),
    ]
    version = here.version()
    dry = here.do("POST", "import?mode=replace&dry_run=1", file)
    assert (dry["dry_run"], _steps(dry)) == (True, wanted)
    assert here.version() == version
    done = here.do("POST", "import?mode=replace", file)
    assert (done["dry_run"], _steps(done)) == (False, wanted)
    again = here.ask("POST", "export").body
    assert again.partition(b'"settings"')[2] == file.partition(b'"settings"')[2]
    here.do("DELETE", f"keys/{key['id']}")
    here.do("DELETE", "aliases/kept")


def test_to_open_the_door_is_said(here: Handlers) -> None:
    """Who takes in a file that removes the last key has to say so."""
    file = b'{"format":"pannier-export","version":1,"keys":[]}'
    assert here.do("POST", "import?mode=replace", file)["opens"] is False
    key = here.key("last")
    assert here.do("POST", "import?mode=replace&dry_run=1", file)["opens"] is True
    assert here.do("POST", "import", file)["opens"] is False
    assert here.ask("POST", "import?mode=replace", file).error == (422, "open")
    assert here.do("GET", f"keys/{key['id']}")["name"] == "last"
    assert here.do("POST", "import?mode=replace&open=1", file)["opens"] is True
    assert here.do("GET", "keys")["keys"] == []


def test_sections(here: Handlers) -> None:
    """An export may be of some sections, and an import leaves the others alone."""
    key = here.key("stays")
    file = here.ask("POST", "export", {"sections": ["aliases"]}).body
    assert b'"keys"' not in file
    assert here.do("POST", "import?mode=replace", file)["steps"] == []
    here.do("DELETE", f"keys/{key['id']}")


def test_migration(here: Handlers) -> None:
    """What Ollama2OpenAI has is taken over, its keys and its log too; and once."""
    dry = here.do("POST", "migrate?dry_run=1", OLD)
    assert dry["closes"] is True
    assert here.do("GET", "keys?q=old")["keys"] == []
    done = here.do("POST", "migrate", OLD)
    assert _steps(done) == _steps(dry)
    assert ("add", "key", "old") in _steps(done)
    assert any("short enough to be guessed" in remark for remark in done["remarks"])
    (key,) = here.do("GET", "keys?q=old")["keys"]
    records = here.do("GET", f"usage/records?from=0&key={key['id']}")["records"]
    assert [one["prompt_tokens"] for one in records] == [3]
    again = here.do("POST", "migrate", OLD)
    assert (again["steps"], again["closes"]) == ([], False)
    found = here.do("GET", f"usage/records?from=0&key={key['id']}")["records"]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("given", "kept", "said"),
    [
        ({"OLLAMA_URL": "http://ollama.lan:11434"}, "", True),
        ({"OLLAMA_URL": "http://127.0.0.1:11434/"}, "", False),
        ({"OLLAMA_URL": "http://ollama.lan:11434"}, "http://here:1", False),
        (
            {"OLLAMA_URL": "http://ollama.lan:11434", "PANNIER_PIN_UPSTREAM": "1"},
            "",
            False,
        ),
        ({}, "", False),
    ],
)
def test_an_address_of_ollama_that_is_given(
    tmp_path: Path, given: dict[str, str], kept: str, said: bool
) -> None:
    """That the address of a migration counts more than OLLAMA_URL is remarked upon."""
    fields = {"OLLAMA_URL": "upstream_url", "PANNIER_PIN_UPSTREAM": "pin_upstream"}
    found = {
        fields[name]: Given(text, name, "the environment")
        for name, text in given.items()
    }
    with handlers(tmp_path, found) as here:
        if kept:
            here.do("PATCH", "settings", {"upstream_url": kept})
        remarks = here.do("POST", "migrate?dry_run=1", OLD)["remarks"]
    told = [one for one in remarks if "OLLAMA_URL no more" in one]
    assert bool(told) is said


def test_both_words_of_a_mode(here: Handlers) -> None:
    """What is there counts by either word; another word is refused with all of them."""
    here.do("PATCH", "models/bge", {"hidden": True})
    file = {"format": "pannier-export", "models": [{"name": "bge:latest"}]}
    for mode, many in (("skip", 0), ("skip_existing", 0), ("merge", 1)):
        answer = here.do("POST", f"import?dry_run=1&mode={mode}", file)
        assert len(answer["steps"]) == many
    answer = here.ask("POST", "import?mode=skip_all", file)
    assert answer.error == (422, "mode")
    assert "skip_existing" in answer.json["message"]
    here.do("DELETE", "models/bge")


WRONG: list[tuple[str, dict[str, Any] | bytes, str | None, str]] = [
    ("migrate", {}, None, "none of the files"),
    ("migrate", {"config.json": []}, "config.json", "config.json: Expected"),
    ("migrate", {"config.json": {"ollamaUrl": 7}}, "ollamaUrl", ": ollamaUrl: Expec"),
    (
        "migrate",
        b'{"config.json": {}, "overrides.json": {"m": {"top_k": 1e999}}}',
        "overrides.json",
        "out of range.",
    ),
    (
        "import",
        {"overrides": {"num_ctx": "x"}},
        "overrides.num_ctx",
        "overrides.num_ctx: ",
    ),
    ("import", b'"overrides":{"num_ctx":1e999}', "overrides", "out of range."),
    ("import", b'"settings":{"max_choices":1e999}', "settings", "out of range."),
    (
        "import",
        b'"models":[{"name":"m","overrides":{"top_k":1e999}}]',
        "models[0].overrides",
        "out of range.",
    ),
]


@pytest.mark.parametrize(("path", "body", "param", "said"), WRONG)
def test_what_is_wrong_is_named(
    tmp_path: Path, path: str, body: dict[str, Any] | bytes, param: str, said: str
) -> None:
    """Of a file that is refused the field is said, and in words, as far as known."""
    if path == "import":
        own = b'{"format":"pannier-export",'
        rest = body + b"}" if isinstance(body, bytes) else json.dumps(body).encode()[1:]
        body = own + rest
    with handlers(tmp_path) as here:
        answer = here.ask("POST", f"{path}?dry_run=1", body)
    assert answer.error == (422, param)
    assert said in answer.json["message"]
    assert " - at `" not in answer.json["message"]


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("models.json", [{"originalName": "m"}] * (MOST["models"] + 1)),
        ("models.json", [{"originalName": "m", "x": "x" * LARGEST["models"]}]),
        ("api_keys.json", [{}] * (MOST["keys"] + 1)),
        ("overrides.json", {"m": {"stop": "x" * LARGEST_OTHER}}),
        ("config.json", {"x": "x" * LARGEST_OTHER}),
    ],
)
def test_too_much_of_another_program(tmp_path: Path, file: str, content: Any) -> None:
    """What would hold requests up is refused by the name of its file."""
    with handlers(tmp_path) as here:
        answer = here.ask("POST", "migrate?dry_run=1", {file: content})
        assert answer.error == (422, file)
        assert here.ask("POST", "migrate?dry_run=1", {"models.json": []}).status == 200


def test_too_many_over_http(tmp_path: Path) -> None:
    """An import of too many entries is a 422 that says how many may come."""
    file = {
        "format": "pannier-export",
        "models": [{"name": f"m{n}"} for n in range(MOST["models"] + 1)],
    }
    with handlers(tmp_path) as here:
        answer = here.ask("POST", "import?dry_run=1", file)
        assert answer.error == (422, "models")
        assert str(MOST["models"]) in answer.json["message"]


@pytest.mark.parametrize("commits", [False, True])
def test_a_file_that_takes_too_long(
    here: Handlers,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    commits: bool,
) -> None:
    """A 503 says that nothing was changed; what is being committed is waited for."""
    begun: list[bool] = []
    may_end: list[bool] = []

    def slow(*_: object) -> None:
        begun.append(True)
        while not may_end:
            time.sleep(0.001)  # in the thread of its own

    def end_after(name: str) -> None:
        real = getattr(Storage, name)

        def called(*arguments: Any) -> Any:
            may_end.extend(begun)
            return real(*arguments)

        monkeypatch.setattr(Storage, name, called)

    if commits:
        sa.event.listen(sa.Engine, "commit", slow)
        request.addfinalizer(lambda: sa.event.remove(sa.Engine, "commit", slow))
    else:
        monkeypatch.setattr(Changes, "write", slow)
    end_after("run")
    end_after("close")
    file = {"format": "pannier-export", "overrides": {"top_k": 40 + commits}}
    asking = gevent.spawn(here.ask, "POST", "import", file)
    while not begun:
        gevent.sleep(0.001)
    asking.kill(StorageUnavailable("no answer"), block=False)
    assert asking.get().status == (200 if commits else 503)
    monkeypatch.undo()
    overrides = here.do("GET", "settings")["overrides"]
    assert overrides == ({"top_k": 41} if commits else {})
    here.do("PATCH", "settings", {"overrides": {}})


def test_a_large_file(here: Handlers) -> None:
    """A file that takes long to take in holds nobody else up, and is taken in."""
    here.key("one of many")
    document = Document.read(here.ask("POST", "export", {"sections": ["keys"]}).body)
    key = next(one for one in document.keys or [] if one.name == "one of many")
    replace = msgspec.structs.replace
    document.keys = [
        replace(key, id=f"key_{n}", name=f"k{n}", digest=n.to_bytes(32, "big"))
        for n in range(2000)
    ]
    importing = gevent.spawn(here.ask, "POST", "import", document.written())
    looks = 0
    while not importing.dead:
        here.do("GET", "audit?limit=1")
        looks += 1
    assert importing.get().status == 200
    assert looks > 1
    assert here.do("GET", "keys?q=k1999")["keys"][0]["id"] == "key_1999"
    document.keys = []
    here.do("POST", "import?mode=replace&open=1", document.written())
    assert here.do("GET", "keys")["keys"] == []
