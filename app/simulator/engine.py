"""The routes that run a model: chat, generate, embed and embeddings."""

import re
import time
from typing import Any

from . import fields
from .calls import TOO_LONG, Call, Refusal, model_of, options
from .deliver import Clock, loaded, refuse, rendered, speak
from .exchange import Exchange
from .golang import Raw, number
from .library import read, send
from .models import Catalogue, Model
from .text import vector, vector_text
from .tiny import DATA
from .wire import JSON


class Engine:
    """Runs the models of a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue

    def _model(
        self, exchange: Exchange, request: dict[str, Any], *, embeds: bool = False
    ) -> Model:
        """The model asked for; one that is made to fail spoils the answer."""
        model = model_of(self.catalogue, request.get("model", ""), embeds=embeds)
        behaviour = model.behaviour
        if behaviour.fault and exchange.held is None:
            exchange.spoil(behaviour.fault, behaviour.after)
        return model

    def chat(self, exchange: Exchange) -> None:
        """POST /api/chat."""
        clock = Clock()
        request = read(exchange, fields.CHAT)
        _check_top(request)
        if not request.get("model"):
            raise Refusal(400, "model is required")
        model = self._model(exchange, request)
        idle = not request.get("messages")
        if "completion" not in model.capabilities and not _unloads(request, idle):
            raise Refusal(400, f'"{request["model"]}" does not support chat')
        call = Call(request, model, chat=True)
        self._speak(exchange, call, clock, idle)

    def generate(self, exchange: Exchange) -> None:
        """POST /api/generate."""
        clock = Clock()
        request = read(exchange, fields.GENERATE)
        _check_top(request)
        model = self._model(exchange, request)
        idle = not request.get("prompt")
        special = any(request.get(key) for key in ("template", "system", "context"))
        if request.get("raw") and special and not _unloads(request, idle):
            reason = "raw mode does not support template, system, or context"
            raise Refusal(400, reason)
        if "completion" not in model.capabilities and not _unloads(request, idle):
            raise Refusal(400, f'"{request["model"]}" does not support generate')
        call = Call(request, model, chat=False)
        self._speak(exchange, call, clock, idle)

    def _speak(self, exchange: Exchange, call: Call, clock: Clock, idle: bool) -> None:
        keep = call.request.get("keep_alive")
        kind = [("Content-Type", JSON)]
        if _unloads(call.request, idle):
            self.catalogue.loaded.pop(call.model.name.key, None)
            return exchange.answer(200, loaded(call, "unload"), kind)
        call.check_capabilities()
        call.context = self._load(exchange, call.model, keep, call.options)
        clock.loaded = time.perf_counter_ns()
        if idle:
            return exchange.answer(200, loaded(call, "load"), kind)
        if call.request.get("_debug_render_only"):
            return exchange.answer(200, rendered(call), kind)
        try:
            speak(exchange, call, clock)
        except Refusal as refusal:
            return refuse(exchange, refusal, call.stream)
        if keep == 0:
            self.catalogue.loaded.pop(call.model.name.key, None)
        return None

    def _load(
        self, exchange: Exchange, model: Model, keep: int | None, given: dict[str, Any]
    ) -> int:
        """Bring a model into memory; the context it has there."""
        if model.behaviour.load:
            exchange.wait(model.behaviour.load)
        return self.catalogue.load(model, keep, given).context

    def embed(self, exchange: Exchange) -> None:
        """POST /api/embed."""
        clock = Clock()
        request = read(exchange, fields.EMBED)
        inputs = _inputs(request.get("input"))
        model = self._model(exchange, request, embeds=True)
        chosen = options(request.get("options", {}))
        limit = self._load(exchange, model, request.get("keep_alive"), chosen)
        clock.loaded = time.perf_counter_ns()
        counts = [_embed_count(model, text) for text in inputs]
        if not request.get("truncate", True) and max(counts, default=0) > limit:
            raise Refusal(400, TOO_LONG)
        kept = request.get("dimensions", 0)
        kept = kept if 0 < kept < model.dims else model.dims
        vectors = [Raw(vector_text(text, model.dims, kept)) for text in inputs]
        body = {"model": request.get("model", ""), "embeddings": vectors}
        if vectors:
            now = time.perf_counter_ns()
            body["total_duration"] = now - clock.start
            body["load_duration"] = max(1, clock.loaded - clock.start)
            body["prompt_eval_count"] = sum(min(count, limit) for count in counts)
        self._unloaded(request, model)
        send(exchange, body)

    def _unloaded(self, request: dict[str, Any], model: Model) -> None:
        if request.get("keep_alive") == 0:
            self.catalogue.loaded.pop(model.name.key, None)

    def embeddings(self, exchange: Exchange) -> None:
        """POST /api/embeddings, the older route: one unscaled vector."""
        request = read(exchange, fields.EMBEDDINGS)
        model = self._model(exchange, request, embeds=True)
        self._load(exchange, model, request.get("keep_alive"), {})
        values: list[Raw] = []
        if request.get("prompt"):
            found = vector(request["prompt"], model.dims, model.dims)
            values = [Raw(number(value)) for value in found]
        self._unloaded(request, model)
        send(exchange, {"embedding": values})


def _unloads(request: dict[str, Any], idle: bool) -> bool:
    """Whether a model is only to leave the memory, which any model can."""
    return idle and request.get("keep_alive") == 0


def _check_top(request: dict[str, Any]) -> None:
    if not 0 <= request.get("top_logprobs", 0) <= 20:
        raise Refusal(400, "top_logprobs must be between 0 and 20")


def _inputs(given: Any) -> list[str]:
    if given is None or given == "":
        return []
    inputs = [given] if isinstance(given, str) else given
    if not isinstance(inputs, list) or not all(isinstance(i, str) for i in inputs):
        raise Refusal(400, "invalid input type")
    return inputs


def _embed_count(model: Model, text: str) -> int:
    """Tokens of an input: words an embedding model knows are one, others letters."""
    if model.voice and model.voice != "tiny-embed":
        return 1 + len(text)
    known = DATA["verbose"]["bert"]["tokenizer.ggml.tokens"]
    words = re.findall(r"\w+|[^\w\s]", text.lower())
    whole = (not model.voice or f"\u2581{word}" in known for word in words)
    sizes = (1 if one else len(word) for one, word in zip(whole, words, strict=True))
    return 2 + sum(sizes)
