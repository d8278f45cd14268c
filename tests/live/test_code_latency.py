"""Completions of code in time.

Stale ones, those whose client leaves, memory, limits, reading ahead.
"""

import http.client
import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest
from support.coding import BEGINS, SILENT, serving
from support.faulty import PATIENCE
from support.leaving import ask, connect, eventually, fin, fresh, half, request, until
from support.raw import Got
from support.raw import ask as ask_whole
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

#: Seconds within which equal requests are alternatives.
BURST = 0.1
#: Seconds within which Ollama is rid of what nobody wants any more.
SOON = 0.1


class Form(NamedTuple):
    """One way to ask for code: ``body`` makes a request for a prefix."""

    path: str
    body: Callable[..., dict[str, Any]]
    native: bool = False

    def request(self, prefix: str, **more: Any) -> tuple[str, dict[str, Any]]:
        """Path and body."""
        return self.path, self.body(prefix, **more)


def generate(prefix: str, **more: Any) -> dict[str, Any]:
    """Ollama's request; for the seed's form it names no model."""
    return {"prompt": f"{prefix} <SUF> end <MID>", **more}


def openai(prefix: str, **more: Any) -> dict[str, Any]:
    """OpenAI's, and Mistral's."""
    return {"prompt": prefix, "suffix": "end", "model": "default", **more}


def tabby(prefix: str, **more: Any) -> dict[str, Any]:
    """Tabby's."""
    return {"segments": {"prefix": prefix, "suffix": "end"}, **more}


def infill(prefix: str, **more: Any) -> dict[str, Any]:
    """llama.cpp's."""
    given = {"input_prefix": "x = 1\n", "input_suffix": "end", "prompt": prefix}
    return {**given, "n_predict": 16, **more}


def completion(prefix: str, **more: Any) -> dict[str, Any]:
    """llama.cpp's other one."""
    return {"prompt": prefix, "n_predict": 16, **more}


FORMS = {
    "generate": Form("/api/generate", generate, native=True),
    "code": Form("/code/generate", generate, native=True),
    "completions": Form("/v1/completions", openai),
    "fim": Form("/v1/fim/completions", openai),
    "tabby": Form("/v1/completions", tabby),
    "infill": Form("/infill", infill),
    "completion": Form("/completion", completion),
}
FEW = ("generate", "completions", "infill")


@pytest.fixture(scope="module")
def quick(ollama: Simulator) -> Iterator[Server]:
    """Pannier before a model that answers."""
    with serving(ollama, "sim-chunks3") as server:
        yield server


class Editor:
    """One editor's connections; all are closed in the end, and Ollama rid of them."""

    def __init__(self, server: Server, ollama: Simulator, *head: str) -> None:
        self.server, self.ollama, self.head = server, ollama, head
        self.sockets: dict[str, socket.socket] = {}

    def __enter__(self) -> "Editor":
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self.sockets.values():
            sock.close()
        eventually(lambda: "open" not in [self.outcome(one) for one in self.sockets])

    def ask(self, form: Form, *, source: str = "", **more: Any) -> str:
        """Ask, and wait until Ollama has the call; gives the prefix that tells it."""
        prefix = self.send(form, source=source, **more)
        self.call(prefix)
        return prefix

    def send(self, form: Form, *, source: str = "", **more: Any) -> str:
        """Ask, and wait for nothing."""
        prefix = fresh("pre") + "/"  # none is the beginning of another
        path, body = form.request(prefix, **more)
        sock = socket.create_connection(
            ("127.0.0.1", self.server.port), PATIENCE, (source, 0) if source else None
        )
        self.sockets[prefix] = sock
        sock.sendall(request("POST", path, fresh("code"), body, *self.head))
        return prefix

    def call(self, prefix: str) -> dict[str, Any]:
        """The call that Ollama got for a prefix."""
        return self.ollama.wait(PATIENCE, body=prefix)

    def outcome(self, prefix: str) -> str:
        """What became of a call, if there was one: some are stale before that."""
        log = self.ollama.log()
        return "".join(one["outcome"] for one in log if prefix in one["body"])

    def answer(self, prefix: str) -> Got:
        """The whole answer."""
        response = http.client.HTTPResponse(self.sockets[prefix], method="POST")
        response.begin()
        lines = [(name.lower(), value) for name, value in response.getheaders()]
        return Got(response.status, lines, response.read())

    def readable(self, prefix: str) -> bool:
        """Whether something of the answer is there."""
        return bool(select.select([self.sockets[prefix]], [], [], 0)[0])

    def ended(self, prefix: str) -> bool:
        """Whether Ollama is rid of the call because nobody wants it any more."""
        return bool(self.call(prefix)["outcome"] == "client-left")


@pytest.fixture
def editor(silent: Server, ollama: Simulator) -> Iterator[Editor]:
    """An editor that waits for a silent model."""
    with Editor(silent, ollama) as one:
        yield one


# ------------------------------------------------------------- stale requests


def assert_superseded(got: Got, form: Form) -> None:
    """The answer says in the dialect of its route that there is a newer request."""
    assert got.status == 499
    assert got.header("x-should-retry") == "false"
    body = json.loads(got.body)
    error = body["error"] if form.native else body["error"]["message"]
    assert "PANNIER_CODE_SUPERSEDE" in error
    if form.native:
        assert list(body) == ["error"]
    else:
        assert got.code == "request_superseded"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_keystrokes(editor: Editor, ollama: Simulator, name: str, stream: bool) -> None:
    """Of twenty requests as somebody types one runs, and each of the others is told."""
    form = FORMS[name]
    prefixes = [editor.ask(form, stream=stream) for _ in range(20)]
    for prefix in prefixes[:-1]:
        assert_superseded(editor.answer(prefix), form)
        eventually(lambda prefix=prefix: editor.ended(prefix))
    assert editor.call(prefixes[-1])["outcome"] == "open"
    assert ollama.open() == 1


def test_keystrokes_at_once(editor: Editor, ollama: Simulator) -> None:
    """Twenty different requests at once leave one that runs."""
    prefixes = [editor.send(FORMS["generate"]) for _ in range(20)]
    ended = eventually(
        lambda: _all([one for one in prefixes if editor.readable(one)], 19)
    )
    for prefix in ended:
        assert_superseded(editor.answer(prefix), FORMS["generate"])
    (left,) = set(prefixes) - set(ended)
    eventually(lambda: editor.outcome(left) == "open" and ollama.open() == 1)


def _all(found: list[str], count: int) -> list[str]:
    """What was found, once it is so many."""
    assert len(found) <= count
    return found if len(found) == count else []


@pytest.mark.parametrize("stream", [False, True])
def test_choices_are_one(silent: Server, ollama: Simulator, stream: bool) -> None:
    """All choices of a stale request end together, and those of one are no rivals."""
    form = FORMS["completions"]
    with Editor(silent, ollama) as editor:
        first = editor.ask(form, n=3, stream=stream)
        eventually(lambda: editor.outcome(first) == "open" * 3)
        editor.ask(form)
        assert_superseded(editor.answer(first), form)
        eventually(lambda: editor.outcome(first) == "client-left" * 3)


def test_another_form_is_the_same_editor(editor: Editor) -> None:
    """What an editor asks in another form takes the place of what it asked before."""
    first = editor.ask(FORMS["generate"])
    editor.ask(FORMS["fim"])
    assert_superseded(editor.answer(first), FORMS["generate"])


@pytest.mark.parametrize("name", ["completions", "fim", "infill", "completion"])
def test_after_a_heartbeat(ollama: Simulator, name: str) -> None:
    """A stream that has only said that it lives is stale as well; its event says so."""
    env = {"PANNIER_HEARTBEAT": "0.2"}
    with serving(ollama, SILENT, **env) as server, Editor(server, ollama) as editor:
        first = editor.ask(FORMS[name], stream=True)
        until(editor.sockets[first], b": ")
        editor.ask(FORMS[name], stream=True)
        event = until(editor.sockets[first], b"data: ")
        assert b'"code":"request_superseded"' in event
        eventually(lambda: editor.ended(first))


APART: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "program": (("User-Agent: one",), ("User-Agent: other",)),
    "key": (("Authorization: Bearer one",), ("Authorization: Bearer other",)),
    "other key": (("x-api-key: one",), ("x-api-key: other",)),
    "behind a proxy": (("X-Forwarded-For: 10.1.1.1",), ("X-Forwarded-For: 10.1.1.2",)),
    "address": ((), ()),
    "slot": ((), ()),
    "model": ((), ()),
}
#: What the other editor asks with, where its head does not tell.
OTHERS: dict[str, dict[str, Any]] = {
    "address": {"source": "127.0.0.2"},
    "slot": {"id_slot": 1},
    "model": {"model": "fault-stall-head"},
}


@pytest.mark.parametrize("name", APART)
def test_two_editors(silent: Server, ollama: Simulator, name: str) -> None:
    """What tells two editors apart keeps each from ending what the other asked."""
    form, more = FORMS["infill"], OTHERS.get(name, {})
    heads = APART[name]
    with (
        Editor(silent, ollama, *heads[0]) as one,
        Editor(silent, ollama, *heads[1]) as other,
    ):
        mine, theirs = one.ask(form), other.ask(form, **more)
        later = one.ask(form)
        assert_superseded(one.answer(mine), form)
        eventually(lambda: one.ended(mine))
        assert other.call(theirs)["outcome"] == "open"
        other.ask(form, **more)
        assert_superseded(other.answer(theirs), form)
        eventually(lambda: other.ended(theirs))
        assert one.call(later)["outcome"] == "open"


def test_one_that_has_begun(editor: Editor) -> None:
    """What has begun to arrive is left alone."""
    form = FORMS["fim"]
    first = editor.ask(form, model=BEGINS, stream=True)
    until(editor.sockets[first], b"data: ")
    waiting = editor.ask(form, model=BEGINS, stream=True)
    until(editor.sockets[waiting], b"data: ")
    assert editor.call(first)["outcome"] == "open"


def test_alternatives(silent: Server, ollama: Simulator) -> None:
    """Three equal requests at once are alternatives: all run, till another comes."""
    form = FORMS["completions"]
    body = form.body(fresh("pre"), model=SILENT)
    data = request("POST", form.path, fresh("three"), body)
    for _ in range(20):  # a machine that is busy may take longer than a burst lasts
        with ExitStack() as stack:
            three = [stack.enter_context(connect(silent.port)) for _ in range(3)]
            before = ollama.open()
            begun = time.monotonic()
            for sock in three:
                sock.sendall(data)
            eventually(lambda before=before: ollama.open() >= before + 1)
            if not _three(ollama, body["prompt"], begun):
                continue
            with Editor(silent, ollama) as editor:
                editor.ask(form, model=SILENT)
                for sock in three:
                    response = http.client.HTTPResponse(sock)
                    response.begin()
                    assert response.status == 499
            return
    raise AssertionError("no three requests came within a tenth of a second")


def _three(ollama: Simulator, prompt: str, begun: float) -> bool:
    """Whether three calls are there, and came while they were alternatives."""

    def calls() -> list[dict[str, Any]]:
        return [one for one in ollama.log() if prompt in one["body"]][-3:]

    three = eventually(lambda: len(calls()) == 3 and calls())
    spread = max(one["started"] for one in three) - min(one["started"] for one in three)
    if spread > 0.8 * BURST or time.monotonic() - begun > 5:
        return False
    assert [one["outcome"] for one in three] == ["open"] * 3
    return True


def test_alternatives_are_answered(quick: Server, ollama: Simulator) -> None:
    """Three equal requests at once all get their answers, each of its own."""
    form = FORMS["completions"]
    body = form.body(fresh("pre"))
    data = request("POST", form.path, fresh("three"), body)
    while True:  # a machine that is busy may take longer than a burst lasts
        with ExitStack() as stack:
            three = [stack.enter_context(connect(quick.port)) for _ in range(3)]
            begun = time.monotonic()
            for sock in three:
                sock.sendall(data)
            responses = [http.client.HTTPResponse(sock) for sock in three]
            for response in responses:
                response.begin()
            if [response.status for response in responses] == [200] * 3:
                answers = [json.loads(response.read()) for response in responses]
                assert len({answer["id"] for answer in answers}) == 3
                return
            assert time.monotonic() - begun > BURST


def test_switched_off(ollama: Simulator) -> None:
    """With ``PANNIER_CODE_SUPERSEDE=0`` nobody's request is ended by another."""
    env = {"PANNIER_CODE_SUPERSEDE": "0"}
    with serving(ollama, SILENT, **env) as server, Editor(server, ollama) as editor:
        prefixes = [editor.ask(FORMS["generate"]) for _ in range(5)]
        assert [editor.call(p)["outcome"] for p in prefixes] == ["open"] * 5


# ------------------------------------------------------------- those who leave


LEAVING = {
    "before": {"model": SILENT},
    "before, stream": {"model": SILENT, "stream": True},
    "in the head": {"model": "fault-stall-head"},
    "before a token": {"model": "fault-stall-0", "stream": True},
    "after": {"model": BEGINS},
    "after, stream": {"model": BEGINS, "stream": True},
}


@pytest.mark.parametrize("leave", [fin, half])
@pytest.mark.parametrize("way", LEAVING)
@pytest.mark.parametrize("name", ["code", "fim", "infill"])
def test_who_leaves(
    silent: Server, ollama: Simulator, name: str, way: str, leave: Any
) -> None:
    """Ollama is rid of a call a tenth of a second after its client has left."""
    taken = []
    for _ in range(10):
        with Editor(silent, ollama) as editor:
            prefix = editor.ask(FORMS[name], **LEAVING[way])
            if way.startswith("after"):
                eventually(lambda prefix=prefix: editor.call(prefix)["first_line"])
            now = time.time()
            leave(editor.sockets[prefix])
            eventually(lambda prefix=prefix: editor.ended(prefix))
            taken.append(editor.call(prefix)["closed"] - now)
    # A machine that is busy may be late once; a tick would be late more often.
    assert sorted(taken)[7] < SOON, taken


# ------------------------------------------------------------------- memory


def text_of(name: str, got: Got) -> str:
    """What was filled in."""
    assert got.status == 200, got
    body = json.loads(got.body)
    if "choices" in body:
        choice = body["choices"][0]
        return str(choice["text"] if "text" in choice else choice["message"]["content"])
    return str(body.get("response", body.get("content")))


def zero(name: str) -> dict[str, Any]:
    """Temperature 0, as a form says it."""
    return {"options": {"temperature": 0}} if FORMS[name].native else {"temperature": 0}


def calls(ollama: Simulator, prefix: str) -> int:
    """How many calls Ollama got for a prefix."""
    found = [one for one in ollama.log() if prefix in one["body"]]
    assert all("/api/generate" in one["target"] for one in found)
    return len(found)


def whole(server: Server, name: str, prefix: str, **more: Any) -> Got:
    """Ask for a prefix."""
    path, body = FORMS[name].request(prefix, **more)
    return ask_whole(server.port, "POST", path, body)


@pytest.mark.parametrize("name", FORMS)
def test_the_same_again(quick: Server, ollama: Simulator, name: str) -> None:
    """At temperature 0 an equal request is answered from memory, and says so."""
    prefix = fresh("pre") + "/"
    first = whole(quick, name, prefix, **zero(name))
    second = whole(quick, name, prefix, **zero(name))
    assert text_of(name, first) == text_of(name, second) != ""
    assert calls(ollama, prefix) == 1
    assert "cache" not in (first.header("x-pannier-adjusted") or "")
    assert "cache=hit" in (second.header("x-pannier-adjusted") or "")
    whole(quick, name, prefix + "more", **zero(name))
    assert calls(ollama, prefix) == 2


@pytest.mark.parametrize("name", FEW)
def test_warmer_is_asked_again(quick: Server, ollama: Simulator, name: str) -> None:
    """At any other temperature, and where none is said, each request is a call."""
    prefix = fresh("pre") + "/"
    for _ in range(2):
        text_of(name, whole(quick, name, prefix))
    assert calls(ollama, prefix) == 2


def test_streams_are_remembered(quick: Server, ollama: Simulator) -> None:
    """What was streamed is remembered for who wants one piece, and the other way."""
    for order in ([True, False, True], [False, True]):
        prefix = fresh("pre") + "/"
        texts = []
        for stream in order:
            got = whole(quick, "fim", prefix, temperature=0, stream=stream)
            texts.append(streamed(got) if stream else text_of("fim", got))
        assert len(set(texts)) == 1
        assert texts[0]
        assert calls(ollama, prefix) == 1


def streamed(got: Got) -> str:
    """The text of a stream of Mistral's form."""
    assert got.status == 200
    frames = [line[6:] for line in got.body.split(b"\n") if line.startswith(b"data: {")]
    choices = [one for frame in frames for one in json.loads(frame)["choices"]]
    assert got.body.endswith(b"data: [DONE]\n\n")
    return "".join(one["delta"].get("content") or "" for one in choices)


def test_what_was_left_is_not_remembered(silent: Server, ollama: Simulator) -> None:
    """An answer that its client did not wait for is no answer to the next."""
    path, body = FORMS["fim"].request(
        prefix := fresh("pre") + "/", model=BEGINS, temperature=0, stream=True
    )
    for count in (1, 2):
        with ask(silent.port, "POST", path, fresh("left"), body) as sock:
            until(sock, b"data: ")
        eventually(lambda: ollama.wait(body=prefix)["outcome"] == "client-left")
        assert calls(ollama, prefix) == count


def test_expired(ollama: Simulator) -> None:
    """After ``PANNIER_CODE_CACHE`` seconds Ollama is asked again."""
    with serving(ollama, "sim-chunks3", PANNIER_CODE_CACHE="0.5") as server:
        prefix = fresh("pre") + "/"
        begun = time.monotonic()

        def asked() -> bool:
            whole(server, "fim", prefix, temperature=0)
            return calls(ollama, prefix) == 2

        eventually(asked)
        assert time.monotonic() - begun >= 0.5


def test_no_memory(ollama: Simulator) -> None:
    """With ``PANNIER_CODE_CACHE=0`` nothing is remembered."""
    with serving(ollama, "sim-chunks3", PANNIER_CODE_CACHE="0") as server:
        prefix = fresh("pre") + "/"
        for count in (1, 2):
            got = whole(server, "fim", prefix, temperature=0)
            assert got.header("x-pannier-adjusted") is None
            assert calls(ollama, prefix) == count


# ------------------------------------------------------------------- limits


LIMIT = 0.5


@pytest.fixture(scope="module")
def limited(ollama: Simulator) -> Iterator[Server]:
    """Pannier that waits for a first token for half a second only."""
    env = {
        "PANNIER_CODE_FIRST_TOKEN_TIMEOUT": str(LIMIT),
        "PANNIER_CODE_LOAD_TIMEOUT": "20",
    }
    with serving(ollama, SILENT, **env) as server:
        yield server


def assert_late(got: Got, name: str) -> None:
    """The answer is a 504 in the dialect of its route."""
    assert got.status == 504
    body = json.loads(got.body)
    if FORMS[name].native:
        assert list(body) == ["error"]
        assert "begin" in body["error"]
    else:
        assert got.code == "upstream_timeout"


@pytest.mark.parametrize("model", [SILENT, "fault-stall-head", "fault-stall-0"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", FEW)
def test_no_first_token(
    limited: Server, ollama: Simulator, name: str, stream: bool, model: str
) -> None:
    """A loaded model that does not begin is given up, and rid of the call."""
    prefix = fresh("pre") + "/"
    begun = time.monotonic()
    name_it = {} if model == SILENT else {"model": model}
    got = whole(limited, name, prefix, stream=stream, **name_it)
    assert time.monotonic() - begun >= LIMIT
    assert_late(got, name)
    eventually(lambda: ollama.wait(body=prefix)["outcome"] == "client-left")


@pytest.mark.parametrize("stream", [False, True])
def test_slow_but_begun(limited: Server, stream: bool) -> None:
    """The limit is for the first token alone."""
    model = "sim-chunks20-tps10"
    begun = time.monotonic()
    got = whole(limited, "fim", fresh("pre"), model=model, stream=stream)
    assert (streamed(got) if stream else text_of("fim", got)) != ""
    assert time.monotonic() - begun > 2 * LIMIT


def loading(ollama: Simulator, seconds: float) -> str:
    """A model that takes so long to load, and is in no memory yet."""
    name = fresh("loading")
    status, _ = ollama.ask(
        "POST", "/api/copy", {"source": f"sim-load{seconds}", "destination": name}
    )
    assert status == 200
    return name


def test_loaded_just_before(ollama: Simulator) -> None:
    """A model has its time for the first token from when it is loaded."""
    env = {"PANNIER_CODE_FIRST_TOKEN_TIMEOUT": "2", "PANNIER_CODE_LOAD_TIMEOUT": "20"}
    source = {"source": "sim-load1.7-tps1", "destination": fresh("loading")}
    with serving(ollama, SILENT, **env) as server:
        assert ollama.ask("POST", "/api/copy", source)[0] == 200
        got = whole(server, "fim", fresh("pre"), model=source["destination"])
        assert text_of("fim", got) != ""


@pytest.mark.parametrize(
    ("name", "stream"), [("code", True), ("fim", False), ("infill", False)]
)
def test_while_it_loads(
    limited: Server, ollama: Simulator, name: str, stream: bool
) -> None:
    """A model that is still being loaded is waited for, and then has to be in time."""
    model = loading(ollama, 4)
    got = whole(limited, name, fresh("pre"), model=model, stream=stream)
    assert got.status == 200
    assert b'"error"' not in got.body
    # In memory now, it takes as long; what Ollama said of that is looked at again.
    assert_late(whole(limited, name, fresh("pre"), model=model, stream=stream), name)


def test_loads_for_too_long(ollama: Simulator) -> None:
    """Loading has a limit, too."""
    env = {
        "PANNIER_CODE_FIRST_TOKEN_TIMEOUT": "0.3",
        "PANNIER_CODE_LOAD_TIMEOUT": "1.5",
    }
    with serving(ollama, SILENT, **env) as server:
        begun = time.monotonic()
        got = whole(server, "fim", fresh("pre"), model=loading(ollama, 60))
        assert time.monotonic() - begun >= 1.5
        assert_late(got, "fim")


def test_from_the_first_token(ollama: Simulator) -> None:
    """A text that does not end is cut where its time is over, and is no failure."""
    with serving(ollama, "sim-chunks999-tps20", PANNIER_CODE_TIMEOUT="1") as server:
        prefix = fresh("pre") + "/"
        begun = time.monotonic()
        got = whole(server, "fim", prefix, max_tokens=999)
        assert time.monotonic() - begun >= 1
        assert text_of("fim", got)
        eventually(lambda: ollama.wait(body=prefix)["outcome"] == "client-left")


# -------------------------------------------------------------- reading ahead


def test_ends_with_its_worker(ollama: Simulator) -> None:
    """Nobody waits for what is read ahead when the server stops."""
    with serving(ollama, SILENT) as server:
        prefix = fresh("pre") + "/"
        warm(server, prefix)
        eventually(lambda: len(ahead(ollama, prefix)) == 1)
        begun = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - begun < PATIENCE
        eventually(lambda: ahead(ollama, prefix)[0]["outcome"] == "client-left")


def ahead(ollama: Simulator, prefix: str) -> list[dict[str, Any]]:
    """The calls that read a prefix ahead."""
    found = [one for one in ollama.log() if prefix in one["body"]]
    return [
        one for one in found if json.loads(one["body"])["options"]["num_predict"] == 1
    ]


def warm(server: Server, prefix: str, *head: tuple[str, str], **more: Any) -> None:
    """Have a prefix read ahead, as llama.vim does; the answer is there at once."""
    body = infill(prefix, **{"n_predict": 0, "samplers": [], "response_fields": [""]})
    got = ask_whole(server.port, "POST", "/infill", body | more, list(head))
    assert got.status == 200
    assert json.loads(got.body) == {}


def test_reading_ahead(quick: Server, ollama: Simulator) -> None:
    """A request for nothing is answered at once; one call for one token is made."""
    prefix = fresh("pre") + "/"
    warm(quick, prefix)
    eventually(
        lambda: [one["outcome"] for one in ahead(ollama, prefix)] == ["answered"]
    )
    warm(quick, prefix, temperature=0)  # and that is no completion to remember
    eventually(lambda: len(ahead(ollama, prefix)) == 2)
    got = whole(quick, "infill", prefix, temperature=0, n_predict=1)
    assert text_of("infill", got) != ""
    assert len(ahead(ollama, prefix)) == 3


def test_one_reads_ahead(silent: Server, ollama: Simulator) -> None:
    """One is read ahead at a time, and for nobody's sake while others are answered."""
    me, other = ("User-Agent", fresh("me")), ("User-Agent", fresh("other"))
    first, second, third = (fresh("pre") + "/" for _ in range(3))
    warm(silent, first, me)
    eventually(lambda: len(ahead(ollama, first)) == 1)
    warm(silent, second, other)
    with Editor(silent, ollama, ": ".join(other)) as editor:
        asked = editor.ask(FORMS["infill"])
        eventually(lambda: ahead(ollama, first)[0]["outcome"] == "client-left")
        warm(silent, third, me)
        assert ahead(ollama, second) == ahead(ollama, third) == []
        assert editor.call(asked)["outcome"] == "open"


def test_refused_ahead(silent: Server, ollama: Simulator) -> None:
    """What Ollama refuses to read ahead is a line in the log, and nobody's failure."""
    warm(silent, fresh("pre"), model="fault-busy")
    eventually(lambda: "a job in the background failed" in silent.output())
    assert "Traceback" not in silent.output()
