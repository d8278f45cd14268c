"""Input items: from the Responses API's conversation to Ollama's, pure.

What the assistant says in one turn comes in several items (thoughts, text, calls) and
becomes one message, so that the results of its calls follow it directly (specification:
other, section 4; Ollama's ``openai/responses.go``, ``FromResponsesRequest``).
"""

from collections.abc import Callable
from typing import Any

from app.errors import BadRequest
from app.wire import ollama, responses

from .content import (
    BETWEEN_TEXTS,
    MAX_PARTS,
    arguments_of,
    audio_of,
    role_of,
    text_file,
)
from .images import Images
from .validation import check_many, converted, missing, required

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}
_TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
#: What OpenAI encrypted begins like this; nobody else can read it.
_ENCRYPTED = "gAAAA"


def kind_of(item: dict[str, Any], param: str) -> str:
    """The type of an item; raises ``BadRequest`` for what is none."""
    kind = item.get("type")
    if kind is None:
        if item.get("role") is not None:
            return "message"
        if isinstance(item.get("id"), str) and "content" not in item:
            return "item_reference"
        raise missing(f"{param}.type")
    if not isinstance(kind, str):
        raise BadRequest(
            f"Invalid type for '{param}.type': expected a string.",
            code="invalid_type",
            param=f"{param}.type",
        )
    return kind


def flat(namespace: str | None, name: str) -> str:
    """What a model calls a tool that is in a namespace."""
    return f"{namespace}.{name}" if namespace else name


class _Turn:
    """What the assistant says in one turn, in pieces: they are joined at its end.

    To what was said before, each would be a copy of it all.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []
        self.images: list[str] = []
        self.calls: list[ollama.ToolCall] = []

    def message(self) -> ollama.Message:
        """All of it; an image that is still to be fetched is put into its list."""
        return ollama.Message(
            "assistant",
            BETWEEN_TEXTS.join(filter(None, self.texts)),
            BETWEEN_TEXTS.join(self.thoughts),
            self.images or None,
            self.calls or None,
        )


class InputItems:
    """A conversation that is being put together of items.

    ``images`` gets what has to be fetched.
    """

    def __init__(self, instructions: str | None, images: Images) -> None:
        self._images = images
        self._names: dict[str, str] = {}
        self._thoughts: list[str] = []
        self._turn: _Turn | None = None
        self._messages: list[ollama.Message] = []
        if instructions:
            self._messages.append(ollama.Message("system", instructions))

    def messages(self) -> list[ollama.Message]:
        """The conversation; raises ``BadRequest`` where nothing is in it to answer."""
        self._end_turn()
        if not self._messages:
            raise BadRequest(
                "Invalid 'input': there is nothing in it that a model could answer.",
                code="invalid_value",
                param="input",
            )
        return self._messages

    def take(self, item: dict[str, Any], param: str) -> bool:
        """Add one item, of which ``param`` is the place; raises ``BadRequest``.

        ``False`` for one of a kind that no model can be told of.
        """
        added = _ADDED.get(kind_of(item, param))
        if added is not None:
            added(self, item, param)
        return added is not None

    # ------------------------------------------------------- one kind of item each

    def _message(self, item: dict[str, Any], param: str) -> None:
        given = converted(item, responses.MessageItem, param)
        role = role_of(given.role, _ROLES, param)
        if given.content is None:
            raise missing(f"{param}.content")
        place = f"{param}.content"
        if role == "assistant":
            if self._turn is not None and not self._turn.calls:
                self._end_message()
            turn = self._assistant()
            turn.texts.append(self._content(given.content, place, turn.images))
            return
        images: list[str] = []
        text = self._content(given.content, place, images)
        self._end_turn()
        self._messages.append(ollama.Message(role, text, images=images or None))

    def _call(self, item: dict[str, Any], param: str) -> None:
        given = converted(item, responses.CallItem, param)
        arguments = _arguments(given, f"{param}.arguments")
        name = self._names[given.call_id] = flat(given.namespace, given.name)
        calls = self._assistant().calls
        function = ollama.ToolCallFunction(name, arguments, len(calls))
        calls.append(ollama.ToolCall(function, given.call_id))

    def _result(self, item: dict[str, Any], param: str) -> None:
        given = converted(item, responses.ResultItem, param)
        images: list[str] = []
        text = self._content(given.output, f"{param}.output", images)
        own = flat(given.namespace, given.name) if given.name else ""
        self._end_turn()
        self._messages.append(
            ollama.Message(
                "tool",
                text,
                images=images or None,
                tool_name=self._names.get(given.call_id, own),
                tool_call_id=given.call_id,
            )
        )

    def _thought(self, item: dict[str, Any], param: str) -> None:
        given = converted(item, responses.ThoughtItem, param)
        encrypted = given.encrypted_content
        if encrypted and not encrypted.startswith(_ENCRYPTED):
            text = encrypted
        else:
            parts = given.summary or given.content or []
            text = BETWEEN_TEXTS.join([part.text or "" for part in parts])
        if text:
            self._thoughts.append(text)

    # ------------------------------------------------------------- what they share

    def _assistant(self) -> _Turn:
        """The assistant's turn that goes on, or a new one; with its thoughts."""
        turn = self._turn = self._turn or _Turn()
        turn.thoughts += self._thoughts
        self._thoughts.clear()
        return turn

    def _end_message(self) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            self._messages.append(turn.message())

    def _end_turn(self) -> None:
        """Thoughts that nothing followed are a message of their own."""
        self._end_message()
        if self._thoughts:
            self._assistant()
            self._end_message()

    def _content(
        self, content: str | list[responses.ContentPart], param: str, images: list[str]
    ) -> str:
        """The text of some content; its images are added to ``images``."""
        if isinstance(content, str):
            return content
        check_many(content, MAX_PARTS, param, "parts")
        texts: list[str] = []
        for index, part in enumerate(content):
            self._part(part, f"{param}[{index}]", texts, images)
        return BETWEEN_TEXTS.join(texts)

    def _part(
        self,
        part: responses.ContentPart,
        param: str,
        texts: list[str],
        images: list[str],
    ) -> None:
        """Put one part where it belongs: among the texts or among the images."""
        if part.type in _TEXTS:
            texts.append(required(part.text, f"{param}.text"))
        elif part.type == "refusal":
            texts.append(required(part.refusal, f"{param}.refusal"))
        elif part.type == "input_image":
            self._images.take(_url(part, param), f"{param}.image_url", images)
        elif part.type == "input_audio":
            images.append(audio_of(part.input_audio, f"{param}.input_audio"))
        elif part.type == "input_file":
            texts.append(text_file(part.file_data, f"{param}.file_data"))
        else:
            raise BadRequest(
                f"Invalid value for '{param}.type': '{part.type[:64]}' is no type of"
                " content that can be read. Supported values are: 'input_text',"
                " 'input_image', 'input_file', 'input_audio', 'output_text', and"
                " 'refusal'.",
                code="invalid_value",
                param=f"{param}.type",
            )


_ADDED: dict[str, Callable[[InputItems, dict[str, Any], str], None]] = {
    "message": InputItems._message,
    "function_call": InputItems._call,
    "custom_tool_call": InputItems._call,
    "function_call_output": InputItems._result,
    "custom_tool_call_output": InputItems._result,
    "reasoning": InputItems._thought,
    "additional_tools": lambda *_: None,  # ``responses_tools`` has them
}


def _arguments(call: responses.CallItem, param: str) -> dict[str, Any]:
    """What a call was given; one that was cut may be no JSON, and is given nothing."""
    if call.input is not None:
        return {"input": call.input}
    try:
        return arguments_of(call.arguments, param)
    except BadRequest:
        if call.status != "incomplete":
            raise
        return {}


def _url(part: responses.ContentPart, param: str) -> str:
    url = part.image_url
    if url is None:
        raise BadRequest(
            "invalid image input: an image is given by its 'image_url'",
            code="invalid_image",
            param=f"{param}.image_url",
        )
    return url if isinstance(url, str) else url.url
