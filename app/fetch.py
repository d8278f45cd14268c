"""Fetch: images by URL, on behalf of strangers, and so with every door watched.

A URL is read once, its host is looked up once, every address found must be allowed,
and the connection goes to one of just these; redirects pass the same way again.  The
sockets are gevent's own, patched or not, so that limits in time hold at every step.
No proxy, no cookie, no password takes part (specification: reliability, section 10).
What may be connected to is known to ``gate``, what a URL says to ``targets``.
"""

import base64
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import cached_property, partial
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import quote, urljoin

import gevent.socket
import gevent.ssl
from gevent.lock import BoundedSemaphore
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from .addresses import Address
from .fanout import gather
from .gate import LOOK_UP, Gate, Resolve, resolve
from .pictures import HEAD, MAX_IMAGE, MAX_TOGETHER, MIB, is_accepted
from .settings import Settings
from .targets import FetchError, Target, target

MAX_REDIRECTS = 3
#: Fetches at a time: of a worker, of one request.
AT_ONCE = 8
OF_A_REQUEST = 4
#: Seconds: to connect, for one image, for those of a request.
CONNECT = 3.0
ONE = 10.0
ALL = 20.0
#: The cache: seconds, and bytes of base64 with its URLs.
KEEP = 300.0
MAX_KEPT = 64 * MIB

HEADERS = {
    "User-Agent": "Pannier (fetches an image for a chat)",
    "Accept": "image/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
TYPES = {
    "image/png",
    "image/jpeg",
    "image/jpg",
    "image/webp",
    "image/gif",
    "application/octet-stream",
    "binary/octet-stream",  # what S3 says of files without a type
}
_REDIRECTS = {301, 302, 303, 307, 308}
_BLOCK = 64 * 1024

#: A connected socket to exactly this address and port; raises ``OSError``.
Connect = Callable[[Address, int], Any]


def connect(address: Address, port: int) -> Any:
    """A socket of gevent's, connected to an address."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    sock = gevent.socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.connect((str(address), port))
    except BaseException:
        sock.close()
        raise
    return sock


class ImageFetcher:
    """Fetches for all requests of one worker; makes nothing before the first.

    ``tls`` replaces the context that verifies certificates.
    """

    def __init__(
        self,
        settings: Settings,
        resolve: Resolve = resolve,
        connect: Connect = connect,
        tls: Any = None,
    ) -> None:
        self._gate = Gate(settings, resolve)
        self._connect = connect
        self._given_tls = tls
        self._room = BoundedSemaphore(AT_ONCE)
        self._cache = Cache()

    @classmethod
    def of(cls, settings: Settings) -> "ImageFetcher | None":
        """The fetcher that the settings want; ``None`` when nothing is fetched."""
        return None if settings.image_fetch == "off" else cls(settings)

    def fetch_all(self, urls: Iterable[str]) -> dict[str, str | FetchError]:
        """Each image as base64, or why there is none.  Raises nothing."""
        wanted = list(dict.fromkeys(urls))
        budget = Budget()
        found = gather(
            [partial(self._outcome, url, budget) for url in wanted], OF_A_REQUEST
        )
        return dict(zip(wanted, found, strict=True))

    def _outcome(self, url: str, budget: "Budget") -> str | FetchError:
        kept = self._cache.get(url)
        if kept is not None:
            return kept
        try:
            with gevent.Timeout(budget.seconds(ALL), FetchError("no time was left")):
                self._room.acquire()
            try:
                late = FetchError("it took too long")
                with gevent.Timeout(budget.seconds(ONE), late):
                    return self._fetch(url, budget)
            finally:
                self._room.release()
        except FetchError as exc:
            return exc
        except OSError as exc:
            return FetchError(str(exc)[:200])
        except (HTTPException, ValueError) as exc:
            return FetchError(f"not HTTP: {type(exc).__name__}")

    def _fetch(self, url: str, budget: "Budget") -> str:
        place = target(url)
        keep = True
        for _ in range(MAX_REDIRECTS + 1):
            with self._connected(place) as sock, closing(_ask(sock, place)) as answer:
                keep = keep and "no-store" not in _field(answer, "cache-control")
                if answer.status not in _REDIRECTS:
                    image = base64.b64encode(_image(answer, place, budget)).decode()
                    if keep:
                        self._cache.put(url, image)
                    return image
                place = _next(answer, place)
        raise FetchError("too many redirects")

    def _connected(self, place: Target) -> Any:
        """A connection to an allowed address, with the certificate of the name."""
        failure = None
        with gevent.Timeout(CONNECT + LOOK_UP, FetchError(f"{place.host}: no answer")):
            addresses = self._gate.addresses(place)
            with gevent.Timeout(CONNECT, FetchError(f"{place.host}: no connection")):
                for address in addresses:
                    try:
                        sock = self._connect(address, place.port)
                        break
                    except OSError as exc:
                        failure = exc
                else:
                    raise FetchError(f"{place.host}: {failure}")
        return sock if place.scheme == "http" else self._secured(sock, place.host)

    def _secured(self, sock: Any, host: str) -> Any:
        """TLS over a connection, with the certificate of the host."""
        tls = self._tls.wrap_socket(
            sock, server_hostname=host, do_handshake_on_connect=False
        )
        try:
            tls.do_handshake()
        except BaseException:
            tls.close()
            raise
        return tls

    @cached_property
    def _tls(self) -> Any:
        if self._given_tls is not None:
            return self._given_tls
        context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        return context


class Budget:
    """What is left of the time and the bytes that one request may use."""

    def __init__(self) -> None:
        self._end = time.monotonic() + ALL
        self._bytes = MAX_TOGETHER

    def seconds(self, at_most: float) -> float:
        """How long the next step may take."""
        return max(0.0, min(at_most, self._end - time.monotonic()))

    def take(self, count: int) -> None:
        """Use so many bytes; raises ``FetchError`` when they are not left."""
        self._bytes -= count
        if self._bytes < 0:
            raise FetchError("the images of the request are too large together")


class Cache:
    """The images fetched last, by URL: later turns of a chat ask for them again."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, str]] = {}  # the oldest first
        self._size = 0

    def get(self, url: str) -> str | None:
        """The image, if it is there and fresh."""
        end, image = self._kept.get(url, (0.0, ""))
        return image if end > time.monotonic() else None

    def put(self, url: str, image: str) -> None:
        """Keep an image; the oldest make room, stale ones go in any case."""
        now = time.monotonic()
        self._drop(url)
        self._kept[url] = (now + KEEP, image)
        self._size += len(url) + len(image)
        while self._kept:
            oldest, (end, _) = next(iter(self._kept.items()))
            if self._size <= MAX_KEPT and end > now:
                return
            self._drop(oldest)

    def _drop(self, url: str) -> None:
        if url in self._kept:
            self._size -= len(url) + len(self._kept.pop(url)[1])


def _ask(sock: Any, place: Target) -> HTTPResponse:
    """Send the request; the answer's head is there when this returns."""
    connection = HTTPConnection(place.host, place.port)
    connection.sock = sock
    connection.request("GET", place.path, headers={"Host": place.origin, **HEADERS})
    return connection.getresponse()


def _next(answer: HTTPResponse, place: Target) -> Target:
    """Where a redirect leads; it is to be checked as every target is."""
    # http.client reads bytes as Latin-1: quoting them so gives the bytes back.
    location = quote(answer.getheader("location") or "", _AS_IT_IS, "latin-1")
    following = target(urljoin(place.url, location))
    if (place.scheme, following.scheme) == ("https", "http"):
        raise FetchError(f"{place.host}: a redirect from https to http")
    return following


_AS_IT_IS = "".join(chr(code) for code in range(128))


def _image(answer: HTTPResponse, place: Target, budget: Budget) -> bytearray:
    """The body, if it is an image; raises ``FetchError``."""
    if answer.status != 200:
        raise FetchError(f"{place.host}: status {answer.status}")
    if _field(answer, "content-type").partition(";")[0].strip() not in TYPES:
        raise FetchError(f"{place.host}: not the type of an image")
    if _field(answer, "content-encoding") not in ("", "identity"):
        raise FetchError(f"{place.host}: a compressed body")
    data = bytearray()
    size = answer.length or 0  # if the head tells
    while size <= MAX_IMAGE and (block := answer.read1(_BLOCK)):
        budget.take(len(block))
        data += block
        size = max(size, len(data))
    if size > MAX_IMAGE:
        raise FetchError(f"{place.host}: more than {MAX_IMAGE} bytes")
    if answer.length:
        raise FetchError(f"{place.host}: the image was cut off")
    if not is_accepted(bytes(data[:HEAD])):
        raise FetchError(f"{place.host}: not the bytes of an image")
    return data


def _field(answer: HTTPResponse, name: str) -> str:
    return (answer.getheader(name) or "").strip().lower()
