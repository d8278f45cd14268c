import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ollama as theirs
import pytest
from support.coders import Coders
from support.ollama import NDJSON, Answer, FakeUpstream, ask, environ_of
from support.stack import stacked
from support.writing import lines
from werkzeug.test import run_wsgi_app

from app.errors import UpstreamBroken, UpstreamTimeout, UpstreamUnreachable
from middleware.code.families import Families
from middleware.code.hole import File, Hole
from middleware.code.parser import FOREIGN

GENERATE, CODE = "/api/generate", "/code/generate"
QWEN, CODELLAMA = "qwen2.5-coder:7b", "codellama:7b-code"
SEED_KEYS = ["model", "created_at", "response", "input_tokens", "output_tokens"]
SEED_KEYS += ["total_duration", "done"]
TIME = "2026-01-02T03:04:05.678901234Z"
case = pytest.mark.parametrize


def said(text: str = "", **more: Any) -> dict[str, Any]:
    """One line of Ollama's."""
    return {"model": "real", "created_at": TIME, "response": text, "done": False} | more


DONE = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 3_000_000_000,
    "prompt_eval_count": 9,
    "eval_count": 4,
}
#: A text in pieces, emoji included, as Ollama streams it.
PIECES = ["    ret", "urn “", "\U0001f600", "”\n", "    # done"]
TEXT = "".join(PIECES)
REPLIES = [*map(said, PIECES), said(**DONE)]


class Door:
    """The whole stack over an Ollama that answers with ``blocks``."""

    def __init__(
        self,
        *blocks: bytes | Exception,
        models: Coders | None = None,
        upstream: dict[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        options = {"headers": NDJSON} | (upstream or {})
        self.upstream = FakeUpstream(*(blocks or [lines(*REPLIES)]), **options)
        self.upstream.control = models or Coders()  # type: ignore[method-assign]
        self.app = stacked(self.upstream, **settings)

    def ask(self, body: Any, path: str = GENERATE, **headers: str) -> Answer:
        """The answer to one request."""
        return ask(self.app, "POST", path, body, **headers)

    @property
    def sent(self) -> Any:
        """The only call to Ollama."""
        (request,) = self.upstream.requests
        return json.loads(request.body)

    def went(self, body: Any) -> str:
        """Whose affair a request is: ``native``, as it came, or ``code``."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        before = len(self.upstream.requests)
        answer = self.ask(body)
        made = self.upstream.requests[before:]
        for request in made:
            if request.body == body:
                assert (request.method, request.target) == ("POST", GENERATE)
                assert answer.body == b"".join(self.upstream.blocks)  # type: ignore[arg-type]
                return "native"
        assert answer.status == 200, answer.body
        return "code"


@pytest.fixture
def families(tmp_path: Path) -> str:
    """A file of families with each of the settings."""
    file = tmp_path / "families.toml"
    file.write_text(
        """
[[family]]
name = "always"
match = ["always*"]
template = "<P>{code_prefix}<S>{code_suffix}<M>"
mode = "always"

[[family]]
name = "seeded"
match = ["seeded*"]
template = "{code_prefix}"
mode = "always"
shape = "seed"

[[family]]
name = "left-alone"
match = ["qwen2.5-coder*"]
template = "{code_prefix}"
rewrite = false
"""
    )
    return str(file)


# ------------------------------------------------------- whose affair it is


@case(
    ("body", "want"),
    [
        # no model, or the one that is for code
        ({"prompt": "x"}, "code"),
        ({"model": "", "prompt": "x"}, "code"),
        ({"model": "  ", "prompt": "x"}, "code"),
        ({"model": None, "prompt": "x"}, "code"),
        ({"model": "default", "prompt": "x"}, "code"),
        ({"model": "Default", "prompt": "x"}, "code"),
        ({"model": " default ", "prompt": "x"}, "code"),
        ({"model": "default", "prompt": "x", "raw": True, "stream": True}, "code"),
        ({"prompt": "x", "suffix": "y"}, "code"),
        ({}, "code"),
        ({"model": "default"}, "code"),
        # another one
        ({"model": "llama3.2", "prompt": "x"}, "native"),
        ({"model": "defaults", "prompt": "x"}, "native"),
        ({"model": "default:latest", "prompt": "x"}, "native"),
        ({"model": "llama3.2", "keep_alive": 0}, "native"),
        ({"model": "llama3.2", "prompt": ""}, "native"),
        ({"model": "absent", "prompt": "x"}, "native"),
        # Go reads keys in any case
        ({"Model": "llama3.2", "prompt": "x"}, "native"),
        ({"MODEL": "", "prompt": "x"}, "native"),
        ({"model": None, "mOdel": "llama3.2"}, "native"),
        # what makes no sense is Ollama's to refuse
        ({"model": 5, "prompt": "x"}, "native"),
        ({"model": ["default"], "prompt": "x"}, "native"),
        ({"model": {"default": 1}}, "native"),
        ({"model": False}, "native"),
    ],
)
def test_the_model_decides(body: dict[str, Any], want: str) -> None:
    """Row 1: code is what names no model, or ``default``, and nothing near it."""
    assert Door().went(body) == want


@case(
    ("body", "want"),
    [
        (b"", "native"),
        (b" ", "native"),
        (b"{", "native"),
        (b"nonsense", "native"),
        (b"[]", "native"),
        (b'["default"]', "native"),
        (b"null", "native"),
        (b"5", "native"),
        (b'"default"', "native"),
        (b'{"prompt":"x"} {}', "native"),
        (b'{"prompt":"x",}', "native"),
        (b'{"prompt":"\xff"}', "native"),
        (b'{"prompt":' + b"[" * 200 + b"]" * 200 + b"}", "native"),
        (b'{"prompt":"x","y":' + b"[" * 200 + b"]" * 200 + b"}", "native"),
        # Ollama refuses a byte order mark
        (b'\xef\xbb\xbf{"prompt":"x"}', "native"),
        (b'\xef\xbb\xbf{"model":"llama3.2","prompt":"x"}', "native"),
        # the last of two counts, as in Go
        (b'{"model":"llama3.2","model":"default","prompt":"x"}', "code"),
        (b'{"model":"default","model":"llama3.2","prompt":"x"}', "native"),
        (b'{"model":"llama3.2","prompt":"<PRE> <SUF>","prompt":"x"}', "native"),
        # half a surrogate is some character
        (b'{"prompt":"\\ud83d"}', "code"),
        (b'{"model":"\\ud83d"}', "native"),
        # escapes say the same
        (b'{"mod\\u0065l":"llama3.2","prompt":"x"}', "native"),
        (b'{"model":"d\\u0065fault","prompt":"x"}', "code"),
        (
            b'{"model":"llama3.2","prompt":"\\u003cPRE\\u003e a \\u003cSUF\\u003e b"}',
            "code",
        ),
        # white space and unknown members go through untouched
        (b' { "model" : "llama3.2" , "x" : [ 1.0 ] , "prompt":"x" }\n', "native"),
    ],
)
def test_bytes_decide(body: bytes, want: str) -> None:
    """What is no JSON object goes on as it came, and what says the same is the same."""
    assert Door().went(body) == want


@case(
    ("model", "settings", "want"),
    [
        ("always", {}, "code"),
        ("always:7b", {}, "code"),
        ("someone/always:7b", {}, "code"),
        ("never-always", {}, "native"),
        ("mine", {"aliases": "mine=always:7b"}, "code"),
        ("always", {"aliases": "always=llama3.2"}, "native"),
        ("seeded", {}, "code"),
        # it is not what rewriting is about
        ("always", {"code_rewrite": False}, "code"),
        ("llama3.2", {"code_rewrite": False}, "native"),
    ],
)
def test_a_family_decides(
    families: str, model: str, settings: dict[str, Any], want: str
) -> None:
    """Row 2: every prompt to a family with ``mode`` always is code."""
    if want == "native" and settings.get("aliases"):
        settings = {**settings, "relay": "all"}
    door = Door(code_families=families, **settings)
    body = {"model": model, "prompt": "x"}
    if settings.get("aliases") and want == "native":
        door.ask(body)
        assert door.sent == {"model": "llama3.2", "prompt": "x"}
    else:
        assert door.went(body) == want


def marked(name: str, prefix: str = "a", suffix: str = "b") -> str:
    """A prompt in a family's form."""
    (form,) = [each for each in FOREIGN if each.name == name]
    if form.suffix_first:
        return f"{form.suffix}{suffix}{form.prefix}{prefix}{form.middle}"
    return f"{form.prefix}{prefix}{form.suffix}{suffix}{form.middle}"


@case(
    ("prompt", "want"),
    [
        ("<PRE> a <SUF> b <MID>", "code"),
        ("<PRE> a <SUF>b <MID>", "code"),
        ("<PRE>a<SUF>b<MID>", "code"),
        ("<PRE> a <SUF> b", "code"),
        ("a <SUF> b <MID>", "code"),
        ("a <SUF> b <MID> \r\n", "code"),
        ("# Language: Python\na <SUF> b <MID>", "code"),
        ("<PRE> # Language: Python\na <SUF> b <MID>", "code"),
        *[(marked(form.name), "code") for form in FOREIGN if form.name != "qwen"],
        # not all of the markers
        ("a <SUF> b", "native"),
        ("<PRE> a <MID>", "native"),
        ("<PRE> a", "native"),
        ("a <MID>", "native"),
        ("<fim_prefix>a<fim_suffix>b", "native"),
        ("<fim_prefix>a<fim_middle>", "native"),
        ("[SUFFIX]b", "native"),
        # nor where no editor puts them
        ("x <PRE> a <SUF> b", "native"),
        ("a <SUF> b <MID> c", "native"),
        ("x<fim_prefix>a<fim_suffix>b<fim_middle>", "native"),
        ("<fim_prefix>a<fim_suffix>b<fim_middle>c", "native"),
        ("<fim_suffix>a<fim_prefix>b<fim_middle>", "native"),
        ("[PREFIX]a[SUFFIX]b", "native"),
        # nor of one family
        ("<fim_prefix>a<|fim_suffix|>b<fim_middle>", "native"),
        ("<pre> a <suf> b <mid>", "native"),
        # a header may stand in any prompt
        ("# Language: Python\n# Path: a.py\ndef f(", "native"),
        ("Explain <SUF> to me", "native"),
        ("", "native"),
    ],
)
def test_markers_decide(prompt: str, want: str) -> None:
    """Row 3: code is what carries an editor's markers where an editor writes them."""
    for model in ("llama3.2", QWEN, "absent"):
        assert Door().went({"model": model, "prompt": prompt}) == want


@case(
    ("model", "name"),
    [
        (QWEN, "qwen"),
        ("starcoder2:3b", "starcoder"),
        ("codestral", "codestral"),
        ("deepseek-coder:6.7b-base", "deepseek"),
    ],
)
def test_own_markers_that_are_raw_go_on(model: str, name: str) -> None:
    """A prompt that is in the model's own form, and raw, is as good as it can be."""
    body = {"model": model, "prompt": marked(name), "raw": True}
    assert Door().went(body) == "native"
    for raw in (False, None, 1):
        assert Door().went({**body, "raw": raw}) == "code"
    door = Door()
    door.ask({"model": model, "prompt": marked(name)})
    assert (door.sent["prompt"], door.sent["raw"]) == (marked(name), True)


def test_code_llamas_markers_are_everybodys() -> None:
    """Editors write them for any model: raw or not, they are read."""
    prompt = "<PRE> a <SUF>b <MID>"
    door = Door()
    assert door.went({"model": CODELLAMA, "prompt": prompt, "raw": True}) == "code"
    assert (door.sent["prompt"], door.sent["raw"]) == (prompt, True)
    door = Door()
    assert door.went({"model": QWEN, "prompt": prompt, "raw": True}) == "code"
    assert door.sent["prompt"] == "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"


@case(
    ("body", "want"),
    [
        # Ollama would refuse it
        ({"model": "talker", "prompt": "a", "suffix": "b"}, "code"),
        ({"model": "llama3.2", "prompt": "a", "suffix": "b"}, "code"),
        ({"model": "older-talker", "prompt": "a", "suffix": "b"}, "code"),
        ({"model": "talker", "prompt": "a", "suffix": "b", "raw": False}, "code"),
        # or lose it
        ({"model": QWEN, "prompt": "a", "suffix": "b", "raw": True}, "code"),
        ({"model": QWEN, "prompt": "", "suffix": "b"}, "code"),
        ({"model": QWEN, "suffix": "b"}, "code"),
        ({"model": QWEN, "prompt": None, "suffix": "b"}, "code"),
        ({"model": "inserter", "prompt": "", "suffix": "b"}, "code"),
        # or put it into a form that the model did not learn
        ({"model": "starcoder2:3b", "prompt": "a", "suffix": "b"}, "code"),
        ({"model": "granite-code:3b", "prompt": "a", "suffix": "b"}, "code"),
        ({"model": "thinking-coder", "prompt": "a", "suffix": "b"}, "code"),
        # Ollama does it well
        ({"model": QWEN, "prompt": "a", "suffix": "b"}, "native"),
        ({"model": QWEN, "prompt": "a", "suffix": "b", "raw": False}, "native"),
        ({"model": "inserter", "prompt": "a", "suffix": "b"}, "native"),
        ({"model": CODELLAMA, "prompt": "a", "suffix": "b"}, "native"),
        # or may, for all that is known
        ({"model": "older-inserter", "prompt": "a", "suffix": "b"}, "native"),
        ({"model": "absent", "prompt": "a", "suffix": "b"}, "native"),
        # there is none
        ({"model": "talker", "prompt": "a", "suffix": ""}, "native"),
        ({"model": "talker", "prompt": "a", "suffix": None}, "native"),
        ({"model": "talker", "prompt": "a", "suffix": 5}, "native"),
        ({"model": "talker", "prompt": "a", "suffix": ["b"]}, "native"),
        ({"model": "talker", "prompt": 5, "suffix": "b"}, "native"),
        ({"model": "talker", "prompt": ["a"], "suffix": "b"}, "native"),
        ({"model": QWEN, "prompt": "a", "raw": True}, "native"),
        ({"model": QWEN, "prompt": "", "suffix": ""}, "native"),
    ],
)
def test_the_suffix_decides(body: dict[str, Any], want: str) -> None:
    """Row 4: code is a suffix that Ollama would refuse, lose, or put badly."""
    assert Door().went(body) == want


def test_a_suffix_while_ollama_is_silent() -> None:
    """Where nobody can say what the model can do Ollama decides."""
    body = {"model": "talker", "prompt": "a", "suffix": "b"}
    assert Door(models=Coders(silent=True)).went(body) == "native"


REWRITTEN = [
    {"model": "talker", "prompt": "<PRE> a <SUF> b <MID>"},
    {"model": "talker", "prompt": marked("starcoder")},
    {"model": "talker", "prompt": "a", "suffix": "b"},
    {"model": QWEN, "prompt": "a", "suffix": "b", "raw": True},
]


@case("body", REWRITTEN)
def test_rewriting_can_be_off(body: dict[str, Any]) -> None:
    """With the setting off only what names no model is code."""
    assert Door().went(body) == "code"
    door = Door(code_rewrite=False)
    assert door.went(body) == "native"
    assert door.went({**body, "model": "default"}) == "code"


def test_rewriting_can_be_off_for_a_family(families: str) -> None:
    """A family of the user's can leave alone what names its models."""
    door = Door(code_families=families)
    for body in REWRITTEN:
        assert door.went({**body, "model": QWEN}) == "native"
    assert door.went({"model": "talker", "prompt": "a", "suffix": "b"}) == "code"


def test_the_strict_parser_at_the_door() -> None:
    """It knows the markers of the original alone; those of others pass."""
    door = Door(code_parser="strict")
    assert door.went({"model": "talker", "prompt": "a <SUF> b <MID>"}) == "code"
    for form in FOREIGN:
        assert door.went({"model": "talker", "prompt": marked(form.name)}) == "native"


def test_an_ordinary_request_costs_no_question() -> None:
    """Where no text says that it is code nobody is asked about the model."""
    models = Coders()
    door = Door(models=models, aliases="a=llama3.2")
    for body in (
        {"model": "llama3.2", "prompt": "x"},
        {"model": QWEN, "prompt": "x", "raw": True},
        {"model": "talker", "prompt": "<PRE> a"},
    ):
        assert door.went(body) == "native"
    assert models.asked == []


@case("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_ollamas(method: str) -> None:
    """Only POST completes code."""
    door = Door(relay="all")
    ask(door.app, method, GENERATE, {"prompt": "x"})
    (request,) = door.upstream.requests
    assert (request.method, request.body) == (method, b'{"prompt": "x"}')


@case(
    "body",
    [
        {"model": "llama3.2", "prompt": "x"},
        {"model": QWEN, "prompt": "a", "suffix": "b"},
        {"prompt": "x"},
        {"model": "always", "prompt": "x"},
    ],
)
def test_the_code_route_is_always_code(body: dict[str, Any], families: str) -> None:
    """``/code/generate`` never relays."""
    door = Door(code_rewrite=False)
    answer = door.ask({**body, "stream": False}, CODE)
    assert answer.json["response"] == TEXT
    assert door.sent["stream"] is True


# ------------------------------------------------------------------- its shape


def test_the_older_shape() -> None:
    """Section 2.1: seven keys in order; one line, whatever ``stream`` lacks."""
    for more in ({}, {"stream": False}, {"stream": None}, {"model": "default"}):
        answer = Door().ask({"prompt": "def f(", **more})
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.body.endswith(b"}\n")
        assert answer.body.count(b"\n") == 1
        said = answer.json
        assert list(said) == SEED_KEYS
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", said["created_at"])
        assert isinstance(said["total_duration"], float)
        assert said["total_duration"] == round(said["total_duration"], 3)
        assert [said[key] for key in ("model", "response", "done")] == [
            "default",
            TEXT,
            True,
        ]
        assert (said["input_tokens"], said["output_tokens"]) == (9, 4)


@case("literal", ["default", "Default", "DEFAULT"])
def test_the_model_is_the_clients_word(literal: str) -> None:
    """``model`` in the answer is what the client wrote."""
    assert Door().ask({"model": literal, "prompt": "x"}).json["model"] == literal


def test_the_older_shape_streamed() -> None:
    """Lines without counters, a last one with all of them and no text."""
    answer = Door().ask({"prompt": "x", "stream": True})
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    *texts, last = of_lines(answer)
    for line in texts:
        assert list(line) == ["model", "created_at", "response", "done"]
        assert line["done"] is False
    assert "".join(line["response"] for line in texts) == TEXT
    assert list(last) == SEED_KEYS
    assert (last["response"], last["done"], last["output_tokens"]) == ("", True, 4)


def test_ollamas_shape() -> None:
    """What names its model gets Ollama's own keys, which its library reads."""
    body = {"model": "talker", "prompt": "a", "suffix": "b", "stream": False}
    chat = [
        {"model": "real", "created_at": TIME, "message": {"content": text}}
        for text in PIECES
    ]
    answer = Door(lines(*chat, said(**DONE))).ask(body)
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    reply = theirs.GenerateResponse(**answer.json)
    assert (reply.model, reply.response, reply.done) == ("talker", TEXT, True)
    assert (reply.prompt_eval_count, reply.eval_count) == (9, 4)
    assert reply.total_duration == 3_000_000_000
    assert isinstance(answer.json["total_duration"], int)


@case("stream", [{}, {"stream": True}, {"stream": None}])
def test_ollamas_shape_streams(stream: dict[str, Any]) -> None:
    """As at Ollama's, a stream is what nobody has refused."""
    body = {"model": QWEN, "prompt": "a", "suffix": "b", "raw": True, **stream}
    answer = Door().ask(body)
    assert answer.headers["Content-Type"] == "application/x-ndjson"
    found = of_lines(answer)
    for line in found:
        theirs.GenerateResponse(**line)
        assert line["model"] == QWEN
    assert "".join(line["response"] for line in found) == TEXT
    assert [line["done"] for line in found] == [False] * (len(found) - 1) + [True]


@case(
    ("body", "seed"),
    [
        ({"prompt": "x"}, True),
        ({"model": "default", "prompt": "<PRE> a <SUF> b <MID>"}, True),
        ({"model": "default", "prompt": "a", "suffix": "b", "raw": True}, True),
        ({"model": "seeded", "prompt": "x"}, True),
        ({"model": "always", "prompt": "x"}, False),
        ({"model": "talker", "prompt": "<PRE> a <SUF> b <MID>"}, False),
        ({"model": "talker", "prompt": "a", "suffix": "b"}, False),
        ({"model": "mine", "prompt": "a", "suffix": "b"}, False),
    ],
)
@case("path", [GENERATE, CODE])
def test_which_shape(
    families: str, body: dict[str, Any], seed: bool, path: str
) -> None:
    """The shape is the model's affair alone: ``default``, or a family's own."""
    door = Door(code_families=families, aliases="mine=talker")
    answer = door.ask({**body, "stream": False}, path)
    assert ("input_tokens" in answer.json) is seed
    assert ("eval_count" in answer.json) is not seed


def of_lines(answer: Answer) -> list[Any]:
    """The lines of a stream, each complete."""
    assert answer.body.endswith(b"\n")
    return [json.loads(line) for line in answer.body[:-1].split(b"\n")]


@case("stream", [True, False])
def test_more_can_be_told(stream: bool) -> None:
    """With the setting three keys more follow at the end."""
    door = Door(code_extended=True, models=Coders(QWEN))
    *_, last = of_lines(door.ask({"prompt": "x", "stream": stream}))
    assert list(last) == [*SEED_KEYS, "done_reason", "resolved_model", "template"]
    assert (last["done_reason"], last["resolved_model"]) == ("stop", QWEN)
    assert last["template"] == Families.load().of(QWEN).template  # type: ignore[union-attr]
    body = {"model": QWEN, "prompt": marked("starcoder"), "stream": False}
    assert "template" not in door.ask(body).json


@case("body", [{}, {"prompt": ""}, {"prompt": "# Language: Python\n", "suffix": ""}])
@case("stream", [True, False])
def test_nothing_to_go_by(body: dict[str, Any], stream: bool) -> None:
    """An empty prefix and suffix are an empty answer, and no call."""
    models = Coders()
    door = Door(models=models)
    *rest, last = of_lines(door.ask({**body, "stream": stream}))
    assert rest == []
    assert list(last) == SEED_KEYS
    assert (last["response"], last["input_tokens"], last["output_tokens"]) == ("", 0, 0)
    assert door.upstream.requests == []
    assert models.asked == []


def test_nothing_between_markers() -> None:
    """So are empty markers, in Ollama's shape."""
    door = Door()
    body = {"model": "talker", "prompt": "<PRE> <SUF> <MID>", "stream": False}
    answer = theirs.GenerateResponse(**door.ask(body).json)
    assert (answer.response, answer.done) == ("", True)
    assert door.upstream.requests == []


# ------------------------------------------------------------------ its fields


def sent(body: dict[str, Any], **settings: Any) -> Any:
    """The call that becomes of a request to ``/api/generate``."""
    models = settings.pop("models", None) or Coders(QWEN)
    door = Door(models=models, **settings)
    answer = door.ask({"prompt": "a", "suffix": "b", **body})
    assert answer.status == 200, answer.body
    return door.sent


STOPS = [
    *["<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
    *["<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|im_start|>", "<|im_end|>"],
]


def test_the_whole_call() -> None:
    """A call has the family's prompt, its stops, a few tokens of what is likely."""
    assert sent({}) == {
        "model": QWEN,
        "stream": True,
        "options": {
            "num_predict": 128,
            "temperature": 0.1,
            "top_p": 0.95,
            "stop": STOPS,
        },
        "prompt": "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>",
        "raw": True,
    }


@case(
    ("options", "want"),
    [
        ({"num_predict": 7}, {"num_predict": 7}),
        ({"temperature": 0.2}, {"temperature": 0.2}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_p": 0.5, "top_k": 3}, {"top_p": 0.5, "top_k": 3}),
        ({"seed": 7, "num_ctx": 9000}, {"seed": 7, "num_ctx": 9000}),
        ({"stop": ["\n", "<|file_sep|>"]}, {"stop": ["\n", "<|file_sep|>"]}),
        ({"temperature": None}, {}),
    ],
)
def test_the_clients_options_win(options: dict[str, Any], want: dict[str, Any]) -> None:
    """What the client says counts; what it does not say is as usual."""
    usual = {"num_predict": 128, "temperature": 0.1, "top_p": 0.95}
    stop = list(dict.fromkeys([*want.get("stop", []), *STOPS]))
    assert sent({"options": options})["options"] == usual | want | {"stop": stop}


@case(
    ("body", "want"),
    [
        ({"keep_alive": 30}, {"keep_alive": 30}),
        ({"keep_alive": "5m"}, {"keep_alive": "5m"}),
        ({"stream": False}, {"stream": True}),
        ({"raw": False}, {"raw": True}),
    ],
)
def test_fields_that_go_on(body: dict[str, Any], want: dict[str, Any]) -> None:
    """Every call streams and is raw; how long a model stays is the client's word."""
    found = sent(body)
    assert {key: found[key] for key in want} == want


@case(
    ("fields", "want"),
    [
        ({"prompt": "# Language: Go\n# Path: a.go\nx"}, Hole("x", "b", "Go", "a.go")),
        ({"prompt": "# Path: a.go\nx"}, Hole("x", "b", "go", "a.go")),
        (
            {"prompt": "# Language: Go\n# Path: a.go\nx", "language": "C", "path": "b"},
            Hole("x", "b", "C", "b"),
        ),
        ({"path": "b.py"}, Hole("a", "b", "python", "b.py")),
        ({"repo": "r"}, Hole("a", "b", repo="r")),
        (
            {
                "repo": "r",
                "path": "p.py",
                "extra": [{"filename": "f", "text": "t"}, {"text": "u"}, {}],
            },
            Hole("a", "b", "python", "p.py", "r", (File("f", "t"), File("", "u"))),
        ),
        (
            {"extra": [{"text": "new", "time": 2}, {"text": "old", "time": 1}]},
            Hole("a", "b", files=(File("", "old"), File("", "new"))),
        ),
        # the suffix beats the markers
        ({"prompt": "a <SUF> c <MID>"}, Hole("a <SUF> c <MID>", "b")),
        ({"prompt": "<PRE> a <SUF> c <MID>", "suffix": ""}, Hole("a", "c")),
        ({"prompt": marked("starcoder"), "suffix": ""}, Hole("a", "b")),
    ],
)
@case("model", ["codegeex4", QWEN])
def test_what_is_said_of_the_hole(
    fields: dict[str, Any], want: Hole, model: str
) -> None:
    """Prompt, suffix and our own fields are the hole that the family puts."""
    door = Door(models=Coders(silent=True))
    door.ask({"model": model, "prompt": "a", "suffix": "b", **fields}, CODE)
    family = Families.load().of(model)
    assert family is not None
    # The parser's own tests say what a language is called.
    assert door.sent["prompt"].lower() == family.prompt(want).lower()


def test_max_lines() -> None:
    """A text is ended after so many lines, in either shape, and Ollama with it."""
    for model in ("default", QWEN):
        for stream in (True, False):
            door = Door(*[lines(reply) for reply in REPLIES])
            body = {"model": model, "prompt": marked("starcoder"), "max_lines": 1}
            said = door.ask({**body, "stream": stream}, CODE).body.splitlines()
            text = "".join(json.loads(line)["response"] for line in said)
            assert text == "    return “\U0001f600”"
            (response,) = door.upstream.responses
            assert response.taken == 4
            assert response.closed


@case("fields", [{"max_lines": 0}, {"max_lines": None}, {"extra": [{}] * 300}])
def test_fields_at_their_bounds(fields: dict[str, Any]) -> None:
    """No limit is none, and of files there may be any number."""
    answer = Door().ask({"prompt": "a", **fields}, CODE)
    assert answer.json["response"] == TEXT


def test_a_large_prompt() -> None:
    """Of a megabyte what fits goes to the model, whatever form it came in."""
    text = "x = 1\r\n" * 75_000
    for prompt in (f"{text} <SUF> {text} <MID>", f"<PRE> {text} <SUF>{text} <MID>"):
        assert len(prompt) > 1_000_000
        door = Door(models=Coders(QWEN, loaded={QWEN: 4096}))
        answer = door.ask({"prompt": prompt})
        assert answer.headers["X-Pannier-Adjusted"].startswith("prompt=trimmed")
        before, after = door.sent["prompt"].split("<|fim_suffix|>")
        assert before.removeprefix("<|fim_prefix|>") == "x = 1\r\n" * 1338
        assert after.removesuffix("<|fim_middle|>") == "x = 1\r\n" * 446


@case(
    "fields",
    [
        {"language": 5},
        {"path": []},
        {"extra": {}},
        {"extra": [5]},
        {"extra": [{"text": 5}]},
        {"max_lines": "x"},
        {"max_lines": -1},
        {"max_lines": 1.5},
        {"options": []},
        {"options": {"num_predict": "x"}},
        {"keep_alive": "soon"},
        {"stream": "yes"},
        {"suffix": 5},
        {"prompt": 5},
        {"prompt": True},
    ],
)
def test_wrong_fields(fields: dict[str, Any]) -> None:
    """A field of the wrong type is a 400 that names it, in Ollama's envelope."""
    door = Door()
    answer = door.ask({"prompt": "a", **fields}, CODE)
    (name,) = fields
    assert answer.status == 400
    assert list(answer.json) == ["error"]
    assert name in answer.json["error"]
    assert door.upstream.requests == []


def test_a_prompt_that_is_only_shown() -> None:
    """Ollama's way to show a prompt does nothing here, and never breaks an answer."""
    body = {"prompt": "a", "_debug_render_only": True, "stream": False}
    door = Door()
    answer = door.ask(body)
    assert answer.json["response"] == TEXT
    assert "_debug_render_only" not in door.sent
    assert "_debug_render_only" in answer.headers["X-Pannier-Ignored"]


def test_the_strict_parser() -> None:
    """With the setting a prompt is read exactly as the original reads it."""
    prompt = "// Language: Go\nx = <SUF> y <MID> z"
    assert "Language" not in sent({"prompt": prompt, "suffix": ""})["prompt"]
    found = sent({"prompt": prompt, "suffix": ""}, code_parser="strict")
    want = Hole("// Language: Go\nx =", "y")
    assert found["prompt"] == Families.load().of(QWEN).prompt(want)  # type: ignore[union-attr]
    foreign = marked("starcoder")
    found = sent({"prompt": foreign, "suffix": ""}, code_parser="strict")
    assert found["prompt"] == Families.load().of(QWEN).prompt(Hole(foreign))  # type: ignore[union-attr]


def test_what_was_left_out_is_named() -> None:
    """A prompt that was cut is named in a header, as is a field without effect."""
    door = Door()
    answer = door.ask({"prompt": "a\n" * 20_000, "nonsense": 1})
    assert answer.headers["X-Pannier-Adjusted"] == "prompt=trimmed"
    assert answer.headers["X-Pannier-Ignored"] == "nonsense"


# ------------------------------------------------------------------ its errors

FAILURES: list[tuple[dict[str, Any], list[bytes | Exception], int, str]] = [
    ({"status": 401}, [b'{"error":"unauthorized"}'], 401, "unauthorized"),
    ({"status": 403}, [b'{"error":"not for you"}'], 403, "not for you"),
    ({"status": 404}, [b'{"error":"model \'x\' not found"}'], 404, "not found"),
    ({"status": 429}, [b'{"error":"too many"}'], 429, "too many"),
    ({"status": 500}, [b'{"error":"it crashed"}'], 500, "it crashed"),
    ({"status": 503}, [b'{"error":"server busy"}'], 503, "server busy"),
    ({"status": 502}, [b"<html>"], 502, "Ollama"),
    ({"failure": UpstreamUnreachable("nobody there")}, [b"{}"], 502, "nobody there"),
    ({"failure": UpstreamTimeout("too slow")}, [b"{}"], 504, "too slow"),
    ({}, [UpstreamBroken("it broke")], 502, "it broke"),
    ({}, [b'{"error":"in the first line"}\n'], 500, "in the first line"),
    ({}, [b"nonsense\n"], 502, "understood"),
    ({}, [b"[]\n"], 502, "understood"),
]


@case(("upstream", "blocks", "status", "words"), FAILURES)
@case("body", [{"prompt": "x"}, {"model": QWEN, "prompt": marked("starcoder")}])
@case("stream", [True, False])
def test_failures_before_the_text(
    upstream: dict[str, Any],
    blocks: list[bytes | Exception],
    status: int,
    words: str,
    body: dict[str, Any],
    stream: bool,
) -> None:
    """Section 2.1: what fails before any text has its status, in Ollama's envelope."""
    if stream and upstream == {}:
        return  # the head of a stream is out when Ollama's is
    door = Door(*blocks, upstream=upstream)
    answer = door.ask({**body, "stream": stream})
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/json"
    assert list(answer.json) == ["error"]
    assert words in answer.json["error"]


BREAKS: list[tuple[list[bytes | Exception], str]] = [
    ([], "ended before it was complete"),
    ([UpstreamBroken("it broke")], "it broke"),
    ([b'{"error":"out of memory"}\n'], "out of memory"),
    ([b"nonsense\n"], "understood"),
    ([b'{"respon'], "understood"),
]


@case(("last", "words"), BREAKS)
def test_failures_in_the_text(last: list[bytes | Exception], words: str) -> None:
    """A stream that breaks ends with a line that says so, and whether it is the last.

    An answer in one piece is an error.
    """
    blocks = [lines(reply) for reply in REPLIES[:-1]]
    for body, more in (
        ({"prompt": "x"}, {"done": True}),
        ({"model": QWEN, "prompt": marked("starcoder")}, {}),
    ):
        answer = Door(*blocks, *last).ask({**body, "stream": True})
        assert answer.status == 200
        *texts, error = of_lines(answer)
        assert "".join(line["response"] for line in texts) == TEXT
        assert not any(line["done"] for line in texts)
        assert list(error) == ["error", *more]
        assert words in error.pop("error")
        assert error == more
        answer = Door(*blocks, *last).ask({**body, "stream": False})
        assert answer.status in (500, 502)
        assert list(answer.json) == ["error"]
        assert words in answer.json["error"]


def test_no_code_model() -> None:
    """Where no model can fill in, a 404 says so."""
    for body in ({"prompt": "x"}, {"prompt": "x", "stream": True}):
        answer = Door(models=Coders("talker", "embedder")).ask(body)
        assert answer.status == 404
        assert answer.json == {"error": "no code model is configured"}


def test_too_large() -> None:
    """A body beyond the limit is a 413 in Ollama's envelope."""
    answer = Door(max_body_bytes=1000).ask({"prompt": "x" * 2000})
    assert answer.status == 413
    assert list(answer.json) == ["error"]


# ----------------------------------------------------------------- awkward cuts


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """An answer whole, by line, and in pieces of 1, 2 and 7 bytes."""
    yield [data]
    yield data.splitlines(keepends=True)
    for size in (1, 2, 7):
        yield [data[at : at + size] for at in range(0, len(data), size)]


@case("body", [{"prompt": "x"}, {"model": QWEN, "prompt": marked("starcoder")}])
def test_however_it_is_cut(body: dict[str, Any]) -> None:
    """However Ollama's bytes are cut the text is the same, streamed or not."""
    for blocks in cuts(lines(*REPLIES)):
        answer = Door(*blocks).ask({**body, "stream": False})
        assert answer.json["response"] == TEXT
        found = of_lines(Door(*blocks).ask({**body, "stream": True}))
        assert "".join(line["response"] for line in found) == TEXT
        assert sum(line["done"] for line in found) == 1


@case("body", [{"prompt": "x"}, {"model": QWEN, "prompt": marked("starcoder")}])
@case("items", [0, 1, 2])
def test_a_client_that_leaves(body: dict[str, Any], items: int) -> None:
    """Whenever the server closes a stream, Ollama's answer is closed."""
    door = Door(*[lines(reply) for reply in REPLIES])
    said = json.dumps({**body, "stream": True}).encode()
    environ = environ_of("POST", GENERATE, said)
    environ["CONTENT_TYPE"] = "application/json"
    if not items:
        app = door.app(environ, lambda *_: None)  # type: ignore[arg-type]
        app.close()  # type: ignore[attr-defined]
        assert [one.closed for one in door.upstream.responses] in ([], [1])
        return
    app, _, _ = run_wsgi_app(door.app, environ)
    for _ in range(items):
        next(iter(app))
    app.close()  # type: ignore[attr-defined]
    (response,) = door.upstream.responses
    assert response.closed
