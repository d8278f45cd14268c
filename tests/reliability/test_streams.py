"""Streams: in time, one line after the other, and never more than is being read."""

import http.client
import json
import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import openai
import pytest
from support.faulty import Faulty, Peer
from support.leaving import ask, eventually, rest, until
from support.scripted import (
    ALL_CHATS,
    CHATS,
    DONE,
    LAST,
    NDJSON,
    Memory,
    Steps,
    asked,
    chat,
    chunk,
    line,
    talk,
)
from support.server import Server

pytestmark = pytest.mark.live

MIB = 1 << 20
#: A line of 64 KiB, how many of them are a gigabyte, and how many MiB have flowed.
BLOCK = line("x" * (64 * 1024 - len(line())))
GIGABYTE = (1 << 30) // len(BLOCK)
EMPTY = 10_000
#: Chats whose streams are events.
STREAMS = [CHATS["openai"], CHATS["anthropic"]]
#: What the end of a whole answer has in it, whatever the dialect.
ENDS = (b"[DONE]", b'"type":"message_stop"', b'"done": true')
#: How often something is tried that a machine with more to do may make slow.
TRIES = 4


class Ollama:
    """Does what the name of a model says; ``taken`` counts bytes of a flood."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.sent: list[float] = []
        self.taken = 0
        self.over = threading.Event()

    def serve(self, peer: Peer) -> None:
        """Answer what is asked for on a connection."""
        for model in asked(peer):
            getattr(self, model)(peer)

    def stepped(self, peer: Peer) -> None:
        """Twenty lines, each when it is asked for."""
        peer.send(NDJSON)
        for number in range(20):
            self.steps.wait()
            self.sent.append(time.monotonic())
            peer.send(chunk(line(f"<{number}>")))
        peer.send(chunk(DONE) + LAST)

    def flood(self, peer: Peer) -> None:
        """Lines for as long as they are taken."""
        self.taken = 0
        self.over.clear()
        peer.socket.settimeout(30)
        peer.send(NDJSON)
        try:
            while True:
                self.taken += peer.socket.send(chunk(BLOCK))
        except OSError:
            self.over.set()

    def gigabyte(self, peer: Peer) -> None:
        """A gigabyte of lines."""
        block = chunk(BLOCK) * 16
        peer.send(NDJSON, *[block] * (GIGABYTE // 16), chunk(DONE) + LAST)

    def empty(self, peer: Peer) -> None:
        """Many lines without text."""
        lines = chunk(line()) * EMPTY
        peer.send(NDJSON + lines + chunk(line("end")) + chunk(DONE) + LAST)

    def good(self, peer: Peer) -> None:
        """An answer."""
        peer.send(NDJSON + chunk(line("hi")) + chunk(DONE) + LAST)

    def error(self, peer: Peer) -> None:
        """An error in the middle."""
        peer.send(NDJSON + chunk(line("hi")) + chunk(b'{"error":"no"}\n') + LAST)

    def cut(self, peer: Peer) -> None:
        """A proper end before the end."""
        peer.send(NDJSON + chunk(line("hi")) + LAST)

    def garbage(self, peer: Peer) -> None:
        """What is no HTTP in the middle."""
        peer.send(NDJSON + chunk(line("hi")) + b"zz\r\n")

    def closed(self, peer: Peer) -> None:
        """The connection ends in the middle of a line."""
        peer.send(NDJSON + chunk(line("hi") + line("hi")[:20]))
        peer.socket.shutdown(socket.SHUT_RDWR)

    def stall(self, peer: Peer) -> None:
        """Nothing more comes."""
        peer.send(NDJSON + chunk(line("hi")))
        peer.gone()


@pytest.fixture(scope="module")
def ollama() -> Ollama:
    """What the upstream of this module is to do, and what it did."""
    return Ollama()


@pytest.fixture(scope="module")
def pannier(ollama: Ollama) -> Iterator[Server]:
    """Pannier in front of it; a silence of a second is an end."""
    with Faulty(ollama.serve) as upstream:
        env = {"OLLAMA_URL": upstream.url, "PANNIER_IDLE_TIMEOUT": "1"}
        with Server(env) as running:
            yield running


@contextmanager
def begun(
    server: Server, path: str, body: dict[str, Any]
) -> Iterator[http.client.HTTPResponse]:
    """An answer whose head has come."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with closing(connection):
        connection.request("POST", path, json.dumps(body))
        answer = connection.getresponse()
        assert answer.status == 200
        yield answer


@pytest.mark.parametrize("dialect", ALL_CHATS)
def test_s1_each_line_leaves_at_once(
    pannier: Server, ollama: Ollama, dialect: str
) -> None:
    """Each line is with the client before Ollama has another one to send."""
    took = in_steps(pannier, ollama, dialect)
    for _ in range(TRIES - 1):
        if took[0] >= 0.5 or statistics.median(took) >= 0.05:
            took = in_steps(pannier, ollama, dialect)
    assert statistics.median(took) < 0.05, took
    assert took[0] < 0.5, took


def in_steps(pannier: Server, ollama: Ollama, dialect: str) -> list[float]:
    """How long each line of a stream took whose next one comes only after it."""
    ollama.sent.clear()
    took = []
    ollama.steps.go()  # the head of an answer comes with its first line
    with begun(pannier, ALL_CHATS[dialect], talk(dialect, "stepped")) as answer:
        for number in range(20):
            if number:
                ollama.steps.go()
            while f"<{number}>".encode() not in (frame := answer.readline()):
                assert frame
            took.append(time.monotonic() - ollama.sent[number])
        answer.read()
    return took


@pytest.mark.parametrize("path", [*STREAMS, "/v1/completions", "/v1/responses"])
def test_s2_headers_of_a_stream(server: Server, path: str) -> None:
    """A stream says what it is, that nobody may keep it, and not how long it is."""
    field = "input" if path == "/v1/responses" else "prompt"
    body = {"model": "llama3.2", field: "x", "stream": True}
    body |= chat("llama3.2") if path in STREAMS else {}
    with begun(server, path, body) as answer:
        answer.read()
    assert answer.getheader("Content-Type") == "text/event-stream"
    assert answer.getheader("Cache-Control") == "no-cache"
    assert answer.getheader("X-Accel-Buffering") == "no"
    assert answer.getheader("Transfer-Encoding") == "chunked"
    assert answer.getheader("Content-Length") is None


def stands_still(ollama: Ollama) -> int:
    """How many bytes have been taken once no more are, which must come to be."""
    end = time.monotonic() + 5
    taken, since = ollama.taken, time.monotonic()
    while time.monotonic() < since + 0.5:
        assert time.monotonic() < end, "it never stands still"
        if ollama.taken != taken:
            taken, since = ollama.taken, time.monotonic()
        time.sleep(0.02)
    return taken


@pytest.mark.parametrize("dialect", CHATS)
def test_s3_who_stops_reading_stops_ollama(
    pannier: Server, ollama: Ollama, dialect: str
) -> None:
    """Nothing is taken that nobody reads, little is held, and others are served."""
    memory = Memory(pannier)
    client = ask(pannier.port, "POST", CHATS[dialect], "s3", chat("flood"))
    with client:
        until(client, b"x" * 100)
        taken = stands_still(ollama)
        # What the kernel holds on both of our connections grows to some megabytes.
        assert taken <= 32 * MIB
        assert memory.growth() <= 16
        before = time.monotonic()
        with begun(pannier, CHATS[dialect], chat("good")) as other:
            assert b"hi" in other.read()
        assert time.monotonic() - before < 5  # and not when the reader reads again
        for _ in range(200):  # it reads again, and it goes on
            client.recv(MIB)
        eventually(lambda: ollama.taken > taken)
    assert ollama.over.wait(10)


@pytest.mark.parametrize("dialect", CHATS)
def test_s4_a_gigabyte_takes_no_memory(pannier: Server, dialect: str) -> None:
    """What flows through is not kept: the worker grows by less than 32 MiB."""
    memory = Memory(pannier)
    size, end = 0, b""
    with begun(pannier, CHATS[dialect], chat("gigabyte")) as answer:
        while block := answer.read(MIB):
            size += len(block)
            end = (end + block)[-200:]
    assert size >= GIGABYTE * 64 * 1024
    assert any(mark in end for mark in ENDS)
    assert memory.growth() <= 32


def test_s4_a_response_is_bounded(pannier: Server) -> None:
    """Where the end repeats all of an answer, 16 MiB are enough of one."""
    memory = Memory(pannier)
    with begun(
        pannier, ALL_CHATS["responses"], talk("responses", "gigabyte")
    ) as answer:
        body = answer.read()
    assert 16 * MIB < len(body) < 20 * MIB
    assert b"event: response.failed" in body[-4096:]
    assert b"too long" in body[-4096:]
    assert memory.growth() <= 48


def test_s5_lines_without_text_are_no_frames(pannier: Server) -> None:
    """Ten thousand empty lines make not one event, and leave nothing behind."""
    memory = Memory(pannier)
    with begun(pannier, CHATS["openai"], chat("empty")) as answer:
        body = answer.read()
    events = [json.loads(one) for one in re.findall(rb"data: (\{.*\})\n\n", body)]
    deltas = [one["choices"][0]["delta"] for one in events]
    assert deltas == [{"role": "assistant", "content": "end"}, {}]
    assert body.endswith(b"data: [DONE]\n\n")
    assert memory.growth() <= 8


def test_s5_nor_are_they_blocks_of_a_message(pannier: Server) -> None:
    """Nor do they make one of Anthropic's."""
    with begun(pannier, CHATS["anthropic"], chat("empty")) as answer:
        events = re.findall(rb"event: ([a-z_]+)\n", answer.read())
    assert [name.decode() for name in events if name != b"ping"] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize(
    "model", ["good", "error", "cut", "garbage", "closed", "stall"]
)
@pytest.mark.parametrize("dialect", ALL_CHATS)
def test_s7_every_end_is_a_proper_one(
    pannier: Server, dialect: str, model: str
) -> None:
    """Whatever ends a stream, its framing ends too: the connection serves again."""
    client = ask(pannier.port, "POST", ALL_CHATS[dialect], "s7", talk(dialect, model))
    with client:
        answer = until(client, LAST)
        assert answer.endswith(b"\r\n" + LAST)
        failed = model != "good" and not (dialect == "native" and model == "cut")
        assert (b'"error":' in answer.replace(b'"error":null', b"")) == failed
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert rest(client).startswith(b"HTTP/1.1 200")


def test_s7_the_client_sees_an_end(pannier: Server) -> None:
    """OpenAI's own client raises what ended a stream, and hangs in none."""
    with openai.OpenAI(
        base_url=f"{pannier.url}/v1", api_key="x", max_retries=0, timeout=10
    ) as client:
        stream = client.chat.completions.create(
            model="stall", messages=[{"role": "user", "content": "x"}], stream=True
        )
        with pytest.raises(openai.APIError, match="1 second"):
            list(stream)
