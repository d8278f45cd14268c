"""The description at ``/openapi.json``: valid, and of what is really there."""

import io
from typing import Any

import pytest
from openapi_spec_validator import validate
from support.gateway import installed, key, snapshot
from support.ollama import FakeUpstream, Ollama, ask
from support.stack import linted, stacked
from werkzeug.test import Client, EnvironBuilder

from app.catalog import Catalog
from app.openapi import described, document, named
from app.operations import OPERATIONS
from app.settings import Settings
from app.wire import openai
from middleware.absent import Absent
from middleware.endpoints import dialect_routes
from middleware.shared import Shared


def test_it_is_valid() -> None:
    """The document is OpenAPI 3.1 by the rules of that."""
    validate(document())


def test_it_is_served() -> None:
    """``/openapi.json`` answers with the document, whatever comes before /v1."""
    answer = ask(stacked(FakeUpstream()), "GET", "/openapi.json")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json == document()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)
def test_where_a_key_is_needed(operation: Any) -> None:
    """What says that it takes a key refuses who has none, where keys are needed."""
    app = linted(Ollama(), installation=installed(snapshot(key())))
    path = operation.path.replace("{", "").replace("}", "")
    answer = ask(app, operation.method, path)
    described = document()["paths"][operation.path][operation.method.lower()]
    assert (answer.status == 401) is ("security" in described)
    named = [name for one in described.get("security", ()) for name in one]
    assert named == list(document()["components"]["securitySchemes"])


@pytest.mark.parametrize("said", document()["components"]["securitySchemes"].values())
def test_where_a_key_goes(said: Any) -> None:
    """A key is taken where the document says that it may be."""
    secret = "sk-test-key-of-thirty-two-characters"
    bearer = {"Authorization": f"Bearer {secret}"}
    headers = bearer if said["type"] == "http" else {said["name"]: secret}
    app = linted(Ollama(), installation=installed(snapshot(key())))
    asked = {name.replace("-", "_"): value for name, value in headers.items()}
    assert ask(app, "GET", "/v1/models", **asked).status != 401
    page = ask(app, "GET", "/docs").body.decode()
    assert all(f"{name}: " in page for name in headers)


def test_every_reference_leads_somewhere() -> None:
    """No schema is named that is not there, and none is there for nothing."""
    named: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(reference := node.get("$ref"), str):
                named.add(reference.rpartition("/")[2])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document())
    assert named == set(document()["components"]["schemas"])


def test_routes_and_operations_agree() -> None:
    """Every translated route is described, and nothing else."""
    anything: Any = Ollama()
    shared = Shared(anything, Catalog(FakeUpstream().control), Settings())
    routes = dialect_routes(shared)
    offered: dict[tuple[str, str], Any] = {}
    for method, path, app in routes:  # a later one takes the place of an earlier one
        if path.startswith("/v1/") or path in ("/infill", "/completion", "/props"):
            offered[method, path] = app
    names = {"/v1/models/": "{model}", "/v1/responses/": "{response_id}"}
    translated = {
        (method, path + names.get(path, ""))
        for (method, path), app in offered.items()
        if not isinstance(app, Absent) and method != "HEAD"
    }
    # Beside Ollama's own routes.
    translated.add(("POST", "/code/generate"))
    # One route for all below; this one knows two paths.
    translated.add(("GET", "/v1/responses/{response_id}/input_items"))
    assert translated == {(o.method, o.path) for o in OPERATIONS}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o.name)
def test_needed_fields(operation: Any) -> None:
    """What the document calls required is refused when it is missing."""
    good: dict[str, Any] = {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "prompt": "x",
        "input": "x",
    }
    if operation.form:
        good["file"] = (io.BytesIO(b"RIFF1234WAVE"), "a.wav")
    for name in operation.needs:
        schema = document()["components"]["schemas"][named(operation.takes)]
        assert name in schema["required"]
        request = {k: good[k] for k in operation.needs if k != name}
        builder = EnvironBuilder(
            operation.path,
            method="POST",
            json=None if operation.form else request,
            data=request if operation.form else None,
            content_type="multipart/form-data" if operation.form else None,
        )
        answer = Client(linted(Ollama())).open(builder)
        assert answer.status_code == 400
        error = answer.get_json()["error"]
        assert error.get("param", name) == name
        assert name in error["message"]


def test_types_in_words() -> None:
    """The page says types in words, and never ``null``."""
    fields = {
        field.name: field
        for operation, listed in described()
        if operation.takes is openai.ChatCompletionRequest
        for field in listed
    }
    assert fields["messages"].type == "list of Message"
    assert fields["messages"].needed
    assert fields["stop"].type == "string or list of string"
    assert not fields["stop"].needed
    assert not any("null" in field.type for field in fields.values())


def test_the_page() -> None:
    """``/docs`` shows every operation and every field, without anything from afar."""
    answer = ask(stacked(FakeUpstream()), "GET", "/docs")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    page = answer.body.decode()
    for operation, fields in described():
        assert f"{operation.method} {operation.path}" in page
        for field in fields:
            assert f"<code>{field.name}</code>" in page
    assert "<script" not in page
    assert "//" not in page.replace("https://", "", 0).split("<body>")[1]
