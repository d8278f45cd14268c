"""Chat and generate requests, checked and made ready to be spoken.

Everything that can be refused before a token exists is refused here, with the
status and the words of Ollama.
"""

import base64
import math
import re
from typing import Any

from . import grammar, names, schema, text, voices
from .fitting import Messages, fitting
from .golang import encode, string, truncated
from .models import Catalogue, Model
from .tiny import Token

_INTS = [
    "num_keep",
    "seed",
    "num_predict",
    "top_k",
    "repeat_last_n",
    "num_ctx",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "draft_num_predict",
]
_FLOATS = [
    "top_p",
    "min_p",
    "typical_p",
    "temperature",
    "repeat_penalty",
    "presence_penalty",
    "frequency_penalty",
]
_IMAGES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF", b"ID3", b"\xff\xfb")
TOO_LONG = "the input length exceeds the context length"
_CRASH = (
    "model runner has unexpectedly stopped, this may be due to resource limitations "
    "or an internal error, check ollama server logs for details"
)


class Refusal(Exception):
    """An error answer.  A ``late`` one came out of the runner, not the checks."""

    def __init__(self, status: int, error: str, *, late: bool = False, **more: Any):
        super().__init__(error)
        self.status = status
        self.late = late
        self.body = encode({"error": error, **more}).encode()


def options(given: dict[str, Any]) -> dict[str, Any]:
    """The known options of a request with their Go types; raises ``Refusal``."""
    checked: dict[str, Any] = {}
    for name, value in given.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if value is None:
            continue
        if name in _INTS:
            _must(number, name, "of type integer")
            checked[name] = truncated(value)
        elif name in _FLOATS:
            _must(number, name, "of type float32")
            checked[name] = value
        elif name == "use_mmap":
            _must(isinstance(value, bool), name, "of type boolean")
        elif name == "stop":
            _must(isinstance(value, list), name, "of type array")
            strings = all(isinstance(item, str) for item in value)
            _must(strings, name, "an array of strings")
            checked[name] = value
    return checked


def _must(fits: bool, name: str, kind: str) -> None:
    if not fits:
        raise Refusal(500, f'option "{name}" must be {kind}')


def model_of(catalogue: Catalogue, asked: str, *, embeds: bool = False) -> Model:
    """The model a generating request names; raises ``Refusal``."""
    if asked and names.parse(asked) is None:
        raise Refusal(400, "invalid model name")
    model = catalogue.find(asked) if asked else None
    if model is None and names.cloud(asked):
        reason = "ollama cloud is disabled: remote model is unavailable"
        raise Refusal(403, reason)
    if model is None and embeds and asked:
        raise Refusal(404, f'model "{asked}" not found, try pulling it first')
    if model is None:
        raise Refusal(404, f"model '{asked}' not found")
    return model


class Call:
    """One request to speak: what was asked, of which model, within which limits."""

    def __init__(self, request: dict[str, Any], model: Model, *, chat: bool) -> None:
        self.request = request
        self.model = model
        self.chat = chat
        self.name: str = request.get("model", "")
        self.stream: bool = request.get("stream", True)
        self.voice = voices.of(model)
        self.options = options(request.get("options", {}))
        self.logprobs: bool = request.get("logprobs", False)
        self.top_logprobs: int = request.get("top_logprobs", 0)
        self.prompt: str = request.get("prompt", "")
        self.suffix: str = request.get("suffix", "")
        self.tools: list[dict[str, Any]] = request.get("tools", [])
        self.messages = self._messages()
        self.thinks, self.level = self._thinking()
        self.stops: list[str] = self._option("stop", [])
        self.seed: int = self._option("seed", 0)
        self.context: int = 0
        self.format: Any = None
        self.text = ""

    def _option(self, name: str, default: Any) -> Any:
        return self.options.get(name, self.model.parameter(name, default))

    def _messages(self) -> list[dict[str, Any]]:
        given = [dict(m) for m in self.request.get("messages", [])]
        for message in given:
            message["role"] = message.get("role", "").lower()
        if not self.chat:
            user = {"role": "user", "content": self.prompt}
            given = [{**user, "images": self.request.get("images", [])}]
            if self.request.get("system"):
                system = {"role": "system", "content": self.request["system"]}
                given.insert(0, system)
        stored = [dict(message) for message in self.model.messages]
        if self.request.get("context"):
            stored = []
        if self.model.system and given and given[0]["role"] != "system":
            stored.insert(0, {"role": "system", "content": self.model.system})
        return stored + given

    def _thinking(self) -> tuple[bool, str]:
        asked = self.request.get("think")
        able = "thinking" in self.model.capabilities
        if asked is None:
            return able, ""
        if asked and not able:
            raise Refusal(400, f"{string(self.name)} does not support thinking")
        return bool(asked), asked if isinstance(asked, str) else ""

    @property
    def said(self) -> str:
        """The last user message."""
        users = [m for m in self.messages if m.get("role") == "user"]
        return str(users[-1].get("content", "")) if users else ""

    @property
    def images(self) -> list[str]:
        """All images of the conversation, base64."""
        return [image for m in self.messages for image in m.get("images", [])]

    @property
    def image_count(self) -> int:
        """How many images the model really sees."""
        return len(self.images) if "vision" in self.model.capabilities else 0

    def check_capabilities(self) -> None:
        """Refuse what the model cannot do, all of it in one message."""
        able = self.model.capabilities
        lacking = []
        if self.tools and "tools" not in able:
            lacking.append("tools")
        if self.suffix and "insert" not in able:
            lacking.append("insert")
        full = self.model.name.full
        if lacking:
            lines = "\n".join(f"{full} does not support {what}" for what in lacking)
            raise Refusal(400, lines)

    def rendered(self) -> str:
        """The prompt, with old messages dropped until it fits the context."""
        if not self.chat:
            return self._one_prompt()
        if self.request.get("truncate", True):
            self.messages = fitting(self.messages, self._fits)
        return self.voice.render(self)

    def _fits(self, messages: Messages) -> bool:
        self.messages = messages
        return self.voice.count(self, self.voice.render(self)) <= self.context

    def _one_prompt(self) -> str:
        request = self.request
        if request.get("raw"):
            return self.prompt
        template = request.get("template")
        told = self.voice.told(request.get("context", []))
        return told + (self._filled(template) if template else self.voice.render(self))

    def _filled(self, template: str) -> str:
        if template.count("{{") != template.count("}}"):
            line = template.count("\n", 0, template.rfind("{{")) + 1
            raise Refusal(500, f"template: :{line}: unclosed action")
        known = {"System": self.request.get("system", self.model.system)}
        known |= {"Prompt": self.prompt, "Suffix": self.suffix}
        return re.sub(
            r"\{\{-?\s*\.?(\w+)[^}]*\}\}", lambda m: known.get(m[1], ""), template
        )

    def check_format(self) -> None:
        """Read ``format``; the runner refuses what is neither JSON nor a schema."""
        asked = self.request.get("format", "")
        if isinstance(asked, dict):
            found = grammar.verdict(asked) if schema.usable(asked) else "invalid"
            if found:
                why = _CRASH if found == "crash" else "invalid JSON schema in format"
                raise Refusal(500, why, late=True)
        elif asked not in ("", "json"):
            wanted = 'expected "json" or a valid JSON Schema object'
            shown = string(encode(asked))
            raise Refusal(500, f"invalid format: {shown}; {wanted}", late=True)
        self.format = asked or None if asked != {} else None

    def check_images(self) -> None:
        """A vision model's runner does not survive every picture."""
        if "vision" not in self.model.capabilities:
            return
        for image in self.images:
            if not image:
                reason = "failed to process inputs: received zero length image"
                text = f"Failed to create new sequence: {reason}"
                raise Refusal(500, text, late=True)
            if not base64.b64decode(image).startswith(_IMAGES):
                raise Refusal(500, _CRASH, late=True)

    def count(self, prompt: str) -> int:
        """Tokens of the prompt after truncation; raises ``Refusal``."""
        count = self.voice.count(self, prompt)
        if count > self.context and not self.request.get("truncate", True):
            # What was recorded spoke for itself; today llama-server does.
            words = TOO_LONG if self.model.voice else exceeded(count, self.context)
            raise Refusal(400, words, late=True)
        return min(count, self.context)

    def limit(self, count: int) -> int:
        """How many tokens may be generated after a prompt of ``count``."""
        room = 10 * self.context
        if not self.request.get("shift", True):
            room = self.context - count + 1
        elif self.model.behaviour.chunks:
            room = max(room, 2 * self.model.behaviour.chunks)
        asked = self._option("num_predict", -1)
        return min(asked, room) if asked > 0 else room

    def plain(self) -> bool:
        """Whether the answer is a fixed number of equal chunks, and no more."""
        special = self.thinks or self.logprobs or self.tools or self.stops
        wide = self.model.behaviour.chunks <= self.limit(0)
        paced = self.model.behaviour.tps
        return wide and not (special or self.format or paced)

    def thought_prompt(self, thinking: str) -> str:
        """The prompt of the second, constrained run after the thinking."""
        spoken = {"role": "assistant", "content": "", "thinking": thinking}
        self.messages.append(spoken)
        try:
            return self.voice.render(self)
        finally:
            self.messages.remove(spoken)

    def formatted(self) -> list[Token]:
        """The tokens of an answer in the asked format."""
        return list(self.voice.spell(text.formatted(self, self.said)))


def exceeded(count: int, context: int) -> str:
    """llama-server's refusal of a prompt, which Ollama passes on as text."""
    message = (
        f"request ({count} tokens) exceeds the available context size"
        f" ({context} tokens), try increasing it"
    )
    error = {
        "code": 400,
        "message": message,
        "type": "exceed_context_size_error",
        "n_prompt_tokens": count,
        "n_ctx": context,
    }
    return encode({"error": error})


def pause_of(model: Model, tps: float) -> float:
    """Seconds between two tokens."""
    rate = model.behaviour.tps or (0 if model.behaviour.chunks else tps)
    return 1 / rate if rate and math.isfinite(rate) else 0
