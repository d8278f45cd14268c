"""Streams that wait say that they live, and are what they would have been."""

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import anthropic
import openai
import pytest
from support import examples
from support.events import accepted
from support.events import parsed as responded
from support.faulty import CHUNKED, Faulty, Peer
from support.leaving import connect, fresh, left, request, rest, until
from support.nginx import CONFIG, needs_nginx, nginx, replaced
from support.raw import Got, ask
from support.recordings import FORM, form, wav
from support.server import Server

pytestmark = pytest.mark.live

#: Seconds of silence before a sign of life; of Ollama's silences here; its patience.
#: A slow machine may well take a second for all that is asked at once.
BEAT = 0.3
WAIT = 2.5
PATIENCE = 6.0
#: Seconds that a busy machine may take beside.
SLACK = 0.8

CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "hi"}]
OFF = {"X-Pannier-Heartbeat": "off"}
COMMENT = b": keep-alive\n\n"
DONE = b"data: [DONE]\n\n"


def chunk(text: str = "", thinking: str = "", *, done: bool = False) -> bytes:
    """One line of Ollama's, for chat and generate alike, as an HTTP chunk."""
    message = {"role": "assistant", "content": text, "thinking": thinking}
    told = {"created_at": "2026-01-02T03:04:05Z", "message": message, "response": text}
    line = json.dumps({"model": "m", **told, "done": done}).encode() + b"\n"
    return b"%x\r\n%b\r\n" % (len(line), line)


def refusal(status: int, words: str) -> bytes:
    """An error of Ollama's."""
    body = json.dumps({"error": words}).encode()
    return b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


END = chunk("", done=True) + b"0\r\n\r\n"
SQUEEZED = (
    CHUNKED[:-2] + b"Content-Type: application/x-ndjson\r\nContent-Encoding: br\r\n\r\n"
)
GOOD = [CHUNKED, chunk("Hel"), chunk("lo"), END]
SLOWLY: list[bytes | float] = [
    one for piece in [chunk("", "hm ")] * 10 for one in (piece, WAIT / 10)
]
#: What Ollama does when asked for a model: it waits, it says something; then it leaves.
SCRIPTS: dict[str, list[bytes | float]] = {
    "quick": [*GOOD],
    "late": [WAIT, *GOOD],
    "cold": [WAIT, *GOOD],
    "warm": [WAIT, *GOOD],
    "midway": [CHUNKED, chunk("Hel"), WAIT, chunk("lo"), WAIT, END],
    "thinking": [CHUNKED, *SLOWLY, chunk("Hello"), END],
    "forced": [WAIT, CHUNKED, chunk('{"name":"f","arguments":{}}'), END],
    "missing": [WAIT, refusal(404, "model 'missing' not found")],
    "broken": [WAIT, refusal(500, "it broke")],
    "busy": [WAIT, refusal(503, "server busy")],
    "gone": [WAIT],
    "garbage": [WAIT, b"nonsense\r\n\r\n"],
    "no-json": [WAIT, CHUNKED, b"3\r\nno\n\r\n"],
    "squeezed": [WAIT, SQUEEZED, END],
    "cut": [WAIT, CHUNKED, chunk("Hel")],
    "never": [PATIENCE * 2],
    "long": [1.4, *GOOD],
}
#: Those that fail before a word, and the status and code they then have.
FAILING = {
    "missing": (404, "model_not_found"),
    "broken": (500, "upstream_error"),
    "busy": (503, "server_overloaded"),
    "gone": (502, "upstream_unreachable"),
    "garbage": (502, "bad_upstream_response"),
    "no-json": (502, "bad_upstream_response"),
    "squeezed": (502, "bad_upstream_response"),
    "never": (504, "upstream_timeout"),
}
KNOWN = {"models": [{"name": f"{name}:latest"} for name in ("cold", "warm")]}
LOADED = {"models": [{"name": "warm:latest"}]}
SHOWN = {"capabilities": ["completion", "tools", "thinking", "audio"]}
CONTROL = {"/api/tags": KNOWN, "/api/ps": LOADED, "/api/show": SHOWN}


class Scripted(Faulty):
    """An Ollama that follows the scripts."""

    def __init__(self) -> None:
        super().__init__(self._follow)

    def _follow(self, peer: Peer) -> None:
        while True:
            head, body = peer.request()
            if not head:
                return
            if (told := CONTROL.get(head.split()[1].decode())) is not None:
                data = json.dumps(told).encode()
                length = b"Content-Length: %d\r\n\r\n" % len(data)
                peer.send(b"HTTP/1.1 200 OK\r\n" + length + data)
                continue
            for step in SCRIPTS[json.loads(body)["model"]]:
                if isinstance(step, bytes):
                    peer.send(step)
                else:
                    self.stopped.wait(step)
            return


@pytest.fixture(scope="module")
def ollama() -> Iterator[Scripted]:
    """The Ollama of this module."""
    with Scripted() as running:
        yield running


def serving(ollama: Scripted, beat: float) -> Server:
    """Pannier before it."""
    return Server(
        {
            "OLLAMA_URL": ollama.url,
            "PANNIER_HEARTBEAT": str(beat),
            "PANNIER_FIRST_BYTE_TIMEOUT": str(PATIENCE),
        }
    )


@pytest.fixture(scope="module")
def server(ollama: Scripted) -> Iterator[Server]:
    """Pannier that says soon that it lives."""
    with serving(ollama, BEAT) as running:
        yield running


@pytest.fixture(scope="module")
def mute(ollama: Scripted) -> Iterator[Server]:
    """Pannier that never says so."""
    with serving(ollama, 0) as running:
        yield running


def stream(model: str, **more: Any) -> dict[str, Any]:
    """A chat's request."""
    return {"model": model, "messages": HI, "stream": True, **more}


TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}
#: Every stream that waits, and how it is asked.
STREAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "late": (CHAT, stream("late", foo=1)),
    "midway": (CHAT, stream("midway")),
    "midway-usage": (CHAT, stream("midway", stream_options={"include_usage": True})),
    "excluded": (CHAT, stream("thinking", reasoning={"exclude": True})),
    "choices": (CHAT, stream("late", n=2)),
    "choices-midway": (CHAT, stream("midway", n=2)),
    "forced": (CHAT, stream("forced", tools=[TOOL], tool_choice="required")),
    "text": ("/v1/completions", {"model": "midway", "prompt": "hi", "stream": True}),
    "texts": (
        "/v1/completions",
        {"model": "late", "prompt": ["a"] * 2, "stream": True},
    ),
}


MESSAGE = "/v1/messages"
ANTHROPIC_TOOL = {"name": "f", "input_schema": {"type": "object"}}
#: Anthropic's streams that wait.
MESSAGES: dict[str, dict[str, Any]] = {
    "late": stream("late", foo=1),
    "midway": stream("midway"),
    "excluded": stream("thinking", exclude_reasoning=True),
    "forced": stream("forced", tools=[ANTHROPIC_TOOL], tool_choice={"type": "any"}),
}


RESPONSES = "/v1/responses"
RESPONSES_TOOL = {"type": "function", "name": "f"}


def respond(model: str, **more: Any) -> dict[str, Any]:
    """A request for a response."""
    return {"model": model, "input": "hi", "stream": True, **more}


#: OpenAI's streams of responses that wait, and the events without which none is.
RESPONDING: dict[str, dict[str, Any]] = {
    "late": respond("late"),
    "midway": respond("midway"),
    "excluded": respond("thinking", exclude_reasoning=True),
    "forced": respond("forced", tools=[RESPONSES_TOOL], tool_choice="required"),
}


#: What has no signs of life.
OTHERS: list[tuple[str, dict[str, Any]]] = [
    (CHAT, stream("late", stream=False)),
    (MESSAGE, stream("late", stream=False)),
    ("/v1/completions", {"model": "late", "prompt": "hi"}),
    ("/api/chat", stream("late", stream=False)),
    ("/api/chat", stream("midway")),
    ("/api/generate", {"model": "late", "prompt": "hi"}),
]


@pytest.fixture(scope="module")
def answers(server: Server, mute: Server) -> Iterator[Callable[..., Future[Got]]]:
    """Asks everything at once, since all of it waits: what is asked twice is one."""
    asked: dict[str, Future[Got]] = {}

    def get(path: str, body: Any, headers: Any = None, port: int = 0) -> Future[Got]:
        name = f"{path} {body} {headers} {port}"
        if name not in asked:
            where = port or server.port
            asked[name] = pool.submit(ask, where, "POST", path, body, headers)
        return asked[name]

    with ThreadPoolExecutor(80) as pool:
        for path, body in STREAMS.values():
            get(path, body)
            get(path, body, OFF)
        for body in MESSAGES.values():
            get(MESSAGE, body)
            get(MESSAGE, body, OFF)
        for body in RESPONDING.values():
            get(RESPONSES, body)
            get(RESPONSES, body, OFF)
        for model in FAILING:
            get(RESPONSES, respond(model))
            get(RESPONSES, respond(model), OFF)
            get(MESSAGE, stream(model))
            get(MESSAGE, stream(model), OFF)
            get(CHAT, stream(model))
            get(CHAT, stream(model), OFF)
            get(CHAT, stream(model), None, mute.port)
        for model in ("cold", "warm", "late", "quick", "cut"):
            get(CHAT, stream(model))
        for path, body in OTHERS:
            get(path, body)
        yield get


Answers = Callable[..., Future[Got]]


def comments(body: bytes) -> list[bytes]:
    """The comments of a stream, which are between frames and nowhere else."""
    *frames, end = body.split(b"\n\n")
    assert end == b""
    assert all(one.startswith((b"data: {", b"data: [", b": ")) for one in frames)
    assert not any(b"\n" in one for one in frames)
    return [one for one in frames if one.startswith(b":")]


def plain(body: bytes) -> bytes:
    """A stream without comments, and without what is new each time."""
    body = re.sub(rb"(?m)^: .*\n\n", b"", body)
    return re.sub(rb'"(id|call_id)":"[^"]*"', rb'"\1":""', body)


@pytest.mark.parametrize("which", STREAMS)
def test_s6_comments_between_frames(answers: Answers, which: str) -> None:
    """A stream that waits has comments, and byte for byte nothing else is different."""
    path, body = STREAMS[which]
    beating = answers(path, body).result()
    still = answers(path, body, OFF).result()
    assert beating.status == still.status == 200
    assert set(comments(beating.body)) == {b": keep-alive"}
    assert comments(still.body) == []
    assert beating.body.endswith(DONE)
    if not which.startswith(("choices", "texts")):  # which come in any order
        assert plain(beating.body) == plain(still.body)
    names = [[name for name, _ in got.headers] for got in (beating, still)]
    assert names[0] == names[1]


def test_s6_an_early_head_is_complete(answers: Answers) -> None:
    """The head that leaves with the first comment says all that it would have said."""
    got = answers(*STREAMS["late"]).result()
    assert got.body.startswith(COMMENT)
    assert got.header("x-pannier-ignored") == "foo"
    assert got.header("content-type") == "text/event-stream"
    assert got.header("cache-control") == "no-cache"
    assert got.header("x-accel-buffering") == "no"
    assert str(got.header("x-request-id")).startswith("req_")
    assert got.header("content-length") is None


def test_s6_in_the_middle_too(answers: Answers) -> None:
    """Silence between two words has its comments as well, where it is."""
    body = answers(*STREAMS["midway"]).result().body
    first, second = body.index(b'"Hel"'), body.index(b'"lo"')
    assert COMMENT not in body[:first]
    assert COMMENT in body[first:second]
    assert COMMENT in body[second:]


def test_s6_what_is_awaited(answers: Answers) -> None:
    """A model that Ollama has, but not in memory, is being loaded, and that is said."""
    for model, says in (
        ("cold", b": loading cold"),
        ("warm", b": keep-alive"),
        ("late", b": keep-alive"),  # Ollama does not have it in its list
    ):
        assert set(comments(answers(CHAT, stream(model)).result().body)) == {says}


def test_s6_no_comment_without_silence(answers: Answers) -> None:
    """A stream that comes at once has none."""
    body = answers(CHAT, stream("quick")).result().body
    assert comments(body) == []
    assert body.endswith(DONE)


@pytest.mark.parametrize(
    ("path", "sign"), [(CHAT, COMMENT), (MESSAGE, b"event: ping\n")]
)
def test_s6_how_often(server: Server, path: str, sign: bytes) -> None:
    """The first comes after the delay, and then one after each delay."""
    came = []
    with connect(server.port) as client:
        begun = time.monotonic()
        client.sendall(request("POST", path, fresh("often"), stream("never")))
        while len(came) < 3:
            block = client.recv(65536)
            assert block, "it ended"
            came += [time.monotonic()] * block.count(sign)
    for before, at in zip([begun, *came], came, strict=False):
        assert BEAT - 0.01 <= at - before <= BEAT + SLACK


@pytest.mark.parametrize("model", FAILING)
def test_s6_e4_failures_after_a_comment(
    answers: Answers, mute: Server, model: str
) -> None:
    """What fails after a comment is an error event with what its status would have had.

    Who wants the status itself gets it: by a header, or for all by the setting.
    """
    status, code = FAILING[model]
    by_header = answers(CHAT, stream(model), OFF).result()
    by_setting = answers(CHAT, stream(model), None, mute.port).result()
    got = answers(CHAT, stream(model)).result()
    assert got.status == 200
    *beats, event, end = got.body.split(b"\n\n")
    assert set(beats) == {b": keep-alive"}
    assert end == b""
    error = json.loads(event.removeprefix(b"data: "))
    assert error["error"]["code"] == code
    for true in (by_header, by_setting):
        assert true.status == status
        assert json.loads(true.body) == error


def test_s6_e4_a_cut_after_comments(answers: Answers) -> None:
    """So it is with an answer that breaks off."""
    body = answers(CHAT, stream("cut")).result().body
    assert body.startswith(COMMENT)
    *_, event, end = body.split(b"\n\n")
    assert end == b""
    assert json.loads(event.removeprefix(b"data: "))["error"]["code"]
    assert DONE not in body


def events(body: bytes) -> list[tuple[str, Any]]:
    """The events of a message without ids, which there is nothing between."""
    *frames, end = plain(body).decode().split("\n\n")
    assert end == ""
    pairs = [frame.split("\n") for frame in frames]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in pairs
    ]


@pytest.mark.parametrize("which", MESSAGES)
def test_s6_pings(answers: Answers, which: str) -> None:
    """A message that waits has begun, and has pings; nothing else is different."""
    beating = answers(MESSAGE, MESSAGES[which]).result()
    still = answers(MESSAGE, MESSAGES[which], OFF).result()
    assert beating.status == still.status == 200
    told, right = events(beating.body), events(still.body)
    pings = [[name for name, _ in one].count("ping") for one in (told, right)]
    assert pings[1] == 1
    assert pings[0] > (which in ("midway", "excluded"))  # all wait, these the longest
    assert [one for one in told if one[0] != "ping"] == [
        one for one in right if one[0] != "ping"
    ]
    assert [name for name, _ in told[:2]] == ["message_start", "ping"]
    assert told[-1][0] == "message_stop"
    assert b": keep-alive" not in beating.body
    names = [[name for name, _ in got.headers] for got in (beating, still)]
    assert names[0] == names[1]


@pytest.mark.parametrize("model", FAILING)
def test_s6_e4_failures_after_a_ping(answers: Answers, model: str) -> None:
    """What fails after a ping is an error event of the type its status has."""
    true = answers(MESSAGE, stream(model), OFF).result()
    status = FAILING[model][0]
    assert true.status == (529 if status == 503 else status)
    got = answers(MESSAGE, stream(model)).result()
    assert got.status == 200
    *before, (name, error) = events(got.body)
    assert [one for one, _ in before[:2]] == ["message_start", "ping"]
    assert {one for one, _ in before} == {"message_start", "ping"}
    assert name == "error"
    assert error["error"] == json.loads(true.body)["error"]


@pytest.mark.parametrize(("path", "body"), OTHERS, ids=range(len(OTHERS)))
def test_s6_only_streams_of_events(answers: Answers, path: str, body: Any) -> None:
    """Answers in one piece and Ollama's own routes never have comments."""
    got = answers(path, body).result()
    assert got.status in (200, 502)  # a stream is no answer in one piece
    assert b"keep-alive" not in got.body
    assert b"ping" not in got.body


@pytest.mark.parametrize("which", RESPONDING)
def test_s6_responses(answers: Answers, which: str) -> None:
    """A response that waits begins, has comments, and the events it would have had."""
    beating = answers(RESPONSES, RESPONDING[which]).result().body
    still = answers(RESPONSES, RESPONDING[which], OFF).result().body
    assert beating.startswith(b"event: response.created\n")
    assert beating.count(b"\n\n: keep-alive\n\n") >= 1
    assert b": keep-alive" not in still
    found, wanted = responded(beating), responded(still)
    accepted(found)
    assert [one["type"] for one in found] == [one["type"] for one in wanted]
    assert found[-1]["type"] == "response.completed"


@pytest.mark.parametrize("model", FAILING)
def test_s6_e4_failures_of_responses(answers: Answers, model: str) -> None:
    """A failure after a comment is the last event, with the code of its status."""
    status, code = FAILING[model]
    late = responded(answers(RESPONSES, respond(model)).result().body)
    accepted(late)
    assert [one["type"] for one in late] == [
        *("response.created", "response.in_progress", "response.failed"),
    ]
    said = late[-1]["response"]["error"]
    early = answers(RESPONSES, respond(model), OFF).result()
    told = json.loads(early.body)["error"]
    assert early.status == status
    assert said["code"] == told["code"] == code
    assert (said["message"], said["type"]) == (told["message"], told["type"])


def transcription(server: Server) -> None:
    """A transcription that waits, streamed."""
    data = form(("model", "late"), ("stream", "true"), ("file", wav()))
    head = (
        f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: {FORM}\r\nContent-Length: {len(data)}\r\n"
        "Connection: close\r\n\r\n"
    )
    with connect(server.port) as client:
        client.sendall(head.encode() + data)
        answer = rest(client)
    assert COMMENT in answer
    assert b"transcript.text.done" in answer.partition(COMMENT)[2]


def python_client(server: Server) -> None:
    """OpenAI's library for Python, with streams that wait."""
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="x", max_retries=0) as api:
        chunks = api.chat.completions.create(model="late", messages=HI, stream=True)
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == "Hello"
        chunks = api.chat.completions.create(model="missing", messages=HI, stream=True)
        with pytest.raises(openai.APIError) as caught:
            list(chunks)
    assert type(caught.value) is openai.APIError
    assert (caught.value.code, caught.value.type) == (
        "model_not_found",
        "not_found_error",
    )


def anthropic_client(server: Server) -> None:
    """Anthropic's library for Python."""
    with anthropic.Anthropic(base_url=server.url, api_key="x", max_retries=0) as api:
        asked: Any = {"messages": HI, "max_tokens": 9}
        with api.messages.stream(model="late", **asked) as told:
            assert told.get_final_text() == "Hello"
        stream = api.messages.create(model="busy", stream=True, **asked)
        with pytest.raises(anthropic.APIStatusError) as caught:
            list(stream)
    assert caught.value.type == "overloaded_error"


def javascript_client(server: Server) -> None:
    """OpenAI's library for JavaScript."""
    printed = examples.javascript(
        """
        import OpenAI from 'openai'
        const openai = new OpenAI({ baseURL: 'ADDRESS/v1', apiKey: 'x', maxRetries: 0 })
        const messages = [{ role: 'user', content: 'hi' }]
        async function ask(model) {
          const stream = await openai.chat.completions.create(
            { model, messages, stream: true })
          let text = ''
          for await (const { choices } of stream)
            text += choices[0]?.delta?.content ?? ''
          return text
        }
        console.log(await ask('late'))
        try { await ask('missing') } catch (e) {
          console.log(e instanceof OpenAI.APIError, e.error?.code ?? e.code)
        }
        """.replace("ADDRESS", server.url)
    )
    assert printed.split() == ["Hello", "true", "model_not_found"]


def behind_nginx(server: Server) -> None:
    """nginx that waits for less than the model takes."""
    config = replaced(
        CONFIG, "server 127.0.0.1:8080;", f"server 127.0.0.1:{server.port};"
    )
    config = replaced(config, "proxy_read_timeout 3600s;", "proxy_read_timeout 1s;")
    with nginx(config) as url, ThreadPoolExecutor(2) as pool:
        port = int(url.rpartition(":")[2])
        beating = pool.submit(ask, port, "POST", CHAT, stream("long"))
        still = pool.submit(ask, port, "POST", CHAT, stream("long"), OFF)
        assert still.result().status == 504
        assert beating.result().status == 200
        assert beating.result().body.endswith(DONE)


def leaving(server: Server) -> None:
    """A client that leaves while it is kept waiting."""
    name = fresh("beating")
    with connect(server.port) as client:
        client.sendall(request("POST", CHAT, name, stream("never")))
        until(client, COMMENT)
    left(server, name)


@pytest.fixture(scope="module")
def waiting(server: Server) -> Iterator[Callable[[Callable[[Server], None]], None]]:
    """Clients that wait, side by side; gives a way to see one of them through."""
    everyone = [transcription, python_client, anthropic_client, javascript_client]
    everyone += [behind_nginx, leaving]
    with ThreadPoolExecutor(len(everyone)) as pool:
        jobs = {one: pool.submit(one, server) for one in everyone}
        yield lambda one: jobs[one].result()


Waiting = Callable[[Callable[[Server], None]], None]


def test_s6_transcriptions(waiting: Waiting) -> None:
    """A transcription that is streamed has them too."""
    waiting(transcription)


def test_s6_python_client(waiting: Waiting) -> None:
    """OpenAI's library does not see comments, and raises what comes after them."""
    waiting(python_client)


def test_s6_anthropic_client(waiting: Waiting) -> None:
    """Anthropic's library does not see pings, and raises what comes after them."""
    waiting(anthropic_client)


def test_s6_javascript_client(waiting: Waiting) -> None:
    """So does the one for JavaScript."""
    waiting(javascript_client)


@needs_nginx
def test_s6_keeps_nginx_waiting(waiting: Waiting) -> None:
    """A proxy that waits for less than the model takes does not give up."""
    waiting(behind_nginx)


def test_d1_s6_leaving_after_a_comment(waiting: Waiting) -> None:
    """A client that leaves while it is kept waiting has left, without a trace."""
    waiting(leaving)
