"""The upstream's URL, control calls, TLS, and the carrier under gevent."""

import json
import ssl
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support.carrying import get, within
from support.faulty import OK, Faulty
from support.server import free_port

from app.carriers.base import Origin
from app.carriers.http1 import Http1Carrier
from app.carriers.session import RequestsCarrier
from app.errors import (
    UpstreamBroken,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from app.settings import Settings, SettingsError
from app.upstream import Upstream, whole

NOWHERE = Path("/nowhere/.env")


@pytest.mark.parametrize(
    ("url", "authority", "prefix"),
    [
        ("http://127.0.0.1:11434", "127.0.0.1:11434", ""),
        ("http://Ollama", "ollama", ""),
        ("http://ollama:80/", "ollama", ""),
        ("https://ollama.example", "ollama.example", ""),
        ("https://ollama.example:80/a/b/", "ollama.example:80", "/a/b"),
        ("http://[::1]:11434/x", "[::1]:11434", "/x"),
        ("http://my_host-1.local.", "my_host-1.local.", ""),
    ],
)
def test_origin(url, authority, prefix):
    """A URL gives Host as HTTP wants it, and the path before every target."""
    origin = Origin.parse(url)
    assert (origin.authority, origin.prefix) == (authority, prefix)


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "http://"),
        ("ollama:11434", "http://"),
        ("ftp://ollama", "http://"),
        ("http://", "host"),
        ("http:///api", "host"),
        ("http://a b", "host"),
        ("http://h\u00e4st", "host"),
        ("http://me:secret@ollama", "user name"),
        ("http://ollama:0", "port"),
        ("http://ollama:65536", "port"),
        ("http://ollama:x", "port"),
        ("http://ollama/?a=b", "path"),
        ("http://ollama/#a", "path"),
        ("http://ollama/a b", "path"),
        ("http://[::1", "host"),
    ],
)
def test_bad_url(url, word):
    """A wrong URL is refused in plain words, which do not repeat it."""
    with pytest.raises(ValueError, match=word) as caught:
        Upstream(url)
    assert "secret" not in str(caught.value)


def test_bad_key():
    """A key that cannot be a header's value is refused."""
    with pytest.raises(ValueError, match="printable"):
        Upstream("http://ollama", api_key="a\nb")


@pytest.mark.parametrize(
    ("url", "client", "kind"),
    [
        ("http://ollama", "builtin", Http1Carrier),
        ("http://ollama", "requests", RequestsCarrier),
        ("https://ollama", "builtin", RequestsCarrier),
    ],
)
def test_choice(url, client, kind):
    """Plain http goes over the built-in carrier unless told otherwise, https never."""
    assert type(Upstream(url, client=client)._carrier) is kind


@pytest.mark.parametrize(
    "host",
    [
        *("a..b", ".", "..", "%00", "%31", "[::1%25lo]"),
        *("a" * 64, f"{'a' * 64}.lan", ".".join(["a" * 63] * 4)),
    ],
)
def test_a_host_that_nobody_could_look_up(host):
    """A name with parts that are none is refused, here and as a setting."""
    url = f"http://{host}:1"
    with pytest.raises(ValueError, match="names no valid host"):
        Origin.parse(url)
    with pytest.raises(SettingsError, match="OLLAMA_URL"):
        Settings.from_environ({"OLLAMA_URL": url}, NOWHERE)


@pytest.mark.parametrize(
    "host", ["a", "a.b.", "a_b", "a" * 63, "1.2.3.4", "[::1]", "[2001:db8::1]"]
)
def test_a_host_that_somebody_may_know(host):
    """All others are taken."""
    url = f"http://{host}:1"
    assert Origin.parse(url).host == host.strip("[]")
    assert Settings.from_environ({"OLLAMA_URL": url}, NOWHERE).upstream_url == url


def test_settings_make_an_upstream():
    """The settings say where Ollama is, over which carrier, and with which key."""
    settings = Settings(
        upstream_url="http://ollama:1/x",
        upstream_client="requests",
        upstream_api_key="key",
    )
    upstream = Upstream.of(settings)
    assert type(upstream._carrier) is RequestsCarrier
    assert upstream._carrier._origin == Origin.parse("http://ollama:1/x")
    assert upstream._authorized(get()).headers == [("Authorization", "Bearer key")]
    assert Upstream.of(Settings())._authorization is None


@pytest.fixture
def control():
    """Make one control call against an answer; gives result and request."""
    seen = []

    def call(answer, *arguments, **options):
        def behaviour(peer):
            seen.append(peer.request())
            peer.send(answer)

        with Faulty(behaviour) as server:
            upstream = Upstream(server.url, api_key="key")
            try:
                return upstream.control(*arguments, **options)
            finally:
                upstream.close()

    call.seen = seen
    return call


def answer(status, body, *fields):
    """An answer's bytes."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def test_control(control):
    """A control call sends JSON with the key and gives the whole body."""
    assert control(answer(200, b"{}"), "POST", "/api/show", {"model": "m"}) == b"{}"
    [(head, body)] = control.seen
    assert head.startswith(b"POST /api/show HTTP/1.1\r\n")
    assert b"Content-Type: application/json\r\n" in head
    assert b"Authorization: Bearer key\r\n" in head
    assert json.loads(body) == {"model": "m"}


def test_control_without_payload(control):
    """A control call without payload has no body."""
    assert control(answer(200, b"[]"), "GET", "/api/tags") == b"[]"
    assert control.seen[0][1] == b""


@pytest.mark.parametrize("status", [302, 400, 401, 404, 500, 503])
def test_control_refused(control, status):
    """Any status but a 2xx is a 502 in our own words; the log alone has Ollama's."""
    with pytest.raises(UpstreamError) as caught:
        control(answer(status, b'{"error": "secret"}'), "GET", "/api/tags")
    error = caught.value
    assert (error.status, error.code) == (502, "upstream_error")
    assert error.message == "Ollama answered with an error"
    assert error.detail == f"status {status}"


def test_whole_is_bounded():
    """A body beyond the limit is refused while it arrives."""
    blocks = iter([b"ab", b"cd", b"ef"])
    assert whole(iter([b"ab", b"cd"]), 4) == b"abcd"
    with pytest.raises(UpstreamBroken):
        whole(blocks, 3)
    assert list(blocks) == [b"ef"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for 127.0.0.1 with its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    key, path, both = folder / "key", folder / "cert", folder / "both"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
        f"-keyout {key} -out {path} -days 2 -subj /CN=localhost "
        "-addext subjectAltName=IP:127.0.0.1"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    both.write_text(key.read_text() + path.read_text())
    return both


@pytest.fixture
def secure(certificate):
    """A server's TLS context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_https(certificate, secure):
    """Over TLS requests are served, on one connection and exactly as written."""
    seen = []

    def behaviour(peer):
        while (request := peer.request())[0]:
            seen.append(request[0].split(b"\r\n")[0])
            peer.send(OK)

    with Faulty(behaviour, secure) as server:
        upstream = Upstream(server.url)
        upstream._carrier._session.verify = str(certificate)
        for _ in range(2):
            assert b"".join(upstream.send(get("//a%2fb"))) == b"ok"
        upstream.close()
        assert len(server.peers) == 1
    assert seen == [b"GET //a%2fb HTTP/1.1"] * 2


def test_https_limits(certificate, secure):
    """Over TLS the limits hold too."""

    def behaviour(peer):
        peer.request()
        assert peer.gone()

    with Faulty(behaviour, secure) as server:
        upstream = Upstream(server.url)
        upstream._carrier._session.verify = str(certificate)
        with pytest.raises(UpstreamTimeout):
            upstream.send(within(get(), first_byte=0.2))
        upstream.close()


def test_https_is_verified(secure):
    """A certificate that nobody vouches for is no connection at all."""

    asked = []
    with Faulty(lambda peer: asked.append(peer.request()), secure) as server:
        with pytest.raises(UpstreamUnreachable) as caught:
            Upstream(server.url).send(get(retry=False))
        assert "certificate" in caught.value.detail
    assert asked == []


PATCHED = """
    from gevent import monkey; monkey.patch_all()
    import sys, threading
    sys.path[:0] = sys.argv[1:]
    import gevent
    from support.carrying import descriptors, eventually, get, post
    from support.faulty import CHUNKED, OK, Faulty
    from app.upstream import Upstream

    held, left = threading.Event(), []

    def behaviour(peer):
        head, _ = peer.request()
        if b"GET" in head:
            return peer.send(OK.replace(b"OK", b"OK\\r\\nConnection: close", 1))
        if b"chunked" in head:
            peer.send(CHUNKED + b"2\\r\\nok\\r\\n")
        held.set()
        peer.gone()
        left.append(peer.number)

    def read(upstream, request):
        return b"".join(upstream.send(request))

    def fate(response):
        try:
            return next(response)
        except Exception as exc:
            return type(exc).__name__

    with Faulty(behaviour) as server:
        upstream = Upstream(server.url, client="requests")
        assert read(upstream, get()) == b"ok"
        upstream.close()
        assert eventually(lambda: server.peers[0].socket.fileno() == -1)
        before = descriptors()
        streams = [gevent.spawn(read, upstream, post()) for _ in range(3)]
        streams.append(gevent.spawn(read, upstream, post(iter([b"x"]))))
        held.wait(5)
        assert read(upstream, get()) == b"ok", "a held stream blocks the others"
        response = upstream.send(post(iter([b"x"])))
        assert next(response) == b"ok"
        reader = gevent.spawn(fate, response)
        gevent.sleep(0.05)
        response.close()
        assert reader.get(timeout=5) == "UpstreamBroken"
        gevent.killall(streams, timeout=5)
        assert eventually(lambda: len(left) == 5), left
        upstream.close()
        assert eventually(lambda: descriptors() == before), (descriptors(), before)
    print("good")
"""


def test_requests_under_gevent():
    """Patched, requests wait side by side, and a killed or closed one lets go."""
    root = Path(__file__).resolve().parents[2]
    script = textwrap.dedent(PATCHED)
    done = subprocess.run(
        [sys.executable, "-c", script, str(root), str(root / "tests")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("good\n", "")


@pytest.mark.parametrize("client", ["builtin", "requests"])
def test_the_log_learns_where(client):
    """An Ollama that is not there is named to the operator, and to nobody else."""
    closed = free_port()
    upstream = Upstream(f"http://127.0.0.1:{closed}", client=client)
    for ask in (
        lambda: upstream.send(get("/")),
        lambda: upstream.control("GET", "/api/version"),
    ):
        with pytest.raises(UpstreamUnreachable) as failure:
            ask()
        assert failure.value.detail.startswith(f"127.0.0.1:{closed}: ")
        assert "127.0.0.1" not in failure.value.message
