"""Bad requests: each must be refused with a 4xx that says why, and nothing else."""

from ..load import post
from .checks import must, refused
from .kinds import CHAT, EMBED, TEXT, Scene, chat, kind
from .wire import ask, get, line

_HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
#: Bodies that are no JSON object that anybody could mean.
MALFORMED = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'{"model":"llama3.2","messages":[}',
    b"\xff\xfe{}",
    b'{"model":1e999}',
    b"[" * 5000,
    b'{"model":"llama3.2","messages":[{"role":"user","content":"\xed\xa0\x80"}]}',
    b'{"model":"llama3.2"} and more',
]
#: Requests with the framing of attackers; each is the end of its connection.
FRAMED = [
    b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"Content-Length: -1\r\n\r\n",
    b"Content-Length: 0x10\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"X: " + b"x" * 20_000 + b"\r\n\r\n",
    b"No colon\r\n\r\n",
]
#: Requests that are well formed and make no sense.
SENSELESS = [
    (CHAT, {"model": "llama3.2"}),
    (CHAT, {"model": "llama3.2", "messages": "x"}),
    (CHAT, chat("x", temperature=5)),
    (CHAT, chat("x", n=1000)),
    (CHAT, chat("x", max_tokens=0)),
    (CHAT, chat("x", tools=[{"type": "function"}])),
    (CHAT, chat("x", response_format={"type": "xml"})),
    (TEXT, {"model": "llama3.2", "prompt": {}}),
    (EMBED, {"model": "all-minilm", "input": []}),
    (EMBED, {"model": "all-minilm", "input": ["x"] * 3000}),
]


@kind(weight=4)
def malformed_json(scene: Scene) -> None:
    """A body that is no JSON object."""
    body = scene.luck.choice(MALFORMED)
    head = b"Content-Length: %d\r\n\r\n" % len(body)
    refused(ask(scene.port, _HEAD + head + body), 400)


@kind(weight=4)
def senseless(scene: Scene) -> None:
    """A mistake in a field."""
    path, body = scene.luck.choice(SENSELESS)
    refused(scene.ask(path, body), 400)


@kind(weight=3)
def unknown_models_and_paths(scene: Scene) -> None:
    """What is not there."""
    refused(scene.ask(CHAT, chat("x", "nope")), 404)
    refused(scene.ask(EMBED, {"model": "nope", "input": "x"}), 404)
    refused(ask(scene.port, get("/v1/nothing")), 404)
    refused(ask(scene.port, get(CHAT)), 405)


@kind(weight=3)
def bad_framing(scene: Scene) -> None:
    """Framing that is none: one answer at most, and the connection ends."""
    with line(scene.port) as one:
        one.send(_HEAD + scene.luck.choice(FRAMED))
        answer = one.answer()
        allowed = {400, 413, 431, 501}
        must(answer.status in allowed, f"status {answer.status}", answer)
        must(one.ended(), "the connection goes on")


@kind(weight=0.5)
def huge_announced(scene: Scene) -> None:
    """A body that is announced as larger than allowed: refused before it is read."""
    with line(scene.port) as one:
        one.send(_HEAD + b"Content-Length: %d\r\n\r\n" % (1 << 30))
        refused(one.answer(), 413)
        must(one.ended(), "the connection goes on")


@kind(weight=0.3, limit=20, long=True)
def huge_body(scene: Scene) -> None:
    """A good body of 12 MiB, and one of 20 MiB in chunks that is beyond the limit."""
    word = "x" * (12 << 20)
    refused(scene.ask(CHAT, chat("x", "nope", user=word)), 404)
    piece = b"%x\r\n%b\r\n" % (1 << 20, b"x" * (1 << 20))
    with line(scene.port) as one:
        one.send(_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            one.send(piece)
        refused(one.answer(), 413)


@kind(weight=2)
def compressed(scene: Scene) -> None:
    """A coding that nobody knows."""
    data = post(CHAT, chat("x")).replace(b"\r\n", b"\r\nContent-Encoding: x\r\n", 1)
    refused(ask(scene.port, data), 415)
