"""The scripted model: a prompt that says what the answers will be."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.simulator import Simulator

from app.simulator import script

SCRIPT = """\
Please do this:
CALL write {"path": "a.txt", "content": "one\\n{two} </tool_call>"}
  CALL read {"path": "a.txt"}
SAY All is done.
"""


def tool(name: str) -> dict[str, Any]:
    """A tool as chat requests describe it."""
    return {"type": "function", "function": {"name": name}}


TOOLS = [tool("write"), tool("read"), tool("unused")]
USER = {"role": "user", "content": SCRIPT}
CALLED = {"role": "assistant", "content": "I call it."}
RESULT = {"role": "tool", "content": "CALL unused {}"}


@pytest.fixture(scope="module")
def ollama() -> Iterator[Simulator]:
    """One simulator for this module."""
    with Simulator() as simulator:
        yield simulator


def chat(ollama: Simulator, model: str, *messages: Any, **more: Any) -> Any:
    """One chat answer in one piece, decoded."""
    request = {"model": model, "messages": messages, "stream": False, **more}
    status, body = ollama.ask("POST", "/api/chat", request)
    assert status == 200, body
    return json.loads(body)["message"]


def test_a_script_is_followed_to_its_end(ollama: Simulator) -> None:
    """Each turn does the next step, with the calls that the agent's results follow."""
    messages: list[Any] = [USER]
    called = []
    for _ in range(2):
        answer = chat(ollama, "sim-script", *messages, tools=TOOLS)
        (call,) = answer["tool_calls"]
        called.append((call["function"]["name"], call["function"]["arguments"]))
        messages += [answer, RESULT]
    content = "one\n{two} </tool_call>"
    assert called == [
        ("write", {"path": "a.txt", "content": content}),
        ("read", {"path": "a.txt"}),
    ]
    answer = chat(ollama, "sim-script", *messages, tools=TOOLS)
    assert answer == {"role": "assistant", "content": "All is done."}


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([USER], "I call write."),
        ([USER, CALLED, RESULT], "I call read."),
        ([USER, CALLED, RESULT, CALLED, RESULT], "All is done."),
        # Dialects differ in how they cut a turn into messages.
        ([USER, CALLED, CALLED, RESULT], "I call read."),
        # Agents remind the model of things between the turns.
        ([USER, CALLED, RESULT, {"role": "user", "content": "Go on"}], "I call read."),
        ([USER, CALLED, RESULT, {"role": "system"}, CALLED], "All is done."),
        # The last script counts, from its beginning.
        ([USER, CALLED, RESULT, USER], "I call write."),
        ([USER, CALLED, USER, CALLED, RESULT, {"role": "user"}], "I call read."),
        ([USER] + [CALLED, RESULT] * 4, "The script is done."),
        ([{"role": "user", "content": "SAY  a b \nSAY c"}], "a b"),
        ([{"role": "user", "content": "CALL nothing {}"}], "There is no tool nothing"),
        ([{"role": "user", "content": "CALL read {"}], "The arguments of read are no"),
        ([{"role": "user", "content": "CALL read []"}], "The arguments of read are no"),
    ],
)
def test_the_next_step(messages: list[dict[str, Any]], said: str) -> None:
    """The conversation alone decides which step is next."""
    turn = script.turn(messages, TOOLS)
    assert turn is not None
    assert turn.startswith(said)
    assert ("<tool_call>" in turn) == said.startswith("I call")


@pytest.mark.parametrize(
    "content", ["Hi", "", "I CALL read {}", "CALL", "SAY", "SAYING it", "call read {}"]
)
def test_no_script(content: str) -> None:
    """Words that are no steps are no script."""
    messages = [{"role": "user", "content": content}, {"role": "tool", "content": "x"}]
    assert script.turn(messages, TOOLS) is None


def test_it_speaks_plainly_without_a_script(ollama: Simulator) -> None:
    """What agents ask beside the task gets an ordinary answer, and calls no tool."""
    user = {"role": "user", "content": "A title for a talk with unused tools?"}
    answer = chat(ollama, "sim-script", user, tools=TOOLS)
    assert "A title" in answer["content"]
    assert "tool_calls" not in answer
    shape = {"type": "object", "properties": {"title": {"type": "string"}}}
    answer = chat(ollama, "sim-script", user, format=shape)
    assert json.loads(answer["content"]).keys() == {"title"}


def test_it_thinks_first_when_it_may(ollama: Simulator) -> None:
    """With ``think`` in its name it thinks, unless it is asked not to."""
    for think, thinks in ((None, True), (True, True), (False, False)):
        more = {} if think is None else {"think": think}
        answer = chat(ollama, "sim-script-think", USER, tools=TOOLS, **more)
        assert ("thinking" in answer) == thinks
        assert answer["tool_calls"][0]["function"]["name"] == "write"


def test_streamed_and_whole_agree(ollama: Simulator) -> None:
    """A step that is streamed has its words first, then the same call."""
    request = {"model": "sim-script", "messages": [USER], "tools": TOOLS}
    status, body = ollama.ask("POST", "/api/chat", request)
    assert status == 200
    lines = [json.loads(line)["message"] for line in body.splitlines()]
    whole = chat(ollama, "sim-script", USER, tools=TOOLS)
    assert "".join(line["content"] for line in lines) == whole["content"]
    calls = [call for line in lines for call in line.get("tool_calls", [])]
    assert calls == whole["tool_calls"]
    assert whole["content"] == "I call write.\n"
