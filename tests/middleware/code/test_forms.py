"""The forms of editors: what each becomes at Ollama, and what each editor reads."""

import json
from collections.abc import Iterator
from typing import Any

import gevent
import pytest
from support.editing import (
    BARE,
    CODE,
    COMPLETION,
    DONE,
    END,
    FIM,
    FORMS,
    INFILL,
    TEXT,
    TIME,
    Form,
    Known,
    Speaking,
    said,
)
from support.ollama import Answer, FakeUpstream, Ollama, ask
from support.stack import linted, stacked

QWEN = [
    *("<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),
    *("<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|im_start|>", "<|im_end|>"),
]
USUAL = {"num_predict": 128, "temperature": 0.1, "top_p": 0.95}
#: The call for ``def f(`` and ``)`` to a model whose family is known.
RAW = {
    "model": "qwen2.5-coder",
    "stream": True,
    "options": USUAL | {"stop": QWEN},
    "prompt": "<|fim_prefix|>def f(<|fim_suffix|>)<|fim_middle|>",
    "raw": True,
}
EVERY = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
BOTH_WAYS = pytest.mark.parametrize("stream", [False, True])


def asked(
    path: str, request: Any, ollama: Any = None, *known: str, **settings: Any
) -> Answer:
    """The answer to a request, where some models are known."""
    ollama = Speaking() if ollama is None else ollama
    app = linted(ollama, control=Known(*known), **settings)
    return ask(app, "POST", path, request)


def called(path: str, request: Any, *known: str, **settings: Any) -> Any:
    """The one call that a request becomes, decoded."""
    ollama = Speaking()
    answer = asked(path, request, ollama, *known, **settings)
    assert answer.status == 200, answer.body
    assert ollama.closed == 1
    return ollama.call


def wanted(
    form: Form, prefix: str = "def f(", suffix: str = ")", **more: Any
) -> dict[str, Any]:
    """A request for a model of a known family."""
    return {"model": "qwen2.5-coder"} | form.request(prefix, suffix) | more


def message(path: str, answer: Answer) -> str:
    """What an error says, in the envelope of its path."""
    if path == CODE:
        assert list(answer.json) == ["error"]
        return str(answer.json["error"])
    return str(answer.error["message"])


# --------------------------------------------------------------- one hole


@EVERY
@BOTH_WAYS
def test_one_hole(form: Form, stream: bool) -> None:
    """The same hole becomes the same call in every form, and it always streams."""
    assert called(form.path, wanted(form, stream=stream)) == RAW


@EVERY
def test_one_text(form: Form) -> None:
    """Every editor reads the same text, streamed or not."""
    for stream in (False, True):
        answer = asked(form.path, wanted(form, stream=stream))
        assert answer.status == 200
        assert form.read(answer) == "x, y):\n    pass"
        assert answer.headers["x-request-id"]
        assert "X-Pannier-Ignored" not in answer.headers


@EVERY
@pytest.mark.parametrize("name", ["<|fim_middle|>", "<|file_sep|>"])
def test_the_marks_of_a_family_end_a_text(form: Form, name: str) -> None:
    """Whatever Ollama did with the stop strings, no editor sees a family's marks."""
    half = len(name) // 2
    ollama = Speaking(
        lambda: [said("a = 1" + name[:half]), said(name[half:] + "b"), END]
    )
    assert form.read(asked(form.path, wanted(form), ollama)) == "a = 1"
    assert ollama.closed == 1


#: A request's form, its fields, and what the call for it says.
CALLS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "infill: the line before the cursor ends the prefix": (
        INFILL,
        {"input_prefix": "a\n", "prompt": "b = ", "input_suffix": "\nc"},
        {"prompt": "<|fim_prefix|>a\nb = <|fim_suffix|>\nc<|fim_middle|>"},
    ),
    "infill: only that line": (
        INFILL,
        {"prompt": "b = "},
        {"prompt": "<|fim_prefix|>b = <|fim_suffix|><|fim_middle|>"},
    ),
    "infill: other files, the one of latest use last": (
        INFILL,
        {
            "input_prefix": "x",
            "input_extra": [
                {"filename": "new.py", "text": "N", "time": 9},
                {"filename": "old.py", "text": "O", "time": 1.5},
                {"filename": "empty.py", "text": "", "time": 2},
            ],
        },
        {
            "prompt": "<|file_sep|>old.py\nO\n<|file_sep|>new.py\nN\n<|file_sep|>\n"
            "<|fim_prefix|>x<|fim_suffix|><|fim_middle|>"
        },
    ),
    "infill: other files of unknown times, in their order": (
        INFILL,
        {
            "input_prefix": "x",
            "input_extra": [
                {"filename": "a", "text": "A", "time": 9},
                {"text": "B"},
            ],
        },
        {
            "prompt": "<|file_sep|>a\nA\n<|file_sep|>\nB\n<|file_sep|>\n"
            "<|fim_prefix|>x<|fim_suffix|><|fim_middle|>"
        },
    ),
    "infill: markers in a text are text": (
        INFILL,
        {"input_prefix": "<fim_prefix>a<fim_suffix>b<fim_middle>"},
        {
            "prompt": "<|fim_prefix|><fim_prefix>a<fim_suffix>b<fim_middle>"
            "<|fim_suffix|><|fim_middle|>"
        },
    ),
    "completion: a prompt that goes on": (
        COMPLETION,
        {"prompt": "x = "},
        {"prompt": "x = ", "raw": True, "options": USUAL},
    ),
    "completion: markers of another family": (
        COMPLETION,
        {"prompt": "<fim_prefix>a<fim_suffix>b<fim_middle>"},
        {"prompt": "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"},
    ),
    "completion: the model's own markers stay": (
        COMPLETION,
        {"prompt": "<|fim_prefix|>a <|fim_suffix|> b<|fim_middle|>"},
        {"prompt": "<|fim_prefix|>a <|fim_suffix|> b<|fim_middle|>"},
    ),
    "completions with n_predict are llama.cpp's": (
        BARE,
        {"prompt": "x = ", "n_predict": 5},
        {"prompt": "x = ", "raw": True, "options": USUAL | {"num_predict": 5}},
    ),
    "tabby: language, path, repository and pieces of other files": (
        TEXT,
        {
            "language": "python",
            "segments": {
                "prefix": "p",
                "suffix": "s",
                "filepath": "a.py",
                "git_url": "http://g/r",
                "declarations": [{"filepath": "d.py", "body": "D"}],
                "relevant_snippets_from_changed_files": [
                    {"filepath": "c.py", "body": "C", "score": 0.5}
                ],
                "relevant_snippets_from_recently_opened_files": [
                    {"filepath": "o.py", "body": "O"},
                    {"filepath": "none.py"},
                ],
                "clipboard": "x",
            },
        },
        {
            "prompt": "<|repo_name|>http://g/r\n<|file_sep|>o.py\nO\n"
            "<|file_sep|>d.py\nD\n<|file_sep|>c.py\nC\n<|file_sep|>a.py\n"
            "<|fim_prefix|>p<|fim_suffix|>s<|fim_middle|>"
        },
    ),
    "tabby: no suffix": (
        TEXT,
        {"segments": {"prefix": "p"}},
        {"prompt": "<|fim_prefix|>p<|fim_suffix|><|fim_middle|>"},
    ),
    "fim: no suffix": (
        FIM,
        {"prompt": "p"},
        {"prompt": "<|fim_prefix|>p<|fim_suffix|><|fim_middle|>"},
    ),
    "fim: only a suffix": (
        FIM,
        {"suffix": "s"},
        {"prompt": "<|fim_prefix|><|fim_suffix|>s<|fim_middle|>"},
    ),
    "generate: what the prompt says": (
        CODE,
        {"prompt": "# Language: Go\n# Path: a.go\np <SUF> s <MID>"},
        {"prompt": "<|fim_prefix|>p<|fim_suffix|>s<|fim_middle|>"},
    ),
    "generate: fields win over the prompt": (
        CODE,
        {
            "prompt": "# Path: a.go\np",
            "path": "b.go",
            "repo": "r",
            "extra": [{"filename": "x.go", "text": "X"}],
        },
        {
            "prompt": "<|repo_name|>r\n<|file_sep|>x.go\nX\n<|file_sep|>b.go\n"
            "<|fim_prefix|>p<|fim_suffix|><|fim_middle|>"
        },
    ),
}


@pytest.mark.parametrize(("path", "fields", "says"), CALLS.values(), ids=CALLS)
def test_calls(path: str, fields: dict[str, Any], says: dict[str, Any]) -> None:
    """Each form's way to say what is around the hole is understood."""
    call = called(path, {"model": "qwen2.5-coder"} | fields)
    assert call == RAW | says


@pytest.mark.parametrize(
    ("path", "fields", "language"),
    [
        (TEXT, {"segments": {"prefix": "p", "filepath": "a.rs"}}, "Rust"),
        (TEXT, {"language": "go", "segments": {"prefix": "p"}}, "go"),
        (
            TEXT,
            {"language": "go", "segments": {"prefix": "p", "filepath": "a.rs"}},
            "go",
        ),
        (CODE, {"prompt": "# Language: C\np"}, "C"),
        (CODE, {"prompt": "# Language: C\np", "language": "D"}, "D"),
        (CODE, {"prompt": "p", "path": "a.rs"}, "Rust"),
    ],
)
def test_languages(path: str, fields: dict[str, Any], language: str) -> None:
    """What is said of the language counts, else what the file is called."""
    prompt = called(path, {"model": "codegeex4"} | fields)["prompt"]
    assert f"###LANGUAGE:{language}\n" in prompt


#: Form, fields of the request, options of the call that are not the usual ones.
OPTIONS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    *[
        (name, {"options": {"num_keep": 9, "temperature": 1, "num_gpu": 2}}, changed)
        for changed in [{"num_keep": 9, "temperature": 1, "num_gpu": 2}]
        for name in FORMS
    ],
    *[(name, {"top_k": 40}, {"top_k": 40}) for name in FORMS],
    *[
        (name, {"temperature": 0.7, "seed": 5}, {"temperature": 0.7, "seed": 5})
        for name in FORMS
        if name != "generate"  # Ollama's has its options in one place
    ],
    *[
        (name, fields, changed)
        for name in ("infill", "completion", "completions")
        for fields, changed in (
            ({"n_predict": 7}, {"num_predict": 7}),
            ({"n_predict": -1}, {"num_predict": -1}),
            ({"n_predict": 7, "num_predict": 8}, {"num_predict": 8}),
            ({"n_keep": 3}, {"num_keep": 3}),
            ({"n_keep": 3, "num_keep": 4}, {"num_keep": 4}),
            ({"top_p": 0.9, "min_p": 0.1}, {"top_p": 0.9, "min_p": 0.1}),
            ({"typical_p": 0.5}, {"typical_p": 0.5}),
            ({"repeat_penalty": 1.5}, {"repeat_penalty": 1.5}),
            ({"frequency_penalty": 1}, {"frequency_penalty": 1}),
        )
    ],
    ("fim", {"max_tokens": 7}, {"num_predict": 7}),
    ("fim", {"random_seed": 3}, {"seed": 3}),
    ("fim", {"random_seed": 3, "seed": 4}, {"seed": 4}),
    ("fim", *[{"top_p": 0.9, "presence_penalty": 1}] * 2),
]


@pytest.mark.parametrize(
    ("name", "fields", "changed"), OPTIONS, ids=lambda one: json.dumps(one)[:50]
)
def test_options(name: str, fields: dict[str, Any], changed: dict[str, Any]) -> None:
    """What a client says of sampling and length wins over what is usual for code."""
    form = FORMS[name]
    call = called(form.path, wanted(form) | fields)
    assert call["options"] == USUAL | {"stop": QWEN} | changed


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        *[(name, {"stop": ["\n\n", QWEN[3]]}) for name in ("infill", "completion")],
        ("fim", {"stop": ["\n\n", QWEN[3]]}),
        ("generate", {"options": {"stop": ["\n\n", QWEN[3]]}}),
        ("tabby", {"options": {"stop": ["\n\n", QWEN[3]]}}),
    ],
)
def test_stops_are_united(name: str, fields: dict[str, Any]) -> None:
    """The client's stop strings come first, then the family's, each once."""
    stops = called(FORMS[name].path, wanted(FORMS[name]) | fields)["options"]["stop"]
    assert stops == ["\n\n", QWEN[3], *QWEN[:3], *QWEN[4:]]


@pytest.mark.parametrize("stop", ["", [], [""], None])
def test_no_stop_is_none(stop: Any) -> None:
    """Empty stop strings leave the family's."""
    assert called(INFILL, wanted(FORMS["infill"], stop=stop))["options"]["stop"] == QWEN


@EVERY
@pytest.mark.parametrize(
    ("model", "think"), [("filler", False), ("qwen3", False), ("gpt-oss", "low")]
)
def test_nobody_thinks(form: Form, model: str, think: Any) -> None:
    """A model that can think does not, or as little as it can."""
    call = called(form.path, wanted(form, model=model))
    assert call["think"] == think
    assert "think" not in called(form.path, wanted(form, model="llama3.2"))


@EVERY
def test_who_wants_thoughts_gets_them(form: Form) -> None:
    """A client's own wish to think is not overruled."""
    assert called(form.path, wanted(form, model="filler", think=True))["think"] is True


@EVERY
@BOTH_WAYS
def test_a_model_that_only_chats(form: Form, stream: bool) -> None:
    """It is asked in a conversation, and its text comes in one piece."""
    ollama = Speaking(
        lambda: [
            said(message={"role": "assistant", "content": "<completion>a, "}),
            said(message={"role": "assistant", "content": "b</completion>"}),
            said(message={"role": "assistant", "content": ""}, **DONE),
        ]
    )
    request = wanted(form, "x(", model="llama3.2", stream=stream)
    assert form.read(asked(form.path, request, ollama)) == "a, b"
    assert [call.path for call in ollama.calls] == ["/api/chat"]
    call = ollama.call
    assert call["stream"] is True
    assert call["options"] == USUAL | {"stop": ["</completion>"]}
    assert "x(" in call["messages"][-1]["content"]


# ------------------------------------------------------- what editors read

TIMINGS = {
    "prompt_n": 2,
    "prompt_ms": 1000.0,
    "prompt_per_token_ms": 500.0,
    "prompt_per_second": 2.0,
    "predicted_n": 4,
    "predicted_ms": 500.0,
    "predicted_per_token_ms": 125.0,
    "predicted_per_second": 8.0,
}
LLAMA = {
    "content": "x, y):\n    pass",
    "stop": True,
    "model": "qwen2.5-coder",
    "tokens_predicted": 4,
    "tokens_evaluated": 2,
    "tokens_cached": 0,
    "truncated": False,
    "stop_type": "eos",
    "stopping_word": "",
    "generation_settings": {},
    "timings": TIMINGS,
}
USAGE = {"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}
CHOICE = {
    "index": 0,
    "message": {"content": "x, y):\n    pass", "role": "assistant"},
    "text": "x, y):\n    pass",
    "finish_reason": "stop",
}
#: The whole answer of each form, but for ids and times.
WHOLE: dict[str, Any] = {
    "infill": LLAMA,
    "completion": LLAMA,
    "completions": LLAMA,
    "tabby": {"id": "", "choices": [{"index": 0, "text": "x, y):\n    pass"}]},
    "fim": {
        "id": "",
        "object": "chat.completion",
        "created": 0,
        "model": "qwen2.5-coder",
        "choices": [CHOICE],
        "usage": USAGE,
    },
    "generate": {
        "model": "qwen2.5-coder",
        "created_at": TIME,
        "response": "x, y):\n    pass",
        "done": True,
        "done_reason": "stop",
        "total_duration": 3_000_000_000,
        "prompt_eval_count": 2,
        "prompt_eval_duration": 1_000_000_000,
        "eval_count": 4,
        "eval_duration": 500_000_000,
    },
}


@pytest.mark.parametrize("name", FORMS)
def test_whole_answers(name: str) -> None:
    """Key by key, in order, an answer is what its editors know."""
    form = FORMS[name]
    answer = asked(form.path, wanted(form, stream=False))
    assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
    found = answer.json
    if "id" in found:
        assert found["id"].startswith("cmpl-")
        found["id"] = ""
    if "created" in found:
        assert found["created"] > 1_700_000_000
        found["created"] = 0
    assert found == WHOLE[name]
    assert list(found) == list(WHOLE[name])


@pytest.mark.parametrize("name", ["infill", "completion", "completions"])
def test_llama_streams(name: str) -> None:
    """Frames with ``content`` and ``stop``; the last has the rest and no text."""
    *pieces, last = asked(FORMS[name].path, wanted(FORMS[name], stream=True)).frames
    assert [one["content"] for one in pieces] == ["x, y", "):\n", "    pass"]
    assert [one["tokens_predicted"] for one in pieces] == [1, 2, 3]
    assert not any(one["stop"] for one in pieces)
    assert last == LLAMA | {"content": ""}


def test_fim_streams() -> None:
    """Chunks as of a chat; the last has the reason and the usage, then [DONE]."""
    *chunks, last, end = asked(FIM, wanted(FORMS["fim"], stream=True)).frames
    assert end == "[DONE]"
    assert [one["choices"][0]["delta"] for one in chunks] == [
        {"content": "x, y", "role": "assistant"},
        {"content": "):\n"},
        {"content": "    pass"},
    ]
    assert all(one["choices"][0]["finish_reason"] is None for one in chunks)
    assert last["choices"][0]["finish_reason"] == "stop"
    assert last["usage"] == USAGE
    assert {one["object"] for one in (*chunks, last)} == {"chat.completion.chunk"}


def test_tabby_does_not_stream() -> None:
    """Tabby's answers come in one piece, whatever the request says."""
    answer = asked(TEXT, wanted(FORMS["tabby"], stream=True))
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(answer.body))


@pytest.mark.parametrize("path", [COMPLETION, BARE])
def test_no_rewriting(path: str) -> None:
    """Where the setting says so, a prompt with an editor's marks goes on as it is."""
    prompt = "<fim_prefix>a<fim_suffix>b<fim_middle>"
    request = {"model": "qwen2.5-coder", "prompt": prompt, "n_predict": 5}
    call = called(path, request, code_rewrite=False)
    assert (call["prompt"], call["raw"]) == (prompt, True)


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        (["content"], {"content": "x, y):\n    pass"}),
        (["timings/prompt_n", "content"], {"timings/prompt_n": 2, "content": "x"}),
        (["tokens_cached", "truncated"], {"tokens_cached": 0, "truncated": False}),
        (["nothing", "timings/nothing", "stop"], {"stop": True}),
        (["timings"], {"timings": TIMINGS}),
        ([""], {}),
        ([], LLAMA),
        (None, LLAMA),
    ],
)
@pytest.mark.parametrize("name", ["infill", "completion"])
def test_response_fields(name: str, fields: Any, want: dict[str, Any]) -> None:
    """What an editor names of an answer, and nothing else; a path is its own key."""
    request = wanted(FORMS[name], response_fields=fields)
    found = asked(FORMS[name].path, request).json
    assert list(found) == list(want)
    assert {**found, "content": ""} == {**want, "content": ""}


# ------------------------------------------------------------- early ends


def endless() -> Iterator[Any]:
    """A model that says one line after the other, which are indented less and less."""
    for number in range(1000):
        yield said("  " * max(0, 5 - number) + f"line {number}\n")


@BOTH_WAYS
@pytest.mark.parametrize(
    ("name", "fields", "want"),
    [
        ("infill", {"n_indent": 6}, "          line 0\n        line 1\n      line 2"),
        ("completion", {"n_indent": 10}, "          line 0"),
        ("generate", {"max_lines": 2}, "          line 0\n        line 1"),
    ],
)
def test_enough(name: str, fields: dict[str, Any], want: str, stream: bool) -> None:
    """A text that has all it may have ends at once, also at Ollama."""
    form, ollama = FORMS[name], Speaking(endless)
    request = wanted(form, "x", "", stream=stream) | fields
    assert form.read(asked(form.path, request, ollama)).rstrip("\n") == want
    assert ollama.closed == 1
    assert ollama.taken < 10


class Clock:
    """A time that goes on by what is said."""

    now = 100.0

    def monotonic(self) -> float:
        """Now, in seconds."""
        return self.now


@BOTH_WAYS
@pytest.mark.parametrize("name", ["infill", "completion"])
@pytest.mark.parametrize(
    ("fields", "pieces", "want"),
    [
        ({"t_max_predict_ms": 1000}, ["a", "b\n", "c", "d"], "ab\n"),
        # Not before there is a line, and not before it is time.
        ({"t_max_predict_ms": 1000}, ["a", "b", "c\n", "d"], "abc\n"),
        ({"t_max_predict_ms": 2500}, ["a\n", "b", "c", "d", "e"], "a\nbcd"),
        ({"t_max_predict_ms": 0}, ["a\n", "b\n", "c"], "a\nb\nc"),
        ({"t_max_predict_ms": -1}, ["a\n", "b\n", "c"], "a\nb\nc"),
        ({}, ["a\n", "b\n", "c"], "a\nb\nc"),
    ],
)
def test_t_max_predict_ms(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    fields: dict[str, Any],
    pieces: list[str],
    want: str,
    stream: bool,
) -> None:
    """From then on a text ends as soon as it has a line; each piece takes a second."""
    clock = Clock()
    monkeypatch.setattr("writers.code.time", clock)

    def speak() -> Iterator[Any]:
        for piece in pieces:
            yield said(piece)
            clock.now += 1
        yield END

    form, ollama = FORMS[name], Speaking(speak)
    request = wanted(form, "x", "", stream=stream) | fields
    assert form.read(asked(form.path, request, ollama)) == want
    assert ollama.closed == 1
    cut = want != "".join(pieces)
    assert (ollama.taken <= len(pieces)) == cut


@pytest.mark.parametrize(
    ("lines", "fields", "kind", "word"),
    [
        ([said("a"), END], {}, "eos", ""),
        ([said("a"), said(**DONE | {"done_reason": "length"})], {}, "limit", ""),
        ([said("a<|file_sep|>b"), END], {}, "word", "<|file_sep|>"),
        ([said("a\n b\nc\n"), said("d")], {"n_indent": 1}, "limit", ""),
    ],
)
def test_why_it_stopped(lines: Any, fields: Any, kind: str, word: str) -> None:
    """llama.cpp's editors are told why a text ended."""
    answer = asked(INFILL, wanted(FORMS["infill"]) | fields, Speaking(lambda: lines))
    assert (answer.json["stop_type"], answer.json["stopping_word"]) == (kind, word)


# ---------------------------------------------------------------- nothing


@EVERY
@BOTH_WAYS
@pytest.mark.parametrize("model", ["qwen2.5-coder", "default", "", None])
def test_nothing_to_go_by(form: Form, stream: bool, model: Any) -> None:
    """With nothing around the hole there is nothing in it, and no call."""
    ollama = Speaking()
    request = wanted(form, "", "", stream=stream, model=model)
    answer = asked(form.path, request, ollama, code_model="")
    assert answer.status == 200
    assert form.read(answer) == ""
    assert ollama.calls == []


def test_nothing_to_go_by_without_any_model() -> None:
    """Nothing comes of nothing also where no model could be asked."""
    for form in FORMS.values():
        app = linted(Speaking())
        assert ask(app, "POST", form.path, form.request("", "")).status == 200


def test_reading_ahead() -> None:
    """What is only to be read ahead is answered at once; the model says one token."""
    upstream = FakeUpstream(b'{"response":"x","done":true}')
    request = {
        "model": "qwen2.5-coder",
        "input_prefix": "def f(",
        "input_suffix": ")",
        "n_predict": 0,
        "samplers": [],
        "cache_prompt": True,
        "t_max_prompt_ms": 1,
        "t_max_predict_ms": 1,
        "response_fields": [""],
    }
    answer = ask(stacked(upstream), "POST", INFILL, request)
    assert (answer.status, answer.json) == (200, {})
    assert "X-Pannier-Ignored" not in answer.headers
    assert upstream.requests == []  # so nobody has waited
    while not (upstream.responses and upstream.responses[0].closed):
        gevent.sleep(0)
    (asked_ahead,) = upstream.requests
    assert (asked_ahead.method, asked_ahead.target) == ("POST", "/api/generate")
    options = USUAL | {"num_predict": 1, "stop": QWEN}
    assert json.loads(asked_ahead.body) == RAW | {"options": options}


@pytest.mark.parametrize("name", ["infill", "completion", "completions"])
def test_reading_ahead_explained(name: str) -> None:
    """The explanation shows the one token."""
    ollama, form = Speaking(), FORMS[name]
    request = wanted(form, n_predict=0)
    answer = asked(f"{form.path}?explain=1", request, ollama)
    assert answer.json["requests"][0]["options"]["num_predict"] == 1
    gevent.sleep(0)
    assert ollama.calls == []


# ----------------------------------------------------------------- models


@EVERY
@pytest.mark.parametrize("model", [None, "", " ", "default", "Default"])
@pytest.mark.parametrize(
    ("settings", "known", "meant"),
    [
        ({"code_model": "filler"}, (), "filler"),
        ({"code_model": "mine", "aliases": "mine=codestral"}, (), "codestral"),
        ({"aliases": "default=llama3.2"}, (), "codestral:latest"),
        ({"default_model": "llama3.2"}, (), "codestral:latest"),
        ({}, ("llama3.2:latest", "codestral:latest"), "codestral:latest"),
        ({}, ("llama3.2:latest", "filler:latest"), "filler:latest"),
    ],
)
def test_default(
    form: Form, model: Any, settings: Any, known: tuple[str, ...], meant: str
) -> None:
    """No model, or ``default``: the one of the setting, or the first that can fill."""
    request = form.request("def f(", ")") | {"model": model}
    assert called(form.path, request, *known, **settings)["model"] == meant


@EVERY
def test_an_alias(form: Form) -> None:
    """Another name of a model is resolved, and the editor reads its own."""
    settings = {"aliases": "codellama:7b-code=qwen2.5-coder"}
    request = wanted(form, model="codellama:7b-code")
    assert called(form.path, request, **settings) == RAW
    answer = asked(form.path, request | {"stream": False}, **settings)
    assert answer.json.get("model", "codellama:7b-code") == "codellama:7b-code"


@EVERY
@BOTH_WAYS
def test_no_model_for_code(form: Form, stream: bool) -> None:
    """Where none is named and none can fill in, a 404 says so in the right form."""
    ollama = Speaking()
    request = form.request("def f(", ")") | {"stream": stream}
    answer = asked(form.path, request, ollama, "llama3.2:latest")
    assert answer.status == 404
    assert message(form.path, answer) == "no code model is configured"
    if form.path != CODE:
        assert answer.error["code"] == "model_not_found"
        assert answer.error["param"] == "model"
    assert ollama.calls == []


# ------------------------------------------------------------- what fails


@EVERY
@BOTH_WAYS
def test_ollamas_refusal(form: Form, stream: bool) -> None:
    """A refusal before the first token has its status and the form's envelope."""
    said = b'{"error":"model \'qwen2.5-coder\' not found"}'
    ollama = Ollama(said, status="404 Not Found")
    answer = asked(form.path, wanted(form, stream=stream), ollama)
    assert answer.status == 404
    assert message(form.path, answer) == "model 'qwen2.5-coder' not found"


#: How a stream of each form tells that it has failed; the others are errors as ever.
LAST: dict[str, Any] = {
    "infill": {"error": {"message": "oh no", "type": "api_error"}},
    "completion": {"error": {"message": "oh no", "type": "api_error"}},
    "completions": {"error": {"message": "oh no", "type": "api_error"}},
    "fim": {"error": {"message": "oh no", "type": "api_error"}},
    "generate": {"error": "oh no"},
}


@pytest.mark.parametrize("name", FORMS)
def test_a_stream_that_fails(name: str) -> None:
    """After the first token the last thing said is the error; whole, it is a status."""
    form = FORMS[name]

    def speak() -> list[Any]:
        return [said("a"), {"error": "oh no"}]

    answer = asked(form.path, wanted(form, stream=False), Speaking(speak))
    assert answer.status == 500
    assert message(form.path, answer) == "oh no"
    if name == "tabby":
        return
    answer = asked(form.path, wanted(form, stream=True), Speaking(speak))
    assert answer.status == 200
    if name == "generate":
        first, last = map(json.loads, answer.body.splitlines())
    else:
        first, last = answer.frames
        last["error"] = {k: last["error"][k] for k in ("message", "type")}
    assert form.piece(first) == "a"
    assert last == LAST[name]


def test_the_code_apis_stream_that_fails() -> None:
    """Its last line says that it is the last."""
    ollama = Speaking(lambda: [said("a"), {"error": "oh no"}])
    answer = asked(CODE, {"prompt": "x", "stream": True}, ollama)
    last = json.loads(answer.body.splitlines()[-1])
    assert last == {"error": "oh no", "done": True}


@pytest.mark.parametrize("path", [INFILL, COMPLETION, BARE])
@pytest.mark.parametrize("prompt", [[1, 2], 5, {"a": 1}, True, ["a", "b"]])
def test_prompts_that_are_no_text(path: str, prompt: Any) -> None:
    """llama.cpp's tokens, lists and objects are refused by name."""
    answer = asked(path, {"model": "m", "prompt": prompt, "n_predict": 5})
    assert (answer.status, answer.error["code"]) == (400, "invalid_type")
    assert answer.error["param"] == "prompt"


# ------------------------------------------------------ fields, and modes


@EVERY
def test_explained(form: Form) -> None:
    """What would be sent is shown, and nothing is."""
    ollama = Speaking()
    answer = asked(f"{form.path}?explain=1", wanted(form, user="ann", nix=1), ollama)
    found = answer.json
    assert found["requests"] == [RAW]
    assert found["endpoint"] == "/api/generate"
    assert found["model"] == {"requested": "qwen2.5-coder", "resolved": "qwen2.5-coder"}
    assert {"field": "nix", "reason": "Pannier does not know this field"} in found[
        "ignored"
    ]
    assert ollama.calls == []


@EVERY
def test_nothing_explained(form: Form) -> None:
    """Where there is nothing to go by, no call is shown."""
    found = asked(f"{form.path}?explain=1", wanted(form, "", "")).json
    assert (found["calls"], found["requests"], found["endpoint"]) == (0, [], None)


@EVERY
def test_strict(form: Form) -> None:
    """Strict mode refuses by name what nobody knows, in the form's envelope."""
    ollama = Speaking()
    answer = asked(form.path, wanted(form, nix=1), ollama, strict=True)
    assert answer.status == 400
    assert "'nix'" in message(form.path, answer)
    assert ollama.calls == []
    assert asked(form.path, wanted(form), strict=True).status == 200


# ------------------------------------------------------- whose form it is


@pytest.mark.parametrize(
    ("path", "fields", "object_"),
    [
        (TEXT, {"prompt": "x", "n_predict": 5}, "text_completion"),
        (BARE, {"prompt": "x", "n_predict": 5, "max_tokens": 5}, "text_completion"),
        (BARE, {"prompt": "x", "n_predict": None}, "text_completion"),
        (BARE, {"prompt": 'n_predict": "segments"'}, "text_completion"),
        (BARE, {"prompt": "x", "segments": None}, "text_completion"),
        (BARE, {"prompt": "x", "n_predict": 5}, None),
        ("/beta/completions", {"prompt": "x", "suffix": "y"}, "text_completion"),
    ],
)
def test_whose_form(path: str, fields: Any, object_: str | None) -> None:
    """OpenAI's completions stay OpenAI's, but for what only another form has."""
    answer = asked(path, {"model": "qwen2.5-coder"} | fields)
    assert answer.status == 200
    assert answer.json.get("object") == object_


@pytest.mark.parametrize("path", [TEXT, BARE, "/beta/completions"])
def test_tabby_is_everywhere(path: str) -> None:
    """``segments`` make a request Tabby's on each of the routes."""
    assert called(path, wanted(FORMS["tabby"])) == RAW


@pytest.mark.parametrize("path", ["/fim/completions", FIM])
def test_fim_with_and_without_v1(path: str) -> None:
    """Mistral's form answers on both of its routes."""
    assert called(path, wanted(FORMS["fim"])) == RAW


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"segments"', b'{"segments":'])
def test_what_is_no_request(body: bytes) -> None:
    """Whose form it would be or not: bytes that are no request are a 400."""
    for path in (TEXT, BARE, INFILL, COMPLETION, FIM, CODE):
        answer = asked(path, body)
        assert answer.status == 400
        assert message(path, answer)


# ----------------------------------------------------------------- probes


def probed(*known: str, **settings: Any) -> Any:
    """The real stack; linters know nothing of HEAD, nor of a 204 that has no length."""
    upstream = FakeUpstream()
    upstream.control = Known(*known)  # type: ignore[method-assign]
    return stacked(upstream, lambda app: app, **settings)


@pytest.mark.parametrize(
    ("settings", "known", "model"),
    [
        ({}, (), "codestral:latest"),
        ({"code_model": "filler"}, (), "filler"),
        ({"code_model": "nowhere"}, (), "nowhere"),
        ({}, ("llama3.2:latest",), ""),
    ],
)
def test_probes(settings: Any, known: tuple[str, ...], model: str) -> None:
    """Tabby's and llama.cpp's editors find what they look for, if there is one."""
    app = probed(*known, **settings)
    for method in ("GET", "POST"):
        health = ask(app, method, "/v1/health")
        assert health.status == 200
        assert health.json["model"] == model
        assert health.json["cuda_devices"] == []
        assert health.json["version"]["git_describe"].startswith("pannier-")
    props = ask(app, "GET", "/props")
    assert props.json["model_path"] == model
    assert props.json["total_slots"] == 1
    assert props.json["default_generation_settings"]["n_ctx"] > 0
    assert bool(props.json["chat_template"]) == (model not in ("", "nowhere"))
    for path, found in (("/v1/health", health), ("/props", props)):
        head = ask(app, "HEAD", path)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == str(len(found.body))


@pytest.mark.parametrize("body", [{"type": "view"}, b"", b"[]", b"nonsense"])
def test_events(body: Any) -> None:
    """What editors tell of their use is taken and forgotten, whatever it is."""
    answer = ask(probed(), "POST", "/v1/events", body)
    assert (answer.status, answer.body) == (204, b"")
    assert "Content-Length" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", INFILL),
        ("GET", COMPLETION),
        ("GET", FIM),
        ("GET", CODE),
        ("POST", "/props"),
        ("GET", "/v1/events"),
        ("DELETE", "/v1/health"),
    ],
)
def test_other_methods(method: str, path: str) -> None:
    """Another method is a 405 that lists what there is."""
    answer = ask(linted(Speaking()), method, path)
    assert answer.status == 405
    assert answer.headers["Allow"]
