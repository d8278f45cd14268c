import base64
import json
from typing import Any

import msgspec
import pytest
from support.pictures import text
from support.recordings import wav

from app.errors import BadRequest
from app.wire import openai
from middleware.content import MAX_MESSAGES, MAX_PARTS, messages
from middleware.images import Images

TEXT = "data:text/plain;base64," + base64.b64encode(b"in a file").decode()
FILE = {"type": "file", "file": {"file_data": TEXT}}


def native(*given: dict[str, Any]) -> list[dict[str, Any]]:
    """The conversation as Ollama gets it."""
    decoded = msgspec.convert([*given], list[openai.Message])
    found: list[dict[str, Any]] = msgspec.to_builtins(messages(decoded, [], Images()))
    return found


def one(**message: Any) -> dict[str, Any]:
    """A single message as Ollama gets it."""
    (found,) = native({"role": "user", "content": "x"} | message)
    return found


def refused(*given: dict[str, Any]) -> BadRequest:
    """Why a conversation is refused."""
    with pytest.raises(BadRequest) as caught:
        native(*given)
    return caught.value


def call(arguments: Any = "{}", **more: Any) -> dict[str, Any]:
    """A call in a message of the assistant."""
    return {
        "id": "a",
        "type": "function",
        "function": {"name": "f", "arguments": arguments},
        **more,
    }


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("system", "system"),
        ("developer", "system"),
        ("user", "user"),
        ("assistant", "assistant"),
        ("tool", "tool"),
        ("function", "tool"),
        ("USER", "user"),
        ("Developer", "system"),
    ],
)
def test_roles(given: str, want: str) -> None:
    """Each of OpenAI's roles has one of Ollama's."""
    assert one(role=given)["role"] == want


@pytest.mark.parametrize("role", ["", "robot", "user ", "x" * 10_000])
def test_unknown_roles(role: str) -> None:
    """An unknown role is refused, in few words."""
    error = refused({"role": role, "content": "x"})
    assert (error.param, error.code) == ("messages[0].role", "invalid_value")
    assert len(error.message) < 300


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([{"type": "text", "text": "a"}], "a"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\n\nb"),
        ([{"type": "input_text", "text": "a"}], "a"),
        ([{"type": "output_text", "text": "a"}], "a"),
        ([{"type": "refusal", "refusal": "no"}], "no"),
        ([{"type": "text", "text": ""}], ""),
        ([FILE], "in a file"),
        ([{"type": "text", "text": "see"}, FILE], "see\n\nin a file"),
    ],
)
def test_parts_are_joined(parts: list[dict[str, Any]], text: str) -> None:
    """One message stays one message; its texts are joined by a blank line."""
    assert one(content=parts)["content"] == text


def test_images_are_collected() -> None:
    """Images and audio come in order beside the joined text."""
    found = one(
        content=[
            {"type": "image_url", "image_url": "data:image/png;base64,/9j/"},
            {"type": "text", "text": "a"},
            {"type": "image_url", "image_url": {"url": "/9j/BBBB", "detail": "low"}},
            {
                "type": "input_audio",
                "input_audio": {"data": "T2dnUw==", "format": "ogg"},
            },
            {"type": "text", "text": "b"},
        ]
    )
    assert found["content"] == "a\n\nb"
    assert found["images"] == ["/9j/", "/9j/BBBB", "T2dnUw=="]


@pytest.mark.parametrize("role", ["user", "system", "assistant", "tool"])
def test_images_as_ollama_has_them(role: str) -> None:
    """A message's own ``images`` come behind those among its parts, in any spelling."""
    shown = {"type": "image_url", "image_url": {"url": "/9j/BBBB"}}
    own = ["data:image/png;base64,/9j/", "_9j_-__-"]
    for content, before in [("a", []), (None, []), ([shown], ["/9j/BBBB"])]:
        found = one(role=role, content=content, images=own)
        assert found["images"] == [*before, "/9j/", "/9j/+//+"]
        assert found["content"] == ("a" if content == "a" else "")


@pytest.mark.parametrize("images", [None, []])
def test_no_images(images: Any) -> None:
    """An empty list of images is none, and excuses no missing content."""
    assert "images" not in one(images=images)
    error = refused({"role": "user", "content": None, "images": images})
    assert (error.param, error.code) == ("messages[0].content", "invalid_type")


@pytest.mark.parametrize("bad", ["", "AAAA", "!", text(wav()), "http://x/y.png"])
def test_bad_images(bad: str) -> None:
    """One that is no image is a 400 that names message and place, and never dropped."""
    message = {"role": "user", "content": "x"}
    error = refused(message, {**message, "images": ["/9j/", bad]})
    assert (error.param, error.code) == ("messages[1].images[1]", "invalid_image")


def test_how_many_images() -> None:
    """A message has at most as many images as it may have parts."""
    message = {"role": "user", "content": "x"}
    assert len(one(images=["/9j/"] * MAX_PARTS)["images"]) == MAX_PARTS
    error = refused({**message, "images": ["/9j/"] * (MAX_PARTS + 1)})
    assert (error.param, error.code) == ("messages[0].images", "invalid_value")


@pytest.mark.parametrize("role", ["assistant", "ASSISTANT"])
def test_null_of_an_assistant_is_empty(role: str) -> None:
    """An assistant may have said nothing."""
    assert one(role=role, content=None)["content"] == ""


@pytest.mark.parametrize("role", ["user", "system", "developer", "tool"])
def test_null_of_others(role: str) -> None:
    """Others may not, unless there is a list of calls."""
    error = refused({"role": role, "content": None})
    assert (error.param, error.code) == ("messages[0].content", "invalid_type")
    assert one(role=role, content=None, tool_calls=[])["content"] == ""


@pytest.mark.parametrize(
    ("part", "message", "param"),
    [
        ({"type": "text"}, "invalid message format", ""),
        ({"type": "text", "text": None}, "invalid message format", ""),
        ({"type": "refusal"}, "invalid message format", ""),
        ({"type": "video"}, "invalid message format", ".type"),
        ({"type": ""}, "invalid message format", ".type"),
        ({"type": "image_url"}, "invalid message format", ""),
        ({"type": "image_url", "image_url": ""}, "invalid image input", ".image_url"),
        ({"type": "input_audio"}, "invalid input_audio format", ".input_audio"),
        (
            {"type": "input_audio", "input_audio": {}},
            "invalid input_audio format: missing data",
            ".input_audio.data",
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "!"}},
            "invalid input_audio base64 data",
            ".input_audio.data",
        ),
    ],
)
def test_bad_parts(part: dict[str, Any], message: str, param: str) -> None:
    """A part that cannot be used is refused by its place."""
    error = refused({"role": "user", "content": [{"type": "text", "text": "x"}, part]})
    assert error.message == message
    assert error.param == f"messages[0].content[1]{param}"


@pytest.mark.parametrize(
    "file",
    [
        None,
        {},
        [],
        "x",
        {"file_id": "f"},
        {"file_data": 5},
        {"file_data": "AAAA"},
        {"file_data": "data:application/pdf;base64,AAAA"},
        {"file_data": "data:text/plain,AAAA"},
        {"file_data": "data:text/plain;base64"},
        {"file_data": "data:text/plain;base64,/w=="},
        {"file_data": "data:text/plain;base64,!"},
    ],
    ids=range(12),
)
def test_files_that_cannot_be_read(file: Any) -> None:
    """Anything but text as a data URL is a 400, never dropped."""
    error = refused({"role": "user", "content": [{"type": "file", "file": file}]})
    assert error.param == "messages[0].content[0].file"
    assert "file" in error.message


def test_json_files_are_text() -> None:
    """A JSON file is read as text."""
    data = "data:application/json;base64," + base64.b64encode(b'{"a":1}').decode()
    part = {"type": "file", "file": {"file_data": data, "filename": "a.json"}}
    assert one(content=[part])["content"] == '{"a":1}'


@pytest.mark.parametrize(
    ("given", "thinking"),
    [
        ({"reasoning": "a"}, "a"),
        ({"reasoning_content": "b"}, "b"),
        ({"reasoning": "a", "reasoning_content": "b"}, "a"),
        ({"reasoning": "", "reasoning_content": "b"}, "b"),
        ({"reasoning_details": [{"text": "c"}, {"text": None}, {"text": "d"}]}, "cd"),
        ({"reasoning_details": []}, None),
        ({}, None),
    ],
)
def test_reasoning_of_earlier_turns(given: dict[str, Any], thinking: str) -> None:
    """Reasoning goes back under any of its names."""
    assert one(role="assistant", **given).get("thinking") == thinking


@pytest.mark.parametrize(
    ("arguments", "want"),
    [
        ("{}", {}),
        ('{"z":1,"a":{"b":[]}}', {"z": 1, "a": {"b": []}}),
        ("", {}),
        (" \n", {}),
        (None, {}),
        ({"a": 1}, {"a": 1}),
        (' {"a":1} ', {"a": 1}),
    ],
)
def test_arguments(arguments: Any, want: dict[str, Any]) -> None:
    """Arguments become an object, its keys in order; nothing is an empty one."""
    (made,) = one(role="assistant", tool_calls=[call(arguments)])["tool_calls"]
    assert made["function"]["arguments"] == want
    assert json.dumps(made["function"]["arguments"]) == json.dumps(want)
    assert made["id"] == "a"


@pytest.mark.parametrize(
    "arguments",
    [
        "not json",
        "[1]",
        "5",
        '"x"',
        "null",
        "{",
        "{}{}",
        '{"a":NaN}',
        '{"a":1e999}',
        "[" * 5000,
        '{"a":' * 5000,
    ],
    ids=lambda text: text[:12],
)
def test_bad_arguments(arguments: str) -> None:
    """Arguments that are no object are refused by their place."""
    good = call()
    error = refused({"role": "assistant", "tool_calls": [good, call(arguments)]})
    assert error.message == "invalid tool call arguments"
    assert error.param == "messages[0].tool_calls[1].function.arguments"


def test_calls_are_numbered() -> None:
    """Ollama's index is the place of a call in its message."""
    made = one(role="assistant", tool_calls=[call(), call(), call()])["tool_calls"]
    assert [each["function"]["index"] for each in made] == [0, 1, 2]


def test_a_tools_answer_has_its_name() -> None:
    """It is found by the call's id, the last call of that id counting."""
    calls = [
        call(id="a"),
        call(id="b", function={"name": "g"}),
        call(id="a", function={"name": "h"}),
    ]
    found = native(
        {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": [FILE]},
        {"role": "tool", "tool_call_id": "zz", "content": "3"},
        {"role": "tool", "tool_call_id": "a", "name": "own", "content": "4"},
        {"role": "function", "name": "old", "content": "5"},
        {"role": "user", "name": "ann", "tool_call_id": "a", "content": "6"},
    )
    names = [(m.get("tool_name"), m.get("tool_call_id")) for m in found[1:]]
    assert names == [
        ("h", "a"),
        ("g", "b"),
        (None, "zz"),
        ("own", "a"),
        ("old", None),
        (None, None),
    ]


@pytest.mark.parametrize("given", [[], None])
def test_no_messages(given: Any) -> None:
    """Ollama's own words, which tools match on."""
    with pytest.raises(BadRequest, match=r"\[\] is too short - 'messages'"):
        messages(given, [], Images())


def test_limits() -> None:
    """So many messages and parts, and not one more."""
    message, part = {"role": "user", "content": "x"}, {"type": "text", "text": "x"}
    assert len(native(*[message] * MAX_MESSAGES)) == MAX_MESSAGES == 10_000
    assert refused(*[message] * (MAX_MESSAGES + 1)).param == "messages"
    assert one(content=[part] * MAX_PARTS)["content"].count("x") == MAX_PARTS == 1024
    error = refused({"role": "user", "content": [part] * (MAX_PARTS + 1)})
    assert error.param == "messages[0].content"
    assert refused({"role": "user", "content": []}).param == "messages[0].content"


def test_the_older_call_is_a_call() -> None:
    """An assistant's ``function_call`` is not lost: it becomes a tool call."""
    said = {"name": "f", "arguments": '{"a":1}'}
    found = one(role="assistant", content=None, function_call=said)
    (called,) = found["tool_calls"]
    assert called["function"] == {"name": "f", "arguments": {"a": 1}, "index": 0}


def test_arguments_with_lone_surrogates() -> None:
    """What a model wrote can be sent back: no text is U+FFFD there too."""
    found = one(role="assistant", tool_calls=[call(r'{"a":"\ud800"}')])
    assert found["tool_calls"][0]["function"]["arguments"] == {"a": "\ufffd"}


def test_earlier_audio_is_named() -> None:
    """An assistant's earlier audio has no effect, which is said."""
    said = {"role": "assistant", "content": "x", "audio": {"id": "a"}}
    ignored: list[str] = []
    messages(msgspec.convert([said], list[openai.Message]), ignored, Images())
    assert ignored == ["messages[0].audio"]


@pytest.mark.parametrize("data", ["AAAA", "Z2FyYmFnZSBieXRlcyBoZXJl", "iVBORw0KGgo="])
def test_audio_that_is_none(data: str) -> None:
    """Bytes that are no audio would end Ollama's runner: a 400 that says where."""
    audio = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    error = refused({"role": "user", "content": [audio]})
    assert error.param == "messages[0].content[0].input_audio.data"
    assert error.code == "invalid_value"
