"""Requests that operators try in the name of keys; in process, on a fake Ollama."""

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from support.admin import Browser, House
from support.ollama import FakeUpstream
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.test import TestResponse

from middleware.stack import build_stack

HELLO = [{"role": "user", "content": "Hi"}]
CHAT = {"model": "a", "messages": HELLO}
#: A request of each kind, and a part of its answer.
KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "/v1/chat/completions": (CHAT, '"chat.completion"'),
    "/v1/completions": ({"model": "a", "prompt": "x"}, '"text_completion"'),
    "/v1/embeddings": ({"model": "a", "input": "x"}, '"embedding"'),
    "/v1/messages": ({**CHAT, "max_tokens": 9}, '"end_turn"'),
    "/v1/responses": ({"model": "a", "input": "x", "store": False}, '"response"'),
    "/infill": (
        {"model": "a", "input_prefix": "a", "input_suffix": "b", "stream": False},
        '"content"',
    ),
    "/api/chat": ({**CHAT, "stream": False}, '"done":true'),
    "/api/generate": ({"model": "a", "prompt": "x", "stream": False}, '"done":true'),
}
HOSTILE = [
    "",
    "/",
    "v1/chat/completions",
    "/v1/chat/completions/",
    "/v1/chat/completions?explain=1",
    "/v1/chat/../chat/completions",
    "//v1/chat/completions",
    "/admin/api/v1/keys",
    "/admin/api/v1/playground",
    "/api/delete",
    "/metrics",
    "http://example.com/v1/messages",
    "/v1/messages\r\nX: y",
    "/v1/messages\u0000",
]


class Playground:
    """All of Pannier over a fake Ollama, and somebody who is signed in."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ollama = FakeUpstream()
        with patch("middleware.stack.Upstream.of", lambda settings: self.ollama):
            stack = build_stack(house.settings, house.installation)
        self.app: Any = LintMiddleware(stack)
        self.browser = Browser(self.app)
        assert self.browser.sign_in().status_code == 200

    def ask(self, path: str, body: Any, **more: Any) -> TestResponse:
        """The answer to what is tried."""
        form = {"path": path, "body": body, **more}
        answer = self.browser.ask("POST", "playground", form)
        answer.get_data()
        answer.close()  # as a server does, at the end
        return answer

    def key(self, name: str, **terms: Any) -> str:
        """The id of a new key."""
        made = {"name": name, "allow_models": ["*"], **terms}
        answer = self.browser.ask("POST", "keys", made)
        assert answer.status_code == 201, answer.text
        return str(answer.json["id"])

    def rows(self) -> list[tuple[Any, ...]]:
        """The newest rows of usage."""
        self.house.installation.usage.close()  # what is waiting is written then
        return self.house.rows(
            "SELECT endpoint, key_name, status, http_status, requested_model"
            " FROM usage_record ORDER BY id"
        )


@pytest.fixture
def playground(build: Callable[..., House]) -> Playground:
    """One in which nothing is set yet."""
    return Playground(build())


@pytest.mark.parametrize("path", KINDS)
@pytest.mark.parametrize("named", [False, True], ids=["nobody", "key"])
def test_each_kind(playground: Playground, path: str, named: bool) -> None:
    """What is answered is what a client of that route gets, as any key or as none."""
    body, part = KINDS[path]
    key = playground.key("laptop") if named else None
    answer = playground.ask(path, body, key=key)
    assert answer.status_code == 200, answer.text
    assert part in answer.text.replace(" ", "")
    assert len(playground.ollama.requests) == 1


def test_streams_come_as_they_are(playground: Playground) -> None:
    """Frames are handed on untouched, with one id that both know."""
    body = {**CHAT, "stream": True}
    answer = playground.ask("/v1/chat/completions", body)
    assert answer.content_type == "text/event-stream"
    assert answer.text.endswith("data: [DONE]\n\n")
    assert len(answer.headers.getlist("x-request-id")) == 1


@pytest.mark.parametrize("path", [one for one in KINDS if one != "/api/chat"])
def test_explain(playground: Playground, path: str) -> None:
    """What would be sent is said, and Ollama is asked nothing."""
    answer = playground.ask(path, KINDS[path][0], explain=True)
    assert answer.json["object"] == "pannier.explanation"
    assert playground.ollama.requests == []


def test_what_is_sent_as_it_is_has_no_explanation(playground: Playground) -> None:
    """It is refused rather than done."""
    answer = playground.ask("/api/chat", CHAT, explain=True)
    assert (answer.status_code, answer.json["error"]["param"]) == (422, "explain")
    assert playground.ollama.requests == []


@pytest.mark.parametrize("path", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_paths(playground: Playground, path: str) -> None:
    """Nothing but requests to models can be tried."""
    answer = playground.ask(path, CHAT)
    assert (answer.status_code, answer.json["error"]["param"]) == (422, "path")
    assert playground.ollama.requests == []


@pytest.mark.parametrize(
    ("form", "param"),
    [
        ({"path": "/v1/messages"}, "body"),
        ({"body": CHAT}, "path"),
        ({"path": "/v1/messages", "body": CHAT, "key": 1}, "key"),
        ({"path": "/v1/messages", "body": CHAT, "more": 1}, "more"),
    ],
    ids=["body", "path", "key", "more"],
)
def test_forms_that_are_none(
    playground: Playground, form: dict[str, Any], param: str
) -> None:
    """The field that is wrong is named."""
    answer = playground.browser.ask("POST", "playground", form)
    assert (answer.status_code, answer.json["error"]["param"]) == (422, param)


def test_a_body_that_is_no_object(playground: Playground) -> None:
    """It is the endpoint that says so, as it does to clients."""
    answer = playground.ask("/v1/chat/completions", [1])
    assert answer.status_code == 400
    assert answer.json["error"]["type"] == "invalid_request_error"


def test_an_unknown_key(playground: Playground) -> None:
    """A key that is none is said to be none."""
    assert playground.ask("/v1/messages", CHAT, key="nobody").status_code == 404


GOOD_NO_MORE: dict[str, tuple[str, str, Any, str]] = {
    "revoked": ("POST", "/revoke", None, "This API key has been revoked."),
    "disabled": ("POST", "/disable", None, "This API key is disabled."),
}


@pytest.mark.parametrize("how", GOOD_NO_MORE)
def test_keys_that_are_good_no_more(playground: Playground, how: str) -> None:
    """They are refused as they would be if a client sent them."""
    method, deed, body, told = GOOD_NO_MORE[how]
    key = playground.key("laptop")
    playground.browser.ask(method, f"keys/{key}{deed}", body)
    answer = playground.ask("/v1/chat/completions", CHAT, key=key)
    assert (answer.status_code, answer.json["error"]["message"]) == (401, told)
    assert answer.json["error"]["code"] == "invalid_api_key"
    assert playground.ollama.requests == []


def test_what_the_key_may_not(playground: Playground) -> None:
    """Models, endpoints and limits of the key hold; nobody has none of them."""
    models = playground.key("models", allow_models=["b*"])
    groups = playground.key("groups", allow_endpoints=["embeddings"])
    once = playground.key("once", rpm=1)
    path = "/v1/chat/completions"
    assert playground.ask(path, CHAT, key=models).status_code == 404
    assert playground.ask(path, CHAT, key=groups).status_code == 403
    first = playground.ask(path, CHAT, key="once")
    assert first.status_code == 200
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    assert playground.ask(path, CHAT, key=once).status_code == 429
    for _ in range(3):
        free = playground.ask(path, CHAT)
        assert free.status_code == 200
        assert "x-ratelimit-limit-requests" not in free.headers


def test_what_is_set_for_the_key_counts(playground: Playground) -> None:
    """Its overrides and caps are in what Ollama is asked."""
    key = playground.key("cold", overrides={"temperature": 0.125}, max_output_tokens=5)
    playground.ask("/v1/chat/completions", CHAT, key=key)
    (asked,) = playground.ollama.requests
    options = json.loads(asked.body)["options"]  # type: ignore[arg-type]
    assert (options["temperature"], options["num_predict"]) == (0.125, 5)


def test_usage(playground: Playground) -> None:
    """Each try is a row: of its key, or of nobody; the page itself is none."""
    key = playground.key("laptop", rpm=2)
    path = "/v1/chat/completions"
    playground.ask(path, CHAT, key=key)
    playground.ask("/v1/messages", {**CHAT, "max_tokens": 9})
    playground.ask(path, CHAT, key=key, explain=True)
    playground.ask(path, CHAT, key=key)
    assert playground.rows() == [
        ("chat", "laptop", "ok", 200, "a"),
        ("messages", "", "ok", 200, "a"),
        ("chat", "laptop", "ok", 200, "a"),
        ("chat", "laptop", "rate_limited", 429, ""),
    ]


def test_usage_that_is_off(build: Callable[..., House]) -> None:
    """Where nothing is to be noted, tries are not either."""
    playground = Playground(build(usage="off"))
    playground.ask("/v1/chat/completions", CHAT)
    assert playground.rows() == []


def test_nothing_of_the_session_goes_on(playground: Playground) -> None:
    """Neither the cookie nor the token of changes reaches Ollama."""
    playground.ask("/api/chat", {**CHAT, "stream": False})
    (asked,) = playground.ollama.requests
    said = str([*asked.headers])
    assert playground.browser.token not in said
    assert playground.browser.csrf not in said
    assert "cookie" not in said.lower()


def test_a_header_makes_no_key(playground: Playground) -> None:
    """Whoever is outside can put nobody into the exchange of a request."""
    playground.key("laptop")
    playground.house.installation.current.renew()
    headers = {"pannier.exchange": "laptop", "X-Pannier-Key": "laptop"}
    answer = playground.browser.open(
        "POST", "/v1/chat/completions", json=CHAT, headers=headers
    )
    assert answer.status_code == 401


def test_who_is_not_signed_in(playground: Playground) -> None:
    """It is for those who administer, and for their own pages."""
    stranger = Browser(playground.app)
    form = {"path": "/v1/chat/completions", "body": CHAT}
    assert stranger.ask("POST", "playground", form).status_code == 401
    csrf = playground.browser.ask(
        "POST", "playground", form, headers={"X-CSRF-Token": "x"}
    )
    assert csrf.json["error"]["code"] == "csrf_token_invalid"
    foreign = playground.browser.ask(
        "POST", "playground", form, headers={"Origin": "http://evil.example"}
    )
    assert foreign.status_code == 403
    assert playground.ollama.requests == []


def test_large_bodies(playground: Playground) -> None:
    """Images are larger than what else is asked of the administration."""
    text = "x" * (2 * 1024 * 1024)
    body = {"model": "a", "messages": [{"role": "user", "content": text}]}
    assert playground.ask("/api/chat", {**body, "stream": False}).status_code == 200


def test_errors_are_those_of_the_route(playground: Playground) -> None:
    """Each dialect says them in its own way."""
    body = {"model": "a", "messages": "x"}
    said = {
        path: playground.ask(path, body).json
        for path in ("/v1/chat/completions", "/v1/messages")
    }
    assert said["/v1/chat/completions"]["error"]["param"] == "messages"
    assert said["/v1/messages"]["type"] == "error"
    assert said["/v1/messages"]["request_id"].startswith("req_")
