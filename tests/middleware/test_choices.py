"""Several choices: ``n``, ``best_of``, arrays of prompts, ``echo`` and ``raw``."""

import json
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import gevent
import gevent.event
import pytest
from support.ollama import Answer, Ollama, ask, frames
from support.stack import linted
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app.errors import UpstreamBroken
from app.exchange import KEY

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
HI: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
PROMPT: dict[str, Any] = {"model": "m", "prompt": "hi"}
TIME = "2026-01-02T03:04:05.678Z"
STREAM = {"stream": True, "stream_options": {"include_usage": True}}

#: What a call answers with: its lines, or what is raised among them.
Speak = Callable[[int, dict[str, Any]], Iterable[Any]]


class Choir:
    """An Ollama whose calls answer differently: ``speak(number, call)`` gives lines.

    Calls are numbered as they come; ``closed`` counts the answers that were let go.
    """

    def __init__(self, speak: Speak) -> None:
        self.speak = speak
        self.calls: list[dict[str, Any]] = []
        self.exchanges: list[Any] = []
        self.closed = 0

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer one call in its own words."""
        call = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        self.calls.append(call)
        self.exchanges.append(environ[KEY])
        answer = self.speak(len(self.calls) - 1, call)
        start_response("200 OK", [("Content-Type", "application/x-ndjson")])
        return _Voice(self, answer)


class _Voice:
    def __init__(self, choir: Choir, answer: Iterable[Any]) -> None:
        self._choir = choir
        self._answer = iter(answer)

    def __iter__(self) -> "_Voice":
        return self

    def __next__(self) -> bytes:
        line = next(self._answer)
        if isinstance(line, Exception):
            raise line
        return json.dumps({"created_at": TIME} | line).encode() + b"\n"

    def close(self) -> None:
        """Let go; counted."""
        self._choir.closed += 1


def chat(text: str, **more: Any) -> dict[str, Any]:
    """A line of a chat."""
    return {"message": {"role": "assistant", "content": text}} | more


def done(tokens: int = 3, reason: str = "stop") -> dict[str, Any]:
    """How an answer ends."""
    return {
        "done": True,
        "done_reason": reason,
        "prompt_eval_count": 7,
        "eval_count": tokens,
    }


def numbered(number: int, call: dict[str, Any]) -> Iterable[Any]:
    """A chat of two words that says which call it answers, or its seed."""
    seed = call["options"].get("seed", number)
    return [chat(f"<{seed}"), chat(">"), chat("", **done(seed % 10))]


def by_prompt(number: int, call: dict[str, Any]) -> Iterable[Any]:
    """A completion that says its prompt again, in capitals."""
    return [{"response": call["prompt"].upper()}, {"response": ""} | done()]


def asked(app: WSGIApplication, path: str, request: dict[str, Any]) -> Answer:
    """The answer to a request that is right."""
    answer = ask(app, "POST", path, request)
    assert answer.status == 200, answer.body
    return answer


# ---------------------------------------------------------------------- n


def test_n() -> None:
    """``n`` choices come of as many calls, in order, with one usage."""
    choir = Choir(numbered)
    answer = asked(linted(choir), CHAT, HI | {"n": 4, "seed": 40}).json
    assert [call["options"]["seed"] for call in choir.calls] == [40, 41, 42, 43]
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    said = [choice["message"]["content"] for choice in answer["choices"]]
    assert said == ["<40>", "<41>", "<42>", "<43>"]
    used = answer["usage"]
    assert (used["prompt_tokens"], used["completion_tokens"]) == (7, 0 + 1 + 2 + 3)
    assert used["total_tokens"] == 13
    assert choir.closed == 4


def test_n_without_a_seed() -> None:
    """Where no seed is asked for, none is sent: the choices differ by chance."""
    choir = Choir(numbered)
    asked(linted(choir), CHAT, HI | {"n": 2})
    assert [call["options"] for call in choir.calls] == [
        {"temperature": 1.0, "top_p": 1.0}
    ] * 2


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_n_streamed(n: int) -> None:
    """Each choice is whole, has its index, one role and one end; then usage, [DONE]."""
    events = asked(linted(Choir(numbered)), CHAT, HI | STREAM | {"n": n}).frames
    assert events[-1] == "[DONE]"
    assert events[-2]["choices"] == []
    assert events[-2]["usage"]["prompt_tokens"] == 7
    assert events[-2]["usage"]["completion_tokens"] == sum(range(n))
    chunks = events[:-2]
    assert len({(c["id"], c["created"], c["model"]) for c in events[:-1]}) == 1
    for index in range(n):
        own = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == index]
        text = "".join(choice["delta"].get("content", "") for choice in own)
        assert text == f"<{index}>"
        roles = ["role" in choice["delta"] for choice in own]
        assert (roles[0], any(roles[1:])) == (True, False)
        reasons = [choice["finish_reason"] for choice in own]
        assert (any(reasons[:-1]), reasons[-1]) == (False, "stop")


def test_choices_interleave() -> None:
    """A choice does not wait for another: what is there first comes first."""
    second_spoke = gevent.event.Event()

    def speak(number: int, call: dict[str, Any]) -> Iterable[Any]:
        if number == 0:
            yield chat("a")
            assert second_spoke.wait(10)
        yield chat("b")
        second_spoke.set()
        yield chat("", **done())

    events = asked(linted(Choir(speak)), CHAT, HI | {"n": 2, "stream": True}).frames
    order = [event["choices"][0]["index"] for event in events[:-1]]
    assert order == [0, 0, 1, 1, 1, 0, 0]


def test_choices_are_numbered_as_they_begin() -> None:
    """None waits for another, whichever call Ollama takes first."""
    last_spoke = gevent.event.Event()

    def speak(number: int, call: dict[str, Any]) -> Iterable[Any]:
        if number < 2:
            assert last_spoke.wait(10)
        yield chat(f"<{number}>")
        if number == 2:
            last_spoke.set()
        yield chat("", **done())

    choir = Choir(speak)
    builder = EnvironBuilder(CHAT, method="POST", json=HI | {"n": 3, "stream": True})
    body, _, _ = run_wsgi_app(linted(choir), builder.get_environ())
    text = b"".join(body)
    body.close()  # type: ignore[attr-defined]
    chunks = [event["choices"][0] for event in frames(text)[:-1]]
    said = [(c["index"], c["delta"]["content"]) for c in chunks if c["delta"]]
    assert said[:2] == [(0, ""), (0, "<2>")]
    assert {index for index, _ in said} == {0, 1, 2}


@pytest.mark.parametrize("stream", [False, True])
def test_the_first_failure_ends_all(stream: bool) -> None:
    """One error, the first; every call is let go, also one that still speaks."""
    holds = gevent.event.Event()

    def speak(number: int, call: dict[str, Any]) -> Iterable[Any]:
        yield chat("a")
        if number == 1:
            yield {"error": "model runner has unexpectedly stopped"}
            return
        assert holds.wait(10)  # which never comes

    choir = Choir(speak)
    answer = ask(linted(choir), "POST", CHAT, HI | {"n": 3, "stream": stream})
    if stream:
        events = frames(answer.body)
        assert [event for event in events if "error" in event] == [events[-1]]
        assert "unexpectedly stopped" in events[-1]["error"]["message"]
        assert all("finish_reason" not in e or not e["finish_reason"] for e in events)
    else:
        assert answer.status == 500
        assert "unexpectedly stopped" in answer.error["message"]
    assert choir.closed == len(choir.calls) >= 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_choice_that_breaks_off(stream: bool) -> None:
    """An answer of which one choice is not complete is no answer."""

    def speak(number: int, call: dict[str, Any]) -> Iterable[Any]:
        yield chat("a")
        if number == 0:
            yield chat("", **done())

    answer = ask(linted(Choir(speak)), "POST", CHAT, HI | {"n": 2, "stream": stream})
    error = frames(answer.body)[-1]["error"] if stream else answer.error
    assert error["code"] == "upstream_incomplete"


def test_a_broken_connection() -> None:
    """What fails below a choice has its own status, before anything was sent."""

    def speak(number: int, call: dict[str, Any]) -> Iterable[Any]:
        yield UpstreamBroken("no HTTP")

    answer = ask(linted(Choir(speak)), "POST", CHAT, HI | {"n": 2, "stream": True})
    assert (answer.status, answer.error["code"]) == (502, "bad_upstream_response")


def test_refused_by_ollama() -> None:
    """An error of all calls is told once, with its status."""
    ollama = Ollama(b'{"error":"model \'m\' not found"}', status="404 Not Found")
    answer = ask(linted(ollama), "POST", CHAT, HI | {"n": 3, "stream": True})
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")


@pytest.mark.parametrize("taken", [0, 1, 2])
def test_a_client_that_leaves(taken: int) -> None:
    """``close`` lets go of every call that was made, whatever was read before."""
    holds = gevent.event.Event()

    def speak(number: int, call: dict[str, Any]) -> Iterable[Any]:
        yield chat("a")
        yield chat("b")
        assert holds.wait(10)  # which never comes

    choir = Choir(speak)
    builder = EnvironBuilder(CHAT, method="POST", json=HI | STREAM | {"n": 3})
    body, _, _ = run_wsgi_app(linted(choir), builder.get_environ())
    body = iter(body)
    for _ in range(taken):
        next(body)
    body.close()  # type: ignore[attr-defined]
    assert choir.closed == len(choir.calls) == 3


def test_each_call_has_its_own_end() -> None:
    """That one call is complete does not make the others so."""
    seen = []

    def speak(number: int, call: dict[str, Any]) -> Iterable[Any]:
        yield chat("a", **done())
        seen.append([exchange.complete for exchange in choir.exchanges])

    choir = Choir(speak)
    asked(linted(choir), CHAT, HI | {"n": 2})
    assert len({id(exchange) for exchange in choir.exchanges}) == 2
    assert all(exchange.complete for exchange in choir.exchanges)


@pytest.mark.parametrize("path", [CHAT, TEXT])
@pytest.mark.parametrize(
    ("n", "code"),
    [
        (0, "integer_below_min_value"),
        (-1, "integer_below_min_value"),
        (4, "integer_above_max_value"),
        (1.5, "invalid_type"),
        ("2", "invalid_type"),
        (True, "invalid_type"),
        (10**19, "invalid_type"),
    ],
)
def test_bad_n(path: str, n: Any, code: str) -> None:
    """``n`` is an integer from 1 to the setting's maximum."""
    ollama = Ollama()
    request = (HI if path == CHAT else PROMPT) | {"n": n}
    answer = ask(linted(ollama, max_choices=3), "POST", path, request)
    assert (answer.status, answer.error["code"]) == (400, code)
    assert answer.error["param"] == "n"
    assert ollama.calls == []


# ------------------------------------------------------------ completions


def test_prompts() -> None:
    """An array of prompts: for each its choices, the index counts through."""
    choir = Choir(by_prompt)
    answer = asked(linted(choir), TEXT, PROMPT | {"prompt": ["a", "b"], "n": 2}).json
    assert [(c["index"], c["text"]) for c in answer["choices"]] == [
        (0, "A"),
        (1, "A"),
        (2, "B"),
        (3, "B"),
    ]
    used = answer["usage"]
    assert (used["prompt_tokens"], used["completion_tokens"]) == (2 * 7, 4 * 3)


def test_prompts_streamed() -> None:
    """Streamed too, each frame with the index of its choice."""
    request = PROMPT | STREAM | {"prompt": ["a", "b", "c"]}
    events = asked(linted(Choir(by_prompt)), TEXT, request).frames
    assert events[-1] == "[DONE]"
    assert events[-2]["usage"]["prompt_tokens"] == 3 * 7
    texts = {0: "", 1: "", 2: ""}
    ends = []
    for event in events[:-2]:
        choice = event["choices"][0]
        texts[choice["index"]] += choice["text"]
        ends.append(choice["finish_reason"])
    assert texts == {0: "A", 1: "B", 2: "C"}
    assert sorted(filter(None, ends)) == ["stop"] * 3


def test_too_many_prompts() -> None:
    """What one request may make of calls is bounded, and nothing is sent."""
    ollama = Ollama()
    request = PROMPT | {"prompt": ["a"] * 65, "n": 2}
    answer = ask(linted(ollama), "POST", TEXT, request)
    assert (answer.status, answer.error["param"]) == (400, "prompt")
    assert ollama.calls == []


def test_calls_at_once_are_bounded() -> None:
    """Many prompts do not become as many calls at the same time."""
    open_calls: list[int] = []

    def speak(number: int, call: dict[str, Any]) -> Iterable[Any]:
        open_calls.append(len(choir.calls) - choir.closed)
        gevent.idle()
        yield {"response": "x"} | done()

    for stream in (False, True):
        choir = Choir(speak)
        request = PROMPT | {"prompt": ["a"] * 20, "stream": stream}
        asked(linted(choir, max_choices=3), TEXT, request)
        assert max(open_calls) == 3
        assert len(open_calls) == 20
        open_calls.clear()


LOGPROBS = [-3.0, -1.0, -2.0]


def probable(number: int, call: dict[str, Any]) -> Iterable[Any]:
    """A completion with log probabilities that differ by call."""
    tokens = [{"token": "t", "logprob": LOGPROBS[number % 3]}] * 2
    return [
        {"response": f"{number}"}
        | ({"logprobs": tokens} if "logprobs" in call else {}),
        {"response": ""} | done(),
    ]


@pytest.mark.parametrize("logprobs", [None, 1])
def test_best_of(logprobs: int | None) -> None:
    """Of ``best_of`` completions the ``n`` most probable are given, best first."""
    choir = Choir(probable)
    request = PROMPT | {"n": 2, "best_of": 3, "logprobs": logprobs}
    answer = asked(linted(choir), TEXT, request).json
    assert [call["logprobs"] for call in choir.calls] == [True] * 3
    assert [(c["index"], c["text"]) for c in answer["choices"]] == [(0, "1"), (1, "2")]
    assert answer["usage"]["completion_tokens"] == 9
    given = [choice["logprobs"] is not None for choice in answer["choices"]]
    assert given == [logprobs is not None] * 2


def test_best_of_without_log_probabilities() -> None:
    """An Ollama that tells none gives the first ones."""
    answer = asked(linted(Choir(by_prompt)), TEXT, PROMPT | {"best_of": 3}).json
    assert [choice["text"] for choice in answer["choices"]] == ["HI"]


def test_best_of_streamed() -> None:
    """What was streamed cannot be taken back: ``best_of`` is ignored and named."""
    choir = Choir(by_prompt)
    request = PROMPT | {"n": 2, "best_of": 3, "stream": True}
    answer = asked(linted(choir), TEXT, request)
    assert len(choir.calls) == 2
    assert answer.headers["X-Pannier-Ignored"] == "best_of"


def test_best_of_below_n() -> None:
    """The best two of one cannot be given."""
    answer = ask(linted(Ollama()), "POST", TEXT, PROMPT | {"n": 2, "best_of": 1})
    assert (answer.status, answer.error["param"]) == (400, "best_of")


def test_echo() -> None:
    """``echo`` puts the prompt before the text, and offsets count from its start."""

    def speak(number: int, call: dict[str, Any]) -> Iterable[Any]:
        tokens = [{"token": "ab", "logprob": -1.0}, {"token": "c", "logprob": -1.0}]
        return [{"response": "abc", "logprobs": tokens} | done()]

    request = PROMPT | {"prompt": "héy ", "echo": True, "logprobs": 0}
    choice = asked(linted(Choir(speak)), TEXT, request | {"logprobs": 1}).json[
        "choices"
    ][0]
    assert choice["text"] == "héy abc"
    assert choice["logprobs"]["text_offset"] == [4, 6]


def test_echo_streamed() -> None:
    """The first frame of each choice carries its prompt."""
    request = PROMPT | {"prompt": ["a", "b"], "echo": True, "stream": True}
    events = asked(linted(Choir(by_prompt)), TEXT, request).frames[:-1]
    first: dict[int, str] = {}
    for event in events:
        choice = event["choices"][0]
        first.setdefault(choice["index"], choice["text"])
    assert first == {0: "aA", 1: "bB"}


@pytest.mark.parametrize(
    ("setting", "request_", "raw"),
    [
        ("never", {}, None),
        ("never", {"echo": True}, None),
        ("never", {"raw": True}, True),
        ("auto", {}, None),
        ("auto", {"echo": True}, True),
        ("auto", {"echo": True, "raw": False}, None),
        ("auto", {"echo": True, "suffix": "x"}, None),
        ("always", {}, True),
        ("always", {"raw": False}, None),
        ("always", {"system": "x"}, None),
        ("always", {"template": "x"}, None),
        ("always", {"suffix": "x"}, None),
    ],
)
def test_raw(setting: str, request_: dict[str, Any], raw: bool | None) -> None:
    """Plain continuation comes by request, and by setting where nothing forbids it."""
    choir = Choir(by_prompt)
    # Else what has a suffix is filled in, which is another affair.
    app = linted(choir, completions_raw=setting, code_rewrite=False)
    asked(app, TEXT, PROMPT | request_)
    assert choir.calls[0].get("raw") is raw


@pytest.mark.parametrize("path", [CHAT, TEXT])
def test_explained(path: str) -> None:
    """An explanation shows every call that would be made, and makes none."""
    ollama = Ollama()
    request = (HI if path == CHAT else PROMPT) | {"n": 3, "seed": 5, "user": "ann"}
    answer = ask(linted(ollama), "POST", path + "?explain=1", request).json
    assert answer["object"] == "pannier.explanation"
    seeds = [call["options"]["seed"] for call in answer["requests"]]
    assert seeds == [5, 6, 7]
    assert answer["model"] == {"requested": "m", "resolved": "m"}
    assert answer["endpoint"] == ("/api/chat" if path == CHAT else "/api/generate")
    assert [entry["field"] for entry in answer["ignored"]] == ["user"]
    assert answer["ignored"][0]["reason"]
    assert ollama.calls == []


def test_prompts_as_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Token arrays are read as text: one prompt, or several."""

    def spelled(tokens: list[int], param: str) -> str:
        assert param == "prompt"
        return "".join(map(chr, tokens))

    monkeypatch.setattr("middleware.completions.text_of", spelled)
    for given, wanted in (
        ([104, 105], ["hi"]),
        ([[104, 105], [121, 111]], ["hi", "yo"]),
        ([[104, 105], "yo"], ["hi", "yo"]),
    ):
        choir = Choir(by_prompt)
        asked(linted(choir), TEXT, PROMPT | {"prompt": given})
        assert [call["prompt"] for call in choir.calls] == wanted


@pytest.mark.parametrize(
    ("template", "raw"),
    [("{{ .Prompt }}", True), ("{{.Prompt}}\n", True), ("[INST]{{ .Prompt }}", None)],
)
def test_raw_by_template(template: str, raw: bool | None) -> None:
    """In ``auto`` a model without a template of its own continues plain text."""

    def control(method: str, path: str, *_: Any, **__: Any) -> bytes:
        models = [{"name": "m:latest", "model": "m:latest", "digest": "d"}]
        answers = {"/api/tags": {"models": models}, "/api/show": {"template": template}}
        return json.dumps(answers[path]).encode()

    choir = Choir(by_prompt)
    asked(linted(choir, control=control, completions_raw="auto"), TEXT, PROMPT)
    assert choir.calls[0].get("raw") is raw


def test_many_large_calls_are_refused() -> None:
    """What many calls have in common cannot make gigabytes of megabytes."""
    ollama = Ollama()
    request = PROMPT | {"prompt": ["a"] * 128, "system": "x" * 20_000}
    app = linted(ollama, max_body_bytes=100_000)
    answer = ask(app, "POST", TEXT, request)
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert ollama.calls == []
    large = {"prompt": "x" * 90_000, "n": 8}  # one call, made eight times
    assert ask(app, "POST", TEXT, PROMPT | large).status == 200


def test_an_explanation_shows_the_first_calls() -> None:
    """Of many calls eight are shown, and how many there are."""
    request = PROMPT | {"prompt": ["a"] * 100}
    answer = ask(linted(Ollama()), "POST", TEXT + "?explain=1", request).json
    assert (answer["calls"], len(answer["requests"])) == (100, 8)


def test_the_largest_seed() -> None:
    """After the largest seed comes the smallest: Ollama takes 64 bits."""
    choir = Choir(numbered)
    asked(linted(choir), CHAT, HI | {"n": 2, "seed": 2**63 - 1})
    assert [call["options"]["seed"] for call in choir.calls] == [2**63 - 1, -(2**63)]


def test_closed_from_elsewhere() -> None:
    """A stream that is closed while it waits says nothing more: no mark of an end."""
    holds = gevent.event.Event()

    def speak(number: int, call: dict[str, Any]) -> Iterable[Any]:
        yield chat("a")
        assert holds.wait(10)  # which never comes

    choir = Choir(speak)
    builder = EnvironBuilder(CHAT, method="POST", json=HI | {"n": 2, "stream": True})
    body, _, _ = run_wsgi_app(linted(choir), builder.get_environ())
    reader = gevent.spawn(b"".join, body)
    while len(choir.calls) < 2:
        gevent.idle()
    gevent.idle()
    body.close()  # type: ignore[attr-defined]
    assert b"[DONE]" not in reader.get(timeout=10)
    assert not choir.exchanges[0].complete


@pytest.mark.parametrize("stream", [False, True])
def test_ids_of_calls_differ(stream: bool) -> None:
    """Choices that call the same function have calls with ids of their own."""

    def speak(number: int, call: dict[str, Any]) -> Iterable[Any]:
        function = {"name": "f", "arguments": {}}
        message = {"tool_calls": [{"id": "call_same", "function": function}]}
        return [{"message": message}, chat("", **done())]

    answer = asked(linted(Choir(speak)), CHAT, HI | {"n": 3, "stream": stream})
    if stream:
        choices = [event["choices"][0] for event in answer.frames[:-1]]
        called = [
            c["delta"]["tool_calls"][0] for c in choices if "tool_calls" in c["delta"]
        ]
        ids = [call["id"] for call in called if "id" in call]
    else:
        said = [choice["message"] for choice in answer.json["choices"]]
        ids = [message["tool_calls"][0]["id"] for message in said]
    assert len(ids) == len(set(ids)) == 3
