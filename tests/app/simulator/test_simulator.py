"""What tests, demo and benchmark rely on beyond the recordings."""

import hashlib
import http.client
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from support.simulator import Simulator

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a city",
        "parameters": {
            "type": "object",
            "required": ["city"],
            "properties": {"city": {"type": "string"}},
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time", "description": "Time"}}


@pytest.fixture(scope="module")
def ollama() -> Iterator[Simulator]:
    """One simulator for this module."""
    with Simulator() as simulator:
        yield simulator


def user(text: str) -> list[dict[str, Any]]:
    """A conversation of one user message."""
    return [{"role": "user", "content": text}]


def chat(ollama: Simulator, model: str, text: str = "Hi", **more: Any) -> Any:
    """One chat answer in one piece, decoded."""
    request = {"model": model, "messages": user(text), "stream": False, **more}
    status, body = ollama.ask("POST", "/api/chat", request)
    assert status == 200, body
    return json.loads(body)


def stream(ollama: Simulator, model: str, text: str = "Hi", **more: Any) -> list[Any]:
    """The decoded lines of a streamed chat answer."""
    request = {"model": model, "messages": user(text), **more}
    status, body = ollama.ask("POST", "/api/chat", request)
    assert status == 200, body
    return [json.loads(line) for line in body.splitlines()]


def posted(model: str, **more: Any) -> bytes:
    """A chat request's bytes."""
    body = json.dumps({"model": model, "messages": user("Hi"), **more}).encode()
    head = f"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def connect(ollama: Simulator) -> socket.socket:
    """A raw connection."""
    return socket.create_connection(("127.0.0.1", ollama.port), timeout=10)


def until_end(sock: socket.socket) -> bytes:
    """Everything until the other side closes."""
    return b"".join(iter(lambda: sock.recv(65536), b""))


def test_it_says_what_it_is(ollama: Simulator) -> None:
    """The version names the simulator."""
    _, body = ollama.ask("GET", "/api/version")
    assert json.loads(body) == {"version": "0.32.15-simulator"}


def test_it_stops_cleanly_when_told() -> None:
    """SIGTERM ends the process with status 0, also while it is answering."""
    simulator = Simulator().start()
    with connect(simulator) as sock:
        sock.sendall(posted("fault-stall"))
        simulator.wait(path="/api/chat", outcome="open")
        assert simulator.stop() == 0


def test_answers_echo_the_user(ollama: Simulator) -> None:
    """A friendly model's answer holds the user's words and is the same every time."""
    first = chat(ollama, "llama3.2", "the blue whale")["message"]["content"]
    assert "the blue whale" in first
    assert chat(ollama, "llama3.2", "the blue whale")["message"]["content"] == first


def test_seeds_choose_the_answer(ollama: Simulator) -> None:
    """Other seeds give other answers, the same seed the same one."""
    said = {
        chat(ollama, "llama3.2", "x y", options={"seed": seed})["message"]["content"]
        for seed in range(20)
    }
    assert 1 < len(said) <= 5


def test_stream_and_whole_agree(ollama: Simulator) -> None:
    """The pieces of a stream are the whole answer's text, thinking and counts."""
    lines = stream(ollama, "qwen3", "tell me of bees")
    whole = chat(ollama, "qwen3", "tell me of bees")
    for field in ("content", "thinking"):
        joined = "".join(line["message"].get(field, "") for line in lines)
        assert joined == whole["message"][field] != ""
    assert lines[-1]["eval_count"] == whole["eval_count"]
    assert [line["done"] for line in lines[:-1]] == [False] * (len(lines) - 1)


def test_the_mentioned_tool_is_called(ollama: Simulator) -> None:
    """A tool-capable model calls the function that the message is about."""
    text = "What is the weather in Oslo?"
    message = chat(ollama, "llama3.2", text, tools=[CLOCK, WEATHER])["message"]
    (call,) = message["tool_calls"]
    assert call["function"]["name"] == "get_weather"
    assert call["function"]["arguments"] == {"city": "Oslo"}
    assert message["content"] == ""


def test_tool_results_are_repeated(ollama: Simulator) -> None:
    """After tool results the model answers in words, with each result in them."""
    calls = [{"function": {"name": "get_weather", "arguments": {}}}]
    messages = [
        *user("Weather?"),
        {"role": "assistant", "tool_calls": calls * 2},
        {"role": "tool", "tool_name": "get_weather", "content": "22C"},
        {"role": "tool", "tool_name": "get_weather", "content": "rain"},
    ]
    answer = chat(ollama, "llama3.2", tools=[WEATHER], messages=messages)["message"]
    assert "22C" in answer["content"]
    assert "rain" in answer["content"]
    assert "tool_calls" not in answer


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("<|fim_prefix|>a = b<|fim_suffix|>c<|fim_middle|>", "    return b\n"),
        ("<|file_sep|>x\ny\n<fim_prefix>b<fim_suffix><fim_middle>", "    return b\n"),
        ("<PRE> def f( <SUF>) <MID>", "    return f\n"),
        ("<\uff5cfim▁begin\uff5c>a<\uff5cfim▁hole\uff5c>", "    return a\n"),
        ("+++++ x\ny\n\n[SUFFIX]s[PREFIX]p", "    return p\n"),
        ("<fim_prefix><fim_suffix>c<fim_middle>", "    return value\n"),
    ],
)
def test_places_are_filled_in(ollama: Simulator, prompt: str, said: str) -> None:
    """A raw prompt with a model's marks gets code, as one with a suffix does."""
    request = {"model": "llama3.2", "prompt": prompt, "raw": True, "stream": False}
    _, body = ollama.ask("POST", "/api/generate", request)
    assert json.loads(body)["response"] == said
    _, body = ollama.ask("POST", "/api/generate", request | {"raw": False})
    assert json.loads(body)["response"] != said


@pytest.mark.parametrize(
    "model", ["sim-chunks7", "sim-chunks7-tps1000", "sim-chunks130"]
)
def test_chunk_models_count(ollama: Simulator, model: str) -> None:
    """``sim-chunksN`` gives exactly N content lines and then done."""
    wanted = int(model.split("-")[1].removeprefix("chunks"))
    lines = stream(ollama, model)
    assert [line["message"]["content"] for line in lines[:-1]] == [" word"] * wanted
    assert lines[-1]["done"] is True
    assert lines[-1]["eval_count"] == wanted + 1
    assert chat(ollama, model)["message"]["content"] == " word" * wanted


def test_bytes_set_the_size_of_a_chunk(ollama: Simulator) -> None:
    """``bytesN`` makes each content line N bytes of text."""
    lines = stream(ollama, "sim-bytes64-chunks3")
    assert [len(line["message"]["content"]) for line in lines[:-1]] == [64] * 3


def test_num_predict_cuts_chunks(ollama: Simulator) -> None:
    """A limit on tokens holds for chunk models too."""
    lines = stream(ollama, "sim-chunks50", options={"num_predict": 5})
    assert len(lines) == 6
    assert lines[-1]["done_reason"] == "length"


def test_more_chunks_than_a_context_holds(ollama: Simulator) -> None:
    """The number of chunks is a promise, whatever the context."""
    assert len(stream(ollama, "sim-chunks50000-bytes2")) == 50001


def test_tokens_a_second(ollama: Simulator) -> None:
    """``tpsN`` spreads N tokens over a second."""
    begun = time.monotonic()
    stream(ollama, "sim-chunks20-tps100")
    assert 0.19 <= time.monotonic() - begun < 2


def test_load_delays_the_head(ollama: Simulator) -> None:
    """``loadN`` shows nothing, not even a head, for N seconds."""
    with connect(ollama) as sock:
        begun = time.monotonic()
        sock.sendall(posted("sim-load0.3-chunks1"))
        assert sock.recv(1)
        assert time.monotonic() - begun >= 0.3


def test_sim_models_have_what_their_name_says(ollama: Simulator) -> None:
    """Parts of a name are capabilities; a part nobody knows is no model."""
    _, body = ollama.ask("POST", "/api/show", {"model": "sim-think-tools-vision"})
    able = json.loads(body)["capabilities"]
    assert {"completion", "thinking", "tools", "vision"} <= set(able)
    assert ollama.ask("POST", "/api/show", {"model": "sim-wings"})[0] == 404
    assert ollama.ask("POST", "/api/show", {"model": "fault-wings"})[0] == 404


def test_embeddings_are_unit_vectors_that_mean_something(ollama: Simulator) -> None:
    """Vectors have the model's length, norm 1, and like texts point alike."""
    texts = ["a red apple", "a red pear", "quantum chromodynamics"]
    _, body = ollama.ask("POST", "/api/embed", {"model": "all-minilm", "input": texts})
    apple, pear, physics = json.loads(body)["embeddings"]
    assert len(apple) == 384
    assert sum(x * x for x in apple) == pytest.approx(1, abs=1e-5)
    near = sum(x * y for x, y in zip(apple, pear, strict=True))
    far = sum(x * y for x, y in zip(apple, physics, strict=True))
    assert near > far + 0.2


def test_dims_choose_the_length(ollama: Simulator) -> None:
    """``dimsN`` is an embedding model of N dimensions."""
    request = {"model": "sim-dims1000", "input": "x"}
    _, body = ollama.ask("POST", "/api/embed", request)
    assert len(json.loads(body)["embeddings"][0]) == 1000


def test_a_leaving_client_is_noticed_while_pacing(ollama: Simulator) -> None:
    """Closing in the middle of a paced stream stops it at once."""
    with connect(ollama) as sock:
        sock.sendall(posted("sim-chunks100-tps2"))
        assert sock.recv(1)
        assert ollama.open() == 1
    entry = ollama.wait(path="/api/chat", outcome="client-left", timeout=5)
    assert entry["closed"] - entry["started"] < 5
    assert ollama.open() == 0


@pytest.mark.parametrize(
    "model", ["sim-load30", "sim-chunks100-tps1", "fault-never", "fault-stall"]
)
def test_a_leaving_client_is_noticed_before_any_answer(
    ollama: Simulator, model: str
) -> None:
    """So is one that leaves while it waits for a whole answer."""
    with connect(ollama) as sock:
        sock.sendall(posted(model, stream=False))
        asked = ollama.wait(path="/api/chat", outcome="open", body=model)
    left = ollama.wait(outcome="client-left", after=asked["id"] - 1, timeout=5)
    assert left["id"] == asked["id"]


def test_half_a_close_counts_as_leaving(ollama: Simulator) -> None:
    """A client that shuts its sending side is gone, as for Ollama."""
    with connect(ollama) as sock:
        sock.sendall(posted("sim-chunks100-tps2"))
        asked = ollama.wait(path="/api/chat", outcome="open")
        sock.shutdown(socket.SHUT_WR)
        left = ollama.wait(outcome="client-left", after=asked["id"] - 1)
    assert left["id"] == asked["id"]


def test_the_log_keeps_requests(ollama: Simulator) -> None:
    """Method, target, headers and body of a request can be read back."""
    ollama.clear()
    ollama.ask("POST", "/api/chat?x=1", {"model": "tiny", "messages": []})
    (entry,) = ollama.log()
    assert (entry["method"], entry["target"]) == ("POST", "/api/chat?x=1")
    assert json.loads(entry["body"]) == {"model": "tiny", "messages": []}
    assert ["Host", f"127.0.0.1:{ollama.port}"] in entry["headers"]
    assert entry["outcome"] == "answered"


def test_wait_gives_up(ollama: Simulator) -> None:
    """Waiting for what never comes ends with an error."""
    status, _ = ollama.ask("GET", "/simulator/wait?path=/never&timeout=0.05")
    assert status == 504


def test_pipelined_requests_are_answered_in_order(ollama: Simulator) -> None:
    """Two requests in one segment get two answers, in order."""
    get = b"GET /api/%b HTTP/1.1\r\nHost: localhost\r\n%b\r\n"
    with connect(ollama) as sock:
        sock.sendall(get % (b"version", b"") + get % (b"ps", b"Connection: close\r\n"))
        data = until_end(sock)
    assert data.index(b"simulator") < data.index(b'"models"')


def test_pipelining_behind_a_paced_stream(ollama: Simulator) -> None:
    """A second request that comes early neither breaks nor hastens the first."""
    follow = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connect(ollama) as sock:
        sock.sendall(posted("sim-chunks5-tps50") + follow)
        data = until_end(sock)
    assert data.count(b" word") == 5
    assert data.endswith(b"Ollama is running")


def test_expect_continue(ollama: Simulator) -> None:
    """A client that waits for 100 Continue gets it before it sends the body."""
    with connect(ollama) as sock:
        sock.sendall(
            b"POST /api/show HTTP/1.1\r\nHost: localhost\r\nContent-Length: 16\r\n"
            b"Expect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        assert sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b'{"model":"tiny"}')
        assert until_end(sock).startswith(b"HTTP/1.1 200 OK\r\n")


def test_chunked_request_with_trailer(ollama: Simulator) -> None:
    """A chunked request body with extensions and trailers is read as one."""
    with connect(ollama) as sock:
        sock.sendall(
            b"POST /api/chat HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
            b'7;a=b\r\n{"model\r\n9\r\n":"tiny"}\r\n0\r\nX-Sum: 1\r\n\r\n'
        )
        data = until_end(sock)
    assert b'"done_reason":"load"' in data


def test_http_1_0_gets_an_unframed_stream(ollama: Simulator) -> None:
    """An old client gets lines without chunks, and the end is the close."""
    request = posted("sim-chunks3").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    with connect(ollama) as sock:
        sock.sendall(request)
        head, _, body = until_end(sock).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"Transfer-Encoding" not in head
    assert len([json.loads(line) for line in body.splitlines()]) == 4


@pytest.mark.parametrize(
    "head",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
    ],
)
def test_what_is_no_http_is_refused(ollama: Simulator, head: bytes) -> None:
    """Broken requests get a 400 and a closed connection."""
    with connect(ollama) as sock:
        sock.sendall(head)
        data = until_end(sock)
    assert data.startswith(b"HTTP/1.1 400 ")
    assert b"Connection: close\r\n" in data


def test_a_blob_is_hashed_not_kept(ollama: Simulator) -> None:
    """A large upload is verified as it streams; afterwards its digest exists."""
    block = b"x" * (1 << 20)
    digest = f"sha256:{hashlib.sha256(block * 16).hexdigest()}"
    connection = http.client.HTTPConnection("127.0.0.1", ollama.port, timeout=20)
    try:
        connection.request("POST", f"/api/blobs/{digest}", iter([block] * 16))
        response = connection.getresponse()
        assert (response.status, response.read()) == (201, b"")
        connection.request("HEAD", f"/api/blobs/{digest}")
        assert connection.getresponse().status == 200
    finally:
        connection.close()


def test_made_models_work_like_their_source(ollama: Simulator) -> None:
    """A created model speaks, shows its parameters and loads with its num_ctx."""
    parameters = {"num_ctx": 1234, "stop": ["END", "FIN"]}
    made = {"model": "mine", "from": "qwen3", "parameters": parameters, "stream": False}
    assert ollama.ask("POST", "/api/create", {**made, "system": "Be kind."})[0] == 200
    assert "bees" in chat(ollama, "MINE:latest", "bees")["message"]["content"]
    shown = json.loads(ollama.ask("POST", "/api/show", {"model": "mine"})[1])
    assert (
        shown["parameters"].split()
        == "num_ctx 1234 stop END stop FIN".replace("END", '"END"')
        .replace("FIN", '"FIN"')
        .split()
    )
    assert shown["system"] == "Be kind."
    assert "thinking" in shown["capabilities"]
    running = json.loads(ollama.ask("GET", "/api/ps")[1])["models"]
    contexts = {model["name"]: model["context_length"] for model in running}
    assert contexts["mine:latest"] == 1234


def test_num_ctx_shows_in_ps(ollama: Simulator) -> None:
    """The context a request asked for is the loaded model's."""
    chat(ollama, "gemma3", options={"num_ctx": 8192})
    running = json.loads(ollama.ask("GET", "/api/ps")[1])["models"]
    assert {m["name"]: m["context_length"] for m in running}["gemma3:latest"] == 8192


def test_pull_adds_a_model(ollama: Simulator) -> None:
    """A pull reports its progress, ends in success, and the model is listed."""
    status, body = ollama.ask("POST", "/api/pull", {"model": "mistral:7b"})
    lines = [json.loads(line) for line in body.splitlines()]
    assert status == 200
    assert lines[0] == {"status": "pulling manifest"}
    assert lines[-1] == {"status": "success"}
    done = [line["completed"] for line in lines if "completed" in line]
    assert done == sorted(done)
    listed = json.loads(ollama.ask("GET", "/api/tags")[1])["models"]
    assert "mistral:7b" in [model["name"] for model in listed]


def test_the_list_names_everything() -> None:
    """``--list`` has a line for each model and each fault."""
    from app.simulator.command import listing
    from app.simulator.faults import FAULTS
    from app.simulator.models import FRIENDLY

    lines = [line.split("  ") for line in listing().splitlines()]
    named = {line.strip() for parts in lines for line in parts[:3]}
    assert named >= FAULTS.keys() | FRIENDLY.keys() | {"tiny", "tiny-embed"}
    assert all(fault.__doc__ for fault in FAULTS.values())
