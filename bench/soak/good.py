"""Good requests: each answer must be right to the letter."""

import json

from ..load import post
from .checks import events, good, lines, must, refused, said, told
from .kinds import CHAT, CODE, EMBED, MESSAGE, TEXT, Scene, chat, code, kind
from .wire import get, line

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        },
    }
]


@kind(weight=20)
def chat_whole(scene: Scene) -> None:
    """A chat in one piece."""
    prompt = scene.prompt()
    answer = good(scene.ask(CHAT, chat(prompt)))
    said = answer.json["choices"][0]["message"]["content"]
    must(said == scene.chats[prompt], "wrong text", answer)


@kind(weight=20)
def chat_streamed(scene: Scene) -> None:
    """A chat, streamed."""
    prompt = scene.prompt()
    answer = scene.ask(CHAT, chat(prompt, stream=True))
    must(said(events(answer)) == {0: scene.chats[prompt]}, "wrong text", answer)


@kind(weight=6)
def chat_at_a_pace(scene: Scene) -> None:
    """A stream of about a second, as a model writes."""
    answer = scene.ask(CHAT, chat("x", "sim-chunks40-tps40", stream=True))
    must(said(events(answer)) == {0: " word" * 40}, "wrong text", answer)


@kind(weight=2)
def chat_after_a_load(scene: Scene) -> None:
    """A model that is loaded first: heartbeats may come, and the whole answer must."""
    answer = scene.ask(CHAT, chat("x", "sim-load1-chunks5", stream=True))
    must(said(events(answer)) == {0: " word" * 5}, "wrong text", answer)


@kind(weight=6)
def message_whole(scene: Scene) -> None:
    """One of Anthropic's messages, in one piece."""
    prompt = scene.prompt()
    answer = good(scene.ask(MESSAGE, chat(prompt, max_tokens=500)))
    text = answer.json["content"][0]["text"]
    must(text == scene.chats[prompt], "wrong text", answer)


@kind(weight=6)
def message_streamed(scene: Scene) -> None:
    """The same, streamed."""
    prompt = scene.prompt()
    answer = scene.ask(MESSAGE, chat(prompt, max_tokens=500, stream=True))
    must(told(answer) == scene.chats[prompt], "wrong text", answer)


@kind(weight=1)
def message_after_a_load(scene: Scene) -> None:
    """The same with a model that is loaded first: pings may come."""
    answer = scene.ask(MESSAGE, chat("x", "sim-load1-chunks5", stream=True))
    must(told(answer) == " word" * 5, "wrong text", answer)


@kind(weight=10)
def completion_whole(scene: Scene) -> None:
    """A completion in one piece."""
    prompt = scene.prompt()
    answer = good(scene.ask(TEXT, {"model": "llama3.2", "prompt": prompt}))
    must(answer.json["choices"][0]["text"] == scene.texts[prompt], "wrong text", answer)


@kind(weight=10)
def completion_streamed(scene: Scene) -> None:
    """A completion, streamed."""
    prompt = scene.prompt()
    body = {"model": "llama3.2", "prompt": prompt, "stream": True}
    answer = scene.ask(TEXT, body)
    must(said(events(answer)) == {0: scene.texts[prompt]}, "wrong text", answer)


#: What an editor is told whose request has been overtaken by its next one.
SUPERSEDED = 499


@kind(weight=8)
def code_whole(scene: Scene) -> None:
    """A text that is filled in, in one piece."""
    answer = scene.ask(CODE, code("sim-chunks20-tps200", stream=False))
    if answer.status == SUPERSEDED:
        refused(answer, SUPERSEDED)
        return
    must(good(answer).json["response"] == " word" * 20, "wrong text", answer)


@kind(weight=8)
def code_streamed(scene: Scene) -> None:
    """The same, in lines."""
    answer = scene.ask(CODE, code("sim-chunks20-tps100"))
    if answer.status == SUPERSEDED:
        refused(answer, SUPERSEDED)
        return
    must(lines(answer) == (" word" * 20, None), "wrong text", answer)


@kind(weight=10)
def embeddings(scene: Scene) -> None:
    """Vectors of several inputs, in their order."""
    prompts = [scene.prompt() for _ in range(3)]
    answer = good(scene.ask(EMBED, {"model": "all-minilm", "input": prompts}))
    found = [one["embedding"] for one in answer.json["data"]]
    right = [scene.vectors[prompt] for prompt in prompts]
    must(found == right, "wrong vectors")


@kind(weight=8)
def models(scene: Scene) -> None:
    """The list of models, and one of them, on one connection."""
    with line(scene.port) as one:
        one.send(get("/v1/models"))
        names = [model["id"] for model in good(one.answer()).json["data"]]
        must("llama3.2:latest" in names, "a model is missing")
        one.send(get("/v1/models/llama3.2"))
        must(good(one.answer()).json["id"] == "llama3.2", "another model")


@kind(weight=8)
def native_routes(scene: Scene) -> None:
    """Ollama's own routes: a list, and a chat whose lines come as they are."""
    prompt = scene.prompt()
    with line(scene.port) as one:
        one.send(get("/api/tags"))
        must(bool(good(one.answer()).json["models"]), "no models")
        one.send(post("/api/chat", chat(prompt)))
        lines = [json.loads(row) for row in good(one.answer()).body.splitlines()]
        text = "".join(row["message"]["content"] for row in lines)
        must(text == scene.chats[prompt] and lines[-1]["done"], "wrong text")


@kind(weight=4)
def four_choices(scene: Scene) -> None:
    """Four choices at once, streamed: four calls to Ollama."""
    body = chat("x", "sim-chunks20-tps40", n=4, stream=True)
    answer = scene.ask(CHAT, body)
    right = dict.fromkeys(range(4), " word" * 20)
    must(said(events(answer)) == right, "wrong text", answer)


@kind(weight=4)
def tool_calls(scene: Scene) -> None:
    """A model that calls a tool, whole or streamed."""
    stream = scene.luck.random() < 0.5
    body = chat("two", "tiny-tools", tools=TOOLS, stream=stream)
    answer = scene.ask(CHAT, body)
    choices = events(answer)[-1:] if stream else [good(answer).json]
    reason = choices[0]["choices"][0]["finish_reason"]
    must(reason == "tool_calls", f"finish reason {reason}", answer)


@kind(weight=5)
def pipelined(scene: Scene) -> None:
    """Three requests in one go: three answers, in their order."""
    prompts = [scene.prompt() for _ in range(3)]
    requests = [post(CHAT, chat(prompt)) for prompt in prompts]
    with line(scene.port) as one:
        one.send(b"".join(requests))
        for prompt in prompts:
            answer = good(one.answer())
            text = answer.json["choices"][0]["message"]["content"]
            must(text == scene.chats[prompt], "wrong text", answer)
