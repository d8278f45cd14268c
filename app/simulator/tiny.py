"""The recorded ``tiny*`` models: their vocabulary, templates and fixed transitions.

Each is a language model whose next token depends on the current one only, so that
Ollama's real template, tool, thinking and stop code could be recorded on fixed
text.  The tables come with the recordings (``tiny.json``).
"""

import functools
import heapq
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from .golang import encode

DATA: dict[str, Any] = json.loads(
    Path(__file__).with_name("tiny.json").read_text(encoding="utf-8")
)
_WORDS: list[str] = DATA["vocabulary"]
_IDS = {word: number for number, word in enumerate(_WORDS)}
_NEXT = {int(number): follower for number, follower in DATA["next"].items()}
_BOS, _EOS, _FIRST_BYTE, _FIRST_PLAIN = 1, 2, 3, 299
_BLANK = "\u2581"
_SPECIAL = re.compile("(" + "|".join(map(re.escape, _WORDS[259:_FIRST_PLAIN])) + ")")
#: The logit of the scripted follower, and what RMS norm makes of a one-hot of 768.
_PEAK, _NORM = 40.0, 1 / math.sqrt(1 + 768e-6)

_PLAIN = [
    "long",
    "loop",
    "json",
    "empty",
    "code",
    "stop",
    "esc",
    "badutf",
    "emoji",
    "count",
]
_TOOLS = {
    "two": "tool2",
    "bad": "toolbad",
    "unknown": "toolunk",
    "text": "tooltext",
    "noargs": "toolnoargs",
    "nested": "toolnested",
}
_THOUGHTS = {
    "only": "thinkonly",
    "struct": "thinklong",
    "none": "nothink",
    "long": "long",
    "loop": "loop",
    "empty": "empty",
}


class Token(NamedTuple):
    """One generated token: its bytes, its number and the number before it."""

    raw: bytes
    number: int = 0
    before: int = 0


def tokenize(text: str) -> list[int]:
    """Token numbers of ``text``, without the leading ``<s>``."""
    numbers: list[int] = []
    for part in _SPECIAL.split(text):
        if part in _IDS and _IDS[part] < _FIRST_PLAIN:
            numbers.append(_IDS[part])
        elif part:
            numbers.extend(_merged(part.replace(" ", _BLANK)))
    return numbers


@functools.lru_cache(maxsize=256)
def _merged(text: str) -> tuple[int, ...]:
    """SentencePiece: join the best neighbouring pair until none is a word."""
    if _IDS.get(text, 0) >= _FIRST_PLAIN:
        return (_IDS[text],)
    parts: list[str] = list(text)
    after = [*range(1, len(parts)), -1]
    before = [-1, *range(len(parts) - 1)]
    heap: list[tuple[int, int, str]] = []

    def offer(left: int) -> None:
        if left >= 0 and after[left] >= 0:
            word = parts[left] + parts[after[left]]
            if _IDS.get(word, 0) >= _FIRST_PLAIN:
                heapq.heappush(heap, (_IDS[word], left, word))

    for left in range(len(parts)):
        offer(left)
    while heap:
        _, left, word = heapq.heappop(heap)
        right = after[left]
        if not parts[left] or right < 0 or parts[left] + parts[right] != word:
            continue
        parts[left], parts[right] = word, ""
        after[left] = after[right]
        if after[right] >= 0:
            before[after[right]] = left
        offer(before[left])
        offer(left)
    return tuple(number for part in parts if part for number in _numbers(part))


def _numbers(part: str) -> list[int]:
    if part in _IDS:
        return [_IDS[part]]
    return [_FIRST_BYTE + byte for byte in part.encode()]


def detokenize(numbers: list[int]) -> str:
    """The text of token numbers; unknown numbers are left out."""
    known = (number for number in numbers if 0 <= number < len(_WORDS))
    return b"".join(map(_raw, known)).decode("utf-8", "replace")


def _raw(number: int) -> bytes:
    if _FIRST_BYTE <= number < _FIRST_BYTE + 256:
        return bytes([number - _FIRST_BYTE])
    return _WORDS[number].replace(_BLANK, " ").encode()


def follow(prompt: str) -> Iterator[Token]:
    """What the model says after ``prompt``, token by token, until it ends."""
    before = (tokenize(prompt) or [_BOS])[-1]
    while (number := _NEXT.get(before, DATA["otherwise"])) != _EOS:
        yield Token(_raw(number), number, before)
        before = number


def spell(text: str) -> Iterator[Token]:
    """``text`` as tokens, as if the model had been held to it."""
    before = _BOS
    for number in tokenize(text):
        yield Token(_raw(number), number, before)
        before = number


@functools.cache
def _field(softness: float) -> tuple[float, list[tuple[float, int]]]:
    scale = softness * _NORM
    ranked = sorted(((b * scale, -i) for i, b in enumerate(DATA["base"])), reverse=True)
    return sum(math.exp(logit) for logit, _ in ranked), ranked


def chances(token: Token, top: int, soft: bool) -> list[tuple[bytes, float]]:
    """The token and its log probability, then the ``top`` likeliest in its place."""
    softness = 0.22 if soft else 1.0
    total, ranked = _field(softness)
    scripted = _NEXT.get(token.before, DATA["otherwise"])
    peak = _PEAK * softness * _NORM
    own = DATA["base"][scripted] * softness * _NORM
    rest = (total - math.exp(own)) / math.exp(peak)
    whole = peak + math.log1p(rest)
    at = -math.log1p(rest) if token.number == scripted else own - whole
    others = [(_raw(-i), logit - whole) for logit, i in ranked[: top + 1]]
    best = [(_raw(scripted), -math.log1p(rest))]
    best += [other for other in others if other[0] != _raw(scripted)]
    return [(token.raw, at), *best[:top]]


def render(kind: str, call: Any) -> str:
    """The prompt that the model's Go template makes of a call."""
    if call.suffix and kind == "tiny":
        head = f"<|fim_pre|>{call.prompt}<|fim_suf|>{call.suffix}"
        return f"{head}<|fim_mid|><|a:fim|>"
    text = ""
    if call.tools and kind in ("tiny-tools", "tiny-agent"):
        listed = "".join(f"{encode(tool)}\n" for tool in map(_tool, call.tools))
        text = f"<|system|>tools: {listed}<|end|>"
    messages = collate(call.messages)
    for message in messages:
        text += _turn(kind, call, messages, message)
    return text


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool as ``api.Tool`` prints itself: known keys, properties sorted."""
    function = tool.get("function", {})
    given = function.get("parameters", {})
    kept = {"type": given.get("type", "")}
    kept |= {key: given[key] for key in ("$defs", "items", "required") if key in given}
    properties = given.get("properties")
    kept["properties"] = properties and {
        name: _property(properties[name]) for name in sorted(properties)
    }
    if properties == {}:
        kept["properties"] = {}
    shown = {key: function.get(key, "") for key in ("name", "description")}
    return {"type": tool.get("type", ""), "function": {**shown, "parameters": kept}}


def _property(value: Any) -> dict[str, Any]:
    keys = ("anyOf", "type", "items", "description", "enum", "properties", "required")
    return {key: value[key] for key in keys if value.get(key) is not None}


def collate(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours of one role become one message, but for tool results."""
    merged: list[dict[str, Any]] = []
    for message in messages:
        role = message.get("role", "")
        if merged and role == merged[-1].get("role", "") and role != "tool":
            last = merged[-1]
            last["content"] = last["content"] + "\n\n" + message.get("content", "")
            last["images"] = [*last["images"], *message.get("images", [])]
            continue
        images = message.get("images", [])
        content = message.get("content", "")
        merged.append({**message, "content": content, "images": images})
    seen = 0
    for message in merged:
        marks = (f"[img-{seen + i}]" for i in range(len(message["images"])))
        message["plain"] = message["content"]
        message["content"] = "".join(marks) + message["content"]
        seen += len(message["images"])
    return merged


def _turn(
    kind: str, call: Any, messages: list[dict[str, Any]], message: dict[str, Any]
) -> str:
    last = message is messages[-1]
    role, content = message.get("role", ""), message["content"]
    if role == "assistant":
        return _answer(kind, message) + ("" if last else "<|end|>")
    if role == "tool":
        text = f"<|tool|>{message.get('tool_name', '')}:{content}<|end|>"
        spoken = "" if kind == "tiny-rand" else "<|a:toolans|>"
    else:
        mark = "system" if role == "system" else "user"
        named = content if role in ("system", "user") else f"{role}:{content}"
        text = f"<|{mark}|>{named}<|end|>"
        spoken = f"<|a:{_script(kind, call, messages, message)}|>"
        spoken = "" if kind == "tiny-rand" else spoken
    return text + (f"<|assistant|>{spoken}" if last else "")


def _answer(kind: str, message: dict[str, Any]) -> str:
    text = "<|assistant|>"
    if kind in ("tiny-think", "tiny-agent") and message.get("thinking"):
        text += f"<think>\n{message['thinking']}\n</think>\n"
    text += str(message["content"])
    if kind in ("tiny-tools", "tiny-agent"):
        for tool in message.get("tool_calls", []):
            function = tool.get("function", {})
            arguments = encode(function.get("arguments", {}))
            name = function.get("name", "")
            shown = f'{{"name": "{name}", "arguments": {arguments}}}'
            text += f"<tool_call>\n{shown}\n</tool_call>\n"
    return text


def _script(
    kind: str, call: Any, messages: list[dict[str, Any]], message: dict[str, Any]
) -> str:
    """Which text the template's conditions choose for the last message."""
    content = str(message["content"])
    if call.tools and kind in ("tiny-tools", "tiny-agent"):
        if kind == "tiny-agent" and call.thinks:
            return "thinktool"
        return _TOOLS.get(content, "tool1")
    if kind in ("tiny-think", "tiny-agent"):
        if not call.thinks:
            return "nothink"
        levels = {"high": "thinkhigh", "low": "thinklow"}
        return levels.get(call.level) or _THOUGHTS.get(content, "think")
    if content in _PLAIN:
        return content
    if message["images"]:
        return "image"
    if len(messages) > 2:
        return "role_multi"
    return "sys" if any(m.get("role") == "system" for m in messages) else "hello"
