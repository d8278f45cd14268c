"""Both carriers, against servers that misbehave."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ssl import SSLContext
from typing import Literal, cast

import pytest
from support.faulty import Faulty, Peer

from app.upstream import Upstream


@pytest.fixture(params=["builtin", "requests"])
def client(request: pytest.FixtureRequest) -> Literal["builtin", "requests"]:
    """The carrier's name as a setting."""
    return cast(Literal["builtin", "requests"], request.param)


@pytest.fixture
def serve() -> Iterator[Callable[..., Faulty]]:
    """Start a server with a behaviour; it is stopped when the test ends."""
    with ExitStack() as stack:

        def start(
            behaviour: Callable[[Peer], object], tls: SSLContext | None = None
        ) -> Faulty:
            return stack.enter_context(Faulty(behaviour, tls))

        yield start


@pytest.fixture
def connect(
    serve: Callable[..., Faulty], client: Literal["builtin", "requests"]
) -> Iterator[Callable[..., Upstream]]:
    """Make an upstream for a server or URL; it is closed before the server stops."""
    with ExitStack() as stack:

        def make(server: Faulty | str, path: str = "", **options: str) -> Upstream:
            url = server if isinstance(server, str) else server.url
            upstream = Upstream(url + path, client=client, **options)  # type: ignore[arg-type]
            stack.callback(upstream.close)
            return upstream

        yield make


@pytest.fixture
def upstream(
    serve: Callable[..., Faulty], connect: Callable[..., Upstream]
) -> Callable[[Callable[[Peer], object]], Upstream]:
    """An upstream with the given behaviour."""
    return lambda behaviour: connect(serve(behaviour))
