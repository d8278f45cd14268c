"""What operators do to models in Ollama's memory; with a simulator, without HTTP."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.handling import Handlers
from support.simulator import Simulator

CHAT, EMBEDS, THINKS = "llama3.2:latest", "all-minilm:latest", "qwen3:latest"


@pytest.fixture(autouse=True)
def _fresh(ollama: Simulator, office: Handlers) -> Iterator[None]:
    """Each test begins with nothing loaded, and an empty log."""
    for name in running(ollama):
        office.do("POST", f"models/{name}/unload")
    ollama.clear()
    yield
    ollama.mend()


def running(ollama: Simulator) -> dict[str, Any]:
    """What Ollama says it has in memory."""
    found = json.loads(ollama.ask("GET", "/api/ps")[1])["models"]
    return {model["name"]: model for model in found}


def sent(ollama: Simulator, path: str) -> Any:
    """The body of the newest call to a path."""
    bodies = [one["body"] for one in ollama.log() if one["target"] == path]
    return json.loads(bodies[-1])


def newest(office: Handlers) -> tuple[str, str, str]:
    """Who did what to which model, as the audit log has it last."""
    (entry,) = office.do("GET", "audit?limit=1")["entries"]
    return entry["actor"], entry["action"], entry["object"]


def set_(office: Handlers, model: str, **overrides: Any) -> None:
    """Set parameters of a model, which are in force then."""
    office.do("PATCH", f"models/{model}", {"overrides": overrides})
    office.installation.current.renew()


@pytest.mark.parametrize(
    ("model", "path"), [(CHAT, "/api/generate"), (EMBEDS, "/api/embed")]
)
def test_a_model_is_loaded_and_unloaded(
    ollama: Simulator, office: Handlers, model: str, path: str
) -> None:
    """It is in memory as the answer says, then no more; both are in the audit log."""
    now = time.time() * 1000
    found = office.do("POST", f"models/{model}/load")
    assert found["model"] == model
    assert 0 <= found["load_ms"] < 5000
    assert now < found["expires_at"] < now + 3_600_000
    assert found["context_length"] == running(ollama)[model]["context_length"]
    assert found["size_vram"] == 0
    assert sent(ollama, path)["model"] == model
    assert newest(office) == ("admin", "model.load", model)
    there = {"model": model, "unloaded": True}
    assert office.do("POST", f"models/{model}/unload") == there
    assert running(ollama) == {}
    assert newest(office) == ("admin", "model.unload", model)
    again = office.do("POST", f"models/{model}/unload")
    assert again == {"model": model, "unloaded": False}


def test_it_is_loaded_as_requests_would(ollama: Simulator, office: Handlers) -> None:
    """What is set for it counts, bounds too; an alias has its own on top."""
    set_(office, CHAT, num_ctx=2048, keep_alive="3m", temperature=0.5)
    found = office.do("POST", f"models/{CHAT}/load")
    assert found["context_length"] == 2048
    assert found["expires_at"] < (time.time() + 200) * 1000
    form = {"name": "large", "target": CHAT, "overrides": {"num_ctx": 9000}}
    office.do("POST", "aliases", form)
    office.installation.current.renew()
    found = office.do("POST", "models/large/load", {"keep_alive": "20m"})
    assert (found["model"], found["context_length"]) == (CHAT, 9000)
    assert found["expires_at"] > (time.time() + 1000) * 1000
    office.do("POST", "models/large/unload")
    set_(
        office,
        CHAT,
        num_ctx={"value": 1000, "mode": "max"},
        keep_alive={"value": 60, "mode": "force"},
    )
    found = office.do("POST", f"models/{CHAT}/load", {"keep_alive": "20m"})
    assert found["context_length"] == 1000
    assert found["expires_at"] < (time.time() + 100) * 1000
    office.do("DELETE", f"models/{CHAT}")
    office.do("DELETE", "aliases/large")
    office.installation.current.renew()


def test_a_limit_of_its_own(office: Handlers) -> None:
    """A model that loads for longer than its requests may take is a 504."""
    office.copy("sim-load30", "slow")
    set_(office, "slow", request_timeout=200)
    answer = office.ask("POST", "models/slow/load")
    assert (answer.status, answer.json["code"]) == (504, "upstream_timeout")
    office.do("DELETE", "models/slow")
    office.installation.current.renew()
    office.do("POST", "models/slow/remove")


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"keep_alive": "soon"}, "keep_alive"),
        ({"keep_alive": True}, "keep_alive"),
        ({"keep_alive": [1]}, "keep_alive"),
        ({"keep": 1}, "keep"),
        ([], None),
    ],
)
def test_what_cannot_be_meant(
    ollama: Simulator, office: Handlers, form: Any, param: str | None
) -> None:
    """A wrong body is refused with its field, and nothing is loaded."""
    answer = office.ask("POST", f"models/{CHAT}/load", form)
    assert answer.error == (422, param)
    assert running(ollama) == {}


@pytest.mark.parametrize("deed", ["load", "unload", "test"])
def test_a_model_that_is_not_there(office: Handlers, deed: str) -> None:
    """Where Ollama has none of this name that is a 404, whatever is wanted of it."""
    assert office.ask("POST", f"models/nobody/{deed}").status == 404


@pytest.mark.parametrize("model", [CHAT, THINKS])
def test_a_model_is_tried(ollama: Simulator, office: Handlers, model: str) -> None:
    """It says something short, how fast is told, and it is asked as it is set."""
    set_(office, model, top_k=7)
    found = office.do("POST", f"models/{model}/test")
    assert found["ok"] is True
    assert found["model"] == model
    assert "hello" in found["text"].lower()
    assert 0 <= found["ttft_ms"] < 5000
    assert 0 <= found["load_ms"] < 5000
    assert found["tokens_per_s"] > 0
    options = sent(ollama, "/api/chat")["options"]
    assert (options["num_predict"], options["top_k"]) == (32, 7)
    office.do("DELETE", f"models/{model}")
    office.installation.current.renew()


def test_a_model_that_embeds_is_tried(office: Handlers) -> None:
    """It says how long its vectors are, and nothing that it cannot know."""
    found = office.do("POST", f"models/{EMBEDS}/test")
    assert (found["ok"], found["dimensions"]) == (True, 384)
    assert (found["text"], found["ttft_ms"], found["tokens_per_s"]) == (None,) * 3


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("error-500", 500, "upstream_error"),
        ("busy", 503, "server_overloaded"),
        ("error-line", 500, "upstream_error"),
        ("not-done", 502, "upstream_incomplete"),
        ("garbage-line", 502, "bad_upstream_response"),
    ],
)
def test_a_trial_that_fails(
    ollama: Simulator, office: Handlers, fault: str, status: int, code: str
) -> None:
    """What goes wrong at Ollama is the error, before its words and among them."""
    ollama.fault("/api/chat", fault)
    answer = office.ask("POST", f"models/{CHAT}/test")
    assert (answer.status, answer.json["code"]) == (status, code)


@pytest.mark.parametrize(
    ("model", "path", "fault", "status", "code"),
    [
        (model, path, fault, status, code)
        for model, path in ((CHAT, "/api/generate"), (EMBEDS, "/api/embed"))
        for fault, status, code in (
            ("error-500", 500, "upstream_error"),
            ("error-line", 500, "upstream_error"),
            ("html-200", 502, "bad_upstream_response"),
            ("empty-200", 502, "bad_upstream_response"),
            ("not-done", 502, "upstream_incomplete"),
        )
        if (model, fault) != (EMBEDS, "not-done")  # which no answer of these says
    ],
)
def test_a_load_that_fails(
    ollama: Simulator,
    office: Handlers,
    model: str,
    path: str,
    fault: str,
    status: int,
    code: str,
) -> None:
    """It is the error, and nothing is in the audit log."""
    office.do("POST", f"models/{THINKS}/load")
    before = newest(office)
    ollama.fault(path, fault)
    answer = office.ask("POST", f"models/{model}/load")
    assert (answer.status, answer.json["code"]) == (status, code)
    assert newest(office) == before


def test_ollama_cannot_say_what_is_in_memory(
    ollama: Simulator, office: Handlers
) -> None:
    """A model is loaded all the same; whether one is to be unloaded nobody knows."""
    ollama.fault("/api/ps", "error-500")
    found = office.do("POST", f"models/{CHAT}/load")
    assert (found["expires_at"], found["context_length"]) == (None, None)
    assert office.ask("POST", f"models/{CHAT}/unload").status == 502
    ollama.mend()
    assert set(running(ollama)) == {CHAT}
