"""Gate: which targets images may come from, by the settings and by their addresses.

A name is looked up here, once; what it leads to is what may be connected to.  Look-ups
have threads of their own, and an end (specification: reliability, section 10, F3,
F12 and F13).
"""

import socket
from collections.abc import Callable
from functools import cached_property
from ipaddress import ip_address
from urllib.parse import urlsplit

import gevent
from gevent.monkey import get_original
from gevent.threadpool import ThreadPool

from .addresses import Address, is_here, is_plain, is_public
from .settings import Settings
from .targets import PORTS, FetchError, Target, listed

#: Seconds to look a name up.
LOOK_UP = 2.0
#: Look-ups at a time, those included that nobody waits for any more.
THREADS = 8

#: Texts of the addresses of a name; raises ``OSError``.
Resolve = Callable[[str], list[str]]


def resolve(host: str) -> list[str]:
    """All addresses of a name; blocks its thread."""
    found = get_original("socket", "getaddrinfo")(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Gate:
    """Which targets may be connected to, by the settings; looks their names up."""

    def __init__(self, settings: Settings, resolve: Resolve) -> None:
        self._mode = settings.image_fetch
        self._listed = listed(settings.image_hosts)
        self._own_port = settings.port
        upstream = urlsplit(settings.upstream_url)
        self._upstream = upstream.hostname or ""
        self._upstream_port = upstream.port or PORTS[upstream.scheme]
        self._resolve = resolve

    def addresses(self, place: Target) -> list[Address]:
        """The addresses of a target, all of them allowed; raises ``FetchError``."""
        usual = place.port in PORTS.values()
        named = (place.host, place.port) in self._listed
        named = named or (usual and (place.host, None) in self._listed)
        if not named and (self._mode == "allowlist" or not usual):
            raise FetchError(f"{place.host}: port {place.port} is not opened to images")
        found = [place.address] if place.address else self._look_up(place.host)
        allowed = is_plain if named or self._mode == "any" else is_public
        for address in found:
            if not allowed(address) or self._is_ours(address, place.port):
                raise FetchError(f"{place.host}: {address} is not opened to images")
        return found

    def _is_ours(self, address: Address, port: int) -> bool:
        """Whether Pannier itself, or Ollama, would answer there (F13)."""
        if port == self._own_port and is_here(address):
            return True
        if port != self._upstream_port:
            return False
        upstream = self._look_up(self._upstream)
        return address in upstream or (
            is_here(address) and any(is_here(one) for one in upstream)
        )

    def _look_up(self, host: str) -> list[Address]:
        with gevent.Timeout(LOOK_UP, FetchError(f"{host}: the look-up took too long")):
            try:
                texts = self._threads.apply(self._resolve, (host,))
            except OSError as exc:
                raise FetchError(f"{host}: {exc}") from exc
        if not texts:
            raise FetchError(f"{host}: no address")
        return [ip_address(text) for text in texts]

    @cached_property
    def _threads(self) -> ThreadPool:
        # Not the hub's: names that are slow to find must not stop anything else.
        return ThreadPool(THREADS)
