"""Each editor's own requests, literally: what reaches Ollama, and what it reads.

The bodies are those that the plugins' sources build, with their defaults (llama-coder
0.0.14, twinny 3.23.31, Continue 1.3.40, llama.vim of January 2026, llama.vscode 0.0.63,
minuet-ai.nvim of August 2026, cmp-ai of February 2026, ProxyAI 3.8.1, vim-ollama 1.2).
"""

import http.client
import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import pytest
from support.server import PATIENCE, Server
from support.simulator import Simulator

pytestmark = pytest.mark.live

#: Models that the simulator has to have, and whose abilities they have.
MODELS = {
    "qwen2.5-coder:7b": "qwen2.5-coder",
    "qwen2.5-coder:7b-base-q6_K": "qwen2.5-coder",
    "qwen3-coder:thinking": "qwen3",
    "codellama:7b-code": "qwen2.5-coder",
    "codellama:7b-code-q4_K_M": "qwen2.5-coder",
    "codellama:code": "qwen2.5-coder",
    "codestral:22b": "qwen2.5-coder",
    "deepseek-coder:6.7b-base": "llama3.2",
    "stable-code:3b-code-q4_0": "llama3.2",
    "starcoder2:3b": "qwen2.5-coder",
}
SETTINGS = {
    "PANNIER_CODE_MODEL": "qwen2.5-coder:7b",
    "PANNIER_ALIASES": (
        "codellama:13b-code-q4_K_M=qwen2.5-coder:7b,"
        "codestral-latest=qwen2.5-coder:7b,deepseek-v4-flash=qwen2.5-coder:7b"
    ),
}
#: What a server under the linter must never write.
BREACHES = ("AssertionError", "ResourceWarning", "WSGIWarning", "without being closed")


@pytest.fixture(scope="module")
def ollama() -> Iterator[Simulator]:
    """A simulator with the models that editors have by default."""
    with Simulator() as running:
        for name, source in MODELS.items():
            body = {"source": source, "destination": name}
            assert running.ask("POST", "/api/copy", body)[0] == 200
        yield running


@pytest.fixture(scope="module")
def pannier(ollama: Simulator) -> Iterator[Server]:
    """Pannier with a model for code, under a linter of WSGI."""
    env = {"OLLAMA_URL": ollama.url, "PYTHONWARNINGS": "error::ResourceWarning"}
    linted = ["tests.support.linted:application"]
    with Server({**env, **SETTINGS}, arguments=linted) as running:
        yield running
        running.stop(signal.SIGINT)
        output = running.output()
        assert [words for words in BREACHES if words in output] == [], output[-8000:]


class Got(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


def send(
    server: Server,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
) -> Got:
    """Send JSON as editors write it: in UTF-8, without escapes.  GET without a body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    with closing(connection):
        data = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        given = {"Content-Type": "application/json", **(headers or {})}
        connection.request("GET" if data is None else "POST", path, data, given)
        answer = connection.getresponse()
        named = {name.lower(): value for name, value in answer.getheaders()}
        return Got(answer.status, named, answer.read())


GENERATING = ("/api/generate", "/api/chat")


def calls(ollama: Simulator) -> list[tuple[str, dict[str, Any]]]:
    """The calls that reached Ollama since its log was cleared: path and body."""
    entries = [one for one in ollama.log() if one["target"] in GENERATING]
    return [(one["target"], json.loads(one["body"])) for one in entries]


def said(ollama: Simulator, path: str, call: dict[str, Any]) -> str:
    """What the simulator says to a call; to the same one always the same."""
    status, body = ollama.ask("POST", path, call)
    assert status == 200, body
    lines = [json.loads(line) for line in body.splitlines()]
    return "".join(one.get("response") or "" for one in lines)


# ------------------------------------------------------- how editors read answers


def lines_of(body: bytes) -> list[dict[str, Any]]:
    """Lines of JSON, the last of which may lack its line break."""
    return [json.loads(line) for line in body.split(b"\n") if line]


def ollama_lines(body: bytes) -> str:
    """llama-coder, twinny and Continue: ``response`` of each line."""
    lines = lines_of(body)
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    return "".join(line["response"] for line in lines)


def ollama_whole(body: bytes) -> str:
    """cmp-ai, ProxyAI and vim-ollama: ``response`` of one object that is done."""
    answer = json.loads(body)
    assert answer["done"] is True
    assert isinstance(answer["response"], str)
    return str(answer["response"])


def events(body: bytes) -> list[str]:
    """The data of events, each ended by a blank line."""
    *frames, rest = body.decode().split("\n\n")
    assert rest == ""
    return [frame.removeprefix("data: ") for frame in frames]


def openai_text(body: bytes) -> str:
    """llama.vscode, ProxyAI and vim-ollama in OpenAI's form: one choice's ``text``."""
    return str(json.loads(body)["choices"][0]["text"])


def openai_stream(body: bytes) -> str:
    """minuet-ai.nvim and twinny: ``text`` of each event's choice."""
    *frames, done = events(body)
    assert done == "[DONE]"
    return "".join(json.loads(frame)["choices"][0]["text"] for frame in frames)


def fim_whole(body: bytes) -> str:
    """cmp-ai and vim-ollama: a message's ``content``."""
    return str(json.loads(body)["choices"][0]["message"]["content"])


def fim_stream(body: bytes) -> str:
    """Continue and minuet-ai.nvim: ``delta.content`` of each event, which is a text."""
    *frames, done = events(body)
    assert done == "[DONE]"
    pieces = [json.loads(one)["choices"][0]["delta"]["content"] for one in frames]
    assert all(isinstance(piece, str) for piece in pieces)
    return "".join(pieces)


def llama_whole(body: bytes) -> str:
    """llama.vscode and ProxyAI: ``content``, with the times in ``timings``."""
    answer = json.loads(body)
    times = answer["timings"]
    assert times["prompt_n"] > 0
    assert times["predicted_n"] == answer["tokens_predicted"] > 0
    assert all(isinstance(times[name], float) for name in times if "_n" not in name)
    return str(answer["content"])


def llama_stream(body: bytes) -> str:
    """Continue and twinny: ``content`` of each event, until one says ``stop``."""
    frames = [json.loads(one) for one in events(body)]
    assert [one["stop"] for one in frames] == [False] * (len(frames) - 1) + [True]
    return "".join(one["content"] for one in frames)


TIMINGS = [
    "timings/prompt_n",
    "timings/prompt_ms",
    "timings/prompt_per_token_ms",
    "timings/prompt_per_second",
    "timings/predicted_n",
    "timings/predicted_ms",
    "timings/predicted_per_token_ms",
    "timings/predicted_per_second",
]
LLAMA_VIM_FIELDS = ["content", *TIMINGS, "truncated", "tokens_cached"]


def llama_vim(body: bytes) -> str:
    """llama.vim: keys that are paths, flat, exactly those it asked for."""
    answer = json.loads(body)
    assert list(answer) == LLAMA_VIM_FIELDS
    assert answer["timings/prompt_n"] > 0
    assert answer["timings/predicted_n"] > 0
    assert answer["truncated"] is False
    return str(answer["content"])


def tabby(body: bytes) -> str:
    """cmp-ai in Tabby's form."""
    answer = json.loads(body)
    assert [*answer] == ["id", "choices"]
    return str(answer["choices"][0]["text"])


# --------------------------------------------------------------- what is expected

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
DEEPSEEK = [
    "<｜fim▁begin｜>",
    "<｜fim▁hole｜>",
    "<｜fim▁end｜>",
    "<｜end▁of▁sentence｜>",
    "<|EOT|>",
]
STARCODER = [
    "<|endoftext|>",
    "<file_sep>",
    "<repo_name>",
    "<fim_prefix>",
    "<fim_suffix>",
    "<fim_middle>",
]
USUAL = {"num_predict": 128, "temperature": 0.1, "top_p": 0.95}


def raw(
    model: str, prompt: str, stop: list[str], more: Any = None, **options: Any
) -> dict[str, Any]:
    """The whole call of a family with a template; it always streams."""
    call = {"model": model, "stream": True, "prompt": prompt, "raw": True}
    return {**call, "options": {**USUAL, **options, "stop": stop}, **(more or {})}


def qwen(prefix: str, suffix: str) -> str:
    """What Qwen's models for code learnt."""
    return f"<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>"


class Case(NamedTuple):
    """A request, the call that must reach Ollama for it, and how it is read.

    ``call`` None: what was sent reaches Ollama byte for byte.
    """

    path: str
    body: dict[str, Any]
    call: dict[str, Any] | None
    read: Callable[[bytes], str]
    headers: dict[str, str] | None = None


CODER_STOPS = ["<END>", "<EOD>", "<EOT>"]


def llama_coder(
    model: str, prompt: str, stop: list[str], call: dict[str, Any] | None = None
) -> Case:
    """llama-coder's body: no ``stream``, its own stop strings."""
    options = {"stop": stop, "num_predict": 256, "temperature": 0.2}
    body = {"model": model, "prompt": prompt, "raw": True, "options": options}
    bearer = {"Authorization": "Bearer none"}
    return Case("/api/generate", body, call, ollama_lines, bearer)


LLAMA_CODER = {
    "its-codellama": llama_coder(
        "codellama:7b-code-q4_K_M",
        "<PRE> # Language: Python\n# Path: /w/a.py\ndef f( <SUF> ): pass <MID>",
        CODER_STOPS,
        raw(
            "codellama:7b-code-q4_K_M",
            "<PRE> # Language: Python\n# Path: /w/a.py\ndef f( <SUF> ): pass <MID>",
            [*CODER_STOPS, "<PRE>", "<SUF>", "<MID>"],
            num_predict=256,
            temperature=0.2,
        ),
    ),
    # Whatever form is chosen, this is the one it sends for a custom model.
    "a-custom-model": llama_coder(
        "qwen2.5-coder:7b",
        "<PRE> // Language: Typescript\n// Path: /w/a.ts\nconst a =  <SUF> ;\n <MID>",
        CODER_STOPS,
        raw(
            "qwen2.5-coder:7b",
            qwen("const a = ", ";\n"),
            [*CODER_STOPS, *QWEN],
            num_predict=256,
            temperature=0.2,
        ),
    ),
    "html": llama_coder(
        "qwen2.5-coder:7b",
        "<PRE> <!-- Language: HTML -->\n<!-- Path: /w/a.html -->\n<p> <SUF> </p> <MID>",
        CODER_STOPS,
        raw(
            "qwen2.5-coder:7b",
            qwen("<p>", "</p>"),
            [*CODER_STOPS, *QWEN],
            num_predict=256,
            temperature=0.2,
        ),
    ),
    "batch": llama_coder(
        "qwen2.5-coder:7b",
        "<PRE> REM Language: BAT file\nREM Path: C:\\w\\a.bat\necho  <SUF>  <MID>",
        CODER_STOPS,
        raw(
            "qwen2.5-coder:7b",
            qwen("echo ", ""),
            [*CODER_STOPS, *QWEN],
            num_predict=256,
            temperature=0.2,
        ),
    ),
    "a-name-of-its-list": llama_coder(
        "codellama:13b-code-q4_K_M",
        "<PRE> def f( <SUF> ) <MID>",
        CODER_STOPS,
        raw(
            "qwen2.5-coder:7b",
            qwen("def f(", ")"),
            [*CODER_STOPS, *QWEN],
            num_predict=256,
            temperature=0.2,
        ),
    ),
    "a-model-that-thinks": llama_coder(
        "qwen3-coder:thinking",
        "<PRE> def f( <SUF> ) <MID>",
        CODER_STOPS,
        raw(
            "qwen3-coder:thinking",
            qwen("def f(", ")"),
            [*CODER_STOPS, *QWEN],
            {"think": False},
            num_predict=256,
            temperature=0.2,
        ),
    ),
    # Raw, and in the model's own form: nothing is to be done.
    "its-deepseek": llama_coder(
        "deepseek-coder:6.7b-base",
        "<｜fim▁begin｜># Language: Python\n# Path: /w/a.py\ndef f(<｜fim▁hole｜>)<｜fim▁end｜>",
        ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>", "<END>"],
    ),
    "its-stable-code": llama_coder(
        "stable-code:3b-code-q4_0",
        "<fim_prefix># Language: Python\n# Path: /w/a.py\ndef f(<fim_suffix>)<fim_middle>",
        ["<|endoftext|>"],
    ),
}

TWINNY_HEADER = (
    "\n// Language: TypeScript (typescript) \n"
    "// File uri: file:///w/my%20app/a.ts (typescript) \n"
)


def twinny(model: str, prompt: str, expected: str, stop: list[str]) -> Case:
    """twinny's body for Ollama: the form of a model, but not ``raw``."""
    options = {"temperature": 0.2, "num_predict": 512}
    body = {
        "model": model,
        "prompt": prompt,
        "stream": True,
        "keep_alive": "5m",
        "options": options,
    }
    call = raw(model, expected, stop, {"keep_alive": "5m"}, **options)
    return Case("/api/generate", body, call, ollama_lines, {"Authorization": ""})


CODELLAMA_PROMPT = f"<PRE> \n{TWINNY_HEADER}let x =  <SUF> \n <MID>"
STARCODER_PROMPT = (
    f"<fim_prefix>\n{TWINNY_HEADER}let x = <fim_suffix>\nf(x)<fim_middle>"
)
TWINNY = {
    "its-default": twinny(
        "codellama:7b-code", CODELLAMA_PROMPT, CODELLAMA_PROMPT, CODELLAMA
    ),
    "codellama-for-qwen": twinny(
        "qwen2.5-coder:7b", CODELLAMA_PROMPT, qwen("let x = ", "\n"), QWEN
    ),
    "qwen": twinny(
        "qwen2.5-coder:7b",
        qwen("let x = ", "\nf(x)"),
        qwen("let x = ", "\nf(x)"),
        QWEN,
    ),
    "deepseek": twinny(
        "deepseek-coder:6.7b-base",
        f"<｜fim▁begin｜>\n{TWINNY_HEADER}let x = <｜fim▁hole｜>\nf(x)<｜fim▁end｜>",
        f"<｜fim▁begin｜>\n{TWINNY_HEADER}let x = <｜fim▁hole｜>\nf(x)<｜fim▁end｜>",
        DEEPSEEK,
    ),
    "other-for-qwen": twinny(
        "qwen2.5-coder:7b", STARCODER_PROMPT, qwen("let x = ", "\nf(x)"), QWEN
    ),
    "codestral": twinny(
        "codestral:22b",
        f"\n\n[SUFFIX]\nf(x)[PREFIX]{TWINNY_HEADER}let x = ",
        f"\n\n[SUFFIX]\nf(x)[PREFIX]{TWINNY_HEADER}let x = ",
        ["[PREFIX]", "[SUFFIX]", "</s>"],
    ),
    # Its providers for llama.cpp and LM Studio.
    "llama.cpp": Case(
        "/completion",
        {
            "prompt": CODELLAMA_PROMPT,
            "stream": True,
            "temperature": 0.2,
            "max_tokens": 512,
        },
        raw(
            "qwen2.5-coder:7b",
            qwen("let x = ", "\n"),
            QWEN,
            num_predict=512,
            temperature=0.2,
        ),
        llama_stream,
    ),
    "lmstudio": Case(
        "/v1/completions",
        {
            "model": "qwen2.5-coder:7b",
            "prompt": CODELLAMA_PROMPT,
            "stream": True,
            "temperature": 0.2,
            "max_tokens": 512,
        },
        raw(
            "qwen2.5-coder:7b",
            qwen("let x = ", "\n"),
            QWEN,
            num_predict=512,
            temperature=0.2,
        ),
        openai_stream,
    ),
}

CONTINUE_STOPS = ["/src/", "#- coding: utf-8", "```"]
CONTINUE_OPTIONS = {
    "temperature": 0.01,
    "num_predict": 4096,
    "stop": CONTINUE_STOPS,
    "num_ctx": 8192,
}


def continue_ollama(model: str, prompt: str, **more: Any) -> dict[str, Any]:
    """Continue's body for Ollama."""
    return {
        "model": model,
        "prompt": prompt,
        **more,
        "options": CONTINUE_OPTIONS,
        "keep_alive": 1800,
        "stream": True,
    }


CONTINUE = {
    # Ollama can do this as it is.
    "suffix": Case(
        "/api/generate",
        continue_ollama("qwen2.5-coder:7b", "def f(", suffix="\n    pass\n"),
        None,
        ollama_lines,
    ),
    # Ollama would say that the model does not support insert.
    "suffix-without-insert": Case(
        "/api/generate",
        continue_ollama("deepseek-coder:6.7b-base", "def f(", suffix="\n    pass\n"),
        raw(
            "deepseek-coder:6.7b-base",
            "<｜fim▁begin｜>def f(<｜fim▁hole｜>\n    pass\n<｜fim▁end｜>",
            [*CONTINUE_STOPS, *DEEPSEEK],
            {"keep_alive": 1800},
            temperature=0.01,
            num_predict=4096,
            num_ctx=8192,
        ),
        ollama_lines,
    ),
    "suffix-better-template": Case(
        "/api/generate",
        continue_ollama("starcoder2:3b", "def f(", suffix="\n    pass\n"),
        raw(
            "starcoder2:3b",
            "<fim_prefix>def f(<fim_suffix>\n    pass\n<fim_middle>",
            [*CONTINUE_STOPS, *STARCODER],
            {"keep_alive": 1800},
            temperature=0.01,
            num_predict=4096,
            num_ctx=8192,
        ),
        ollama_lines,
    ),
    "its-own-template": Case(
        "/api/generate",
        continue_ollama("qwen2.5-coder:7b", qwen("def f(", "\n"), raw=True),
        None,
        ollama_lines,
    ),
    "mistral": Case(
        "/v1/fim/completions",
        {
            "model": "qwen2.5-coder:7b",
            "prompt": "def f(",
            "suffix": "\n    pass\n",
            "max_tokens": 4096,
            "temperature": 0.01,
            "stop": CONTINUE_STOPS,
            "stream": True,
        },
        raw(
            "qwen2.5-coder:7b",
            qwen("def f(", "\n    pass\n"),
            [*CONTINUE_STOPS, *QWEN],
            num_predict=4096,
            temperature=0.01,
        ),
        fim_stream,
        {"x-api-key": "none", "Authorization": "Bearer none"},
    ),
    "llama.cpp": Case(
        "/completion",
        {
            "model": "qwen2.5-coder:7b",
            "prompt": qwen("def f(", "\n    pass\n"),
            "stream": True,
            "n_predict": 4096,
            "stop": [*QWEN, *CONTINUE_STOPS],
            "temperature": 0.01,
        },
        raw(
            "qwen2.5-coder:7b",
            qwen("def f(", "\n    pass\n"),
            [*QWEN, *CONTINUE_STOPS],
            num_predict=4096,
            temperature=0.01,
        ),
        llama_stream,
        {"Authorization": "Bearer undefined"},
    ),
}

EXTRA = [
    {"text": "def a():\n    pass\n", "time": [1, 5], "filename": "a.py"},
    {"text": "def b():\n    pass\n", "time": [1, 9], "filename": "b.py"},
]
FILES = (
    "<|file_sep|>a.py\ndef a():\n    pass\n\n<|file_sep|>b.py\ndef b():\n    pass\n\n"
    "<|file_sep|>\n"
)
LLAMA_VIM_BODY = {
    "id_slot": 0,
    "input_prefix": "import os\n",
    "input_suffix": ")\nprint(x)\n",
    "input_extra": EXTRA,
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
    "response_fields": LLAMA_VIM_FIELDS,
}
LLAMA_VSCODE_BODY = {
    "id_slot": 0,
    "input_prefix": "import os\n",
    "input_suffix": ")\nprint(x)\n",
    "input_extra": [
        {"text": "def a():\n    pass\n", "time": 1795294946000, "filename": "a.py"},
        {"text": "def b():\n    pass\n", "time": 1795294947000, "filename": "b.py"},
    ],
    "prompt": "x = os.path.join(",
    "n_predict": 128,
    "n_cmpl": 3,
    "top_k": 40,
    "top_p": 0.99,
    "stream": False,
    "samplers": ["top_k", "top_p", "infill"],
    "cache_prompt": True,
    "t_max_prompt_ms": 500,
    "t_max_predict_ms": 2500,
    "model": "qwen2.5-coder:7b",
}
LLAMA = {
    "vim": Case(
        "/infill",
        LLAMA_VIM_BODY,
        raw(
            "qwen2.5-coder:7b",
            FILES + qwen("import os\nx = os.path.join(", ")\nprint(x)\n"),
            QWEN,
            top_k=40,
            top_p=0.9,
        ),
        llama_vim,
    ),
    "vim-with-a-model": Case(
        "/infill",
        {**LLAMA_VIM_BODY, "model": "starcoder2:3b", "input_extra": []},
        raw(
            "starcoder2:3b",
            "<fim_prefix>import os\nx = os.path.join("
            "<fim_suffix>)\nprint(x)\n<fim_middle>",
            STARCODER,
            top_k=40,
            top_p=0.9,
        ),
        llama_vim,
        {"Authorization": "Bearer none"},
    ),
    "vim-suffix-first": Case(
        "/infill",
        {**LLAMA_VIM_BODY, "model": "codestral:22b", "input_extra": []},
        raw(
            "codestral:22b",
            "[SUFFIX])\nprint(x)\n[PREFIX]import os\nx = os.path.join(",
            ["[PREFIX]", "[SUFFIX]", "</s>"],
            top_k=40,
            top_p=0.9,
        ),
        llama_vim,
    ),
    "vscode": Case(
        "/infill",
        LLAMA_VSCODE_BODY,
        raw(
            "qwen2.5-coder:7b",
            FILES + qwen("import os\nx = os.path.join(", ")\nprint(x)\n"),
            QWEN,
            top_k=40,
            top_p=0.99,
        ),
        llama_whole,
    ),
    # Its OpenAI mode, at its base URL without /v1.
    "vscode-openai": Case(
        "/completions",
        {
            "model": "qwen2.5-coder:7b",
            "prompt": qwen("import os\nx = ", "\nprint(x)\n"),
            "max_tokens": 128,
            "temperature": 0.1,
            "top_p": 0.99,
            "stream": False,
        },
        raw(
            "qwen2.5-coder:7b",
            qwen("import os\nx = ", "\nprint(x)\n"),
            QWEN,
            top_p=0.99,
        ),
        openai_text,
    ),
}

MINUET_PREFIX = (
    "# language: python\n# indentation: use 4 spaces for a tab\n"
    "def f(n):\n    if n < 2:\n        "
)
MINUET_SUFFIX = "\n    return f(n - 1) + f(n - 2)\n"


def minuet(path: str, model: str, read: Callable[[bytes], str]) -> Case:
    """minuet-ai.nvim's body, as its recipe for Ollama has it."""
    body = {
        "model": model,
        "stream": True,
        "max_tokens": 56,
        "top_p": 0.9,
        "prompt": MINUET_PREFIX,
        "suffix": MINUET_SUFFIX,
    }
    call = raw(
        "qwen2.5-coder:7b",
        qwen(MINUET_PREFIX, MINUET_SUFFIX),
        QWEN,
        num_predict=56,
        top_p=0.9,
    )
    headers = {"Accept": "application/json", "Authorization": "Bearer xterm-256color"}
    return Case(path, body, call, read, headers)


MINUET = {
    "ollama": minuet("/v1/completions", "qwen2.5-coder:7b", openai_stream),
    "deepseek": minuet("/beta/completions", "deepseek-v4-flash", openai_stream),
    "codestral": minuet("/v1/fim/completions", "codestral-latest", fim_stream),
}

FACTORIAL = "<PRE> def factorial(n)\n    if <SUF>    return ans\n <MID>"


def cmp_ai(model: str, prompt: str, **more: Any) -> dict[str, Any]:
    """cmp-ai's body for Ollama: not raw, in one piece."""
    options = {"temperature": 0.2}
    return {
        "model": model,
        "prompt": prompt,
        "stream": False,
        "options": options,
        **more,
    }


CMP_AI = {
    "its-default": Case(
        "/api/generate",
        cmp_ai("codellama:7b-code", FACTORIAL),
        raw("codellama:7b-code", FACTORIAL, CODELLAMA, temperature=0.2),
        ollama_whole,
    ),
    # One blank of the suffix goes: elsewhere it belongs to the marker.
    "for-qwen": Case(
        "/api/generate",
        cmp_ai("qwen2.5-coder:7b", FACTORIAL),
        raw(
            "qwen2.5-coder:7b",
            qwen("def factorial(n)\n    if", "   return ans\n"),
            QWEN,
            temperature=0.2,
        ),
        ollama_whole,
    ),
    "own-prompt": Case(
        "/api/generate",
        cmp_ai("qwen2.5-coder:7b-base-q6_K", qwen("def f(", ")")),
        raw("qwen2.5-coder:7b-base-q6_K", qwen("def f(", ")"), QWEN, temperature=0.2),
        ollama_whole,
    ),
    "suffix": Case(
        "/api/generate",
        cmp_ai("qwen2.5-coder:7b", "def f(", suffix=")"),
        None,
        ollama_whole,
    ),
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
        raw(
            "qwen2.5-coder:7b",
            qwen("def factorial(n)\n    if", "    return ans\n"),
            QWEN,
        ),
        tabby,
        {"Authorization": "Bearer none"},
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
        raw(
            "qwen2.5-coder:7b",
            qwen("def factorial(n)\n    if", ""),
            QWEN,
            num_predict=100,
        ),
        fim_whole,
        {"Authorization": "Bearer none"},
    ),
}

PROXY_STOPS = ["diff --git", "package ", "import "]
PROXYAI = {
    # Ollama ignores a suffix that comes with raw, and says nothing.
    "suffix-and-raw": Case(
        "/api/generate",
        {
            "model": "qwen2.5-coder:7b",
            "prompt": "fun f(",
            "suffix": ") = 1\n",
            "stream": False,
            "raw": True,
            "options": {"num_predict": 128, "temperature": 0.4},
        },
        raw("qwen2.5-coder:7b", qwen("fun f(", ") = 1\n"), QWEN, temperature=0.4),
        ollama_whole,
    ),
    # Its own template, with blanks that the model did not learn: left as it is.
    "its-own-template": Case(
        "/api/generate",
        {
            "model": "qwen2.5-coder:7b",
            "prompt": "<|fim_prefix|> fun f( <|fim_suffix|>) = 1\n <|fim_middle|>",
            "stream": False,
            "raw": True,
            "options": {
                "stop": [*PROXY_STOPS, *QWEN],
                "num_predict": 128,
                "temperature": 0.4,
            },
        },
        None,
        ollama_whole,
    ),
    "llama.cpp": Case(
        "/completion",
        {
            "prompt": "<PRE> fun f( <SUF>) = 1\n <MID>",
            "stream": False,
            "n_predict": 128,
            "temperature": 0.0,
            "top_k": 40,
            "top_p": 0.9,
            "min_p": 0.05,
            "repeat_penalty": 1.1,
            "stop": ["<EOT>"],
        },
        raw(
            "qwen2.5-coder:7b",
            qwen("fun f(", ") = 1\n"),
            ["<EOT>", *QWEN],
            temperature=0.0,
            top_k=40,
            top_p=0.9,
            min_p=0.05,
            repeat_penalty=1.1,
        ),
        llama_whole,
    ),
    "custom-openai": Case(
        "/v1/completions",
        {
            "model": "qwen2.5-coder:7b",
            "prompt": "fun f(",
            "suffix": ") = 1\n",
            "stream": False,
            "max_tokens": 128,
            "temperature": 0.0,
            "frequency_penalty": 0.0,
            "presence_penalty": 0.0,
        },
        raw(
            "qwen2.5-coder:7b",
            qwen("fun f(", ") = 1\n"),
            QWEN,
            temperature=0.0,
            frequency_penalty=0.0,
            presence_penalty=0.0,
        ),
        openai_text,
    ),
}

VIM_OPTIONS = {
    "temperature": 0,
    "top_p": 0.95,
    "num_predict": 128,
    "max_tokens": 500,
    "lang": "python",
}


def vim_ollama(model: str, prompt: str, **more: Any) -> dict[str, Any]:
    """vim-ollama's body, whose options are also for others than Ollama."""
    body = {"model": model, "prompt": prompt, "stream": False, "raw": True}
    return {**body, **more, "options": VIM_OPTIONS}


VIM_OLLAMA = {
    "its-default": Case(
        "/api/generate",
        vim_ollama("codellama:code", "<PRE> def f( <SUF>)\n <MID>"),
        raw(
            "codellama:code",
            "<PRE> def f( <SUF>)\n <MID>",
            CODELLAMA,
            **{**VIM_OPTIONS},
        ),
        ollama_whole,
    ),
    "qwen": Case(
        "/api/generate",
        vim_ollama("qwen2.5-coder:7b", qwen("def f(", ")\n")),
        None,
        ollama_whole,
    ),
    "suffix": Case(
        "/api/generate",
        vim_ollama("qwen2.5-coder:7b", "def f(", suffix=")\n", raw=False),
        None,
        ollama_whole,
    ),
    "suffix-without-insert": Case(
        "/api/generate",
        vim_ollama("deepseek-coder:6.7b-base", "def f(", suffix=")\n", raw=False),
        raw(
            "deepseek-coder:6.7b-base",
            "<｜fim▁begin｜>def f(<｜fim▁hole｜>)\n<｜fim▁end｜>",
            DEEPSEEK,
            **VIM_OPTIONS,
        ),
        ollama_whole,
    ),
    "mistral": Case(
        "/v1/fim/completions",
        {
            "model": "qwen2.5-coder:7b",
            "prompt": "def f(",
            "suffix": ")\n",
            "temperature": 0,
            "max_tokens": 500,
            "stop": [")"],
            "stream": False,
        },
        raw(
            "qwen2.5-coder:7b",
            qwen("def f(", ")\n"),
            [")", *QWEN],
            num_predict=500,
            temperature=0,
        ),
        fim_whole,
        {"Authorization": "Bearer none"},
    ),
    "openai_legacy": Case(
        "/v1/completions",
        {
            "model": "qwen2.5-coder:7b",
            "prompt": qwen("def f(", ")\n"),
            "temperature": 0,
            "max_tokens": 500,
        },
        raw(
            "qwen2.5-coder:7b",
            qwen("def f(", ")\n"),
            QWEN,
            num_predict=500,
            temperature=0,
        ),
        openai_text,
    ),
}

CASES = [
    pytest.param(case, id=f"{editor}-{name}")
    for editor, cases in {
        "llama-coder": LLAMA_CODER,
        "twinny": TWINNY,
        "continue": CONTINUE,
        "llama": LLAMA,
        "minuet": MINUET,
        "cmp-ai": CMP_AI,
        "proxyai": PROXYAI,
        "vim-ollama": VIM_OLLAMA,
    }.items()
    for name, case in cases.items()
]


@pytest.mark.parametrize("case", CASES)
def test_request(pannier: Server, ollama: Simulator, case: Case) -> None:
    """What an editor sends reaches Ollama as its model learnt it, and can be read."""
    ollama.clear()
    got = send(pannier, case.path, case.body, case.headers)
    assert got.status == 200, got.body
    ((path, call),) = calls(ollama)
    assert path == "/api/generate"
    assert call == (case.body if case.call is None else case.call)
    assert case.read(got.body) == said(ollama, path, call)
