"""How several choices of a stream begin; middleware/test_choices.py has the rest."""

import json
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import gevent.event
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk
from support.ollama import ask
from support.stack import linted


def line(text: str, **more: Any) -> bytes:
    """A line of a chat."""
    message = {"role": "assistant", "content": text}
    return json.dumps({"message": message, "done": False, **more}).encode() + b"\n"


class LateFirst:
    """An Ollama that answers the first of several calls after all the others."""

    def __init__(self, others: int) -> None:
        self._silent = others
        self._others_spoke = gevent.event.Event()

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one call."""
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        start_response("200 OK", [("Content-Type", "application/x-ndjson")])
        return self._lines(json.loads(body)["options"]["seed"])

    def _lines(self, seed: int) -> Iterator[bytes]:
        if seed == 0:
            assert self._others_spoke.wait(10)
        yield line(f"<{seed}")
        self._silent -= seed != 0
        if not self._silent:
            self._others_spoke.set()
        yield line(">")
        yield line("", done=True, done_reason="stop", prompt_eval_count=1, eval_count=2)


def test_choices_begin_in_order() -> None:
    """Choices begin in their order, which openai-python's accumulator relies on."""
    request = {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "n": 4,
        "seed": 0,
    }
    answer = ask(linted(LateFirst(3)), "POST", "/v1/chat/completions", request)
    *chunks, end = answer.frames
    assert end == "[DONE]"
    indices = [chunk["choices"][0]["index"] for chunk in chunks]
    assert list(dict.fromkeys(indices)) == [0, 1, 2, 3]

    state = ChatCompletionStreamState(
        input_tools=openai.omit, response_format=openai.omit
    )
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    choices = state.get_final_completion().choices
    said = [choice.message.content for choice in choices]
    assert said == ["<1>", "<2>", "<3>", "<0>"]  # as they began
