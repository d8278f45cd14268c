"""Messages: from OpenAI's conversation to Ollama's, pure.

One message stays one message, whatever parts it has: texts are joined, images are
collected in order (specification: chat, section 2).
"""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from app.errors import BadRequest
from app.wire import ollama, openai
from app.wire.decoding import decode

from .audio import is_audio_text
from .images import Images, base64_of
from .validation import check_many, missing

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
#: What Ollama's own templates put between neighbouring texts of one role.
BETWEEN_TEXTS = "\n\n"
MAX_MESSAGES = 10_000
MAX_PARTS = 1024

_arguments_decoder = msgspec.json.Decoder(dict[str, Any])


def messages(
    given: list[openai.Message] | None,
    ignored: list[str],
    images: Images,
) -> list[ollama.Message]:
    """The conversation in Ollama's form; raises ``BadRequest`` naming the message.

    What a message says to no effect is added to ``ignored``.  Of ``images`` some may
    still have to be fetched.
    """
    if not given:
        raise BadRequest(
            "[] is too short - 'messages'", code="invalid_value", param="messages"
        )
    if len(given) > MAX_MESSAGES:
        raise BadRequest(
            f"Too many messages: at most {MAX_MESSAGES} are accepted.",
            code="invalid_value",
            param="messages",
        )
    names = _called_names(given)
    ignored += [
        f"messages[{index}].audio"
        for index, message in enumerate(given)
        if message.audio is not None
    ]
    found = []
    for index, message in enumerate(given):  # a comprehension has a frame of its own
        found.append(_message(message, f"messages[{index}]", names, images))
    return found


def _image_url(part: openai.ContentPart) -> str | None:
    url = part.image_url
    return url.url if isinstance(url, openai.ImageURL) else url


def _called_names(given: list[openai.Message]) -> dict[str, str]:
    """Which function each call id stands for; the last one counts."""
    return {
        call.id: call.function.name
        for message in given
        if message.tool_calls or message.function_call
        for call in _calls(message)
        if call.id and call.function
    }


def _message(
    message: openai.Message, param: str, names: dict[str, str], images: Images
) -> ollama.Message:
    role = role_of(message.role, _ROLES, param)
    content, pictures = _content(message, role, param, images)
    if message.images:
        _take_images(message.images, f"{param}.images", pictures, images)
    native = ollama.Message(
        role=role,
        content=content,
        thinking=_reasoning(message),
        images=pictures or None,
        tool_calls=(
            _tool_calls(message, param)
            if message.tool_calls or message.function_call
            else None
        ),
    )
    if role == "tool":
        native.tool_call_id = message.tool_call_id or ""
        native.tool_name = message.name or names.get(native.tool_call_id, "")
    return native


def role_of(role: str | None, roles: Mapping[str, str], param: str) -> str:
    """Ollama's role for one of a dialect's ``roles``; raises ``BadRequest``."""
    if role is None:
        raise missing(f"{param}.role")
    known = roles.get(role.lower())
    if known is None:
        *names, last = (f"'{name}'" for name in roles)
        raise BadRequest(
            f"Invalid value: '{role[:64]}'. Supported values are:"
            f" {', '.join(names)}, and {last}.",
            code="invalid_value",
            param=f"{param}.role",
        )
    return known


def _content(
    message: openai.Message, role: str, param: str, images: Images
) -> tuple[str, list[str]]:
    content = message.content
    if isinstance(content, str):
        return content, []
    if content is None:
        silent = message.tool_calls is None and not message.images
        if silent and role != "assistant":
            raise BadRequest(
                "invalid message content type: null",
                code="invalid_type",
                param=f"{param}.content",
            )
        return "", []
    if not content or len(content) > MAX_PARTS:
        raise BadRequest(
            f"Invalid '{param}.content': expected 1 to {MAX_PARTS} parts, but got"
            f" {len(content)} instead.",
            code="invalid_value",
            param=f"{param}.content",
        )
    texts: list[str] = []
    pictures: list[str] = []
    for index, part in enumerate(content):
        _take(part, f"{param}.content[{index}]", texts, pictures, images)
    return BETWEEN_TEXTS.join(texts), pictures


def _take(
    part: openai.ContentPart,
    param: str,
    texts: list[str],
    pictures: list[str],
    images: Images,
) -> None:
    """Put one part where it belongs: among the texts or among the pictures."""
    if part.type in ("text", "input_text", "output_text"):
        texts.append(required(part.text, param))
    elif part.type == "refusal":
        texts.append(required(part.refusal, param))
    elif part.type == "image_url":
        url = required(_image_url(part), param)
        images.take(url, f"{param}.image_url", pictures)
    elif part.type == "input_audio":
        pictures.append(audio_of(part.input_audio, f"{param}.input_audio"))
    elif part.type == "file":
        data = part.file.get("file_data") if isinstance(part.file, dict) else None
        texts.append(text_file(data, f"{param}.file"))
    else:
        raise BadRequest(
            "invalid message format", code="invalid_value", param=f"{param}.type"
        )


def _take_images(
    given: list[str], param: str, pictures: list[str], images: Images
) -> None:
    """Put what Ollama's own field holds behind the pictures of the parts."""
    check_many(given, MAX_PARTS, param, "images")
    for index, image in enumerate(given):
        images.take(image, f"{param}[{index}]", pictures)


def required(text: str | None, param: str) -> str:
    """A text that must be there; raises ``BadRequest``."""
    if text is None:
        raise BadRequest("invalid message format", code="invalid_type", param=param)
    return text


def audio_of(audio: openai.InputAudio | None, param: str) -> str:
    """Audio rides among the images: Ollama tells them apart by their bytes."""
    if audio is None:
        raise BadRequest("invalid input_audio format", code="invalid_type", param=param)
    if not audio.data:
        raise BadRequest(
            "invalid input_audio format: missing data",
            code="missing_required_parameter",
            param=f"{param}.data",
        )
    data = base64_of(audio.data, f"{param}.data", "invalid input_audio base64 data")
    if not is_audio_text(data):
        # Ollama's runner would take it for a picture, and end over it.
        raise BadRequest(
            "invalid input_audio data: no audio of a known kind (wav, mp3, flac, ogg,"
            " m4a, webm)",
            code="invalid_value",
            param=f"{param}.data",
        )
    return data


def text_file(data: Any, param: str) -> str:
    """A text file that came as a data URL; other files cannot be read."""
    if isinstance(data, str):
        head, comma, payload = data.partition(",")
        kind, _, encoding = head.removeprefix("data:").partition(";")
        readable = kind.startswith("text/") or kind == "application/json"
        if comma and readable and encoding.endswith("base64"):
            try:
                standard = base64_of(payload, param, "invalid file data")
                return base64.b64decode(standard).decode()
            except ValueError:
                pass
    raise BadRequest(
        "Only text files given as a base64 data URL in 'file_data' can be read.",
        code="unsupported_value",
        param=param,
    )


def _reasoning(message: openai.Message) -> str:
    if message.reasoning or message.reasoning_content:
        return message.reasoning or message.reasoning_content or ""
    if not message.reasoning_details:
        return ""
    return "".join([detail.text or "" for detail in message.reasoning_details])


def _calls(message: openai.Message) -> list[openai.ToolCall]:
    """The calls of a message, the one in the older field among them."""
    calls = [_as_function(call) for call in message.tool_calls or ()]
    if message.function_call is None:
        return calls
    return [*calls, openai.ToolCall(function=message.function_call)]


def _as_function(call: openai.ToolCall) -> openai.ToolCall:
    """A custom tool's call as that of the function it was offered as."""
    if call.custom is None or call.function is not None:
        return call
    arguments = {"input": call.custom.input}
    function = openai.FunctionCall(call.custom.name, arguments)
    return openai.ToolCall(function, id=call.id)


def _tool_calls(message: openai.Message, param: str) -> list[ollama.ToolCall] | None:
    calls = _calls(message)
    newer = len(message.tool_calls or ())
    places = [f"{param}.tool_calls[{index}].function" for index in range(newer)]
    places += [f"{param}.function_call"] * (len(calls) - newer)
    return [
        ollama.ToolCall(_called(call.function, places[index], index), call.id or "")
        for index, call in enumerate(calls)
    ]


def _called(
    function: openai.FunctionCall | None, param: str, index: int
) -> ollama.ToolCallFunction:
    if function is None:
        raise missing(param)
    arguments = arguments_of(function.arguments, f"{param}.arguments")
    return ollama.ToolCallFunction(function.name, arguments, index)


def arguments_of(given: str | dict[str, Any] | None, param: str) -> dict[str, Any]:
    """A call's arguments, which are mostly JSON text; raises ``BadRequest``."""
    if given is None or isinstance(given, dict):
        return given or {}
    if not given.strip():
        return {}  # what models and some clients write for a call without arguments
    try:
        return decode(_arguments_decoder, given.encode())
    except msgspec.DecodeError as exc:
        raise BadRequest(
            "invalid tool call arguments", code="invalid_value", param=param
        ) from exc
