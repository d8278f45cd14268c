from typing import Any

import msgspec
import pytest
from support.ollama import Answer, Ollama
from support.writing import written

from writers.list import ListWriter
from writers.retrieve import RetrieveWriter

TIME = "2026-01-02T03:04:05.678Z"
GOOD = {"name": "a:latest", "model": "a:latest", "modified_at": TIME}


def listed(body: Any) -> Answer:
    """The list for what Ollama said."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return written(lambda exchange, start: ListWriter(exchange, start), Ollama(data))


def retrieved(body: Any, name: str = "m") -> Answer:
    """One model for what Ollama said."""
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return written(
        lambda exchange, start: RetrieveWriter(exchange, start, id=name, name=name),
        Ollama(data),
    )


def test_a_list() -> None:
    """Id, created and owner of each model, in Ollama's order."""
    models = [GOOD, {"name": "n", "model": "hf.co/ns/x:Q4", "modified_at": TIME}]
    assert listed({"models": models}).json == {
        "object": "list",
        "data": [
            {
                "id": "a:latest",
                "object": "model",
                "created": 1767323045,
                "owned_by": "library",
            },
            {
                "id": "hf.co/ns/x:Q4",
                "object": "model",
                "created": 1767323045,
                "owned_by": "ns",
            },
        ],
    }


@pytest.mark.parametrize("models", [[], None])
def test_an_empty_list(models: Any) -> None:
    """No models are an empty list, never null."""
    assert listed({"models": models}).json == {"object": "list", "data": []}


@pytest.mark.parametrize(
    "odd",
    [None, 5, "a", [], {}, {"name": 5}, {"name": ""}, {"model": None}, {"x": [1]}],
    ids=repr,
)
def test_u12_odd_entries_are_left_out(odd: Any) -> None:
    """What is no model costs only itself."""
    ids = [model["id"] for model in listed({"models": [odd, GOOD]}).json["data"]]
    assert ids == ["a:latest"]


def test_a_name_that_is_no_text_is_left_out() -> None:
    """Half a character in a name leaves the others."""
    body = rb'{"models":[{"name":"\ud800x"},{"name":"a"}]}'
    assert [model["id"] for model in listed(body).json["data"]][-1] == "a"


@pytest.mark.parametrize("time", [None, "", "never", 0, "0001-01-01T00:00:00Z"])
def test_an_odd_time_is_now_or_no_model(time: Any) -> None:
    """A time is never a reason for an error."""
    answer = listed({"models": [GOOD | {"modified_at": time}]})
    assert all(m["created"] > 1_700_000_000 for m in answer.json["data"])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"models":{}}',
        b'{"models":"x"}',
        b"<html>",
        b'{"models":[}',
        b'{"models":[]}{"models":[]}',
        b'{"models":[]}\n{"models":[]}',
        b'{"models":' + b"[" * 20_000,
    ],
    ids=range(11),
)
def test_u12_what_is_no_list(body: bytes) -> None:
    """Not a list at all is a 502."""
    answer = listed(body)
    assert (answer.status, answer.error["code"]) == (502, "bad_upstream_response")


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("llama3.2", "library"),
        ("u/x", "u"),
        ("hf.co/ns/model:tag", "ns"),
        ("/x", "library"),
    ],
)
def test_one_model(name: str, owner: str) -> None:
    """It is called what the client called it."""
    assert retrieved({"modified_at": TIME, "details": {}}, name).json == {
        "id": name,
        "object": "model",
        "created": 1767323045,
        "owned_by": owner,
    }


@pytest.mark.parametrize("body", [b"", b"[]", b"x", b'{"modified_at":5}'])
def test_what_is_no_model(body: bytes) -> None:
    """An answer that is none is a 502."""
    assert retrieved(body).status == 502
