"""Doors: under which names Pannier may be called, and by which web pages.

A page that makes its own name point at this machine is told by the ``Host`` it sends,
any other page by its ``Origin`` (specification: reliability, H9 and H10; Ollama's
server/routes.go and envconfig/config.go).  Nothing here knows WSGI.
"""

import re
import socket
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_network

from .addresses import is_here, parsed
from .listing import entries

#: Pages of this machine, and of programs that show pages: Ollama's own list.
ORIGINS = (
    *(
        f"{scheme}://{host}{port}"
        for scheme in ("http", "https")
        for host in ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104 - a name here
        for port in ("", ":*")
    ),
    "app://*",
    "file://*",
    "tauri://*",
    "vscode-webview://*",
    "vscode-file://*",
)
#: Names that no public name server gives away.
HOSTS = ("localhost", "*.localhost", "*.local", "*.internal")
_PRIVATE = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
)

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]{1,253})(?::[0-9]{0,5})?")
#: One origin, as a browser writes it; more would be a list.
_ORIGIN = re.compile(r"[!-+\--~]{1,300}")
_LISTED_HOST = re.compile(r"(\[[0-9a-f:.*]+\]|[a-z0-9._*-]{1,253})(?::[0-9]{1,5})?")
_LISTED_ORIGIN = re.compile(r"\*|[a-z*][a-z0-9+.*-]*://[!-+\-.0-~]{1,253}")

#: Verdicts that are remembered, of each kind: most callers use one name.
_REMEMBERED = 128


def hosts(text: str) -> list[str]:
    """The names of a list such as ``llm.example.org, *.lan``, without ports.

    Raises ``ValueError`` with the entry that is none.
    """
    return [_listed(_LISTED_HOST, entry)[1] for entry in entries(text)]


def origins(text: str) -> list[str]:
    """The origins of a list such as ``https://a.example, http://*.lan:*``.

    Raises ``ValueError`` with the entry that is none.
    """
    return [_listed(_LISTED_ORIGIN, entry)[0] for entry in entries(text)]


class Doors:
    """Who may call, by the settings' two lists; asked for every request.

    ``admits_host`` takes a ``Host`` header, ``admits_origin`` an ``Origin`` header;
    ``lists_origin`` is whether the settings themselves name the latter.
    """

    def __init__(self, allowed_hosts: str = "", allowed_origins: str = "") -> None:
        names = (*HOSTS, socket.gethostname().lower(), *hosts(allowed_hosts))
        self._hosts = _pattern(names)
        self._any_host = "*" in names
        listed = origins(allowed_origins)
        self._origins = _pattern((*ORIGINS, *listed))
        self._listed = _pattern(listed)
        self.admits_host = lru_cache(_REMEMBERED)(self._admits_host)
        self.admits_origin = lru_cache(_REMEMBERED)(self._admits_origin)
        self.lists_origin = lru_cache(_REMEMBERED)(self._lists_origin)

    def _admits_host(self, host: str) -> bool:
        if not host or self._any_host:
            return True
        found = _HOST.fullmatch(host.lower())
        if not found:
            return False
        return bool(self._hosts.fullmatch(found[1])) or _is_near(found[1])

    def _admits_origin(self, origin: str) -> bool:
        if not _ORIGIN.fullmatch(origin):
            return False
        return bool(self._origins.fullmatch(origin.lower()))

    def _lists_origin(self, origin: str) -> bool:
        if not _ORIGIN.fullmatch(origin):
            return False
        return bool(self._listed.fullmatch(origin.lower()))


def is_own(origin: str, host: str) -> bool:
    """Whether a page of this origin came from the very host that it now calls."""
    name = host.lower()
    return bool(name) and origin.lower() in (f"http://{name}", f"https://{name}")


def _is_near(host: str) -> bool:
    """Whether this is an address of this machine, or of a private network."""
    address = parsed(host.strip("[]"))
    if address is None:
        return False
    if address.is_loopback or address.is_unspecified:
        return True
    return any(address in network for network in _PRIVATE) or is_here(address)


def _listed(form: re.Pattern[str], entry: str) -> re.Match[str]:
    found = form.fullmatch(entry.lower())
    if not found:
        raise ValueError(entry)
    return found


def _pattern(texts: Iterable[str]) -> re.Pattern[str]:
    """Matches any of the texts, in which ``*`` stands for any text."""
    return re.compile("|".join(map(_wild, texts)))


def _wild(text: str) -> str:
    """One text as a pattern that looks at each place once, however many its stars."""
    first, *more = map(re.escape, text.split("*"))
    if not more:
        return first
    return first + "".join(f"(?>.*?{part})" for part in more[:-1]) + ".*" + more[-1]
