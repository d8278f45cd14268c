"""The routes about models: list, show, copy, delete, create, pull, push, blobs."""

import hashlib
import re
from typing import Any

from . import fields, golang, names, papers
from .calls import Refusal
from .exchange import Exchange
from .golang import GoError, encode, string
from .models import BLOBS, Catalogue, Model
from .names import Name
from .wire import JSON, NDJSON

#: Seconds that a pull takes, unless the name says ``load``, and in how many parts.
PULL, PARTS = 1.5, 20
_MANIFEST = 'pull model manifest: Get "https://{0}/v2/{1}/{2}/manifests/{3}": {4}'


class Library:
    """Answers the model routes out of a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.blobs: set[str] = set()

    def tags(self, exchange: Exchange) -> None:
        """GET /api/tags: newest first."""
        models = sorted(
            self.catalogue.models.values(), key=lambda m: m.modified_at, reverse=True
        )
        send(exchange, {"models": [papers.tag(model) for model in models]})

    def ps(self, exchange: Exchange) -> None:
        """GET /api/ps."""
        send(
            exchange,
            {"models": [papers.running(one) for one in self.catalogue.running()]},
        )

    def show(self, exchange: Exchange, request: dict[str, Any]) -> None:
        """POST /api/show."""
        asked = request.get("model") or request.get("name", "")
        if not asked:
            raise Refusal(400, "model is required")
        model = self._known(asked)
        send(exchange, papers.shown(model, request))

    def _known(self, asked: str) -> Model:
        if names.parse(asked) is None:
            raise Refusal(400, "invalid model name")
        model = self.catalogue.find(asked)
        if model is None:
            raise Refusal(404, f"model '{asked}' not found")
        return model

    def copy(self, exchange: Exchange, request: dict[str, Any]) -> None:
        """POST /api/copy."""
        source, target = request.get("source", ""), request.get("destination", "")
        if names.parse(source) is None:
            raise Refusal(400, f"source {string(source)} is invalid")
        name = names.parse(target)
        if name is None:
            raise Refusal(400, f"destination {string(target)} is invalid")
        model = self.catalogue.find(source)
        if model is None:
            raise Refusal(404, f"model {string(source)} not found")
        self.catalogue.copy(model, name)
        exchange.answer(200)

    def delete(self, exchange: Exchange, request: dict[str, Any]) -> None:
        """DELETE /api/delete."""
        asked = request.get("model") or request.get("name", "")
        name = names.parse(asked)
        if name is None:
            raise Refusal(400, f"name {string(asked)} is invalid")
        if not self.catalogue.delete(name):
            raise Refusal(404, f"model '{asked}' not found")
        exchange.answer(200)

    def create(self, exchange: Exchange, request: dict[str, Any]) -> None:
        """POST /api/create: from another model, or from blobs that were sent."""
        name = names.parse(request.get("model") or request.get("name", ""))
        if name is None:
            raise Refusal(400, "invalid model name")
        origin = request.get("from", "")
        if not origin and not request.get("files"):
            kind = [("Content-Type", "application/json")]
            exchange.begin(400, kind)
            reason = "neither 'from' or 'files' was specified"
            exchange.lines([encode({"error": reason}).encode()])
            return exchange.finish()
        source = self.catalogue.find(origin or "llama3.2")
        progress = Progress(exchange, request)
        if source is None:
            host = names.parse(origin)
            return progress.fail(_no_manifest(host) if host else "invalid model name")
        made = self.catalogue.copy(source, name, **_changes(source, request))
        for blob in [*source.blobs, *(_digest(made, i) for i in range(3))]:
            known = "using existing" if blob in source.blobs else "creating new"
            progress.say({"status": f"{known} layer sha256:{blob}"})
        progress.say({"status": "writing manifest"})
        return progress.done()

    def pull(self, exchange: Exchange, request: dict[str, Any]) -> None:
        """POST /api/pull: everything is there but names with ``nope`` in them.

        What is new takes a while, and is there when all of it has come.
        """
        name = names.parse(request.get("model") or request.get("name", ""))
        if name is None:
            raise Refusal(400, "invalid model name")
        progress = Progress(exchange, request)
        progress.say({"status": "pulling manifest"})
        if "nope" in name.model:
            return progress.fail(_no_manifest(name))
        there = self.catalogue.models.get(name.key)
        model = there or self.catalogue.registered(name)
        pause = 0 if there else (model.behaviour.load or PULL) / PARTS
        for blob in model.blobs:
            status = {"status": f"pulling {blob[:12]}", "digest": f"sha256:{blob}"}
            if there:
                progress.say({**status, "total": model.size, "completed": model.size})
                continue
            for part in range(PARTS + 1):
                done = {"completed": model.size * part // PARTS} if part else {}
                progress.say({**status, "total": model.size, **done})
                exchange.wait(pause if part < PARTS else 0)
        progress.say({"status": "verifying sha256 digest"})
        progress.say({"status": "writing manifest"})
        self.catalogue.add(model)
        return progress.done()

    def push(self, exchange: Exchange, request: dict[str, Any]) -> None:
        """POST /api/push."""
        name = names.parse(request.get("model") or request.get("name", ""))
        if name is None:
            raise Refusal(400, "model is required")
        progress = Progress(exchange, request)
        progress.say({"status": "retrieving manifest"})
        model = self.catalogue.find(name.short)
        if model is None:
            progress.say({"status": "couldn't retrieve manifest"})
            root = BLOBS.replace("blobs/sha256-", "manifests")
            path = f"{root}/{name.host}/{name.namespace}/{name.model}/{name.tag}"
            return progress.fail(f"open {path}: no such file or directory")
        for blob in model.blobs:
            whole = {"total": model.size, "completed": model.size}
            digest = f"sha256:{blob}"
            status = f"pushing {blob[:12]}"
            progress.say({"status": status, "digest": digest, **whole})
        progress.say({"status": "pushing manifest"})
        return progress.done()

    def blob(self, exchange: Exchange, digest: str) -> None:
        """HEAD and POST /api/blobs/:digest; only the digest of the bytes is kept."""
        if not re.fullmatch(r"sha256[:-][0-9a-fA-F]{64}", digest):
            raise Refusal(400, "invalid digest format")
        digest = digest.replace("-", ":")
        if exchange.method == "HEAD":
            if digest not in self.blobs:
                raise Refusal(404, f'blob "{digest}" not found')
            return exchange.answer(200)
        if digest in self.blobs:
            exchange.read()
            return exchange.answer(200)
        got = hashlib.sha256()
        for data in exchange.body():
            got.update(data)
        found = f"sha256:{got.hexdigest()}"
        if found != digest:
            reason = f'digest mismatch, expected "{digest}", got "{found}"'
            raise Refusal(400, reason)
        self.blobs.add(digest)
        return exchange.answer(201)


class Progress:
    """Status lines of a long action: streamed, or only the last one."""

    def __init__(self, exchange: Exchange, request: dict[str, Any]) -> None:
        self.exchange = exchange
        self.streams = request.get("stream", True)
        if self.streams:
            exchange.begin(200, [("Content-Type", NDJSON)])

    def say(self, status: dict[str, Any]) -> None:
        """One status line, when streaming."""
        if self.streams:
            self.exchange.lines([encode(status).encode() + b"\n"])
            self.exchange.wait(0)

    def done(self) -> None:
        """The end of a success."""
        self._end(200, {"status": "success"})

    def fail(self, reason: str) -> None:
        """The end of a failure."""
        self._end(500, {"error": reason})

    def _end(self, status: int, body: dict[str, Any]) -> None:
        if self.streams:
            self.say(body)
            self.exchange.finish()
        else:
            kind = [("Content-Type", "application/json")]
            self.exchange.answer(status, encode(body).encode(), kind)


def read(exchange: Exchange, spec: dict[str, Any]) -> dict[str, Any]:
    """The request's body as the struct ``spec``; raises ``Refusal``."""
    body = exchange.read()
    if not body.strip(b" \t\r\n"):
        raise Refusal(400, "missing request body")
    try:
        return fields.read(spec, golang.decode(body))
    except GoError as error:
        raise Refusal(400, str(error)) from None


def send(exchange: Exchange, body: Any) -> None:
    """A JSON answer."""
    exchange.answer(200, encode(body).encode(), [("Content-Type", JSON)])


def _no_manifest(name: Name) -> str:
    host = name.host
    port = host.rpartition(":")[2] if ":" in host else "443"
    address = host if ":" in host else f"{host}:{port}"
    why = f"dial tcp {address}: connect: connection refused"
    if host == names.HOST:
        return "pull model manifest: file does not exist"
    return _MANIFEST.format(host, name.namespace, name.model, name.tag, why)


def _digest(model: Model, place: int) -> str:
    return hashlib.sha256(f"{model.name.key} {place}".encode()).hexdigest()


def _changes(source: Model, request: dict[str, Any]) -> dict[str, Any]:
    """The fields of a model that a create request replaces."""
    changes: dict[str, Any] = {"details": {**source.details}}
    changes["details"]["parent_model"] = source.name.short
    for key in ("system", "template", "messages", "license"):
        if request.get(key):
            changes[key] = request[key]
    given = request.get("parameters", {})
    kept = [pair for pair in source.parameters if pair[0] not in given]
    for key, value in given.items():
        several = value if isinstance(value, list) else [value]
        kept += [(key, one) for one in several]
    changes["parameters"] = sorted(kept, key=lambda pair: pair[0])
    return changes
