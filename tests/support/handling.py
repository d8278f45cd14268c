"""Handlers of the administration in front of a database, without HTTP."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import msgspec
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule

from app.admin.application import _said
from app.admin.asked import Admin, Asked, Route, Sent
from app.admin.query import check
from app.admin.routes import ROUTES
from app.administration import Refused
from app.catalog import Catalog
from app.errors import GatewayError, UpstreamRefused
from app.inflight import Inflight
from app.installation import Installation
from app.option import Given
from app.protocol import close
from app.settings import Settings
from app.storage.audit import Actor, read_version
from app.upstream import Upstream
from middleware.shared import Shared

from .ollama import FakeUpstream

#: What Ollama has here, and how large that is.
MODELS = {"qwen3:4b": 2_600_000_000, "hf.co/some/thing:Q4_K_M": 7, "bge:latest": 5}


#: Who asks, and from where.
WHO = Actor.at("admin", "192.0.2.9")


class Answer(msgspec.Struct):
    """What a handler answers, or what was said against it.

    ``pieces`` are the sizes of what is sent one after the other.
    """

    status: int
    json: Any = None
    headers: dict[str, str] = {}
    body: bytes = b""
    pieces: list[int] = []

    @property
    def error(self) -> tuple[int, str | None]:
        """The status and the field that is to blame."""
        return self.status, self.json["param"]


class Handlers:
    """One installation; ``asked`` counts what Ollama was asked.

    That is none unless the settings say where one is.
    """

    def __init__(
        self, settings: Settings, found: dict[str, Given] | None = None
    ) -> None:
        self.upstream: Any = FakeUpstream()
        control = self._control
        if settings.upstream_url != Settings().upstream_url:
            self.upstream = Upstream.of(settings)
            control = self.upstream.control
        self.installation = Installation(settings, found)
        self.models = dict(MODELS)
        self.asked: list[str] = []
        self.catalog = Catalog(control)
        nobody: Any = None
        shared = Shared(nobody, self.catalog, settings, installation=self.installation)
        self.admin = Admin(
            installation=self.installation,
            settings=settings,
            found=found or {},
            catalog=self.catalog,
            inflight=Inflight(write_timeout=30),
            upstream=self.upstream,
            amend=shared.amend,
            answer=nobody,
        )
        self._routes: dict[str, Route] = {}
        self._map = Map(merge_slashes=False)
        for number, route in enumerate(ROUTES):
            name = str(number)
            self._map.add(Rule(route.path, methods=[route.method], endpoint=name))
            self._routes[name] = route

    def ask(
        self, method: str, target: str, body: Any = ..., if_match: str = ""
    ) -> Answer:
        """What becomes of a request; ``bytes`` are a body as it is."""
        path, _, query = target.partition("?")
        adapter = self._map.bind("localhost", "/")
        try:
            endpoint, parts = adapter.match(f"/{unquote(path)}", method)
        except HTTPException as error:
            return Answer(error.code or 500, {"code": "not_found", "param": None})
        if not isinstance(body, bytes):
            body = b"" if body is ... else json.dumps(body).encode()
        given = dict(parse_qsl(query, keep_blank_values=True))
        asked = Asked(path=parts, query=given, body=body, if_match=if_match, actor=WHO)
        try:
            route = self._routes[endpoint]
            check(given, route.query)
            return _answer(route.handler(self.admin, asked))
        except Refused as refused:
            error: GatewayError = _said(refused)
        except GatewayError as known:
            error = known
        said = {"message": error.message, "code": error.code, "param": error.param}
        return Answer(error.status, said)

    def do(self, method: str, target: str, body: Any = ..., if_match: str = "") -> Any:
        """The answer to a request that is fine."""
        answer = self.ask(method, target, body, if_match)
        assert answer.status in (200, 201, 204), answer
        return answer.json

    def key(self, name: str, **more: Any) -> Any:
        """A key of this name."""
        return self.do("POST", "keys", {"name": name, "allow_models": ["*"], **more})

    def copy(self, model: str, name: str) -> None:
        """Have Ollama, which there has to be, copy a model."""
        form = {"source": model, "destination": name}
        self.upstream.control("POST", "/api/copy", form)
        self.catalog.forget()

    def version(self) -> int:
        """How often anything was changed."""
        return self.installation.storage.read(read_version)

    def _control(self, method: str, path: str, body: Any, timeout: float) -> bytes:
        self.asked.append(path)
        if path == "/api/show":
            return msgspec.json.encode(self._shown(body.model))
        listed = [
            {"name": name, "model": name, "digest": name, "size": size}
            for name, size in self.models.items()
        ]
        return msgspec.json.encode({"models": listed if path == "/api/tags" else []})

    def _shown(self, model: str) -> Any:
        if model not in self.models:
            raise UpstreamRefused("model not found", status=404)
        return {
            "capabilities": ["completion", "tools"],
            "details": {
                "family": "f",
                "parameter_size": "4B",
                "quantization_level": "Q4",
            },
            "model_info": {"general.architecture": "f", "f.context_length": 4096},
        }


@contextmanager
def handlers(
    state_dir: Path, found: dict[str, Given] | None = None, **settings: Any
) -> Iterator[Handlers]:
    """The handlers of an installation of its own."""
    made = Handlers(Settings(state_dir=str(state_dir), **settings), found)
    try:
        yield made
    finally:
        made.installation.close()
        made.upstream.close()


def part(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


def _sent(sent: Sent) -> Iterator[bytes]:
    """The pieces of a body; what fails ends as it says."""
    try:
        yield from sent.body or ()
    except GatewayError as error:
        if sent.failure is None:
            raise
        yield sent.failure(error)
    finally:
        close(sent.body)


def _answer(result: Any) -> Answer:
    if result is None:
        return Answer(204)
    sent = result if isinstance(result, Sent) else Sent(value=result)
    headers = dict(sent.headers)
    if sent.body is not None:
        pieces = list(_sent(sent))
        sizes = [len(piece) for piece in pieces]
        return Answer(sent.status, None, headers, b"".join(pieces), sizes)
    value = msgspec.json.decode(msgspec.json.encode(sent.value))
    return Answer(sent.status, value, headers)
