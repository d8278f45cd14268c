"""The Responses API with OpenAI's own client, over the simulator."""

import asyncio
import json
import socket
from typing import Any

import openai
import pytest
from pydantic import BaseModel
from support.leaving import eventually
from support.pictures import PNG, text
from support.posting import ask
from support.server import Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

SAY = "Say this is a test"
ASK_WEATHER = "What is the weather in Paris?"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
    "strict": False,
}


class Person(BaseModel):
    """What the model is made to answer."""

    name: str
    age: int


class GetWeather(BaseModel):
    """The weather in a city."""

    city: str


def last_messages(simulator: Simulator) -> list[dict[str, Any]]:
    """What Ollama was told last."""
    entry = simulator.wait(path="/api/chat")
    found: list[dict[str, Any]] = json.loads(entry["body"])["messages"]
    return found


def test_create(client: openai.OpenAI) -> None:
    """A response has its text, its usage and what it repeats of the request."""
    response = client.responses.create(
        model="llama3.2",
        input=SAY,
        instructions="Be brief.",
        metadata={"a": "b"},
        max_output_tokens=50,
    )
    assert SAY in response.output_text
    assert response.status == "completed"
    assert response.model == "llama3.2"
    assert response.metadata == {"a": "b"}
    assert response.max_output_tokens == 50
    assert response.instructions == "Be brief."
    assert response.usage is not None
    assert response.usage.input_tokens_details.cache_write_tokens == 0
    assert response.completed_at is not None


def test_stream(client: openai.OpenAI) -> None:
    """The library's own accumulator takes the stream, and finds what was said."""
    with client.responses.stream(model="llama3.2", input=SAY) as events:
        kinds = [event.type for event in events]
        final = events.get_final_response()
    assert SAY in final.output_text
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"


def test_stream_raw(client: openai.OpenAI) -> None:
    """So do those who read the events themselves; numbers have no gaps."""
    events = list(client.responses.create(model="llama3.2", input=SAY, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert SAY in "".join(deltas)


def test_parse(client: openai.OpenAI) -> None:
    """A schema is kept to, whole and streamed."""
    asked: dict[str, Any] = {
        "model": "llama3.2",
        "input": "Somebody",
        "text_format": Person,
    }
    assert isinstance(client.responses.parse(**asked).output_parsed, Person)
    with client.responses.stream(**asked) as events:
        final = events.get_final_response()
    assert isinstance(final.output_parsed, Person)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "choice", ["auto", "required", {"type": "function", "name": "GetWeather"}], ids=str
)
def test_tools(client: openai.OpenAI, choice: Any, stream: bool) -> None:
    """The library parses the arguments of a call, whether it was forced or not."""
    asked: dict[str, Any] = {
        "model": "llama3.2",
        "input": ASK_WEATHER,
        "tools": [openai.pydantic_function_tool(GetWeather)],
        "tool_choice": choice,
    }
    if stream:
        with client.responses.stream(**asked) as events:
            response = events.get_final_response()
    else:
        response = client.responses.parse(**asked)
    (call,) = response.output
    assert call.type == "function_call"
    assert isinstance(call.parsed_arguments, GetWeather)


def test_a_tool_and_its_result(client: openai.OpenAI, simulator: Simulator) -> None:
    """A second turn that gives everything back tells the model of call and result."""
    first = client.responses.create(
        model="llama3.2", input=ASK_WEATHER, tools=[WEATHER], store=False
    )
    (call,) = [item for item in first.output if item.type == "function_call"]
    given: list[Any] = [
        {"role": "user", "content": ASK_WEATHER},
        *first.output,
        {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": "rain",
        },
    ]
    second = client.responses.create(
        model="llama3.2", input=given, tools=[WEATHER], store=False
    )
    assert second.output_text
    told = last_messages(simulator)
    assert told[-2]["tool_calls"][0]["function"]["name"] == "get_weather"
    assert told[-1] == {
        "role": "tool",
        "content": "rain",
        "tool_name": "get_weather",
        "tool_call_id": call.call_id,
    }


def test_a_custom_tool(client: openai.OpenAI) -> None:
    """A tool that takes text is given text."""
    response = client.responses.create(
        model="llama3.2",
        input="Run something",
        tools=[{"type": "custom", "name": "shell"}],
        tool_choice="required",
    )
    (call,) = response.output
    assert call.type == "custom_tool_call"
    assert (call.name, type(call.input)) == ("shell", str)


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning(
    client: openai.OpenAI, simulator: Simulator, *, stream: bool
) -> None:
    """Thoughts are an item before the text, and go back to the model when given."""
    asked: dict[str, Any] = {"model": "qwen3", "reasoning": {"effort": "high"}}
    if stream:
        with client.responses.stream(**asked, input=SAY) as events:
            response: Any = events.get_final_response()
    else:
        response = client.responses.create(**asked, input=SAY)
    thought, message = response.output
    assert (thought.type, message.type) == ("reasoning", "message")
    assert thought.summary[0].text
    assert response.usage.output_tokens_details.reasoning_tokens > 0
    again: list[Any] = [*response.output, {"role": "user", "content": "And now?"}]
    client.responses.create(**asked, input=again)
    assert last_messages(simulator)[0]["thinking"] == thought.summary[0].text


def test_an_image(client: openai.OpenAI, simulator: Simulator) -> None:
    """A picture as a data URL arrives at the model."""
    part = {"type": "input_image", "image_url": f"data:image/png;base64,{text(PNG)}"}
    client.responses.create(
        model="llava",
        input=[
            {
                "role": "user",
                "content": [{"type": "input_text", "text": "What is it?"}, part],
            }
        ],
    )
    assert last_messages(simulator)[0]["images"] == [text(PNG)]


def test_logprobs(client: openai.OpenAI) -> None:
    """They are in the text when they are to be included."""
    asked: dict[str, Any] = {
        "model": "llama3.2",
        "input": SAY,
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2,
    }
    response = client.responses.create(**asked)
    (part,) = response.output[0].content
    said = response.output_text
    assert "".join([token.token for token in part.logprobs]) == said
    assert {len(token.top_logprobs) for token in part.logprobs} == {2}
    events = list(client.responses.create(**asked, stream=True))
    deltas = [e for e in events if e.type == "response.output_text.delta"]
    assert "".join([t.token for e in deltas for t in e.logprobs]) == said
    (done,) = [e for e in events if e.type == "response.output_text.done"]
    assert "".join([token.token for token in done.logprobs]) == said


def test_a_conversation_that_is_kept(
    client: openai.OpenAI, simulator: Simulator
) -> None:
    """Two turns, the first found again by its id; instructions are not carried over."""
    first = client.responses.create(
        model="llama3.2", input="I am a llama.", instructions="Be kind."
    )
    assert first.store is True
    with client.responses.stream(
        model="llama3.2", input=SAY, previous_response_id=first.id
    ) as events:
        second = events.get_final_response()
    assert second.previous_response_id == first.id
    assert [(m["role"], m["content"]) for m in last_messages(simulator)] == [
        ("user", "I am a llama."),
        ("assistant", first.output_text),
        ("user", SAY),
    ]
    again = client.responses.retrieve(second.id)
    assert (again.id, again.usage) == (second.id, second.usage)
    assert again.output_text == second.output_text
    third = client.responses.create(
        model="llama3.2", input="Yes?", previous_response_id=second.id
    )
    assert [m["role"] for m in last_messages(simulator)] == [
        *("user", "assistant", "user", "assistant", "user"),
    ]
    client.responses.delete(third.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(third.id)


def test_input_items(client: openai.OpenAI) -> None:
    """What a request brought is listed, newest first or oldest first, by pages."""
    given: Any = [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "three"},
        {"role": "user", "content": [{"type": "input_text", "text": "four"}]},
    ]
    response = client.responses.create(model="llama3.2", input=given)
    listed = client.responses.input_items.list
    kinds = [item.type for item in listed(response.id, order="asc")]
    assert kinds == [
        *("message", "message", "function_call", "function_call_output", "message"),
    ]
    ids = [item.id for item in listed(response.id)]
    assert ids == [item.id for item in listed(response.id, limit=2)]
    assert ids[::-1] == [item.id for item in listed(response.id, order="asc", limit=3)]
    after = listed(response.id, after=str(ids[1])).data
    assert [item.id for item in after] == ids[2:]


def test_an_item_by_reference(client: openai.OpenAI, simulator: Simulator) -> None:
    """An item that is kept can be named by its id."""
    first = client.responses.create(model="llama3.2", input=SAY)
    client.responses.create(
        model="llama3.2",
        input=[
            {"type": "item_reference", "id": first.output[0].id or ""},
            {"role": "user", "content": "And?"},
        ],
    )
    told = [message["content"] for message in last_messages(simulator)]
    assert told == [first.output_text, "And?"]


def test_unknown_ids(client: openai.OpenAI) -> None:
    """What is not kept is refused in OpenAI's words."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(
            model="llama3.2", input=SAY, previous_response_id="resp_x"
        )
    assert refused.value.code == "previous_response_not_found"
    assert refused.value.param == "previous_response_id"
    assert "Previous response with id 'resp_x' not found." in refused.value.message
    unkept = client.responses.create(model="llama3.2", input=SAY, store=False)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(unkept.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.delete("resp_x")
    with pytest.raises(openai.NotFoundError):
        list(client.responses.input_items.list("resp_x"))


def test_input_tokens(client: openai.OpenAI) -> None:
    """What a request would take is counted; more of it takes more."""
    count = client.responses.input_tokens.count
    few = count(model="llama3.2", input=SAY)
    many = count(model="llama3.2", input=SAY * 100, instructions="Be brief.")
    assert (few.object, many.object) == ("response.input_tokens",) * 2
    assert 0 < few.input_tokens < many.input_tokens


def test_what_is_not_here(client: openai.OpenAI) -> None:
    """Work in the background and compacting are not available."""
    with pytest.raises(openai.InternalServerError) as absent:
        client.responses.cancel("resp_x")
    assert absent.value.status_code == 501
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="llama3.2", input=SAY, background=True)
    assert refused.value.code == "unsupported_parameter"


def test_failures_in_a_stream(client: openai.OpenAI) -> None:
    """A stream that breaks ends with one event that says why."""
    events = list(
        client.responses.create(model="fault-not-done-3", input=SAY, stream=True)
    )
    assert events[-1].type == "response.failed"
    assert events[-1].response.error is not None
    assert [event.sequence_number for event in events] == list(range(len(events)))


@pytest.fixture
def asked(server: Server) -> Any:
    """Ask with the asynchronous client."""

    async def within(function: Any) -> Any:
        async with openai.AsyncOpenAI(
            base_url=f"{server.url}/v1", api_key="x", max_retries=0, timeout=30
        ) as client:
            return await function(client)

    return lambda function: asyncio.run(within(function))


def test_async(asked: Any) -> None:
    """The asynchronous client does as well: whole, streamed, parsed, kept."""

    async def ask(client: openai.AsyncOpenAI) -> None:
        first = await client.responses.create(model="llama3.2", input=SAY)
        assert SAY in first.output_text
        async with client.responses.stream(
            model="llama3.2", input=SAY, previous_response_id=first.id
        ) as events:
            final = await events.get_final_response()
        assert SAY in final.output_text
        parsed = await client.responses.parse(
            model="llama3.2", input="Somebody", text_format=Person
        )
        assert isinstance(parsed.output_parsed, Person)
        again = await client.responses.retrieve(first.id)
        assert again.output_text == first.output_text
        items = [item async for item in client.responses.input_items.list(first.id)]
        assert len(items) == 1
        await client.responses.delete(first.id)

    asked(ask)


def test_q3_a_conversation_survives_a_restart(
    simulator: Simulator, tmp_path: Any
) -> None:
    """What was kept is there when the server has stopped and another has started."""
    env = {"OLLAMA_URL": simulator.url, "PANNIER_STATE_DIR": str(tmp_path / "state")}
    ids: list[str] = []
    for turn in ("I am a llama.", "Who am I?"):
        with (
            Server(env) as server,
            openai.OpenAI(base_url=f"{server.url}/v1", api_key="x") as client,
        ):
            answer = client.responses.create(
                model="llama3.2",
                input=turn,
                previous_response_id=ids[-1] if ids else None,
            )
            ids.append(answer.id)
    assert [message["content"] for message in last_messages(simulator)][::2] == [
        *("I am a llama.", "Who am I?"),
    ]


def test_q3_any_worker_knows_it(simulator: Simulator) -> None:
    """What one worker keeps, the others know before the client can ask them."""
    env = {"OLLAMA_URL": simulator.url, "WEB_CONCURRENCY": "3"}
    with Server(env) as server:
        eventually(lambda: len(server.workers()) == 3)
        previous = None
        for _ in range(12):  # each on a connection of its own
            body = {"model": "llama3.2", "input": "x", "previous_response_id": previous}
            answer = ask(server, "/v1/responses", body)
            assert answer.status == 200, answer.body
            previous = json.loads(answer.body)["id"]
    assert len(last_messages(simulator)) == 23


def test_q2_a_database_that_cannot_be(simulator: Simulator, tmp_path: Any) -> None:
    """Answers go out all the same, and say that they are not kept; so does the log."""
    (tmp_path / "state").write_text("no directory")
    env = {"OLLAMA_URL": simulator.url, "PANNIER_STATE_DIR": str(tmp_path / "state")}
    with (
        Server(env) as server,
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="x", max_retries=0) as one,
    ):
        response: Any = one.responses.create(model="llama3.2", input=SAY)
        assert SAY in response.output_text
        assert response.store is False
        with pytest.raises(openai.InternalServerError) as refused:
            one.responses.create(
                model="llama3.2", input=SAY, previous_response_id=response.id
            )
        assert (refused.value.status_code, refused.value.code) == (
            503,
            "storage_unavailable",
        )
        assert "Responses are not kept: " in server.output()


@pytest.mark.parametrize(
    ("fields", "status"), [(["Upgrade: websocket"], 426), ([], 405)]
)
def test_a_web_socket(server: Server, fields: list[str], status: int) -> None:
    """Codex asks for one first; after this refusal it posts at once."""
    head = ["GET /v1/responses HTTP/1.1", "Host: localhost", *fields]
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        told = [*head, "Connection: Upgrade", "Sec-WebSocket-Version: 13", "", ""]
        client.sendall("\r\n".join(told).encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 %d " % status)
