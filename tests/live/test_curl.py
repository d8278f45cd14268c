import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from support.server import Server

pytestmark = pytest.mark.live

Curl = Callable[..., str]


@pytest.fixture
def curl(server: Server) -> Curl:
    """Run curl on a path of the server; its output."""
    program = shutil.which("curl")
    if program is None:
        pytest.skip("there is no curl")

    def run(path: str, *arguments: str) -> str:
        command = [program, "-sS", "--max-time", "30", *arguments, server.url + path]
        return subprocess.run(
            command, capture_output=True, check=True, encoding="utf-8"
        ).stdout

    return run


CHAT = {"model": "llama3.2", "messages": [{"role": "user", "content": "Hello!"}]}


def test_chat_without_a_content_type(curl: Curl) -> None:
    """curl -d sends a form's type; the body is read as JSON all the same."""
    answer = json.loads(curl("/v1/chat/completions", "-d", json.dumps(CHAT)))
    assert "Hello!" in answer["choices"][0]["message"]["content"]


def test_stream(curl: Curl) -> None:
    """A stream is frames of data, each ended by a blank line, and [DONE] is last."""
    body = json.dumps({**CHAT, "stream": True})
    *frames, done, end = curl("/v1/chat/completions", "-N", "-d", body).split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    text = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)
    assert "Hello!" in text


def test_stream_headers(curl: Curl) -> None:
    """A stream names its type, may not be cached, and is not held back by nginx."""
    body = json.dumps({**CHAT, "stream": True})
    head = curl("/v1/chat/completions", "-N", "-d", body, "-D", "-", "-o", "/dev/null")
    lines = head.lower().splitlines()
    assert "content-type: text/event-stream" in lines
    assert "cache-control: no-cache" in lines
    assert "x-accel-buffering: no" in lines
    assert not any(line.startswith("content-length") for line in lines)


def test_without_the_prefix(curl: Curl) -> None:
    """A base URL without /v1 works as well."""
    answer = json.loads(curl("/chat/completions", "-d", json.dumps(CHAT)))
    assert answer["object"] == "chat.completion"


MESSAGE = {**CHAT, "max_tokens": 100}


def events(printed: str) -> list[dict[str, Any]]:
    """Anthropic's events, each with its name and its data, ended by a blank line."""
    *frames, end = printed.split("\n\n")
    assert end == ""
    found = []
    for frame in frames:
        name, data = frame.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def test_messages(curl: Curl) -> None:
    """Anthropic's messages, whole and streamed, with no header but curl's own."""
    whole = json.loads(curl("/v1/messages", "-d", json.dumps(MESSAGE)))
    body = json.dumps({**MESSAGE, "stream": True})
    told = events(curl("/v1/messages", "-N", "-d", body))
    assert "Hello!" in whole["content"][0]["text"]
    deltas = [one["delta"] for one in told if one["type"] == "content_block_delta"]
    text = "".join(delta["text"] for delta in deltas)
    assert [{"type": "text", "text": text}] == whole["content"]
    assert (told[0]["type"], told[-1]) == ("message_start", {"type": "message_stop"})


@pytest.mark.parametrize("more", [{}, {"stream": True}])
def test_messages_refused(curl: Curl, more: dict[str, Any]) -> None:
    """A failure is Anthropic's envelope, with the id of the request."""
    body = json.dumps({**MESSAGE, "model": "nope", **more})
    told = curl("/v1/messages", "-d", body, "-w", "\n%{http_code} %header{request-id}")
    answer, _, after = told.rpartition("\n")
    status, _, id = after.partition(" ")
    assert status == "404"
    assert json.loads(answer) == {
        "type": "error",
        "error": {"type": "not_found_error", "message": "model 'nope' not found"},
        "request_id": id,
    }


def test_head(curl: Curl) -> None:
    """HEAD / says that somebody is there, as Ollama's own clients ask."""
    assert curl("/", "--head").startswith("HTTP/1.1 200 OK\n")


def test_root(curl: Curl) -> None:
    """GET / answers what Ollama answers."""
    assert curl("/") == "Ollama is running"


def test_root_in_a_browser(curl: Curl) -> None:
    """Browsers get a page for people, with the base URL to copy."""
    page = curl("/", "-H", "Accept: text/html,application/xhtml+xml")
    assert page.startswith("<!doctype html>")
    assert "/v1</code>" in page


def test_native_stream(curl: Curl) -> None:
    """Native routes stream as Ollama does: lines of JSON, the last one done."""
    lines = curl("/api/chat", "-N", "-d", json.dumps(CHAT)).splitlines()
    assert [json.loads(line)["done"] for line in lines][-2:] == [False, True]


@pytest.mark.parametrize("path", ["/api/tags", "/api/version", "/api/ps"])
def test_native_get(curl: Curl, path: str) -> None:
    """Native questions are answered with Ollama's JSON."""
    assert isinstance(json.loads(curl(path)), dict)


def test_health_and_ready(curl: Curl) -> None:
    """/health says that we live, /ready that Ollama does, /version both versions."""
    assert json.loads(curl("/health")) == {"status": "ok"}
    assert json.loads(curl("/ready"))["status"] == "ready"
    assert json.loads(curl("/version"))["ollama"].endswith("simulator")
