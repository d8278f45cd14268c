"""WSGI's small print, kept by the whole stack: who closes, what is never sent."""

import gc
import json
import threading
from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication
from wsgiref.util import is_hop_by_hop
from wsgiref.validate import validator

import gevent
import pytest
from support.carrying import eventually
from support.faulty import Faulty, Peer
from support.ollama import CHAT, NDJSON, FakeUpstream, Started, environ_of
from support.scripted import NDJSON as HEAD
from support.scripted import chat, chunk, line, talk
from support.stack import stacked

from app import protocol
from app.errors import UpstreamBroken
from app.settings import Settings
from middleware.errors import ErrorMiddleware
from middleware.stack import build_stack

HI = line("hi")
CHATS = ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/api/chat"]
#: Each way in which an answer ends, by what Ollama sends.
ENDS: dict[str, list[Any]] = {
    "done": [HI, CHAT],
    "error": [HI, b'{"error":"no"}\n'],
    "broken": [HI, UpstreamBroken("broke off")],
    "cut": [HI],
    "bug": [HI, ZeroDivisionError()],
    "at once": [UpstreamBroken("broke off")],
}


def served(app: WSGIApplication, environ: dict[str, Any], items: int) -> Started:
    """What a server does, with a client that leaves after so many items."""
    start = Started()
    body = app(environ, start)
    try:
        for _, _item in zip(range(items), body, strict=False):
            pass
    finally:
        protocol.close(body)
    return start


def asking(path: str, stream: bool) -> dict[str, Any]:
    """The environ of a chat."""
    dialect = "responses" if path == "/v1/responses" else ""
    body = json.dumps(talk(dialect, "m", stream)).encode()
    return environ_of("POST", path, body, CONTENT_TYPE="application/json")


@pytest.mark.parametrize("items", [0, 1, 100], ids=["unread", "left", "read"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("path", CHATS)
@pytest.mark.parametrize("end", ENDS)
def test_p1_closed_exactly_once(path: str, end: str, stream: bool, items: int) -> None:
    """However an answer ends, and whoever leaves, Ollama's is let go of once."""
    upstream = FakeUpstream(*ENDS[end], headers=NDJSON)
    app = stacked(upstream, validator)
    try:
        served(app, asking(path, stream), items)
    except ConnectionResetError:  # how a broken answer is cut
        assert end in ("broken", "bug")
    gone = [(one.closed, one.released) for one in upstream.responses]
    lazy = items == 0 and stream and path != "/api/chat"  # then nobody was asked
    assert gone in ([(1, 0)], [(0, 1)], [] if lazy else None)


@pytest.mark.parametrize("path", CHATS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_p2_no_header_of_the_connection(path: str, stream: bool) -> None:
    """What is between us and Ollama stays there, whatever Ollama says."""
    theirs = ["Connection", "Keep-Alive", "Proxy-Authenticate", "TE", "Trailers"]
    theirs += ["Transfer-Encoding", "Upgrade", "Proxy-Connection", "Set-Cookie"]
    headers = [*NDJSON, *[(name, "x") for name in theirs]]
    app = stacked(FakeUpstream(HI, CHAT, headers=headers), validator)
    start = served(app, asking(path, stream), 100)
    assert start.status == 200
    assert [name for name in start.headers if is_hop_by_hop(name)] == []
    assert not {name.lower() for name in theirs} & set(start.headers)


@pytest.mark.parametrize("sent", [False, True], ids=["before", "after"])
def test_p2_a_second_head(sent: bool) -> None:
    """A head may be replaced until it has left, and then never again."""

    def app(environ: Any, start_response: Any) -> Any:
        text = [("Content-Type", "text/plain")]
        start_response("200 OK", text)
        if sent:
            yield b"x"
        try:
            raise ZeroDivisionError
        except ZeroDivisionError as exc:
            start_response("500 Oops", text, (type(exc), exc, exc.__traceback__))
        yield b"y"

    start = Started()
    body = validator(ErrorMiddleware(app))(environ_of(), start)
    if sent:
        assert next(body) == b"x"  # type: ignore[call-overload]
        with pytest.raises(ConnectionResetError):
            next(body)  # type: ignore[call-overload]
    else:
        assert next(body) == b"y"  # type: ignore[call-overload]
    body.close()  # type: ignore[attr-defined]
    assert start.status == (200 if sent else 500)


def silent(peer: Peer, told: threading.Event) -> None:
    """Take the request and say nothing."""
    peer.request()
    told.set()


def halting(peer: Peer, told: threading.Event) -> None:
    """Begin an answer and say nothing more."""
    peer.request()
    peer.send(HEAD + chunk(HI))
    told.set()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", chat("m", stream=True)),
        ("/v1/chat/completions", chat("m", stream=False)),
        ("/v1/chat/completions", chat("m", stream=True) | {"n": 3}),
        ("/v1/chat/completions", chat("m", stream=False) | {"n": 3}),
        ("/api/chat", chat("m", stream=True)),
    ],
    ids=["stream", "whole", "streams", "wholes", "native"],
)
@pytest.mark.parametrize("behaviour", [silent, halting])
def test_p14_a_killed_greenlet_lets_go_of_ollama(
    path: str, body: dict[str, Any], behaviour: Callable[..., None]
) -> None:
    """When the server kills a request, its calls to Ollama end with it."""
    told = threading.Semaphore(0)
    gone = threading.Semaphore(0)

    def serve(peer: Peer) -> None:
        event = threading.Event()
        behaviour(peer, event)
        told.release()
        assert peer.gone()
        gone.release()

    data = json.dumps(body).encode()
    environ = environ_of("POST", path, data, CONTENT_TYPE="application/json")
    with Faulty(serve) as upstream:
        settings = Settings(upstream_url=upstream.url, access_log=False)
        app = validator(build_stack(settings))
        greenlet = gevent.spawn(served, app, environ, 100)
        for _ in range(body.get("n", 1)):
            assert eventually(lambda: told.acquire(blocking=False))
        greenlet.kill()
        for _ in range(body.get("n", 1)):
            assert gone.acquire(timeout=5)


class Block(bytes):
    """Bytes that are counted as long as somebody holds them."""

    held = 0

    def __new__(cls, data: bytes) -> "Block":
        """One more."""
        cls.held += 1
        return super().__new__(cls, data)

    def __del__(self) -> None:
        type(self).held -= 1


@pytest.mark.parametrize("end", ["error", "broken", "cut"])
def test_r8_u9_a_failure_holds_nothing(end: str) -> None:
    """What was read of a failed answer is free at once, without a collector.

    All but the last block, which whoever might have to end a line remembers.
    """
    upstream = FakeUpstream(headers=NDJSON)
    upstream.blocks = (  # type: ignore[assignment]
        block if isinstance(block, Exception) else Block(block)
        for block in [HI] * 50 + ENDS[end]
    )
    app = stacked(upstream, lambda app: app)
    gc.disable()
    try:
        before = Block.held
        served(app, asking("/v1/chat/completions", stream=False), 100)
        assert Block.held <= before + 1
    finally:
        gc.enable()
