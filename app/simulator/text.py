"""What the friendly models say: short, alive, and the same for the same question.

An answer echoes the user's words, so that a demonstration looks alive and a test
can tell answers apart.  Everything follows from prompt, seed and options.
"""

import functools
import hashlib
import math
import random
import re
from typing import Any

from . import fill, schema, script
from .golang import encode, float32, single

_OPENINGS = (
    "You said “{}”, and I agree.",
    "I heard “{}”. Tell me more.",
    "“{}” is a good question.",
    "About “{}”: it depends.",
    "Let me think about “{}” for a moment.",
)
#: What a model that hears hears.
HEARD = "The quick brown fox jumps over the lazy dog."
_SPLIT = re.compile(r"</?(?:think|tool_call)>|\s*\w+|\s*(?:(?!<)[^\w\s])+|\s*<|\s+$")


def seed_of(*parts: object) -> int:
    """A number that depends on all of ``parts`` and on nothing else."""
    digest = hashlib.blake2b(repr(parts).encode("utf-8", "replace"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def pieces(text: str) -> list[bytes]:
    """``text`` cut where a tokenizer would: words with the blank before them."""
    return [part.encode("utf-8", "replace") for part in _SPLIT.findall(text)]


def count(text: str) -> int:
    """How many tokens a text has."""
    return len(_SPLIT.findall(text))


def answer(call: Any) -> str:
    """The whole output for a call, thinking tags and tool calls included."""
    thought = _thought(call) if call.thinks else ""
    return thought + _content(call)


def _last(call: Any, role: str = "user") -> dict[str, Any]:
    for message in reversed(call.messages):
        if message.get("role") == role:
            found: dict[str, Any] = message
            return found
    return {}


def _thought(call: Any) -> str:
    effort = f" Effort is {call.level}." if call.level else ""
    said = _short(_last(call).get("content", ""), 8)
    thought = f"The user says “{said}”.{effort} A short answer will do."
    return f"<think>\n{thought}\n</think>\n\n"


def _short(text: str, most: int) -> str:
    split = text.split()
    return " ".join(split[:most]) + ("…" if len(split) > most else "")


def _content(call: Any) -> str:
    last = call.messages[-1] if call.messages else {}
    said = _last(call).get("content", "")
    if call.format is not None:
        return formatted(call, said)
    scripted = call.model.behaviour.script
    if scripted and (turn := script.turn(call.messages, call.tools)):
        return turn
    if (before := fill.before(call)) is not None:
        return _middle(before)
    if last.get("role") == "tool":
        return _results(call)
    if call.tools and last.get("role") == "user" and not scripted:
        return _tool_call(call, said)
    images = _last(call).get("images", [])
    if images and "vision" in call.model.capabilities:
        return _seen(images) + _short(said, 24)
    if images and "audio" in call.model.capabilities:
        return HEARD
    chosen = _OPENINGS[seed_of(call.seed, call.text) % len(_OPENINGS)]
    return chosen.format(_short(said, 24))


def _results(call: Any) -> str:
    """What the tools said, all of them since the last assistant turn."""
    said = []
    for message in reversed(call.messages):
        if message.get("role") != "tool":
            break
        name = message.get("tool_name") or "tool"
        said.append(f"The {name} answered: {_short(message.get('content', ''), 40)}")
    return " ".join(reversed(said))


def _seen(images: list[str]) -> str:
    size = sum(len(image) * 3 // 4 - image.count("=") for image in images)
    noun = "an image" if len(images) == 1 else f"{len(images)} images"
    return f"I see {noun} of {size} bytes. You ask: "


def formatted(call: Any, said: str) -> str:
    """An answer in the asked format: any JSON, or an instance of the schema."""
    if call.format == "json":
        return f'{{"answer": {encode(_short(said, 24))}}}'
    made = schema.instance(call.format, _telling(said), seed_of(call.seed, said))
    return encode(made)


def _middle(before: str) -> str:
    """Something that could stand behind a text."""
    names = re.findall(r"[A-Za-z_]\w*", before) or ["value"]
    return f"    return {names[-1]}\n"


def _tool_call(call: Any, said: str) -> str:
    function = _chosen(call.tools, said)
    telling = [word for word in _telling(said) if word != function.get("name")]
    parameters = function.get("parameters") or {"type": "object"}
    parameters = parameters if schema.usable(parameters) else {"type": "object"}
    made = schema.instance(parameters, telling, seed_of(call.seed, said))
    arguments = encode(made if isinstance(made, dict) else {})
    name = encode(function.get("name", ""))
    return f'<tool_call>\n{{"name": {name}, "arguments": {arguments}}}\n</tool_call>'


_stop_words = frozenset(
    re.findall(
        r"\S+",
        "a an and are at call can do for get give how i in is it me my of on please "
        "tell the there this to tool use what what's when where which who with you",
    )
)


def _telling(said: str) -> list[str]:
    """The words that matter, proper names first: Paris of "weather in Paris"."""
    mentioned = schema.words(said)
    telling = [word for word in mentioned if word.lower() not in _stop_words]
    telling.sort(key=lambda word: not word[0].isupper() or word == mentioned[0])
    return telling or mentioned


def _chosen(tools: list[dict[str, Any]], said: str) -> dict[str, Any]:
    """The function the message names, else one it hints at, else the first."""
    functions: list[dict[str, Any]] = [tool.get("function", {}) for tool in tools]
    for function in functions:
        if function.get("name") and function["name"] in said:
            return function
    asked = {word.lower() for word in schema.words(said)} - _stop_words
    for keys in (("name",), ("description",)):
        for function in functions:
            text = " ".join(function.get(key, "") for key in keys).lower()
            if asked & set(re.split(r"[\W_]+", text)):
                return function
    return functions[0]


def chances(raw: bytes, top: int, place: int) -> list[tuple[bytes, float]]:
    """A plausible log probability for a token, then the ``top`` likeliest."""
    at = -(seed_of(raw, place) % 1000 + 1) / 2500
    rest = [(f" {w}".encode(), at - 2 - i / 3) for i, w in enumerate(_RIVALS)]
    return [(raw, at), *[(raw, at), *rest][:top]]


_RIVALS = [
    "the",
    "a",
    "of",
    "to",
    "and",
    "in",
    "is",
    "it",
    "that",
    "for",
    "on",
    "with",
    "as",
    "at",
    "by",
    "from",
    "or",
    "an",
    "be",
    "this",
    "which",
    "not",
]


@functools.lru_cache(maxsize=4096)
def _direction(word: str, size: int) -> tuple[float, ...]:
    chance = random.Random(seed_of("embed", word, size))
    return tuple(chance.gauss(0, 1) for _ in range(size))


@functools.lru_cache(maxsize=512)
def vector(text: str, size: int, kept: int) -> tuple[float, ...]:
    """A unit vector of ``kept`` of ``size`` numbers; like texts point alike."""
    total = [value / 4 for value in _direction("", size)]
    for word in re.findall(r"\w+|[^\w\s]", text.lower()):
        total = [a + b for a, b in zip(total, _direction(word, size), strict=True)]
    total = total[:kept]
    length = math.sqrt(sum(value * value for value in total)) or 1.0
    return tuple(single(value / length) for value in total)


@functools.lru_cache(maxsize=512)
def vector_text(text: str, size: int, kept: int) -> str:
    """The same vector as JSON, each number a shortest float32."""
    return "[" + ",".join(map(float32, vector(text, size, kept))) + "]"
