"""Which IP addresses are public, and which are this machine's own.

The list is our own (specification: reliability, section 10, F5): Python's
``ipaddress`` calls 64:ff9b::7f00:1, 2002:7f00:1::, fec0::1, 224.0.0.1 and
168.63.129.16 global.  Nothing here sends a packet or looks up a name.
"""

import re
import socket
from collections.abc import Callable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address

#: Everything that is not the public Internet.
NOT_PUBLIC: tuple[IPv4Network | IPv6Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network; Linux connects 0.0.0.0 to itself
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's own services
        "169.254.0.0/16",  # link-local, metadata of clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/96",  # unspecified, loopback, IPv4 inside (deprecated)
        "::ffff:0:0/96",  # IPv4 inside: mapped
        "::ffff:0:0:0/96",  # IPv4 inside: translated
        "64:ff9b::/96",  # IPv4 inside: NAT64
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/23",  # Teredo (IPv4 inside) and others
        "2001:db8::/32",
        "2002::/16",  # IPv4 inside: 6to4
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)


def is_public(address: Address) -> bool:
    """Whether this is an address of the public Internet, plainly written."""
    return is_plain(address) and not any(address in net for net in NOT_PUBLIC)


def is_plain(address: Address) -> bool:
    """Whether this names one machine by its own address, as it is.

    Not so: 0.0.0.0 and ::, IPv4 addresses in the clothes of IPv6, scope ids.
    """
    if address.is_unspecified:
        return False
    return isinstance(address, IPv4Address) or not (
        address.ipv4_mapped or address.scope_id
    )


def bare(address: Address) -> Address:
    """The IPv4 address that translators would make of an IPv6 one, or the same."""
    if isinstance(address, IPv4Address):
        return address
    if any(address in net for net in _IPV4_AT_THE_END) and not address.is_loopback:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or address


_IPV4_AT_THE_END = tuple(
    IPv6Network(text)
    for text in (
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
    )
)


def parsed(text: str) -> Address | None:
    """The address that a text is, of IPv4 in IPv6 the IPv4; ``None`` for a name."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


#: Bits of an address that tell networks apart, by its version, not machines.
_NETWORK = {4: 24, 6: 48}


def network(text: str) -> str:
    """The first address of the network of one; empty for what is no address."""
    address = parsed(text.partition("%")[0])
    if address is None:
        return ""
    return str(ip_network((address, _NETWORK[address.version]), False).network_address)


#: What is kept of a client's address, by the setting ``usage_client_ip``.
KEPT: dict[str, Callable[[str], str]] = {
    "full": str,
    "truncated": lru_cache(256)(network),
    "none": lambda address: "",
}


def is_loopback(host: str) -> bool:
    """Whether an address or name to listen on is heard by this machine alone."""
    address = parsed(host)
    return host == "localhost" if address is None else address.is_loopback


#: Names of this machine that every machine has (RFC 6761, and Linux's own).
_LOCAL = re.compile(
    r"(?:.+\.)?localhost|localhost\.localdomain|ip6-(?:localhost|loopback)"
)


def leads_to(name: str, host: str) -> bool:
    """Whether who connects to ``name`` may reach what listens on ``host``.

    As far as that is known without asking anybody: of names only those of this machine.
    """
    address, own = _meant(name), _meant(host)
    if address is None or own is None:
        return own is not None and own.is_unspecified and _is_called(name)
    if own.is_unspecified:
        return address.is_unspecified or is_here(address)
    return address == own or (
        own.is_loopback and (address.is_loopback or address.is_unspecified)
    )


def _meant(host: str) -> Address | None:
    """The address that a host is, however it is spelt; ``None`` for other names."""
    host = host.lower().rstrip(".")
    if _LOCAL.fullmatch(host):
        return IPv4Address("127.0.0.1")
    if address := parsed(host):
        return address
    try:  # 2130706433, 127.1, 0x7f.1: what the system's own look-up takes for one
        return IPv4Address(socket.inet_aton(host)) if host[:1].isdigit() else None
    except OSError:
        return None


def _is_called(name: str) -> bool:
    """Whether this is the name of this machine, with its domain or without."""
    own = socket.gethostname().lower()
    return name.lower().rstrip(".") in (own, own.partition(".")[0])


def is_here(address: Address) -> bool:
    """Whether a connection to this address would end on this very machine."""
    if address.is_loopback or not is_plain(address):
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # For datagrams this only asks which address of ours would be used.
            probe.connect((str(address), 9))
            return ip_address(probe.getsockname()[0].partition("%")[0]) == address
    except OSError:
        return False  # there is no way to it at all
