"""One option: what a text that somebody set for it means, or why it means nothing.

Which options there are is known to ``settings``.
"""

import ipaddress
import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import msgspec

from . import doors, ollama_host, proxies
from .aliases import aliases
from .carriers.base import Origin
from .targets import listed


class SettingsError(ValueError):
    """A setting is wrong; the text is one sentence that names it."""


class Option(msgspec.Struct, frozen=True):
    """One option as documentation and ``pannier config`` show it."""

    field: str
    variable: str
    type: Any
    default: Any
    help: str
    secret: bool = False

    @property
    def choices(self) -> tuple[str, ...]:
        """The values that it can have, where those are few and have names."""
        kind: Any = msgspec.inspect.type_info(self.type)
        kind = getattr(kind, "type", kind)
        named = isinstance(kind, msgspec.inspect.LiteralType)
        return tuple(map(str, kind.values)) if named else ()


class Given(msgspec.Struct, frozen=True):
    """A text somebody set: by which variable, and where."""

    text: str
    variable: str
    where: str

    @property
    def named(self) -> str:
        """The variable, and its place if that is not the environment."""
        place = "" if self.where == "the environment" else f" (in {self.where})"
        return f"{self.variable}{place}"


_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}


def meaning(option: Option, given: Given) -> Any:
    """The value meant by a text.  Raises ``SettingsError`` with one sentence."""
    check = _CHECKS.get(option.field)
    if check:
        return check(given)
    text = given.text
    if isinstance(option.default, bool):
        text = _BOOLEANS.get(text.lower(), text)
    try:
        value = msgspec.convert(text, option.type, strict=False)
    except msgspec.ValidationError:
        value = None
    if value is None or value != value:  # NaN passes every comparison
        raise SettingsError(f"{given.named}={text!r}: {_wanted(option)} is wanted.")
    return value


def _wanted(option: Option) -> str:
    kind: Any = msgspec.inspect.type_info(option.type)
    kind = getattr(kind, "type", kind)
    if option.choices:
        return "one of " + ", ".join(map(repr, option.choices))
    if isinstance(kind, msgspec.inspect.BoolType):
        return "'true' or 'false'"
    noun = "number" if isinstance(kind, msgspec.inspect.FloatType) else "whole number"
    unit = {
        "timeout": " of seconds",
        "heartbeat": " of seconds",
        "bytes": " of bytes",
        "ttl": " of seconds",
        "cache": " of seconds",
    }
    noun += unit.get(option.field.rpartition("_")[2], "")
    if kind.gt is None and kind.le is not None:
        return f"a {noun} from {kind.ge:g} to {kind.le:d}"
    low = f"above {kind.gt:g}" if kind.gt is not None else f"of {kind.ge:d} or more"
    high = "" if kind.le is None else f", at most {kind.le:d}"
    return f"a {noun} {low}{high}"


def is_listen_address(value: str) -> bool:
    """Whether this is certainly meant as an address: an IP address or localhost."""
    if value == "localhost":
        return True
    try:
        ipaddress.ip_address(value.strip("[]"))
    except ValueError:
        return False
    return True


def _host(given: Given) -> str:
    name = given.text.strip("[]")
    if not is_listen_address(name) and not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise SettingsError(
            f"{given.named}={given.text!r}: an IP address or a host name is wanted."
        )
    return name


def _api_key(given: Given) -> str:
    if not given.text.isascii() or not given.text.isprintable() or " " in given.text:
        raise SettingsError(
            f"{given.named}: a key of visible ASCII characters is wanted."
        )
    return given.text


def _upstream_url(given: Given) -> str:
    """``OLLAMA_URL`` as it is, or ``OLLAMA_HOST`` as Ollama reads it."""
    url = given.text
    if given.variable == "OLLAMA_HOST":
        url = ollama_host.to_url(url)
    # The URL may hold a password: the sentences do not repeat it.
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise SettingsError(f"{given.named}: this is not a valid URL.") from None
    whole = parts.hostname and port != 0 and not re.search(r"[^!-~]", url)
    if parts.scheme not in ("http", "https") or not whole:
        raise SettingsError(
            f"{given.named}: a URL like {ollama_host.DEFAULT_URL} is wanted."
        )
    if parts.query or parts.fragment or parts.username is not None:
        raise SettingsError(
            f"{given.named}: a host, a port and a path are wanted, and nothing else."
        )
    try:
        Origin.parse(url)
    except ValueError as error:
        raise SettingsError(f"{given.named}: {error}.") from None
    if re.search(r"/(?:v1|api)/*$", parts.path):
        raise SettingsError(
            f"{given.named}: Ollama's own address is wanted, without /v1 or /api."
        )
    return url.rstrip("/")


def _database_url(given: Given) -> str:
    # It may hold a password: the sentence does not repeat it.
    try:
        is_url = urlsplit(given.text).port != 0
    except ValueError:
        is_url = False
    if not is_url or not given.text.startswith(("postgresql://", "postgres://")):
        raise SettingsError(
            f"{given.named}: a URL like postgresql://user:password@host/database is"
            " wanted."
        )
    if not find_spec("psycopg"):
        raise SettingsError(
            f"{given.named}: PostgreSQL needs psycopg; requirements-postgres.lock has"
            " it (docs/storage.md)."
        )
    return given.text


def _limits_url(given: Given) -> str:
    # It loads what each worker will need: before they are forked, that is once.
    from redis import ConnectionPool

    try:
        ConnectionPool.from_url(given.text)
    except ValueError:  # which may repeat a password
        raise SettingsError(
            f"{given.named}: a URL like redis://:password@host:6379/0 is wanted."
        ) from None
    return given.text


def _aliases(given: Given) -> str:
    try:
        aliases(given.text)
    except ValueError as exc:
        raise SettingsError(f"{given.named}: {exc}.") from None
    return given.text


def _listing(read: Callable[[str], object], wanted: str) -> Callable[[Given], str]:
    """The check of a list that ``read`` takes; it names the entry that is wrong."""

    def check(given: Given) -> str:
        try:
            read(given.text)
        except ValueError as exc:
            raise SettingsError(
                f"{given.named}: {str(exc)!r} is no {wanted}."
            ) from None
        return given.text

    return check


_CHECKS: dict[str, Callable[[Given], str]] = {
    "aliases": _aliases,
    "database_url": _database_url,
    "limits_url": _limits_url,
    "allowed_hosts": _listing(
        doors.hosts, "host; llm.example.org,*.lan would be a list of two"
    ),
    "host": _host,
    "image_hosts": _listing(
        listed,
        "host and no host:port; example.com,10.0.0.5:9000 would be a list of two",
    ),
    "origins": _listing(
        doors.origins,
        "origin; https://chat.example.org,http://*.lan:3000 would be a list of two",
    ),
    "trusted_proxies": _listing(
        proxies.networks, "address or network; 10.0.0.5,192.168.0.0/16,unix is a list"
    ),
    "upstream_api_key": _api_key,
    "upstream_url": _upstream_url,
}
