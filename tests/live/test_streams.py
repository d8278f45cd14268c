"""Streams as clients see them: in time, side by side, and let go of when they leave."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest
from support.faulty import Faulty, Peer
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

HELLO = [{"role": "user", "content": "Say this is a test"}]


def begun(
    client: openai.OpenAI, model: str
) -> openai.Stream[openai.types.chat.ChatCompletionChunk]:
    """A stream whose first chunk has been read."""
    stream = client.chat.completions.create(model=model, messages=HELLO, stream=True)
    next(stream)
    return stream


def test_s1_first_chunk_comes_at_once(
    client: openai.OpenAI, simulator: Simulator
) -> None:
    """The first chunk is with the client before the second leaves Ollama."""
    stream = begun(client, "sim-chunks3-tps1")  # a chunk every second
    arrived = time.time()
    entry = simulator.wait(path="/api/chat", body="sim-chunks3-tps1")
    stream.close()
    assert entry["outcome"] == "open"
    assert entry["first_line"] <= arrived < entry["first_line"] + 1


def test_leaving_stops_ollama(client: openai.OpenAI, simulator: Simulator) -> None:
    """When the client closes a stream, the call to Ollama is closed as well."""
    begun(client, "sim-chunks100-tps5").close()
    entry = simulator.wait(body="sim-chunks100-tps5", outcome="client-left", timeout=10)
    assert entry["target"] == "/api/chat"


def test_leaving_a_native_stream(server: Server, simulator: Simulator) -> None:
    """The same holds for Ollama's own routes."""
    body = {"model": "sim-chunks101-tps5", "messages": HELLO}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", "/api/chat", json.dumps(body))
    answer = connection.getresponse()
    answer.readline()
    answer.close()
    connection.close()
    simulator.wait(body="sim-chunks101-tps5", outcome="client-left", timeout=10)


def test_streams_side_by_side(client: openai.OpenAI, simulator: Simulator) -> None:
    """Fifty streams at once all complete, each with its own text."""

    def both(number: int) -> tuple[str, str]:
        messages = [{"role": "user", "content": f"Tell me of number {number}"}]
        stream = client.chat.completions.create(
            model="llama3.2", messages=messages, stream=True
        )
        streamed = "".join(c.choices[0].delta.content or "" for c in stream)
        body = {"model": "llama3.2", "messages": messages, "stream": False}
        _, answer = simulator.ask("POST", "/api/chat", body)
        return streamed, json.loads(answer)["message"]["content"]

    with ThreadPoolExecutor(50) as pool:
        texts = list(pool.map(both, range(50)))
    assert len({streamed for streamed, _ in texts}) == 50
    assert [streamed for streamed, _ in texts] == [direct for _, direct in texts]


def test_r3_health_while_streams_run(
    client: openai.OpenAI, server: Server, simulator: Simulator
) -> None:
    """One worker answers others while fifty streams are open in it."""
    with ThreadPoolExecutor(50) as pool:
        streams = list(
            pool.map(lambda _: begun(client, "sim-chunks500-tps5"), range(50))
        )
    assert simulator.open() >= 50
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    connection.request("GET", "/health")
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)) == (200, {"status": "ok"})
    connection.close()
    assert simulator.open() >= 50
    for stream in streams:
        stream.close()


LINES = [
    {"message": {"role": "assistant", "content": "Hi"}, "done": False},
    {"message": {"role": "assistant", "content": ""}, "done": True},
]


def _streaming(peer: Peer) -> None:
    """Every request on a connection gets the same chunked stream."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    lines = [json.dumps({"model": "m", **line}).encode() + b"\n" for line in LINES]
    said, last = [b"%x\r\n%b\r\n" % (len(line), line) for line in lines]
    while peer.request()[0]:
        # The end with the last line: clients of OpenAI's library leave once they have
        # ``[DONE]``, and a connection whose end is still to come then is given up.
        peer.send(head, said, last + b"0\r\n\r\n")


@pytest.fixture(params=["builtin", "requests"])
def counted(request: pytest.FixtureRequest) -> Iterator[tuple[openai.OpenAI, Faulty]]:
    """A client in front of an upstream that counts its connections."""
    with Faulty(_streaming) as upstream:
        env = {"OLLAMA_URL": upstream.url, "PANNIER_UPSTREAM_CLIENT": request.param}
        with (
            Server(env) as server,
            openai.OpenAI(base_url=f"{server.url}/v1", api_key="x") as client,
        ):
            yield client, upstream


def test_streams_share_a_connection(counted: tuple[openai.OpenAI, Faulty]) -> None:
    """A stream that was read to its end leaves its connection to the next one."""
    client, upstream = counted
    for _ in range(5):
        stream = client.chat.completions.create(model="m", messages=HELLO, stream=True)
        assert [c.choices[0].delta.content for c in stream] == ["Hi", None]
    assert len(upstream.peers) == 1


def test_s3_a_slow_reader_holds_nobody_up(
    client: openai.OpenAI, server: Server
) -> None:
    """A client that does not read stops neither the worker nor other streams."""
    body = {"model": "sim-chunks20000-bytes400", "messages": HELLO, "stream": True}
    lazy = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    lazy.request("POST", "/v1/chat/completions", json.dumps(body))
    answer = lazy.getresponse()
    answer.read(1)
    done = threading.Event()

    def other() -> None:
        list(
            client.chat.completions.create(
                model="llama3.2", messages=HELLO, stream=True
            )
        )
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    assert done.wait(10)
    thread.join()
    frames = answer.read().split(b"\n\n")
    lazy.close()
    assert frames[-2] == b"data: [DONE]"
    assert sum(b'"content":" xxx' in frame for frame in frames) >= 19_999
