import base64
import os
import struct
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ollama import CHAT, Ollama, ask
from support.pictures import GIF, JPEG, PNG, WEBP, Net, Web, canary, page, text

import middleware.images
from app.catalog import Facts
from app.errors import BadRequest
from app.pictures import MAX_PIXELS, pixels
from app.settings import Settings
from app.targets import FetchError
from middleware.abilities import Abilities
from middleware.chat import ChatMiddleware
from middleware.errors import ErrorMiddleware
from middleware.images import MAX_URLS, Fetch, Images, base64_of
from middleware.legacy import LegacyChatMiddleware

P = "messages[3].content[1].image_url"
PNG_8 = "iVBORw0KGgo="  # the first eight bytes, which make a PNG
JPEG_10 = "/9j/4AAQSkZJRg=="


def image(url: str, param: str = P) -> str:
    """One image where nothing is fetched."""
    return taken(Images(), url, param)


def taken(images: Images, url: str, param: str = P) -> str:
    """What one image of a request is, or its URL."""
    found: list[str] = []
    images.take(url, param, found)
    return found[0]


def fetching(fetch: Fetch, *urls: str) -> list[str]:
    """What becomes of images by URL in one list."""
    images = Images(fetch)
    found: list[str] = []
    for number, url in enumerate(urls):
        images.take(url, f"p{number}", found)
    assert found == list(urls)
    images.fetch()
    return found


def refused(url: str) -> BadRequest:
    """Why a text is no image."""
    with pytest.raises(BadRequest) as caught:
        image(url)
    assert (caught.value.status, caught.value.code) == (400, "invalid_image")
    assert caught.value.param == P
    return caught.value


@pytest.mark.parametrize(
    ("url", "want"),
    [
        (f"data:image/png;base64,{PNG_8}", PNG_8),
        (f"data:image/jpeg;base64,{JPEG_10}", JPEG_10),
        (f"data:image/jpg;base64,{JPEG_10}", JPEG_10),
        (f"data:image/webp;base64,{text(WEBP)}", text(WEBP)),
        (f"data:image/gif;base64,{text(GIF)}", text(GIF)),
        (f"data:image/anything;base64,{PNG_8}", PNG_8),
        (f"data:image/png;base64,{JPEG_10}", JPEG_10),
        (f"data:;base64,{PNG_8}", PNG_8),
        (f"DATA:IMAGE/PNG;BASE64,{PNG_8}", PNG_8),
        (f"data:image/PNG;base64,{PNG_8}", PNG_8),
        (f"data:image/png;charset=utf-8;base64,{PNG_8}", PNG_8),
        (f"data:image/png; charset=utf-8; base64,{PNG_8}", PNG_8),
        ("data:image/png;base64,iVBORw0KGgo", PNG_8),
        ("data:image/jpeg;base64,_9j_4AAQSkZJRg", JPEG_10),
        ("data:image/jpeg;base64,_9j_-__-", "/9j/+//+"),
        ("data:image/jpeg;base64,_9j_-A", "/9j/+A=="),
        ("data:image/jpeg;base64,_9j_-A=", "/9j/+A=="),
        ("data:image/png;base64,iVBO Rw0K\r\nGg\to=", PNG_8),
        (f"data:image/png;base64,{PNG_8}\n", PNG_8),
        (f"data:image/png;base64,\n{PNG_8}", PNG_8),
        (PNG_8, PNG_8),
        (JPEG_10, JPEG_10),
        ("iVBORw0KGgo", PNG_8),
        ("_9j_-__-", "/9j/+//+"),
    ],
)
def test_f9_spellings(url: str, want: str) -> None:
    """Any spelling becomes standard base64 with padding."""
    assert image(url) == want


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
        f"data:image/png,{PNG_8}",
        f"data:image/png;base64;{PNG_8}",
        f"data:text/html;base64,{PNG_8}",
        f"data:application/pdf;base64,{PNG_8}",
        "data:image/png;base64,A",
        "data:image/png;base64,AAAAA",
        "data:image/png;base64,AA!A",
        "data:image/png;base64,AA==AA==",
        "data:image/png;base64,\u00e9\u00e9\u00e9\u00e9",
        f"data:image/png;base64,data:image/png;base64,{PNG_8}",
        "/etc/passwd",
        "//host/x",
        "file:///etc/passwd",
        "ftp://host/x",
        "javascript:AAAA",
        "C:/x",
        "http:/x",
        "http:x",
        "not base64!",
        "data:image/" + "x" * 300 + f";base64,{PNG_8}",
        "AAAA\x00",
        "../x",
        " http://x/",
    ],
)
def test_f9_what_is_no_image(url: str) -> None:
    """Anything else is refused in Ollama's words, by its place."""
    assert refused(url).message == "invalid image input"


OTHERS = {
    "BMP": b"BM\x3a\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00",
    "HEIC": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    "AVIF": b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00",
    "PDF": b"%PDF-1.7\n%\xe2\xe3",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg">',
    "TIFF": b"II*\x00\x08\x00\x00\x00",
    "these bytes": b"\x00\x00\x00\x00",
}
UNNAMED = [
    b"\x00",
    b"\x89PNG\r\n\x1a",
    b"\x89PNG\n\n\x1a\n\x00\x00\x00\x00",
    b"\x00\xff\xd8\xff",
    b"GIF88a\x01\x00",
    b"RIFF\x20\x00\x00\x00WAVEfmt ",
    b"RIFF\x20\x00\x00\x00WEB",
    b"<?xml version='1.0'?><svg/>",
    b"<!DOCTYPE html>",
    b"\x00\x00\x00\x18ftypmp42\x00\x00",
    b" " + PNG,
    b"text",
]


@pytest.mark.parametrize("form", ["{}", "data:image/png;base64,{}"])
@pytest.mark.parametrize(
    ("name", "data"),
    [*OTHERS.items(), *(("these bytes", data) for data in UNNAMED)],
)
def test_f8_f9_other_kinds(name: str, data: bytes, form: str) -> None:
    """What models cannot be shown is refused by its bytes, and the message helps."""
    assert refused(form.format(text(data))).message == (
        f"invalid image input in {P}: {name} cannot be read;"
        " PNG, JPEG, WebP and GIF are accepted"
    )


@pytest.mark.parametrize("url", ["http://x/y.png", "https://x/y", "HTTPS://x"])
def test_where_nothing_is_fetched(url: str) -> None:
    """A URL gets Ollama's clear answer."""
    assert refused(url).message == (
        "image URLs are not currently supported, please use base64 encoded data instead"
    )


def test_any_bytes_survive() -> None:
    """What is decoded is what was encoded, whichever alphabet and padding."""
    for size in range(1, 50):
        data = b"\xff\xd8\xff\xd9" + os.urandom(size)
        for encoded in (base64.b64encode(data), base64.urlsafe_b64encode(data)):
            for spelled in (encoded.decode(), encoded.decode().rstrip("=")):
                assert base64.b64decode(base64_of(spelled, "p")) == data
                url = f"data:image/png;base64,{spelled}"
                assert base64.b64decode(image(url)) == data


def test_f7_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """One image has a limit in bytes, and so have all of a request."""
    monkeypatch.setattr(middleware.images, "MAX_IMAGE", len(PNG) - 1)
    assert refused(text(PNG)).message == (
        f"invalid image input in {P}: the image is larger than 0 MiB"
    )
    monkeypatch.setattr(middleware.images, "MAX_IMAGE", len(PNG))
    monkeypatch.setattr(middleware.images, "MAX_TOGETHER", 2 * len(PNG))
    images = Images(lambda urls: dict.fromkeys(urls, text(PNG)))
    taken(images, text(PNG), "p0")
    taken(images, "http://x/", "p1")
    taken(images, "http://x/", "p2")
    with pytest.raises(BadRequest, match="in p2: the images are larger than"):
        images.fetch()


def test_f10_what_was_fetched() -> None:
    """A URL is what was fetched for it, or one text whatever went wrong."""
    known = {"http://x/": text(PNG), "http://y/": FetchError("y: a secret")}

    def fetch(urls: list[str]) -> dict[str, Any]:
        return {url: known[url] for url in urls}

    assert fetching(fetch, "http://x/", "http://x/") == [text(PNG)] * 2
    with pytest.raises(BadRequest) as caught:
        fetching(fetch, "http://x/", "http://y/")
    assert caught.value.message == (
        "could not fetch the image in p1: not reachable or not an image"
    )
    assert (caught.value.code, caught.value.param) == ("invalid_image", "p1")
    assert caught.value.detail == "image: y: a secret"


def test_f1_how_many() -> None:
    """Sixteen URLs are fetched, seventeen are refused before the first fetch."""
    urls = [f"http://x/{n}" for n in range(MAX_URLS + 1)]
    assert MAX_URLS == 16
    found = fetching(lambda given: dict.fromkeys(given, "x"), *urls[:-1], urls[0])
    assert found == ["x"] * 17
    with pytest.raises(BadRequest, match=r"at most 16 are fetched.* 17\.") as caught:
        fetching(lambda given: pytest.fail("fetched"), *urls)
    assert (caught.value.code, caught.value.param) == ("invalid_image", "messages")


def test_nothing_to_fetch() -> None:
    """Without URLs nobody is asked."""
    images = Images(lambda given: pytest.fail("fetched"))
    assert taken(images, text(PNG)) == text(PNG)
    assert not images.wanted
    images.fetch()


def sized(name: str, width: int, height: int) -> bytes:
    """The beginning of an image that says it has so many pixels."""
    if name == "PNG":
        return PNG[:16] + struct.pack(">II", width, height) + PNG[24:]
    if name == "GIF":
        return struct.pack("<6sHH", b"GIF89a", width, height)
    if name.startswith("JPEG"):
        # What may stand before the size: profiles, rubbish, the mark said twice.
        before = b"\xff\xe1\x00\x06\xff\xc0ab" + b"rubbish\xff\x00\xff\xd0\xff"
        frame = {"JPEG": b"\xff\xc0", "JPEG progressive": b"\xff\xc2"}[name]
        size = struct.pack(">HBHH", 17, 8, height, width)
        return b"\xff\xd8" + before + frame + size + bytes(12)
    if name == "WebP":
        size, kind = struct.pack("<HH", width | 0x4000, height | 0x8000), b"VP8 "
        return b"RIFFabcdWEBP" + kind + b"size" + b"abc\x9d\x01\x2a" + size
    if name == "WebP lossless":
        size = struct.pack("<I", (width - 1) | (height - 1) << 14 | 1 << 28)
        return b"RIFFabcdWEBPVP8Lsize\x2f" + size
    both = [struct.pack("<I", side - 1)[:3] for side in (width, height)]
    return b"RIFFabcdWEBPVP8Xsize" + bytes(4) + both[0] + both[1]


SIZED = ["PNG", "GIF", "JPEG", "JPEG progressive"]
SIZED += ["WebP", "WebP lossless", "WebP extended"]


@pytest.mark.parametrize("name", SIZED)
def test_pixels(name: str) -> None:
    """An image that would be gigabytes when decoded is refused by its own words."""
    assert pixels(sized(name, 12_345, 8_100)) == 12_345 * 8_100
    assert image(text(sized(name, 12_345, 8_100)))
    assert refused(text(sized(name, 8_200, 12_345))).message == (
        f"invalid image input in {P}: the image has more than 100 million pixels"
    )


@pytest.mark.parametrize("count", range(40))
def test_pixels_of_what_is_cut(count: int) -> None:
    """What ends before its size says none."""
    for name in SIZED:
        whole = sized(name, 12_345, 8_100)
        assert 0 <= pixels(whole[:count]) <= 12_345 * 8_100


@pytest.mark.parametrize("filler", [b"\xff\xe1\x00\x02", b"\xff\x00", b"\xff", b"\x00"])
def test_pixels_take_no_time(filler: bytes) -> None:
    """A JPEG of megabytes of nothing is looked through in a moment, or refused."""
    data = b"\xff\xd8\xff\xe0\x00\x02" + filler * (16_000_000 // len(filler))
    before = time.process_time()
    found = pixels(data)
    assert time.process_time() - before < 0.5
    assert found == 0 if filler == b"\x00" else found > MAX_PIXELS


def part(url: Any) -> dict[str, Any]:
    """A part of a message."""
    return {"type": "image_url", "image_url": url}


def asked(
    *messages: list[Any],
    headers: Mapping[str, str] = MappingProxyType({}),
    more: Mapping[str, Any] = MappingProxyType({}),
    **world: Any,
) -> tuple[Any, Ollama]:
    """The answer to a chat of users' messages, and Ollama's side of it."""
    ollama = Ollama(CHAT)
    chat = ErrorMiddleware(ChatMiddleware(ollama, **world))
    body = {
        "model": "m",
        "messages": [{"role": "user", "content": parts} for parts in messages],
        **more,
    }
    return ask(chat, "POST", "/v1/chat/completions", body, **headers), ollama


def test_a_chat_with_urls() -> None:
    """Images by URL and others keep their order; each URL is fetched once."""
    with Web({"/a": page(), "/b": page(GIF)}) as web:
        net = Net(web.port, {"site.example": ["93.184.216.34"]})
        a, b = "http://site.example/a", "http://site.example/b"
        said = {"type": "text", "text": "and"}
        answer, ollama = asked(
            [part({"url": b}), said, part(text(JPEG)), part(a)],
            [part({"url": a, "detail": "high"})],
            fetch=net.fetcher().fetch_all,
        )
        assert answer.status == 200
        assert sorted(web.asked) == ["/a", "/b"]
    sent = ollama.calls[0].json["messages"]
    assert [message["images"] for message in sent] == [
        [text(GIF), text(JPEG), text(PNG)],
        [text(PNG)],
    ]


def test_images_of_a_message_by_url() -> None:
    """Ollama's own field takes URLs too, behind the images among the parts."""
    with Web({"/a": page(GIF)}) as web:
        net = Net(web.port, {"site.example": ["93.184.216.34"]})
        given = ["http://site.example/a", f"data:image/jpeg;base64,{text(JPEG)}"]
        message = {"role": "user", "content": [part(text(PNG))], "images": given}
        fetch = net.fetcher().fetch_all
        answer, ollama = asked(more={"messages": [message]}, fetch=fetch)
    assert answer.status == 200
    (sent,) = ollama.calls[0].json["messages"]
    assert sent["images"] == [text(PNG), text(GIF), text(JPEG)]


URL = "http://site.example/a"


def facts(*capabilities: str) -> Facts:
    """A model that can do this."""
    return Facts("m", "", frozenset(capabilities), "", None, None, "", {})


@pytest.mark.parametrize(
    ("more", "world", "param"),
    [
        ({}, {"policies": [Abilities(lambda name: facts("completion"))]}, "messages"),
        ({"top_logprobs": 99}, {}, "top_logprobs"),
        ({"tools": [{"type": "function"}]}, {}, "tools[0].function"),
        ({"seed_": 1}, {"settings": Settings(strict=True)}, "seed_"),
        ({"n": 99}, {}, "n"),
    ],
    ids=["cannot see", "range", "tools", "strict", "choices"],
)
def test_nothing_is_fetched_in_vain(
    more: dict[str, Any], world: dict[str, Any], param: str
) -> None:
    """Nothing is fetched for a request that is refused for another reason."""
    answer, ollama = asked(
        [part(URL)], more=more, fetch=lambda urls: pytest.fail("fetched"), **world
    )
    assert (answer.status, answer.error["param"]) == (400, param)
    assert ollama.calls == []


def test_nothing_is_fetched_to_explain() -> None:
    """An explanation fetches nothing; where an image will be it shows the URL."""
    answer, ollama = asked(
        [part(text(PNG)), part(URL)],
        headers={"X_Pannier_Explain": "1"},
        fetch=lambda urls: pytest.fail("fetched"),
        policies=[Abilities(lambda name: facts("vision"))],
    )
    assert answer.status == 200
    (call,) = answer.json["requests"]
    assert call["messages"][0]["images"] == [text(PNG), URL]
    assert ollama.calls == []


FORCED = {
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": "required",
}


@pytest.mark.parametrize("kind", [ChatMiddleware, LegacyChatMiddleware])
@pytest.mark.parametrize("more", [{"n": 2}, FORCED], ids=["choices", "forced"])
def test_every_call_has_what_was_fetched(kind: Any, more: dict[str, Any]) -> None:
    """All calls of a request have the images that were fetched for it, once."""
    ollama, fetches = Ollama(CHAT), []

    def fetch(urls: list[str]) -> dict[str, str]:
        fetches.append(urls)
        return dict.fromkeys(urls, text(GIF))

    parts = [part(URL), part(text(PNG))]
    body = {"model": "m", "messages": [{"role": "user", "content": parts}], **more}
    ask(ErrorMiddleware(kind(ollama, fetch=fetch)), body=body)
    assert fetches == [[URL]]
    assert len(ollama.calls) == more.get("n", 1)
    for call in ollama.calls:
        seen = [one for m in call.json["messages"] for one in m.get("images") or ()]
        assert seen == [text(GIF), text(PNG)]


def test_a_chat_with_a_bad_url() -> None:
    """The part that could not be had is named, and Ollama is not asked."""
    with canary() as inside, Web({"/": page()}) as web:
        net = Net(web.port, {"site.example": ["93.184.216.34"]})
        answer, ollama = asked(
            [part("http://site.example/")],
            [part(f"http://127.0.0.1:{inside.port}/secret")],
            fetch=net.fetcher().fetch_all,
        )
    assert answer.status == 400
    place = "messages[1].content[0].image_url"
    assert answer.error == {
        "message": f"could not fetch the image in {place}:"
        " not reachable or not an image",
        "type": "invalid_request_error",
        "param": place,
        "code": "invalid_image",
    }
    assert ollama.calls == []


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://nowhere.example/",
        "http://site.example:22/",
        "http://site.example/missing",
        "http://site.example/text",
        "http://site.example/inside",
        "http://user:pass@site.example/",
        "http://127.1/",
        "http://" + "x" * 3000,
        "http://",
        "https://site.example/",
    ],
)
def test_f10_one_text_for_all(url: str) -> None:
    """Refused, unknown, closed, missing, no image: the answer does not tell."""
    pages = {
        "/missing": page(status="404 Not Found"),
        "/text": page(b"text", kind="text/plain"),
        "/inside": page(b"", "302 Found", location="http://10.0.0.1/"),
    }
    with Web(pages) as web:
        names = {"site.example": ["93.184.216.34"], "nowhere.example": ["10.0.0.1"]}
        port = web.port if url.startswith("http:") else 1
        fetch = Net(port, names).fetcher().fetch_all
        answer, _ = asked([part(url)], fetch=fetch)
    assert (answer.status, answer.error["message"]) == (
        400,
        "could not fetch the image in messages[0].content[0].image_url:"
        " not reachable or not an image",
    )


@given(st.text() | st.from_regex(r"(https?://|data:|data:image/)[^\n]{0,40}"))
def test_any_text(url: str) -> None:
    """Whatever stands in the place of an image, it is one or a 400 that names it."""
    fetch = Net(1).fetcher(image_fetch="allowlist").fetch_all
    answer, ollama = asked([part(url)], fetch=fetch)
    if answer.status == 200:
        assert ollama.calls[0].json["messages"][0]["images"]
    else:
        assert (answer.status, answer.error["code"]) == (400, "invalid_image")
        assert answer.error["param"] == "messages[0].content[0].image_url"


def test_empty() -> None:
    """An empty URL is a 400."""
    for url in ("", {"url": ""}):
        answer, _ = asked([part(url)])
        assert (answer.status, answer.error["code"]) == (400, "invalid_image")


def test_audio_is_no_image() -> None:
    """Audio travels beside images, told apart by its bytes."""
    data = base64.b64encode(b"OggS").decode()
    audio = {"type": "input_audio", "input_audio": {"data": data, "format": "ogg"}}
    answer, ollama = asked([part(text(PNG)), audio])
    assert answer.status == 200
    assert ollama.calls[0].json["messages"][0]["images"] == [text(PNG), data]
