"""What one worker tells of its requests, where it is asked, and what is not there."""

import gc
import os
import stat
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import socket
from support.gateway import key
from werkzeug.test import EnvironBuilder

from app.commands import live as command
from app.exchange import Exchange
from app.inflight import Inflight
from app.live import Live, Running, meeting
from app.live.live import _together
from app.live.meeting import LONGEST, Door, ask_all
from app.live.running import MOST, NAME, Report, Seen, Worker
from middleware.access_log import AccessLogMiddleware
from middleware.inflight import WatchMiddleware


class Counted:
    """One answer under a watch."""

    def __init__(
        self,
        all_: Inflight,
        path: str = "/v1/chat/completions",
        method: str = "POST",
        first_item_ms: int | None = None,
        **known: Any,
    ) -> None:
        self.exchange = Exchange(**known)
        self.exchange.watch = self.watch = all_.begin(None)
        self.watch.answer = self
        self._rest = (method, path, "192.0.2.1", 70, first_item_ms)

    def seen(self) -> Seen:
        """How it looks."""
        return Seen(self.exchange, *self._rest)


@pytest.fixture
def all_() -> Iterator[Inflight]:
    """Requests, that end with the test."""
    found = Inflight(60)
    yield found
    for watch in found:
        watch.end()


def told(all_: Inflight) -> list[Running]:
    """What a worker tells."""
    return Worker(all_).report().running


# ----------------------------------------------------------------- a worker


ROUTES = [
    ("POST", "/v1/chat/completions", ("chat", "openai")),
    ("POST", "/completions", ("completions", "openai")),
    ("POST", "/v1/responses", ("responses", "openai")),
    ("POST", "/anthropic/v1/messages", ("messages", "anthropic")),
    ("POST", "/messages", ("messages", "anthropic")),
    ("POST", "/v1/embeddings", ("embeddings", "openai")),
    ("POST", "/v1/audio/transcriptions", ("audio", "openai")),
    ("POST", "/infill", ("code", "llamacpp")),
    ("POST", "/code/generate", ("code", "ollama")),
    ("POST", "/api/chat", ("native", "ollama")),
    ("POST", "/api/pull", ("manage", "ollama")),
    ("GET", "/api/tags", None),
    ("GET", "/v1/models", None),
    ("GET", "/health", None),
    ("GET", "/admin/api/v1/live", None),
    ("POST", "/admin/api/v1/live/x/cancel", None),
    ("POST", "/nowhere", None),
]


@pytest.mark.parametrize(("method", "path", "shown"), ROUTES)
def test_which_are_shown(
    all_: Inflight, method: str, path: str, shown: tuple[str, str] | None
) -> None:
    """Requests to models are shown and can be ended, no others."""
    counted = Counted(all_, path, method)
    found = [(one.endpoint, one.protocol) for one in told(all_)]
    assert found == ([] if shown is None else [shown])
    ended = Worker(all_).cancel(counted.exchange.id).cancelled
    assert ended == len(found)


def test_all_that_is_known(all_: Inflight) -> None:
    """Each field says what its request is; what nobody knows is empty."""
    exchange = Counted(
        all_,
        first_item_ms=500,
        id="r1",
        model="nice",
        resolved="qwen3:8b",
        stream=True,
        key=key("laptop"),
    ).exchange
    exchange.started -= 2.5
    assert exchange.watch is not None
    exchange.watch.items = 20
    (one,) = told(all_)
    assert (one.id, one.key_id, one.key_name) == ("r1", "key_laptop", "laptop")
    assert (one.model, one.resolved, one.stream) == ("nice", "qwen3:8b", True)
    assert (one.state, one.tokens) == ("answering", 20)
    assert one.tokens_per_s == pytest.approx(10, rel=0.05)
    assert 2500 <= one.age_ms < 2600
    assert (one.client, one.bytes_sent, one.pid) == ("192.0.2.1", 70, os.getpid())


@pytest.mark.parametrize(
    ("known", "items", "tokens"),
    [
        ({"stream": True}, 0, None),
        ({"stream": True}, 3, 3),
        ({"stream": False}, 1, None),  # an answer in one piece is no token
        ({"stream": None}, 3, 3),
        ({"stream": False, "completion_tokens": 9}, 1, 9),  # Ollama's own word
    ],
)
def test_tokens(all_: Inflight, known: Any, items: int, tokens: int | None) -> None:
    """Pieces of a stream are counted as tokens, and nothing else is guessed."""
    Counted(all_, **known).watch.items = items
    (one,) = told(all_)
    assert one.tokens == tokens


def test_the_oldest_of_many(all_: Inflight) -> None:
    """A worker tells of few, the oldest first, and how many there are."""
    for number in range(MOST + 50):
        Counted(all_, id=f"r{number}").exchange.started = -number
    report = Worker(all_).report()
    assert report.total == MOST + 50
    ids = [one.id for one in report.running]
    assert ids == [f"r{number}" for number in range(MOST + 49, 49, -1)]


def test_long_names(all_: Inflight) -> None:
    """A client that asks for a name of a megabyte is shown, shortly."""
    Counted(all_, model="x" * 1_000_000)
    (one,) = told(all_)
    assert (len(one.model), len(one.resolved)) == (NAME, NAME)


def test_the_same_id_twice(all_: Inflight) -> None:
    """Clients choose ids: all that have one are ended, and nobody else is."""
    ended: list[str] = []
    for number, id in enumerate(("a", "a", "b")):
        watch = Counted(all_, id=id).watch
        watch.end_with = lambda error, n=number: ended.append((n, error.code))
    assert Worker(all_).cancel("a").cancelled == 2
    assert sorted(ended) == [(0, "request_cancelled"), (1, "request_cancelled")]


def test_nothing_is_held() -> None:
    """A request that is over is freed at once: no circle keeps it for the collector."""
    refs: list[weakref.ref[Any]] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        watch = Exchange.of(environ).watch
        assert watch is not None
        refs.extend((weakref.ref(watch), weakref.ref(environ["a body"])))
        start_response("200 OK", [])
        return environ["a body"]

    class Body(list[bytes]):
        pass

    inflight = Inflight(60)
    outer = WatchMiddleware(AccessLogMiddleware(app, None), inflight)
    gc.collect()
    gc.disable()
    try:
        environ = EnvironBuilder(method="POST").get_environ()
        environ["a body"] = Body([b"x"])
        answer: Any = outer(environ, lambda *_: lambda _: None)
        assert len(list(inflight)) == 1
        assert list(answer) == [b"x"]
        answer.close()
        del answer, environ
        assert [ref() for ref in refs] == [None, None]
    finally:
        gc.enable()


def test_nobody_to_ask() -> None:
    """Without a worker there is nothing to see, and nothing fails."""
    with closing(Live("")) as live:
        overview = live.overview()
    assert (overview.running, overview.workers, overview.note) == ([], 0, "")


# -------------------------------------------------------------- the meeting


def reports(all_: Inflight, state: Path) -> Live:
    """A worker that can be asked."""
    live = Live(str(state))
    live.start(all_)
    return live


def sockets(state: Path) -> list[Path]:
    """What lies where workers meet."""
    return sorted((state / meeting.DIRECTORY).iterdir())


def test_workers_meet(all_: Inflight, tmp_path: Path) -> None:
    """Each sees the requests of all, once, and ends those of others."""
    others = Inflight(60)
    Counted(all_, id="one")
    counted = Counted(others, id="other", started=time.monotonic() - 60)
    ended: list[Any] = []
    counted.watch.end_with = ended.append
    with closing(reports(all_, tmp_path)) as live, closing(reports(others, tmp_path)):
        found = live.overview()
        assert [one.id for one in found.running] == ["other", "one"]  # by age
        assert (found.total, found.workers, found.silent, found.note) == (2, 2, 0, "")
        assert live.cancel("other")[1] == 1
        assert len(ended) == 1
        assert live.cancel("othe")[1] == 0
    counted.watch.end()  # or it would end, a minute later, whatever runs here then
    assert sockets(tmp_path) == []


def test_only_for_its_user(all_: Inflight, tmp_path: Path) -> None:
    """Nobody else can come to the sockets."""
    state = tmp_path / "not" / "there"
    with closing(reports(all_, state)):
        (place,) = sockets(state)
        for path, mode in ((state, 0o700), (place.parent, 0o700), (place, 0o600)):
            assert stat.S_IMODE(path.stat().st_mode) == mode


def _no_directory(state: Path) -> str:
    return ""


def _too_long(state: Path) -> str:
    return str(state / ("x" * LONGEST))


def _a_file(state: Path) -> str:
    (state / "file").write_text("")
    return str(state / "file")


@pytest.mark.parametrize("place", [_no_directory, _too_long, _a_file])
def test_nowhere_to_meet(
    all_: Inflight, tmp_path: Path, place: Callable[[Path], str]
) -> None:
    """Without a place a worker knows of itself alone, and says so."""
    live = Live(place(tmp_path))
    live.start(all_)
    Counted(all_, id="own")
    with closing(live):
        found = live.overview()
        assert [one.id for one in found.running] == ["own"]
        assert found.note.startswith("Other workers of this machine were not asked: ")
        assert live.cancel("own")[1] == 1


def test_who_was_killed(all_: Inflight, tmp_path: Path) -> None:
    """A socket that nobody listens on is removed, and no worker is missed for it."""
    with closing(reports(all_, tmp_path)) as live:
        with closing(socket.socket(socket.AF_UNIX)) as left:
            left.bind(str(tmp_path / meeting.DIRECTORY / "1-dead.sock"))
        assert len(sockets(tmp_path)) == 2
        assert live.overview().silent == 0
        assert len(sockets(tmp_path)) == 1


@pytest.mark.parametrize("answer", [b"", b"x", b"\n", b"[]\n", b"{}\n", b"\xff\n"])
def test_who_talks_nonsense(all_: Inflight, tmp_path: Path, answer: bytes) -> None:
    """Whatever another says, what the others say is there."""
    Counted(all_, id="own")

    def talk() -> None:
        with closing(listener.accept()[0]) as sock:
            sock.recv(100)
            sock.sendall(answer)

    with (
        closing(reports(all_, tmp_path)) as live,
        closing(socket.socket(socket.AF_UNIX)) as listener,
    ):
        listener.bind(str(tmp_path / meeting.DIRECTORY / "odd.sock"))
        listener.listen()
        talking = gevent.spawn(talk)
        assert [one.id for one in live.overview().running] == ["own"]
        talking.get()


@pytest.mark.parametrize(
    "question", [b"\n", b"x\n", b"{}\n", b'{"do":"stop"}\n', b"\xff\n", b"x" * 9000]
)
def test_questions_without_sense(
    all_: Inflight, tmp_path: Path, question: bytes
) -> None:
    """Who is not understood gets an empty line, and the next is answered."""
    with closing(reports(all_, tmp_path)) as live:
        (place,) = sockets(tmp_path)
        with closing(socket.socket(socket.AF_UNIX)) as sock:
            sock.connect(str(place))
            sock.sendall(question)
            sock.settimeout(5)
            assert sock.recv(100) in (b"\n", b"")
        assert live.overview().workers == 1
        assert len(ask_all(str(tmp_path), b'{"do":"report"}', "")[0]) == 1


def test_who_asks_and_says_nothing(tmp_path: Path) -> None:
    """A connection on which nothing comes is closed soon."""
    door = Door(str(tmp_path), "me", lambda question: question)
    assert ask_all(str(tmp_path), b"x", "me") == ([], 0)
    assert ask_all(str(tmp_path), b"x", "") == ([b"x"], 0)
    with closing(door), closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.connect(str(door.path))
        sock.settimeout(5 * meeting.PATIENCE)
        assert sock.recv(1) == b""


@pytest.mark.parametrize("counts", [(0, 1), (1, 0)])
def test_who_is_asked_on_two_ways(counts: tuple[int, int]) -> None:
    """A worker counts once; what it ended the first time, it cannot end again."""
    reports = [Report(worker="a", total=3, cancelled=count) for count in counts]
    overview, cancelled = _together([*reports, Report(worker="b", total=1)], 0, "")
    assert (overview.workers, overview.total, cancelled) == (2, 4, 1)


# -------------------------------------------------------------- the command


def test_no_name_writes_to_the_terminal() -> None:
    """What clients chose has nothing in it that a terminal would obey."""
    shown = dict.fromkeys(("id", "model", "resolved"), "\x1b[2J\u202e" * 30)
    fields = {"key_id": "", "key_name": "", "endpoint": "chat", "protocol": "openai"}
    numbers = {"age_ms": 1, "bytes_sent": 0, "pid": 1}
    one = Running(
        **shown,
        **fields,
        **numbers,
        stream=None,
        state="waiting",
        tokens=None,
        tokens_per_s=None,
        client="",
        host="h",
    )
    row = command._row(one)
    assert all(text.isprintable() and len(text) < 60 for text in row)
    assert len(row) == len(command._HEAD)
