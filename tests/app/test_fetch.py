"""Images by URL: what a server may answer, and what it costs at most."""

import gzip
import ssl
import subprocess
import threading
import time
from pathlib import Path
from typing import Any, Self

import gevent
import gevent.event
import gevent.ssl
import pytest
from support.faulty import PATIENCE, Faulty, Peer
from support.pictures import (
    GIF,
    JPEG,
    PNG,
    PUBLIC,
    WEBP,
    Net,
    Web,
    canary,
    local,
    moved,
    page,
    text,
)

import app.fetch
import app.image_cache
import app.line
from app.fetch import ImageFetcher
from app.image_cache import Cache
from app.pictures import MAX_IMAGE, MIB
from app.settings import Settings
from app.targets import FetchError


def fetched(web: Faulty, path: str = "/", **settings: Any) -> str | FetchError:
    """What becomes of one URL of a server, by a fetcher of its own."""
    url = f"{web.url}{path}"
    return local(web, **settings).fetch_all([url])[url]


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (PNG, "image/png"),
        (JPEG, "image/jpeg"),
        (JPEG, "image/jpg"),
        (GIF, "image/gif"),
        (WEBP, "image/webp"),
        (PNG, "IMAGE/PNG; charset=binary"),
        (PNG, "image/jpeg"),
    ],
)
def test_f8_images(image: bytes, kind: str) -> None:
    """An image comes back as base64; type and bytes need not be of the same kind."""
    with Web({"/": page(image, kind=kind)}) as web:
        assert fetched(web) == text(image)


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
)
WHOLE = CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(PNG), PNG)


def test_framings() -> None:
    """Chunked bodies, and those that end with the connection, are read as well."""
    until_closed = b"HTTP/1.0 200 OK\r\nContent-Type: image/png\r\n\r\n" + PNG
    with Web({"/": WHOLE, "/old": until_closed}) as web:
        assert fetched(web) == fetched(web, "/old") == text(PNG)


def test_f11_what_is_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The request says only what it must: no proxy, password or cookie takes part."""
    (tmp_path / ".netrc").write_text("default login a password b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with canary() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        once = moved("/b?c", set_cookie="a=b")
        with Web({"/a": once, "/b?c": page()}) as web:
            assert fetched(web, "/a#d") == text(PNG)
            sent = [head.split("\r\n") for head in web.heads]
    assert [lines[0] for lines in sent] == ["GET /a HTTP/1.1", "GET /b?c HTTP/1.1"]
    for lines in sent:
        assert sorted(lines[1:-2]) == [
            "Accept-Encoding: identity",
            "Accept: image/*",
            "Connection: close",
            f"Host: 127.0.0.1:{web.port}",
            "User-Agent: Pannier (fetches an image for a chat)",
        ]


HTML = b"<!DOCTYPE html><html><body>secret</body></html>"
BAD = {
    "html": page(HTML, kind="text/html"),
    "html named png": page(HTML),
    "svg": page(b'<svg xmlns="http://www.w3.org/2000/svg"/>', kind="image/svg+xml"),
    "svg named png": page(b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
    "pdf": page(b"%PDF-1.7\n%", kind="application/pdf"),
    "pdf named png": page(b"%PDF-1.7\n%"),
    "bmp": page(b"BM" + b"\x00" * 60, kind="image/bmp"),
    "wave": page(b"RIFF\x20\x00\x00\x00WAVEfmt " + b"\x00" * 20, kind="image/webp"),
    "png named html": page(kind="text/html"),
    "no type": page(kind=""),
    "octets": page(kind="application/octet-stream"),
    "octets of S3": page(kind="binary/octet-stream"),
    "png named svg": page(kind="image/svg+xml"),
    "two types": page(kind="text/html, image/png"),
    "gigapixels": page(PNG[:16] + b"\x00\x01\x00\x00" * 2 + PNG[24:]),
    "empty": page(b""),
    "short": page(PNG[:7]),
    "gzip": page(gzip.compress(PNG), content_encoding="gzip"),
    "gzip unnamed": page(gzip.compress(PNG)),
    "identity, gzip": page(content_encoding="identity, gzip"),
    "not found": page(status="404 Not Found"),
    "error": page(status="500 Oops"),
    "partial": page(status="206 Partial Content"),
    "created": page(status="201 Created"),
    "not modified": page(b"", status="304 Not Modified"),
    "no place": page(b"", status="302 Found"),
    "cut off": page()[:-1],
    "cut off chunk": WHOLE[:-20],
    "no last chunk": WHOLE[:-5],
    "bad chunk": CHUNKED + b"zz\r\n",
    "nothing": b"",
    "no http": b"SSH-2.0-OpenSSH_9.6\r\n",
    "bad length": b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    "many fields": page().replace(b"\r\n", b"\r\n" + b"A: b\r\n" * 200, 1),
    "long line": page(a="b" * 70000),
    "length and chunks": WHOLE.replace(b"\r\n", b"\r\nContent-Length: 9\r\n", 1),
    "two lengths": page().replace(b"\r\n", b"\r\nContent-Length: 1\r\n", 1),
}


@pytest.mark.parametrize("name", BAD)
def test_f8_no_image(name: str) -> None:
    """What is not one whole image is none."""
    with Web({"/": BAD[name]}) as web:
        assert isinstance(fetched(web), FetchError)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_f4_redirects(status: int) -> None:
    """Redirects are followed, absolute and relative ones, three at most."""
    go = f"{status} Go"
    pages = {f"/{n}": moved(f"/{n + 1}", go) for n in range(4)} | {"/4": page()}
    with Web({**pages, "/x/y": moved("../3", go)}) as web:
        web.pages = {**web.pages, "/1": moved(f"{web.url}/2", go)}
        assert fetched(web, "/x/y") == fetched(web, "/1") == text(PNG)
        assert str(fetched(web, "/0")) == "too many redirects"


@pytest.mark.parametrize(
    "to",
    [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "data:image/png;base64,iVBORw0KGgo=",
        "//user@127.0.0.1/",
        "http://[::1",
        "http://127.0.0.1 /",
        "/a\tb",
        "\\\\127.0.0.1/",
        "",
    ],
)
def test_f1_f4_redirects_elsewhere(to: str) -> None:
    """A redirect leads to http and https, and is read as strictly as any URL."""
    with Web({"/": moved(to)}) as web:
        assert isinstance(fetched(web), FetchError)
        assert len(web.heads) == 1 or to == ""  # which is the page itself


def test_a_redirect_in_raw_bytes() -> None:
    """A place that is not ASCII is asked for by the bytes it was given in."""
    raw = moved("PLACE").replace(b"PLACE", "/ü".encode())
    with Web({"/": raw, "/%C3%BC": page()}) as web:
        assert fetched(web) == text(PNG)


def test_f4_a_redirect_to_another_server() -> None:
    """A redirect to a server that is not allowed is not followed."""
    with canary() as other, Web({"/": moved(f"{other.url}/")}) as web:
        assert "is not opened" in str(fetched(web))


def test_f7_a_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image without end is left as soon as it is too large."""
    limit = 256 * 1024
    monkeypatch.setattr(app.fetch, "MAX_IMAGE", limit)
    sent = [0]

    def endless(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n")
        block = PNG + b"\x00" * 65536
        while True:  # until the client leaves
            peer.send(block)
            sent[0] += len(block)

    with Web({"/": endless}) as web:
        assert str(fetched(web)) == f"127.0.0.1: more than {limit} bytes"
    # What lay in the buffers between was sent, but not for long.
    assert sent[0] < 16 * 1024 * 1024


def test_f7_a_bomb_that_says_so() -> None:
    """An image that says it is too large is not waited for."""

    def large(peer: Peer) -> None:
        fields = b"Content-Type: image/png\r\nContent-Length: 9999999999\r\n"
        peer.send(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n")
        peer.gone()

    with Web({"/": large}) as web:
        assert str(fetched(web)) == f"127.0.0.1: more than {MAX_IMAGE} bytes"


def test_f7_the_largest_image() -> None:
    """20 MiB are taken, one byte more is not."""
    largest = PNG + b"\x00" * (MAX_IMAGE - len(PNG))
    with Web({"/": page(largest), "/more": page(largest + b"\x00")}) as web:
        assert len(fetched(web)) == len(text(largest))
        assert isinstance(fetched(web, "/more"), FetchError)


def test_f7_all_images_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """The images of one request have a limit in bytes of their own."""
    monkeypatch.setattr(app.fetch, "MAX_TOGETHER", 3 * len(PNG))
    with Web({f"/{n}": page() for n in range(4)}) as web:
        urls = [f"{web.url}/{n}" for n in range(4)]
        found = list(local(web).fetch_all(urls).values())
        assert [isinstance(one, str) for one in found].count(True) == 3
        assert "together" in str(next(one for one in found if one != text(PNG)))


def silent(peer: Peer) -> None:
    """Say nothing until the client leaves."""
    peer.gone()


def dripping(data: bytes) -> Any:
    """Send a byte now and then."""

    def behaviour(peer: Peer) -> None:
        peer.drip(data, 0.02, threading.Event())

    return behaviour


@pytest.mark.parametrize(
    "behaviour",
    [silent, dripping(CHUNKED * 100), dripping(page() + b"\x00" * 10_000)],
    ids=["silent", "head", "body"],
)
def test_f7_too_slow(behaviour: Any) -> None:
    """A whole fetch has a limit in time, however busy the server seems."""
    begun = time.monotonic()
    with Web({"/": behaviour}) as web:
        assert str(fetched(web, image_timeout=0.3)) == "it took too long"
        assert time.monotonic() - begun < PATIENCE


def test_no_time_is_left() -> None:
    """All fetches of a request have a limit in time together."""
    with Web({f"/{n}": silent for n in range(9)}) as web:
        begun = time.monotonic()
        fetcher = local(web, image_timeout=0.15)
        found = fetcher.fetch_all([f"{web.url}/{n}" for n in range(9)])
        assert time.monotonic() - begun < PATIENCE
        assert len(found) == 9
        assert all(isinstance(one, FetchError) for one in found.values())


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection has a limit in time."""
    monkeypatch.setattr(app.fetch, "CONNECT", 0.2)

    class Void(Net):
        def connect(self, address: Any, port: int) -> Any:
            gevent.sleep(PATIENCE)

    (found,) = Void(1).fetcher().fetch_all([f"http://{PUBLIC}/"]).values()
    assert str(found) == f"{PUBLIC}: no connection"


def test_a_closed_port() -> None:
    """A connection that is refused is a failure like others."""
    with Web({}) as web:
        fetcher = local(web)
    (found,) = fetcher.fetch_all([f"{web.url}/"]).values()
    assert "refused" in str(found)


class Crowd(Net):
    """Connects when it may; ``now`` is how many have asked for that."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.now = 0
        self.go_on = gevent.event.Event()

    def connect(self, address: Any, port: int) -> Any:
        """Wait, then connect."""
        self.now += 1
        assert self.go_on.wait(PATIENCE)
        return super().connect(address, port)


@pytest.mark.parametrize(("requests", "most"), [(1, 4), (3, 8)])
def test_f12_at_once(requests: int, most: int) -> None:
    """One request fetches four at a time, all requests together eight."""
    with Web({f"/{n}": page() for n in range(6 * requests)}) as web:
        crowd = Crowd(web.port)
        fetcher = crowd.fetcher()
        urls = [f"http://{PUBLIC}/{n}" for n in range(6 * requests)]
        running = [
            gevent.spawn(fetcher.fetch_all, urls[6 * number : 6 * number + 6])
            for number in range(requests)
        ]
        gevent.idle()  # no step before the connection waits: all are there that may be
        assert crowd.now == most
        crowd.go_on.set()
        gevent.joinall(running, timeout=PATIENCE)
        assert [set(one.value.values()) for one in running] == [{text(PNG)}] * requests
    assert crowd.now == 6 * requests


def test_f10_refused_at_once() -> None:
    """What is refused waits for nobody, also while all places are taken."""
    with Web({f"/{n}": page() for n in range(8)}) as web:
        crowd = Crowd(web.port)
        fetcher = crowd.fetcher()
        urls = [f"http://{PUBLIC}/{n}" for n in range(8)]
        running = [
            gevent.spawn(fetcher.fetch_all, urls[:4]),
            gevent.spawn(fetcher.fetch_all, urls[4:]),
        ]
        gevent.idle()
        assert crowd.now == 8
        (found,) = fetcher.fetch_all(["http://10.0.0.1/"]).values()
        assert "is not opened" in str(found)
        assert crowd.now == 8
        crowd.go_on.set()
        gevent.joinall(running, timeout=PATIENCE)
        assert all(one.successful() for one in running)


def both(crowd: Crowd, first: str, second: str) -> list[Any]:
    """Two requests for an image, the second while the first one connects."""
    fetcher = crowd.fetcher()
    running = [gevent.spawn(fetcher.fetch_all, [url]) for url in (first, second)]
    gevent.idle()
    assert crowd.now == 1
    return running


@pytest.mark.parametrize("again", ["/", "/#x"])
@pytest.mark.parametrize(
    ("answer", "want"),
    [(page(), text(PNG)), (page(cache_control="no-store"), text(PNG)), (b"", None)],
    ids=["kept", "not kept", "failed"],
)
def test_one_fetch_for_all(answer: bytes, want: str | None, again: str) -> None:
    """Requests that want the same image at the same time share one fetch."""
    with Web({"/": answer}) as web:
        crowd = Crowd(web.port)
        running = both(crowd, f"http://{PUBLIC}/", f"http://{PUBLIC}{again}")
        crowd.go_on.set()
        gevent.joinall(running, timeout=PATIENCE)
        found = [one for run in running for one in run.value.values()]
        assert crowd.now == len(web.asked) == 1
        assert found == [want, want] or want is None
        assert all(isinstance(one, FetchError) for one in found) or want is not None


def test_the_first_one_leaves() -> None:
    """Who shares a fetch gets the image though the one who began it has left."""
    with Web({"/": page()}) as web:
        crowd = Crowd(web.port)
        first, second = both(crowd, f"http://{PUBLIC}/", f"http://{PUBLIC}/")
        first.kill()
        crowd.go_on.set()
        assert second.get(timeout=PATIENCE) == {f"http://{PUBLIC}/": text(PNG)}
        assert crowd.now == 2


def test_the_first_one_has_used_up_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of one request end no other that shares its fetch."""
    monkeypatch.setattr(app.fetch, "MAX_TOGETHER", len(PNG) - 1)
    with Web({"/": page()}) as web:
        crowd = Crowd(web.port)
        fetcher = crowd.fetcher()
        url = f"http://{PUBLIC}/"
        first = gevent.spawn(fetcher.fetch_all, [url])
        gevent.idle()
        monkeypatch.undo()
        second = gevent.spawn(fetcher.fetch_all, [url])
        gevent.idle()
        crowd.go_on.set()
        assert "together" in str(first.get(timeout=PATIENCE)[url])
        assert second.get(timeout=PATIENCE) == {url: text(PNG)}
        assert crowd.now == 2


class Flood:
    """Sends a block again and again until the client leaves; ``sent`` is how much."""

    def __init__(self, start: bytes, block: bytes) -> None:
        self._start = start
        self._block = block * (65536 // len(block))
        self.sent = 0

    def __call__(self, peer: Peer) -> None:
        """Answer one request, and end at some time."""
        peer.send(self._start)
        while self.sent < 512 * MIB:
            peer.send(self._block)
            self.sent += len(self._block)


class Neighbour:
    """A greenlet beside the fetch: its ``steps``, the seconds of the ``longest``."""

    def __enter__(self) -> Self:
        self.steps = 0
        self.longest = 0.0
        self._greenlet = gevent.spawn(self._run)
        gevent.idle()
        return self

    def __exit__(self, *_: object) -> None:
        gevent.sleep(0.001)  # a step that the fetch has held up ends here
        self._greenlet.kill()

    def _run(self) -> None:
        while True:
            begun = time.monotonic()
            gevent.sleep(0.001)
            self.longest = max(self.longest, time.monotonic() - begun)
            self.steps += 1


TINY = b"1\r\nx\r\n"
FLOODS = {
    "interim": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "long interim": (b"", b"HTTP/1.1 103 E\r\nA: " + b"b" * 60_000 + b"\r\n\r\n"),
    "tiny chunks": (CHUNKED + b"8\r\n" + PNG[:8] + b"\r\n", TINY),
    "extensions": (CHUNKED, b"1;" + b"a" * 30 + b"\r\nx\r\n"),
    "trailers": (WHOLE[:-2], b"A: b\r\n"),
    "trailers without lines": (WHOLE[:-2], b"a"),
    "redirect": (moved("/").replace(b"\r\n\r\n", b"\r\n"), b"A: b\r\n"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_f7_floods(name: str) -> None:
    """A server that never stops is left soon, and holds up nobody meanwhile."""
    flood = Flood(*FLOODS[name])
    with Web({"/": flood}) as web, Neighbour() as neighbour:
        found = fetched(web)
    assert isinstance(found, FetchError)
    assert str(found) != "it took too long"
    assert flood.sent < 16 * MIB  # most of it lay in the buffers between
    assert neighbour.longest < 1


@pytest.mark.parametrize("tls", [False, True])
def test_f7_floods_end_in_time(
    tls: bool, secure: Any, trusting: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit in time holds though there is always something to read."""
    monkeypatch.setattr(app.line, "ALLOWANCE", 512 * MIB)
    pages = {"/": Flood(*FLOODS["tiny chunks"])}
    with Web(pages, secure if tls else None) as web, Neighbour() as neighbour:
        url = f"{'https' if tls else 'http'}://pics.example/"
        fetcher = Net(web.port, NAMES).fetcher(trusting, image_timeout=0.5)
        found = fetcher.fetch_all([url])[url]
    assert str(found) == "it took too long"
    assert neighbour.longest < 1
    assert neighbour.steps > 5


def test_a_flood_of_tickets(secure: Any, trusting: Any) -> None:
    """TLS that never comes to the point is left soon as well."""
    secure.num_tickets = 1_000_000
    with Web({"/": page()}, secure) as web, Neighbour() as neighbour:
        url = "https://pics.example/"
        found = Net(web.port, NAMES).fetcher(trusting).fetch_all([url])[url]
    assert str(found) == "too much around the image"
    assert neighbour.longest < 1


def test_small_chunks() -> None:
    """Chunks as ordinary servers send them are no flood."""
    image = PNG + b"\x00" * (4 * MIB)
    pieces = [image[at : at + 512] for at in range(0, len(image), 512)]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(one), one) for one in pieces)
    with Web({"/": CHUNKED + chunks + b"0\r\nA: b\r\n\r\n"}) as web:
        assert fetched(web) == text(image)


def test_each_url_once() -> None:
    """A URL that is named twice is fetched once; the next turn has it already."""
    with Web({"/a": page(), "/b": page(JPEG)}) as web:
        a, b = f"{web.url}/a", f"{web.url}/b"
        fetcher = local(web)
        assert fetcher.fetch_all([a, b, a]) == {a: text(PNG), b: text(JPEG)}
        assert fetcher.fetch_all([b, a]) == {a: text(PNG), b: text(JPEG)}
        assert sorted(web.asked) == ["/a", "/b"]
        assert fetcher.fetch_all([]) == {}


@pytest.mark.parametrize("path", ["/", "/moved"])
def test_no_store(path: str) -> None:
    """What must not be stored is fetched again, and so is what failed."""
    with Web(
        {
            "/": page(cache_control="private, NO-STORE"),
            "/moved": moved("/image", cache_control="no-store"),
            "/image": page(),
        }
    ) as web:
        fetcher = local(web)
        for _ in range(2):
            fetcher.fetch_all([f"{web.url}{path}"])
        assert web.asked.count(path) == 2


def test_failures_are_not_kept() -> None:
    """An image that could not be had is tried again."""
    with Web({"/": page(status="503 Later")}) as web:
        fetcher, url = local(web), f"{web.url}/"
        assert isinstance(fetcher.fetch_all([url])[url], FetchError)
        web.pages = {"/": page()}
        assert fetcher.fetch_all([url])[url] == text(PNG)


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest images make room, stale ones are gone, sizes add up."""
    monkeypatch.setattr(app.image_cache, "MAX_KEPT", 13)
    clock = [100.0]
    monkeypatch.setattr(app.image_cache.time, "monotonic", lambda: clock[0])
    cache = Cache()
    cache.put("a", "12345")
    cache.put("b", "12345")
    cache.put("a", "1234")  # replaced, and now the newest
    cache.put("c", "12")
    assert [cache.get(name) for name in "abc"] == ["1234", None, "12"]
    cache.put("l", "x" * 13)
    assert [cache.get(name) for name in "acl"] == [None] * 3
    cache.put("d", "1234567890")
    clock[0] += app.image_cache.KEEP - 1
    assert cache.get("d") == "1234567890"
    clock[0] += 1
    assert cache.get("d") is None
    cache.put("e", "1")
    assert list(cache._kept) == ["e"]
    assert cache._size == 2


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for pics.example with its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    key, path, both = folder / "key", folder / "cert", folder / "both"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
        f"-keyout {key} -out {path} -days 2 -subj /CN=pics.example "
        "-addext subjectAltName=DNS:pics.example"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    both.write_text(key.read_text() + path.read_text())
    return both


@pytest.fixture
def secure(certificate: Path) -> ssl.SSLContext:
    """A server's TLS context; ``asked`` are the names that clients gave."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.asked = []  # type: ignore[attr-defined]
    context.sni_callback = lambda sock, name, c: c.asked.append(name)
    return context


@pytest.fixture
def trusting(certificate: Path) -> Any:
    """A client's TLS context that trusts the certificate, as it is."""
    context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificate)
    return context


NAMES = {"pics.example": [PUBLIC], "other.example": [PUBLIC]}


def test_f3_https(secure: Any, trusting: Any) -> None:
    """Over TLS the address is the checked one, name and certificate the host's."""
    with Web({"/": page()}, secure) as web:
        net = Net(web.port, NAMES)
        url = "https://pics.example/"
        assert net.fetcher(trusting).fetch_all([url])[url] == text(PNG)
        assert net.connected == [(PUBLIC, 443)]
        assert "Host: pics.example\r\n" in web.heads[0]
    assert secure.asked == ["pics.example"]


@pytest.mark.parametrize("host", ["other.example", PUBLIC])
def test_f3_https_of_another(secure: Any, trusting: Any, host: str) -> None:
    """A certificate of another host, or of nobody known, ends the fetch."""
    with Web({"/": page()}, secure) as web:
        net = Net(web.port, NAMES)
        url = f"https://{host}/"
        assert "certificate" in str(net.fetcher(trusting).fetch_all([url])[url])
        assert web.heads == []


def test_https_of_nobody(secure: Any) -> None:
    """A certificate that nobody vouches for ends the fetch."""
    with Web({"/": page()}, secure) as web:
        url = "https://pics.example/"
        found = Net(web.port, NAMES).fetcher().fetch_all([url])[url]
        assert "certificate" in str(found)
        assert web.heads == []


def test_f4_from_https_to_http(secure: Any, trusting: Any) -> None:
    """A redirect from https to http is not followed."""
    with Web({"/": moved("http://pics.example/")}, secure) as web:
        net = Net(web.port, NAMES)
        url = "https://pics.example/"
        found = net.fetcher(trusting).fetch_all([url])[url]
        assert str(found) == "pics.example: a redirect from https to http"
        assert net.connected == [(PUBLIC, 443)]


def test_slow_tls() -> None:
    """A server that never answers the handshake has the same limit in time."""
    with Faulty(lambda peer: peer.gone()) as web:
        url = "https://pics.example/"
        fetcher = Net(web.port, NAMES).fetcher(image_timeout=0.3)
        assert str(fetcher.fetch_all([url])[url]) == "it took too long"


def test_no_secret_is_told() -> None:
    """Reasons name hosts, never paths or queries."""
    with Web({"/s3cret?k=s3cret": page(HTML)}) as web:
        for url in (
            f"{web.url}/s3cret?k=s3cret",
            "http://10.0.0.1/s3cret",
            "http://s3cret@x.example/",
            "http://x.example:99999/s3cret",
            "http://s3cret!/",
        ):
            (found,) = local(web).fetch_all([url]).values()
            assert isinstance(found, FetchError)
            assert "s3cret" not in str(found)


def test_nothing_is_made_before_the_first() -> None:
    """A fetcher that is never asked has no threads and reads no certificates."""
    fetcher = ImageFetcher.of(Settings())
    assert fetcher is not None
    assert "_tls" not in vars(fetcher)
    assert "_threads" not in vars(fetcher._gate)
