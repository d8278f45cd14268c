"""What a request held is let go at its end, without the garbage collector.

A circle would keep its body until some collection, and each collection looks at all
that is left: keys with limits once cost 16 clients a third of their time that way.
"""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import pytest
from support.gateway import installed, key, snapshot
from support.keyed import REQUESTS, SECRET
from support.server import free_port
from support.simulator import Simulator
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app.exchange import Exchange
from app.protocol import close
from app.settings import Settings
from middleware.stack import build_stack

#: What a key may have; nobody comes near it.
LIMITS = {"rpm": 2**40, "tpd": 2**40, "max_concurrent": 2**40}
CAPS = {"max_output_tokens": 4096, "max_num_ctx": 131_072}
#: More kinds of requests: streams, and those that are refused.
MORE: dict[str, tuple[str, str, Any]] = {
    **{
        f"{name}, streamed": (method, path, body | {"stream": True})
        for name, (method, path, body) in REQUESTS.items()
        if body is not None and "embeddings" not in path
    },
    "several choices": (
        "POST",
        "/v1/chat/completions",
        REQUESTS["chat"][2] | {"n": 2},
    ),
    "code": (
        "POST",
        "/v1/fim/completions",
        {"model": "qwen2.5-coder", "prompt": "a", "suffix": "b"},
    ),
    "bad request": ("POST", "/v1/chat/completions", {"model": "llama3.2"}),
    "no such model": ("POST", "/v1/messages", REQUESTS["messages"][2] | {"model": "x"}),
}
ASKED = REQUESTS | MORE


@contextmanager
def found() -> Iterator[list[Any]]:
    """What only the collector can free of all that is made meanwhile."""
    circles: list[Any] = []
    gc.collect()
    gc.disable()
    try:
        yield circles
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        circles += gc.garbage
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


#: How Ollama is, and whether the client stays to the end.
ENDS = {
    "answered": (True, True),
    "left": (True, False),
    "Ollama is down": (False, True),
}


def ask(app: WSGIApplication, name: str, stays: bool) -> None:
    """Make one of the requests; one who does not stay takes a single piece."""
    method, path, body = ASKED[name]
    if body is not None and body.get("model") == "a":
        body = body | {"model": "all-minilm" if "embed" in path else "llama3.2"}
    asked = EnvironBuilder(
        path,
        method=method,
        headers={"Authorization": f"Bearer {SECRET}"},
        data=json.dumps(body) if body is not None else None,
        content_type="application/json",
    )
    pieces, _, _ = run_wsgi_app(app, asked.get_environ(), buffered=stays)
    for _ in pieces:
        if not stays:
            break
    close(pieces)


@pytest.mark.parametrize("limited", [True, False], ids=["a key with limits", "open"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", ASKED)
def test_nothing_waits_for_the_collector(
    name: str, end: str, limited: bool, simulator: Simulator, tmp_path: Path
) -> None:
    """Of no request is anything left in a circle, whatever becomes of it."""
    alive, stays = ENDS[end]
    settings: dict[str, Any] = {
        "upstream_url": simulator.url if alive else f"http://127.0.0.1:{free_port()}",
        "access_log": False,
        "usage": "on",
        "state_dir": str(tmp_path),
    }
    keys = [key(**LIMITS, **CAPS)] if limited else []
    app = build_stack(Settings(**settings), installed(snapshot(*keys), **settings))
    ask(app, name, stays)  # what is loaded for the first one stays
    with found() as circles:
        for _ in range(2):
            ask(app, name, stays)
    left = [one for one in circles if isinstance(one, Exchange)]
    app.release()
    assert left == []
