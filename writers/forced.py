"""ForcedCalls: an answer that was held to be a call, as the call that it is.

Ollama has no forced calls, so the answer's text is one (``middleware.choice``): either
the arguments of the one function there is, or ``{"name": ..., "arguments": ...}``.  Its
pieces go out as soon as they are known to be arguments.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from app.errors import UpstreamBroken
from app.wire import ollama

from .chat import ChatWriter
from .conversation import ConversationWriter, Said

#: The beginning of a call of one among several functions, as the grammar has it.
_HEAD = re.compile(
    r'\{\s*"name"\s*:\s*("(?:[^"\\]++|\\.)*+")\s*,\s*"arguments"\s*:', re.DOTALL
)
#: What such a beginning has beside the name, with room for much white space; and
#: what one character of the name may come to (``\ud83d\ude00``).
_AROUND_NAME = 1024
_ESCAPED = 12
_SPACE = " \t\r\n"

_decode = msgspec.json.Decoder(str).decode


class Forced(NamedTuple):
    """A call that must come.

    ``checks`` say for each function that may be called what is wrong with a text of
    arguments; ``finish_reason`` is for a call that came.
    """

    checks: Mapping[str, Callable[[str], str | None]]
    finish_reason: str


class CallText:
    """The text of an answer that is a call, as it comes.

    ``only`` is the name of the only function; without it the text begins with a name,
    of ``longest`` characters or less.  ``name`` is empty until a call has begun: what
    does not begin as an object never is one, and no client could read it.
    """

    def __init__(self, only: str, longest: int = 256) -> None:
        self.name = ""
        self._only = only
        self._head = ""
        self._longest_head = _AROUND_NAME + _ESCAPED * longest
        self._held: list[str] = []
        self._given: list[str] = []
        # What may turn out to be no part of the arguments once the answer is over.
        self._unsure = _SPACE if only else _SPACE + "}"

    @property
    def arguments(self) -> str:
        """All that were given out."""
        return "".join(self._given)

    def feed(self, text: str) -> str:
        """Take more text; the arguments that are sure by now."""
        if not self.name:
            text = self._begin(text)
        sure = len(text.rstrip(self._unsure))
        if not sure:
            self._held.append(text)
            return ""
        given = "".join(self._held) + text[:sure]
        self._held = [text[sure:]]
        return self._give(given)

    def rest(self, complete: bool) -> str:
        """What was held back, without what closes a ``complete`` answer around it."""
        held = "".join(self._held).rstrip(_SPACE)
        if complete and not self._only:
            held = held.removesuffix("}").rstrip(_SPACE)
        self._held = []
        return self._give(held)

    def _begin(self, text: str) -> str:
        """What there is of the arguments, once it is known who is called."""
        if len(self._head) >= self._longest_head:
            return ""  # it is no call: what else comes is not looked at
        self._head = (self._head + text).lstrip(_SPACE)
        if self._only:
            self.name = self._only if self._head.startswith("{") else ""
            return self._head if self.name else ""
        head = _HEAD.match(self._head, 0, self._longest_head)
        if head is None:
            self._head = self._head[: self._longest_head]
            return ""
        self.name = _decode(head[1])
        return self._head[head.end() :]

    def _give(self, text: str) -> str:
        given = text if self._given else text.lstrip(_SPACE)
        if given:
            self._given.append(given)
        return given


class ForcedCalls(ConversationWriter):
    """Makes of the text of an answer the one call that ``forced`` describes.

    It goes before the writer of a dialect; ``forced`` must be set.
    """

    forced: Forced

    _text: CallText | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._late: list[str] = []

    def chunks(self, reply: ollama.ChatResponse) -> bytes:
        """Reasoning as ever; then who is called, and arguments as they come."""
        message = reply.message or ollama.ReplyMessage()
        frames = b""
        if message.thinking and self._call_ids:
            self._late.append(message.thinking)  # a call is not interrupted
        elif message.thinking:
            frames = self._forced_thought(message.thinking)
        if message.content:
            frames += self.turned(message)
            frames += self._progress(self._call_text().feed(message.content))
        return frames

    def closing(self) -> bytes:
        """The end of the arguments, if they fit, and what closes every answer."""
        text = self._call_text()
        rest = self._progress(text.rest(not self._cut))
        self._check(text)
        end = self.call_end(text.name, text.arguments) if text.name else b""
        late = self._forced_thought("".join(self._late)) if self._late else b""
        return rest + end + late + super().closing()

    def said(self, replies: list[ollama.ChatResponse]) -> Said:
        """What all lines say, the text as the call that it is."""
        said = super().said(replies)
        if replies[-1].debug_info is not None:
            return said
        text = self._call_text()
        text.feed(said.content)
        text.rest(not self._cut)
        self._check(text)
        function = ollama.ReplyFunction(text.name, text.arguments)
        made = [ollama.ReplyToolCall(function)] if text.name else []
        return Said("", said.thinking, made, [])

    def _forced_thought(self, thought: str) -> bytes:
        message = ollama.ReplyMessage(thinking=thought)
        return super().chunks(ollama.ChatResponse(message=message))

    @property
    def _cut(self) -> bool:
        return self.done_reason == "length"

    def _call_text(self) -> CallText:
        if self._text is None:
            only, *others = self.forced.checks
            longest = max(map(len, others), default=0)
            self._text = CallText("" if others else only, max(len(only), longest))
        return self._text

    def _progress(self, arguments: str) -> bytes:
        name = self._call_text().name
        begin = self.call_begin(name, None) if name and not self._call_ids else b""
        return begin + (self.call_piece(name, arguments) if arguments else b"")

    def _check(self, text: CallText) -> None:
        """Raise when a call that is complete is none."""
        if self._cut:
            return
        check = self.forced.checks.get(text.name)
        none = "names no function" if len(self.forced.checks) > 1 else "is no object"
        problem = check(text.arguments) if check else f"it {none}"
        if problem:
            raise UpstreamBroken(
                "The model did not make the call it was held to"
                f"{f' ({text.name[:64]})' if check else ''}: {problem}."
            )


class ForcedCallWriter(ForcedCalls, ChatWriter):
    """Writes it as Chat Completions do."""

    def finish_reason(self) -> str:
        """OpenAI's habit: a function that was named is no reason to stop."""
        return "length" if self._cut else self.forced.finish_reason
