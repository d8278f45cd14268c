"""Whatever Ollama does wrong, and whichever way it is asked, the status map holds.

All pairs of a fault and a way of asking are tried once, side by side (``answers``);
the tests look at what came of them.
"""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from support.failing import SAYS, WAYS, Seen, Table, ask
from support.scripted import Memory
from support.server import Server
from support.simulator import Simulator
from support.status_map import (
    BAD_BODY,
    BAD_TEXT,
    BROKE_OFF,
    BROKEN,
    CASES,
    DONE,
    DRESSED,
    GOOD,
    INTERIM,
    LATE,
    LEAKS,
    NATIVE,
    NO_ANSWER,
    NO_SENSE,
    OURS,
    SAID,
    SLOW,
    STREAMS,
    TEXTS,
    UNREACHABLE,
    check_refused,
    finished,
    meaning,
    pairs,
    said,
)

from app.simulator.bad_lines import FORGED

pytestmark = pytest.mark.live

LIMITS = {
    "PANNIER_FIRST_BYTE_TIMEOUT": "2",
    "PANNIER_IDLE_TIMEOUT": "2",
    "PANNIER_TOTAL_TIMEOUT": "3",
}
#: How late a limit may be felt (T1); the rest is for a busy machine.
GRACE = 1.5

case = pytest.mark.parametrize


@pytest.fixture(scope="module")
def pannier(ollama: Simulator) -> Iterator[Server]:
    """Pannier with short limits in front of it."""
    with Server({"OLLAMA_URL": ollama.url, **LIMITS}) as running:
        yield running


@pytest.fixture(scope="module")
def processes(pannier: Server) -> list[int]:
    """The workers before anything went wrong."""
    return pannier.workers()


@pytest.fixture(scope="module")
def answers(
    pannier: Server, ollama: Simulator, processes: list[int]
) -> dict[tuple[str, str], Seen]:
    """What came of each pair of a fault and a way."""
    slow_first = sorted(CASES, key=lambda pair: pair[0] not in SLOW)
    found = Table(pannier.port, ollama).run(slow_first)
    ollama.mend()
    return found


@case(("fault", "name"), pairs(NO_ANSWER, OURS))
def test_u1_no_answer(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """What is no answer, or none in time, has the status of the map."""
    check_refused(WAYS[name], answers[fault, name], *NO_ANSWER[fault])


@case(("fault", "name"), pairs(NO_ANSWER, NATIVE))
def test_u1_no_native_answer(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """Native routes say the same in Ollama's way."""
    check_refused(WAYS[name], answers[fault, name], *NO_ANSWER[fault])


@case(("fault", "name"), pairs(NO_SENSE, OURS))
def test_u1_u10_no_sense(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """An answer that is none of Ollama's, or compressed, is a 502 of our own words."""
    check_refused(WAYS[name], answers[fault, name], *NO_SENSE[fault])


@case("name", ["chat", "chat-stream", "embeddings"])
def test_u1_nothing_in_it(answers: dict[tuple[str, str], Seen], name: str) -> None:
    """An answer without a body is a 502, an error that stops halfway a 504."""
    seen = answers["empty-200", name]
    check_refused(WAYS[name], seen, 502, seen.error["code"])
    check_refused(WAYS[name], answers["stall-error", name], *LATE)


def test_u1_at_most_two_requests(answers: dict[tuple[str, str], Seen]) -> None:
    """Ollama is asked once, or twice where it cannot have acted."""
    assert {case: seen for case, seen in answers.items() if seen.asked > 2} == {}
    twice = {fault for (fault, _), seen in answers.items() if seen.asked == 2}
    assert twice <= {"drop", "reset"}


def test_u10_no_compression_is_asked_for(
    answers: dict[tuple[str, str], Seen], ollama: Simulator
) -> None:
    """Every request says that it wants its answer as it is."""
    for entry in ollama.log():
        headers = {key.lower(): value for key, value in entry["headers"]}
        assert headers["accept-encoding"] == "identity"


@case(("fault", "name"), pairs(SAID, [*OURS, "native", "native-stream"]))
def test_u11_words_arrive(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """Ollama's own errors keep status and words, in every dialect."""
    status, code, words = SAID[fault]
    seen = answers[fault, name]
    assert seen.status == status
    if WAYS[name].native:
        assert words in seen.error
        return
    check_refused(WAYS[name], seen, status, code)
    # The model that is not there is told in OpenAI's words where one was asked for.
    if (fault, name) != ("error-404", "retrieve"):
        assert words in seen.error["message"]
    after = {"error-429": "1", "busy": "1", "retry-odd": "1", "retry-later": "17"}
    assert seen.headers.get("retry-after") == after.get(fault)


@case(("fault", "name"), pairs(BAD_BODY | BAD_TEXT, STREAMS))
def test_e4_u4_u5_error_event(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """What came is delivered; then an error event, and nothing after it."""
    seen = answers[fault, name]
    assert seen.status == 200
    assert seen.whole
    assert seen.headers["content-type"] == "text/event-stream"
    *chunks, last = [json.loads(event) for event in seen.events]
    assert list(last) == ["error"]
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert last["error"]["code"] == {**BAD_BODY, **BAD_TEXT}[fault][0][1]
    assert finished(chunks) == []
    assert not any(chunk.get("usage") for chunk in chunks)
    pieces = said(name, chunks)
    assert len(pieces) >= 2
    assert pieces == meaning(name, answers[GOOD, name])[: len(pieces)]


@case(("fault", "name"), pairs(BAD_BODY, sorted({*OURS} - {*STREAMS})))
def test_u4_u5_whole_answer(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """A whole answer of which a part is wrong is an error with its status."""
    check_refused(WAYS[name], answers[fault, name], *BAD_BODY[fault][1])


@case(("fault", "name"), pairs(BAD_TEXT, ["chat", "completion"]))
def test_u4_u5_u7_whole_text(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """Nor does a text pass that is not done, or has no text or numbers in it."""
    check_refused(WAYS[name], answers[fault, name], *BAD_TEXT[fault][1])


@case("fault", ["wrong-types", "wrong-content", "nan", "infinity"])
def test_u7_bad_vectors(answers: dict[tuple[str, str], Seen], fault: str) -> None:
    """A vector of anything but numbers is a 502."""
    check_refused(WAYS["embeddings"], answers[fault, "embeddings"], *BROKEN)


@case("fault", ["no-last-chunk", "short-length"])
@case("name", ["embeddings", "list", "retrieve"])
def test_u1_half_framed(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """An answer that does not say that it is done is whole by its framing or not."""
    check_refused(WAYS[name], answers[fault, name], *BROKE_OFF)


@case("fault", ["cut-line", "cut-close", "reset-body", "bad-chunk", "stall"])
def test_e4_native_stream(answers: dict[tuple[str, str], Seen], fault: str) -> None:
    """A native stream that breaks ends with a line that says so."""
    seen = answers[fault, "native-stream"]
    assert seen.status == 200
    assert seen.whole
    *_, last = seen.body.splitlines()
    assert list(json.loads(last)) == ["error"]
    assert b"\n\n" not in seen.body


@case("fault", ["cut-line", "cut-length", "drip-line"])
def test_e4_native_answer_is_cut(
    answers: dict[tuple[str, str], Seen], fault: str
) -> None:
    """A native answer that is no stream has no words for it: its framing is cut."""
    seen = answers[fault, "native"]
    assert not seen.whole
    assert b'"error"' not in seen.body


@case(("fault", "name"), pairs(INTERIM, list(WAYS)))
def test_u2_interim_answers(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """100, 102 and 103 before an answer are skipped."""
    assert answers[fault, name].status == 200
    if not WAYS[name].native:
        want = meaning(name, answers[GOOD, name])
        assert meaning(name, answers[fault, name]) == want


@case(("fault", "name"), pairs(DRESSED, OURS))
def test_u3_unusual_dress(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """However lines and bytes are cut and framed, the answer is the same."""
    assert meaning(name, answers[fault, name]) == meaning(name, answers[GOOD, name])


@case("name", [*TEXTS, "embeddings"])
def test_u3_byte_by_byte(
    answers: dict[tuple[str, str], Seen], pannier: Server, name: str
) -> None:
    """A byte at a time it is the same answer too, and none that drips."""
    seen = ask(pannier.port, WAYS[name], "fault-byte-segments")
    assert meaning(name, seen) == meaning(name, answers[GOOD, name])


@case(("fault", "name"), pairs(DONE, TEXTS))
def test_u6_done_is_done(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """After ``done`` the answer is finished, whatever Ollama does then."""
    seen = answers[fault, name]
    assert meaning(name, seen) == meaning(name, answers[GOOD, name])
    assert seen.seconds < 1 + GRACE


@case("name", TEXTS)
def test_u7_odd_values(answers: dict[tuple[str, str], Seen], name: str) -> None:
    """A lone surrogate becomes U+FFFD, a count that is none becomes 0."""
    text = json.dumps(meaning(name, answers["lone-surrogate", name]))
    assert r"a\ufffdb" in text
    counts = meaning(name, answers["negative-counts", name])
    if name not in STREAMS:
        usage = counts["usage"]
        assert usage["prompt_tokens"] == usage["completion_tokens"] == 0


def test_u7_strict_json(answers: dict[tuple[str, str], Seen]) -> None:
    """Whatever came in, what goes out is strict JSON in UTF-8."""

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for (_, name), seen in answers.items():
        if WAYS[name].native:
            continue
        sent = seen.events if name in STREAMS and seen.status == 200 else [seen.body]
        for text in sent:
            if text != "[DONE]":
                json.loads(text, parse_constant=refuse)


@case("name", TEXTS)
def test_u8_text_cannot_forge_a_frame(
    answers: dict[tuple[str, str], Seen], name: str
) -> None:
    """Text that looks like events arrives as text."""
    found = meaning(name, answers["frames", name])
    if name not in STREAMS:
        choice = found["choices"][0]
        found = [choice["message"]["content"] if name == "chat" else choice["text"]]
    assert FORGED in found


def test_u12_odd_lists(answers: dict[tuple[str, str], Seen]) -> None:
    """Of an odd list the good entries are listed; what is no list is a 502."""
    listed = meaning("list", answers["odd-list", "list"])["data"]
    assert [model["id"] for model in listed] == ["tiny:latest"]
    assert meaning("list", answers["null-list", "list"])["data"] == []
    check_refused(WAYS["list"], answers["wrong-list", "list"], *BROKEN)


def test_t1_limits_are_felt_in_time(answers: dict[tuple[str, str], Seen]) -> None:
    """Each limit ends its wait when it is reached, and not much later."""
    limits = {
        ("never", "chat-stream"): (2, "did not begin its answer"),
        ("stall-head", "completion-stream"): (2, "did not begin its answer"),
        ("stall", "chat-stream"): (2, "sent nothing"),
        ("never", "chat"): (3, "did not finish"),
        ("never", "embeddings"): (3, "did not finish"),
        ("stall", "retrieve"): (3, "did not finish"),
        ("stall", "native-stream"): (2, "sent nothing"),
    }
    for pair, (seconds, words) in limits.items():
        seen = answers[pair]
        assert seconds <= seen.seconds <= seconds + GRACE, pair
        assert f"{words}" in seen.body.decode(), pair


@case("fault", ["drip-blank", "drip-line", "slow-head"])
@case("name", STREAMS)
def test_t2_dripping_is_silence(
    answers: dict[tuple[str, str], Seen], fault: str, name: str
) -> None:
    """What drips and says nothing is cut at the limit for silence."""
    assert 2 <= answers[fault, name].seconds <= 2 + GRACE


def test_e1_nothing_leaks(
    answers: dict[tuple[str, str], Seen], ollama: Simulator
) -> None:
    """No answer tells of traces, paths, classes, libraries, or where Ollama is."""
    port = re.compile(rf"\b{ollama.port}\b")
    for pair, seen in answers.items():
        if WAYS[pair[1]].native and seen.status == 200:
            continue  # what Ollama says there is Ollama's
        ours = [f"{k}: {v}" for k, v in seen.headers.items() if k != "server"]
        text = "\n".join([*ours, seen.body.decode(errors="replace")])
        assert not LEAKS.search(text), pair
        assert not port.search(text), pair


def test_e5_the_next_request_is_served(
    answers: dict[tuple[str, str], Seen], pannier: Server, processes: list[int]
) -> None:
    """After any fault a good request is served, by the same process."""
    followed = {pair[0]: seen.then for pair, seen in answers.items() if seen.then}
    assert followed.keys() >= {*NO_ANSWER, *NO_SENSE, *SAID, *BAD_BODY, *BAD_TEXT}
    assert set(followed.values()) == {200}
    assert pannier.workers() == processes
    assert "Traceback" not in pannier.output()


QUICK = [fault for fault in {**BAD_BODY, **BAD_TEXT} if fault not in SLOW]


@case("fault", QUICK)
@case("chat", [True, False])
def test_e4_openai_raises(pannier: Server, fault: str, chat: bool) -> None:
    """To OpenAI's library a stream that breaks is an APIError, never an end."""
    url, model = f"{pannier.url}/v1", f"fault-{fault}"
    with openai.OpenAI(base_url=url, api_key="x", max_retries=0) as client:
        stream: Any
        if chat:
            messages: Any = [{"role": "user", "content": SAYS}]
            stream = client.chat.completions.create(
                model=model, messages=messages, stream=True
            )
        else:
            stream = client.completions.create(model=model, prompt=SAYS, stream=True)
        came = []
        with pytest.raises(openai.APIError) as caught:
            came.extend(stream)
        assert caught.value.message
        assert caught.value.code


@case("fault", ["cut-3", "error-line-3", "reset-body-3", "garbage-line-3"])
def test_e4_several_choices(pannier: Server, fault: str) -> None:
    """The first choice to fail ends a stream of several, with one error."""
    way = WAYS["chat-stream"]
    way = way._replace(body={**(way.body or {}), "n": 3})
    seen = ask(pannier.port, way, f"fault-{fault}")
    *chunks, last = [json.loads(event) for event in seen.events]
    assert seen.whole
    assert last["error"]["code"]
    assert chunks
    assert not any("error" in chunk for chunk in chunks)
    assert finished(chunks) == []


@pytest.fixture(scope="module")
def careful(ollama: Simulator) -> Iterator[Server]:
    """Pannier with the other client, whose memory nothing else has used."""
    env = {"OLLAMA_URL": ollama.url, "PANNIER_UPSTREAM_CLIENT": "requests", **LIMITS}
    with Server(env) as running:
        yield running


def test_u1_u4_u6_p10_by_the_other_client(careful: Server, ollama: Simulator) -> None:
    """Over ``requests`` the same comes of the same."""
    ways = ["chat", "chat-stream", "native-stream"]
    some = [*NO_ANSWER, "cut-line", "cut", "reset-body", "bad-chunk", "garbage-line"]
    some += [*DONE, "gzipped", "crlf", GOOD]
    before = careful.workers()
    cases = [one for one in pairs(some, ways) if one[0] not in SLOW]
    cases += pairs(SLOW - {"stall-error"}, ["chat-stream"])
    found = Table(careful.port, ollama).run(cases)
    for (fault, name), seen in found.items():
        assert seen.then in (None, 200), fault
        assert seen.asked <= 2, fault
        if fault in NO_ANSWER:
            check_refused(WAYS[name], seen, *NO_ANSWER[fault])
        elif name == "native-stream":
            assert seen.status == 200
        elif fault == "gzipped":
            check_refused(WAYS[name], seen, *BROKEN)
        elif fault in BAD_BODY and name == "chat-stream":
            error = json.loads(seen.events[-1])["error"]
            assert error["code"] == BAD_BODY[fault][0][1], fault
        elif fault in BAD_BODY:
            check_refused(WAYS[name], seen, *BAD_BODY[fault][1])
        else:
            assert meaning(name, seen) == meaning(name, found[GOOD, name]), fault
    assert careful.workers() == before


@pytest.fixture(scope="module")
def small(ollama: Simulator) -> Iterator[tuple[Server, Memory]]:
    """Pannier that has served one request, and how much memory it takes since."""
    with Server({"OLLAMA_URL": ollama.url}) as server:
        assert ask(server.port, WAYS["chat-stream"], "llama3.2").status == 200
        yield server, Memory(server)


@pytest.mark.parametrize(
    ("fault", "name", "limit"),
    [
        ("endless-error", "chat", 1),
        ("endless-line", "chat-stream", 16),
        ("endless-line", "chat", 64),
    ],
)
def test_u9_too_long(
    small: tuple[Server, Memory], fault: str, name: str, limit: int
) -> None:
    """What is too long is cut while it comes, at little more than its limit in MB."""
    server, memory = small
    seen = ask(server.port, WAYS[name], f"fault-{fault}")
    if name == "chat-stream":
        assert "too long" in json.loads(seen.events[-1])["error"]["message"]
    else:
        check_refused(WAYS[name], seen, *BROKEN)
    assert memory.growth() <= 3 * limit


@pytest.fixture(scope="module")
def lonely() -> Iterator[Server]:
    """Pannier in front of a port where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with Server({"OLLAMA_URL": url}) as running:
            yield running


@case("name", WAYS)
def test_u1_e5_nobody_listens(lonely: Server, name: str) -> None:
    """Without an Ollama every way of asking is a 502, soon."""
    seen = ask(lonely.port, WAYS[name], "llama3.2")
    check_refused(WAYS[name], seen, *UNREACHABLE)
    assert seen.seconds < 5
    assert not LEAKS.search(seen.body.decode())
