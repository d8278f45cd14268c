"""What operators have Ollama get, and delete; with a simulator, without HTTP."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.handling import Handlers
from support.simulator import Simulator

from app.admin.pulling import PERIOD, events
from app.errors import UpstreamBroken, UpstreamError
from app.wire.ollama import Progress


@pytest.fixture(autouse=True)
def _whole(ollama: Simulator) -> Iterator[None]:
    """Each test ends with an Ollama that works."""
    yield
    ollama.mend()


def told(body: bytes) -> list[tuple[str, Any]]:
    """The events of a stream: their kinds, and what they say."""
    assert body.endswith(b"\n\n")
    found = []
    for event in body[:-2].split(b"\n\n"):
        *kind, data = event.decode().split("\n")
        assert kind in ([], ["event: error"])
        found.append((kind[0] if kind else "", json.loads(data.removeprefix("data: "))))
    return found


def installed(ollama: Simulator) -> set[str]:
    """The names of all models."""
    found = json.loads(ollama.ask("GET", "/api/tags")[1])["models"]
    return {model["name"] for model in found}


def newest(office: Handlers) -> tuple[str, str, str]:
    """Who did what to which model, as the audit log has it last."""
    (entry,) = office.do("GET", "audit?limit=1")["entries"]
    return entry["actor"], entry["action"], entry["object"]


def test_a_model_comes_and_goes(ollama: Simulator, office: Handlers) -> None:
    """Its progress is told up to success; then all know it, until it is removed."""
    version = office.version()
    answer = office.ask("POST", "models/pull", {"model": "mistral:7b"})
    assert answer.status == 200
    assert answer.headers["X-Accel-Buffering"] == "no"
    said = told(answer.body)
    assert said[0] == ("", {"status": "pulling manifest"})
    assert said[-1] == ("", {"status": "success"})
    parts = [one for _, one in said if one.get("completed")]
    assert len(parts) > 3
    assert parts[-1]["completed"] == parts[-1]["total"]
    assert office.version() == version + 1
    assert newest(office) == ("admin", "model.pull", "mistral:7b")
    assert office.do("GET", "models/mistral:7b")["available"] is True
    office.do("PATCH", "models/mistral:7b", {"hidden": True})
    assert office.ask("POST", "models/mistral:7b/remove").status == 204
    assert newest(office) == ("admin", "model.remove", "mistral:7b")
    assert "mistral:7b" not in installed(ollama)
    assert office.do("GET", "models/mistral:7b")["available"] is False
    answer = office.ask("POST", "models/mistral:7b/remove")
    assert (answer.status, answer.json["code"]) == (404, "model_not_found")


def test_a_model_that_nobody_has(ollama: Simulator, office: Handlers) -> None:
    """Ollama's words are the last event, and nothing is in the audit log."""
    version = office.version()
    answer = office.ask("POST", "models/pull", {"model": "nope"})
    (first, (kind, error)) = told(answer.body)
    assert first == ("", {"status": "pulling manifest"})
    assert kind == "event: error"
    assert error["error"]["message"] == "pull model manifest: file does not exist"
    assert error["error"]["code"] == "upstream_error"
    assert office.version() == version


def test_a_pull_that_breaks(ollama: Simulator, office: Handlers) -> None:
    """A connection that ends in the middle is told as the last event."""
    for fault, code in (
        ("cut-line", "upstream_error"),
        ("cut", "upstream_incomplete"),
        ("garbage-line", "bad_upstream_response"),
    ):
        ollama.fault("/api/pull", fault, after=1)
        answer = office.ask("POST", "models/pull", {"model": "llama3.2"})
        assert answer.status == 200
        *_, (kind, error) = told(answer.body)
        assert (kind, error["error"]["code"]) == ("event: error", code)


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({}, "model"),
        ({"model": ""}, "model"),
        ({"model": " a"}, "model"),
        ({"model": "a\nb"}, "model"),
        ({"model": 1}, "model"),
        ({"model": "a" * 513}, "model"),
        ({"model": "a", "insecure": "yes"}, "insecure"),
        ({"model": "a", "stream": False}, "stream"),
    ],
    ids=range(8),
)
def test_what_cannot_be_pulled(
    ollama: Simulator, office: Handlers, form: Any, param: str
) -> None:
    """A wrong body is refused with its field, and Ollama is not asked."""
    ollama.clear()
    answer = office.ask("POST", "models/pull", form)
    assert answer.error == (422, param)
    assert ollama.log() == []


def test_what_ollama_refuses(ollama: Simulator, office: Handlers) -> None:
    """Before a stream begins a failure has its true status."""
    answer = office.ask("POST", "models/pull", {"model": "a:b:c/"})
    assert (answer.status, answer.json["message"]) == (400, "invalid model name")
    ollama.fault("/api/pull", "busy")
    answer = office.ask("POST", "models/pull", {"model": "a"})
    assert (answer.status, answer.json["code"]) == (503, "server_overloaded")


def test_an_alias_is_not_removed_for_its_model(
    ollama: Simulator, office: Handlers
) -> None:
    """To remove means the very model of that name, never what another name means."""
    office.do("POST", "aliases", {"name": "other", "target": "llama3.2:latest"})
    assert office.ask("POST", "models/other/remove").status == 404
    assert "llama3.2:latest" in installed(ollama)


def digests(*numbers: tuple[str, int]) -> list[Progress]:
    """Lines of a pull: how much of which digest there is."""
    return [
        Progress(status=f"pulling {digest}", digest=digest, total=9, completed=number)
        for digest, number in numbers
    ]


def said(progress: list[Progress], seconds: float) -> list[tuple[str, int]]:
    """What is told of lines that come so many seconds apart."""
    clock = iter([n * seconds for n in range(100)])
    found = events(progress, lambda: None, lambda: next(clock))
    frames = [json.loads(frame[6:]) for frame in found]
    assert frames.pop() == {"status": "success"}
    return [(frame["digest"], frame["completed"]) for frame in frames]


DONE = Progress(status="success")


def test_it_is_not_told_too_often() -> None:
    """Of many lines a second few are told: the first and the last of each digest."""
    lines = [("a", n) for n in range(1, 10)] + [("b", n) for n in range(1, 3)]
    found = said([*digests(*lines), DONE], PERIOD / 4)
    assert found == [("a", 1), ("a", 5), ("a", 9), ("b", 1), ("b", 2)]
    assert said([*digests(*lines), DONE], PERIOD * 1.01) == lines


def test_the_end_of_a_pull_is_said_once_it_is_known() -> None:
    """Others are told before the last event; without a last line there is none."""
    order: list[object] = []
    for frame in events(
        [*digests(("a", 1)), DONE, *digests(("b", 1))], lambda: order.append("done")
    ):
        order.append(json.loads(frame[6:])["status"])
    assert order == ["pulling a", "done", "success"]
    for progress, failure in (
        (digests(("a", 1), ("a", 2)), UpstreamBroken),
        ([*digests(("a", 1), ("a", 2)), Progress(error="no")], UpstreamError),
    ):
        found = events(progress, lambda: None, lambda: 0.0)
        numbers = [json.loads(next(found)[6:])["completed"] for _ in range(2)]
        assert numbers == [1, 2]
        with pytest.raises(failure):
            next(found)
