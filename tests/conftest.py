"""A simulator, Pannier in front of it, and a client: what live tests need."""

import gc
import signal
import weakref
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import hypothesis
import openai
import pytest
from support.server import Server
from support.simulator import Simulator

from app.inflight import Watch

pytest_plugins = ["support.noskip"]

# Where this run is told to be left alone by the keyboard, those that it starts are not:
# they are asked to end as from there.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples everywhere, and no complaint about a machine that is busy.
hypothesis.settings.register_profile(
    "pannier",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("pannier")


def pytest_collection_finish() -> None:
    """A million objects are tests, which stay: to look through them takes a second.

    Garbage is collected whenever it likes, in the midst of what a test has a limit for.
    """
    gc.collect()
    gc.freeze()


#: The requests that tests have begun in this process.
BEGUN: "weakref.WeakSet[Watch]" = weakref.WeakSet()


@pytest.fixture(scope="session", autouse=True)
def known_requests() -> Iterator[None]:
    """Every request of an application in this process is known."""
    begin = Watch.__init__

    def begun(watch: Watch, *args: Any) -> None:
        begin(watch, *args)
        BEGUN.add(watch)

    with patch.object(Watch, "__init__", begun):
        yield


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """A request that a test left unfinished ends with it.

    Else its limits would pass in the midst of another test, and end that.
    """
    for watch in tuple(BEGUN):
        watch.end()
    BEGUN.clear()


@pytest.fixture(scope="session", autouse=True)
def no_vocabulary() -> Iterator[None]:
    """No test fetches tiktoken's vocabulary, or finds a developer's."""
    missing = OSError("there is no Internet in tests")
    with patch("tiktoken.load.read_file_cached", side_effect=missing):
        yield


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    """A simulator in a process of its own."""
    with Simulator() as running:
        yield running


#: What a linted server must never write.
BREACHES = ("AssertionError", "ResourceWarning", "WSGIWarning", "without being closed")


@pytest.fixture(scope="session")
def server(simulator: Simulator) -> Iterator[Server]:
    """A real gunicorn that serves Pannier in front of the simulator.

    It runs under a linter of WSGI, with unclosed resources as errors, and whatever the
    tests did to it, neither has found anything in the end.
    """
    # What clients call their methods is no breach of ours.
    warned = "error::ResourceWarning,ignore:Unknown REQUEST_METHOD"
    env = {"OLLAMA_URL": simulator.url, "PYTHONWARNINGS": warned}
    with Server(env, arguments=["tests.support.linted:application"]) as running:
        yield running
        running.stop(signal.SIGINT)
        output = running.output()
        assert [words for words in BREACHES if words in output] == [], output[-8000:]


@pytest.fixture(scope="session")
def client(server: Server) -> Iterator[openai.OpenAI]:
    """OpenAI's own client, pointed at Pannier; it never retries."""
    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key="x", max_retries=0, timeout=30
    ) as client:
        yield client
