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

import gevent
import gevent.ssl
from gevent.event import AsyncResult
from gevent.lock import BoundedSemaphore

from .addresses import Address
from .carriers.framing import Body, body_of
from .carriers.head import Head, HeadReader
from .errors import UpstreamBroken, forget_frames
from .fanout import gather
from .gate import Gate, OwnPorts, Resolve, listening, resolve
from .image_cache import Cache
from .line import Line, SecureLine, connect
from .pictures import HEAD, MAX_IMAGE, MAX_PIXELS, MAX_TOGETHER, is_accepted, pixels
from .settings import Settings
from .targets import FetchError, Target, following, target
from .turns import STEP, let_others

MAX_REDIRECTS = 3
#: Fetches at a time: of a worker, of one request.
AT_ONCE = 8
OF_A_REQUEST = 4
#: Seconds to connect, and how many times as long as one image all of a request have.
CONNECT = 3.0
TOGETHER = 2

HEADERS = {
    "User-Agent": "Pannier (fetches an image for a chat)",
    "Accept": "image/*",
    "Accept-Encoding": "identity",
    "Connection": "close",
}
TYPES = {"image/png", "image/jpeg", "image/jpg", "image/webp", "image/gif"}
_REDIRECTS = {301, 302, 303, 307, 308}
#: Bytes made base64 in one go: a multiple of 3.
_STEP = 3 * STEP

#: A connected socket to exactly this address and port; raises ``OSError``.
Connect = Callable[[Address, int], Any]


class Exhausted(FetchError):
    """What one request may use is used up; others may still want the image."""


class ImageFetcher:
    """Fetches for all requests of one worker; makes nothing before the first.

    ``tls`` replaces the context that verifies certificates, ``own_ports`` says on
    which ports this process is itself.
    """

    def __init__(
        self,
        settings: Settings,
        resolve: Resolve = resolve,
        connect: Connect = connect,
        tls: Any = None,
        own_ports: OwnPorts = listening,
    ) -> None:
        self._gate = Gate(settings, resolve, own_ports)
        self._connect = connect
        self._given_tls = tls
        self._one = settings.image_timeout
        self._all = TOGETHER * settings.image_timeout
        self._room = BoundedSemaphore(AT_ONCE)
        self._cache = Cache()
        self._going: dict[str, AsyncResult[str | FetchError | None]] = {}

    @classmethod
    def of(cls, settings: Settings) -> "ImageFetcher | None":
        """The fetcher that the settings want; ``None`` when nothing is fetched."""
        return None if settings.image_fetch == "off" else cls(settings)

    def fetch_all(self, urls: Iterable[str]) -> dict[str, str | FetchError]:
        """Each image as base64, or why there is none.  Raises nothing."""
        wanted = list(dict.fromkeys(urls))
        budget = Budget(self._all)
        found = gather(
            [partial(self._outcome, url, budget) for url in wanted], OF_A_REQUEST
        )
        return dict(zip(wanted, found, strict=True))

    def _outcome(self, url: str, budget: "Budget") -> str | FetchError:
        try:
            return self._shared(target(url), budget)
        except FetchError as exc:
            forget_frames(exc)
            return exc

    def _shared(self, place: Target, budget: "Budget") -> str | FetchError:
        """What becomes of a URL; all who want it at the same time share one fetch."""
        while True:
            kept = self._cache.get(place.url)
            if kept is not None:
                return kept
            going = self._going.get(place.url)
            if going is None:
                return self._lead(place, budget)
            with budget.limit(self._all):
                found: str | FetchError | None = going.get()
            if found is not None:
                return found

    def _lead(self, place: Target, budget: "Budget") -> str | FetchError:
        """Fetch for all who want it meanwhile."""
        going = self._going[place.url] = AsyncResult()
        found = None
        try:
            found = self._attempt(place, budget)
            return found
        finally:
            del self._going[place.url]
            # One that was ended from outside, or had used up its own, says nothing.
            going.set(None if isinstance(found, Exhausted) else found)

    def _attempt(self, place: Target, budget: "Budget") -> str | FetchError:
        try:
            return self._fetched(place, budget)
        except FetchError as exc:
            forget_frames(exc)  # one of them is to hold it
            return exc
        except OSError as exc:
            return FetchError(str(exc)[:200])
        except UpstreamBroken as exc:  # its message is about Ollama
            return FetchError(f"not HTTP: {exc.detail}")
        except ValueError as exc:
            return FetchError(f"not HTTP: {type(exc).__name__}")

    def _fetched(self, place: Target, budget: "Budget") -> str:
        begun = time.monotonic()
        with budget.limit(self._all):
            # Before there is room: what is refused waits for nobody (F10).
            addresses = self._gate.addresses(place)
            used = time.monotonic() - begun
            self._room.acquire()
        try:
            with budget.limit(self._one - used):
                return self._fetch(place, addresses, budget)
        finally:
            self._room.release()

    def _fetch(self, asked: Target, addresses: list[Address], budget: "Budget") -> str:
        place, keep = asked, True
        for _ in range(MAX_REDIRECTS + 1):
            with closing(self._connected(place, addresses)) as line:
                head, rest = _ask(line, place)
                keep = keep and "no-store" not in _field(head, "cache-control")
                if head.status not in _REDIRECTS:
                    _check(head, place)
                    body = _payload(body_of(head, "GET"), rest, line)
                    image = _text(_image(body, place, budget))
                    if keep:
                        self._cache.put(asked.url, image)
                    return image
            location = ", ".join(head.values("location"))
            place, addresses = following(place, location), []
        raise FetchError("too many redirects")

    def _connected(self, place: Target, addresses: list[Address]) -> Line:
        """A connection to an allowed address, with the certificate of the name."""
        failure = None
        addresses = addresses or self._gate.addresses(place)
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
        # All of requests for its one path: only who fetches by https needs it.
        from requests.utils import DEFAULT_CA_BUNDLE_PATH

        context = gevent.ssl.SSLContext(gevent.ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        return context


class Budget:
    """What is left of the time and the bytes that one request may use."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._bytes = MAX_TOGETHER

    def limit(self, at_most: float) -> gevent.Timeout:
        """A limit in seconds on the next step, which may not have them any more."""
        left = self._end - time.monotonic()
        if left < at_most:
            return gevent.Timeout(max(0.0, left), Exhausted("no time was left"))
        return gevent.Timeout(at_most, FetchError("it took too long"))

    def take(self, count: int) -> None:
        """Use so many bytes; raises ``Exhausted`` when they are not left."""
        self._bytes -= count
        if self._bytes < 0:
            raise Exhausted("the images of the request are too large together")


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
    if pixels(image) > MAX_PIXELS:
        raise FetchError(f"{place.host}: more than {MAX_PIXELS} pixels")
    return image


def _text(image: bytearray) -> str:
    """An image as base64, made in steps: others run between them."""
    texts = []
    for start in range(0, len(image), _STEP):
        let_others(image)
        texts.append(base64.b64encode(image[start : start + _STEP]).decode())
    return "".join(texts)


def _too_large(place: Target) -> FetchError:
    return FetchError(f"{place.host}: more than {MAX_IMAGE} bytes")


def _field(head: Head, name: str) -> str:
    return ", ".join(head.values(name)).strip().lower()
