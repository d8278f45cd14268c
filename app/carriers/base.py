"""What it takes to carry one request to Ollama: the words both carriers share.

The interface (``Request``, ``Response``, ``Carrier``), the upstream's address
(``Origin``) and the clock of one exchange.  It opens no connection.
"""

import errno
import math
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

import msgspec

from ..errors import UpstreamTimeout, UpstreamUnreachable

Headers = list[tuple[str, str]]

#: What is being waited for.
Phase = Literal["connect", "send", "first_byte", "idle", "total"]


class Timeouts(msgspec.Struct, frozen=True):
    """Limits on waiting for the upstream, in seconds; ``None`` means no limit.

    ``connect``: look-up and TCP (and TLS) connect.  ``first_byte``: request sent
    until the head of the answer is complete, and of lines the first one too.
    ``idle``: between two reads of the body, of lines between two that say something,
    and while the upstream takes nothing of what we send.  ``total``: the whole
    exchange.  The clock is monotonic, and time during which *we* are not waiting for
    the upstream (a slow client) counts only towards ``total``.
    """

    connect: float | None = 5.0
    first_byte: float | None = 600.0
    idle: float | None = 120.0
    total: float | None = 3600.0


class Request(msgspec.Struct, frozen=True):
    """One request to the upstream.

    ``target`` is path and query exactly as they go on the wire.  ``headers`` are
    complete but for Host, Content-Length/Transfer-Encoding, Accept-Encoding
    (always ``identity``) and Connection, which are the carrier's: given ones are
    dropped.  A ``body`` of bytes is sent with its length; an iterable is streamed,
    with Content-Length when ``length`` is known, else chunked.  ``retry`` allows one
    second try where the upstream cannot have acted (specification: reliability, R1);
    it is ignored for a streamed body.  ``lines`` says that the answer is to be lines:
    then limits count from line to line (``pace``).
    """

    method: str
    target: str
    headers: Headers = []
    body: bytes | Iterable[bytes] = b""
    length: int | None = None
    timeouts: Timeouts = Timeouts()
    retry: bool = True
    lines: bool = False

    @property
    def repeatable(self) -> bool:
        """Whether a second try is allowed and the body is still there for it."""
        return self.retry and isinstance(self.body, bytes)


class Response(Protocol):
    """The answer: its head is complete, its body comes by iterating.

    Each item is everything that had arrived at one read, never empty.  The end of
    iteration means a body that is whole by its framing; anything else raises
    ``UpstreamBroken`` or ``UpstreamTimeout``.  ``close()`` may be called at any
    time and more than once; it never raises, and an unfinished connection is
    closed, never reused.  ``release()`` is its kinder form.
    """

    status: int
    reason: str
    headers: Headers

    def __iter__(self) -> Iterator[bytes]: ...

    def __next__(self) -> bytes: ...

    def close(self) -> None:
        """Let go of the answer."""

    def release(self) -> None:
        """Let go of an answer that is complete in meaning, if not in its framing.

        Waits for less than a second, so that the connection can be kept.
        """


class Carrier(Protocol):
    """What carries a request to one upstream and brings its answer back.

    ``send`` returns when the head of the answer is there.  It raises
    ``UpstreamUnreachable``, ``UpstreamTimeout`` or ``UpstreamBroken``, and
    ``BadRequest`` for a request that cannot be written as HTTP.
    """

    def send(self, request: Request) -> Response:
        """Send a request and wait for the head of its answer."""

    def close(self) -> None:
        """Close the connections at rest; running answers go on."""


class NoAnswer(UpstreamUnreachable):
    """The connection ended before the first byte of an answer.

    A ``reused`` one was closed by the upstream in between: it has not acted.
    """

    def __init__(self, *, reused: bool, detail: str = "") -> None:
        super().__init__(
            "Ollama closed the connection without an answer", detail=detail
        )
        self.reused = reused


#: A name whose parts have 1 to 63 characters, as look-ups want them, or an address.
_HOST = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?|(?=.*:)[0-9A-Fa-f:.]+"
)
_PORTS = {"http": 80, "https": 443}


class Origin(msgspec.Struct, frozen=True):
    """Where the upstream is: ``scheme://host:port`` and a path before every target."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @classmethod
    def parse(cls, url: str) -> "Origin":
        """Read an http or https URL; ``ValueError`` in plain words for any other."""
        try:
            parts = urlsplit(url)
        except ValueError:
            raise ValueError("the upstream URL names no valid host") from None
        if parts.scheme not in _PORTS:
            raise ValueError("the upstream URL must begin with http:// or https://")
        if "@" in parts.netloc:
            raise ValueError("the upstream URL must hold no user name or password")
        if "?" in url or "#" in url:
            raise ValueError("the upstream URL must end with its path")
        if not parts.hostname or not _HOST.fullmatch(parts.hostname):
            raise ValueError("the upstream URL names no valid host")
        if not re.fullmatch(r"[!-~]*", parts.path):
            raise ValueError("the upstream URL's path holds characters to be escaped")
        try:
            port = _PORTS[parts.scheme] if parts.port is None else parts.port
        except ValueError:
            port = 0
        if port == 0:
            raise ValueError("the upstream URL's port must be between 1 and 65535")
        return cls(parts.scheme, parts.hostname, port, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """The value of ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class Limit(NamedTuple):
    """A point on the monotonic clock, and what ends there."""

    when: float
    phase: Phase

    def remaining(self) -> float | None:
        """Seconds left, never negative; ``None`` for a limit that never comes."""
        if self.when == math.inf:
            return None
        return max(0.0, self.when - time.monotonic())


class Clock:
    """The limits of one exchange; it starts when it is made."""

    def __init__(self, request: Request) -> None:
        self.lines = request.lines
        self._timeouts = request.timeouts
        total = request.timeouts.total
        self.end = math.inf if total is None else time.monotonic() + total

    def limit(self, phase: Phase) -> Limit:
        """When a wait that begins now has to end: at its own limit or the total."""
        when = time.monotonic() + self.seconds(phase)
        return Limit(when, phase) if when < self.end else Limit(self.end, "total")

    def within(self, seconds: float) -> Limit:
        """A limit of its own, from now; the total counts no more."""
        return Limit(time.monotonic() + seconds, "idle")

    def late(self, phase: Phase) -> UpstreamTimeout:
        """The error that says what was waited for."""
        seconds = f"{self.seconds(phase):g} seconds"
        words = {
            "connect": f"Ollama accepted no connection within {seconds}",
            "send": f"Ollama took nothing of the request for {seconds}",
            "first_byte": f"Ollama did not begin its answer within {seconds}",
            "idle": f"Ollama sent nothing for {seconds}",
            "total": f"Ollama did not finish its answer within {seconds}",
        }
        return UpstreamTimeout(words[phase], detail=f"{phase} limit")

    def seconds(self, phase: Phase) -> float:
        """How long a wait may take by itself, infinity where it may for ever."""
        name = "idle" if phase == "send" else phase
        seconds: float | None = getattr(self._timeouts, name)
        return math.inf if seconds is None else seconds


def unreachable(cause: BaseException) -> UpstreamUnreachable:
    """A connection that could not be made; out of descriptors is our own 503."""
    detail = f"{type(cause).__name__}: {cause}"
    if getattr(cause, "errno", None) in (errno.EMFILE, errno.ENFILE):
        return UpstreamUnreachable(
            "too many connections are open; please try again",
            status=503,
            code="server_overloaded",
            headers=[("Retry-After", "1")],
            detail=detail,
        )
    return UpstreamUnreachable("Ollama cannot be reached", detail=detail)


#: Seconds before the second try at a connection that could not be made.
PAUSE = (0.1, 0.25)

Result = TypeVar("Result")


def twice(
    request: Request,
    attempt: Callable[[bool], Result],
    sleep: Callable[[float], object],
) -> Result:
    """Try once more where the upstream cannot have acted (reliability, R1).

    ``attempt`` is told whether only a fresh connection will do.
    """
    try:
        return attempt(False)
    except NoAnswer as exc:
        if not (exc.reused and request.repeatable):
            raise
    except UpstreamUnreachable:
        if not request.repeatable:
            raise
        sleep(random.uniform(*PAUSE))  # noqa: S311  # spreads tries, guards nothing
    return attempt(True)
