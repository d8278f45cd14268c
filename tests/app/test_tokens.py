# ruff: noqa: RUF001 - other scripts are what is tested
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.prompt import Prompt, estimated
from app.simulator import text
from app.tokens import about, at_least, at_least_quickly
from app.wire import ollama

FIXTURES = Path(__file__).parents[1] / "fixtures" / "ollama"
ROOT = Path(__file__).parents[2]
PROSE = (
    "Can you help me plan a trip to Lisbon next month? I'd like to see the old town,"
    " eat well, and maybe take a day trip to Sintra. My budget is about 1,200 euros."
)
#: Texts, and how many tokens each has in cl100k and in o200k, counted with them.
COUNTED = [
    pytest.param("word " * 2000, 2001, 2001, id="word"),
    pytest.param("a " * 4000, 4001, 4001, id="letters"),
    pytest.param("hello" * 2000, 2000, 2000, id="no-blanks"),
    pytest.param(
        "人工智能是计算机科学的一个分支，它企图了解智能的实质，并生产出一种新的能以人类"
        "智能相似的方式做出反应的智能机器。该领域的研究包括机器人、语言识别、图像识别、"
        "自然语言处理和专家系统等。",
        102,
        64,
        id="chinese",
    ),
    pytest.param(
        "Все счастливые семьи похожи друг на друга, каждая несчастливая семья"
        " несчастлива по-своему. Всё смешалось в доме Облонских.",
        67,
        34,
        id="russian",
    ),
    pytest.param("-" * 8000, 125, 125, id="dashes"),
    pytest.param(" " * 8000, 63, 63, id="blanks"),
    pytest.param("\n" * 8000, 250, 500, id="line-ends"),
    pytest.param(PROSE, 44, 43, id="prose"),
]


@pytest.mark.parametrize(("given", "cl100k", "o200k"), COUNTED)
def test_at_least(given: str, cl100k: int, o200k: int) -> None:
    """No tokenizer makes fewer tokens of a text."""
    assert 0 <= at_least(given) <= min(cl100k, o200k)


@pytest.mark.parametrize(("given", "cl100k", "o200k"), COUNTED)
def test_about(given: str, cl100k: int, o200k: int) -> None:
    """The estimate is not far below a count, and above only for odd texts."""
    assert about(given) >= 0.8 * min(cl100k, o200k)
    if set(given) - set("- \n"):
        assert about(given) <= 1.8 * max(cl100k, o200k)


@pytest.mark.parametrize(
    ("given", "least"),
    [
        ("", 0),
        (" \n\t ", 0),
        ("one", 1),
        ("one two", 2),
        ("one, two.", 4),
        ("don't stop_it", 2),
        ("f(x)=y", 3),
        ("-- -- --", 3),
        ("好" * 50, 11),
        ("a\ud800b", 1),
    ],
)
def test_what_counts(given: str, least: int) -> None:
    """Words, their ends at signs, and a fifth of what is written without blanks."""
    assert at_least(given) == least
    assert about(given) >= at_least(given) or least > 2


@pytest.mark.parametrize(
    "page", ["README.md", "docs/endpoints.md", "app/settings.py", "middleware/base.py"]
)
def test_prose_and_code(page: str) -> None:
    """For ordinary texts the bound is useful, and the first look is not far from it."""
    given = (ROOT / page).read_text()
    assert 0.4 * about(given) < at_least(given) < about(given)
    assert 0.5 < at_least_quickly(given) / at_least(given) < 3


def test_long_texts() -> None:
    """They are counted whole, in steps, but no further than anybody wants to know."""
    given = "word " * 500_000
    assert at_least_quickly(given) == 500_000
    assert 499_000 <= at_least(given) <= 500_000
    assert 250_000 < at_least(given, 250_000) < 260_000


def test_the_simulators_tokenizer() -> None:
    """The simulator, which cuts like a tokenizer, is between bound and estimate."""
    for given in (PROSE, (ROOT / "README.md").read_text()):
        assert at_least(given) <= text.count(given) <= about(given) * 1.1


def recorded() -> Iterator[Any]:
    """Requests of a real Ollama that was not told to cut, with what it counted."""
    shapes = {
        "/api/chat": ollama.ChatRequest,
        "/api/generate": ollama.GenerateRequest,
        "/api/embed": ollama.EmbedRequest,
    }
    for folder in sorted(path.parent for path in FIXTURES.glob("*/request.json")):
        request = json.loads((folder / "request.json").read_text())
        if request["path"] not in shapes or not (folder / "body.json").exists():
            continue
        try:
            answer = json.loads((folder / "body.json").read_text())
            given = {"stream": False, **request["body"]}
            call = msgspec.convert(given, shapes[request["path"]])
        except (KeyError, TypeError, ValueError):
            continue
        if count := answer.get("prompt_eval_count"):
            yield pytest.param(call, count, id=folder.name)


class Models:
    """A catalogue in which every model is loaded with one context."""

    def __init__(self, context: int | None = None) -> None:
        self.context = context
        self.asked = 0

    def facts(self, name: str) -> None:
        """Nothing."""

    def loaded(self, name: str, age: float = 1) -> int | None:
        """The one context; counted."""
        self.asked += 1
        return self.context


#: Recordings in which the prompt was cut, by the context.
CUT = {
    "chat-overflow-drop-old-messages": 64,
    "chat-overflow-truncate-true": 64,
    "embed-long-truncated": 256,
}


@pytest.mark.parametrize(("call", "count"), list(recorded()))
def test_recordings(call: Any, count: int, request: pytest.FixtureRequest) -> None:
    """Of all that a real Ollama answered, exactly the cut prompts are found to be cut.

    Nothing is looked up for the others.
    """
    cut = CUT.get(request.node.callspec.id)
    models = Models(256)
    if cut == 64:
        models.context = 32  # what somebody else loaded does not count
    assert Prompt(call, models).cut_to(count) == cut  # type: ignore[arg-type]
    assert bool(models.asked) is bool(cut)


def chat(*contents: str, **fields: Any) -> ollama.ChatRequest:
    """A chat of messages of a user."""
    messages = [ollama.Message("user", content) for content in contents]
    return ollama.ChatRequest(model="m", stream=False, messages=messages, **fields)


WORDS = "word " * 100
CJK = "\u4eba\u5de5\u667a\u80fd" * 300


@pytest.mark.parametrize(
    ("call", "count", "loaded", "cut"),
    [
        pytest.param(chat(*[WORDS] * 50), 4000, 4096, 4096, id="cut"),
        pytest.param(chat(*[WORDS] * 50), 900, 4096, 4096, id="most-is-gone"),
        pytest.param(chat(*[WORDS] * 50), 5010, 8192, None, id="fits"),
        pytest.param(chat(*[WORDS] * 50), 5010, 4096, None, id="all-was-read"),
        pytest.param(chat(*[WORDS] * 50), 12, 8192, None, id="was-in-the-cache"),
        pytest.param(chat(*[WORDS] * 50), 0, 8192, None, id="not-counted"),
        pytest.param(chat(*[WORDS] * 50), 900, None, None, id="unloaded"),
        pytest.param(chat(*[WORDS] * 50), 900, 0, None, id="old-ollama"),
        pytest.param(chat(*[WORDS] * 42), 4090, 4096, None, id="in-doubt"),
        pytest.param(chat("-" * 90_000), 1500, 1024, None, id="one-sign"),
        pytest.param(chat(" " * 90_000), 700, 512, None, id="blanks"),
        pytest.param(chat(CJK), 250, 240, None, id="dense-fits"),
        pytest.param(chat(CJK), 100, 128, 128, id="dense-cut"),
        pytest.param(chat("a b " * 100), 3, 64, None, id="short"),
        pytest.param(
            chat(*[WORDS] * 50, options={"num_ctx": 8192}), 12, 4096, None, id="own"
        ),
        pytest.param(
            chat(*[WORDS] * 50, options={"num_ctx": 512}), 500, 4096, 4096, id="larger"
        ),
        pytest.param(
            chat(f"<think>{WORDS * 50}</think>hi"), 9, 4096, None, id="old-thoughts"
        ),
        pytest.param(
            ollama.GenerateRequest(model="m", stream=False, prompt=WORDS * 50),
            2048,
            4096,
            4096,
            id="generate",
        ),
        pytest.param(
            ollama.EmbedRequest(model="m", input=[WORDS] * 50),
            900,
            4096,
            None,
            id="many",
        ),
        pytest.param(
            ollama.EmbedRequest(model="m", input=["a", WORDS * 6]),
            515,
            512,
            512,
            id="one",
        ),
    ],
)
def test_cut(call: Any, count: int, loaded: int | None, cut: int | None) -> None:
    """A prompt is called cut only if the context cannot have held it."""
    assert Prompt(call, Models(loaded)).cut_to(count) == cut  # type: ignore[arg-type]


def test_what_else_is_in_a_prompt() -> None:
    """Messages, thinking, tools, calls and images cost, each as much as it is long."""
    user = ollama.Message("user", PROSE)
    tools = [{"type": "function", "function": {"name": "f", "description": PROSE}}]
    asked = ollama.ToolCall(ollama.ToolCallFunction("f", {"text": PROSE}))
    plain = [user]
    sizes = [
        estimated(ollama.ChatRequest(model="m", stream=False, messages=m, tools=t))
        for m, t in (
            (plain, None),
            (plain, tools),
            ([*plain, user], None),
            ([ollama.Message("user", PROSE, thinking=PROSE)], None),
            ([ollama.Message("assistant", PROSE, tool_calls=[asked])], None),
            ([ollama.Message("user", PROSE, images=["aaaa"])], None),
        )
    ]
    assert sizes[0] > about(PROSE)
    assert all(size - sizes[0] >= about(PROSE) for size in sizes[1:])
    assert sizes[5] - sizes[0] == 768
    long = ollama.EmbedRequest(model="m", input=["a", PROSE, "b"])
    assert estimated(long) == estimated(ollama.EmbedRequest(model="m", input=PROSE))
