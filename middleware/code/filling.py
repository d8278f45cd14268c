"""Filling: one request's hole, and how it is put to its model.

A form reads a request as a hole; what ``policy`` finds out about the model then decides
what becomes of it (specification: code completion, sections 4 to 6).
"""

import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal
from wsgiref.types import WSGIEnvironment

from msgspec import to_builtins
from msgspec.structs import replace

from app.catalog import Facts
from app.gateway.entries import CodeEntry
from app.settings import Settings
from app.wire import ollama
from writers.trim import Trimmer

from . import chatting
from .budget import trimmed
from .families import Family
from .hole import File, Hole
from .strategy import Setting, Strategy, strategy_for
from .supersede import Ticket

#: What is sent where a request says nothing.
DEFAULTS: dict[str, Any] = {"num_predict": 128, "temperature": 0.1, "top_p": 0.95}

#: Tells editors apart.
Session = Callable[[WSGIEnvironment], tuple[object, ...]]

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
    #: What is set for the model.
    entry = CodeEntry()
    model = ""
    strategy: Strategy | Literal[""] = ""
    joined = False
    repeatable = False
    context = 0
    room = 0
    indent = 0
    line_seconds = 0.0
    ahead = False
    alone = True
    ticket: Ticket | None = None
    #: Has the model read the prompt of a call, and nobody wait for it.
    read_ahead: Callable[[WSGIEnvironment], None] | None = None
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

    def beginning(self) -> float | None:
        """When the text began, if it has; of several texts nobody says when they end.

        By the monotonic clock; infinite for several.
        """
        return self.began if self.alone or self.began is None else math.inf

    def enough(self, trimmer: Trimmer, taken: float) -> bool:
        """Whether a text has taken as long as it may: seconds from its first token."""
        lines = bool(self.line_seconds) and taken >= self.line_seconds
        return taken >= self.seconds or (lines and trimmer.broken)

    @property
    def template(self) -> str:
        """The template that was used, or else the strategy."""
        if self.family is not None and self.strategy == "raw":
            return self.family.template
        return self.strategy

    def told(self) -> dict[str, Any]:
        """What an explanation says: how the model is asked, and why."""
        family = self.family.name if self.family is not None else ""
        set_ = to_builtins(self.entry)
        return {"strategy": self.strategy, "family": family or None, "set": set_}

    def trimmer(self) -> Trimmer:
        """What trims one answer."""
        family = self.family
        ends = family.stops(self.hole) if family and self.strategy == "raw" else ()
        return Trimmer(
            ends,
            self.hole.suffix,
            max_lines=self.max_lines,
            indent=self.indent,
            joined=family.tokens if family and self.joined else (),
        )

    def writing(self, prefix: str | None = None) -> dict[str, Any]:
        """What the writer of one answer is told; ``prefix`` is another's before it."""
        trimmer = self.trimmer()
        return {
            "trimmer": trimmer,
            "clean": self._cleaner(self._with(prefix)),
            "until": partial(self.enough, trimmer),
        }

    def _with(self, prefix: str | None) -> Hole:
        return self.hole if prefix is None else self.hole._replace(prefix=prefix)

    def _cleaner(self, hole: Hole) -> Callable[[str], str] | None:
        """What makes the text out of all that a model said that only chats."""
        chats = self.strategy == "chat"
        return partial(chatting.cleaned, hole=hole) if chats else None

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
            call.prompt, call.raw = hole.prefix, True
            if family is not None and known:
                call.prompt = family.prompt(self._plain(hole))
        return hole

    def call(self, call: ollama.GenerateRequest, prefix: str | None = None) -> Any:
        """The call as it is made, which may be one to ``/api/chat``.

        ``prefix`` is another text before the hole.
        """
        hole = self._with(prefix)
        if self.strategy != "chat":
            if hole is not self.hole and hole != self.hole:
                call = replace(call)
                self.put(call, hole)
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
            messages=chatting.messages(trimmed(hole, self.room)),
        )

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
        self,
        family: Family | None,
        facts: Facts | None,
        settings: Settings,
        setting: Setting,
    ) -> None:
        """Choose how the model is asked; ``setting`` is how that is wanted."""
        self.family = family
        self._neutralizes = settings.code_neutralize_markers
        self.seconds = settings.code_timeout
        self.strategy = (
            "plain"
            if self.plain
            else strategy_for(setting, family, facts, prefix=bool(self.hole.prefix))
        )
