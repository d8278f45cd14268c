import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.targets import MAX_URL, FetchError, listed, target


@pytest.mark.parametrize(
    ("url", "want", "host"),
    [
        ("http://example.com", "http://example.com/", "example.com"),
        ("HTTPS://EXAMPLE.com/A?b=C#d", "https://example.com/A?b=C", "example.com"),
        ("http://example.com?x", "http://example.com/?x", "example.com"),
        ("http://example.com:8080/x", "http://example.com:8080/x", "example.com:8080"),
        ("https://example.com:443/x", "https://example.com/x", "example.com"),
        ("http://example.com:443/x", "http://example.com:443/x", "example.com:443"),
        ("http://8.8.8.8/x.png", "http://8.8.8.8/x.png", "8.8.8.8"),
        ("http://[2A00::1]:80/x", "http://[2a00::1]/x", "[2a00::1]"),
        ("http://a_b.example/x", "http://a_b.example/x", "a_b.example"),
        ("http://nas/x", "http://nas/x", "nas"),
        (
            "http://bücher.example/ü?q=ü",
            "http://xn--bcher-kva.example/%C3%BC?q=%C3%BC",
            "xn--bcher-kva.example",
        ),
        ("http://x.example/a%20b", "http://x.example/a%20b", "x.example"),
        ("http://x.example/@y", "http://x.example/@y", "x.example"),
        ('http://x.example/"<>', "http://x.example/%22%3C%3E", "x.example"),
        ("http://x.example/\ud800", "http://x.example/?", "x.example"),
    ],
)
def test_read(url: str, want: str, host: str) -> None:
    """A plain URL is read as browsers read it; the fragment stays here."""
    found = target(url)
    assert (found.url, found.origin) == (want, host)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x.example/",
        "file:///etc/passwd",
        "//x.example/",
        "http:x.example",
        "http:/x.example",
        "http://",
        "http:///x",
        "http://:80/",
        "http://u@x.example/",
        "http://u:p@x.example/",
        "http://@x.example/",
        "http://a:@x.example/",
        "http://x.example:/",
        "http://x.example:0/",
        "http://x.example:65536/",
        "http://x.example:99999999/",
        "http://x.example:80a/",
        "http://x.example:٨٠/",
        "http://x.example:+80/",
        "http://x.example\\@y.example/",
        "http://x.example\\.y.example/",
        "http:\\\\x.example/",
        " http://x.example/",
        "http://x.example/ ",
        "http://x.example/a b",
        "http://x.example/\r\nHost: y",
        "http://x.example/\x00",
        "http://x.example/\x7f",
        "http://x.example/\x85",
        "http://x.example/\x9b",
        "http://x.example/\u2028",
        "http://x.example/\u3000",
        "http://x%2eexample/",
        "http://%6c%6f%63alhost/",
        "http://x..example/",
        "http://.x.example/",
        "http://x.example./",
        "http://-x.example/",
        "http://x!.example/",
        "http://" + "a" * 64 + ".example/",
        "http://" + "a." * 127 + "example/",
        "http://xn--zzzzzzz\u00fc.example/",
        "http://[::1",
        "http://::1/",
        "http://[::1]x/",
        "http://[::g]/",
        "http://[1.2.3.4]/",
        "http://[::1%25eth0]/",
        "http://[v1.x]/",
        "http://\ud800.example/",
        "http://x.example/" + "x" * MAX_URL,
    ],
    ids=lambda url: ascii(url)[:40],
)
def test_f1_f2_f6_refused(url: str) -> None:
    """A URL that two readers might understand differently is none."""
    with pytest.raises(FetchError):
        target(url)


@given(st.text() | st.from_regex(r"https?://\S{0,30}", fullmatch=True))
def test_f2_any_text(text: str) -> None:
    """Any text is a target or none, and a target reads as itself."""
    try:
        found = target(text)
    except FetchError:
        return
    assert target(found.url) == found
    assert found.url.isascii()
    assert found.url.isprintable()


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("", set()),
        (" , ", set()),
        ("example.com", {("example.com", None)}),
        (
            "Example.com:8080, 10.0.0.5",
            {("example.com", 8080), ("10.0.0.5", None)},
        ),
        ("[::1]:9000,[FD00::1]", {("::1", 9000), ("fd00::1", None)}),
        ("bücher.example", {("xn--bcher-kva.example", None)}),
    ],
)
def test_listed(text: str, want: set[tuple[str, int | None]]) -> None:
    """A list of hosts, each with or without a port."""
    assert listed(text) == want


@pytest.mark.parametrize(
    "entry",
    [
        "http://x.example",
        "x.example/",
        "x.example:0",
        "x.example:65536",
        "x.example:",
        "*.example",
        "a b",
        "::1",
        "127.1",
        "u@x",
        "[::1",
    ],
)
def test_not_listed(entry: str) -> None:
    """An entry that is no host is named."""
    with pytest.raises(ValueError, match=f"^{re.escape(entry)}$"):
        listed(f"good.example,{entry}")
