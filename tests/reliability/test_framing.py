"""What is not valid HTTP, or not what it seems, on a raw socket.

One answer for each request at most, and nothing that passes as a body is ever read as a
request: not by gunicorn, which parses, nor by Ollama behind it.
"""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from support.bare import post, said, statuses
from support.server import ROOT, Server
from support.simulator import Simulator
from support.smuggling import CHUNKS, FRAMINGS, PUBLISHED, VALID_HERE

pytestmark = pytest.mark.live

#: Says what is in force to whoever asks, and nothing else of ours changes.
PROBE = """
import json

def when_ready(server):
    values = {name: server.cfg.settings[name].get() for name in %r}
    print("in force: " + json.dumps(values), flush=True)
"""
#: gunicorn's switches that let more through than is safe, and what they have to be.
SWITCHES = {
    "permit_obsolete_folding": False,
    "strip_header_spaces": False,
    "permit_unconventional_http_method": False,
    "permit_unconventional_http_version": False,
    "casefold_http_method": False,
    "header_map": "drop",
    "proxy_protocol": "off",
    "limit_request_line": 4094,
    "limit_request_fields": 100,
    "limit_request_field_size": 8190,
}
#: The least versions (specification: reliability, H2).
FLOORS = {
    "gunicorn": (26, 1),
    "gevent": (24, 10, 1),
    "urllib3": (2, 6, 3),
    "requests": (2, 32, 4),
    "werkzeug": (3, 0, 6),
}

CHAT = json.dumps(
    {"model": "llama3.2", "messages": [{"role": "user", "content": "smuggled"}]}
).encode()
#: What must never be taken for requests: one that Ollama would see, and one of ours.
SMUGGLED = post("/api/chat", f"Content-Length: {len(CHAT)}", body=CHAT) + (
    b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
)
UPLOAD = "/api/create"
PATHS = ["/v1/chat/completions", "/api/chat", UPLOAD, "/v1/nothing", "/health"]


@pytest.fixture(scope="module")
def strict(
    ollama: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """Pannier, which waits 30 s for what does not come, and says what is in force."""
    ours = (ROOT / "gunicorn.conf.py").read_text()
    config: Path = tmp_path_factory.mktemp("config") / "gunicorn.conf.py"
    config.write_text(
        ours.replace("os.path.dirname(os.path.realpath(__file__))", repr(str(ROOT)))
        + PROBE % list(SWITCHES)
    )
    env = {"OLLAMA_URL": ollama.url, "PANNIER_HEADER_TIMEOUT": "30"}
    with Server(env, arguments=["--config", str(config)]) as running:
        yield running


@pytest.fixture
def asked(strict: Server, ollama: Simulator) -> Iterator[Any]:
    """Says something to the server; nothing may reach Ollama but a broken upload."""
    ollama.clear()
    yield lambda *blocks, **more: said(strict.port, *blocks, **more)
    assert {entry["target"] for entry in ollama.log()} <= {UPLOAD}
    assert "smuggled" not in json.dumps(ollama.log())
    good = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert statuses(said(strict.port, good)[0]) == [200]


def refused(answer: bytes, seconds: float) -> int:
    """The status of the only answer, which came at once and closed the connection."""
    (status,) = statuses(answer)
    assert 400 <= status < 500 or status == 501
    assert seconds < 10
    assert b"Traceback" not in answer
    return status


@pytest.mark.parametrize("name", PUBLISHED)
def test_h1_what_gunicorn_calls_invalid(asked: Any, name: str) -> None:
    """Each request that gunicorn's own tests call invalid is refused, once."""
    if name in VALID_HERE:  # what would follow is then a request of its own
        refused(*asked(PUBLISHED[name], end=True))
    else:
        refused(*asked(PUBLISHED[name] + SMUGGLED))


def test_h1_all_that_is_published() -> None:
    """The table is whole."""
    assert len(PUBLISHED) == 74
    assert set(PUBLISHED) >= VALID_HERE


@pytest.mark.parametrize("path", PATHS[:4])
@pytest.mark.parametrize("name", FRAMINGS)
def test_h1_a_length_of_two_meanings(asked: Any, name: str, path: str) -> None:
    """Where two parsers could read two lengths, nothing is read but the head."""
    refused(*asked(post(path, *FRAMINGS[name]) + SMUGGLED))


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", CHUNKS)
def test_h1_b8_broken_chunks(asked: Any, name: str, path: str) -> None:
    """Whether or not anybody reads the body, one answer ends the connection."""
    head = post(path, "Transfer-Encoding: chunked")
    status = refused(*asked(head + CHUNKS[name] + SMUGGLED))
    assert status == {"/v1/nothing": 404, "/health": 405}.get(path, 400)


@pytest.mark.parametrize("version", ["1.0", "0.9", "2.0", "1.10", "11", "1.1 "])
def test_h1_chunks_of_another_version(asked: Any, version: str) -> None:
    """Chunks are HTTP/1.1's; another version with them is refused."""
    whole = post("/api/chat", "Transfer-Encoding: chunked") + b"0\r\n\r\n"
    whole = whole.replace(b"HTTP/1.1", f"HTTP/{version}".encode())
    refused(*asked(whole + SMUGGLED))


@pytest.mark.parametrize("path", ["/v1/nothing", "/health", "/v1/audio/speech"])
@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_h1_p13_a_body_nobody_reads(strict: Server, path: str, framing: str) -> None:
    """It is thrown away: after it comes the next request, not a moment before."""
    if framing == "length":
        first = post(path, f"Content-Length: {len(SMUGGLED)}", body=SMUGGLED)
    else:
        chunk = b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)
        first = post(path, "Transfer-Encoding: chunked", body=chunk)
    last = b"GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer, _ = said(strict.port, first + last)
    refusal, found = statuses(answer)
    assert (refusal, found) == ({"/health": 405}.get(path, refusal), 200)
    assert refusal in (404, 405, 501)


HEALTH = "GET /health HTTP/1.1\r\nHost: localhost\r\n"
#: What is sent, after which nothing more comes, and the answers to it.
UNFINISHED = [
    (b"", []),
    (b"G", []),
    (HEALTH.encode(), []),
    (HEALTH[:-4].encode(), []),
    (f"{HEALTH}\r\n".encode(), [200]),
    (post("/v1/nothing", "Content-Length: 9"), [404]),
    (post("/v1/nothing", "Transfer-Encoding: chunked"), [404]),
    (post("/v1/nothing", "Transfer-Encoding: chunked", body=b"5\r\nab"), [404]),
]


def test_p3_p13_what_does_not_come(simulator: Simulator) -> None:
    """Half a head, an idle connection, an unread body: each has the time of a head."""
    env = {"OLLAMA_URL": simulator.url, "PANNIER_HEADER_TIMEOUT": "1"}
    with Server(env) as server, ThreadPoolExecutor(len(UNFINISHED)) as threads:
        starts = [start for start, _ in UNFINISHED]
        found = list(threads.map(lambda start: said(server.port, start), starts))
    assert [statuses(answer) for answer, _ in found] == [want for _, want in UNFINISHED]
    assert all(0.9 < seconds < 5 for _, seconds in found)


def test_p3_never_for_ever() -> None:
    """No setting can take the limit on heads away: zero would (specification, P3)."""
    command = {"PANNIER_HEADER_TIMEOUT": "0"}
    with pytest.raises(RuntimeError, match="PANNIER_HEADER_TIMEOUT"), Server(command):
        pass


LINE = len("GET /?q= HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"GET /version?q={'a' * (4094 - LINE - 7)} HTTP/1.1\r\nA: b\r\n", 200),
        (f"GET /version?q={'a' * 4094} HTTP/1.1\r\nA: b\r\n", 414),
        ("GET /version HTTP/1.1\r\n" + "A: b\r\n" * 98, 200),
        ("GET /version HTTP/1.1\r\n" + "A: b\r\n" * 99, 431),
        ("GET /version HTTP/1.1\r\nA: " + "b" * 8100 + "\r\n", 200),
        ("GET /version HTTP/1.1\r\nA: " + "b" * 8190 + "\r\n", 431),
        ("GET /version HTTP/1.1\r\n" + "b" * 8192 + ": b\r\n", 431),
        ("GET /version HTTP/1.1\r\n" + f"A: {'b' * 8000}\r\n" * 90, 200),
    ],
    ids=["line", "long line", "100", "101", "field", "long field", "name", "large"],
)
def test_h3_p12_limits_of_a_head(strict: Server, head: str, status: int) -> None:
    """A line of 4,094 bytes and 100 fields of 8,190 pass; more ends the connection.

    gunicorn answers that itself, in HTML, since no application has seen a request.
    """
    whole = f"{head}Connection: close\r\nHost: localhost\r\n\r\n"
    if status != 200:
        whole = whole.replace("Connection: close", "Connection: keep-alive")
    answer, seconds = said(strict.port, whole.encode())
    assert statuses(answer) == [status]
    assert seconds < 10
    if status != 200:
        assert b"text/html" in answer
        assert len(answer) < 1024


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"post /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nExpect: tea\r\n\r\n", 417),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    ],
    ids=["nonsense", "lower case", "expectation", "tls"],
)
def test_p12_what_the_server_answers(asked: Any, request_: bytes, status: int) -> None:
    """What is no request gets a bare answer of the server's, which tells nothing."""
    answer, seconds = asked(request_ + SMUGGLED)
    assert refused(answer, seconds) == status
    assert not re.search(rb"pannier|python|File \"|\.py", answer, re.IGNORECASE)


def test_h2_versions() -> None:
    """What is installed, and the least that may be, has the fixes for what is known."""
    setup = (ROOT / "setup.cfg").read_text()
    for name, floor in FLOORS.items():
        installed = tuple(int(n) for n in version(name).split(".")[:3])
        assert installed >= floor, name
        least = re.search(rf"^    {name}\S* >=([0-9.]+)", setup, re.MULTILINE)
        assert least, name
        assert tuple(int(n) for n in least[1].split(".")) >= floor, name


def test_h2_h3_no_permissive_switch(strict: Server) -> None:
    """gunicorn lets nothing through that it refuses by default; its limits stand."""
    found = re.search("^in force: (.*)$", strict.output(), re.MULTILINE)
    assert found
    assert json.loads(found[1]) == SWITCHES
