"""Targets: what the URL of an image says, strictly read, and what operators list.

One reader for the check and for the fetch: what is connected to is what was looked
at, never what another parser makes of the same text (specification: reliability,
section 10, F2 and F6).  Nothing here looks up a name.
"""

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote, urljoin

import idna
from msgspec import Struct

from .listing import entries

MAX_URL = 2048
PORTS = {"http": 80, "https": 443}

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-fA-F:.]+\]|[^/?#@:\[\]]+)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<target>[/?][^#]*)?(?:#.*)?",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"(?P<host>\[[0-9a-fA-F:.]+\]|[^/?#@:\[\]]+)(?::(?P<port>[0-9]+))?"
)
_REFUSED = re.compile(r"[\x00-\x20\x7f-\xa0\\]|\s")
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*+[a-z0-9_-]{1,63}")
#: What inet_aton, and so many a resolver, would take for a number.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


_ASCII = "".join(map(chr, range(128)))


class FetchError(Exception):
    """Why an image was not fetched; for the log alone, never for a client.

    It names hosts and addresses, no paths and no queries: those may hold secrets.
    """


class Target(Struct, frozen=True):
    """One URL: ``host`` is lower-case ASCII or an address, ``path`` starts with /."""

    scheme: str
    host: str
    port: int
    path: str
    address: IPv4Address | IPv6Address | None = None

    @property
    def origin(self) -> str:
        """As a ``Host`` header says it."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == PORTS[self.scheme] else f"{name}:{self.port}"

    @property
    def url(self) -> str:
        """The URL as it was understood."""
        return f"{self.scheme}://{self.origin}{self.path}"


def target(url: str) -> Target:
    """What a URL names; raises ``FetchError`` for all but plain http and https."""
    if len(url) > MAX_URL:
        raise FetchError("the URL is too long")
    found = _URL.fullmatch(url)
    if not found or _REFUSED.search(url):
        raise FetchError("the URL is not a plain http or https one")
    scheme = found["scheme"].lower()
    port = int(found["port"] or PORTS[scheme])
    if not 0 < port < 65536:
        raise FetchError("the URL's port is none")
    try:
        host = _host(found["host"])
    except ValueError as exc:
        raise FetchError("the URL's host is neither a name nor an address") from exc
    path = quote(found["target"] or "/", safe="/?%:@!$&'()*+,;=[]|~", errors="replace")
    path = path if path.startswith("/") else f"/{path}"
    return Target(scheme, host, port, path, _address(host))


def following(place: Target, location: str) -> Target:
    """Where a redirect leads: as strictly read as any URL, and as much to be checked.

    ``location`` is the header's, read as Latin-1.  Raises ``FetchError``.
    """
    location = quote(location, _ASCII, "latin-1")  # so the bytes it had are asked for
    if _REFUSED.search(location):  # urljoin would leave some of them out
        raise FetchError(f"{place.host}: a redirect to what is no plain URL")
    try:
        found = target(urljoin(place.url, location))
    except ValueError as exc:
        raise FetchError(f"{place.host}: a redirect to what is no URL") from exc
    if (place.scheme, found.scheme) == ("https", "http"):
        raise FetchError(f"{place.host}: a redirect from https to http")
    return found


def listed(text: str) -> frozenset[tuple[str, int | None]]:
    """The hosts of a list such as ``example.com, 10.0.0.5:9000``, with their ports.

    Raises ``ValueError`` with the entry that is none.
    """
    return frozenset(map(_entry, entries(text)))


def _entry(entry: str) -> tuple[str, int | None]:
    found = _LISTED.fullmatch(entry)
    port = int(found["port"]) if found and found["port"] else None
    if not found or _REFUSED.search(entry) or port == 0 or (port or 0) > 65535:
        raise ValueError(entry)
    try:
        return _host(found["host"]), port
    except ValueError:
        raise ValueError(entry) from None


def _host(text: str) -> str:
    """A name in lower-case ASCII, or an address as Python writes it."""
    if text.startswith("["):
        return str(IPv6Address(text[1:-1]))
    # Signs that only turn into digits or dots on the way are tricks, not names.
    name = text.lower() if text.isascii() else idna.encode(text, uts46=True).decode()
    if not _NAME.fullmatch(name) or len(name) > 253:
        raise ValueError(name)
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        return str(IPv4Address(text))
    return name


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
