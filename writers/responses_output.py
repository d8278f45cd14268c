"""Output: the items of one response in order, and the events that tell of them."""

from collections.abc import Iterable

from app.errors import UpstreamBroken
from app.wire import openai, responses

from .base import encode
from .responses_items import Event, Growing, Text, frame, joined

#: Characters of a streamed answer, all of which its last events repeat.
MOST = 16 * 1024 * 1024
#: About as many take the place of the log probabilities of one token.
LOGPROB = 256


class Output:
    """The items that are done, the one that grows, and the number of the next event.

    ``room`` is for so many characters more.
    """

    def __init__(self) -> None:
        self.items: list[responses.OutputItem] = []
        self.growing: Growing | None = None
        self.number = 0
        self.room = MOST

    def piece(self, growing: Growing, text: str) -> bytes:
        """The frame for more of an item."""
        growing.texts.write(text)
        self.room -= len(text)
        if self.room < 0:
            raise too_long()
        number = self.number
        self.number = number + 1
        return growing.template % (number, encode(text))

    def spoken(
        self, growing: Text, text: str, logprobs: list[openai.TokenLogprob]
    ) -> bytes:
        """The same with log probabilities."""
        growing.texts.write(text)
        growing.logprobs += logprobs
        self.room -= len(text) + LOGPROB * len(logprobs)
        if self.room < 0:
            raise too_long()
        told = {**growing.at, "delta": text, "logprobs": logprobs}
        return self.told([(growing.delta, told)])

    def add(self, growing: Growing, text: str) -> None:
        """Have an item that is said at once."""
        growing.texts.write(text)
        self.items.append(growing.item("completed"))

    def begin(self, growing: Growing) -> bytes:
        """The frames that add an item."""
        self.growing = growing
        return self.told(growing.begin())

    def end(self, status: str) -> bytes:
        """The frames that end the item that grows, if one does."""
        growing, self.growing = self.growing, None
        if growing is None:
            return b""
        item = growing.item(status)
        self.items.append(item)
        return self.told(growing.end(item))

    def told(self, events: Iterable[Event]) -> bytes:
        """The frames for events, each with its number."""
        frames = []
        for kind, told in events:
            frames.append(frame(kind, self.number, told))
            self.number += 1
        return joined(*frames)

    def state(self, kind: str, response: responses.Response) -> bytes:
        """The frame that has all of the response."""
        return self.told([(f"response.{kind}", {"response": response})])

    def text(self) -> str:
        """All that was said to the user so far."""
        growing = [] if self.growing is None else [self.growing.item("completed")]
        messages = [
            item
            for item in [*self.items, *growing]
            if isinstance(item, responses.Message)
        ]
        return "".join([part.text for one in messages for part in one.content])


def too_long() -> UpstreamBroken:
    """The refusal of an answer that nobody could keep."""
    return UpstreamBroken("Ollama's answer is too long.")
