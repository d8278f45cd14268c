import socket
import time

import pytest

from app.doors import Doors, is_own


@pytest.mark.parametrize(
    ("setting", "host", "admitted"),
    [
        ("", "", True),
        ("", "localhost:80", True),
        ("", "10.0.0.1", True),
        ("", "[::1]", True),
        ("", "[fe80::1]", False),
        ("", "169.254.169.254", False),
        ("", "box.example", False),
        ("", "box", False),
        ("box", "BOX:1", True),
        ("Box:1234", "box", True),
        ("*.example", "a.b.example:1", True),
        ("*.example", "example", False),
        ("a*z.example", "abcz.example", True),
        ("a*z.example", "xabcz.example", False),
        ("a*b*c*.example", "a-b-b-c-.example", True),
        ("a*b*c*.example", "a-c-b-.example", False),
        ("a.example", "aXexample", False),
        ("203.0.113.9", "203.0.113.9:80", True),
        ("[2001:db8::*]", "[2001:db8::1]:80", True),
        ("*", "anything at all", True),
        ("*.example", "a b.example", False),
        ("*.example", "evil.test:1/.example", False),
    ],
)
def test_hosts(setting: str, host: str, admitted: bool) -> None:
    """Near names and listed ones, without their ports; nothing that is no name."""
    assert Doors(setting).admits_host(host) is admitted


def test_an_address_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A public address is served where it is this machine's own."""
    monkeypatch.setattr("app.doors.is_here", lambda address: str(address) == "8.8.8.8")
    assert Doors().admits_host("8.8.8.8:8080")
    assert not Doors().admits_host("8.8.4.4:8080")


def test_the_machine_s_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is whatever the machine is called, and as it is called, not as a pattern."""
    monkeypatch.setattr(socket, "gethostname", lambda: "Box.Example")
    assert Doors().admits_host("box.example:8080")
    assert not Doors().admits_host("boxxexample")


@pytest.mark.parametrize(
    ("setting", "origin", "admitted"),
    [
        ("", "http://localhost:3000", True),
        ("", "HTTP://LOCALHOST", True),
        ("", "app://x", True),
        ("", "http://[::1]:3000", False),
        ("", "http://192.168.0.1", False),
        ("", "null", False),
        ("*", "null", True),
        ("*", "http://a,http://b", False),
        ("https://a.example", "https://a.example", True),
        ("https://a.example", "https://a.example:8443", False),
        ("https://a.example", "http://a.example", False),
        ("http://*.lan:*", "http://a.lan:1", True),
        ("http://*.lan:*", "http://a.lan", False),
        ("chrome-extension://*", "chrome-extension://abc", True),
        ("*", "x" * 301, False),
        ("*", "a\r\nb", False),
    ],
)
def test_origins(setting: str, origin: str, admitted: bool) -> None:
    """Ollama's list and our own; one origin, and one that a header can repeat."""
    assert Doors("", setting).admits_origin(origin) is admitted


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://a.example", "a.example", True),
        ("https://A.example:1", "a.example:1", True),
        ("https://a.example:1", "a.example", False),
        ("ftp://a.example", "a.example", False),
        ("http://", "", False),
    ],
)
def test_own_pages(origin: str, host: str, own: bool) -> None:
    """A page is our own where its origin is the very host that it calls."""
    assert is_own(origin, host) is own


def test_verdicts_are_remembered_within_bounds() -> None:
    """However many names are tried, few are kept."""
    doors = Doors()
    for number in range(1000):
        doors.admits_host(f"h{number}.example")
        doors.admits_origin(f"http://h{number}.example")
    for cache in (doors.admits_host, doors.admits_origin):
        assert cache.cache_info().currsize <= 128


def test_no_text_takes_long() -> None:
    """A setting of many stars and a name made for it are compared in no time."""
    doors = Doors("*a" * 5, "http://" + "*a" * 5)
    begun = time.process_time()
    doors.admits_host("a" * 252 + "b")
    doors.admits_origin("http://" + "a" * 290 + "b")
    assert time.process_time() - begun < 1
