"""Tools and formats with OpenAI's own client, over the simulator."""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Literal

import jsonschema
import openai
import pytest
from pydantic import BaseModel, Field

pytestmark = pytest.mark.live

ASK: Any = [{"role": "user", "content": "Weather in Paris, please"}]

#: Parameters of all sorts.
SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"city": {"type": "string"}}},
    {
        "type": "object",
        "properties": {
            "city": {"type": "string", "minLength": 3, "maxLength": 20},
            "days": {"type": "integer", "minimum": 1, "exclusiveMaximum": 8},
            "unit": {"enum": ["C", "F", None]},
        },
        "required": ["city", "days", "unit"],
        "additionalProperties": False,
    },
    {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/Node"}},
        "required": ["tree"],
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {
                    "value": {"type": "number"},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
                },
                "required": ["value", "children"],
                "additionalProperties": False,
            }
        },
    },
    {
        "type": "object",
        "properties": {
            "when": {"type": "string", "pattern": "^\\d{4}-[01]\\d$"},
            "code": {"type": "string", "pattern": "^([A-Z]{2}|x)$"},
            "who": {"anyOf": [{"type": "null"}, {"type": "string"}]},
            "flags": {"type": "array", "items": {"type": "boolean"}, "minItems": 2},
        },
        "required": ["when", "code", "who", "flags"],
    },
    {
        "allOf": [{"$ref": "#/$defs/base"}],
        "properties": {"kind": {"const": "point"}, "x": {"type": "integer"}},
        "required": ["kind", "x"],
        "$defs": {"base": {"properties": {"id": {"type": "string"}}}},
    },
    {},
    {
        "type": "object",
        "oneOf": [
            {"properties": {"a": {"const": 1}}, "required": ["a"]},
            {"properties": {"b": {"const": 2}}, "required": ["b"]},
        ],
    },
    {"type": "object", "additionalProperties": {"type": "integer"}},
    {
        "type": "object",
        "properties": {"any": True, "pair": {"prefixItems": [{"type": "string"}, {}]}},
        "required": ["any", "pair", "more"],
    },
    {"type": "object", "properties": {"self": {"$ref": "#"}}},
]


def tool(name: str, parameters: dict[str, Any]) -> Any:
    """A tool's declaration."""
    function = {"name": name, "description": "a test", "parameters": parameters}
    return {"type": "function", "function": function}


def fits(call: Any, parameters: dict[str, Any]) -> None:
    """A second opinion on a call's arguments, from another library."""
    jsonschema.Draft202012Validator(parameters).validate(
        json.loads(call.function.arguments)
    )


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("number", range(len(SCHEMAS)))
def test_a_forced_call_fits(
    client: openai.OpenAI, number: int, seed: int, stream: bool
) -> None:
    """A hundred times of a hundred a forced call is a call, and fits."""
    schema = SCHEMAS[number]
    named = {"type": "function", "function": {"name": "f"}}
    asked: dict[str, Any] = {
        "model": "llama3.2",
        "messages": ASK,
        "seed": seed,
        "tools": [tool("f", schema), tool("other", {})],
        "tool_choice": named if seed % 2 else "required",
    }
    if seed == 4:
        asked["tools"] = [tool("f", schema), tool("f2", schema)]
    if stream:
        with client.chat.completions.stream(**asked) as chunks:
            choice = chunks.get_final_completion().choices[0]
    else:
        choice = client.chat.completions.create(**asked).choices[0]
    assert choice.finish_reason == ("stop" if seed % 2 else "tool_calls")
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    [call] = choice.message.tool_calls
    assert call.type == "function"
    assert call.id.startswith("call_")
    fits(call, {} if call.function.name == "other" else schema)


@pytest.mark.parametrize("model", ["llama3.2", "qwen3"])
@pytest.mark.parametrize("choice", ["required", "named"])
def test_streamed_and_whole_agree(
    client: openai.OpenAI, model: str, choice: str
) -> None:
    """What the client gathers from a stream is what it gets in one piece."""
    asked: dict[str, Any] = {
        "model": model,
        "messages": ASK,
        "seed": 7,
        "tools": [tool("f", SCHEMAS[1]), tool("g", SCHEMAS[2])],
        "tool_choice": "required",
    }
    if choice == "named":
        asked["tool_choice"] = {"type": "function", "function": {"name": "g"}}
    whole = client.chat.completions.create(**asked).choices[0]
    with client.chat.completions.stream(**asked) as chunks:
        streamed = chunks.get_final_completion().choices[0]
    assert whole.message.tool_calls is not None
    assert streamed.message.tool_calls is not None
    one, two = whole.message.tool_calls[0], streamed.message.tool_calls[0]
    assert (one.function.name, one.function.arguments) == (
        two.function.name,
        two.function.arguments,
    )
    assert whole.finish_reason == streamed.finish_reason
    if model == "qwen3":
        assert whole.message.reasoning == streamed.message.reasoning != ""


def test_arguments_come_in_pieces(client: openai.OpenAI) -> None:
    """Arguments of a forced call are streamed as the model writes them."""
    chunks = client.chat.completions.create(
        model="llama3.2",
        messages=ASK,
        tools=[tool("f", SCHEMAS[1])],
        tool_choice="required",
        stream=True,
    )
    calls = [c.choices[0].delta.tool_calls for c in chunks if c.choices]
    pieces = [call[0].function.arguments for call in calls if call]
    assert pieces[0] == ""
    assert len(pieces) > 4
    fits_text = json.loads("".join(pieces))
    assert set(fits_text) == {"city", "days", "unit"}


def test_several_choices(client: openai.OpenAI) -> None:
    """Each of several choices is a forced call of its own, streamed too."""
    asked: dict[str, Any] = {
        "model": "llama3.2",
        "messages": ASK,
        "n": 3,
        "seed": 1,
        "tools": [tool("f", SCHEMAS[1])],
        "tool_choice": "required",
    }
    with client.chat.completions.stream(**asked) as chunks:
        streamed = chunks.get_final_completion().choices
    whole = client.chat.completions.create(**asked).choices
    for choices in (streamed, whole):
        assert sorted(choice.index for choice in choices) == [0, 1, 2]
        for choice in choices:
            assert choice.message.tool_calls is not None
            fits(choice.message.tool_calls[0], SCHEMAS[1])


# ---------------------------------------------------------- structured


class Kind(StrEnum):
    """A choice of two."""

    CITY = "city"
    SEA = "sea"


class Place(BaseModel):
    """A nested model."""

    name: str = Field(description="its name", min_length=1)
    kind: Kind
    height: float | None = None


class Cat(BaseModel):
    """One of a union."""

    animal: Literal["cat"]
    lives: int = Field(ge=1, le=9)


class Dog(BaseModel):
    """The other."""

    animal: Literal["dog"]
    barks: bool


class Branch(BaseModel):
    """A model that holds itself."""

    label: str
    branches: list["Branch"]


class Trip(BaseModel):
    """All of it."""

    title: str
    places: list[Place]
    pet: Cat | Dog
    tree: Branch
    note: str | None


MODELS: list[type[BaseModel]] = [Place, Cat, Branch, Trip]


def ways(client: openai.OpenAI) -> Iterator[Any]:
    """The two names of the same method."""
    yield client.chat.completions.parse
    yield client.beta.chat.completions.parse


@pytest.mark.parametrize("model", MODELS)
def test_parse(client: openai.OpenAI, model: type[BaseModel]) -> None:
    """``parse()`` gives an instance of a Pydantic model, nested as it may be."""
    for parse in ways(client):
        answer = parse(model="llama3.2", messages=ASK, response_format=model)
        message = answer.choices[0].message
        assert isinstance(message.parsed, model)
        assert message.refusal is None


@pytest.mark.parametrize("model", MODELS)
def test_parse_streamed(client: openai.OpenAI, model: type[BaseModel]) -> None:
    """The same in a stream."""
    with client.chat.completions.stream(
        model="llama3.2", messages=ASK, response_format=model
    ) as chunks:
        answer = chunks.get_final_completion()
    assert isinstance(answer.choices[0].message.parsed, model)


def test_parse_of_tools(client: openai.OpenAI) -> None:
    """A tool made of a Pydantic model is called with an instance of it."""
    answer = client.chat.completions.parse(
        model="llama3.2",
        messages=ASK,
        tools=[openai.pydantic_function_tool(Trip)],
        tool_choice="required",
    )
    assert answer.choices[0].message.tool_calls is not None
    [call] = answer.choices[0].message.tool_calls
    assert isinstance(call.function.parsed_arguments, Trip)


def test_a_cut_answer(client: openai.OpenAI) -> None:
    """What is cut is told as cut, which the client knows how to raise."""
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(
            model="llama3.2", messages=ASK, response_format=Trip, max_tokens=5
        )


def test_completion_of_a_format(client: openai.OpenAI) -> None:
    """Completions take a response format as well."""
    schema = {"type": "json_schema", "json_schema": {"schema": SCHEMAS[1]}}
    schema["json_schema"] |= {"name": "n", "strict": True}
    answer = client.completions.create(
        model="llama3.2", prompt="hi", extra_body={"response_format": schema}
    )
    jsonschema.validate(json.loads(answer.choices[0].text), SCHEMAS[1])
