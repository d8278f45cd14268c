"""What every test of other people's clients needs: them, quiet and kept at home.

The clients live in an environment of their own (``make compat``), so that elsewhere
these modules are not even looked at.
"""

import os
import socket
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest
from support.server import Server

CLIENTS = ("instructor", "langchain_openai", "litellm")
MISSING = [name for name in CLIENTS if find_spec(name) is None]
collect_ignore_glob = ["test_*.py"] if MISSING else []

# Read when the libraries are imported: no price lists, no telemetry.
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["LANGSMITH_TRACING"] = "false"

if not MISSING:
    with warnings.catch_warnings():
        # They import things that they know to be deprecated.
        warnings.simplefilter("ignore")
        import instructor  # noqa: F401
        import langchain_openai  # noqa: F401

        # With the vocabulary cl100k_base that it brings, for which it sets
        # TIKTOKEN_CACHE_DIR.
        import litellm.litellm_core_utils.default_encoding  # noqa: F401


@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Warnings of other people's code are not our errors."""
    item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture(autouse=True)
def at_home(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test whose client connects to anything but this machine."""
    connect = socket.socket.connect
    strangers = []

    def checked(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
            strangers.append(address)
            raise ConnectionRefusedError(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)
    yield
    assert strangers == []


@pytest.fixture(scope="session")
def url(server: Server) -> str:
    """The base URL that users give to their client."""
    return f"{server.url}/v1"
