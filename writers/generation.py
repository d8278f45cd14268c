"""GenerationWriter: what answers with generated text have in common.

Identity of the answer (id, created, model), the end (``done`` and why), usage, and
log probabilities in OpenAI's form.  ``ChatWriter`` and ``CompleteWriter`` build on it.
"""

from collections.abc import Callable, Generator, Iterable
from itertools import chain
from typing import Any, ClassVar, TypeVar
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from app.errors import UpstreamBroken
from app.exchange import Exchange
from app.ids import new_id
from app.wire import ollama, openai

from . import sse
from .base import ResponseWriter, encode
from .reasoning import Reasoning

Reply = TypeVar("Reply", bound=ollama.Reply)


class GenerationWriter(ResponseWriter[Reply]):
    """A writer of text that a model generates.

    ``include_usage`` adds OpenAI's usage chunk to a stream; ``model`` is what the
    answer calls the model, which is what the client called it.
    """

    says_done = True
    id_prefix: ClassVar[str]
    #: The number of the choice that is written, and whether it is the only one: the
    #: answer then ends with it.
    index = 0
    alone = True
    _around: tuple[bytes, bytes] | None = None
    #: What the text must keep to: says what is wrong with it, or nothing.
    check: Callable[[str], str | None] | None = None

    def __init__(
        self,
        exchange: Exchange,
        start_response: StartResponse,
        *,
        model: str,
        stream: bool = False,
        include_usage: bool = False,
    ) -> None:
        super().__init__(exchange, start_response, stream)
        self.id = new_id(self.id_prefix)
        self.created = 0
        self.model = model
        self.include_usage = include_usage
        self.usage = openai.Usage()
        self.done_reason = ""
        self.reasoning = Reasoning("none")

    def accept(self, reply: Reply) -> None:
        """Note when the answer began, whether it is over, and what it used."""
        if reply.error is not None:
            super().accept(reply)
        if not self.created:
            self.created = ollama.epoch(reply.created_at)
        if reply.done or reply.debug_info is not None:
            self.done = self.exchange.complete = True
            self.done_reason = reply.done_reason or ""
            self._count(reply)

    def _count(self, reply: Reply) -> None:
        prompt = ollama.count(reply.prompt_eval_count)
        completion = ollama.count(reply.eval_count)
        self.usage = openai.Usage(prompt, completion, prompt + completion)
        self.exchange.prompt_tokens = prompt
        self.exchange.completion_tokens = completion
        if self.exchange.spent is not None:
            self.exchange.spent.note_end(reply, self.done_reason)
        if self.exchange.counted is not None:
            self.exchange.counted(prompt)

    def whole(self, replies: list[Reply]) -> bytes:
        """The answer in one piece; raises when it is not complete."""
        self._complete()
        return self.compose(replies)

    def compose(self, replies: list[Reply]) -> bytes:
        """The payload of a complete answer."""
        choice = self.choice(replies)
        self._divide()
        answer = self.completion([choice], self.usage)
        if (debug := replies[-1].debug_info) is not None:
            answer.debug_info = debug
        return encode(answer)

    def finish(self) -> bytes:
        """What closes the choice, usage when asked for, and ``[DONE]``."""
        closing = self.closing()
        self._divide()
        return closing + self.end(self.usage) if self.alone else closing

    def close(self) -> None:
        """Let go of Ollama's answer, and find out whether it read all of the prompt."""
        super().close()
        if self.done:
            self.exchange.note_cut(self.usage.prompt_tokens)

    # ------------------------------------------- one choice of an answer's

    def choice_frames(
        self,
        app: WSGIApplication,
        environ: WSGIEnvironment,
        number: Callable[[], int] | None = None,
    ) -> Generator[bytes, None, None]:
        """The frames of this choice alone: the head and the end are another's.

        ``number`` gives the choice its number when it begins.
        """
        try:
            body = iter(self._open(app, environ))
            # What fails before the first piece keeps its status.
            first = next(body, b"")
            if number is not None:
                self.index = number()
                if opening := self.opening():
                    yield opening
            yield from self._translated(chain([first], body))
        finally:
            self.close()

    def opening(self) -> bytes:
        """The frame that says that a choice begins."""
        return b""

    def complete_choice(self, app: WSGIApplication, environ: WSGIEnvironment) -> Any:
        """This choice in one piece; raises when it is not complete."""
        replies = self.replies(app, environ)
        self._complete()
        choice = self.choice(replies)
        self._divide()
        return choice

    def text_frame(self, text: str) -> bytes:
        """The frame for a text and nothing else; all but the text is made once."""
        if self._around is None:
            self._around = sse.around(self.frame_of(sse.MARK))
        head, tail = self._around
        return head + encode(text) + tail

    # ---------------------------------------------- meaning, in each dialect

    def frame_of(self, text: str) -> bytes:
        """The frame for a text in the middle of a stream."""
        raise NotImplementedError

    def closing(self) -> bytes:
        """The frames that close the choice."""
        raise NotImplementedError

    def chunk(self, choices: list[Any], usage: Any) -> Any:
        """One chunk of a stream."""
        raise NotImplementedError

    def choice(self, replies: list[Reply]) -> Any:
        """The choice that a complete answer makes."""
        raise NotImplementedError

    def completion(self, choices: list[Any], usage: openai.Usage) -> Any:
        """The answer in one piece."""
        raise NotImplementedError

    # --------------------------------------------------------------- shared

    def called(self) -> int:
        """How many tools the model has called."""
        return 0

    def hold(self, text: str) -> None:
        """Raise where all of a text, not cut, does not keep to what was promised."""
        if self.check is None or self.done_reason not in ("", "stop"):
            return
        if problem := self.check(text):
            raise UpstreamBroken(
                f"The model did not keep to the schema it was held to: {problem}."
            )

    def _divide(self) -> None:
        """Say how much of the usage was reasoning, where there was any."""
        reasoning = 0
        if self.reasoning.characters:
            reasoning = self.reasoning.tokens(self.usage.completion_tokens)
            self.usage.completion_tokens_details = openai.CompletionTokensDetails(
                reasoning
            )
        if self.exchange.spent is not None:
            self.exchange.spent.note_answer(reasoning, self.called())

    def finish_reason(self) -> str:
        """One of the reasons that OpenAI's clients know."""
        return "length" if self.done_reason == "length" else "stop"

    def end(self, usage: openai.Usage) -> bytes:
        """The usage chunk, when asked for, and the mark of the end."""
        if not self.include_usage:
            return sse.DONE
        return sse.frame(encode(self.chunk([], usage))) + sse.DONE


def choice_logprobs(logprobs: Iterable[ollama.Logprob]) -> openai.ChoiceLogprobs:
    """Ollama's log probabilities with every key that OpenAI's SDK requires."""
    return openai.ChoiceLogprobs(
        [
            openai.TokenLogprob(
                token.token,
                token.logprob,
                token.bytes,
                [
                    openai.TopLogprob(top.token, top.logprob, top.bytes)
                    for top in token.top_logprobs or ()
                ],
            )
            for token in logprobs
        ]
    )
