"""``OLLAMA_HOST`` as Ollama itself reads it (its ``envconfig/config.go``)."""

import ipaddress

#: Where Ollama listens when nobody says otherwise.
DEFAULT_URL = "http://127.0.0.1:11434"

_PORTS = {"http": "80", "https": "443"}

#: Addresses that mean every interface are reached by loopback.
_REACHED_AT = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def to_url(host: str) -> str:
    """The URL that ``OLLAMA_HOST=host`` means to Ollama's own client.

    Scheme, port and path are optional.  Without a scheme the port is 11434, with one
    it is the scheme's own; a port that is no number counts as absent.
    """
    host = host.strip().strip("'\"")
    scheme, found, rest = host.partition("://")
    if not found:
        scheme, rest = ("https" if host == "ollama.com" else "http"), host
    default = _PORTS.get(scheme, "") if found or scheme == "https" else "11434"
    rest, slash, path = rest.partition("/")
    name, port = _split(rest)
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        port = default
    name = _REACHED_AT.get(name, name)
    return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}{slash}{path}"


def _split(rest: str) -> tuple[str, str]:
    """Name and port; a bare IPv6 address has colons but no port."""
    if _is_address(rest.strip("[]")):
        return rest.strip("[]"), ""
    name, _, port = rest.rpartition(":") if ":" in rest else (rest, "", "")
    return name.strip("[]"), port


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
