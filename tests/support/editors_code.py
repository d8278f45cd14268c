"""The requests of plugins for VS Code and the IDEs of JetBrains, with their defaults.

Bodies as their sources build them: llama-coder 0.0.14, twinny 3.23.31, Continue 1.3.40,
llama.vscode 0.0.63, ProxyAI 3.8.1.
"""

from typing import Any

from .editors import (
    CODELLAMA,
    CODESTRAL,
    DEEPSEEK,
    MODEL,
    QWEN,
    STARCODER,
    Case,
    deepseek,
    fim_stream,
    llama_stream,
    llama_whole,
    ollama_lines,
    ollama_whole,
    openai_stream,
    openai_whole,
    qwen,
    raw,
    starcoder,
)

# --------------------------------------------------------------------- llama-coder

HEADER = "# Language: Python\n# Path: /w/a.py\n"
CODER_STOPS = ["<END>", "<EOD>", "<EOT>"]
CODER = {"num_predict": 256, "temperature": 0.2}


def llama_coder(
    model: str, prompt: str, stop: list[str], call: dict[str, Any] | None = None
) -> Case:
    """It says nothing of ``stream``, and may send a key."""
    options = {"stop": stop, **CODER}
    body = {"model": model, "prompt": prompt, "raw": True, "options": options}
    return Case(
        "/api/generate", body, call, ollama_lines, {"Authorization": "Bearer none"}
    )


def for_qwen(prompt: str, expected: str, model: str = MODEL) -> Case:
    """Whatever form is chosen, it sends this one for a model that it does not know."""
    call = raw(expected, [*CODER_STOPS, *QWEN], **CODER)
    return llama_coder(model, prompt, CODER_STOPS, call)


LLAMA_CODER = {
    "codellama": llama_coder(
        "codellama:7b-code-q4_K_M",
        f"<PRE> {HEADER}def f( <SUF> ): pass <MID>",
        CODER_STOPS,
        raw(
            f"<PRE> {HEADER}def f( <SUF> ): pass <MID>",
            [*CODER_STOPS, "<PRE>", "<SUF>", "<MID>"],
            "codellama:7b-code-q4_K_M",
            **CODER,
        ),
    ),
    # Raw, and in the model's own form: nothing is to be done.
    "deepseek": llama_coder(
        "deepseek-coder:6.7b-base",
        deepseek(f"{HEADER}def f(", ")"),
        [*DEEPSEEK[:3], "<END>"],
    ),
    "stable-code": llama_coder(
        "stable-code:3b-code-q4_0",
        starcoder(f"{HEADER}def f(", ")"),
        ["<|endoftext|>"],
    ),
    "python": for_qwen(
        f"<PRE> {HEADER}def f( <SUF> ): pass <MID>", qwen("def f(", "): pass")
    ),
    "typescript": for_qwen(
        "<PRE> // Language: Typescript\n// Path: /w/a.ts\nconst a =  <SUF> ;\n <MID>",
        qwen("const a = ", ";\n"),
    ),
    "html": for_qwen(
        "<PRE> <!-- Language: HTML -->\n<!-- Path: /w/a.html -->\n<p> <SUF> </p> <MID>",
        qwen("<p>", "</p>"),
    ),
    "batch": for_qwen(
        "<PRE> REM Language: BAT file\nREM Path: C:\\w\\a.bat\necho  <SUF>  <MID>",
        qwen("echo ", ""),
    ),
    "no-header": for_qwen("<PRE> {\n <SUF> \n} <MID>", qwen("{\n", "\n}")),
    "alias": for_qwen(
        "<PRE> def f( <SUF> ) <MID>", qwen("def f(", ")"), "codellama:13b-code-q4_K_M"
    ),
    "thinking": llama_coder(
        "qwen3-coder:thinking",
        "<PRE> def f( <SUF> ) <MID>",
        CODER_STOPS,
        raw(
            qwen("def f(", ")"),
            [*CODER_STOPS, *QWEN],
            "qwen3-coder:thinking",
            {"think": False},
            **CODER,
        ),
    ),
}

# -------------------------------------------------------------------------- twinny

TOLD = (
    "\n// Language: TypeScript (typescript) \n"
    "// File uri: file:///w/my%20app/a.ts (typescript) \n"
)


def twinny(
    prompt: str, expected: str, stop: list[str] = QWEN, model: str = MODEL
) -> Case:
    """The form of a model, but not ``raw``.

    So for its providers Ollama, Open WebUI and OpenAI-compatible.
    """
    options = {"temperature": 0.2, "num_predict": 512}
    more = {"keep_alive": "5m"}
    body = {"model": model, "prompt": prompt, "stream": True, **more}
    call = raw(expected, stop, model, more, **options)
    headers = {"Authorization": ""}
    return Case(
        "/api/generate", {**body, "options": options}, call, ollama_lines, headers
    )


TWINNYS = f"<PRE> \n{TOLD}let x =  <SUF> \n <MID>"
ELSEWHERE = {
    "prompt": TWINNYS,
    "stream": True,
    "temperature": 0.2,
    "max_tokens": 512,
}
ELSEWHERE_CALL = raw(qwen("let x = ", "\n"), num_predict=512, temperature=0.2)
TWINNY = {
    "default": twinny(TWINNYS, TWINNYS, CODELLAMA, "codellama:7b-code"),
    "codellama": twinny(TWINNYS, qwen("let x = ", "\n")),
    "qwen": twinny(qwen("let x = ", "\n"), qwen("let x = ", "\n")),
    "other": twinny(
        starcoder(f"\n{TOLD}let x = ", "\nf(x)"), qwen("let x = ", "\nf(x)")
    ),
    "deepseek": twinny(
        deepseek(f"\n{TOLD}let x = ", "\nf(x)"),
        deepseek(f"\n{TOLD}let x = ", "\nf(x)"),
        DEEPSEEK,
        "deepseek-coder:6.7b-base",
    ),
    "codestral": twinny(
        f"\n\n[SUFFIX]\nf(x)[PREFIX]{TOLD}let x = ",
        f"\n\n[SUFFIX]\nf(x)[PREFIX]{TOLD}let x = ",
        CODESTRAL,
        "codestral:22b",
    ),
    "codestral-for-qwen": twinny(
        f"\n\n[SUFFIX]\nf(x)[PREFIX]{TOLD}let x = ", qwen("let x = ", "\nf(x)")
    ),
    "llama.cpp": Case("/completion", ELSEWHERE, ELSEWHERE_CALL, llama_stream),
    "lmstudio": Case(
        "/v1/completions", {"model": MODEL, **ELSEWHERE}, ELSEWHERE_CALL, openai_stream
    ),
}

# ------------------------------------------------------------------------ Continue

STOPS = ["/src/", "#- coding: utf-8", "```"]
SAMPLING = {"temperature": 0.01, "num_predict": 4096}
#: With its provider for Ollama, which chooses the context's size itself.
CONTINUE_OLLAMA = {
    "options": {**SAMPLING, "stop": STOPS, "num_ctx": 8192},
    "keep_alive": 1800,
    "stream": True,
}


def with_suffix(model: str, expected: str = "", stop: list[str] = QWEN) -> Case:
    """What it sends where /api/show says that the model knows a suffix."""
    body = {"model": model, "prompt": "def f(", "suffix": "\n    pass\n"}
    call = raw(
        expected,
        [*STOPS, *stop],
        model,
        {"keep_alive": 1800},
        **SAMPLING,
        num_ctx=8192,
    )
    return Case(
        "/api/generate",
        {**body, **CONTINUE_OLLAMA},
        call if expected else None,
        ollama_lines,
    )


OWN_TEMPLATE = {"model": MODEL, "prompt": qwen("def f(", "\n"), "raw": True}
CONTINUE = {
    "suffix": with_suffix(MODEL),  # Ollama does that well
    "suffix-without-insert": with_suffix(
        "deepseek-coder:6.7b-base", deepseek("def f(", "\n    pass\n"), DEEPSEEK
    ),
    "suffix-and-better": with_suffix(
        "starcoder2:3b", starcoder("def f(", "\n    pass\n"), STARCODER
    ),
    "own-template": Case(
        "/api/generate", {**OWN_TEMPLATE, **CONTINUE_OLLAMA}, None, ollama_lines
    ),
    "mistral": Case(
        "/v1/fim/completions",
        {
            "model": MODEL,
            "prompt": "def f(",
            "suffix": "\n    pass\n",
            "max_tokens": 4096,
            "temperature": 0.01,
            "stop": STOPS,
            "stream": True,
        },
        raw(qwen("def f(", "\n    pass\n"), [*STOPS, *QWEN], **SAMPLING),
        fim_stream,
        {"x-api-key": "none", "Authorization": "Bearer none"},
    ),
    "llama.cpp": Case(
        "/completion",
        {
            "model": MODEL,
            "prompt": qwen("def f(", "\n    pass\n"),
            "stream": True,
            "n_predict": 4096,
            "stop": [*QWEN, *STOPS],
            "temperature": 0.01,
        },
        raw(qwen("def f(", "\n    pass\n"), [*QWEN, *STOPS], **SAMPLING),
        llama_stream,
        {"Authorization": "Bearer undefined"},
    ),
}

# -------------------------------------------------------------------- llama.vscode

EXTRA = [
    {"text": "def b(): ...\n", "time": 1795294947000, "filename": "b.py"},
    {"text": "def a(): ...\n", "time": 1795294946000, "filename": "a.py"},
]
LLAMA_VSCODE = {
    "infill": Case(
        "/infill",
        {
            "id_slot": 0,
            "input_prefix": "import os\n",
            "input_suffix": ")\nprint(x)\n",
            "input_extra": EXTRA,
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
            "model": "default",
        },
        raw(
            "<|file_sep|>a.py\ndef a(): ...\n\n<|file_sep|>b.py\ndef b(): ...\n\n"
            "<|file_sep|>\n" + qwen("import os\nx = os.path.join(", ")\nprint(x)\n"),
            top_k=40,
            top_p=0.99,
        ),
        llama_whole,
    ),
    # Its OpenAI mode, at a base URL without /v1.
    "openai": Case(
        "/completions",
        {
            "model": MODEL,
            "prompt": qwen("import os\nx = ", "\nprint(x)\n"),
            "max_tokens": 128,
            "temperature": 0.1,
            "top_p": 0.99,
            "stream": False,
        },
        raw(qwen("import os\nx = ", "\nprint(x)\n"), top_p=0.99),
        openai_whole,
    ),
}

# ------------------------------------------------------------------------- ProxyAI

PROXY_OPTIONS = {"num_predict": 128, "temperature": 0.4}
KOTLIN = {"prompt": "fun f(", "suffix": ") = 1\n", "stream": False}
PROXY_SAMPLING = {"top_k": 40, "top_p": 0.9, "min_p": 0.05, "repeat_penalty": 1.1}
NO_PENALTIES = {"frequency_penalty": 0.0, "presence_penalty": 0.0}
PROXYAI = {
    # Ollama ignores a suffix that comes with raw, and says nothing.
    "raw-and-suffix": Case(
        "/api/generate",
        {"model": MODEL, **KOTLIN, "raw": True, "options": PROXY_OPTIONS},
        raw(qwen("fun f(", ") = 1\n"), **PROXY_OPTIONS),
        ollama_whole,
    ),
    # Its own template has blanks that the model did not learn; that is its affair.
    "own-template": Case(
        "/api/generate",
        {
            "model": MODEL,
            "prompt": qwen(" fun f( ", ") = 1\n "),
            "stream": False,
            "raw": True,
            "options": {"stop": ["diff --git", "package ", *QWEN], **PROXY_OPTIONS},
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
            **PROXY_SAMPLING,
            "stop": ["<EOT>"],
        },
        raw(
            qwen("fun f(", ") = 1\n"),
            ["<EOT>", *QWEN],
            temperature=0.0,
            **PROXY_SAMPLING,
        ),
        llama_whole,
    ),
    "openai": Case(
        "/v1/completions",
        {
            "model": MODEL,
            **KOTLIN,
            "max_tokens": 128,
            "temperature": 0.0,
            **NO_PENALTIES,
        },
        raw(qwen("fun f(", ") = 1\n"), temperature=0.0, **NO_PENALTIES),
        openai_whole,
    ),
}
