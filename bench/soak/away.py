"""Clients that leave, in every window, and clients that are slow."""

import gevent

from ..load import post
from .checks import events, good, must, refused, said
from .kinds import CHAT, CODE, EMBED, MESSAGE, TEXT, Scene, chat, code, kind
from .wire import Line, line

#: Chats that take long before anything comes, or all the way.
SLOW = "sim-chunks200-tps10"
LOADING = "sim-load15-chunks5"
LONG = "sim-chunks20000-bytes400"


def _leave(scene: Scene, one: Line) -> None:
    """By a proper end or by a reset, as it comes."""
    if scene.luck.random() < 0.5:
        one.reset()
    else:
        one.close()


@kind(weight=4)
def leaves_before_its_body(scene: Scene) -> None:
    """A head, and perhaps a part of the body."""
    data = post(CHAT, chat("x" * 1000))
    one = Line(scene.port)
    one.send(data[: scene.luck.choice([50, 120, 400, len(data) - 1])])
    gevent.sleep(scene.luck.random() * 0.2)
    _leave(scene, one)


@kind(weight=4)
def leaves_while_it_waits(scene: Scene) -> None:
    """No byte of an answer has come yet, streamed or not."""
    body = scene.luck.choice(
        [
            (CHAT, chat("x", LOADING, stream=True)),
            (CHAT, chat("x", LOADING)),
            (CHAT, chat("x", LOADING, n=3)),
            (MESSAGE, chat("x", LOADING, stream=True)),
            (TEXT, {"model": LOADING, "prompt": "x"}),
            (EMBED, {"model": "sim-load15-dims64", "input": "x"}),
            ("/api/chat", chat("x", LOADING)),
            (CODE, code(LOADING)),
        ]
    )
    one = Line(scene.port)
    one.send(post(*body))
    gevent.sleep(scene.luck.random())
    _leave(scene, one)


@kind(weight=4)
def leaves_in_a_stream(scene: Scene) -> None:
    """The first words have come."""
    path = scene.luck.choice([CHAT, MESSAGE, "/api/chat"])
    one = Line(scene.port)
    one.send(post(path, chat("x", SLOW, stream=True)))
    must(one.first() != b"", "no first words")
    _leave(scene, one)


@kind(weight=2)
def half_closes(scene: Scene) -> None:
    """Nothing more to say, and then gone: as good as gone from the start."""
    with line(scene.port) as one:
        one.send(post(CHAT, chat("x", SLOW, stream=True)))
        one.half_close()
        gevent.sleep(0.3)


@kind(weight=0.5, limit=25)
def reads_slowly(scene: Scene) -> None:
    """A long answer, taken in small sips: all of it arrives."""
    with line(scene.port, small=True) as one:
        one.send(post(CHAT, chat("x", "sim-chunks1000-bytes400", stream=True)))
        answer = one.answer(pause=0.02)
        (text,) = said(events(answer)).values()
        must(len(text) >= 400_000, "text is missing")


@kind(weight=0.5, limit=40)
def stops_reading(scene: Scene) -> None:
    """A client that takes no more: it is cut off, or it leaves in the end."""
    with line(scene.port, small=True) as one:
        one.send(post(CHAT, chat("x", LONG, stream=True)))
        one.first()
        gevent.sleep(8)


@kind(weight=2)
def writes_slowly(scene: Scene) -> None:
    """A body in many pieces that is in time."""
    prompt = scene.prompt()
    data = post(CHAT, chat(prompt))
    with line(scene.port) as one:
        for at in range(0, len(data), 20):
            one.send(data[at : at + 20])
            gevent.sleep(0.1)
        text = good(one.answer()).json["choices"][0]["message"]["content"]
        must(text == scene.chats[prompt], "wrong text")


@kind(weight=1)
def writes_too_slowly(scene: Scene) -> None:
    """A body that never ends: 408 after its 3 seconds, and the connection ends."""
    with line(scene.port) as one:
        one.send(post(CHAT, chat("x" * 1000))[:300])
        for _ in range(7):
            gevent.sleep(0.4)
            one.send(b"x")
        refused(one.answer(), 408)
        must(one.ended(), "the connection goes on")


@kind(weight=1)
def idles(scene: Scene) -> None:
    """A connection that says nothing, or half a head: closed after 5 seconds."""
    with line(scene.port) as one:
        one.send(scene.luck.choice([b"", b"POST /v1/chat/comp"]))
        must(one.ended(), "something was said")
