"""Turns: others run while a list is worked on."""

import itertools
from typing import Any

import pytest

from app import turns


@pytest.mark.parametrize(
    ("each", "count", "expected"),
    [
        pytest.param(turns.TURN / 8.5, 100, 11, id="small"),
        pytest.param(turns.TURN * 2, 100, 100, id="large"),
        pytest.param(turns.TURN / 200, 100, 0, id="few"),
    ],
)
def test_lists_are_worked_on_in_turns(
    monkeypatch: pytest.MonkeyPatch, each: float, count: int, expected: int
) -> None:
    """However long each item takes, others have a turn when that was long together."""
    now = 0.0
    slept: list[float] = []
    monkeypatch.setattr(turns.time, "monotonic", lambda: now)
    monkeypatch.setattr(turns.gevent, "sleep", slept.append)
    seen: list[Any] = []
    for item in turns.in_turns(itertools.islice(itertools.count(), count)):
        seen.append(item)
        now += each
    assert seen == list(range(count))
    assert len(slept) == expected
    assert 0 not in slept
