"""Images by URL through a real server: what is opened is fetched, nothing else."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from support.faulty import PATIENCE, Faulty, Peer
from support.pictures import JPEG, PNG, Web, canary, moved, page, text
from support.server import Server, free_port
from support.simulator import Simulator

pytestmark = pytest.mark.live

Asking = Callable[..., Any]


class Slow:
    """A page that waits until it may go on."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, peer: Peer) -> None:
        """Say that it was asked, wait, answer."""
        self.asked.set()
        assert self.go_on.wait(PATIENCE)
        peer.send(page())


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    """A web server with images."""
    pages = {
        "/a.png": page(),
        "/b.jpg": page(JPEG, kind="image/jpeg"),
        "/once.png": page(),
        "/page.png": page(b"<html>", kind="text/html"),
        "/missing.png": page(status="404 Not Found"),
    }
    with Web(pages) as web:
        yield web


@contextmanager
def asking(simulator: Simulator, **settings: str) -> Iterator[Asking]:
    """Asks a model about images by their URLs, over a Pannier of its own."""
    with (
        Server({"OLLAMA_URL": simulator.url, **settings}) as server,
        openai.OpenAI(
            base_url=f"{server.url}/v1", api_key="x", max_retries=0, timeout=30
        ) as client,
    ):

        def ask(*urls: str, model: str = "llava", **more: Any) -> Any:
            parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
            content = [{"type": "text", "text": "What is it?"}, *parts]
            return client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": content}],
                **more,
            )

        yield ask


@pytest.fixture(scope="module")
def inside() -> Iterator[Faulty]:
    """A server of the inner network, which is also the environment's proxy."""
    with canary() as server:
        yield server


@pytest.fixture(scope="module")
def ask(
    web: Web,
    simulator: Simulator,
    inside: Faulty,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Asking]:
    """Asks over a Pannier that may ask the web server, and that lists Ollama too."""
    ports = (web.port, simulator.port)
    hosts = [f"{host}:{port}" for host in ("127.0.0.1", "localhost") for port in ports]
    home = tmp_path_factory.mktemp("home")
    Path(home, ".netrc").write_text("default login a password b\n")
    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "ALL_PROXY"), inside.url)
    theirs = {"HOME": str(home), "NETRC": str(home / ".netrc"), **proxies}
    with asking(simulator, PANNIER_IMAGE_HOSTS=",".join(hosts), **theirs) as ask:
        yield ask


@pytest.fixture(autouse=True)
def asked_last(web: Web) -> None:
    """Each test sees its own requests to the web server."""
    web.heads.clear()


def said(answer: Any) -> str:
    """The text of an answer."""
    text: str = answer.choices[0].message.content
    return text


def test_an_image(ask: Asking, web: Web) -> None:
    """The model sees the bytes of the image; the next turn has them already."""
    for _ in range(2):
        answer = ask(f"{web.url}/once.png")
        assert said(answer).startswith(f"I see an image of {len(PNG)} bytes.")
    assert web.asked == ["/once.png"]


def test_an_image_by_name(ask: Asking, web: Web) -> None:
    """The host of a URL is looked up."""
    answer = ask(f"http://localhost:{web.port}/b.jpg")
    assert said(answer).startswith(f"I see an image of {len(JPEG)} bytes.")


def test_several_streamed(ask: Asking, web: Web) -> None:
    """Several images reach a streamed answer."""
    chunks = ask(f"{web.url}/a.png", f"{web.url}/b.jpg", stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text.startswith(f"I see 2 images of {len(PNG) + len(JPEG)} bytes.")


@pytest.mark.parametrize("path", ["/page.png", "/missing.png"])
def test_f8_no_image(ask: Asking, web: Web, path: str) -> None:
    """What is no image is a 400 that names the part."""
    with pytest.raises(openai.BadRequestError) as caught:
        ask(f"{web.url}/a.png", f"{web.url}{path}")
    assert caught.value.code == "invalid_image"
    assert caught.value.param == "messages[0].content[2].image_url"


def test_f11_nothing_of_ours_is_sent(ask: Asking, web: Web) -> None:
    """No proxy, password or cookie takes part; the client's own fields stay here."""
    once, then = f"/{time.monotonic_ns()}", f"/{time.monotonic_ns()}+"
    to = moved(then, set_cookie="a=b")
    web.pages = {**web.pages, once: to, then: page()}
    theirs = {"Cookie": "c=d", "X-Api-Key": "e"}
    assert "an image" in said(ask(f"{web.url}{once}", extra_headers=theirs))
    assert web.asked == [once, then]
    for head in web.heads:
        names = [line.partition(":")[0] for line in head.split("\r\n")[1:-2]]
        wanted = {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}
        assert set(names) == wanted
        assert "User-Agent: Pannier " in head


def endless(peer: Peer) -> None:
    """An image without end."""
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n" + PNG)
    for _ in range(1000):
        peer.send(bytes(65536))
    raise AssertionError("64 MB were read")


def no_images(inside: Faulty, simulator: Simulator) -> dict[str, Any]:
    """Pages that are no images, and redirects to where there may be none."""
    return {
        "/inner.png": moved(f"{inside.url}/"),
        "/ollama.png": moved(f"{simulator.url}/api/tags"),
        "/loop.png": moved("/loop.png"),
        "/file.png": moved("file:///etc/passwd"),
        "/octets.png": page(kind="application/octet-stream"),
        "/zipped.png": page(content_encoding="gzip"),
        "/endless.png": endless,
    }


@pytest.mark.parametrize("stream", [False, True])
def test_f2_f4_f5_f6_f7_f8_f10_one_text_for_all(
    ask: Asking, web: Web, inside: Faulty, simulator: Simulator, stream: bool
) -> None:
    """Whatever is wrong, the answer is the same 400, at once, and nobody is asked."""
    places = {"/page.png": web.pages["/page.png"], **no_images(inside, simulator)}
    web.pages = {**web.pages, **places}
    with Faulty(lambda peer: None) as closed:
        pass  # nobody listens there any more
    refused = [
        f"http://127.1:{web.port}/a.png",
        f"http://0x7f000001:{web.port}/a.png",
        f"http://2130706433:{web.port}/a.png",
        f"http://0177.0.0.1:{web.port}/a.png",
        f"http://127.0.0.1.:{web.port}/a.png",
        f"http://\uff11\uff12\uff17.\uff10.\uff10.\uff11:{web.port}/a.png",
        f"http://[::ffff:127.0.0.1]:{web.port}/a.png",
        f"http://user@127.0.0.1:{web.port}/a.png",
        f"http://127.0.0.1:{web.port}\\@example.com/a.png",
        f"http://127.0.0.1:{web.port}/a.png?" + "x" * 2048,
        f"{inside.url}/",
        f"{closed.url}/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[fe80::1%25lo]/",
        "http://no-such-name.invalid/",
    ]
    texts = set()
    for url in [*refused, *(f"{web.url}{path}" for path in places)]:
        begun = time.monotonic()
        with pytest.raises(openai.BadRequestError) as caught:
            ask(url, stream=stream)
        assert time.monotonic() - begun < 6
        assert caught.value.code == "invalid_image"
        texts.add(caught.value.message)
    (only,) = texts
    assert "could not fetch the image in messages[0].content[1].image_url" in only
    assert set(web.asked) == set(places)


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        (f"data:image/png;base64,{text(PNG)}", True),
        (text(PNG), True),
        ("data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=", False),
        ("data:image/png;base64,!", False),
        ("data:text/html;base64,PGh0bWw+", False),
        ("file:///etc/passwd", False),
        ("/etc/passwd", False),
        ("ftp://127.0.0.1/a.png", False),
    ],
)
def test_f1_f9_what_is_no_url(ask: Asking, url: str, taken: bool) -> None:
    """Data URLs and bare base64 are images; paths and other schemes never are."""
    if taken:
        assert said(ask(url)).startswith(f"I see an image of {len(PNG)} bytes.")
        return
    with pytest.raises(openai.BadRequestError, match="invalid image input"):
        ask(url)


def test_nothing_is_fetched_in_vain(ask: Asking, web: Web) -> None:
    """A model that cannot see, or an explanation, has nothing fetched."""
    url = f"{web.url}/unseen.png"
    with pytest.raises(openai.BadRequestError, match="does not support image input"):
        ask(url, model="tiny")
    explained = ask(url, extra_headers={"X-Pannier-Explain": "1"}).model_extra
    assert explained["requests"][0]["messages"][0]["images"] == [url]
    assert web.heads == []


def test_one_fetch_for_all(ask: Asking, web: Web) -> None:
    """Two requests that want the same image at the same time fetch it once."""
    slow = Slow()
    web.pages = {**web.pages, "/shared.png": slow}
    url = f"{web.url}/shared.png"
    with ThreadPoolExecutor() as threads:
        first = threads.submit(ask, url)
        assert slow.asked.wait(PATIENCE)
        second = threads.submit(ask, url)
        assert "an image" in said(ask(f"{web.url}/a.png"))  # a turn of its own
        slow.go_on.set()
        for one in (first, second):
            assert "an image" in said(one.result(PATIENCE))
    assert web.asked.count("/shared.png") == 1


def test_the_client_leaves(ask: Asking, web: Web) -> None:
    """When the client leaves, nothing is fetched for it any more."""
    gone = threading.Event()

    def slow(peer: Peer) -> None:
        assert peer.gone()
        gone.set()

    web.pages = {**web.pages, "/left.png": slow}
    with pytest.raises(openai.APITimeoutError):
        ask(f"{web.url}/left.png", timeout=0.5)
    assert gone.wait(2)
    assert web.asked == ["/left.png"]


def test_f13_every_way_to_pannier(simulator: Simulator, web: Web) -> None:
    """Pannier never asks itself, wherever it listens and however that is called."""
    port, other = free_port(), free_port()
    names = ["127.0.0.1", "127.9.9.9", "localhost", socket.gethostname(), "[::1]"]
    ways = [f"{name}:{here}" for name in names for here in (port, other)]
    settings = {
        "OLLAMA_URL": simulator.url,
        "PANNIER_IMAGE_FETCH": "any",
        "PANNIER_IMAGE_HOSTS": ",".join([*ways, f"127.0.0.1:{web.port}"]),
    }
    binds = ["--bind", f"127.0.0.1:{port}", "--bind", f"0.0.0.0:{other}"]
    with Server(settings, arguments=binds, port=port) as server:
        web.pages = {**web.pages, "/us.png": moved(f"http://127.0.0.1:{other}/own")}
        with openai.OpenAI(
            base_url=f"{server.url}/v1", api_key="x", max_retries=0, timeout=30
        ) as client:
            for url in [*(f"http://{way}/own" for way in ways), f"{web.url}/us.png"]:
                part: Any = {"type": "image_url", "image_url": {"url": url}}
                with pytest.raises(openai.BadRequestError, match="could not fetch"):
                    client.chat.completions.create(
                        model="llava", messages=[{"role": "user", "content": [part]}]
                    )
        server.stop()
        assert "path=/own" not in server.output()
        assert server.output().count("path=/v1/chat/completions") == len(ways) + 1


def test_f13_what_is_not_opened(
    ask: Asking, simulator: Simulator, inside: Faulty
) -> None:
    """Other ports of loopback, and Ollama itself, are never asked, listed or not."""
    simulator.clear()
    for url in (
        f"http://127.0.0.1:{inside.port}/",
        f"http://localhost:{inside.port}/",
        f"http://[::ffff:127.0.0.1]:{inside.port}/",
        f"{simulator.url}/image.png",
        f"http://localhost:{simulator.port}/image.png",
        f"http://[::1]:{simulator.port}/image.png",
    ):
        with pytest.raises(openai.BadRequestError, match="could not fetch"):
            ask(url)
    assert "image.png" not in str(simulator.log())


def test_f12_a_slow_one(ask: Asking, web: Web) -> None:
    """While one image is waited for, others are fetched and answered."""
    slow = Slow()
    web.pages = {**web.pages, "/slow.png": slow}
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(ask, f"{web.url}/slow.png")
        assert slow.asked.wait(PATIENCE)
        assert "an image" in said(ask(f"{web.url}/a.png"))
        assert not waiting.done()
        slow.go_on.set()
        assert "an image" in said(waiting.result(PATIENCE))


def test_f1_off(simulator: Simulator, web: Web) -> None:
    """With image_fetch=off the answer is Ollama's, and nobody is asked."""
    hosts = f"127.0.0.1:{web.port}"
    with (
        asking(simulator, PANNIER_IMAGE_FETCH="off", PANNIER_IMAGE_HOSTS=hosts) as ask,
        pytest.raises(openai.BadRequestError, match="not currently supported"),
    ):
        ask(f"{web.url}/a.png")
    assert web.heads == []


def test_a_list_that_is_none(simulator: Simulator) -> None:
    """A list of hosts that is none stops the start with one sentence."""
    settings = {"OLLAMA_URL": simulator.url, "PANNIER_IMAGE_HOSTS": "http://x/"}
    with (
        pytest.raises(RuntimeError, match=r"'http://x/' is no host and no host:port"),
        Server(settings),
    ):
        pass
