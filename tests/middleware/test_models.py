"""The routes about models: aliases, facts, deletion."""

import json
from typing import Any

import pytest
from support.ollama import FakeUpstream, Ollama, ask
from support.stack import linted, stacked

from app.errors import UpstreamTimeout

TAGS = json.dumps(
    {"models": [{"name": n, "digest": n} for n in ("qwen3:latest", "embed:latest")]}
).encode()
SHOWN: dict[str, dict[str, Any]] = {
    "qwen3:latest": {
        "capabilities": ["tools", "completion"],
        "details": {
            "family": "qwen3",
            "parameter_size": "8.2B",
            "quantization_level": "Q4_K_M",
        },
        "model_info": {"general.architecture": "q", "q.context_length": 40960},
    },
    "embed:latest": {},
}
KNOWN = {
    "context_length": 40960,
    "capabilities": ["completion", "tools"],
    "quantization": "Q4_K_M",
    "parameter_size": "8.2B",
    "family": "qwen3",
    "loaded": True,
}
UNKNOWN = dict.fromkeys(KNOWN) | {"loaded": False}
FIELDS = ["id", "object", "created", "owned_by"]


class Control:
    """What the catalogue is told; notes what it asked."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.asked: list[str] = []

    def __call__(self, method: str, path: str, body: Any, timeout: float) -> bytes:
        """One call."""
        self.asked.append(path)
        if self.failure:
            raise self.failure
        if path == "/api/show":
            return json.dumps(SHOWN[body.model]).encode()
        if path == "/api/ps":
            return b'{"models":[{"name":"qwen3:latest","context_length":4096}]}'
        return TAGS


def test_aliases_are_listed() -> None:
    """After the models, once each, those whose model is there; patterns are not."""
    named = "GPT-4o=qwen3,small=QWEN3:latest,gone=missing,gpt-4*=qwen3,qwen3=embed"
    named += ",Embed:LATEST=qwen3"
    answer = ask(linted(Ollama(TAGS), aliases=named), "GET", "/v1/models")
    assert [model["id"] for model in answer.json["data"]] == [
        "qwen3:latest",
        "embed:latest",
        "GPT-4o",
        "small",
        "qwen3",
    ]
    assert all(list(model) == FIELDS for model in answer.json["data"])


def test_an_alias_has_its_models_owner_and_time() -> None:
    """It is the model under another name."""
    tags = b'{"models":[{"name":"hf.co/ns/x:Q4","modified_at":"2026-01-02T03:04:05Z"}]}'
    answer = ask(linted(Ollama(tags), aliases="a=hf.co/ns/x:q4"), "GET", "/v1/models")
    assert answer.json["data"][1] == {
        "id": "a",
        "object": "model",
        "created": 1767323045,
        "owned_by": "ns",
    }


def test_facts_in_the_list() -> None:
    """With the setting each model says what is known of it; an alias as its model."""
    control = Control()
    app = linted(Ollama(TAGS), control=control, model_facts=True, aliases="a=qwen3")
    for _ in range(3):
        models = ask(app, "GET", "/v1/models").json["data"]
    facts = [{k: v for k, v in m.items() if k not in FIELDS} for m in models]
    assert facts == [KNOWN, UNKNOWN, KNOWN]
    assert control.asked.count("/api/show") == 2


@pytest.mark.parametrize("name", ["qwen3", "gpt-4o"])
def test_facts_of_one_model(name: str) -> None:
    """The same of a single model, by its own name or by another."""
    app = linted(Ollama(), control=Control(), model_facts=True, aliases="gpt-4o=qwen3")
    model = ask(app, "GET", f"/v1/models/{name}").json
    assert model["id"] == name
    assert {k: v for k, v in model.items() if k not in FIELDS} == KNOWN


def test_no_facts_without_the_setting() -> None:
    """Nothing is looked up, nothing is added."""
    control = Control()
    app = linted(Ollama(TAGS), control=control)
    assert list(ask(app, "GET", "/v1/models").json["data"][0]) == FIELDS
    assert list(ask(linted(Ollama()), "GET", "/v1/models/qwen3").json) == FIELDS
    assert control.asked == []


def test_facts_do_not_hold_up_a_list() -> None:
    """An Ollama that does not tell costs one call, not one for each model."""
    control = Control(UpstreamTimeout("late"))
    app = linted(Ollama(TAGS), control=control, model_facts=True)
    answer = ask(app, "GET", "/v1/models")
    assert answer.status == 200
    assert answer.json["data"][0]["capabilities"] is None
    assert len(control.asked) == 1


@pytest.mark.parametrize("base", ["", "/v1"])
def test_an_alias_is_retrieved(base: str) -> None:
    """Its id is the name that was asked for, its owner the model's."""
    ollama = Ollama()
    app = linted(ollama, aliases="gpt-4o=hf.co/ns/x")
    answer = ask(app, "GET", f"{base}/models/gpt-4o").json
    assert (answer["id"], answer["owned_by"]) == ("gpt-4o", "ns")
    assert ollama.calls[0].json == {"model": "hf.co/ns/x"}


def test_a_missing_model_of_an_alias() -> None:
    """The message names what was asked for."""
    ollama = Ollama(b'{"error":"model \'x\' not found"}', status="404 Not Found")
    answer = ask(linted(ollama, aliases="gpt-4o=x"), "GET", "/v1/models/gpt-4o")
    assert answer.status == 404
    assert answer.error["message"] == "The model 'gpt-4o' does not exist"


@pytest.mark.parametrize("base", ["", "/v1"])
def test_deletion_is_off(base: str) -> None:
    """Unless the settings allow it nothing is deleted."""
    ollama = Ollama()
    answer = ask(linted(ollama), "DELETE", f"{base}/models/m")
    assert answer.status == 403
    assert (answer.error["type"], answer.error["code"]) == (
        "permission_error",
        "endpoint_not_allowed",
    )
    assert "PANNIER_MODEL_DELETE" in answer.error["message"]
    assert ollama.calls == []


@pytest.mark.parametrize("name", ["m", "hf.co/ns/x:Q4", "hf.co%2Fns%2Fx:Q4"])
def test_deletion(name: str) -> None:
    """The model's name reaches Ollama; its empty answer becomes OpenAI's object."""
    upstream = FakeUpstream(b"", headers=[])
    app = stacked(upstream, model_delete=True)
    answer = ask(app, "DELETE", f"/v1/models/{name}")
    name = name.replace("%2F", "/")
    assert answer.json == {"id": name, "object": "model", "deleted": True}
    (request,) = upstream.requests
    assert (request.method, request.target) == ("DELETE", "/api/delete")
    assert json.loads(request.body) == {"model": name}  # type: ignore[arg-type]
    (response,) = upstream.responses
    assert response.closed + response.released == 1


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("404 Not Found", "model 'm' not found"),
        ("400 Bad Request", 'name "m" is invalid'),
        ("400 Bad Request", "invalid model name"),
    ],
)
def test_deletion_of_what_is_not_there(status: str, said: str) -> None:
    """A 404 in OpenAI's words."""
    ollama = Ollama(json.dumps({"error": said}).encode(), status=status)
    answer = ask(linted(ollama, model_delete=True), "DELETE", "/v1/models/m")
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert answer.error["message"] == "The model 'm' does not exist"


def test_deletion_that_fails() -> None:
    """Another failure of Ollama's keeps its words."""
    ollama = Ollama(b'{"error":"disk on fire"}', status="500 Oops")
    answer = ask(linted(ollama, model_delete=True), "DELETE", "/v1/models/m")
    assert (answer.status, answer.error["message"]) == (500, "disk on fire")


@pytest.mark.parametrize("name", ["gpt-4o", "default", "..", "a//b", "%20"])
def test_what_cannot_be_deleted(name: str) -> None:
    """Neither an alias, which is never its model, nor what is no name."""
    ollama = Ollama()
    settings = {"aliases": "gpt-4o=qwen3", "default_model": "qwen3"}
    app = linted(ollama, model_delete=True, **settings)
    answer = ask(app, "DELETE", f"/v1/models/{name}")
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert ollama.calls == []
