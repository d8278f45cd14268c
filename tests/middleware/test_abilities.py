import base64
from typing import Any

import pytest
from support.able import Able
from support.ollama import Ollama, ask
from support.stack import linted

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
JPEG = b"\xff\xd8\xff\xe0" + bytes(16)
WEBP = b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(16)
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(16)
MP3 = b"ID3\x04" + bytes(16)
MP3_FRAME = b"\xff\xfb\x90\x00" + bytes(16)
PICTURES = [PNG, JPEG, WEBP]
SOUNDS = [WAV, MP3, MP3_FRAME, b"OggS" + bytes(16), b"fLaC" + bytes(16)]


def picture(data: bytes) -> dict[str, Any]:
    """A part that holds an image."""
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def sound(data: bytes) -> dict[str, Any]:
    """A part that holds audio."""
    data64 = base64.b64encode(data).decode()
    return {"type": "input_audio", "input_audio": {"data": data64, "format": "wav"}}


TEXT = {"type": "text", "text": "What is this?"}


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        *[([picture(data)], "image") for data in PICTURES],
        *[([sound(data)], "audio") for data in SOUNDS],
        ([sound(WAV), picture(PNG)], "both"),
        ([TEXT], ""),
    ],
)
@pytest.mark.parametrize("model", ["plain", "seeing", "hearing", "unknown", "absent"])
def test_what_models_can_take(
    parts: list[dict[str, Any]], kind: str, model: str
) -> None:
    """Images need vision, audio needs audio; without them nobody is asked."""
    able, ollama = Able(), Ollama()
    app = linted(ollama, control=able)
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": [TEXT, *parts]},
    ]
    answer = ask(app, body={"model": model, "messages": messages})
    lacking = {
        "plain": {"image": "image", "audio": "audio", "both": "audio"},
        "seeing": {"audio": "audio", "both": "audio"},
    }.get(model, {})
    assert able.asked == ([model] if kind else [])
    if kind in lacking:
        assert (answer.status, ollama.calls) == (400, [])
        assert answer.error == {
            "message": f'model "{model}" does not support {lacking[kind]} input',
            "type": "invalid_request_error",
            "param": "messages",
            "code": "unsupported_value",
        }
    else:
        assert answer.status == 200


@pytest.mark.parametrize("content", ["", "seen"])
def test_what_a_tool_found(content: str) -> None:
    """An image among a tool's results becomes a note: it stays in the conversation.

    Without that a conversation could not go on from it at all.
    """
    ollama = Ollama()
    found = {
        "role": "tool",
        "tool_call_id": "c",
        "content": [{"type": "text", "text": content}, picture(PNG), picture(JPEG)],
    }
    messages = [{"role": "user", "content": "Hi"}, found, found]
    body = {"model": "plain", "messages": messages}
    answer = ask(linted(ollama, control=Able()), body=body)
    assert answer.status == 200
    assert answer.headers["X-Pannier-Adjusted"] == "tool_images=left-out"
    note = "[There is an image here, which this model cannot see.]"
    for message in ollama.calls[0].json["messages"][1:]:
        assert message["content"].split() == f"{content} {note}".split()
        assert "images" not in message


def test_what_a_tool_found_in_strict_mode() -> None:
    """There it is a 400, as everything that would be left out."""
    found = {"role": "tool", "tool_call_id": "c", "content": [picture(PNG)]}
    body = {"model": "plain", "messages": [found]}
    answer = ask(linted(Ollama(), control=Able(), strict=True), body=body)
    assert answer.status == 400
    assert "does not support image input" in answer.error["message"]
