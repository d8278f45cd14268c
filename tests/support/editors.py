"""What editors' plugins send and read: a case, what is expected of it, and readers.

The readers take of an answer what the plugins take, and insist on what they rely on.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

#: What ends the text of each family (specification: code completion, section 5).
QWEN = [
    "<|endoftext|>",
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<|im_start|>",
    "<|im_end|>",
]
CODELLAMA = ["<EOT>", "<PRE>", "<SUF>", "<MID>"]
CODESTRAL = ["[PREFIX]", "[SUFFIX]", "</s>"]
STARCODER = [
    "<|endoftext|>",
    "<file_sep>",
    "<repo_name>",
    "<fim_prefix>",
    "<fim_suffix>",
    "<fim_middle>",
]
#: DeepSeek's markers; the bars are U+FF5C, the low lines U+2581.
BEGIN, HOLE, END = (
    f"<\uff5cfim\u2581{word}\uff5c>" for word in ("begin", "hole", "end")
)
DEEPSEEK = [BEGIN, HOLE, END, "<\uff5cend\u2581of\u2581sentence\uff5c>", "<|EOT|>"]

#: The model of ``PANNIER_CODE_MODEL``, and of most requests.
MODEL = "qwen2.5-coder:7b"
USUAL = {"num_predict": 128, "temperature": 0.1, "top_p": 0.95}


class Case(NamedTuple):
    """A request, the call that must reach Ollama for it, and how it is read.

    ``call`` None: what was sent reaches Ollama as it is.
    """

    path: str
    body: dict[str, Any]
    call: dict[str, Any] | None
    read: Callable[[bytes], str]
    headers: dict[str, str] | None = None


def raw(
    prompt: str,
    stop: list[str] = QWEN,
    model: str = MODEL,
    more: dict[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """The whole call of a family with a template; it always streams."""
    call = {"model": model, "stream": True, "prompt": prompt, "raw": True}
    return {**call, "options": {**USUAL, **options, "stop": stop}, **(more or {})}


def qwen(prefix: str, suffix: str) -> str:
    """What Qwen's models for code learnt."""
    return f"<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>"


def starcoder(prefix: str, suffix: str) -> str:
    """What StarCoder, and many after it, learnt."""
    return f"<fim_prefix>{prefix}<fim_suffix>{suffix}<fim_middle>"


def deepseek(prefix: str, suffix: str) -> str:
    """What DeepSeek's base models for code learnt."""
    return f"{BEGIN}{prefix}{HOLE}{suffix}{END}"


# ------------------------------------------------------------ Ollama's own answers


def ollama_lines(body: bytes) -> str:
    """llama-coder, twinny and Continue: ``response`` of each line."""
    lines = [json.loads(line) for line in body.split(b"\n") if line]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    return "".join(line["response"] for line in lines)


def ollama_whole(body: bytes) -> str:
    """cmp-ai, ProxyAI and vim-ollama: ``response`` of one object that is done."""
    answer = json.loads(body)
    assert answer["done"] is True
    assert isinstance(answer["response"], str)
    return answer["response"]


# ------------------------------------------------------------------------- OpenAI's


def events(body: bytes) -> list[Any]:
    """The data of events, each ended by a blank line; ``[DONE]`` is a text."""
    *frames, rest = body.decode().split("\n\n")
    assert rest == ""
    told = [frame.removeprefix("data: ") for frame in frames]
    return [one if one == "[DONE]" else json.loads(one) for one in told]


def openai_whole(body: bytes) -> str:
    """llama.vscode, ProxyAI and vim-ollama: the ``text`` of one choice."""
    text: str = json.loads(body)["choices"][0]["text"]
    return text


def openai_stream(body: bytes) -> str:
    """minuet-ai.nvim and twinny: the ``text`` of each event's choice."""
    *chunks, done = events(body)
    assert done == "[DONE]"
    return "".join(chunk["choices"][0]["text"] for chunk in chunks)


# ------------------------------------------------------------ Mistral's and Tabby's


def fim_whole(body: bytes) -> str:
    """cmp-ai and vim-ollama: a message's ``content``."""
    text: str = json.loads(body)["choices"][0]["message"]["content"]
    return text


def fim_stream(body: bytes) -> str:
    """Continue and minuet-ai.nvim: ``delta.content`` of each event, always a text."""
    *chunks, done = events(body)
    assert done == "[DONE]"
    return "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks)


def tabby(body: bytes) -> str:
    """cmp-ai: the ``text`` of the only choice."""
    answer = json.loads(body)
    assert [*answer] == ["id", "choices"]
    (choice,) = answer["choices"]
    text: str = choice["text"]
    return text


# -------------------------------------------------------------------- llama.cpp's

FLAT = [
    "content",
    "timings/prompt_n",
    "timings/prompt_ms",
    "timings/prompt_per_token_ms",
    "timings/prompt_per_second",
    "timings/predicted_n",
    "timings/predicted_ms",
    "timings/predicted_per_token_ms",
    "timings/predicted_per_second",
    "truncated",
    "tokens_cached",
]


def llama_flat(body: bytes) -> str:
    """llama.vim: keys that are paths, flat, exactly those that it asked for."""
    answer = json.loads(body)
    assert [*answer] == FLAT
    assert min(answer[name] for name in FLAT if "timings" in name) > 0
    text: str = answer["content"]
    return text


def llama_whole(body: bytes) -> str:
    """llama.vscode and ProxyAI: ``content``; the times are in ``timings``."""
    answer = json.loads(body)
    names = [name.removeprefix("timings/") for name in FLAT if "timings" in name]
    assert [*answer["timings"]] == names
    assert min(answer["timings"].values()) > 0
    assert answer["stop"] is True
    text: str = answer["content"]
    return text


def llama_stream(body: bytes) -> str:
    """Continue and twinny: ``content`` of each event; the last one says ``stop``."""
    frames = events(body)
    assert [one["stop"] for one in frames] == [False] * (len(frames) - 1) + [True]
    return "".join(one["content"] for one in frames)
