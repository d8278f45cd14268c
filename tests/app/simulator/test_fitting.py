from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.simulator.calls import Call
from app.simulator.fitting import fitting
from app.simulator.models import Catalogue

ROLES = ["user", "assistant", "system", "tool"]
CONVERSATIONS = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(ROLES), "content": st.text(alphabet="a ?", max_size=9)}
    ),
    min_size=1,
    max_size=12,
)


def call(model: str, messages: list[dict[str, Any]], context: int) -> Call:
    """A chat whose model has this context, in tokens."""
    found = Catalogue().find(model)
    assert found is not None
    made = Call({"model": model, "messages": messages}, found, chat=True)
    made.context = context
    return made


def one_by_one(made: Call) -> str:
    """The prompt when the oldest messages go one after the other."""
    prompt = made.voice.render(made)
    while made.voice.count(made, prompt) > made.context:
        old = [m for m in made.messages[:-1] if m["role"] != "system"]
        if not old:
            break
        made.messages.remove(old[0])
        prompt = made.voice.render(made)
    return prompt


@pytest.mark.parametrize("model", ["llama3.2", "tiny", "tiny-tools"])
@given(messages=CONVERSATIONS, context=st.integers(1, 60))
def test_the_oldest_go(
    model: str, messages: list[dict[str, Any]], context: int
) -> None:
    """As few messages go as need be, the oldest first, as if it were one by one."""
    made, slow = call(model, messages, context), call(model, messages, context)
    assert made.rendered() == one_by_one(slow)
    assert made.messages == slow.messages


def test_long_conversations_take_no_time() -> None:
    """Of ten thousand messages it is seen in a few looks which ones fit."""
    looks: list[int] = []

    def fits(messages: list[dict[str, Any]]) -> bool:
        looks.append(len(messages))
        return len(messages) <= 300

    messages = [{"role": "user", "content": str(n)} for n in range(10_000)]
    assert fitting(messages, fits) == messages[-300:]
    assert len(looks) < 20


def test_what_stays() -> None:
    """What the system says and the last message stay, though nothing fits."""
    system, last = {"role": "system"}, {"role": "user", "content": "now"}
    old = {"role": "user", "content": "before"}
    assert fitting([system, old, old, last], lambda messages: False) == [system, last]
    assert fitting([last], lambda messages: False) == [last]
