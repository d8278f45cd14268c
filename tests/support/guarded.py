"""What is guarded: requests whose cost is counted, and what Ollama answers them."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple
from wsgiref.types import WSGIApplication

from app.settings import Settings

from .wired import BLOCK, Blocks, Wire, ask

BATCH = Settings().embedding_batch
WHEN = '"created_at":"2026-01-02T03:04:05.123456789Z"'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nDate: Fri, 02 Jan 2026 03:04:05 GMT\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
NDJSON = HEAD % b"application/x-ndjson" + CHUNKED
JSON = HEAD % b"application/json; charset=utf-8"
# The prompt is longer than any here, so that nobody asks whether it was cut.
END = f'{{"model":"m",{WHEN},%s"done":true,"done_reason":"stop","total_duration":5,'
END += '"prompt_eval_count":1000000,"eval_count":3}\n'
CHAT = '"message":{"role":"assistant","content":"%s"},'
TEXT = '"response":"%s",'
THOUGHT = '"message":{"role":"assistant","content":"","thinking":"%s"},'


def chunk(data: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def lines(form: str, count: int) -> Blocks:
    """A stream of so many lines with a text, and the one that ends it; one a block."""
    one = f'{{"model":"m",{WHEN},{form % " token"}"done":false}}\n'.encode()
    last = (END % (form % "")).encode()
    blocks = [chunk(one)] * count + [chunk(last) + chunk(b"")]
    blocks[0] = NDJSON + blocks[0]
    return blocks


def flat_out(blocks: Blocks) -> Blocks:
    """The same bytes as fast as they can be read."""
    data = b"".join(blocks)
    return [data[start : start + BLOCK] for start in range(0, len(data), BLOCK)]


def whole(body: str) -> Blocks:
    """An answer in one piece, framed as Go does it."""
    data = body.encode()
    if len(data) > 2048:
        return flat_out([JSON, CHUNKED, chunk(data), chunk(b"")])
    return [JSON + b"Content-Length: %d\r\n\r\n" % len(data) + data]


def chatted(text: str = "Hello! How can I help you?") -> Blocks:
    """A whole chat."""
    return whole(END % (CHAT % text))


def vectors(count: int, dimensions: int) -> Blocks:
    """So many vectors."""
    one = json.dumps([-0.012345678 + n / 1024 for n in range(dimensions)])
    return whole(
        f'{{"model":"m","embeddings":[{",".join([one] * count)}],'
        f'"total_duration":5,"load_duration":1,"prompt_eval_count":1000000}}'
    )


def models(count: int) -> Blocks:
    """A list of so many models."""
    return whole(
        json.dumps(
            {
                "models": [
                    {
                        "name": f"model-{number}:latest",
                        "model": f"model-{number}:latest",
                        "modified_at": "2026-01-02T03:04:05.123456789+01:00",
                        "size": 2019393189,
                        "digest": f"{number:064x}",
                        "details": {
                            "parent_model": "",
                            "format": "gguf",
                            "family": "llama",
                            "families": ["llama"],
                            "parameter_size": "3.2B",
                            "quantization_level": "Q4_K_M",
                        },
                    }
                    for number in range(count)
                ]
            }
        )
    )


def said(count: int, text: str = "Hello there!") -> list[dict[str, str]]:
    """So many messages of a chat."""
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": text} for n in range(count)]


class GuardedPath(NamedTuple):
    """A request of some size, and what Ollama answers it.

    ``unit`` is what the size counts; the client's answer has a ``mark`` for each.
    """

    unit: str
    sizes: tuple[int, int, int]
    path: str
    body: Callable[[int], Any]
    answer: Callable[[int], Blocks]
    mark: bytes = b""

    def asked(self, app: WSGIApplication, size: int) -> Callable[[], None]:
        """One such request, ready to be made."""
        body = self.body(size)
        data = b"" if body is None else json.dumps(body).encode()
        Wire.answer = self.answer(size)
        Wire.about = self.path == CODE

        def run() -> None:
            answer = ask(app, self.path, data)
            assert not self.mark or answer.count(self.mark) == size, answer[:2000]

        return run


def chat(messages: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    """A request for a chat."""
    return {"model": "m", "messages": messages, **more}


STREAM = chat(said(1), stream=True)
PROMPT = {"model": "m", "prompt": "Hello", "stream": True}
TOKENS = (50, 100, 150)
READ = BLOCK // len(lines(CHAT, 2)[1])  # so many chunks fill a read
READS = (READ, 2 * READ, 3 * READ)
CHARACTERS = (1_000, 500_500, 1_000_000)
OPENAI_CHAT, OPENAI_TEXT = "/v1/chat/completions", "/v1/completions"
MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"
EMBEDDINGS = "/v1/embeddings"
CODE = "/api/generate"


def respond(messages: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    """A request for a response that is not kept."""
    return {"model": "m", "input": messages, "store": False, **more}


def coded(prefix: str = "def f(", **more: Any) -> dict[str, Any]:
    """What an editor asks."""
    prompt = f"<PRE> # Language: Python\n# Path: /w/a.py\n{prefix} <SUF>): pass <MID>"
    options = {"num_ctx": 1_000_000}
    return {"model": "qwen2.5-coder", "prompt": prompt, "options": options, **more}


def inputs(count: int) -> dict[str, Any]:
    """A request for so many vectors."""
    return {"model": "m", "input": ["x"] * count}


PATHS = {
    "chat, token by token": GuardedPath(
        "chunk",
        TOKENS,
        OPENAI_CHAT,
        lambda _: STREAM,
        lambda count: lines(CHAT, count),
        b'" token"',
    ),
    "chat, flat out": GuardedPath(
        "chunk",
        READS,
        OPENAI_CHAT,
        lambda _: STREAM,
        lambda count: flat_out(lines(CHAT, count)),
        b'" token"',
    ),
    "completions, token by token": GuardedPath(
        "chunk",
        TOKENS,
        OPENAI_TEXT,
        lambda _: PROMPT,
        lambda count: lines(TEXT, count),
        b'" token"',
    ),
    "completions, flat out": GuardedPath(
        "chunk",
        READS,
        OPENAI_TEXT,
        lambda _: PROMPT,
        lambda count: flat_out(lines(TEXT, count)),
        b'" token"',
    ),
    "native chat, token by token": GuardedPath(
        "chunk",
        TOKENS,
        "/api/chat",
        lambda _: STREAM,
        lambda count: lines(CHAT, count),
        b'" token"',
    ),
    "chat, whole": GuardedPath(
        "character",
        CHARACTERS,
        OPENAI_CHAT,
        lambda count: chat(said(1, "x" * count)),
        lambda _: chatted(),
    ),
    "chat, a long answer": GuardedPath(
        "character",
        CHARACTERS,
        OPENAI_CHAT,
        lambda _: chat(said(1)),
        lambda count: chatted("x" * count),
    ),
    "chat, a long history": GuardedPath(
        "message",
        (10, 505, 1000),
        OPENAI_CHAT,
        lambda count: chat(said(count)),
        lambda _: chatted(),
    ),
    "messages, token by token": GuardedPath(
        "chunk",
        TOKENS,
        MESSAGES,
        lambda _: STREAM,
        lambda count: lines(CHAT, count),
        b'" token"',
    ),
    "messages, flat out": GuardedPath(
        "chunk",
        READS,
        MESSAGES,
        lambda _: STREAM,
        lambda count: flat_out(lines(CHAT, count)),
        b'" token"',
    ),
    "messages, thoughts": GuardedPath(
        "chunk",
        READS,
        MESSAGES,
        lambda _: STREAM,
        lambda count: flat_out(lines(THOUGHT, count)),
        b'" token"',
    ),
    "messages, whole": GuardedPath(
        "character",
        CHARACTERS,
        MESSAGES,
        lambda count: chat(said(1, "x" * count)),
        lambda _: chatted(),
    ),
    "messages, a long history": GuardedPath(
        "message",
        (10, 505, 1000),
        MESSAGES,
        lambda count: chat(said(count)),
        lambda _: chatted(),
    ),
    "responses, token by token": GuardedPath(
        "chunk",
        TOKENS,
        RESPONSES,
        lambda _: respond(said(1), stream=True),
        lambda count: lines(CHAT, count),
        b'" token"',
    ),
    "responses, flat out": GuardedPath(
        "chunk",
        READS,
        RESPONSES,
        lambda _: respond(said(1), stream=True),
        lambda count: flat_out(lines(CHAT, count)),
        b'" token"',
    ),
    "responses, thoughts": GuardedPath(
        "chunk",
        READS,
        RESPONSES,
        lambda _: respond(said(1), stream=True),
        lambda count: flat_out(lines(THOUGHT, count)),
        b'" token"',
    ),
    "responses, whole": GuardedPath(
        "character",
        CHARACTERS,
        RESPONSES,
        lambda count: respond(said(1, "x" * count)),
        lambda _: chatted(),
    ),
    "responses, a long history": GuardedPath(
        "message",
        (10, 505, 1000),
        RESPONSES,
        lambda count: respond(said(count)),
        lambda _: chatted(),
    ),
    "code, token by token": GuardedPath(
        "chunk",
        TOKENS,
        CODE,
        lambda _: coded(),
        lambda count: lines(TEXT, count),
        b'" token"',
    ),
    "code, flat out": GuardedPath(
        "chunk",
        READS,
        CODE,
        lambda _: coded(),
        lambda count: flat_out(lines(TEXT, count)),
        b'" token"',
    ),
    "code, a long prompt": GuardedPath(
        "character",
        CHARACTERS,
        CODE,
        lambda count: coded("x" * count, stream=False),
        lambda _: lines(TEXT, 1),
    ),
    "embeddings": GuardedPath(
        "vector",
        (1, 128, 255),
        EMBEDDINGS,
        inputs,
        lambda count: vectors(count, 1024),
        b'"embedding":',
    ),
    "embeddings, in several calls": GuardedPath(
        "vector",
        (512, 1280, 2048),
        EMBEDDINGS,
        inputs,
        lambda _: vectors(BATCH, 64),
        b'"embedding":',
    ),
    "list of models": GuardedPath(
        "model",
        (10, 2505, 5000),
        "/v1/models",
        lambda _: None,
        models,
        b'"id":',
    ),
}
