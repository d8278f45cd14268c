"""Requests for code that are wrong, beside those of the other tables.

Tabby's form is asked for where DeepSeek's editors ask: the other routes that have it
are OpenAI's here.
"""

from typing import Any

import msgspec

from app.wire import code

INFILL, COMPLETION = "/infill", "/completion"
FIM, CODE, TABBY = "/v1/fim/completions", "/code/generate", "/beta/completions"
GOOD: dict[str, dict[str, Any]] = {
    INFILL: {"model": "m", "input_prefix": "hi"},
    COMPLETION: {"model": "m", "prompt": "hi"},
    FIM: {"model": "m", "prompt": "hi"},
    CODE: {"model": "m", "prompt": "hi"},
    TABBY: {"model": "m", "segments": {"prefix": "hi"}},
}
STRUCTS: dict[str, type[msgspec.Struct]] = {
    INFILL: code.InfillRequest,
    COMPLETION: code.CompletionRequest,
    FIM: code.FimRequest,
    CODE: code.GenerateRequest,
    TABBY: code.TabbyRequest,
}
FILE = {"text": "x", "filename": "a.py"}
PIECE = {"filepath": "a.py", "body": "x"}


def segments(**more: Any) -> dict[str, Any]:
    """What Tabby's editors know of a place."""
    return {"segments": {"prefix": "hi"} | more}


#: Where each inner struct sits in a request: its path, a good one, and the request.
INNER: list[tuple[str, type[msgspec.Struct], str, dict[str, Any], Any]] = [
    (INFILL, code.File, "input_extra[0]", FILE, lambda it: {"input_extra": [it]}),
    (CODE, code.File, "extra[1]", FILE, lambda it: {"extra": [FILE, it]}),
    (
        TABBY,
        code.Segments,
        "segments",
        {"prefix": "hi"},
        lambda it: {"segments": it},
    ),
    (
        TABBY,
        code.Declaration,
        "segments.declarations[0]",
        PIECE,
        lambda it: segments(declarations=[it]),
    ),
]
LLAMA = (INFILL, COMPLETION)
TYPE, VALUE = "invalid_type", "invalid_value"
TOO_SMALL = "integer_below_min_value"
#: Endpoint, what is put into a good request, param, code.
WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    *[
        (path, {field: value}, field, kind)
        for path in LLAMA
        for field, value, kind in (
            ("n_predict", 1.5, TYPE),
            ("n_predict", -3, TOO_SMALL),
            ("n_keep", 0.5, TYPE),
            ("n_keep", -2, TOO_SMALL),
            ("n_indent", -1, TOO_SMALL),
            ("n_indent", 1.5, TYPE),
            ("t_max_predict_ms", 1e30, TYPE),
            ("id_slot", 0.5, TYPE),
            ("prompt", 5, TYPE),
            ("prompt", [1, 2], TYPE),
            ("prompt", ["a"], TYPE),
            ("prompt", {"a": 1}, TYPE),
            ("seed", 0.5, TYPE),
        )
    ],
    *[
        (path, {field: value}, field, VALUE)
        for path in (INFILL, COMPLETION, FIM)
        for field, value in (("temperature", 2.5), ("top_p", 2), ("top_p", -1))
    ],
    *[
        (path, {field: value}, field, kind)
        for path in GOOD
        for field, value, kind in (
            ("think", "hard", VALUE),
            ("num_ctx", 0, TOO_SMALL),
            ("num_predict", -3, TOO_SMALL),
            ("min_p", -1, VALUE),
        )
    ],
    (INFILL, {"input_extra": ["x"]}, "input_extra[0]", TYPE),
    (INFILL, {"input_extra": [FILE, None]}, "input_extra[1]", TYPE),
    (INFILL, {"response_fields": [5]}, "response_fields[0]", TYPE),
    (FIM, {"max_tokens": 0}, "max_tokens", TOO_SMALL),
    (FIM, {"max_tokens": 1.5}, "max_tokens", TYPE),
    (FIM, {"random_seed": 0.5}, "random_seed", TYPE),
    (FIM, {"stop": ["a", 5]}, "stop[1]", TYPE),
    (CODE, {"max_lines": -1}, "max_lines", TOO_SMALL),
    (CODE, {"max_lines": 1.5}, "max_lines", TYPE),
    (CODE, {"options": {"stop": 5}}, "options.stop", TYPE),
    (TABBY, {"temperature": -1}, "temperature", VALUE),
    (TABBY, {"seed": 0.5}, "seed", TYPE),
    (TABBY, segments(declarations=["x"]), "segments.declarations[0]", TYPE),
]
