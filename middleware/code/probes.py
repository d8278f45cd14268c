"""Probes: what editors ask a server about itself before they ask for code."""

import os
import platform
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from app.catalog import Catalog
from app.errors import GatewayError
from app.exchange import Exchange
from app.version import own_version
from app.wire import code_answers

from .policy import USUAL, Fill


class CodeProbe:
    """Answers with what ``tell`` says of the model for code, empty for none."""

    def __init__(self, fill: Fill, tell: Callable[[str], Any]) -> None:
        self._fill = fill
        self._tell = tell

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one request."""
        try:
            model = self._fill.model("default", Exchange.of(environ).key)
        except GatewayError:
            model = ""
        body = msgspec.json.encode(self._tell(model))
        length = ("Content-Length", str(len(body)))
        start_response("200 OK", [("Content-Type", "application/json"), length])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def tabby(model: str) -> code_answers.TabbyHealth:
    """What Tabby's server says of its health, as far as it is true here."""
    return code_answers.TabbyHealth(
        model=model,
        device="ollama",
        arch=platform.machine(),
        cpu_info="",
        cpu_count=os.cpu_count() or 1,
        cuda_devices=[],
        version=code_answers.TabbyVersion(git_describe=f"pannier-{own_version()}"),
    )


def llama(catalog: Catalog) -> Callable[[str], code_answers.LlamaProps]:
    """What llama.cpp's server says of its properties, as far as it is true here."""

    def tell(model: str) -> code_answers.LlamaProps:
        facts = catalog.facts(model) if model else None
        context = catalog.loaded(model) if model else None
        n_ctx = context or (facts.num_ctx if facts else None) or USUAL
        return code_answers.LlamaProps(
            default_generation_settings=code_answers.LlamaDefaults(n_ctx),
            total_slots=1,
            model_path=model,
            chat_template=facts.template if facts else "",
            build_info=f"pannier-{own_version()}",
        )

    return tell


def heard(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Take what editors tell of their use, and forget it."""
    start_response("204 No Content", [])
    return []
