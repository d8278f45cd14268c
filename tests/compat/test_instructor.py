import asyncio
import json
from collections.abc import Iterable
from enum import StrEnum

import instructor
import openai
import pytest
from pydantic import BaseModel, ValidationInfo, field_validator
from support.simulator import Simulator

pytestmark = [pytest.mark.compat, pytest.mark.live]

MODEL = "llama3.2"
Mode = instructor.Mode


class Kind(StrEnum):
    """A choice among words."""

    private = "private"
    business = "business"


class Address(BaseModel):
    """A part of a person, so that the schema refers to another."""

    street: str
    kind: Kind
    number: int | None = None


class Person(BaseModel):
    """A person with all that schemas nest."""

    name: str
    age: int
    homes: list[Address]


class Answer(BaseModel):
    """What the simulator says in JSON mode."""

    answer: str


class House(BaseModel):
    """A house and who lives there; partial models do not know enums of words."""

    owner: str
    rooms: list[Answer]


class Weather(BaseModel):
    """The weather in a city."""

    city: str


class News(BaseModel):
    """News about a topic."""

    topic: str


def ask(text: str) -> list[dict[str, str]]:
    """A conversation of one question."""
    return [{"role": "user", "content": text}]


def client(url: str, mode: Mode) -> instructor.Instructor:
    """A patched client that never retries on its own."""
    return instructor.from_openai(
        openai.OpenAI(base_url=url, api_key="x", max_retries=0, timeout=30), mode=mode
    )


@pytest.mark.parametrize(
    "mode",
    [Mode.TOOLS, Mode.TOOLS_STRICT, Mode.JSON_SCHEMA],
    ids=lambda mode: mode.name,
)
def test_nested(url: str, mode: Mode) -> None:
    """In the modes that hold the model to a schema a nested model comes back."""
    person = client(url, mode).chat.completions.create(
        model=MODEL, messages=ask("Who is Alice?"), response_model=Person, max_retries=0
    )
    assert isinstance(person, Person)
    assert person.name == "Alice"
    assert person.homes
    assert person._raw_response.model == MODEL


@pytest.mark.parametrize(
    ("mode", "question"),
    [
        (Mode.JSON, "Say yes"),
        (Mode.MD_JSON, 'Say {"answer": "yes"}'),  # which the simulator quotes
    ],
)
def test_json(url: str, mode: Mode, question: str) -> None:
    """In the modes that only ask for JSON, JSON comes back."""
    answer = client(url, mode).chat.completions.create(
        model=MODEL, messages=ask(question), response_model=Answer, max_retries=0
    )
    assert "yes" in answer.answer


@pytest.mark.parametrize(
    "mode", [Mode.TOOLS, Mode.JSON, Mode.JSON_SCHEMA], ids=lambda mode: mode.name
)
def test_retries(url: str, simulator: Simulator, mode: Mode) -> None:
    """An answer that does not please is sent back with the complaint."""
    seen = []

    class Picky(Answer):
        @field_validator("answer")
        @classmethod
        def check(cls, value: str, info: ValidationInfo) -> str:
            seen.append(value)
            if len(seen) == 1:
                raise ValueError("say it in Latin")
            return value

    answer = client(url, mode).chat.completions.create(
        model=MODEL, messages=ask("Say yes"), response_model=Picky, max_retries=2
    )
    assert [answer.answer] == seen[1:]
    entry = simulator.wait(path="/api/chat", body="say it in Latin")
    assert len(json.loads(entry["body"])["messages"]) >= 3


@pytest.mark.parametrize(
    "mode", [Mode.TOOLS, Mode.JSON_SCHEMA], ids=lambda mode: mode.name
)
def test_streams(url: str, mode: Mode) -> None:
    """A model is filled while it streams, and a list of them one by one."""
    patched = client(url, mode)
    *_, last = patched.chat.completions.create_partial(
        model=MODEL, messages=ask("Who is Alice?"), response_model=House
    )
    house = House.model_validate(last.model_dump())
    assert house.owner == "Alice"
    assert house.rooms
    many = list(
        patched.chat.completions.create_iterable(
            model=MODEL, messages=ask("Which cities: Paris?"), response_model=Weather
        )
    )
    assert many
    assert all(isinstance(one, Weather) for one in many)


def test_parallel(url: str) -> None:
    """Of several offered models the one that the model calls comes back."""
    (called,) = client(url, Mode.PARALLEL_TOOLS).chat.completions.create(
        model=MODEL,
        messages=ask("What is the weather in Paris?"),
        response_model=Iterable[Weather | News],
    )
    assert called == Weather(city="Paris")


def test_completion(url: str) -> None:
    """The completion comes along where asked, with its usage."""
    person, completion = client(
        url, Mode.TOOLS
    ).chat.completions.create_with_completion(
        model=MODEL, messages=ask("Who is Alice?"), response_model=Person
    )
    assert person.name == "Alice"
    assert completion.usage.total_tokens > 0


def test_asynchronous(url: str) -> None:
    """The asynchronous client gets the same model."""

    async def ask_for(mode: Mode) -> Person:
        async with openai.AsyncOpenAI(
            base_url=url, api_key="x", max_retries=0, timeout=30
        ) as inner:
            patched = instructor.from_openai(inner, mode=mode)
            return await patched.chat.completions.create(
                model=MODEL, messages=ask("Who is Alice?"), response_model=Person
            )

    for mode in (Mode.TOOLS, Mode.JSON_SCHEMA):
        assert asyncio.run(ask_for(mode)).name == "Alice"


def test_provider(url: str) -> None:
    """from_provider with Ollama's name works as well, pointed at Pannier."""
    patched = instructor.from_provider(
        f"ollama/{MODEL}", base_url=url, mode=Mode.JSON_SCHEMA
    )
    person = patched.create(messages=ask("Who is Alice?"), response_model=Person)
    assert person.name == "Alice"
