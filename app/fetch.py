"""Fetch: images by URL, on behalf of strangers, and so with every door watched.

A URL is read once, its host is looked up once, every address found must be allowed,
and the connection goes to one of just these; redirects pass the same way again.  The
sockets are gevent's own, patched or not, so that limits in time hold at every step.
No proxy, no cookie, no password takes part (specification: reliability, section 10).
``gate`` knows what may be connected to, ``targets`` what a URL says, ``line`` how to
read from a server that means harm.
"""

import base64
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import cached_property, partial
from typing import Any
from urllib.parse import quote, urljoin

import gevent
import gevent.ssl
from gevent.lock import BoundedSemaphore
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from .addresses import Address
from .carriers.framing import Body, body_of
from .carriers.head import Head, HeadReader
from .errors import UpstreamBroken
from .fanout import gather
from .gate import LOOK_UP, Gate, Resolve, resolve
from .image_cache import Cache
from .line import Line, SecureLine, connect
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
#: Bytes made base64 in one go: a multiple of 3.
_STEP = 3 * MIB

#: A connected socket to exactly this address and port; raises ``OSError``.
Connect = Callable[[Address, int], Any]


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
        except UpstreamBroken as exc:  # its message is about Ollama
            return FetchError(f"not HTTP: {exc.detail}")
        except ValueError as exc:
            return FetchError(f"not HTTP: {type(exc).__name__}")

    def _fetch(self, url: str, budget: "Budget") -> str:
        place = target(url)
        keep = True
        for _ in range(MAX_REDIRECTS + 1):
            with closing(self._connected(place)) as line:
                head, rest = _ask(line, place)
                keep = keep and "no-store" not in _field(head, "cache-control")
                if head.status not in _REDIRECTS:
                    _check(head, place)
                    body = _payload(body_of(head, "GET"), rest, line)
                    image = _text(_image(body, place, budget))
                    if keep:
                        self._cache.put(url, image)
                    return image
                place = _next(head, place)
        raise FetchError("too many redirects")

    def _connected(self, place: Target) -> Line:
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
        return Line(sock) if place.scheme == "http" else self._secured(sock, place.host)

    def _secured(self, sock: Any, host: str) -> SecureLine:
        """TLS over a connection, with the certificate of the host."""
        try:
            line = SecureLine(sock, self._tls, host)
            line.handshake()
        except BaseException:
            sock.close()
            raise
        return line

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


def _ask(line: Line, place: Target) -> tuple[Head, bytes]:
    """Send the request; the answer's head, and what came of the body with it."""
    fields = {"Host": place.origin, **HEADERS}
    lines = [f"{name}: {value}\r\n" for name, value in fields.items()]
    line.send(f"GET {place.path} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("ascii"))
    reader = HeadReader()
    head = None
    while head is None:
        head = reader.feed(line.receive())
    return head, reader.rest


def _next(head: Head, place: Target) -> Target:
    """Where a redirect leads; it is to be checked as every target is."""
    # Heads are read as Latin-1: quoting them so gives the bytes back.
    location = quote(", ".join(head.values("location")), _AS_IT_IS, "latin-1")
    following = target(urljoin(place.url, location))
    if (place.scheme, following.scheme) == ("https", "http"):
        raise FetchError(f"{place.host}: a redirect from https to http")
    return following


_AS_IT_IS = "".join(chr(code) for code in range(128))


def _check(head: Head, place: Target) -> None:
    """Raises ``FetchError`` for a head that no acceptable image follows."""
    if head.status != 200:
        raise FetchError(f"{place.host}: status {head.status}")
    if _field(head, "content-type").partition(";")[0].strip() not in TYPES:
        raise FetchError(f"{place.host}: not the type of an image")
    if _field(head, "content-encoding") not in ("", "identity"):
        raise FetchError(f"{place.host}: a compressed body")
    length = _field(head, "content-length")
    if length.isdecimal() and int(length[:18]) > MAX_IMAGE:
        raise _too_large(place)


def _payload(body: Body, block: bytes, line: Line) -> Iterator[bytes]:
    """The payload of a body that begins with a block; raises ``UpstreamBroken``."""
    while not body.done:
        data = body.feed(block or line.receive())
        block = b""
        line.payload(len(data))
        yield data
        if body.failure is not None:
            raise body.failure


def _image(body: Iterable[bytes], place: Target, budget: Budget) -> bytearray:
    """The whole body, if it is an image; raises ``FetchError``."""
    image = bytearray()
    for data in body:
        budget.take(len(data))
        image += data
        if len(image) > MAX_IMAGE:
            raise _too_large(place)
    if not is_accepted(bytes(image[:HEAD])):
        raise FetchError(f"{place.host}: not the bytes of an image")
    return image


def _text(image: bytearray) -> str:
    """An image as base64, made in steps: others run between them."""
    texts = []
    for start in range(0, len(image), _STEP):
        if start:
            gevent.sleep(0.001)  # of 0, the loop would not look at its sockets
        texts.append(base64.b64encode(image[start : start + _STEP]).decode())
    return "".join(texts)


def _too_large(place: Target) -> FetchError:
    return FetchError(f"{place.host}: more than {MAX_IMAGE} bytes")


def _field(head: Head, name: str) -> str:
    return ", ".join(head.values(name)).strip().lower()
