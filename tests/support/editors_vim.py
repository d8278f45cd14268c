"""The requests of plugins for Vim and Neovim, with their defaults.

Bodies as their sources build them: llama.vim of January 2026, minuet-ai.nvim of August
2026, cmp-ai of February 2026, vim-ollama 1.2.
"""

from collections.abc import Callable
from typing import Any

from .editors import (
    CODELLAMA,
    CODESTRAL,
    DEEPSEEK,
    FLAT,
    MODEL,
    QWEN,
    STARCODER,
    Case,
    deepseek,
    fim_stream,
    fim_whole,
    llama_flat,
    ollama_whole,
    openai_stream,
    openai_whole,
    qwen,
    raw,
    starcoder,
    tabby,
)

BEARER = {"Authorization": "Bearer none"}

# ----------------------------------------------------------------------- llama.vim

#: Times are Vim's ``reltime()``: pairs.
CHUNKS = [
    {"text": "def a(): ...\n", "time": [1, 500000], "filename": "a.py"},
    {"text": "def b(): ...\n", "time": [2, 100000], "filename": "b.py"},
]
CHUNKS_TOLD = (
    "<|file_sep|>a.py\ndef a(): ...\n\n<|file_sep|>b.py\ndef b(): ...\n\n<|file_sep|>\n"
)
BEFORE, AFTER = "import os\nx = os.path.join(", ")\nprint(x)\n"


def llama_vim(
    call: dict[str, Any], headers: dict[str, str] | None = None, **more: Any
) -> Case:
    """The first request at a place, which may take 250 ms."""
    body = {
        "id_slot": 0,
        "input_prefix": "import os\n",
        "input_suffix": AFTER,
        "input_extra": [],
        "prompt": "x = os.path.join(",
        "n_predict": 128,
        "stop": [],
        "n_indent": 0,
        "top_k": 40,
        "top_p": 0.9,
        "samplers": ["top_k", "top_p", "infill"],
        "stream": False,
        "cache_prompt": True,
        "t_max_prompt_ms": 500,
        "t_max_predict_ms": 250,
        "response_fields": FLAT,
        "model": "",  # where none is set
    }
    return Case("/infill", {**body, **more}, call, llama_flat, headers)


VIMS = {"top_k": 40, "top_p": 0.9}
LLAMA_VIM = {
    "files": llama_vim(
        raw(CHUNKS_TOLD + qwen(BEFORE, AFTER), **VIMS), input_extra=CHUNKS
    ),
    "model-and-key": llama_vim(
        raw(starcoder(BEFORE, AFTER), STARCODER, "starcoder2:3b", **VIMS),
        BEARER,
        model="starcoder2:3b",
    ),
    "suffix-first": llama_vim(
        raw(f"[SUFFIX]{AFTER}[PREFIX]{BEFORE}", CODESTRAL, "codestral:22b", **VIMS),
        model="codestral:22b",
    ),
}
#: What it sends while nobody types; and while an instruction is being written.
WARM_UP = {
    "id_slot": 0,
    "input_prefix": "",
    "input_suffix": "",
    "input_extra": CHUNKS,
    "prompt": "",
    "n_predict": 0,
    "temperature": 0.0,
    "samplers": [],
    "stream": False,
    "cache_prompt": True,
    "t_max_prompt_ms": 1,
    "t_max_predict_ms": 1,
    "response_fields": [""],
}
INSTRUCTION = {
    "id_slot": 0,
    "messages": [{"role": "user", "content": "Write a test"}],
    "min_p": 0.1,
    "temperature": 0.1,
    "samplers": ["min_p", "temperature"],
    "stream": True,
    "cache_prompt": True,
    "model": "llama3.2",
}

# ------------------------------------------------------------------ minuet-ai.nvim

MINUET_BEFORE = (
    "# language: python\n# indentation: use 4 spaces for a tab\n"
    "def f(n):\n    if n < 2:\n        "
)
MINUET_AFTER = "\n    return f(n - 1) + f(n - 2)\n"


def minuet(path: str, model: str, read: Callable[[bytes], str]) -> Case:
    """Its recipe for Ollama."""
    body = {
        "model": model,
        "stream": True,
        "max_tokens": 56,
        "top_p": 0.9,
        "prompt": MINUET_BEFORE,
        "suffix": MINUET_AFTER,
    }
    call = raw(qwen(MINUET_BEFORE, MINUET_AFTER), num_predict=56, top_p=0.9)
    headers = {"Accept": "application/json", "Authorization": "Bearer xterm-256color"}
    return Case(path, body, call, read, headers)


MINUET = {
    "ollama": minuet("/v1/completions", MODEL, openai_stream),
    "deepseek": minuet("/beta/completions", "deepseek-v4-flash", openai_stream),
    "codestral": minuet("/v1/fim/completions", "codestral-latest", fim_stream),
}

# -------------------------------------------------------------------------- cmp-ai

FACTORIAL = "<PRE> def factorial(n)\n    if <SUF>    return ans\n <MID>"


def cmp_ai(model: str, prompt: str, call: dict[str, Any] | None, **more: Any) -> Case:
    """Not raw, and in one piece."""
    body = {"model": model, "prompt": prompt, "stream": False, **more}
    body["options"] = {"temperature": 0.2}
    return Case("/api/generate", body, call, ollama_whole)


CMP_AI = {
    "default": cmp_ai(
        "codellama:7b-code",
        FACTORIAL,
        raw(FACTORIAL, CODELLAMA, "codellama:7b-code", temperature=0.2),
    ),
    # One blank of the suffix goes: elsewhere it belongs to the marker.
    "qwen": cmp_ai(
        MODEL,
        FACTORIAL,
        raw(qwen("def factorial(n)\n    if", "   return ans\n"), temperature=0.2),
    ),
    "own-prompt": cmp_ai(
        MODEL, qwen("def f(", ")"), raw(qwen("def f(", ")"), temperature=0.2)
    ),
    "suffix": cmp_ai(MODEL, "def f(", None, suffix=")"),
    "tabby": Case(
        "/v1/completions",
        {
            "language": "python",
            "segments": {
                "prefix": "def factorial(n)\n    if",
                "suffix": "    return ans\n",
                "filepath": "/w/a.py",
            },
        },
        raw(qwen("def factorial(n)\n    if", "    return ans\n")),
        tabby,
        BEARER,
    ),
    "codestral": Case(
        "/v1/fim/completions",
        {
            "prompt": "def factorial(n)\n    if",
            "suffix": "",
            "model": "codestral-latest",
            "temperature": 0.1,
            "n": 1,
            "max_tokens": 100,
        },
        raw(qwen("def factorial(n)\n    if", ""), num_predict=100),
        fim_whole,
        BEARER,
    ),
}
UNLOAD = {"model": MODEL, "keep_alive": 0}

# ---------------------------------------------------------------------- vim-ollama

#: They are for other servers too, and Ollama knows but three of them.
VIM_OPTIONS = {
    "temperature": 0,
    "top_p": 0.95,
    "num_predict": 128,
    "max_tokens": 500,
    "lang": "python",
}
LEGACY = {"temperature": 0, "max_tokens": 500}
LEGACY_TOLD = {"temperature": 0, "num_predict": 500}


def vim_ollama(
    model: str, prompt: str, call: dict[str, Any] | None, **more: Any
) -> Case:
    """Raw with its own markers, or with a suffix."""
    body = {"model": model, "prompt": prompt, "stream": False, "raw": True, **more}
    return Case("/api/generate", {**body, "options": VIM_OPTIONS}, call, ollama_whole)


VIM_OLLAMA = {
    "default": vim_ollama(
        "codellama:code",
        "<PRE> def f( <SUF>)\n <MID>",
        raw("<PRE> def f( <SUF>)\n <MID>", CODELLAMA, "codellama:code", **VIM_OPTIONS),
    ),
    "qwen": vim_ollama(MODEL, qwen("def f(", ")\n"), None),
    "suffix": vim_ollama(MODEL, "def f(", None, suffix=")\n", raw=False),
    "suffix-without-insert": vim_ollama(
        "deepseek-coder:6.7b-base",
        "def f(",
        raw(
            deepseek("def f(", ")\n"),
            DEEPSEEK,
            "deepseek-coder:6.7b-base",
            **VIM_OPTIONS,
        ),
        suffix=")\n",
        raw=False,
    ),
    "mistral": Case(
        "/v1/fim/completions",
        {"model": MODEL, "prompt": "def f(", "suffix": ")\n", **LEGACY, "stop": [")"]},
        raw(qwen("def f(", ")\n"), [")", *QWEN], **LEGACY_TOLD),
        fim_whole,
        BEARER,
    ),
    "openai_legacy": Case(
        "/v1/completions",
        {"model": MODEL, "prompt": qwen("def f(", ")\n"), **LEGACY},
        raw(qwen("def f(", ")\n"), **LEGACY_TOLD),
        openai_whole,
    ),
}
