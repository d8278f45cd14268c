"""Anthropic's library for Python: headers, keys, errors, retries, models, counts."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest
from support.claude import HELLO, PLAIN, SAID, TOOLS, connect, text_of
from support.raw import ask
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def claude(server: Server) -> Iterator[anthropic.Anthropic]:
    """Anthropic's own client, pointed at Pannier."""
    with connect(server) as client:
        yield client


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize("stream", [False, True])
def test_headers(claude: anthropic.Anthropic, stream: bool) -> None:
    """An answer has its id under both names, its type, and what was ignored."""
    raw = claude.messages.with_raw_response.create(
        **PLAIN, metadata={"user_id": "me"}, stream=stream
    )
    kind = "text/event-stream" if stream else "application/json"
    assert raw.headers["content-type"] == kind
    assert raw.headers["request-id"].startswith("req_")
    assert raw.headers["x-request-id"] == raw.headers["request-id"]
    assert raw.headers["x-pannier-ignored"] == "metadata"
    assert not [name for name in raw.headers if name.startswith("openai")]
    answer = raw.parse()
    if stream:
        assert [event.type for event in answer][-1] == "message_stop"
    else:
        assert answer._request_id == raw.headers["request-id"]


def test_own_id(claude: anthropic.Anthropic) -> None:
    """A request's own id comes back."""
    raw = claude.messages.with_raw_response.create(
        **PLAIN, extra_headers={"X-Request-Id": "mine-1"}
    )
    assert raw.headers["request-id"] == "mine-1"


@pytest.mark.parametrize("key", [{"api_key": "x"}, {"auth_token": "y"}])
def test_keys_of_the_library(server: Server, key: dict[str, str]) -> None:
    """Whichever kind of key the library is given, it is let in."""
    with connect(server, **{"api_key": None, **key}) as client:
        assert text_of(client.messages.create(**PLAIN)) == SAID


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": "x"},
        {"Authorization": "Bearer x"},
        {"X-API-Key": "x", "Authorization": "Bearer y"},
        {"anthropic-version": "2023-06-01"},
        {"anthropic-version": "2099-12-31", "anthropic-beta": "a,b"},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "path", ["/v1/messages", "/v1/messages?beta=true", "/anthropic/v1/messages"]
)
def test_any_headers(server: Server, path: str, headers: dict[str, str]) -> None:
    """Keys and versions may be there or not; the older path is the same."""
    got = ask(server.port, "POST", path, PLAIN, headers)
    assert got.status == 200
    assert json.loads(got.body)["content"] == [{"type": "text", "text": SAID}]


# ----------------------------------------------------------------- errors

BAD = anthropic.BadRequestError, 400, "invalid_request_error"


#: What is wrong, and what the library then raises: class, status, type, words.
ERRORS: dict[str, tuple[dict[str, Any], tuple[Any, int, str, str]]] = {
    "model": (
        {"model": "nope"},
        (anthropic.NotFoundError, 404, "not_found_error", "model 'nope' not found"),
    ),
    "messages": ({"messages": []}, (*BAD, "messages is required")),
    "max_tokens": ({"max_tokens": 0}, (*BAD, "max_tokens is required and must be")),
    "overflow": ({"model": "fault-overflow"}, (*BAD, "too long: 1407 tokens > 256")),
    "busy": (
        {"model": "fault-busy"},
        (anthropic.OverloadedError, 529, "overloaded_error", "server busy, please"),
    ),
    "limit": (
        {"model": "fault-error-429"},
        (anthropic.RateLimitError, 429, "rate_limit_error", "hourly usage limit"),
    ),
    "sign-in": (
        {"model": "fault-error-401"},
        (anthropic.AuthenticationError, 401, "authentication_error", "unauthorized"),
    ),
    "cloud": (
        {"model": "fault-error-403"},
        (anthropic.PermissionDeniedError, 403, "permission_error", "cloud is disabled"),
    ),
    "drop": (
        {"model": "fault-drop"},
        (anthropic.InternalServerError, 502, "api_error", "without an answer"),
    ),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("which", ERRORS)
def test_errors(claude: anthropic.Anthropic, which: str, stream: bool) -> None:
    """Errors are of the library's own classes, with type, words and the id."""
    more, (error, status, kind, words) = ERRORS[which]
    with pytest.raises(error) as caught:
        claude.messages.create(**{**PLAIN, **more}, stream=stream)
    assert (caught.value.status_code, caught.value.type) == (status, kind)
    assert words in caught.value.api_message
    assert caught.value.request_id == caught.value.body["request_id"]
    assert caught.value.response.headers.get("retry-after") == (
        "1" if status in (429, 529) else None
    )


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("stream", [False, True])
def test_retry(server: Server, simulator: Simulator, stream: bool) -> None:
    """A 529 is tried again by the library, and the second answer counts."""
    statuses = []

    def seen(response: httpx2.Response) -> None:
        statuses.append(response.status_code)
        simulator.mend()

    http = anthropic.DefaultHttpxClient(event_hooks={"response": [seen]})
    with connect(server, max_retries=2, http_client=http) as client:
        if stream:
            with client.messages.stream(**PLAIN) as events:
                answer: Any = events.get_final_message()
        else:
            answer = client.messages.create(**PLAIN)
    assert text_of(answer) == SAID
    assert statuses == [529, 200]


def test_no_repetition(server: Server, simulator: Simulator) -> None:
    """What cannot be helped is asked once, although the library would retry."""
    simulator.clear()
    asked = {**PLAIN, "model": "fault-out-of-memory"}
    with (
        connect(server, max_retries=2) as client,
        pytest.raises(anthropic.InternalServerError),
    ):
        client.messages.create(**asked)
    assert len([one for one in simulator.log() if "out-of-memory" in one["body"]]) == 1


@pytest.mark.parametrize(
    ("model", "stream"),
    [
        ("sim-chunks2-load9", False),
        ("sim-chunks2-load9", True),
        ("fault-stall-2", True),
    ],
)
def test_timeout(server: Server, model: str, stream: bool) -> None:
    """A client's limit of time ends the wait for an answer, or for its next piece."""

    def wait(client: anthropic.Anthropic) -> None:
        answer = client.messages.create(**{**PLAIN, "model": model}, stream=stream)
        list(answer)

    # Within a stream the library lets httpx's own error through.
    late = (anthropic.APITimeoutError, httpx2.TimeoutException)
    with connect(server, timeout=0.3) as client, pytest.raises(late):
        wait(client)


def test_a_worker_that_dies(simulator: Simulator) -> None:
    """A stream whose connection is cut is no answer: the library raises."""
    asked = {**PLAIN, "model": "sim-chunks4000-tps200"}
    with (
        Server({"OLLAMA_URL": simulator.url}) as dying,
        connect(dying) as client,
        client.messages.stream(**asked) as stream,
    ):
        next(stream.text_stream)
        (worker,) = dying.workers()
        os.kill(worker, signal.SIGKILL)
        with pytest.raises((anthropic.APIConnectionError, httpx2.TransportError)):
            stream.get_final_message()


def test_absent(server: Server) -> None:
    """What is not offered is told in Anthropic's envelope, as its library calls it."""
    with connect(server) as client:
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.messages.batches.list()
        assert caught.value.status_code == 501
        assert caught.value.request_id
        with pytest.raises(anthropic.APIStatusError) as caught:
            client.beta.files.list()
    assert caught.value.status_code == 501
    assert caught.value.type


# ------------------------------------------------------- models and counts


def test_models(claude: anthropic.Anthropic, simulator: Simulator) -> None:
    """Models are listed page by page, in both directions, and found by their names."""
    installed = json.loads(simulator.ask("GET", "/api/tags")[1])["models"]
    names = sorted(one["name"] for one in installed)
    times = {one["name"]: one["modified_at"][:19] for one in installed}
    names.sort(key=times.__getitem__, reverse=True)
    page = claude.models.list(limit=4)
    assert [model.id for model in page.data] == names[:4]
    assert page.has_next_page()
    assert [model.id for model in page.get_next_page().data] == names[4:8]
    before = claude.models.list(limit=2, before_id=names[4])
    assert [model.id for model in before.data] == names[2:4]
    assert [model.id for model in claude.models.list(limit=4)] == names
    assert [model.id for model in claude.beta.models.list()] == names
    assert all(model.type == "model" and model.created_at for model in page.data)
    found = claude.models.retrieve("llama3.2")
    assert (found.type, found.id, found.lifecycle) == ("model", "llama3.2", "active")
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("nope")


def test_bad_pages(claude: anthropic.Anthropic) -> None:
    """A page that cannot be is a bad request."""
    with pytest.raises(anthropic.BadRequestError, match="limit"):
        claude.models.list(limit=0)


def test_aliases(simulator: Simulator) -> None:
    """Names of Anthropic's own models answer where aliases give them to others."""
    env = {"OLLAMA_URL": simulator.url, "PANNIER_ALIASES": "claude-*=llama3.2"}
    with Server(env) as server, connect(server) as client:
        answer = client.messages.create(**{**PLAIN, "model": "claude-haiku-4-5"})
        assert text_of(answer) == SAID
        assert answer.model == "claude-haiku-4-5"
        assert client.messages.count_tokens(
            model="claude-haiku-4-5", messages=HELLO
        ).input_tokens


@pytest.mark.parametrize("how", ["estimate", "exact"])
def test_count_tokens(simulator: Simulator, how: str) -> None:
    """Tokens are counted, exactly or nearly, and the answer says which."""
    env = {"OLLAMA_URL": simulator.url, "PANNIER_TOKEN_COUNT": how}
    asked = {"model": "llama3.2", "messages": HELLO}
    with Server(env) as server, connect(server) as client:
        raw = client.messages.with_raw_response.count_tokens(**asked)
        tools = client.messages.count_tokens(**asked, tools=TOOLS, system="Be brief.")
        real = client.messages.create(**PLAIN).usage.input_tokens
        forced = client.messages.count_tokens(
            **asked, tools=TOOLS, tool_choice={"type": "any"}
        )
        with pytest.raises(anthropic.BadRequestError, match="messages is required"):
            client.messages.count_tokens(model="llama3.2", messages=[])
        if how == "exact":  # a guess asks nobody
            with pytest.raises(anthropic.NotFoundError):
                client.messages.count_tokens(model="nope", messages=HELLO)
    assert raw.headers["x-pannier-token-count"] == how
    count = raw.parse().input_tokens
    assert min(tools.input_tokens, forced.input_tokens) > count
    assert count == real if how == "exact" else 0 < count < 10 * real
