"""Images by URL through a real server: what is opened is fetched, nothing else."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from support.faulty import PATIENCE, Peer
from support.pictures import JPEG, PNG, Web, canary, page
from support.server import Server
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

        def ask(*urls: str, **more: Any) -> Any:
            parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
            content = [{"type": "text", "text": "What is it?"}, *parts]
            return client.chat.completions.create(
                model="llava",
                messages=[{"role": "user", "content": content}],
                **more,
            )

        yield ask


@pytest.fixture(scope="module")
def ask(web: Web, simulator: Simulator) -> Iterator[Asking]:
    """Asks over a Pannier that may ask the web server, and that lists Ollama too."""
    ports = (web.port, simulator.port)
    hosts = [f"{host}:{port}" for host in ("127.0.0.1", "localhost") for port in ports]
    with asking(simulator, PANNIER_IMAGE_HOSTS=",".join(hosts)) as ask:
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


def test_f13_what_is_not_opened(ask: Asking, simulator: Simulator) -> None:
    """Other ports of loopback, and Ollama itself, are never asked, listed or not."""
    simulator.clear()
    with canary() as inside:
        for url in (
            f"http://127.0.0.1:{inside.port}/",
            f"http://localhost:{inside.port}/",
            f"http://[::ffff:127.0.0.1]:{inside.port}/",
            f"{simulator.url}/api/tags",
            simulator.url.replace("127.0.0.1", "localhost"),
            f"http://[::1]:{simulator.port}/",
        ):
            with pytest.raises(openai.BadRequestError, match="could not fetch"):
                ask(url)
    assert simulator.log() == []


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
