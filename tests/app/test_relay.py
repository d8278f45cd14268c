import io
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import gevent
import pytest
from support.faulty import PATIENCE, Faulty, Peer
from support.ollama import NDJSON, FakeUpstream, Started, environ_of
from werkzeug.middleware.lint import LintMiddleware

from app.body import OwnBody
from app.errors import (
    BadRequest,
    GatewayError,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.exchange import KEY, Exchange
from app.relay import AGENT, Relay
from app.settings import Settings
from app.upstream import Upstream

SETTINGS = Settings(
    connect_timeout=1, first_byte_timeout=2, idle_timeout=3, total_timeout=4
)


def relay(upstream: FakeUpstream, **settings: Any) -> Relay:
    """A relay to a fake upstream."""
    return Relay(upstream, Settings(**settings))  # type: ignore[arg-type]


def relayed(
    upstream: FakeUpstream, *request: Any, **environ: Any
) -> tuple[Started, bytes]:
    """The head and the body that come back."""
    start = Started()
    app: Any = relay(upstream)
    # The linter knows neither HEAD nor an answer without a length.
    if request[0] != "HEAD" and upstream.status != 204:
        app = LintMiddleware(app)
    body: Any = app(environ_of(*request, **environ), start)
    try:
        return start, b"".join(body)
    finally:
        body.close()


def refused(upstream: FakeUpstream, *request: Any, **environ: Any) -> GatewayError:
    """Why a request is not relayed, or its answer not."""
    with pytest.raises(GatewayError) as caught:
        relay(upstream)(environ_of(*request, **environ), Started())
    return caught.value


def test_bytes_go_through() -> None:
    """Body, method, status and answer are relayed as they are."""
    upstream = FakeUpstream(b'{"a" : 1}', b"\xff\x00", status=404)
    start, body = relayed(upstream, "POST", "/api/chat", b'{"Model": "m", \xff}')
    assert (start.calls[0][0], body) == ("404 Not Found", b'{"a" : 1}\xff\x00')
    (request,) = upstream.requests
    assert (request.method, request.target) == ("POST", "/api/chat")
    assert request.body == b'{"Model": "m", \xff}'


def test_what_was_sent_is_not_kept() -> None:
    """An answer may last for hours, and has let go of the call that it answers."""
    upstream = FakeUpstream(b"{}\n", b"{}\n", headers=NDJSON)
    environ = environ_of("POST", "/api/chat")
    environ["CONTENT_LENGTH"] = "1000"
    environ["wsgi.input"] = OwnBody(bytes(1000))
    Exchange.of(environ).stream = True
    body: Any = relay(upstream)(environ, Started())
    assert next(iter(body)) == b"{}\n"
    sent = upstream.requests.pop().body
    assert (len(sent), sys.getrefcount(sent)) == (1000, 2)  # here and in that call
    body.close()


def test_nothing_of_the_client_goes_on() -> None:
    """Of its headers only Accept and Content-Type reach Ollama."""
    client = {
        "HTTP_AUTHORIZATION": "Bearer secret",
        "HTTP_X_API_KEY": "secret",
        "HTTP_COOKIE": "a=secret",
        "HTTP_ORIGIN": "http://secret",
        "HTTP_REFERER": "http://secret",
        "HTTP_HOST": "secret",
        "HTTP_X_FORWARDED_FOR": "secret",
        "HTTP_X_FORWARDED_HOST": "secret",
        "HTTP_FORWARDED": "for=secret",
        "HTTP_X_REAL_IP": "secret",
        "HTTP_TE": "trailers, secret",
        "HTTP_UPGRADE": "secret",
        "HTTP_CONNECTION": "secret",
        "HTTP_KEEP_ALIVE": "secret",
        "HTTP_EXPECT": "secret",
        "HTTP_PROXY_AUTHORIZATION": "secret",
        "HTTP_ACCEPT_ENCODING": "gzip, secret",
        "HTTP_USER_AGENT": "secret",
        "HTTP_X_ANYTHING": "secret",
        "HTTP_ACCEPT": "application/x-ndjson",
        "CONTENT_TYPE": "application/json; charset=x",
    }
    upstream = FakeUpstream()
    exchange = Exchange(id="my-id")
    relayed(upstream, "POST", "/api/chat", b"{}", **client, **{KEY: exchange})
    headers = upstream.requests[0].headers
    assert headers == [
        ("User-Agent", AGENT),
        ("X-Request-Id", "my-id"),
        ("Accept", "application/x-ndjson"),
        ("Content-Type", "application/json; charset=x"),
    ]


def test_show_hears_the_user_agent() -> None:
    """Ollama answers some editors differently there, and only there."""
    for path, agent in (("/api/show", "Editor/1"), ("/api/chat", AGENT)):
        upstream = FakeUpstream()
        relayed(upstream, "POST", path, b"{}", HTTP_USER_AGENT="Editor/1")
        assert ("User-Agent", agent) in upstream.requests[0].headers


def test_what_comes_back_is_refused() -> None:
    """A request that Pannier itself has sent goes round no further; another's does."""
    for agent, sent in ((AGENT, 0), ("pannier (another)", 1)):
        upstream = FakeUpstream()
        with (
            nullcontext() if sent else pytest.raises(UpstreamUnreachable, match="back")
        ):
            relayed(upstream, "POST", "/api/chat", b"{}", HTTP_USER_AGENT=agent)
        assert len(upstream.requests) == sent


def test_which_headers_come_back() -> None:
    """Type, length, encoding and a sound Retry-After; nothing else."""
    headers = [
        ("content-type", "text/plain"),
        ("Content-Encoding", "zstd"),
        ("Content-Length", "2"),
        ("Retry-After", "17"),
        ("Set-Cookie", "a=b"),
        ("Server", "x"),
        ("Location", "http://x"),
        ("Connection", "close"),
        ("Transfer-Encoding", "chunked"),
        ("Date", "now"),
        ("Access-Control-Allow-Origin", "*"),
        ("X-Other", "y"),
    ]
    start, _ = relayed(FakeUpstream(b"ok", headers=headers), "GET", "/api/tags")
    assert start.headers == {
        "content-type": "text/plain",
        "content-encoding": "zstd",
        "content-length": "2",
        "retry-after": "17",
    }


@pytest.mark.parametrize(
    "value", ["", "-1", "1.5", "123456", "soon", "1\r\nX: y", "\u0661"]
)
def test_an_odd_retry_after_stays(value: str) -> None:
    """Only 1 to 5 digits pass."""
    upstream = FakeUpstream(b"x", status=503, headers=[("Retry-After", value)])
    start, _ = relayed(upstream, "GET", "/api/tags")
    assert start.headers == {}


@pytest.mark.parametrize(
    "target",
    [
        "/api/tags",
        "/api/tags?a=1&b=%20x",
        "/api/blobs/sha256:0123abc",
        "/api/x/y-z_~.a",
        "/api/a!$&'()*+,=:@b",
        "/api/%C3%A9",
        "/api/tags?",
        "/api/tags?a?b",
        "/api/..a/b..",
        "/api/%21%40",
    ],
)
@pytest.mark.parametrize("name", ["RAW_URI", "REQUEST_URI"])
def test_the_target_is_as_sent(target: str, name: str) -> None:
    """Path and query go on byte for byte, whichever name the server gives them."""
    upstream = FakeUpstream()
    environ = environ_of("GET", "/api/tags")
    for other in ("RAW_URI", "REQUEST_URI"):
        environ.pop(other, None)
    relay(upstream)(environ | {name: target}, Started())
    assert upstream.requests[0].target == target


@pytest.mark.parametrize(
    "target",
    [
        "//api/tags",
        "/api//tags",
        "/api/./tags",
        "/api/../api/tags",
        "/api/..",
        "/api/.",
        "/api/tags/",
        "/api/%74ags",
        "/api/%2e%2e/tags",
        "/api%2Ftags",
        "/api/%5Ctags",
        "/api\\tags",
        "/api/tags;x",
        "/api/tags#x",
        "/api/ta gs",
        "/api/%20",
        "/api/%00",
        "/api/%0A",
        "/api/%",
        "/api/%zz",
        "/api/%2",
        "/api/t\x00",
        "/api/t\n",
        "/api/\xe9",
        "/api/%25%2e",
        "/api/{x}",
        "",
    ],
    ids=ascii,
)
def test_tricks_with_spelling(target: str) -> None:
    """A path that is not spelled the one right way is a 404, and nothing is sent."""
    upstream = FakeUpstream()
    environ = {"RAW_URI": target, "REQUEST_URI": target}
    if target == "":
        environ = {"RAW_URI": "//"}
    error = refused(upstream, "GET", "/api/tags", **environ)
    assert (error.status, error.code) == (404, "unknown_url")
    assert upstream.requests == []


def test_absolute_form_selects_no_host() -> None:
    """Of an absolute target only its path counts."""
    upstream = FakeUpstream()
    relayed(upstream, "GET", "/api/tags", RAW_URI="http://evil:1/api/tags?x=1")
    assert upstream.requests[0].target == "/api/tags?x=1"


def test_a_mount_point_is_taken_off() -> None:
    """SCRIPT_NAME is ours, not Ollama's."""
    upstream = FakeUpstream()
    environ = {"SCRIPT_NAME": "/ollama", "RAW_URI": "/ollama/api/tags?x"}
    relayed(upstream, "GET", "/api/tags", **environ)
    assert upstream.requests[0].target == "/api/tags?x"


@pytest.mark.parametrize(
    ("path", "query", "target"),
    [
        ("/api/tags", "", "/api/tags"),
        ("/api/tags", "a=1", "/api/tags?a=1"),
        ("/api/\xc3\xa9", "", "/api/%C3%A9"),
        ("/api/blobs/sha256:1", "", "/api/blobs/sha256:1"),
    ],
)
def test_without_the_request_line(path: str, query: str, target: str) -> None:
    """A server that keeps the request line to itself is served as well."""
    upstream = FakeUpstream()
    environ = environ_of("GET", "/") | {"PATH_INFO": path, "QUERY_STRING": query}
    for name in ("RAW_URI", "REQUEST_URI"):
        environ.pop(name, None)
    relay(upstream)(environ, Started())
    assert upstream.requests[0].target == target


@pytest.mark.parametrize("path", ["/api/a b", "/api/a/../b", "/api//b", "/api/a;b"])
def test_tricks_without_the_request_line(path: str) -> None:
    """What was decoded already is held to the same rule."""
    upstream = FakeUpstream()
    environ = environ_of("GET", "/") | {"PATH_INFO": path}
    for name in ("RAW_URI", "REQUEST_URI"):
        environ.pop(name, None)
    with pytest.raises(BadRequest):
        relay(upstream)(environ, Started())
    assert upstream.requests == []


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """Nor passed on: a redirect is a 502, its answer closed."""
    upstream = FakeUpstream(status=status, headers=[("Location", "http://evil")])
    error = refused(upstream, "GET", "/api/tags")
    assert (error.status, error.code) == (502, "bad_upstream_response")
    assert "evil" not in error.message
    assert upstream.responses[0].closed == 1


@pytest.mark.parametrize("status", [200, 204, 304, 400, 404, 405, 499, 500, 503, 599])
def test_any_other_status_passes(status: int) -> None:
    """Ollama's status is the client's, known or not."""
    start, body = relayed(FakeUpstream(b"", status=status, headers=[]), "GET", "/api/x")
    assert (start.status, body) == (status, b"")
    assert len(start.calls[0][0]) > 4


def test_head() -> None:
    """HEAD stays HEAD, and the length of what it would be comes back."""
    upstream = FakeUpstream(b"", headers=[("Content-Length", "5")])
    start, body = relayed(upstream, "HEAD", "/api/tags")
    assert (upstream.requests[0].method, body) == ("HEAD", b"")
    assert start.headers == {"content-length": "5"}


@pytest.mark.parametrize(
    ("path", "retry"),
    [
        ("/api/chat", True),
        ("/api/generate", True),
        ("/api/embed", True),
        ("/api/tags", True),
        ("/api/version", True),
        ("/", True),
        ("/api/copy", False),
        ("/api/delete", False),
        ("/api/pull", False),
        ("/api/create", False),
        ("/api/unknown", False),
    ],
)
def test_what_may_be_tried_again(path: str, retry: bool) -> None:
    """Only calls that change nothing."""
    upstream = FakeUpstream()
    relayed(upstream, "POST", path, b"{}")
    assert upstream.requests[0].retry is retry


@pytest.mark.parametrize(
    ("stream", "path", "limits"),
    [
        (None, "/api/chat", (1, 4, 3, 4)),
        (True, "/api/chat", (1, 2, 3, 4)),
        (False, "/api/chat", (1, None, None, 4)),
        (None, "/api/pull", (1, 3, 3, None)),
        (None, "/api/push", (1, 3, 3, None)),
        (None, "/api/create", (1, 3, 3, None)),
        (None, "/api/blobs/sha256:1", (1, 3, 3, None)),
    ],
)
def test_timeouts(stream: bool | None, path: str, limits: tuple[Any, ...]) -> None:
    """Each kind of call has its limits: connect, first byte, idle, total."""
    upstream = FakeUpstream()
    exchange = Exchange(stream=stream)
    app = Relay(upstream, SETTINGS)  # type: ignore[arg-type]
    app(environ_of("POST", path, b"{}", **{KEY: exchange}), Started())
    timeouts = upstream.requests[0].timeouts
    assert (
        timeouts.connect,
        timeouts.first_byte,
        timeouts.idle,
        timeouts.total,
    ) == limits
    # Between lines they count only where lines are what is answered.
    assert upstream.requests[0].lines is (stream is True)


def test_no_total() -> None:
    """A total of 0 means none."""
    app = Relay(FakeUpstream(), Settings(total_timeout=0))  # type: ignore[arg-type]
    assert app.stream.total is app.whole.total is app.native.total is None


class Upload(io.BytesIO):
    """An upload that notes how it is read."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.reads: list[int] = []

    def read(self, size: int | None = -1) -> bytes:
        """Read, and note it."""
        self.reads.append(size or 0)
        return super().read(size)


UPLOADS = ["/api/blobs/sha256:1", "/api/pull", "/api/push", "/api/create"]


@pytest.mark.parametrize("path", UPLOADS)
def test_uploads_are_streamed(path: str) -> None:
    """They go in pieces, with their length, beyond the limit of a body."""
    upload = Upload(b"x" * 200_000)
    upstream = FakeUpstream()
    environ = {"wsgi.input": upload, "CONTENT_LENGTH": "200000"}
    app = relay(upstream, max_body_bytes=1024)
    app(environ_of("POST", path) | environ, Started())
    (request,) = upstream.requests
    assert (request.length, request.body) == (200_000, b"x" * 200_000)
    assert 0 < max(upload.reads) <= 65536
    assert min(upload.reads) > 0


def test_a_chunked_upload() -> None:
    """Without a length it is streamed just so."""
    environ = {"wsgi.input": Upload(b"abc"), "HTTP_TRANSFER_ENCODING": "chunked"}
    upstream = FakeUpstream()
    relay(upstream)(environ_of("POST", "/api/create") | environ, Started())
    assert (upstream.requests[0].length, upstream.requests[0].body) == (None, b"abc")


def test_an_upload_of_nothing() -> None:
    """HEAD and GET of a blob read no body."""
    upload = Upload(b"not for this request")
    upstream = FakeUpstream()
    environ = environ_of("HEAD", "/api/blobs/sha256:1") | {"wsgi.input": upload}
    environ.pop("CONTENT_LENGTH", None)
    relay(upstream)(environ, Started())
    assert (upstream.requests[0].body, upload.reads) == (b"", [])


def test_other_bodies_have_a_limit() -> None:
    """A native body beyond the limit is a 413 and not sent."""
    upstream = FakeUpstream()
    app = relay(upstream, max_body_bytes=1024)
    with pytest.raises(BadRequest) as caught:
        app(environ_of("POST", "/api/chat", b"x" * 1025), Started())
    assert caught.value.status == 413
    assert upstream.requests == []


@pytest.mark.parametrize("size", [1024, 1025, 5000])
def test_a_chunked_body_has_the_same_limit(size: int) -> None:
    """What goes beyond is a 413, and never cut to what is allowed."""
    environ = {
        "wsgi.input": io.BytesIO(b"x" * size),
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
    }
    upstream = FakeUpstream()
    app = relay(upstream, max_body_bytes=1024)
    if size == 1024:
        app(environ_of("POST", "/api/chat") | environ, Started())
        assert upstream.requests[0].body == b"x" * 1024
        return
    with pytest.raises(BadRequest) as caught:
        app(environ_of("POST", "/api/chat") | environ, Started())
    assert caught.value.status == 413
    assert upstream.requests == []


def test_a_body_that_breaks_off() -> None:
    """A body shorter than it said is the client's fault, and nothing is sent."""
    upstream = FakeUpstream()
    environ = {"CONTENT_LENGTH": "10", "wsgi.input": io.BytesIO(b"abc")}
    error = refused(upstream, "POST", "/api/chat", **environ)
    assert (error.status, error.code) == (400, "invalid_body")
    assert upstream.requests == []


def test_a_body_that_cannot_be_read() -> None:
    """Whatever the server raises while reading is a bad request."""

    class Broken:
        """A body of bad chunks."""

        def read(self, size: int = -1) -> bytes:
            raise RuntimeError("bad chunk at 10.0.0.1")

    environ = {
        "wsgi.input": Broken(),
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
    }
    error = refused(FakeUpstream(), "POST", "/api/chat", **environ)
    assert (error.status, error.code) == (400, "invalid_body")
    assert "10.0.0.1" not in error.message


def test_a_body_that_does_not_come() -> None:
    """A body that is too slow is a 408."""

    class Slow:
        """A body that never comes."""

        def read(self, size: int = -1) -> bytes:
            gevent.sleep(60)
            return b""

    upstream = FakeUpstream()
    app = relay(upstream, body_timeout=0.01)
    environ = {"CONTENT_LENGTH": "5", "wsgi.input": Slow()}
    with pytest.raises(BadRequest) as caught:
        app(environ_of("POST", "/api/chat") | environ, Started())
    assert (caught.value.status, caught.value.code) == (408, "request_timeout")
    assert upstream.requests == []


class Trickle:
    """An upload whose first piece comes, and then what ``rest`` does."""

    def __init__(self, rest: Callable[[], object]) -> None:
        self.rest = rest
        self.begun = False

    def read(self, size: int = -1) -> bytes:
        """One piece, then the rest."""
        if self.begun:
            self.rest()
        self.begun = True
        return b"piece"


def bad_chunk() -> None:
    """As a server's own exception, of whatever type."""
    raise ArithmeticError("bad chunk at 10.0.0.1")


@pytest.mark.parametrize("client", ["builtin", "requests"])
@pytest.mark.parametrize(
    ("rest", "status", "code"),
    [
        (bad_chunk, 400, "invalid_body"),
        (lambda: gevent.sleep(60), 408, "request_timeout"),
    ],
    ids=["bad-chunk", "silent"],
)
def test_an_upload_that_goes_wrong(
    client: Any, rest: Any, status: int, code: str
) -> None:
    """It is the client's fault, and Ollama's connection is closed at once."""
    left = threading.Event()

    def behaviour(peer: Peer) -> None:
        peer.until(b"piece")
        peer.gone()
        left.set()

    environ = {"wsgi.input": Trickle(rest), "HTTP_TRANSFER_ENCODING": "chunked"}
    with Faulty(behaviour) as ollama:
        upstream = Upstream(ollama.url, client=client)
        app = Relay(upstream, Settings(idle_timeout=0.2))
        with pytest.raises(BadRequest) as caught:
            app(environ_of("POST", "/api/create") | environ, Started())
        assert left.wait(PATIENCE)
        upstream.close()
    assert (caught.value.status, caught.value.code) == (status, code)
    assert "10.0.0.1" not in caught.value.message


def test_a_slow_upload_is_not_a_silent_one() -> None:
    """The limit is on every gap, not on the sum of them."""
    pauses = iter([0.05] * 10)

    class Slow:
        """Pieces with pauses."""

        def read(self, size: int = -1) -> bytes:
            for pause in pauses:
                gevent.sleep(pause)
                return b"x"
            return b""

    environ = {"wsgi.input": Slow(), "HTTP_TRANSFER_ENCODING": "chunked"}
    upstream = FakeUpstream()
    app = relay(upstream, idle_timeout=0.3)
    app(environ_of("POST", "/api/create") | environ, Started())
    assert upstream.requests[0].body == b"x" * 10


@pytest.mark.parametrize("path", ["/api/chat", "/api/create"])
def test_a_limit_of_others_is_not_ours(path: str) -> None:
    """Somebody else's timeout that strikes during a read goes up as what it is."""
    theirs = gevent.Timeout()

    class Interrupted:
        """A read during which another limit is reached."""

        def read(self, size: int = -1) -> bytes:
            raise theirs

    environ = {
        "wsgi.input": Interrupted(),
        "wsgi.input_terminated": True,
        "HTTP_TRANSFER_ENCODING": "chunked",
    }
    with pytest.raises(gevent.Timeout) as caught:
        relay(FakeUpstream())(environ_of("POST", path) | environ, Started())
    assert caught.value is theirs


@pytest.mark.parametrize("exc", [ValueError("bad head"), gevent.GreenletExit()])
def test_a_head_that_is_refused(exc: BaseException) -> None:
    """When the server will not begin, Ollama's answer is closed all the same."""

    def refusing(*args: Any) -> Any:
        raise exc

    upstream = FakeUpstream()
    with pytest.raises(type(exc)):
        relay(upstream)(environ_of("GET", "/api/tags"), refusing)
    assert upstream.responses[0].closed == 1


def test_a_length_said_twice() -> None:
    """Two equal lengths of Ollama's reach the client as one."""
    headers = [("Content-Length", "2"), ("content-length", "2")]
    start, body = relayed(FakeUpstream(b"ok", headers=headers), "GET", "/api/tags")
    assert start.calls[0][1] == [("Content-Length", "2")]
    assert body == b"ok"


def test_what_the_upstream_raises_goes_up() -> None:
    """The relay renders nothing."""
    upstream = FakeUpstream(failure=UpstreamTimeout("late"))
    assert refused(upstream, "GET", "/api/tags").code == "upstream_timeout"


def test_a_stream_says_its_failure() -> None:
    """NDJSON passes every line on at once, and an error has a line of its own."""
    upstream = FakeUpstream(b'{"a":', UpstreamBroken("cut"), headers=NDJSON)
    environ = environ_of("POST", "/api/chat", b"{}")
    start = Started()
    body = iter(relay(upstream)(environ, start))
    assert start.headers["x-accel-buffering"] == "no"
    assert next(body) == b'{"a":'
    with pytest.raises(UpstreamBroken) as caught:
        next(body)
    render = Exchange.of(environ).render_failure
    assert render is not None
    assert render(caught.value) == b'\n{"error":"cut"}\n'


def test_another_answer_has_no_words_for_it() -> None:
    """A failure inside JSON cannot be said."""
    environ = environ_of("GET", "/api/tags")
    relay(FakeUpstream())(environ, Started())
    assert Exchange.of(environ).render_failure is None


@pytest.mark.parametrize(("complete", "want"), [(False, (1, 0)), (True, (0, 1))])
@pytest.mark.parametrize("read", [True, False])
def test_letting_go(complete: bool, want: tuple[int, int], read: bool) -> None:
    """An answer is closed once; one that is complete in meaning may be kept."""
    upstream = FakeUpstream(b"a", b"b")
    environ = environ_of("POST", "/api/chat", b"{}")
    body: Any = relay(upstream)(environ, Started())
    if read:
        next(body)
    Exchange.of(environ).complete = complete
    body.close()
    (response,) = upstream.responses
    assert (response.closed, response.released) == want
