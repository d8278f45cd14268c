import asyncio
import json
import os
from typing import Any, TypedDict

import openai
import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel, SecretStr
from support.server import Server
from support.simulator import Simulator

pytestmark = [pytest.mark.compat, pytest.mark.live]

HELLO = "Say this is a test"
SAID = "You said “Say this is a test”, and I agree."
ASK_WEATHER = "What is the weather in Paris?"
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"18 degrees in {city}"


@tool
def get_news(topic: str) -> str:
    """News about a topic."""
    return f"nothing about {topic}"


class Address(BaseModel):
    """A part of a person, so that the schema nests."""

    street: str
    number: int


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int
    homes: list[Address]


class Answer(TypedDict):
    """What the simulator says in JSON mode."""

    answer: str


def chat(url: str, model: str = "llama3.2", **more: Any) -> ChatOpenAI:
    """A chat model that never retries on its own."""
    return ChatOpenAI(
        model=model,
        base_url=url,
        api_key=SecretStr("x"),
        max_retries=0,
        timeout=30,
        **more,
    )


def test_invoke(url: str) -> None:
    """An answer has text, model, reason and usage."""
    answer = chat(url).invoke(HELLO)
    assert answer.content == SAID
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.response_metadata["model_name"] == "llama3.2"
    usage = answer.usage_metadata
    assert usage is not None
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    assert answer.id is not None


def test_conversation(url: str) -> None:
    """Messages of all kinds are understood; the last one is answered."""
    answer = chat(url).invoke(
        [
            SystemMessage("Be short."),
            HumanMessage("Hello"),
            AIMessage("Hello to you"),
            HumanMessage(HELLO),
        ]
    )
    assert HELLO in answer.content


def test_stream(url: str) -> None:
    """The pieces of a stream add up to the whole answer, with its usage."""
    whole = chat(url).invoke(HELLO)
    pieces = list(chat(url, stream_usage=True).stream(HELLO))
    total = pieces[0]
    for piece in pieces[1:]:
        total += piece
    assert isinstance(total, AIMessageChunk)
    assert len(pieces) > 5
    assert total.content == SAID
    assert total.usage_metadata is not None
    assert total.usage_metadata["total_tokens"] == whole.usage_metadata["total_tokens"]
    assert total.response_metadata["finish_reason"] == "stop"


def test_batch(url: str) -> None:
    """Questions asked together are answered in their order."""
    questions = [f"Say number {number}" for number in range(4)]
    answers = chat(url).batch(questions)
    assert [q in a.content for q, a in zip(questions, answers, strict=True)] == [
        True
    ] * 4


def test_asynchronous(url: str) -> None:
    """The asynchronous calls get the same answers."""

    async def all_ways() -> tuple[Any, ...]:
        model = chat(url)
        whole = await model.ainvoke(HELLO)
        streamed = [piece.content async for piece in model.astream(HELLO)]
        batch = await model.abatch([HELLO, HELLO])
        return whole.content, "".join(streamed), *[one.content for one in batch]

    assert asyncio.run(all_ways()) == (SAID,) * 4


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("choice", "name"),
    [
        (None, "get_weather"),
        ("any", "get_weather"),
        ("get_news", "get_news"),
    ],
)
def test_bind_tools(url: str, stream: bool, choice: str | None, name: str) -> None:
    """A tool is called, freely or by force, in streams too."""
    model = chat(url, streaming=stream).bind_tools(
        [get_weather, get_news], tool_choice=choice
    )
    answer = model.invoke(ASK_WEATHER)
    assert not answer.invalid_tool_calls
    (call,) = answer.tool_calls
    assert call["name"] == name
    assert call["id"]
    if name == "get_weather":
        assert call["args"] == {"city": "Paris"}
    else:
        assert isinstance(call["args"]["topic"], str)


def test_tools_both_ways(url: str) -> None:
    """The call and the tool's result go back to the model."""
    model = chat(url).bind_tools([get_weather])
    call = model.invoke(ASK_WEATHER)
    result = get_weather.invoke(call.tool_calls[0])
    assert isinstance(result, ToolMessage)
    answer = model.invoke([HumanMessage(ASK_WEATHER), call, result])
    assert answer.content == "The get_weather answered: 18 degrees in Paris"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured(url: str, method: Any, strict: bool | None, stream: bool) -> None:
    """A nested model is filled by a schema and by a forced call."""
    model = chat(url, streaming=stream)
    person = model.with_structured_output(Person, method=method, strict=strict).invoke(
        "Who is Alice?"
    )
    assert isinstance(person, Person)
    assert person.name == "Alice"


def test_structured_by_json_mode(url: str) -> None:
    """JSON mode gives JSON."""
    answer = chat(url).with_structured_output(Answer, method="json_mode").invoke(HELLO)
    assert answer == {"answer": HELLO}


def test_structured_with_raw(url: str) -> None:
    """With include_raw the message comes along."""
    result = chat(url).with_structured_output(Person, include_raw=True).invoke("Alice")
    assert isinstance(result, dict)
    assert result["parsing_error"] is None
    assert isinstance(result["parsed"], Person)
    assert isinstance(result["raw"], AIMessage)


@pytest.mark.parametrize(
    "part",
    [
        {
            "type": "image_url",
            "image_url": {"url": f"data:image/png;base64,{PIXEL}", "detail": "low"},
        },
        {"type": "image", "base64": PIXEL, "mime_type": "image/png"},
    ],
    ids=["openai", "langchain"],
)
def test_images(url: str, part: dict[str, Any]) -> None:
    """An image is seen, in OpenAI's form and in LangChain's own."""
    content: list[Any] = [{"type": "text", "text": "What is it?"}, part]
    answer = chat(url, "llava").invoke([HumanMessage(content=content)])
    assert answer.content == "I see an image of 70 bytes. You ask: What is it?"


def test_several(url: str) -> None:
    """With n there are that many generations of one prompt."""
    model = chat(url, "tiny-rand", n=3, seed=1, max_tokens=4)
    (generations,) = model.generate([[HumanMessage(HELLO)]]).generations
    assert len({generation.text for generation in generations}) == 3


def test_logprobs(url: str) -> None:
    """Log probabilities are in the metadata."""
    answer = chat(url, "tiny-soft", logprobs=True, top_logprobs=2).invoke(HELLO)
    tokens = answer.response_metadata["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == answer.content


def test_parameters(url: str, simulator: Simulator) -> None:
    """What users set on the model reaches Ollama."""
    model = chat(
        url,
        temperature=0.25,
        max_completion_tokens=77,
        stop_sequences=["END"],
        reasoning_effort=None,
        extra_body={"num_ctx": 3072},
    )
    model.invoke("With parameters of langchain")
    entry = simulator.wait(path="/api/chat", body="With parameters of langchain")
    options = json.loads(entry["body"])["options"]
    assert options["temperature"] == 0.25
    assert options["num_predict"] == 77
    assert options["stop"] == ["END"]
    assert options["num_ctx"] == 3072


def test_completions(url: str) -> None:
    """The older text completions work, streamed and whole."""
    model = OpenAI(
        model="llama3.2", base_url=url, api_key=SecretStr("x"), max_retries=0
    )
    assert model.invoke(HELLO) == SAID
    assert "".join(model.stream(HELLO)) == SAID
    assert model.batch([HELLO, HELLO]) == [SAID, SAID]


def embeddings(url: str, **more: Any) -> OpenAIEmbeddings:
    """An embedding model that never retries on its own."""
    return OpenAIEmbeddings(
        model="all-minilm",
        base_url=url,
        api_key=SecretStr("x"),
        max_retries=0,
        **more,
    )


def test_embeddings(url: str) -> None:
    """Texts become vectors, those of documents and of questions alike."""
    model = embeddings(url, check_embedding_ctx_length=False)
    first, second = model.embed_documents(["a text", "another"])
    assert len(first) == len(second) == 384
    assert model.embed_query("a text") == pytest.approx(first)
    assert asyncio.run(model.aembed_query("another")) == pytest.approx(second)


def test_embeddings_dimensions(url: str) -> None:
    """Vectors are as long as asked."""
    model = embeddings(url, check_embedding_ctx_length=False, dimensions=8)
    assert len(model.embed_query("a text")) == 8


def test_embeddings_of_tokens(url: str) -> None:
    """LangChain sends tokens unless told not to: without a vocabulary a clear 400."""
    with pytest.raises(openai.BadRequestError, match="send text") as caught:
        embeddings(url).embed_query("a text")
    assert caught.value.param == "input"


def test_embeddings_as_they_come(simulator: Simulator) -> None:
    """With the vocabulary LangChain's tokens give the vectors of the texts."""
    texts = ["a text", "one more", "ünïcödé 🦙"]
    directory = os.environ["TIKTOKEN_CACHE_DIR"]
    with Server({"OLLAMA_URL": simulator.url, "TIKTOKEN_CACHE_DIR": directory}) as it:
        url = f"{it.url}/v1"
        plain = embeddings(url, check_embedding_ctx_length=False).embed_documents(texts)
        tokens = embeddings(url).embed_documents(texts)
    assert tokens == [pytest.approx(vector) for vector in plain]


def test_errors(url: str) -> None:
    """Errors are the OpenAI library's, by which LangChain's retries decide."""
    with pytest.raises(openai.NotFoundError, match="nope"):
        chat(url, "nope").invoke(HELLO)
    with pytest.raises(openai.APIError, match="ended before it was complete"):
        list(chat(url, "fault-cut-3").stream(HELLO))
