"""Filling: how the hole of one request is put to its model, and the policy for that.

A form reads a request as a hole; ``Fill`` finds out which model that is for, what
family it is of, and how much it has room for, and puts that into the call
(specification: code completion, sections 4 to 6).
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal
from wsgiref.types import WSGIEnvironment

from msgspec.structs import replace

from app.catalog import Catalog, Facts
from app.errors import BadRequest
from app.exchange import Exchange
from app.settings import Settings
from app.wire import ollama
from writers.trim import Trimmer

from ..aliases import DEFAULT, Aliases
from . import chatting
from .budget import MARGIN, Ratios, size, trimmed
from .families import Families, Family
from .hole import File, Hole
from .patience import Patience
from .supersede import Sessions, Ticket
from .warm import WarmUp

#: What is sent where a request says nothing.
DEFAULTS: dict[str, Any] = {"num_predict": 128, "temperature": 0.1, "top_p": 0.95}

#: Tells editors apart.
Session = Callable[[WSGIEnvironment], tuple[object, ...]]
#: How a model is asked; ``plain`` is its prompt alone, as it is.
Strategy = Literal["raw", "suffix", "chat", "prefix", "plain"]

#: The smallest context that Ollama gives to anybody, and its usual one, in tokens.
SMALLEST = 2048
USUAL = 4096
#: Templates that leave a prompt as it is: the model has none for conversations.
_BARE = ("", "{{ .Prompt }}", "{{.Prompt}}")
#: What a hole has of texts, beside files.
_TEXTS = ("prefix", "suffix", "language", "path", "repo")
#: Where Ollama knows a text that is filled in by what comes after it, there must be
#: something after it.
_NOTHING_MORE = "\n"


class Filling:
    """One request's hole, and what was found out for it.

    ``marks`` names the markers that its ``prompt`` came with, if any: where they are
    the model's own it stays as it is, as where it is ``plain``.  ``session`` tells
    editors apart.  ``max_lines`` and ``indent`` bound the text, as do ``line_seconds``
    once there is a line; ``ahead`` wants none, only that the model reads the prompt.
    The rest is set by ``Fill``: ``strategy`` says how the model is asked, ``joined``
    that markers in the texts were made harmless.
    """

    family: Family | None = None
    model = ""
    strategy: Strategy | Literal[""] = ""
    joined = False
    repeatable = False
    room = 0
    indent = 0
    line_seconds = 0.0
    ahead = False
    ticket: Ticket | None = None
    #: When the first token came, by the monotonic clock.
    began: float | None = None

    def __init__(
        self,
        hole: Hole,
        prompt: str = "",
        marks: str = "",
        *,
        max_lines: int = 0,
        plain: bool = False,
    ) -> None:
        self.hole = hole
        self.prompt = prompt
        self.marks = marks
        self.max_lines = max_lines
        self.plain = plain
        self.session: tuple[object, ...] = ()
        self.seconds = 0.0
        self._neutralizes = True

    def begin(self) -> None:
        """Note that the first token has come."""
        if self.began is None:
            self.began = time.monotonic()
            if self.ticket is not None:
                self.ticket.begin()

    @property
    def empty(self) -> bool:
        """Whether there is nothing around the hole, and so nothing to go by.

        Files by themselves may be read ahead (llama.vim does so).
        """
        files = self.hole.files if self.ahead else ()
        return not (self.hole.prefix or self.hole.suffix or files)

    def enough(self, trimmer: Trimmer) -> bool:
        """Whether the text has taken as long as it may, from its first token on."""
        if self.began is None:
            return False
        taken = time.monotonic() - self.began
        lines = bool(self.line_seconds) and taken >= self.line_seconds
        return taken >= self.seconds or (lines and trimmer.broken)

    @property
    def template(self) -> str:
        """The template that was used, or else the strategy."""
        if self.family is not None and self.strategy == "raw":
            return self.family.template
        return self.strategy

    def trimmer(self) -> Trimmer:
        """What trims one answer."""
        family = self.family
        ends = family.stops(self.hole) if family and self.strategy == "raw" else ()
        return Trimmer(
            ends,
            self.hole.suffix,
            max_lines=self.max_lines,
            indent=self.indent,
            joined=self.joined,
        )

    def writing(self) -> dict[str, Any]:
        """What the writer of one answer is told."""
        trimmer = self.trimmer()
        return {
            "trimmer": trimmer,
            "clean": self.cleaner(),
            "until": partial(self.enough, trimmer),
        }

    def cleaner(self) -> Callable[[str], str] | None:
        """What makes the text out of all that a model said that only chats."""
        if self.strategy != "chat":
            return None
        return partial(chatting.cleaned, hole=self.hole)

    @property
    def own(self) -> bool:
        """Whether the prompt came in the form of the model's family."""
        if self.family is None or self.strategy != "raw":
            return False
        return bool(self.marks) and self.marks == self.family.markers

    def put(self, call: ollama.GenerateRequest, wanted: Hole) -> Hole:
        """Put a hole into a call, as the strategy has it; gives what there is room for.

        A prompt in the model's own form stays, unless it is too long: Ollama would cut
        its markers off.
        """
        hole = trimmed(wanted, self.room)
        call.prompt, call.suffix = hole.prefix, ""
        if self.strategy == "suffix":
            call.suffix = hole.suffix or _NOTHING_MORE
        elif self.strategy == "raw":
            assert self.family is not None
            # With the files that it may show before the place.
            fits = hole == wanted and len(self.prompt) <= self.room
            stays = self.own and fits
            prompt = self.prompt if stays else self.family.prompt(self._plain(hole))
            call.prompt, call.raw = prompt, True
        elif self.strategy == "plain":
            call.raw = True
        elif self.strategy == "prefix":
            family = self.family
            known = family is not None and family.strategy == "prefix"
            call.prompt = family.prompt(hole) if family and known else hole.prefix
            call.raw = True
        return hole

    def call(self, call: ollama.GenerateRequest) -> Any:
        """The call as it is made, which may be one to ``/api/chat``."""
        if self.strategy != "chat":
            return call
        return ollama.ChatRequest(
            model=call.model,
            stream=call.stream,
            options=call.options,
            think=call.think,
            keep_alive=call.keep_alive,
            truncate=call.truncate,
            shift=call.shift,
            logprobs=call.logprobs,
            top_logprobs=call.top_logprobs,
            messages=chatting.messages(trimmed(self.hole, self.room)),
        )

    def other(self, call: ollama.GenerateRequest, prefix: str) -> Any:
        """The same call for another text before the hole."""
        if prefix == self.hole.prefix:
            return self.call(call)
        one = replace(call)
        hole = self.hole._replace(prefix=prefix)
        self.put(one, hole)
        if self.strategy != "chat":
            return one
        chat = self.call(one)
        chat.messages = chatting.messages(trimmed(hole, self.room))
        return chat

    def _plain(self, hole: Hole) -> Hole:
        """The hole with what looks like the family's markers made harmless."""
        if not self._neutralizes or self.family is None:
            return hole
        neutral = self.family.neutral
        files = tuple(File(neutral(path), neutral(text)) for path, text in hole.files)
        texts = {name: neutral(getattr(hole, name)) for name in _TEXTS}
        plain = hole._replace(**texts, files=files)
        self.joined = self.joined or plain != hole
        return plain

    def decide(
        self, family: Family | None, facts: Facts | None, settings: Settings
    ) -> None:
        """Choose how the model is asked."""
        self.family = family
        self._neutralizes = settings.code_neutralize_markers
        self.seconds = settings.code_timeout
        usual = family.strategy if family else _by_ability(facts)
        wanted = usual if settings.code_strategy == "auto" else settings.code_strategy
        if self.plain:
            wanted = "plain"
        elif wanted == "raw" and usual != "raw":
            wanted = "prefix"
        elif wanted == "suffix" and not self.hole.prefix:
            # Ollama's answer to an empty prompt is to load the model.
            wanted = _without_suffix(facts) if usual == "suffix" else usual
        self.strategy = wanted


def _by_ability(facts: Facts | None) -> Strategy:
    """How to ask a model of no known family."""
    if facts is None or facts.capabilities is None:
        inserts = facts is None or ".Suffix" in facts.template
    else:
        inserts = "insert" in facts.capabilities
    return "suffix" if inserts else _without_suffix(facts)


def _without_suffix(facts: Facts | None) -> Strategy:
    """How to ask a model if Ollama does not know how to fill in with it."""
    bare = facts is not None and facts.template.strip() in _BARE
    return "prefix" if bare else "chat"


class Fill:
    """The policy that puts a hole into a call.

    It acts on exchanges with a ``filling``, and goes before all that looks at a prompt.
    Raises ``BadRequest``, 404, where no model is named and none can fill in.
    """

    def __init__(
        self,
        catalog: Catalog,
        settings: Settings,
        aliases: Aliases,
        families: Families,
        warm: WarmUp | None = None,
    ) -> None:
        self._catalog = catalog
        self._settings = settings
        self._aliases = aliases
        self.families = families
        self._ratios = Ratios()
        self._sessions = Sessions()
        self._patience = Patience(
            settings.code_first_token_timeout,
            settings.code_load_timeout,
            catalog.absent,
        )
        self._warm = warm

    def __call__(self, exchange: Exchange, call: Any) -> None:
        """Amend the call."""
        filling: Filling | None = exchange.filling
        if filling is None or filling.empty:
            return
        call.model = filling.model = self.model(call.model)
        facts = self._catalog.facts(call.model)
        family = self.families.of(call.model, facts.family if facts else "")
        filling.decide(family, facts, self._settings)
        filling.room = self._room(filling, call, facts)
        kept = filling.put(call, filling.hole)
        if kept != filling.hole or (filling.own and call.prompt != filling.prompt):
            exchange.adjusted.append("prompt=trimmed")
        sent = len(call.prompt) + len(call.suffix)
        if filling.strategy == "chat":
            sent = size(kept) + chatting.AROUND
        exchange.counted = partial(self._ratios.learn, call.model, sent)
        self._stop(filling, call)
        if exchange.wish is None and facts and "thinking" in (facts.capabilities or ()):
            call.think = "low" if facts.family in ("gptoss", "gpt-oss") else False
        filling.repeatable = not filling.ahead and call.options.get("temperature") == 0
        exchange.prepare = partial(self._begin, exchange, filling, call)

    def model(self, name: str) -> str:
        """The model that a name means; ``default`` is the one for code."""
        if name.strip().lower() != DEFAULT:
            return self._aliases.resolved(name)
        if chosen := self._settings.code_model:
            return self._aliases.resolved(chosen)
        if found := self._catalog.first(self._fills_in):
            return found
        raise BadRequest(
            "no code model is configured",
            status=404,
            code="model_not_found",
            param="model",
        )

    def _fills_in(self, facts: Facts) -> bool:
        family = self.families.of(facts.name, facts.family)
        known = family is not None and family.strategy == "raw"
        return known or "insert" in (facts.capabilities or ())

    def _room(self, filling: Filling, call: Any, facts: Facts | None) -> int:
        """How many characters of the hole the model's context can hold."""
        ratio = self._ratios.of(call.model)
        predicted = max(call.options.get("num_predict", 0), 0)
        taken = predicted + MARGIN
        context = call.options.get("num_ctx")
        around = chatting.AROUND if filling.strategy == "chat" else 0
        if context is None:
            asked = max(size(filling.hole), len(filling.prompt)) + around
            if asked <= (SMALLEST - taken) * ratio:
                context = SMALLEST  # it fits anywhere, so nobody need be asked
            else:
                context = self._context(call.model, facts)
        # An answer that is to be longer than the context leaves the half to the prompt.
        return int(max(context - taken, context // 2) * ratio) - around

    def _context(self, model: str, facts: Facts | None) -> int:
        if loaded := self._catalog.loaded(model):
            return loaded
        usual = (facts.num_ctx if facts else None) or USUAL
        return min(usual, (facts.context_length if facts else None) or usual)

    def _stop(self, filling: Filling, call: Any) -> None:
        """The client's stop strings, then those of the family, each once."""
        ends: list[str] = []
        if filling.strategy == "chat":
            ends = chatting.STOP
        elif filling.family is not None and filling.strategy in ("raw", "prefix"):
            ends = filling.family.stops(filling.hole)
        if ends:
            own = call.options.get("stop") or []
            call.options["stop"] = list(dict.fromkeys([*own, *ends]))

    # ------------------------------------------------------ when it is certain

    def _begin(self, exchange: Exchange, filling: Filling, call: Any) -> None:
        """Take the place of what the same editor asked before; bound the wait."""
        if filling.ahead:
            return
        if self._warm is not None:
            self._warm.make_way(filling.session)
        if self._settings.context == "ollama":
            exchange.prompt = None  # what does not fit has been left out by us
        watch = exchange.watch
        if self._settings.code_supersede:
            session = (*filling.session, call.model)
            asked = hash((call.prompt, call.suffix, repr(call.options)))
            filling.ticket = self._sessions.enter(session, watch, asked)
        if watch is not None:
            watch.look_closely()
            self._patience.begin(watch, lambda: filling.began is not None, call.model)
