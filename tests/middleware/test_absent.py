import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from support.messages import error
from support.ollama import FakeUpstream, ask
from support.stack import stacked

from middleware.absent import absent_routes

METHODS = {"_get", "_post", "_put", "_patch", "_delete", "_get_api_list"}

#: What Pannier answers itself, with a 400 or a 502 here at worst.
OFFERED = {
    "POST /audio/transcriptions",
    "POST /chat/completions",
    "POST /completions",
    "POST /embeddings",
    "GET /models",
    "GET /models/{model}",
    "DELETE /models/{model}",
    "POST /responses",
    "POST /responses/input_tokens",
}
#: Nothing is stored: there is no such list, and no such completion or response.
NOT_STORED = {
    "GET /chat/completions": 405,
    "GET /chat/completions/{completion_id}": 404,
    "POST /chat/completions/{completion_id}": 404,
    "DELETE /chat/completions/{completion_id}": 404,
    "GET /chat/completions/{completion_id}/messages": 404,
    "GET /responses/{response_id}": 404,
    "DELETE /responses/{response_id}": 404,
    "GET /responses/{response_id}/input_items": 404,
}


#: What Anthropic's client can call and gets.
ANTHROPICS = {
    "POST /messages",
    "POST /messages/count_tokens",
    "GET /models",
    "GET /models/{model_id}",
}


def calls(client: Any) -> Iterator[str]:
    """Method and path of every call in the source of a client."""
    for module in (Path(client.__file__).parent / "resources").rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in METHODS
            ):
                yield f"{_method(node)} {_path(node)}"


def _method(call: ast.Call) -> str:
    assert isinstance(call.func, ast.Attribute)
    if call.func.attr != "_get_api_list":
        return call.func.attr[1:].upper()
    told = [k.value for k in call.keywords if k.arg == "method"]
    return str(ast.literal_eval(told[0])).upper() if told else "GET"


def _path(call: ast.Call) -> str:
    path = call.args[0]
    if isinstance(path, ast.Call):  # path_template("/files/{file_id}", ...)
        path = path.args[0]
    if not isinstance(path, ast.Constant):  # what an answer named
        return ""
    return str(path.value).partition("?")[0].removeprefix("/v1")


CALLS = sorted(set(calls(openai)))
ANTHROPIC_CALLS = sorted({one for one in calls(anthropic) if one.split()[1:]})


def test_the_client_was_read() -> None:
    """The walk through the client's source finds what is known to be there."""
    assert set(CALLS) > OFFERED | set(NOT_STORED)
    assert "POST /images/generations" in CALLS
    assert "DELETE /files/{file_id}" in CALLS
    assert "POST /vector_stores/{vector_store_id}/search" in CALLS
    assert len(CALLS) > 150
    assert set(ANTHROPIC_CALLS) > ANTHROPICS
    assert "POST /messages/batches/{message_batch_id}/cancel" in ANTHROPIC_CALLS
    assert len(ANTHROPIC_CALLS) > 200


@pytest.mark.parametrize("call", CALLS)
def test_every_call_of_the_client(call: str) -> None:
    """Every call of OpenAI's client is offered, not available, or not stored."""
    method, path = call.split()
    for name in ("{", "}"):
        path = path.replace(name, "")
    answer = ask(stacked(FakeUpstream()), method, f"/v1{path}", {"a": 1})
    if call in OFFERED:
        assert answer.status not in (404, 405, 501)
    elif call in NOT_STORED:
        assert answer.status == NOT_STORED[call]
    else:
        assert (answer.status, answer.error["code"]) == (501, "not_implemented")


@pytest.mark.parametrize("call", [*ANTHROPIC_CALLS, "POST /complete"])
@pytest.mark.parametrize("base", ["/v1", "/anthropic/v1"])
def test_every_call_of_anthropics_client(call: str, base: str) -> None:
    """They are offered, or not available, in Anthropic's envelope."""
    method, path = call.replace("{", "").replace("}", "").split()
    version = {"anthropic_version": "2023-06-01"}
    answer = ask(
        stacked(FakeUpstream()), method, f"{base}{path}?beta=true", {"a": 1}, **version
    )
    if call in ANTHROPICS:
        assert answer.status not in (404, 405, 501)
    else:
        assert error(answer, 501, "api_error").endswith(" is not available")
        assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/images/generations",
        "/v1/images/edits",
        "/v1/images/variations",
        "/images/generations",
    ],
)
def test_what_is_said(path: str) -> None:
    """The answer says what is not available, and that repeating does not help."""
    upstream = FakeUpstream()
    answer = ask(stacked(upstream), "POST", path, {"prompt": "a llama"})
    assert answer.status == 501
    assert answer.error == {
        "message": "image generation is not available",
        "type": "api_error",
        "param": None,
        "code": "not_implemented",
    }
    assert answer.headers["x-should-retry"] == "false"
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/images/generations", "POST"),
        ("GET", "/v1/audio/transcriptions", "POST"),
        ("PUT", "/v1/files", "GET, POST"),
        ("POST", "/v1/files/x", "DELETE, GET"),
        ("PATCH", "/v1/threads/x/messages", "DELETE, GET, POST"),
    ],
)
def test_other_methods(method: str, path: str, allowed: str) -> None:
    """A method that OpenAI does not have there is a 405."""
    answer = ask(stacked(FakeUpstream()), method, path)
    assert (answer.status, answer.error["code"]) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/v1/images",
        "/v1/images/foo",
        "/v1/audio/foo",
        "/v1/filesystem",
        "/v1/files/",
        "/v1/organization",
        "/v1/engines",
    ],
)
def test_unknown_stays_unknown(path: str) -> None:
    """What OpenAI does not have either is a 404."""
    answer = ask(stacked(FakeUpstream()), "POST", path)
    assert (answer.status, answer.error["code"]) == (404, "unknown_url")


def test_the_root_stays_free() -> None:
    """Without ``/v1`` only names are taken that no page of Pannier's could have."""
    names = {path.split("/")[1] for _, path, _ in absent_routes("")}
    assert names == {"audio", "images", "messages", "moderations", "responses"}
    for path in ("/files", "/projects/x", "/live/x", "/skills"):
        assert ask(stacked(FakeUpstream()), "GET", path).status == 404


def test_what_is_offered_wins() -> None:
    """No row stands for a call that Pannier offers."""
    listed = {f"{method} {path}" for method, path, _ in absent_routes("/v1")}
    assert listed & {call.replace(" ", " /v1") for call in OFFERED} == set()
