"""OpenAI's library for Python: headers, retries, limits of time, leaving early."""

import json
from typing import Any

import httpx
import openai
import pytest
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

HELLO = [{"role": "user", "content": "Say this is a test"}]
SAID = "You said “Say this is a test”, and I agree."


def connect(server: Server, **more: Any) -> openai.OpenAI:
    """A client of this server."""
    options = {"api_key": "x", "max_retries": 0, "timeout": 30} | more
    return openai.OpenAI(base_url=f"{server.url}/v1", **options)


def test_headers(client: openai.OpenAI) -> None:
    """An answer's headers are at hand: id, time, type, and what was ignored."""
    raw = client.chat.completions.with_raw_response.create(
        model="llama3.2", messages=HELLO, user="me"
    )
    assert raw.status_code == 200
    assert raw.headers["content-type"] == "application/json"
    assert raw.headers["x-request-id"].startswith("req_")
    assert int(raw.headers["openai-processing-ms"]) >= 0
    assert raw.headers["x-pannier-ignored"] == "user"
    answer = raw.parse()
    assert answer.choices[0].message.content == SAID
    assert answer._request_id == raw.headers["x-request-id"]


def test_own_headers(client: openai.OpenAI) -> None:
    """A request's own id comes back, and other headers do no harm."""
    raw = client.models.with_raw_response.list(
        extra_headers={"X-Request-Id": "mine-1", "OpenAI-Beta": "x=1"},
        extra_query={"unknown": "1"},
    )
    assert raw.headers["x-request-id"] == "mine-1"


def test_stream_as_it_is(client: openai.OpenAI) -> None:
    """A stream can be read line by line, without being parsed."""
    with client.chat.completions.with_streaming_response.create(
        model="llama3.2", messages=HELLO, stream=True
    ) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in response.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[0].removeprefix("data: "))["object"]


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("stream", [False, True])
def test_retry(server: Server, simulator: Simulator, stream: bool) -> None:
    """A 503 is tried again by the library, and the second answer counts."""
    statuses = []

    def seen(response: Any) -> None:
        statuses.append(response.status_code)
        simulator.mend()

    hooks = {"response": [seen]}
    http = openai.DefaultHttpxClient(event_hooks=hooks)
    with connect(server, max_retries=2, http_client=http) as client:
        raw = client.chat.completions.with_raw_response.create(
            model="llama3.2", messages=HELLO, stream=stream
        )
        answer = raw.parse()
        if stream:
            said = "".join(chunk.choices[0].delta.content or "" for chunk in answer)
        else:
            said = answer.choices[0].message.content
    assert said == SAID
    assert statuses == [503, 200]
    assert raw.retries_taken == 1


@pytest.mark.parametrize(
    ("model", "error", "status"),
    [
        ("fault-busy", openai.InternalServerError, 503),
        ("nope", openai.NotFoundError, 404),
        ("", openai.BadRequestError, 400),
    ],
)
def test_errors(
    client: openai.OpenAI, model: str, error: type[openai.APIStatusError], status: int
) -> None:
    """Errors are the library's own classes, with code and request id."""
    with pytest.raises(error) as caught:
        client.chat.completions.create(model=model, messages=HELLO)
    assert caught.value.status_code == status
    assert caught.value.code
    assert caught.value.request_id.startswith("req_")


def test_what_cannot_be_helped_is_not_retried(server: Server) -> None:
    """A request that is wrong is sent once."""
    statuses = []

    def seen(response: Any) -> None:
        statuses.append(response.status_code)

    http = openai.DefaultHttpxClient(event_hooks={"response": [seen]})
    with (
        connect(server, max_retries=2, http_client=http) as client,
        pytest.raises(openai.NotFoundError),
    ):
        client.chat.completions.create(model="nope", messages=HELLO)
    assert statuses == [404]


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

    def ask(client: openai.OpenAI) -> None:
        answer = client.chat.completions.create(
            model=model, messages=HELLO, stream=stream
        )
        list(answer)

    # Within a stream version 2 of the library lets httpx's own error through.
    late = (openai.APITimeoutError, httpx.TimeoutException)
    with connect(server, timeout=0.3) as client, pytest.raises(late):
        ask(client)


def test_leaving_early(client: openai.OpenAI, simulator: Simulator) -> None:
    """Closing a stream stops the model."""
    stream = client.chat.completions.create(
        model="sim-chunks4000-tps200",
        messages=[{"role": "user", "content": "A client that leaves early"}],
        stream=True,
    )
    for number, _ in enumerate(stream):
        if number == 3:
            break
    stream.close()
    simulator.wait(body="A client that leaves early", outcome="client-left")


def test_models(client: openai.OpenAI) -> None:
    """Models are listed page by page, found, and not deleted by accident."""
    page = client.models.list()
    assert page.object == "list"
    assert not page.has_next_page()
    assert "llama3.2:latest" in [model.id for model in page]
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nope")
    with pytest.raises(openai.APIStatusError) as caught:
        client.models.delete("llama3.2")
    assert 400 <= caught.value.status_code < 500
    assert client.models.retrieve("llama3.2").id == "llama3.2"
