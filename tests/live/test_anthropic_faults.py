"""Whatever Ollama does wrong, Anthropic's library raises: half is never taken for all.

All pairs of a fault and a way of asking are tried once, side by side (``outcomes``).
"""

import asyncio
from collections.abc import Iterator
from typing import Any, NamedTuple

import anthropic
import pytest
from support.claude import text_of
from support.failing import SAYS
from support.server import Server
from support.simulator import Simulator
from support.status_map import (
    BAD_BODY,
    BAD_TEXT,
    DONE,
    DRESSED,
    GOOD,
    INTERIM,
    LEAKS,
    NO_ANSWER,
    NO_SENSE,
    SAID,
)

pytestmark = pytest.mark.live

LIMITS = {
    "PANNIER_FIRST_BYTE_TIMEOUT": "2",
    "PANNIER_IDLE_TIMEOUT": "2",
    "PANNIER_TOTAL_TIMEOUT": "4",
}
#: Faults before anything is said; status and code, of which the status is told.
EARLY = NO_ANSWER | NO_SENSE | {name: said[:2] for name, said in SAID.items()}
#: Faults of what is said: what a stream ends with, and what a whole answer is.
LATER = BAD_BODY | BAD_TEXT
GOOD_ONES = [*DRESSED, *INTERIM, *DONE]
WAYS = ["whole", "stream", "helper"]
#: How Anthropic's clients know a status that is not the same there.
STATUS = {503: 529}

case = pytest.mark.parametrize


class Outcome(NamedTuple):
    """What the library gave for an answer: a message, or an error; text before it."""

    message: Any
    error: Exception | None
    text: str
    ended: bool = False


async def ask(client: anthropic.AsyncAnthropic, fault: str, way: str) -> Outcome:
    """Ask the model of a fault, in one of the ways of the library."""
    asked: Any = {"model": f"fault-{fault}", "max_tokens": 200}
    asked["messages"] = [{"role": "user", "content": SAYS}]
    pieces, ended, message = [], False, None
    try:
        if way == "whole":
            message = await client.messages.create(**asked)
        elif way == "stream":
            async for event in await client.messages.create(**asked, stream=True):
                if event.type == "content_block_delta":
                    pieces.append(event.delta.text)
                ended = event.type == "message_stop"
        else:
            async with client.messages.stream(**asked) as stream:
                async for text in stream.text_stream:
                    pieces.append(text)
                message = await stream.get_final_message()
    except Exception as error:
        return Outcome(None, error, "".join(pieces), ended)
    return Outcome(message, None, "".join(pieces), ended)


async def ask_all(url: str) -> dict[tuple[str, str], Outcome]:
    """All pairs."""
    pairs = [
        (fault, way) for fault in [*EARLY, *LATER, *GOOD_ONES, GOOD] for way in WAYS
    ]
    async with anthropic.AsyncAnthropic(
        base_url=url, api_key="x", max_retries=0, timeout=60
    ) as client:
        found = await asyncio.gather(*(ask(client, *pair) for pair in pairs))
    return dict(zip(pairs, found, strict=True))


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[tuple[str, str], Outcome]]:
    """What came of each pair of a fault and a way."""
    with (
        Simulator() as ollama,
        Server({"OLLAMA_URL": ollama.url, **LIMITS}) as server,
    ):
        yield asyncio.run(ask_all(server.url))


Outcomes = dict[tuple[str, str], Outcome]


@case("way", WAYS)
@case("fault", EARLY)
def test_before_a_word(outcomes: Outcomes, fault: str, way: str) -> None:
    """A failure before the first word has its status, streamed or not."""
    seen = outcomes[fault, way]
    assert isinstance(seen.error, anthropic.APIStatusError), seen
    status = EARLY[fault][0]
    assert seen.error.status_code == STATUS.get(status, status)
    assert seen.text == ""
    assert_told(seen.error)


def assert_told(error: anthropic.APIStatusError) -> None:
    """The error has all that Anthropic's have, and nothing of ours inside."""
    assert error.type
    assert error.api_message
    assert str(error.request_id).startswith("req_")
    assert not LEAKS.search(error.api_message)


@case("fault", LATER)
def test_whole(outcomes: Outcomes, fault: str) -> None:
    """A whole answer of which a part is wrong is an error with its status."""
    error = outcomes[fault, "whole"].error
    assert isinstance(error, anthropic.APIStatusError)
    assert error.status_code == LATER[fault][1][0]
    assert_told(error)


@case("way", ["stream", "helper"])
@case("fault", LATER)
def test_streamed(outcomes: Outcomes, fault: str, way: str) -> None:
    """What came before a failure is delivered, then it is raised, and no end comes."""
    seen = outcomes[fault, way]
    assert isinstance(seen.error, anthropic.APIStatusError), seen
    kind = "timeout_error" if LATER[fault][0][0] == 504 else "api_error"
    assert seen.error.type == kind
    assert not seen.ended
    right = outcomes[GOOD, way].text
    assert len(seen.text) > 2
    assert right.startswith(seen.text)
    assert_told(seen.error)


@case("way", WAYS)
@case("fault", GOOD_ONES)
def test_whatever_its_dress(outcomes: Outcomes, fault: str, way: str) -> None:
    """A good answer stays one, however oddly it comes, or ends."""
    seen, right = outcomes[fault, way], outcomes[GOOD, way]
    assert seen.error is None
    assert seen.text == right.text
    if way == "stream":
        assert seen.ended
    else:
        assert text_of(seen.message) == text_of(right.message) != ""
        assert seen.message.stop_reason == "end_turn"
