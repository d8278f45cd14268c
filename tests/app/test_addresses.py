from ipaddress import ip_address

import pytest

from app.addresses import NOT_PUBLIC, bare, is_here, is_plain, is_public, network

#: One or two addresses inside each range of the specification's list.
REFUSED = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1
127.255.255.254 169.254.0.1 169.254.169.254 169.254.170.2 172.16.0.1 172.31.255.255
192.0.0.1 192.0.0.9 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255
198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255 168.63.129.16 100.100.100.200 192.0.0.192
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1
64:ff9b::7f00:1 64:ff9b::8.8.8.8 64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378::1
2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1 fc00::1 fd00:ec2::254
fe80::1 febf::1 fec0::1 ff02::1 ff0e::1 3fff::1 5f00::1
"""
PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255
128.0.0.0 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.0.3.0
192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 168.63.129.15
2606:4700:4700::1111 2a00:1450:4001::1 2001:200::1 2003::1 2400:cb00::1
"""


@pytest.mark.parametrize("text", REFUSED.split())
def test_f5_refused(text: str) -> None:
    """What is not the public Internet is not taken for it, in any clothes."""
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC.split())
def test_f5_public(text: str) -> None:
    """Addresses just outside a range are public."""
    assert is_public(ip_address(text))


def test_f5_every_range_has_an_example() -> None:
    """No range is in the list that no test knows."""
    examples = [ip_address(text) for text in REFUSED.split()]
    assert [n for n in NOT_PUBLIC if not any(e in n for e in examples)] == []


@pytest.mark.parametrize(
    "text", ["0.0.0.0", "::", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "2a00::1%eth0"]
)
def test_f5_not_plain(text: str) -> None:
    """An address in disguise names no machine, whatever is allowed."""
    assert not is_plain(ip_address(text))
    assert not is_public(ip_address(text))


@pytest.mark.parametrize("text", ["10.0.0.1", "127.0.0.1", "8.8.8.8", "::1", "fd00::1"])
def test_plain(text: str) -> None:
    """An address that is one, public or not."""
    assert is_plain(ip_address(text))


@pytest.mark.parametrize("text", ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::"])
def test_f13_here(text: str) -> None:
    """Loopback, and what Linux takes for it, is this machine."""
    assert is_here(ip_address(text))


@pytest.mark.parametrize("text", ["192.0.2.1", "2001:db8::1", "8.8.8.8"])
def test_elsewhere(text: str) -> None:
    """Other machines are not this one; without a way to them no error is raised."""
    assert not is_here(ip_address(text))


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("10.0.0.9", "10.0.0.9"),
        ("::ffff:10.0.0.9", "10.0.0.9"),
        ("64:ff9b::a00:9", "10.0.0.9"),
        ("2002:a00:9::1", "10.0.0.9"),
        ("::", "0.0.0.0"),
        ("::1", "::1"),
        ("fd00::a00:9", "fd00::a00:9"),
    ],
)
def test_bare(text: str, want: str) -> None:
    """The IPv4 address in an IPv6 one is found; loopback is none."""
    assert bare(ip_address(text)) == ip_address(want)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("2001:db8:1:2:3::4", "2001:db8:1::"),
        ("fe80::1%eth0", "fe80::"),
        ("unix", ""),
        ("", ""),
    ],
)
def test_networks(text: str, said: str) -> None:
    """Of an address only what many machines have in common stays; else nothing."""
    assert network(text) == said
