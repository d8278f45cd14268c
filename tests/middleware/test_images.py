import base64
import os

import pytest

from app.errors import BadRequest
from middleware.images import base64_of, image

JPEG = "/9j/4AAQSkZJRg=="
PNG = "iVBORw0KGgo="


@pytest.mark.parametrize(
    ("url", "want"),
    [
        (f"data:image/png;base64,{PNG}", PNG),
        (f"data:image/jpeg;base64,{JPEG}", JPEG),
        (f"data:image/jpg;base64,{JPEG}", JPEG),
        ("data:image/webp;base64,UklGRg==", "UklGRg=="),
        ("data:image/gif;base64,R0lGODlh", "R0lGODlh"),
        ("data:image/anything;base64,AAAA", "AAAA"),
        ("data:;base64,AAAA", "AAAA"),
        ("DATA:IMAGE/PNG;BASE64,AAAA", "AAAA"),
        ("data:image/PNG;base64,AAAA", "AAAA"),
        ("data:image/png;charset=utf-8;base64,AAAA", "AAAA"),
        ("data:image/png; charset=utf-8; base64,AAAA", "AAAA"),
        ("data:image/png;base64,AAA", "AAA="),
        ("data:image/png;base64,AA", "AA=="),
        ("data:image/png;base64,AA=", "AA=="),
        ("data:image/png;base64,A-_=", "A+/="),
        ("data:image/png;base64,A-_w", "A+/w"),
        ("data:image/png;base64,AA AA\r\nBB\tBB", "AAAABBBB"),
        ("data:image/png;base64,AA==\n", "AA=="),
        ("AAAA", "AAAA"),
        (PNG, PNG),
        (JPEG, JPEG),
        ("iVBORw0KGgo", PNG),
        ("A+/w", "A+/w"),
    ],
)
def test_spellings(url: str, want: str) -> None:
    """Any spelling becomes standard base64 with padding."""
    assert image(url, "p") == want


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "data:",
        "data:image/png",
        "data:image/png;base64",
        "data:image/png;base64,",
        "data:image/png;base64,====",
        "data:image/png,AAAA",
        "data:image/png;base64;AAAA",
        "data:text/html;base64,AAAA",
        "data:application/pdf;base64,AAAA",
        "data:image/png;base64,A",
        "data:image/png;base64,AAAAA",
        "data:image/png;base64,AA!A",
        "data:image/png;base64,AA==AA==",
        "data:image/png;base64,\u00e9\u00e9\u00e9\u00e9",
        "data:image/png;base64,data:image/png;base64,AAAA",
        "/etc/passwd",
        "//host/x",
        "file:///etc/passwd",
        "ftp://host/x",
        "javascript:AAAA",
        "C:/x",
        "not base64!",
        "data:image/" + "x" * 300 + ";base64,AAAA",
        "AAAA\x00",
        "../x",
    ],
)
def test_what_is_no_image(url: str) -> None:
    """Anything else is refused in Ollama's words, by its place."""
    with pytest.raises(BadRequest, match=r"^invalid image input$") as caught:
        image(url, "messages[3].content[1].image_url")
    assert caught.value.param == "messages[3].content[1].image_url"
    assert caught.value.code == "invalid_image"


@pytest.mark.parametrize("url", ["http://x/y.png", "https://x/y", "HTTPS://x"])
def test_urls_are_not_fetched_yet(url: str) -> None:
    """A URL gets Ollama's clear answer."""
    with pytest.raises(BadRequest, match="image URLs are not currently supported"):
        image(url, "p")


def test_any_bytes_survive() -> None:
    """What is decoded is what was encoded, whichever alphabet and padding."""
    for size in range(1, 50):
        data = os.urandom(size)
        for text in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
            for spelled in (text.decode(), text.decode().rstrip("=")):
                assert base64.b64decode(base64_of(spelled, "p")) == data
                url = f"data:image/png;base64,{spelled}"
                assert base64.b64decode(image(url, "p")) == data
