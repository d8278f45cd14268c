"""What reviews of code completion found, with real servers: who waits for whom."""

import json
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import openai
import pytest
from support.coding import BEGINS, SILENT, serving
from support.leaving import ask, eventually, fresh, until
from support.raw import Got
from support.raw import ask as ask_whole
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

#: One that says twenty pieces a second, and would go on for a minute.
ENDLESS = "sim-chunks999-tps20"
#: Seconds that a silent text has beyond its time.
GRACE = 2.0
#: How each form asks for what stands between two texts, and how its error is read.
FORMS: dict[str, tuple[str, Any]] = {
    "code": ("/code/generate", lambda prefix: {"prompt": prefix, "suffix": "b"}),
    "completions": (
        "/v1/completions",
        lambda prefix: {"prompt": prefix, "suffix": "b", "max_tokens": 999},
    ),
    "fim": (
        "/v1/fim/completions",
        lambda prefix: {"prompt": prefix, "suffix": "b", "max_tokens": 999},
    ),
    "infill": (
        "/infill",
        lambda prefix: {"input_prefix": prefix, "input_suffix": "b", "n_predict": 999},
    ),
}
case = pytest.mark.parametrize
EVERY = case("name", FORMS)
BOTH = case("stream", [False, True])


@pytest.fixture(scope="module")
def short(ollama: Simulator) -> Iterator[Server]:
    """Pannier that gives a text half a second, from its first token on."""
    with serving(ollama, SILENT, PANNIER_CODE_TIMEOUT="0.5") as server:
        yield server


def whole(server: Server, name: str, prefix: str, **more: Any) -> Got:
    """Ask in a form, and read all of the answer."""
    path, body = FORMS[name]
    return ask_whole(server.port, "POST", path, body(prefix) | more)


def calls(ollama: Simulator, prefix: str) -> list[str]:
    """What became of the calls for a prefix."""
    return [one["outcome"] for one in ollama.log() if prefix in one["body"]]


# ------------------------------------------------------------------------ scripts


def test_a_script_is_not_superseded(ollama: Simulator) -> None:
    """OpenAI's own client in eight threads gets eight answers, each its own."""
    model = fresh("loading")
    source = {"source": "sim-load2-chunks3", "destination": model}
    assert ollama.ask("POST", "/api/copy", source)[0] == 200
    with (
        serving(ollama, SILENT) as server,
        openai.OpenAI(
            base_url=f"{server.url}/v1", api_key="x", max_retries=0, timeout=30
        ) as client,
        ThreadPoolExecutor(8) as threads,
    ):

        def complete(number: int) -> str:
            return (
                client.completions.create(
                    model=model, prompt=f"{model}-{number}/", suffix="b"
                )
                .choices[0]
                .text
            )

        texts = list(threads.map(complete, range(8)))
        assert all(texts)
        # All of them waited at once: none was there before the model was.
        ran = [one for one in ollama.log() if f"{model}-" in one["body"]]
        assert len(ran) == 8
        assert max(one["started"] for one in ran) < min(one["closed"] for one in ran)


@case(
    ("head", "apart"),
    [
        ("X-Pannier-Supersede: off", True),
        ("X-Stainless-Lang: js", True),
        ("X-Pannier-Supersede: on", False),
    ],
)
def test_who_asks_not_to_be_superseded(
    silent: Server, ollama: Simulator, head: str, apart: bool
) -> None:
    """Requests that say so, all of one client, wait side by side."""
    path, body = FORMS["completions"]
    prefixes = [fresh("pre") + "/" for _ in range(4)]
    with ExitStack() as stack:
        for prefix in prefixes:
            sock = ask(silent.port, "POST", path, fresh("id"), body(prefix), head)
            stack.enter_context(sock)
            ollama.wait(30, body=prefix)
        want = ["open"] * 4 if apart else ["client-left"] * 3 + ["open"]
        eventually(lambda: [calls(ollama, one)[0] for one in prefixes] == want)
    eventually(lambda: ollama.open() == 0)


# ------------------------------------------------------------------------- silence


@BOTH
@EVERY
def test_silent_after_its_first_token(
    short: Server, ollama: Simulator, name: str, stream: bool
) -> None:
    """A text that falls silent is a 504, or a stream's error, and Ollama rid of it."""
    prefix = fresh("pre") + "/"
    begun = time.monotonic()
    got = whole(short, name, prefix, model=BEGINS, stream=stream)
    assert time.monotonic() - begun >= 0.5 + GRACE
    assert got.status == (200 if stream else 504)
    assert b"PANNIER_CODE_TIMEOUT" in got.body
    if name != "code":
        assert got.body.count(b'"code":"upstream_timeout"') == 1
    elif stream:
        *texts, error = map(json.loads, got.body.splitlines())
        assert list(error) == ["error"]
        assert all(one["response"] for one in texts)
    else:
        assert list(json.loads(got.body)) == ["error"]
    eventually(lambda: calls(ollama, prefix) == ["client-left"])


@BOTH
@EVERY
def test_one_that_goes_on_ends_in_peace(
    short: Server, ollama: Simulator, name: str, stream: bool
) -> None:
    """A text that has had its time is what it is by then, and no failure."""
    prefix = fresh("pre") + "/"
    begun = time.monotonic()
    got = whole(short, name, prefix, model=ENDLESS, stream=stream)
    assert 0.5 <= time.monotonic() - begun < 30
    assert got.status == 200
    assert b'"error"' not in got.body
    frames = re.findall(rb'"(?:response|content|text)":"([^"]+)"', got.body)
    assert len(b"".join(frames)) > 20
    eventually(lambda: calls(ollama, prefix) == ["client-left"])


@BOTH
def test_each_choice_has_its_time(
    short: Server, ollama: Simulator, stream: bool
) -> None:
    """Of several choices none falls silent because another was given up in peace."""
    prefix = fresh("pre") + "/"
    more = {"model": ENDLESS, "n": 3, "stream": stream}
    got = whole(short, "completions", prefix, **more)
    assert got.status == 200
    assert b'"error"' not in got.body
    assert got.body.count(b'"finish_reason":"length"') == 3
    eventually(lambda: calls(ollama, prefix) == ["client-left"] * 3)


@BOTH
def test_prompts_one_after_the_other(ollama: Simulator, stream: bool) -> None:
    """The time of many texts is many times that of one."""
    env = {"PANNIER_CODE_TIMEOUT": "0.5", "PANNIER_MAX_CHOICES": "1"}
    with serving(ollama, SILENT, **env) as server:
        prefixes = [fresh("pre") + "/" for _ in range(8)]
        more = {"prompt": prefixes, "model": ENDLESS, "stream": stream}
        begun = time.monotonic()
        got = whole(server, "completions", "", **more)
        assert time.monotonic() - begun > 0.5 + GRACE + 0.5
    assert got.status == 200
    assert b'"error"' not in got.body
    assert got.body.count(b'"finish_reason":"length"') == 8


def test_a_short_limit_is_short(ollama: Simulator) -> None:
    """A limit of a fifth of a second for the first token is not one of a second."""
    with serving(ollama, SILENT, PANNIER_CODE_FIRST_TOKEN_TIMEOUT="0.2") as server:
        taken = []
        for _ in range(5):  # a machine that is busy may be late, but not always
            begun = time.monotonic()
            assert whole(server, "fim", fresh("pre") + "/").status == 504
            taken.append(time.monotonic() - begun)
        assert 0.2 <= min(taken) < 0.9, taken


# ------------------------------------------------------------------- reading ahead


def warm(server: Server, prefix: str, who: str) -> None:
    """Have a prefix read ahead."""
    body = {"input_prefix": prefix, "input_suffix": "b", "n_predict": 0}
    got = ask_whole(server.port, "POST", "/infill", body, {"User-Agent": who})
    assert got.status == 200


def test_anybodys_request_ends_it(silent: Server, ollama: Simulator) -> None:
    """What one editor has read ahead ends when another asks for code."""
    first, mine = fresh("ahead") + "/", fresh("pre") + "/"

    def begun() -> bool:
        # It is dropped as long as the worker still has anything else to answer.
        return bool(calls(ollama, first)) or warm(silent, first, "one") is not None

    eventually(begun)
    assert calls(ollama, first) == ["open"]
    path, body = FORMS["infill"]
    with ask(silent.port, "POST", path, fresh("id"), body(mine), "User-Agent: other"):
        eventually(lambda: calls(ollama, first) == ["client-left"])
        eventually(lambda: calls(ollama, mine) == ["open"])
    eventually(lambda: ollama.open() == 0)


def test_dropped_while_others_are_answered(silent: Server, ollama: Simulator) -> None:
    """Nothing is read ahead while a conversation goes on."""
    prompt, first, second = (fresh("ahead") + "/" for _ in range(3))
    chat = {
        "model": ENDLESS,
        "messages": [{"role": "user", "content": prompt}],
        "stream": True,
    }
    path = "/v1/chat/completions"
    with ask(silent.port, "POST", path, fresh("id"), chat) as sock:
        until(sock, b'"content"')
        for _ in range(3):
            warm(silent, first, "one")
        assert calls(ollama, prompt) == ["open"]
    eventually(lambda: calls(ollama, prompt) == ["client-left"])

    def begun() -> bool:
        warm(silent, second, "one")
        return bool(calls(ollama, second))

    eventually(begun)
    assert calls(ollama, first) == []  # it would have come before
