"""The hub: nothing that is large, and no slow name, holds up the rest of a worker."""

import base64
import http.client
import json
import random
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from typing import Any

import msgspec
import pytest
from support.faulty import Faulty, Peer
from support.pictures import PNG
from support.server import PATIENCE, ROOT, Server

from app.launch import gunicorn

pytestmark = pytest.mark.live

MIB = 2**20
#: Seconds: a tenth, and as much again for slower machines than most.
HELD = 0.2
#: How often a case is tried, for those that do something else meanwhile.
TRIES = 10
#: Seconds that a name is looked up for, less what such a machine may take beside.
LOOKUP = 0.9

CHAT = {
    "model": "m",
    "created_at": "2026-01-02T03:04:05.678Z",
    "message": {"role": "assistant", "content": "x"},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 7,
    "eval_count": 3,
}
LONG = CHAT | {"message": {"role": "assistant", "content": "x" * 56 * MIB}}
VECTOR = [random.Random(1).random() for _ in range(1024)]
EMBEDDINGS = {"model": "m", "embeddings": [VECTOR] * 256, "prompt_eval_count": 4}
ANSWERS = {
    "/api/chat": json.dumps(CHAT).encode(),
    "/api/embed": json.dumps(EMBEDDINGS).encode(),
    "/api/show": b'{"capabilities":["completion","vision","tools"]}',
    "/api/tags": b'{"models":[{"name":"long:latest","model":"long:latest"}]}',
    "long": json.dumps(LONG).encode(),
}


def answer(peer: Peer) -> None:
    """Answer at once, looking at no more of a body than at its beginning."""
    peer.socket.settimeout(None)  # it ends when Pannier does
    while head := peer.head():
        length = int(
            head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0
        )
        start = peer.exactly(min(length, 64))
        peer.discard(length - len(start))
        path = "long" if b'"long' in start else head.split(b" ")[1].decode()
        said = ANSWERS.get(path, b"{}")
        peer.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n" % len(said),
            said,
        )


def probed(**environ: str) -> Server:
    """Pannier with the probe in it."""
    program, extra = gunicorn([])
    conf = program.index("--config") + 1
    program[conf] = str(ROOT / "tests" / "support" / "probe.conf.py")
    return Server(environ | extra, command=[sys.executable, *program[1:]])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Pannier in front of an Ollama that takes and gives a lot at once."""
    with Faulty(answer) as ollama, probed(OLLAMA_URL=ollama.url) as it:
        yield it


def asked(server: Server, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body of an answer."""
    with closing(
        http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    ) as to:
        to.request("GET" if body is None else "POST", path, body)
        got = to.getresponse()
        return got.status, got.read()


def held(server: Server, path: str, body: bytes, status: int) -> float:
    """For how long a request held the hub, in seconds."""
    asked(server, "/probe")
    assert asked(server, path, body)[0] == status
    return float(asked(server, "/probe")[1].split()[1])


def allowed() -> float:
    """For how long it may be held, in seconds, on a machine as slow as this is now.

    ``HELD``, or what it takes to read the largest of texts and write it again, twice.
    """
    text = msgspec.json.encode("x " * 30 * MIB)
    began = time.process_time()
    assert msgspec.json.encode(msgspec.json.decode(text)) == text
    return max(HELD, 2 * (time.process_time() - began))


def chat(content: Any, **more: Any) -> bytes:
    """A request for a chat."""
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **more}
    return json.dumps(body).encode()


def image(size: int) -> bytes:
    """A request with one image of so many bytes."""
    picture = base64.b64encode(PNG + bytes(size)).decode()
    url = {"url": f"data:image/png;base64,{picture}"}
    return chat([{"type": "image_url", "image_url": url}])


def tools() -> list[Any]:
    """A hundred functions with parameters of many values."""
    texts = {f"p{n}": {"type": "string", "enum": list("abcdefgh")} for n in range(20)}
    schema = {"type": "object", "properties": texts}
    return [
        {"type": "function", "function": {"name": f"f{n}", "parameters": schema}}
        for n in range(100)
    ]


def embeddings(form: str) -> bytes:
    """A request for as many embeddings as there may be."""
    body = {"model": "m", "input": ["x"] * 2048, "encoding_format": form}
    return json.dumps(body).encode()


def thought(size: int) -> bytes:
    """A message of Anthropic's with a thought of so many characters that comes back."""
    block = {"type": "thinking", "thinking": "x " * (size // 2), "signature": "y"}
    turns = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": [block]},
        {"role": "user", "content": "x"},
    ]
    return chat("x", messages=turns)


def results() -> bytes:
    """Ten thousand calls of tools, and their results."""
    turns: list[Any] = [{"role": "user", "content": "x"}]
    for n in range(4_999):
        call = {"type": "tool_use", "id": f"c{n}", "name": "f", "input": {"a": "x"}}
        result = {"type": "tool_result", "tool_use_id": f"c{n}", "content": "x" * 500}
        turns.append({"role": "assistant", "content": [call]})
        turns.append({"role": "user", "content": [result]})
    return chat("x", messages=turns)


def source(size: int) -> bytes:
    """A message of Anthropic's with one image of so many bytes."""
    data = base64.b64encode(PNG + bytes(size)).decode()
    source = {"type": "base64", "media_type": "image/png", "data": data}
    return chat([{"type": "image", "source": source}])


def respond(given: Any, **more: Any) -> bytes:
    """A request for a response, which is kept with all that it was given."""
    return json.dumps({"model": "m", "input": given, **more}).encode()


def pictured(size: int) -> dict[str, Any]:
    """An item with one image of so many bytes."""
    picture = base64.b64encode(PNG + bytes(size)).decode()
    url = f"data:image/png;base64,{picture}"
    return {"role": "user", "content": [{"type": "input_image", "image_url": url}]}


CALLED = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
TEXT = {"role": "assistant", "content": "x" * 600}
THOUGHT = {"type": "reasoning", "summary": [], "encrypted_content": "x" * 600}

BODIES = {
    "one long text": ("chat/completions", lambda: chat("x" * 60 * MIB), 200),
    "a text of escapes": ("chat/completions", lambda: chat("é\n" * 5 * MIB), 200),
    "an image": ("chat/completions", lambda: image(15 * MIB), 200),
    "10,000 messages": (
        "chat/completions",
        lambda: chat("x", messages=[{"role": "user", "content": "x" * 500}] * 10_000),
        200,
    ),
    "1,024 parts": (
        "chat/completions",
        lambda: chat([{"type": "text", "text": "x" * 30_000}] * 1024),
        200,
    ),
    "tools": ("chat/completions", lambda: chat("x", tools=tools()), 200),
    "a long answer": ("chat/completions", lambda: chat("x", model="long"), 200),
    "a wrong type at the end": (
        "chat/completions",
        lambda: chat("x" * 60 * MIB, temperature="hot"),
        400,
    ),
    "too many values": (
        "chat/completions",
        lambda: chat("x", anything=["x"] * 6_000_000),
        400,
    ),
    "no end": (
        "chat/completions",
        lambda: b'{"messages":[' + b'{"a":"b"},' * 5 * MIB,
        400,
    ),
    "no JSON": ("chat/completions", lambda: b"x" * 60 * MIB, 400),
    "no UTF-8": ("chat/completions", lambda: b'{"a":"' + b"\xff" * 60 * MIB, 400),
    "halves of pairs": (
        "chat/completions",
        lambda: chat("x").replace(b'"x"', b'"' + rb"\ud800 " * 500_000 + b'"'),
        200,
    ),
    "a long number": ("chat/completions", lambda: b'{"seed":' + b"1" * 50 * MIB, 400),
    "a long message": ("messages", lambda: chat("x" * 60 * MIB), 200),
    "a long message, streamed": (
        "messages",
        lambda: chat("some words " * 5 * MIB, stream=True),
        200,
    ),
    "tokens of a long message": (
        "messages/count_tokens",
        lambda: chat("some words " * 5 * MIB),
        200,
    ),
    "tokens of one word": ("messages/count_tokens", lambda: chat("x" * 60 * MIB), 200),
    "1,024 blocks": (
        "messages",
        lambda: chat([{"type": "text", "text": "x" * 30_000}] * 1024),
        200,
    ),
    "a long thought": ("messages", lambda: thought(50 * MIB), 200),
    "results of tools": ("messages", results, 200),
    "an image of Anthropic's": ("messages", lambda: source(15 * MIB), 200),
    "a long message back": ("messages", lambda: chat("x", model="long"), 200),
    "a long input": ("responses", lambda: respond("x" * 60 * MIB), 200),
    "an image of an input": ("responses", lambda: respond([pictured(15 * MIB)]), 200),
    "10,000 items": (
        "responses",
        lambda: respond([{"role": "user", "content": "x" * 500}] * 10_000),
        200,
    ),
    "10,000 texts of one turn": (
        "responses",
        lambda: respond([CALLED] + [TEXT] * 9_999, store=False),
        200,
    ),
    "10,000 thoughts of one turn": (
        "responses",
        lambda: respond([THOUGHT, CALLED] * 5_000, store=False),
        200,
    ),
    "10,000 items that are kept": (
        "responses",
        lambda: respond([CALLED, TEXT] * 5_000),
        200,
    ),
    "long instructions": (
        "responses",
        lambda: respond("x", instructions="x " * 30 * MIB),
        200,
    ),
    "long instructions, streamed": (
        "responses",
        lambda: respond("x", instructions="x " * 30 * MIB, stream=True),
        200,
    ),
    "a long response": ("responses", lambda: respond("x", model="long"), 200),
    "embeddings": ("embeddings", lambda: embeddings("float"), 200),
    "embeddings in base64": ("embeddings", lambda: embeddings("base64"), 200),
}


@pytest.mark.parametrize("case", BODIES)
def test_l5_the_hub_is_not_held(server: Server, case: str) -> None:
    """The largest requests and answers leave others a turn in a tenth of a second."""
    path, make, status = BODIES[case]
    body = make()
    assert len(body) <= 64 * MIB
    found: list[tuple[float, float]] = []
    while not found or (found[-1][0] > found[-1][1] and len(found) < TRIES):
        found.append((held(server, f"/v1/{path}", body, status), allowed()))
    assert found[-1][0] <= found[-1][1], found


def request(line: str, *fields: str) -> bytes:
    """The head of a request."""
    return "\r\n".join(
        [f"{line} HTTP/1.1", "Host: localhost", *fields, "", ""]
    ).encode()


CHUNKED = "Transfer-Encoding: chunked"
#: Each head, and what follows it without end.
FLOODS = {
    "a length that nobody reads": (
        request("GET /health", f"Content-Length: {10**12}"),
        b"x" * MIB,
    ),
    "chunks that nobody reads": (
        request("GET /health", CHUNKED),
        b"100000\r\n%b\r\n" % (b"x" * MIB),
    ),
    "bytes that nobody reads": (request("GET /health", CHUNKED), b"1\r\nx\r\n" * MIB),
    "a body of bytes": (
        request("POST /v1/chat/completions", CHUNKED),
        b"1\r\nx\r\n" * MIB,
    ),
    "requests ahead": (b"", request("GET /health") * 1000),
}


@pytest.mark.parametrize("case", FLOODS)
def test_l5_a_client_that_never_stops_sending(server: Server, case: str) -> None:
    """Whoever sends without end, faster than it is read, holds nobody up."""
    head, more = FLOODS[case]

    def flood(client: socket.socket) -> None:
        with suppress(OSError):  # it is closed, here or there
            client.sendall(head)
            while True:
                client.sendall(more)

    def take(client: socket.socket) -> None:
        with suppress(OSError):
            while client.recv(MIB):
                pass

    with (
        ThreadPoolExecutor(2) as pool,
        closing(socket.create_connection(("127.0.0.1", server.port))) as client,
        ExitStack() as leaving,
    ):
        leaving.callback(client.shutdown, socket.SHUT_RDWR)
        asked(server, "/probe")
        end = time.monotonic() + 1
        pool.submit(flood, client)
        pool.submit(take, client)
        while time.monotonic() < end:
            assert asked(server, "/health")[0] == 200
        assert float(asked(server, "/probe")[1].split()[1]) <= HELD


def test_p7_slow_names_stop_nothing() -> None:
    """While names of images and of Ollama are looked up in vain, the rest goes on."""
    picture = {"type": "image_url", "image_url": {"url": "http://picture.test/a.png"}}
    bodies = [chat([picture]), chat("x")] * 6  # more than are looked up at a time
    with (
        probed(
            OLLAMA_URL="http://ollama.test:1", PANNIER_CONNECT_TIMEOUT="1"
        ) as server,
        ThreadPoolExecutor(len(bodies)) as pool,
    ):
        asked(server, "/probe")
        path = "/v1/chat/completions"
        answers = [pool.submit(asked, server, path, body) for body in bodies]
        while not all(one.done() for one in answers):
            before = time.monotonic()
            assert asked(server, "/health")[0] == 200
            assert time.monotonic() - before < LOOKUP
        assert {one.result()[0] for one in answers[::2]} == {400}
        assert {one.result()[0] for one in answers[1::2]} <= {502, 504}
        assert float(asked(server, "/probe")[1].split()[0]) < LOOKUP
