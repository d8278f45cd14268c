"""Proxies: whose word counts on where a request came from.

``X-Forwarded-For`` is a list to which every proxy adds the address that called it.
Whatever stands before the entries of proxies that are trusted may be invented, so it
is read from its end (specification: reliability, H7).
"""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from wsgiref.types import WSGIEnvironment

from .addresses import Address, is_loopback, parsed
from .listing import entries

#: What stands for peers without an address, those that come over a unix socket.
UNIX = "unix"
_REMEMBERED = 128
#: Headers that proxies add.
_FORWARDED = ("HTTP_X_FORWARDED", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


def networks(text: str) -> list[IPv4Network | IPv6Network]:
    """The networks of a list such as ``127.0.0.1, 10.0.0.0/8, unix``.

    Raises ``ValueError`` with the entry that is none.
    """
    return [_network(entry) for entry in entries(text.lower()) if entry != UNIX]


class Proxies:
    """The proxies of a setting; ``client`` says who called them."""

    def __init__(self, trusted: str = "") -> None:
        self._networks = networks(trusted)
        self._unix = UNIX in entries(trusted.lower())
        self.trusts = lru_cache(_REMEMBERED)(self._trusts)

    def client(self, environ: WSGIEnvironment) -> str:
        """The address of the client, as far as it is known; else an empty text."""
        peer: str = environ.get("REMOTE_ADDR", "")
        if not (self._networks or self._unix) or not self.trusts(peer):
            return peer
        for entry in reversed(environ.get("HTTP_X_FORWARDED_FOR", "").split(",")):
            address = _address(entry)
            if address is None:
                break  # nobody knows who wrote what stands before it
            peer = str(address)
            if not self.trusts(peer):
                break
        return peer

    def _trusts(self, peer: str) -> bool:
        if not peer:
            return self._unix
        address = _address(peer)
        return address is not None and any(address in net for net in self._networks)


def is_local(environ: WSGIEnvironment) -> bool:
    """Whether a program of this very machine asks, and not a proxy for another."""
    for name in environ:
        if name.startswith(_FORWARDED):
            return False
    return is_loopback(environ.get("REMOTE_ADDR", ""))


def _network(entry: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(entry)
    except ValueError:
        raise ValueError(entry) from None


def _address(entry: str) -> Address | None:
    """An entry of the list; some proxies write the port behind it."""
    text = entry.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    return parsed(text)
