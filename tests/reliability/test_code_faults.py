"""Whatever Ollama does wrong while it fills in, and in whichever form it is asked.

All pairs of a fault and a way of asking are tried once, as in ``test_faults``.  Here
Ollama always streams, also where the client wants one piece, so what breaks has the
same meaning for both.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.failing import Seen, Table, Way
from support.server import Server
from support.simulator import Simulator
from support.status_map import (
    BAD_BODY,
    BAD_TEXT,
    DONE,
    DRESSED,
    GOOD,
    INCOMPLETE,
    INTERIM,
    LEAKS,
    NO_ANSWER,
    NO_SENSE,
    SAID,
    SLOW,
    check_refused,
)

from app.simulator.bad_lines import FORGED

pytestmark = pytest.mark.live

LIMITS = {
    "PANNIER_FIRST_BYTE_TIMEOUT": "2",
    "PANNIER_IDLE_TIMEOUT": "2",
    "PANNIER_TOTAL_TIMEOUT": "3",
    # All of them seem to be one editor, that asks for many things at a time.
    "PANNIER_CODE_SUPERSEDE": "false",
}
GRACE = 1.5
BEFORE, AFTER = "Say “hello” to me.", "\nprint(1)"
MARKED = f"<PRE> {BEFORE} <SUF> {AFTER} <MID>"
HOLE = {"prompt": BEFORE, "suffix": AFTER}
WAYS = {
    "code": Way("POST", "/api/generate", {"prompt": MARKED, "stream": False}),
    "code-stream": Way("POST", "/api/generate", {"prompt": MARKED, "stream": True}),
    "fill": Way("POST", "/v1/completions", HOLE),
    "fill-stream": Way("POST", "/v1/completions", {**HOLE, "stream": True}),
    "fim": Way("POST", "/v1/fim/completions", HOLE),
    "fim-stream": Way("POST", "/v1/fim/completions", {**HOLE, "stream": True}),
    "infill": Way("POST", "/infill", {"input_prefix": BEFORE, "input_suffix": AFTER}),
    "infill-stream": Way(
        "POST",
        "/infill",
        {"input_prefix": BEFORE, "input_suffix": AFTER, "stream": True},
    ),
}
STREAMS = [name for name in WAYS if name.endswith("-stream")]
WHOLE = [name for name in WAYS if name not in STREAMS]
#: What takes its time is tried in one way of each kind.
PATIENT = {"code", "fim-stream"}
case = pytest.mark.parametrize


def pairs(faults: Any, ways: Any) -> list[tuple[str, str]]:
    """Each fault in each way, where that is tried."""
    return [
        (fault, way)
        for fault in faults
        for way in ways
        if fault not in SLOW or way in PATIENT
    ]


ALL = [*NO_ANSWER, *NO_SENSE, *SAID, *BAD_BODY, *BAD_TEXT, *INTERIM, *DRESSED, *DONE]
ALL += ["empty-200", "lone-surrogate", "negative-counts", "frames"]


@pytest.fixture(scope="module")
def pannier(ollama: Simulator) -> Iterator[Server]:
    """Pannier with short limits in front of it."""
    with Server({"OLLAMA_URL": ollama.url, **LIMITS}) as running:
        yield running


@pytest.fixture(scope="module")
def answers(pannier: Server, ollama: Simulator) -> dict[tuple[str, str], Seen]:
    """What came of each pair of a fault and a way."""
    cases = sorted(pairs([GOOD, *ALL], WAYS), key=lambda pair: pair[0] not in SLOW)
    return Table(pannier.port, ollama, WAYS).run(cases)


def texts(name: str, seen: Seen) -> list[str]:
    """The pieces of text that came, and nothing of what closes an answer."""
    if name in WHOLE:
        parts = [json.loads(seen.body)]
    elif name == "code-stream":
        parts = [json.loads(line) for line in seen.body.splitlines()]
    else:
        parts = [json.loads(one) for one in seen.events if one != "[DONE]"]
    pieces = [_text(part) for part in parts if "error" not in part]
    return [piece for piece in pieces if piece]


def _text(part: dict[str, Any]) -> str:
    if "choices" in part:
        return str(part["choices"][0]["text"])
    return str(part["response"] if "response" in part else part["content"])


def ended(name: str, seen: Seen) -> bool:
    """Whether a stream has its form's mark of a good end, or a piece of it."""
    if name == "code-stream":
        return b'"done":true' in seen.body
    if name == "infill-stream":
        return b'"stop":true' in seen.body
    return "[DONE]" in seen.events or b'"finish_reason":"' in seen.body


@case("name", WAYS)
def test_a_good_answer(answers: dict[tuple[str, str], Seen], name: str) -> None:
    """Without a fault every form says the same text, a stream in pieces."""
    seen = answers[GOOD, name]
    assert (seen.status, seen.whole, seen.asked) == (200, True, 1)
    pieces = texts(name, seen)
    assert "".join(pieces) == "".join(texts("code", answers[GOOD, "code"]))
    assert (len(pieces) > 2) is (name in STREAMS)
    if name in STREAMS:
        assert ended(name, seen)


@case(("fault", "name"), pairs({**NO_ANSWER, **NO_SENSE}, WAYS))
def test_u1_u10_no_answer(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """What is no answer, none in time, or makes no sense has the map's status."""
    outcome = {**NO_ANSWER, **NO_SENSE}[fault]
    check_refused(WAYS[name], answers[fault, name], *outcome)


@case(("fault", "name"), pairs(SAID, WAYS))
def test_u11_words_arrive(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """Ollama's own errors keep status and words."""
    status, code, words = SAID[fault]
    seen = answers[fault, name]
    check_refused(WAYS[name], seen, status, code)
    assert words in json.dumps(seen.error, ensure_ascii=False)


@case(("fault", "name"), pairs({**BAD_BODY, **BAD_TEXT}, STREAMS))
def test_e4_u4_u5_the_end_of_a_stream(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """What came is delivered; then one error, no mark of a good end, and no more."""
    seen = answers[fault, name]
    assert (seen.status, seen.whole) == (200, True)
    last = seen.body.splitlines()[-1] if name == "code-stream" else seen.events[-1]
    error = json.loads(last)
    assert list(error) == ["error"]
    assert not ended(name, seen)
    if name != "code-stream":
        assert error["error"]["code"] == {**BAD_BODY, **BAD_TEXT}[fault][0][1]
    pieces = texts(name, seen)
    assert pieces
    assert pieces == texts(name, answers[GOOD, name])[: len(pieces)]


@case(("fault", "name"), pairs({**BAD_BODY, **BAD_TEXT}, WHOLE))
def test_u4_u5_whole_answer(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """An answer in one piece of which a part is wrong is an error with its status."""
    outcome = {**BAD_BODY, **BAD_TEXT}[fault][0]
    check_refused(WAYS[name], answers[fault, name], *outcome)


@case(("fault", "name"), pairs([*INTERIM, *DRESSED, *DONE], WAYS))
def test_u2_u3_u6_good_answers(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """However an answer is dressed, and whatever follows it, it is the same."""
    seen = answers[fault, name]
    assert (seen.status, seen.whole) == (200, True)
    assert texts(name, seen) == texts(name, answers[GOOD, name])
    assert seen.seconds < 1 + GRACE
    if name in STREAMS:
        assert ended(name, seen)


@case("name", WAYS)
def test_u1_nothing_in_it(answers: dict[tuple[str, str], Seen], name: str) -> None:
    """An answer without a body is a 502, as nothing of it is out yet."""
    seen = answers["empty-200", name]
    check_refused(WAYS[name], seen, *INCOMPLETE)


@case("name", WAYS)
def test_u7_odd_values(answers: dict[tuple[str, str], Seen], name: str) -> None:
    """A lone surrogate becomes U+FFFD, a count that is none becomes 0."""
    assert "a\ufffdb" in "".join(texts(name, answers["lone-surrogate", name]))
    assert answers["negative-counts", name].status == 200
    assert b":-" not in answers["negative-counts", name].body


@case("name", WAYS)
def test_u8_text_cannot_forge_a_frame(
    answers: dict[tuple[str, str], Seen], name: str
) -> None:
    """Text that looks like events arrives as text."""
    assert FORGED in "".join(texts(name, answers["frames", name]))


def test_t1_limits_are_felt_in_time(answers: dict[tuple[str, str], Seen]) -> None:
    """What waits for Ollama waits as long as it may, and not much longer."""
    for fault, name in pairs(SLOW & {*NO_ANSWER, *BAD_BODY}, WAYS):
        assert 2 <= answers[fault, name].seconds <= 2 + GRACE, (fault, name)


def test_u1_at_most_two_requests(answers: dict[tuple[str, str], Seen]) -> None:
    """Ollama is asked once to fill in, or twice where it cannot have acted."""
    assert {pair for pair, seen in answers.items() if seen.asked > 2} == set()
    assert {pair[0] for pair, seen in answers.items() if seen.asked == 2} <= {
        "drop",
        "reset",
    }


def test_e1_nothing_leaks(answers: dict[tuple[str, str], Seen]) -> None:
    """No answer tells of traces, paths, classes, libraries, or where Ollama is."""
    for pair, seen in answers.items():
        ours = [f"{k}: {v}" for k, v in seen.headers.items() if k != "server"]
        text = "\n".join([*ours, seen.body.decode(errors="replace")])
        assert not LEAKS.search(text), pair


def test_e5_nothing_stays_broken(
    answers: dict[tuple[str, str], Seen], pannier: Server
) -> None:
    """After all of that nobody has seen a fault of ours."""
    assert answers
    assert "Traceback" not in pannier.output()
