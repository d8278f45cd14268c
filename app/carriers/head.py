"""The heads of HTTP/1.1 messages as bytes: answers' read, requests' written.

Strict where http.client is lenient: half a head, folded or nameless fields, bare line
ends are ``UpstreamBroken``, at once and within bounds (specification: reliability, U1,
U2, P9).  Bodies are ``framing``'s; no socket here.
"""

import re
from typing import NamedTuple

from ..errors import BadRequest, UpstreamBroken
from .base import Headers, Origin, Request

MAX_HEAD = 64 * 1024
MAX_FIELDS = 200
#: Interim answers (100, 102, 103) skipped before the real one.
MAX_INTERIM = 32

# A field's name, and the characters of its value.
_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_VALUE = r"[\t\x20-\x7e\x80-\xff]*"
_STATUS = re.compile(r"HTTP/1\.[01] [1-5][0-9]{2}(?: .*)?")
_TOKEN = re.compile(_NAME)
# A control character, or a line end that is not CRLF.
_STRAY = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n")
_TARGET = re.compile(r"[!-~]+")
# A head of an answer as all of them should be, and the fields of one.
_WHOLE = re.compile(
    rf"HTTP/1\.([01]) ([1-5][0-9]{{2}})(?: ({_VALUE}))?\r\n"
    rf"((?:{_NAME}:{_VALUE}\r\n)*)\r\n".encode()
)
_FIELD = re.compile(r"([^:]+):([^\r]*)\r\n")
# The fields of a request, a line each.
_FIELDS = re.compile(rf"(?:{_NAME}: {_VALUE}\r\n)*")
# The carrier's own fields, and those that belong to one connection only.
_OWN = re.compile(
    r"^(?:host|content-length|transfer-encoding|accept-encoding|connection|keep-alive"
    r"|proxy-connection|te|trailer|upgrade|expect):[^\r]*\r\n",
    re.IGNORECASE | re.MULTILINE,
)


def broken(detail: str) -> UpstreamBroken:
    """The one message for bytes that are no HTTP answer; the log learns more."""
    return UpstreamBroken("Ollama's answer is not valid HTTP", detail=detail)


def cut_short(detail: str, code: str = "upstream_error") -> UpstreamBroken:
    """An answer that ended before its framing says it ends."""
    return UpstreamBroken("Ollama's answer broke off", code=code, detail=detail)


class Head(NamedTuple):
    """The head of a final answer; ``raw`` is its bytes with the blank line."""

    status: int
    reason: str
    headers: Headers
    minor: int
    raw: bytes

    def values(self, name: str) -> list[str]:
        """All values of a field, in order; ``name`` in lower case."""
        if b"\n%b:" % name.encode() not in self.raw.lower():
            return []
        return [value for key, value in self.headers if key.lower() == name]

    @property
    def persistent(self) -> bool:
        """Whether the connection outlives this answer."""
        if self.minor == 0:
            return False
        options = ",".join(self.values("connection")).lower().split(",")
        return "close" not in {word.strip() for word in options}


def parse_head(raw: bytes) -> Head:
    """Read one head, given with its blank line; raises ``UpstreamBroken``."""
    found = _WHOLE.fullmatch(raw)
    if found is None or found[4].count(b"\n") > MAX_FIELDS:
        raise _fault(raw)
    headers = [
        (name, value.strip(" \t"))
        for name, value in _FIELD.findall(found[4].decode("latin-1"))
    ]
    minor, status, reason, _ = found.groups(b"")
    return Head(int(status), reason.decode("latin-1"), headers, int(minor), raw)


def _fault(raw: bytes) -> UpstreamBroken:
    """What is wrong with a head."""
    if _STRAY.search(raw):
        return broken("a control character or a bare line end in the head")
    start, *fields = raw[:-4].decode("latin-1").split("\r\n")
    if not _STATUS.fullmatch(start):
        return broken("bad status line")
    if len(fields) > MAX_FIELDS:
        return broken(f"more than {MAX_FIELDS} header fields")
    return broken("bad header field")


class HeadReader:
    """Takes blocks as they arrive and gives the final head when it is complete."""

    def __init__(self) -> None:
        self.started = False
        self.rest = b""  # after the head: what came of the body
        self._interim = 0

    def feed(self, block: bytes) -> Head | None:
        """Add a block (``b""`` is the end of input); ``None`` asks for more."""
        if not block:
            raise cut_short("end of input inside the head", "bad_upstream_response")
        self.started = True
        seen = max(0, len(self.rest) - 3)
        self.rest += block
        while self.rest:
            end = self.rest.find(b"\r\n\r\n", seen) + 4
            self._check(seen, end)
            if end < 4:
                return None
            head, self.rest, seen = parse_head(self.rest[:end]), self.rest[end:], 0
            if head.status >= 200:
                return head
            self._skip(head)
        return None

    def _check(self, seen: int, end: int) -> None:
        """Refuse what will never be a head before all of it is there."""
        if not self.rest.startswith(b"HTTP/1."[: len(self.rest)]):
            raise broken("bad status line")
        if (len(self.rest) if end < 4 else end) > MAX_HEAD:
            raise broken(f"head larger than {MAX_HEAD} bytes")
        if end < 4 and b"\n\n" in self.rest[seen:]:
            raise broken("bare line ends in the head")

    def _skip(self, head: Head) -> None:
        self._interim += 1
        if head.status not in (100, 102, 103):
            raise broken(f"unexpected status {head.status}")
        if self._interim > MAX_INTERIM:
            raise broken("too many interim answers")


def request_lines(request: Request, origin: Origin) -> str:
    """All header lines of a request, the carrier's included; raises ``BadRequest``."""
    given = "".join([f"{name}: {value}\r\n" for name, value in request.headers])
    if given.count("\r") != len(request.headers) or not _FIELDS.fullmatch(given):
        raise BadRequest("a header holds characters that HTTP does not allow")
    if _OWN.search(given):
        given = _OWN.sub("", given)
    body, framing = request.body, ""
    length = len(body) if isinstance(body, bytes) else request.length
    if length is None:
        framing = "Transfer-Encoding: chunked\r\n"
    elif length or request.method not in ("GET", "HEAD"):
        framing = f"Content-Length: {length}\r\n"
    ours = f"Host: {origin.authority}\r\nAccept-Encoding: identity\r\n"
    return ours + given + framing


def request_target(request: Request, origin: Origin) -> str:
    """The target with the upstream's own path before it."""
    if not _TOKEN.fullmatch(request.method) or not _TARGET.fullmatch(request.target):
        raise BadRequest("the path holds characters that HTTP does not allow")
    return origin.prefix + request.target


def request_head(request: Request, origin: Origin) -> bytes:
    """The bytes of a request's head; raises ``BadRequest``."""
    target, lines = request_target(request, origin), request_lines(request, origin)
    return f"{request.method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
