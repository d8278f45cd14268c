"""Gate: which targets images may come from, by the settings and by their addresses.

A name is looked up here, once; what it leads to is what may be connected to.  Look-ups
have threads of their own, and an end (specification: reliability, section 10, F3,
F12 and F13).
"""

import socket
from collections.abc import Callable
from functools import cache, cached_property
from ipaddress import ip_address
from urllib.parse import urlsplit

import gevent
from gevent.monkey import get_original
from gevent.threadpool import ThreadPool

from .addresses import Address, bare, is_here, is_plain, is_public
from .settings import Settings
from .targets import PORTS, FetchError, Target, listed

#: Seconds to look names up: a target's, and Ollama's where that is to be compared.
LOOK_UP = 2.0
#: Look-ups at a time, those included that nobody waits for any more.
THREADS = 8

#: The ports of this process, asked for once.
OwnPorts = Callable[[], set[int]]
#: Texts of the addresses of a name; raises ``OSError``.
Resolve = Callable[[str], list[str]]


def resolve(host: str) -> list[str]:
    """All addresses of a name; blocks its thread."""
    found = get_original("socket", "getaddrinfo")(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


#: Servers open their listeners before all else: their descriptors lie below this.
_FIRST_DESCRIPTORS = 256
_Socket = get_original("socket", "socket")


def listening() -> set[int]:
    """The TCP ports on which this process listens, whoever told it to."""
    found = set()
    for descriptor in range(_FIRST_DESCRIPTORS):
        try:
            sock = _Socket(fileno=descriptor)
        except OSError:
            continue  # a file, or none
        try:
            inet = sock.family in (socket.AF_INET, socket.AF_INET6)
            if inet and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                found.add(sock.getsockname()[1])
        except OSError:
            pass
        finally:
            sock.detach()  # it is not ours to close
    return found


class Gate:
    """Which targets may be connected to, by the settings; looks their names up.

    ``own_ports`` are those on which Pannier itself is, besides that of the settings.
    """

    def __init__(
        self, settings: Settings, resolve: Resolve, own_ports: OwnPorts
    ) -> None:
        self._mode = settings.image_fetch
        self._listed = listed(settings.image_hosts)
        self._set_port = settings.port
        self._own_ports = own_ports
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
        allowed = is_plain if named or self._mode == "any" else is_public
        late = FetchError(f"{place.host}: the look-up took too long")
        with gevent.Timeout(LOOK_UP, late):
            found = [place.address] if place.address else self._look_up(place.host)
            refused = [address for address in found if not allowed(address)]
            refused = refused or self._ours(found, place.port)
        if refused:
            raise FetchError(f"{place.host}: {refused[0]} is not opened to images")
        return found

    def _ours(self, found: list[Address], port: int) -> list[Address]:
        """Those at which Pannier itself, or Ollama, would answer (F13)."""
        own = port in self._ports
        ours = [one for one in found if own and is_here(bare(one))]
        if ours or port != self._upstream_port:
            return ours
        upstream = {bare(address) for address in self._look_up(self._upstream)}
        here = any(map(is_here, upstream))
        return [
            one
            for one in found
            if bare(one) in upstream or (here and is_here(bare(one)))
        ]

    @cached_property
    def _ports(self) -> set[int]:
        return {self._set_port} | self._own_ports()

    def _look_up(self, host: str) -> list[Address]:
        try:
            texts = _threads().apply(self._resolve, (host,))
        except OSError as exc:
            raise FetchError(f"{host}: {exc}") from exc
        if not texts:
            raise FetchError(f"{host}: no address")
        return [ip_address(text) for text in texts]


@cache
def _threads() -> ThreadPool:
    """Where names are looked up; a process keeps it, whatever its settings become."""
    # Not the hub's: names that are slow to find must not stop anything else.
    return ThreadPool(THREADS)
