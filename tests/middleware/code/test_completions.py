import json
from collections.abc import Iterable
from typing import Any

import pytest
from openai import types
from support.coders import Coders
from support.ollama import NDJSON, Answer, Ollama, ask
from support.stack import linted
from support.writing import lines

from app.errors import UpstreamBroken
from middleware.code.chatting import messages
from middleware.code.families import Families
from middleware.code.hole import Hole

TEXT = "/v1/completions"
QWEN, CODELLAMA = "qwen2.5-coder:7b", "codellama:7b-code"
TIME = "2026-01-02T03:04:05.678Z"
USUAL = {"num_predict": 128, "temperature": 0.1, "top_p": 0.95}
USAGE = {"stream": True, "stream_options": {"include_usage": True}}
DONE = {"done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 3}
FAMILIES = Families.load()
case = pytest.mark.parametrize
#: A request for what stands between two texts.
HOLE: dict[str, Any] = {"model": QWEN, "prompt": "a = ", "suffix": "\nb"}


def said(text: str = "", **more: Any) -> dict[str, Any]:
    """One line of a completion."""
    return {"created_at": TIME, "response": text, "done": False} | more


WORDS = [said("1 + "), said("\U0001f600"), said(" # x"), said(**DONE)]


class Saying:
    """An Ollama whose calls say lines, each as ``speak`` has it for a call."""

    def __init__(self, speak: Any = lambda call: WORDS, cut: int = 0) -> None:
        self._speak = speak
        self._cut = cut
        self.calls: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.closed = 0

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer one call."""
        call = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        self.calls.append(call)
        self.paths.append(environ["PATH_INFO"])
        start_response("200 OK", [*NDJSON])
        blocks = self._blocks(self._speak(call))
        return _Said(self, blocks)

    def _blocks(self, replies: Iterable[Any]) -> list[Any]:
        if not self._cut:
            return [
                one if isinstance(one, Exception) else lines(one) for one in replies
            ]
        whole = lines(*replies)
        return [whole[at : at + self._cut] for at in range(0, len(whole), self._cut)]


class _Said:
    def __init__(self, ollama: Saying, blocks: list[Any]) -> None:
        self._ollama = ollama
        self._blocks = iter(blocks)

    def __iter__(self) -> "_Said":
        return self

    def __next__(self) -> bytes:
        block = next(self._blocks)
        if isinstance(block, Exception):
            raise block
        return bytes(block)

    def close(self) -> None:
        """Let go; counted."""
        self._ollama.closed += 1


def asked(
    body: dict[str, Any],
    ollama: Saying | None = None,
    path: str = TEXT,
    **settings: Any,
) -> Answer:
    """The answer to a good request."""
    app = linted(ollama or Saying(), control=Coders(), **settings)
    answer = ask(app, "POST", path, body)
    assert answer.status == 200, answer.body
    return answer


def called(body: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """The only call that becomes of a request."""
    ollama = Saying()
    asked(body, ollama, **settings)
    (call,) = ollama.calls
    return call


def text_of(answer: Answer) -> str:
    """The text of the only choice, whole or streamed."""
    if answer.headers["Content-Type"] == "application/json":
        (choice,) = types.Completion.model_validate(answer.json).choices
        return choice.text
    *chunks, done = answer.frames
    assert done == "[DONE]"
    return "".join(one["text"] for chunk in chunks for one in chunk["choices"])


def prompt_of(model: str, *texts: str, **more: Any) -> str:
    """The raw prompt of a model's family."""
    family = FAMILIES.of(model)
    assert family is not None
    return family.prompt(Hole(*texts, **more))


# ---------------------------------------------------------------------- calls


def test_a_whole_call() -> None:
    """What is between two texts is asked of the model in its family's form."""
    call = called(HOLE)
    stops = call["options"].pop("stop")
    assert call == {
        "model": QWEN,
        "stream": True,
        "options": USUAL,
        "prompt": "<|fim_prefix|>a = <|fim_suffix|>\nb<|fim_middle|>",
        "raw": True,
    }
    assert stops == FAMILIES.of(QWEN).stops(Hole())  # type: ignore[union-attr]


@case("path", ["/v1/completions", "/completions", "/beta/completions"])
def test_every_path(path: str) -> None:
    """It is the same wherever completions are."""
    ollama = Saying()
    answer = asked(HOLE, ollama, path)
    assert text_of(answer) == "1 + \U0001f600 # x"
    assert ollama.calls[0]["raw"] is True


@case(
    ("model", "want"),
    [
        ("inserter", {"prompt": "a = ", "suffix": "\nb"}),
        ("base", {"prompt": "a = ", "raw": True}),
        (CODELLAMA, {"prompt": "<PRE> a =  <SUF>\nb <MID>", "raw": True}),
        ("codestral", {"prompt": "[SUFFIX]\nb[PREFIX]a = ", "raw": True}),
        ("default", {"model": CODELLAMA}),
        ("Default", {"model": CODELLAMA}),
        ("mine", {"model": "codestral", "raw": True}),
    ],
)
def test_each_model_is_asked_its_way(model: str, want: dict[str, Any]) -> None:
    """The model decides how it is asked; aliases and ``default`` count."""
    settings = {"code_model": CODELLAMA, "aliases": "mine=codestral"}
    call = called(HOLE | {"model": model}, **settings)
    assert {name: call.get(name) for name in want} == want


def test_default_without_a_hole_is_no_code() -> None:
    """A prompt that is to be continued goes to the model that chats."""
    settings = {"code_model": CODELLAMA, "default_model": "llama3.2"}
    call = called({"model": "default", "prompt": "x"}, **settings)
    assert (call["model"], call["prompt"]) == ("llama3.2", "x")


@case(
    ("fields", "want"),
    [
        ({"max_tokens": 7}, {"num_predict": 7}),
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_p": 0.5, "seed": 3}, {"top_p": 0.5, "seed": 3}),
        ({"options": {"num_predict": 9, "top_k": 1}}, {"num_predict": 9, "top_k": 1}),
        ({"presence_penalty": 1}, {"presence_penalty": 1}),
        ({"openai_defaults": False}, {}),
    ],
)
def test_the_clients_sampling_wins(fields: dict[str, Any], want: Any) -> None:
    """What the client does not say is as for code, not as for a conversation."""
    settings = {} if "openai_defaults" not in fields else fields
    body = HOLE if settings else HOLE | fields
    options = called(body, **settings)["options"]
    options.pop("stop")
    assert options == USUAL | want


@case(
    ("stop", "first"),
    [("\n", ["\n"]), (["\n", "x"], ["\n", "x"]), (["<|im_end|>"], ["<|im_end|>"])],
)
def test_stop_strings_are_united(stop: Any, first: list[str]) -> None:
    """The client's stop strings come first, each is there once."""
    found = called(HOLE | {"stop": stop})["options"]["stop"]
    assert found[: len(first)] == first
    assert len(set(found)) == len(found)
    assert {*FAMILIES.of(QWEN).stop} <= {*found}  # type: ignore[union-attr]


@case(
    ("model", "think", "want"),
    [
        ("thinker", None, False),
        ("gpt-oss:20b", None, "low"),
        ("thinker", True, True),
        (QWEN, None, None),
    ],
)
def test_nobody_thinks_unasked(model: str, think: Any, want: Any) -> None:
    """A model that can think is told not to, unless the client wants it."""
    assert called(HOLE | {"model": model, "think": think}).get("think") == want


@case(
    ("prompt", "suffix", "texts"),
    [
        ("", "b", ("", "b")),
        (None, "b", ("", "b")),
        ([""], "b", ("", "b")),
        ("a", " ", ("a", " ")),
        ("a\r\n", "\r\nb", ("a\r\n", "\r\nb")),
        # with a suffix a prompt is a text, whatever is in it
        ("<PRE> a <SUF> c <MID>", "b", ("<PRE> a <SUF> c <MID>", "b")),
        ("# Language: Python\nx", "b", ("# Language: Python\nx", "b")),
    ],
)
def test_the_two_texts(prompt: Any, suffix: str, texts: tuple[str, str]) -> None:
    """They go in byte for byte; the one before may be empty."""
    call = called({"model": QWEN, "prompt": prompt, "suffix": suffix})
    assert call["prompt"] == prompt_of(QWEN, *texts)


@case("prompt", ["", None, [], [""]])
@case("more", [{}, {"suffix": ""}, {"suffix": None}])
def test_nothing_to_go_by(prompt: Any, more: dict[str, Any]) -> None:
    """Without a suffix there must be a prompt."""
    app = linted(Saying(), control=Coders())
    answer = ask(app, "POST", TEXT, {"model": QWEN, "prompt": prompt, **more})
    assert answer.status == 400
    assert answer.error["code"] == "missing_required_parameter"


@case("prompt", ["", None, [""]])
@case("setting", [{"code_rewrite": False}, {"legacy": True}])
def test_an_empty_prompt_is_not_ollamas(prompt: Any, setting: dict[str, Any]) -> None:
    """Where Ollama fills in there must be a prompt, for it says nothing to none."""
    ollama = Saying()
    app = linted(ollama, control=Coders(), **setting)
    answer = ask(app, "POST", TEXT, {"model": QWEN, "prompt": prompt, "suffix": "b"})
    assert answer.status == 400
    assert answer.error["code"] == "missing_required_parameter"
    assert ollama.calls == []


def test_no_code_model() -> None:
    """``default`` with a suffix is a 404 where no model can fill in."""
    app = linted(Saying(), control=Coders("talker"))
    answer = ask(app, "POST", TEXT, HOLE | {"model": "default"})
    assert answer.status == 404
    assert answer.error["code"] == "model_not_found"
    assert answer.error["message"] == "no code model is configured"


@case("field", ["system", "template"])
def test_fields_without_a_place(field: str) -> None:
    """What a family's form has no place for is named, and not sent."""
    ollama = Saying()
    answer = asked(HOLE | {field: "x"}, ollama)
    assert field not in ollama.calls[0]
    assert answer.headers["X-Pannier-Ignored"] == field


def test_what_was_cut_is_said() -> None:
    """A text that is longer than the context is cut, and the client told."""
    answer = asked(HOLE | {"prompt": "a = 1\n" * 9000})
    assert answer.headers["X-Pannier-Adjusted"] == "prompt=trimmed"


# -------------------------------------------------------------------- markers


@case(
    ("model", "prompt", "want"),
    [
        # llama.vscode's mode for OpenAI writes Qwen's
        (
            QWEN,
            "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>",
            "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>",
        ),
        (
            "codestral",
            "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>",
            "[SUFFIX]b[PREFIX]a",
        ),
        # twinny writes Code Llama's, and a header of its own
        (
            QWEN,
            "<PRE> \n\n// Language: TypeScript (typescript) \n"
            "// File uri: file:///w/a.ts (typescript) \nlet x =  <SUF> \n <MID>",
            "<|fim_prefix|>let x = <|fim_suffix|>\n<|fim_middle|>",
        ),
        (CODELLAMA, "<PRE> a <SUF>b <MID>", "<PRE> a <SUF>b <MID>"),
        (QWEN, "a <SUF> b <MID>", "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"),
    ],
)
def test_markers_in_the_prompt(model: str, prompt: str, want: str) -> None:
    """A prompt with an editor's markers is put into the model's form."""
    for given in (prompt, [prompt]):
        call = called({"model": model, "prompt": given, "max_tokens": 5})
        assert (call["prompt"], call["raw"]) == (want, True)
        assert call["options"]["num_predict"] == 5
        assert call["options"]["temperature"] == 0.1


@case(
    "prompt",
    [
        "a <SUF> b",
        "<PRE> a",
        "# Language: Python\ndef f(",
        "x<fim_prefix>a<fim_suffix>b<fim_middle>",
        ["<PRE> a <SUF> b", "<PRE> a <SUF> b"],
    ],
)
def test_what_is_no_hole(prompt: Any) -> None:
    """Other prompts go on as ever, though they look a little like one."""
    ollama = Saying()
    asked({"model": QWEN, "prompt": prompt}, ollama)
    for call in ollama.calls:
        assert call["prompt"] in prompt
        assert (call["stream"], call.get("raw")) == (False, None)
        assert call["options"] == {"temperature": 1.0, "top_p": 1.0}


def test_an_ordinary_prompt_costs_no_question() -> None:
    """Nobody is asked about the model of a prompt that is to be continued."""
    models = Coders()
    app = linted(Saying(), control=models, completions_raw="never")
    assert ask(app, "POST", TEXT, {"model": QWEN, "prompt": "x"}).status == 200
    assert models.asked == []


def test_the_strict_parser() -> None:
    """With the setting only the original's form is one."""
    foreign = "<fim_prefix>a<fim_suffix>b<fim_middle>"
    call = called({"model": QWEN, "prompt": foreign}, code_parser="strict")
    assert (call["prompt"], call.get("raw")) == (foreign, None)
    call = called({"model": QWEN, "prompt": "a <SUF> b <MID>"}, code_parser="strict")
    assert call["prompt"] == prompt_of(QWEN, "a", "b")


# ------------------------------------------------------------ who else fills in


@case("setting", [{"code_rewrite": False}, {"legacy": True}])
@case("more", [{}, {"stream": True}])
def test_ollama_fills_in(setting: dict[str, Any], more: dict[str, Any]) -> None:
    """Where it is to be so the suffix goes to Ollama as before."""
    call = called(HOLE | more, **setting)
    assert (call["prompt"], call["suffix"]) == ("a = ", "\nb")
    assert (call["stream"], call.get("raw")) == (bool(more), None)
    assert call["options"].get("num_predict") is None
    call = called({"model": QWEN, "prompt": "<PRE> a <SUF> b <MID>"}, **setting)
    assert (call["prompt"], call.get("raw")) == ("<PRE> a <SUF> b <MID>", None)


def test_a_prompt_that_is_only_shown() -> None:
    """How Ollama would put it is shown as Ollama would put it."""
    shown = {"model": QWEN, "created_at": TIME, "response": "", "done": False}
    shown["_debug_info"] = {"rendered_template": "x"}
    app = linted(Ollama(lines(shown)), control=Coders())
    answer = ask(app, "POST", TEXT, HOLE | {"_debug_render_only": True})
    assert answer.status == 200
    assert answer.json["_debug_info"] == {"rendered_template": "x"}


# -------------------------------------------------------------------- answers


@case("stream", [{}, USAGE])
@case("cut", [0, 1, 2, 7])
def test_however_it_is_cut(stream: dict[str, Any], cut: int) -> None:
    """However Ollama's bytes are cut the text is the same, as is all around it."""
    answer = asked(HOLE | stream, Saying(cut=cut))
    assert text_of(answer) == "1 + \U0001f600 # x"
    if not stream:
        whole = answer.json
        (choice,) = whole["choices"]
        assert (choice["index"], choice["finish_reason"]) == (0, "stop")
        assert choice["logprobs"] is None
        assert whole["model"] == QWEN
        assert whole["object"] == "text_completion"
        assert whole["id"].startswith("cmpl-")
        usage = whole["usage"]
    else:
        *chunks, last, _ = answer.frames
        reasons = [one["choices"][0]["finish_reason"] for one in chunks]
        assert reasons == [None] * (len(chunks) - 1) + ["stop"]
        assert all(chunk["usage"] is None for chunk in chunks)
        assert last["choices"] == []
        usage = last["usage"]
    assert usage == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


@case("stream", [{}, {"stream": True}])
@case(
    ("pieces", "want"),
    [
        (["x", "<|file_", "sep|>", "y"], "x"),  # an end that Ollama let through
        (["    x", "\ndef ", "last():", "\n    pass"], "    x"),
        (["\n  x"], "\n  x"),  # white space at the beginning is part of it
        (["x\ndef"], "x\ndef"),  # too little to be a repetition
    ],
)
def test_the_text_is_trimmed(stream: Any, pieces: list[str], want: str) -> None:
    """Ends of the family and a repetition of the suffix are no part of the text."""
    replies = [*map(said, pieces), said(**DONE)]
    body = HOLE | {"suffix": "\ndef last():\n    pass\n"} | stream
    answer = asked(body, Saying(lambda call: replies))
    assert text_of(answer) == want


@case("stream", [{}, USAGE])
def test_a_cut_answer(stream: dict[str, Any]) -> None:
    """Why Ollama ended is what the client is told."""
    replies = [said("x"), said(**DONE | {"done_reason": "length"})]
    answer = asked(HOLE | stream, Saying(lambda call: replies))
    chunks = answer.frames[:-2] if stream else [answer.json]
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"


@case("stream", [{}, {"stream": True}])
def test_markers_in_the_texts(stream: dict[str, Any]) -> None:
    """What was put into markers of the texts comes out of the answer again."""
    echo = [said("<\u200d|fim_"), said("suffix|> \u200d"), said(**DONE)]
    body = HOLE | {"prompt": "s = '<|fim_suffix|>'\nt = "} | stream
    ollama = Saying(lambda call: echo)
    assert text_of(asked(body, ollama)) == "<|fim_suffix|> \u200d"
    assert ollama.calls[0]["prompt"].count("<|fim_suffix|>") == 1


# ------------------------------------------------------------ models that chat


def chat(text: str, **more: Any) -> dict[str, Any]:
    """One line of a conversation."""
    return {
        "created_at": TIME,
        "message": {"role": "assistant", "content": text},
    } | more


CHAT = [chat("Sure: <comp"), chat("letion>  1"), chat(" + 2"), chat("", **DONE)]


def test_a_model_that_chats() -> None:
    """It is asked a question, and only the text of its answer goes out."""
    ollama = Saying(lambda call: CHAT)
    answer = asked(HOLE | {"model": "talker", "max_tokens": 9, "stop": "x"}, ollama)
    assert text_of(answer) == "  1 + 2"
    (call,) = ollama.calls
    assert ollama.paths == ["/api/chat"]
    assert call["stream"] is True
    assert call["options"] == USUAL | {"num_predict": 9, "stop": ["x", "</completion>"]}
    said = [(one["role"], one["content"]) for one in call["messages"]]
    assert said == [(m.role, m.content) for m in messages(Hole("a = ", "\nb"))]


def test_a_model_that_chats_streamed() -> None:
    """Nothing goes out before it is known what of it is the text."""
    answer = asked(HOLE | USAGE | {"model": "talker"}, Saying(lambda call: CHAT))
    text, last, usage, done = answer.frames
    assert text["choices"][0]["text"] == "  1 + 2"
    assert last["choices"][0] == {
        "text": "",
        "index": 0,
        "finish_reason": "stop",
        "logprobs": None,
    }
    assert usage["usage"]["completion_tokens"] == 3
    assert done == "[DONE]"


def test_several_prompts_to_a_model_that_chats() -> None:
    """Each prompt is a question of its own."""
    ollama = Saying(lambda call: CHAT)
    body = HOLE | {"model": "talker", "prompt": ["a = 1\nb = ", "c"], "n": 2}
    answer = asked(body, ollama)
    asks = [call["messages"][-1]["content"] for call in ollama.calls]
    assert [text.count("a = 1") for text in asks] == [1, 1, 0, 0]
    assert [choice["text"] for choice in answer.json["choices"]] == ["  1 + 2"] * 4


# -------------------------------------------------------------- several choices


def numbered(call: dict[str, Any]) -> list[Any]:
    """A text that says which prompt and seed it is for."""
    prompt = call["prompt"].split(">")[1].split("<")[0]
    seed = call["options"].get("seed", "")
    return [said(f"{prompt}"), said(f":{seed}"), said(**DONE)]


def test_n() -> None:
    """``n`` choices are as many calls, with one seed after the other."""
    ollama = Saying(numbered)
    answer = asked(HOLE | {"n": 3, "seed": 5}, ollama).json
    assert [choice["text"] for choice in answer["choices"]] == [
        f"a = :{seed}" for seed in (5, 6, 7)
    ]
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    used = answer["usage"]
    assert (used["prompt_tokens"], used["completion_tokens"]) == (7, 9)
    assert all(call["raw"] and call["stream"] for call in ollama.calls)
    assert ollama.closed >= 3


def test_several_prompts() -> None:
    """Each prompt has the suffix, and its choices in its place."""
    ollama = Saying(numbered)
    body = HOLE | {"prompt": ["x", "longer", ""], "n": 2, "seed": 1}
    answer = asked(body, ollama).json
    assert [choice["text"] for choice in answer["choices"]] == [
        *["x:1", "x:2", "longer:1", "longer:2", ":1", ":2"]
    ]
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3, 4, 5]
    prompts = sorted({call["prompt"] for call in ollama.calls})
    assert prompts == sorted(prompt_of(QWEN, p, "\nb") for p in ("x", "longer", ""))
    assert answer["usage"]["prompt_tokens"] == 21


def counted(prompts: list[str]) -> int:
    """How much of a long prompt fits, once Ollama has counted those of some others."""
    reply = [said("x"), said(**DONE | {"prompt_eval_count": 1000})]
    ollama = Saying(lambda call: reply)
    app = linted(ollama, control=Coders())
    for prompt in (prompts, "a = 1\n" * 9000):
        assert ask(app, "POST", TEXT, HOLE | {"prompt": prompt}).status == 200
    return len(ollama.calls[-1]["prompt"])


def test_counts_of_several_prompts_tell_nothing() -> None:
    """How long a token is, is learnt of a prompt that was counted alone."""
    usual = counted(["x"])
    assert counted(["x" * 1500, "y", "z"]) == usual
    assert counted(["x" * 1500]) < usual * 0.6


@case("more", [{"n": 2}, {"prompt": ["a = ", "a = "]}])
def test_several_choices_streamed(more: dict[str, Any]) -> None:
    """Each choice is whole and ends once; then usage and the mark of the end."""
    answer = asked(HOLE | USAGE | {"seed": 1} | more, Saying(numbered))
    *chunks, usage, done = answer.frames
    texts, ends = {0: "", 1: ""}, {0: 0, 1: 0}
    for chunk in chunks:
        (choice,) = chunk["choices"]
        assert not ends[choice["index"]]
        texts[choice["index"]] += choice["text"]
        ends[choice["index"]] += choice["finish_reason"] is not None
    second = 2 if "n" in more else 1
    assert texts == {0: "a = :1", 1: f"a = :{second}"}
    assert ends == {0: 1, 1: 1}
    assert usage["usage"]["completion_tokens"] == 6
    assert done == "[DONE]"


@case("stream", [{}, {"stream": True}])
def test_a_trimmed_choice_of_several(stream: dict[str, Any]) -> None:
    """Each choice is trimmed by itself."""
    replies = [said("x<|fim_pad|>y"), said("z"), said(**DONE)]
    answer = asked(HOLE | {"n": 2} | stream, Saying(lambda call: replies))
    if stream:
        texts = {0: "", 1: ""}
        for chunk in answer.frames[:-1]:
            (choice,) = chunk["choices"]
            texts[choice["index"]] += choice["text"]
        assert texts == {0: "x", 1: "x"}
    else:
        assert [choice["text"] for choice in answer.json["choices"]] == ["x", "x"]


def token(text: str, probability: float) -> dict[str, Any]:
    """A line with one token and how likely it was."""
    return said(text, logprobs=[{"token": text, "logprob": probability, "bytes": None}])


def by_seed(call: dict[str, Any]) -> list[Any]:
    """The seed, the likelier the closer to 7."""
    seed = call["options"]["seed"]
    return [token(str(seed), -abs(seed - 7.0) - 0.5), said(**DONE)]


def test_best_of() -> None:
    """Of several tries the likeliest are answered."""
    body = HOLE | {"n": 2, "best_of": 4, "seed": 5}
    ollama = Saying(by_seed)
    answer = asked(body, ollama).json
    assert [choice["text"] for choice in answer["choices"]] in (["7", "6"], ["7", "8"])
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    assert all(choice["logprobs"] is None for choice in answer["choices"])
    assert len(ollama.calls) == 4
    assert answer["usage"]["completion_tokens"] == 12


def test_best_of_streamed() -> None:
    """In a stream there is no choice: it is named as without effect."""
    answer = asked(HOLE | {"best_of": 3, "seed": 5, "stream": True}, Saying(by_seed))
    assert answer.headers["X-Pannier-Ignored"] == "best_of"
    assert text_of(answer) == "5"


@case("n", [1, 2])
def test_echo(n: int) -> None:
    """The prompt stands before the text, as it was given."""
    body = HOLE | {"echo": True, "n": n}
    for choice in asked(body).json["choices"]:
        assert choice["text"] == "a = 1 + \U0001f600 # x"
    chunks = asked(body | {"stream": True}).frames[:-1]
    for index in range(n):
        said = [c for chunk in chunks for c in chunk["choices"] if c["index"] == index]
        assert "".join(c["text"] for c in said) == "a = 1 + \U0001f600 # x"


@case("stream", [{}, {"stream": True}])
@case("echo", [False, True])
def test_logprobs(stream: dict[str, Any], echo: bool) -> None:
    """Tokens come with the text that they are of, their places counted on."""
    replies = [token("ab", -1), token("c", -2), said(**DONE)]
    ollama = Saying(lambda call: replies)
    answer = asked(HOLE | {"logprobs": 2, "echo": echo} | stream, ollama)
    assert (ollama.calls[0]["logprobs"], ollama.calls[0]["top_logprobs"]) == (True, 2)
    parts = answer.frames[:-1] if stream else [answer.json]
    found = [part["choices"][0]["logprobs"] for part in parts]
    listed = [one for one in found if one]
    for name, want in (
        ("tokens", ["ab", "c"]),
        ("token_logprobs", [-1, -2]),
        ("text_offset", [4, 6] if echo else [0, 2]),
    ):
        assert [value for one in listed for value in one[name]] == want


# ------------------------------------------------------------------- failures


@case(
    ("status", "body", "code"),
    [
        ("404 Not Found", b'{"error":"model \'x\' not found"}', "model_not_found"),
        ("500 Internal Server Error", b'{"error":"it crashed"}', "upstream_error"),
        ("502 Bad Gateway", b"<html>", "bad_upstream_response"),
        ("503 Service Unavailable", b'{"error":"busy"}', "server_overloaded"),
    ],
)
@case("more", [{}, {"stream": True}, {"n": 2}, {"n": 2, "stream": True}])
def test_refused(status: str, body: bytes, code: str, more: dict[str, Any]) -> None:
    """What Ollama refuses has its status, in OpenAI's envelope, streamed or not."""
    app = linted(Ollama(body, status=status), control=Coders())
    answer = ask(app, "POST", TEXT, HOLE | more)
    assert answer.status == int(status[:3])
    assert answer.error["code"] == code


BREAKS: list[tuple[list[Any], str]] = [
    ([], "upstream_incomplete"),
    ([UpstreamBroken("it broke")], "bad_upstream_response"),
    ([{"error": "out of memory"}], "upstream_error"),
    ([b"nonsense\n"], "bad_upstream_response"),
]


@case(("last", "code"), BREAKS)
@case("n", [1, 2])
def test_broken(last: list[Any], code: str, n: int) -> None:
    """A stream that breaks in the middle ends with an error, and nothing after it."""
    ollama = Saying(lambda call: [said("x"), *last])
    *chunks, error = asked(HOLE | {"n": n, "stream": True}, ollama).frames
    assert list(error) == ["error"]
    assert error["error"]["code"] == code
    texts = [chunk["choices"][0] for chunk in chunks]
    assert {one["text"] for one in texts} == {"x"}
    assert not any(one["finish_reason"] for one in texts)


@case(("last", "code"), BREAKS)
@case(("model", "stream"), [(QWEN, False), ("talker", False), ("talker", True)])
@case("n", [1, 2])
def test_broken_before_anything_was_sent(
    last: list[Any], code: str, model: str, stream: bool, n: int
) -> None:
    """An answer in one piece is an error; so is one of which nothing is out yet."""
    begin = chat("x") if model == "talker" else said("x")
    app = linted(Saying(lambda call: [begin, *last]), control=Coders())
    body = HOLE | {"model": model, "n": n, "stream": stream}
    answer = ask(app, "POST", TEXT, body)
    assert answer.status in (500, 502)
    assert answer.error["code"] == code


def test_explained() -> None:
    """An explanation shows the calls that would be made, and makes none."""
    ollama = Saying()
    answer = asked(HOLE | {"n": 2, "seed": 1}, ollama, f"{TEXT}?explain=1").json
    assert [call["options"]["seed"] for call in answer["requests"]] == [1, 2]
    assert answer["requests"][0]["prompt"] == prompt_of(QWEN, "a = ", "\nb")
    assert answer["model"] == {"requested": QWEN, "resolved": QWEN}
    assert ollama.calls == []
