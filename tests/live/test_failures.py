import http.client
import json
from typing import Any

import openai
import pytest
from support import pictures
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

HELLO = [{"role": "user", "content": "Say this is a test"}]


def refused(client: openai.OpenAI, **request: Any) -> openai.APIStatusError:
    """The error that a chat request raises."""
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(**{"messages": HELLO, **request})
    return caught.value


def test_unknown_model(client: openai.OpenAI) -> None:
    """An unknown model is NotFoundError with code, param and the request's id."""
    error = refused(client, model="nope")
    assert type(error) is openai.NotFoundError
    assert error.code == "model_not_found"
    assert error.param == "model"
    assert error.type == "not_found_error"
    assert error.request_id.startswith("req_")
    assert "model 'nope' not found" in str(error)


@pytest.mark.parametrize(
    ("request_", "param", "code"),
    [
        ({"messages": []}, "messages", None),
        ({"temperature": 3}, "temperature", None),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"max_tokens": "many"}, "max_tokens", "invalid_type"),
        ({"response_format": {"type": "xml"}}, "response_format.type", None),
        ({"model": "tiny", "tools": [{"type": "function"}]}, "tools[0].function", None),
        (
            {
                "model": "llava",
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "image_url",
                                "image_url": {"url": "http://127.0.0.1/a.jpg"},
                            }
                        ],
                    }
                ],
            },
            "messages[0].content[0].image_url",
            "invalid_image",
        ),
    ],
    ids=["messages", "range", "minimum", "type", "format", "tool", "image-url"],
)
def test_bad_requests(
    client: openai.OpenAI, request_: dict[str, Any], param: str, code: str | None
) -> None:
    """A mistake in a request is BadRequestError, and param says where it is."""
    error = refused(client, **{"model": "llama3.2", **request_})
    assert type(error) is openai.BadRequestError
    assert error.type == "invalid_request_error"
    assert error.param == param
    assert error.code
    assert code in (None, error.code)


def test_capability_missing(client: openai.OpenAI) -> None:
    """What a model cannot do is a 400 that names the field."""
    picture = {"type": "image_url", "image_url": {"url": pictures.text(pictures.PNG)}}
    messages = [{"role": "user", "content": [picture]}]
    error = refused(client, model="tiny", messages=messages)
    assert type(error) is openai.BadRequestError
    assert (error.code, error.param) == ("unsupported_value", "messages")


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ("drop", openai.InternalServerError, "upstream_unreachable"),
        ("busy", openai.InternalServerError, "server_overloaded"),
        ("error-429", openai.RateLimitError, "rate_limit_exceeded"),
        ("overflow", openai.BadRequestError, "context_length_exceeded"),
        ("html-502", openai.InternalServerError, "bad_upstream_response"),
        ("garbage-line-0", openai.InternalServerError, "bad_upstream_response"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_u1_upstream_failures(
    client: openai.OpenAI,
    simulator: Simulator,
    fault: str,
    kind: type[openai.APIStatusError],
    code: str,
    stream: bool,
) -> None:
    """A failure of Ollama before the first byte has a true status, streamed or not."""
    error = refused(client, model=f"fault-{fault}", stream=stream)
    assert type(error) is kind
    assert error.code == code
    assert str(simulator.port) not in str(error)


def test_retry_hints(client: openai.OpenAI) -> None:
    """The SDK is told when to come back, and not to repeat a hopeless load."""
    busy = refused(client, model="fault-busy")
    assert busy.status_code == 503
    assert busy.response.headers["retry-after"] == "1"
    memory = refused(client, model="fault-out-of-memory")
    assert memory.status_code == 500
    assert memory.response.headers["x-should-retry"] == "false"


def test_no_repetition(server: Server, simulator: Simulator) -> None:
    """Because of x-should-retry the SDK asks once, although it would retry twice."""
    simulator.clear()
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key="x", max_retries=2
    ) as client:
        refused(client, model="fault-out-of-memory")
    asked = [entry for entry in simulator.log() if "out-of-memory" in entry["body"]]
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("error-line", "upstream_error", "unexpected EOF"),
        ("cut", "upstream_incomplete", "before it was complete"),
        ("not-done", "upstream_incomplete", "before it was complete"),
        ("reset-body", None, "broke off"),
        ("garbage-line", "bad_upstream_response", "could not be understood"),
        ("error-empty", "bad_upstream_response", "without words"),
    ],
)
def test_e4_failure_in_stream(
    client: openai.OpenAI, fault: str, code: str | None, words: str
) -> None:
    """What came before a failure is delivered, then APIError says what happened."""
    texts = []
    with pytest.raises(openai.APIError) as caught:  # noqa: PT012 - a stream is a loop
        for chunk in client.chat.completions.create(
            model=f"fault-{fault}-3", messages=HELLO, stream=True
        ):
            texts.append(chunk.choices[0].delta.content)
    assert texts[:3] == ["You", " said", " “"]
    assert words in caught.value.message
    assert caught.value.code
    assert code in (None, caught.value.code)
    assert caught.value.type == "api_error"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "unknown_url"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("DELETE", "/v1/models/llama3.2", 403, "endpoint_not_allowed"),
        ("POST", "/v1/chat/completions", 400, "invalid_json"),
    ],
)
def test_e2_envelope(
    server: Server, method: str, path: str, status: int, code: str
) -> None:
    """Every failure on /v1 has OpenAI's envelope with all four keys."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request(method, path)
    answer = connection.getresponse()
    error = json.loads(answer.read())["error"]
    connection.close()
    assert (answer.status, error["code"]) == (status, code)
    assert set(error) == {"message", "type", "param", "code"}
    assert answer.getheader("content-type") == "application/json"
    assert answer.getheader("x-request-id")
