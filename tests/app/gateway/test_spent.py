"""Spent: what is noted of a request, and what is made of it."""

from types import SimpleNamespace
from typing import Any

import pytest

from app.gateway.spent import Spent
from app.wire import ollama
from app.wire.ollama import MAX_COUNT

MS = 1_000_000


@pytest.mark.parametrize(
    ("noted", "durations"),
    [
        ({}, (None, None, None, None)),
        ({"total": 9 * MS, "load": MS}, (None, 1, 8, None)),
        ({"total": MS, "load": 2 * MS}, (None, 2, 0, None)),
        ({"total": 9 * MS, "load": MS, "prompt": 2 * MS, "eval": 5 * MS}, (1, 1, 2, 5)),
        ({"total": 8 * MS, "load": MS, "prompt": 2 * MS, "eval": 5 * MS}, (0, 1, 2, 5)),
        ({"total": 7 * MS, "prompt": 3 * MS, "eval": 5 * MS}, (None, 0, 3, 5)),
    ],
)
def test_durations(noted: dict[str, int], durations: tuple[Any, ...]) -> None:
    """What Ollama did not tell is nothing, never less than nothing."""
    assert Spent("chat", "openai", **noted).durations() == durations


@pytest.mark.parametrize(
    ("fields", "user"),
    [
        ({"user": "u", "metadata": {"user_id": "m"}}, "u"),
        ({"user": "", "metadata": {"user_id": "m"}}, "m"),
        ({"metadata": {"user_id": 5}}, ""),
        ({"metadata": {}}, ""),
        ({}, ""),
    ],
)
def test_who_it_is_for(fields: dict[str, Any], user: str) -> None:
    """A user's name is that of its own field, or else of the metadata."""
    spent = Spent("chat", "openai")
    spent.note_call(SimpleNamespace(**fields), SimpleNamespace())
    assert spent.user == user


def test_several_calls() -> None:
    """Times of several calls are added up; the first says why the answer ended."""
    spent = Spent("chat", "openai")
    for why in ("length", "stop"):
        reply = ollama.ChatResponse(
            total_duration=9, load_duration=1, prompt_eval_duration=2, eval_duration=5
        )
        spent.note_end(reply, why)
    assert (spent.finish, spent.calls) == ("length", 2)
    assert (spent.total, spent.load, spent.prompt, spent.eval) == (18, 2, 4, 10)
    assert spent.tool_calls is None
    for reasoning, calls in ((3, 1), (2, 2)):
        spent.note_answer(reasoning, calls)
    assert (spent.reasoning, spent.tool_calls) == (5, 3)


def test_a_count_that_cannot_be() -> None:
    """A number of a relayed answer that no database takes is brought to one."""
    tail = b'{"total_duration":9999999999999999,"eval_count":9999999999999999}'
    assert Spent("native", "ollama").note_tail(tail, lines=False) == (None, MAX_COUNT)
