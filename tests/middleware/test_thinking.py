import json
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from support.able import Able
from support.gateway import installed, snapshot
from support.ollama import CHAT, JSON, NDJSON, Answer, Body, Ollama, ask
from support.stack import linted

from app.errors import UpstreamBroken

HI = [{"role": "user", "content": "hi"}]
MESSAGES = "/v1/messages"
ABSENT = "absent"
HIDDEN_LOW = ("low", "hidden", "think=low")
TOKENS = "reasoning.max_tokens"
KWARGS = "chat_template_kwargs.enable_thinking"
#: An answer that thinks: 3 characters of 8, 8 tokens.
THOUGHT = {"message": {"content": "Hello", "thinking": "hmm"}, "done": True} | {
    "eval_count": 8,
    "prompt_eval_count": 1,
}

# The specification's table (gateway, section 5.1).  A row is what a client sends, the
# field that is named where it is dropped (empty: as good as kept), and what is sent for
# a levelled, an on/off and an unknown model.
TABLE: list[tuple[dict[str, Any], str, Any, Any, Any]] = [
    ({}, "", ABSENT, ABSENT, ABSENT),
    ({"think": True}, "think", "medium", True, True),
    ({"think": False}, "", HIDDEN_LOW, False, False),
    ({"think": "low"}, "think", "low", "low", "low"),
    ({"think": "medium"}, "think", "medium", "medium", "medium"),
    ({"think": "high"}, "think", "high", "high", "high"),
    ({"think": "max"}, "think", ("high", "think=high"), "max", "max"),
    ({"reasoning_effort": "none"}, "", HIDDEN_LOW, False, False),
    ({"reasoning_effort": "minimal"}, "", "low", False, "low"),
    ({"reasoning_effort": "low"}, "reasoning_effort", "low", "low", "low"),
    ({"reasoning_effort": "medium"}, "reasoning_effort", "medium", "medium", "medium"),
    ({"reasoning_effort": "high"}, "reasoning_effort", "high", "high", "high"),
    *[
        (
            {"reasoning_effort": most},
            "reasoning_effort",
            ("high", "think=high"),
            "max",
            "max",
        )
        for most in ("xhigh", "ultra", "max")
    ],
    ({"reasoning_effort": ""}, "", ABSENT, ABSENT, ABSENT),
    ({"reasoning": {"effort": "low"}}, "reasoning.effort", "low", "low", "low"),
    ({"reasoning": {"effort": "none"}}, "", HIDDEN_LOW, False, False),
    ({"reasoning": {"max_tokens": 0}}, "", HIDDEN_LOW, False, False),
    ({"reasoning": {"max_tokens": 1}}, TOKENS, "low", True, True),
    ({"reasoning": {"max_tokens": 2047}}, TOKENS, "low", True, True),
    ({"reasoning": {"max_tokens": 2048}}, TOKENS, "medium", True, True),
    ({"reasoning": {"max_tokens": 8191.0}}, TOKENS, "medium", True, True),
    ({"reasoning": {"max_tokens": 8192}}, TOKENS, "high", True, True),
    ({"reasoning": {"enabled": True}}, "reasoning.enabled", "medium", True, True),
    ({"reasoning": {"enabled": False}}, "", HIDDEN_LOW, False, False),
    ({"reasoning": {"enabled": False, "effort": "none"}}, "", HIDDEN_LOW, False, False),
    (
        {"reasoning": {"exclude": True}},
        "",
        ("", "hidden"),
        ("", "hidden"),
        ("", "hidden"),
    ),
    ({"thinking": {"type": "enabled"}}, "thinking", "medium", True, True),
    ({"thinking": {"type": "adaptive"}}, "thinking", "medium", True, True),
    ({"thinking": {"type": "disabled"}}, "", HIDDEN_LOW, False, False),
    (
        {"thinking": {"type": "disabled", "budget_tokens": 9000}},
        "",
        HIDDEN_LOW,
        False,
        False,
    ),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 4096}},
        "thinking.budget_tokens",
        "medium",
        True,
        True,
    ),
    (
        {"thinking": {"budget_tokens": 9000}},
        "thinking.budget_tokens",
        "high",
        True,
        True,
    ),
    ({"thinking": {}}, "", ABSENT, ABSENT, ABSENT),
    ({"thinking": True}, "thinking", "medium", True, True),
    ({"thinking": False}, "", HIDDEN_LOW, False, False),
    ({"thinking": "high"}, "thinking", "high", "high", "high"),
    ({"thinking": "enabled"}, "thinking", "medium", True, True),
    (
        {"output_config": {"effort": "high"}},
        "output_config.effort",
        "high",
        "high",
        "high",
    ),
    ({"chat_template_kwargs": {"enable_thinking": True}}, KWARGS, "medium", True, True),
    (
        {"chat_template_kwargs": {"enable_thinking": False}},
        "",
        HIDDEN_LOW,
        False,
        False,
    ),
    ({"enable_thinking": True}, "enable_thinking", "medium", True, True),
    ({"enable_thinking": False}, "", HIDDEN_LOW, False, False),
    ({"extra_body": {"think": "low"}}, "think", "low", "low", "low"),
    ({"extra_body": {"enable_thinking": False}}, "", HIDDEN_LOW, False, False),
]


def case(row: Any) -> str:
    """A row's name."""
    return json.dumps(row[0])


def chat(
    request: dict[str, Any],
    model: str = "switched",
    ollama: Any = None,
    path: str = "/v1/chat/completions",
    **settings: Any,
) -> tuple[Answer, Ollama, Able]:
    """An answer, the Ollama that gave it, and who was asked about models."""
    ollama = ollama or Ollama(json.dumps(THOUGHT).encode())
    able = Able()
    app = linted(ollama, control=able, **settings)
    body = {"model": model, "messages": HI, **request}
    if path.endswith("/completions") and "chat" not in path:
        body = {"model": model, "prompt": "hi", **request}
    return ask(app, body=body, path=path), ollama, able


def sent(ollama: Ollama) -> Any:
    """The only call's ``think``."""
    assert len(ollama.calls) == 1
    return ollama.calls[0].json.get("think", ABSENT)


@pytest.mark.parametrize("row", TABLE, ids=case)
@pytest.mark.parametrize("model", ["levelled", "switched", "unknown", "absent"])
def test_models_that_think(row: Any, model: str) -> None:
    """Each spelling is sent as the kind of model takes it; what changed is said."""
    wanted = row[{"levelled": 2, "switched": 3}.get(model, 4)]
    value, *notes = wanted if isinstance(wanted, tuple) else (wanted,)
    answer, ollama, _ = chat(row[0], model)
    assert answer.status == 200
    assert sent(ollama) == (value if value != "" else ABSENT)
    message = answer.json["choices"][0]["message"]
    assert ("reasoning" not in message) == ("hidden" in notes)
    adjusted = answer.headers.get("X-Pannier-Adjusted", "")
    assert adjusted == "".join(note for note in notes if note != "hidden")
    assert "X-Pannier-Ignored" not in answer.headers
    details = answer.json["usage"]["completion_tokens_details"]
    assert details == {"reasoning_tokens": 3}  # hidden or not


@pytest.mark.parametrize("row", TABLE, ids=case)
@pytest.mark.parametrize("model", ["levelled", "switched", "unknown", "absent"])
def test_messages_to_models_that_think(row: Any, model: str) -> None:
    """Anthropic's dialect knows every spelling, and means the same by it."""
    wanted = row[{"levelled": 2, "switched": 3}.get(model, 4)]
    value, *notes = wanted if isinstance(wanted, tuple) else (wanted,)
    answer, ollama, _ = chat(row[0], model, path=MESSAGES)
    assert answer.status == 200
    assert sent(ollama) == (value if value != "" else ABSENT)
    kinds = [block["type"] for block in answer.json["content"]]
    assert kinds == (["text"] if "hidden" in notes else ["thinking", "text"])
    adjusted = answer.headers.get("X-Pannier-Adjusted", "")
    assert adjusted == "".join(note for note in notes if note != "hidden")
    assert "X-Pannier-Ignored" not in answer.headers
    details = answer.json["usage"]["output_tokens_details"]
    assert details == {"thinking_tokens": 3}  # hidden or not


@pytest.mark.parametrize("row", TABLE, ids=case)
@pytest.mark.parametrize("path", ["/v1/chat/completions", MESSAGES])
def test_models_that_do_not_think(row: Any, path: str) -> None:
    """The wish is dropped and named; one not to think is as good as kept."""
    answer, ollama, _ = chat(row[0], "plain", path=path)
    assert answer.status == 200
    assert sent(ollama) == ABSENT
    assert answer.headers.get("X-Pannier-Ignored", "") == row[1]


@pytest.mark.parametrize("row", [row for row in TABLE if row[1]], ids=case)
@pytest.mark.parametrize("setting", [{"think_unsupported": "error"}, {"strict": True}])
def test_models_that_do_not_think_refused(row: Any, setting: Any) -> None:
    """By setting, a wish that cannot be kept is a 400 that names the field."""
    answer, ollama, _ = chat(row[0], "plain", **setting)
    assert (answer.status, ollama.calls) == (400, [])
    assert answer.error == {
        "message": '"plain" does not support thinking',
        "type": "invalid_request_error",
        "param": row[1],
        "code": "unsupported_value",
    }


@pytest.mark.parametrize("row", [row for row in TABLE if not row[1]], ids=case)
def test_models_that_do_not_think_and_should_not(row: Any) -> None:
    """Not to think is never refused."""
    answer, _, _ = chat(row[0], "plain", think_unsupported="error")
    assert answer.status == 200


@pytest.mark.parametrize(
    ("model", "value"),
    [("levelled", "low"), ("switched", True), ("plain", ABSENT), ("unknown", "low")],
)
def test_minimal_may_be_a_little(model: str, value: Any) -> None:
    """By setting, the effort `minimal` lets on/off models think."""
    request = {"reasoning_effort": "minimal"}
    answer, ollama, _ = chat(request, model, think_minimal="low")
    assert sent(ollama) == value
    assert "X-Pannier-Ignored" not in answer.headers


@pytest.mark.parametrize(
    ("model", "value"),
    [("levelled", "low"), ("switched", False), ("plain", ABSENT), ("unknown", False)],
)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_thinking_off_by_setting(model: str, value: Any, path: str) -> None:
    """Where a request does not say, PANNIER_THINK=off does; a request wins."""
    answer, ollama, _ = chat({}, model, Ollama(), path, think="off")
    assert (answer.status, sent(ollama)) == (200, value)
    assert "X-Pannier-Ignored" not in answer.headers
    assert "X-Pannier-Adjusted" not in answer.headers
    _, ollama, _ = chat({"think": "high"}, "switched", Ollama(), path, think="off")
    assert sent(ollama) == "high"


@pytest.mark.parametrize(
    "stronger",
    [
        {"think": "high"},
        {"reasoning_effort": "high"},
        {"reasoning": {"effort": "high", "enabled": True, "max_tokens": 1}},
        {"thinking": "high"},
        {"output_config": {"effort": "high"}},
        {"chat_template_kwargs": {"enable_thinking": True}},
        {"enable_thinking": True},
    ],
    ids=lambda given: next(iter(given)),
)
def test_first_spelling_counts(stronger: dict[str, Any]) -> None:
    """Of several spellings the first in the order of the table counts."""
    weaker = {
        "think": "low",
        "reasoning_effort": "low",
        "reasoning": {"effort": "low"},
        "thinking": "low",
        "output_config": {"effort": "low"},
        "chat_template_kwargs": {"enable_thinking": False},
        "enable_thinking": False,
    }
    names = list(weaker)
    place = names.index(next(iter(stronger)))
    below = {name: weaker[name] for name in names[place + 1 :]}
    _, ollama, _ = chat({**below, **stronger})
    assert sent(ollama) in ("high", True)


@pytest.mark.parametrize(
    ("reasoning", "value"),
    [
        ({"effort": "", "enabled": False}, False),
        ({"effort": None, "max_tokens": 5}, True),
        ({"enabled": True, "max_tokens": 0}, True),
    ],
)
def test_order_inside_reasoning(reasoning: dict[str, Any], value: bool) -> None:
    """Of an object's members the effort counts first, then enabled, then tokens."""
    _, ollama, _ = chat({"reasoning": reasoning})
    assert sent(ollama) is value


EFFORTS = '"minimal", "low", "medium", "high", "xhigh", "ultra", "max", or "none"'


@pytest.mark.parametrize(
    ("request_", "param", "says"),
    [
        ({"think": "minimal"}, "think", 'invalid think value: "minimal"'),
        ({"think": 1}, "think", "expected"),
        ({"reasoning_effort": "x"}, "reasoning_effort", EFFORTS),
        ({"reasoning_effort": 3}, "reasoning_effort", "expected a string"),
        ({"reasoning_effort": "HIGH"}, "reasoning_effort", EFFORTS),
        ({"think": ""}, "think", 'invalid think value: ""'),
        ({"reasoning": {"effort": "Low"}}, "reasoning.effort", EFFORTS),
        ({"reasoning": "high"}, "reasoning", "expected an object"),
        ({"reasoning": {"enabled": "yes"}}, "reasoning.enabled", "expected a boolean"),
        ({"reasoning": {"exclude": 1}}, "reasoning.exclude", "expected a boolean"),
        ({"reasoning": {"max_tokens": -1}}, "reasoning.max_tokens", ">= 0"),
        ({"reasoning": {"max_tokens": 1.5}}, "reasoning.max_tokens", "an integer"),
        ({"thinking": "x"}, "thinking", EFFORTS),
        ({"thinking": 5}, "thinking", "expected"),
        ({"thinking": {"type": "on"}}, "thinking.type", "'adaptive'"),
        ({"thinking": {"type": 1}}, "thinking.type", "expected a string"),
        (
            {"thinking": {"type": "enabled", "budget_tokens": "x"}},
            "thinking.budget_tokens",
            "expected a number",
        ),
        ({"thinking": {"budget_tokens": -1}}, "thinking.budget_tokens", ">= 0"),
        ({"thinking": {"budget_tokens": True}}, "thinking.budget_tokens", "a number"),
        ({"output_config": {"effort": "x"}}, "output_config.effort", EFFORTS),
        ({"output_config": {"effort": 1}}, "output_config.effort", "expected a string"),
        ({"output_config": "x"}, "output_config", "expected an object"),
        ({"chat_template_kwargs": {"enable_thinking": 1}}, KWARGS, "a boolean"),
        ({"chat_template_kwargs": []}, "chat_template_kwargs", "expected an object"),
        ({"enable_thinking": "true"}, "enable_thinking", "expected a boolean"),
        ({"include_reasoning": "x"}, "include_reasoning", "expected a boolean"),
        ({"exclude_reasoning": "x"}, "exclude_reasoning", "expected a boolean"),
        ({"hide_reasoning": 0}, "hide_reasoning", "expected a boolean"),
        (
            {"metadata": {"exclude_reasoning": "yes"}},
            "metadata.exclude_reasoning",
            "expected a boolean",
        ),
        (
            {"reasoning": {"enabled": False, "effort": "low"}},
            "reasoning.enabled",
            "contradicts",
        ),
        (
            {"reasoning": {"enabled": False}, "reasoning_effort": "low"},
            "reasoning.enabled",
            "contradicts",
        ),
    ],
    ids=str,
)
@pytest.mark.parametrize("model", ["switched", "plain"])
def test_wrong_wishes(
    request_: dict[str, Any], param: str, says: str, model: str
) -> None:
    """A value that cannot be is a 400 that names the field, whatever the model."""
    answer, ollama, _ = chat(request_, model)
    assert (answer.status, ollama.calls) == (400, [])
    assert answer.error["param"] == param
    assert says in answer.error["message"]


@pytest.mark.parametrize(
    "request_", [{"think": "x" * 10_000}, {"reasoning_effort": "x" * 10_000}], ids=list
)
def test_long_wishes(request_: dict[str, Any]) -> None:
    """A value that is far too long is not repeated in full."""
    answer, _, _ = chat(request_)
    assert answer.status == 400
    assert len(answer.error["message"]) < 300


@pytest.mark.parametrize(
    ("request_", "setting", "hidden"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"reasoning": {"exclude": False}}, True, False),
        ({"reasoning": {"exclude": True}, "include_reasoning": True}, False, True),
        ({"reasoning": {"exclude": False}, "exclude_reasoning": True}, True, False),
        ({"reasoning": {}, "include_reasoning": False}, False, True),
        ({"include_reasoning": True, "exclude_reasoning": True}, True, False),
        ({"exclude_reasoning": True}, False, True),
        ({"exclude_reasoning": False, "hide_reasoning": True}, True, False),
        ({"hide_reasoning": True}, False, True),
        ({"metadata": {"exclude_reasoning": True}}, False, True),
        ({"metadata": {"exclude_reasoning": "true"}}, False, True),
        ({"metadata": {"hide_reasoning": "false"}}, True, False),
        ({"extra_body": {"exclude_reasoning": True}}, False, True),
        ({"extra_body": {"hide_reasoning": True}}, False, True),
        ({"extra_body": {"reasoning": {"exclude": True}}}, False, True),
        ({"extra_body": {"metadata": {"hide_reasoning": True}}}, False, True),
    ],
    ids=str,
)
@pytest.mark.parametrize("stream", [False, True])
def test_hiding(
    request_: dict[str, Any], setting: bool, hidden: bool, stream: bool
) -> None:
    """Reasoning is hidden as the first says that says; no look at the model for it."""
    request_ = {**request_, "stream": stream, "stream_options": {"include_usage": True}}
    answer, _, able = chat(request_, exclude_reasoning=setting)
    assert answer.status == 200
    assert (b"hmm" not in answer.body) == hidden
    assert b'"reasoning_tokens":3' in answer.body
    assert "X-Pannier-Ignored" not in answer.headers
    assert able.calls == 0


@pytest.mark.parametrize(
    ("request_", "named"),
    [
        ({"metadata": {"a": "b", "hide_reasoning": True}}, "metadata"),
        ({"output_config": {"format": {}}}, "output_config.format"),
        ({"chat_template_kwargs": {"x": 1}}, "chat_template_kwargs.x"),
        ({"reasoning": {"summary": "auto"}}, "reasoning.summary"),
    ],
)
def test_members_without_effect(request_: dict[str, Any], named: str) -> None:
    """What those objects hold beside the wish is named."""
    answer, _, _ = chat(request_)
    assert answer.headers["X-Pannier-Ignored"] == named


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_ordinary_requests_look_nothing_up(path: str, stream: bool) -> None:
    """Nobody is asked about a model where nothing is said of thinking."""
    answer, _, able = chat({"stream": stream}, ollama=Ollama(), path=path)
    assert (answer.status, able.calls) == (200, 0)


def test_models_are_known_by_what_they_are() -> None:
    """The look-up is of the model that an alias means; errors say the client's name."""
    settings = {"aliases": "fast=plain", "think_unsupported": "error"}
    answer, _, able = chat({"think": True}, "fast", **settings)
    assert answer.error["message"] == '"fast" does not support thinking'
    assert able.asked == ["plain"]


def test_explanation() -> None:
    """An explanation says what is sent, what is ignored and why."""
    for model, think in (("plain", None), ("levelled", "high")):
        ollama = Ollama()
        body = {"model": model, "messages": HI, "reasoning_effort": "max"}
        app = linted(ollama, control=Able())
        told = ask(app, body=body, X_Pannier_Explain="1").json
        assert told["requests"][0].get("think") == think
        ignored = [(one["field"], one["reason"]) for one in told["ignored"]]
        dropped = [("reasoning_effort", "the model does not think")]
        assert ignored == (dropped if model == "plain" else [])
        assert told["adjusted"] == ([] if model == "plain" else ["think=high"])


def test_earlier_reasoning_goes_back() -> None:
    """An assistant's reasoning, in any of its fields, becomes native `thinking`."""
    assistant = {"role": "assistant", "content": "a"}
    fields: list[dict[str, Any]] = [
        {"reasoning": "r"},
        {"reasoning_content": "r"},
        {"reasoning_details": [{"text": "r"}]},
        {},
    ]
    messages = [*HI, *[assistant | field for field in fields], *HI]
    _, ollama, _ = chat({"messages": messages})
    said = [m.get("thinking", "") for m in ollama.calls[0].json["messages"]]
    assert said == ["", "r", "r", "r", "", ""]


# --------------------------------------------------- an Ollama that is older


class Older(Ollama):
    """An Ollama that knows fewer levels; ``lazy`` starts its answer late."""

    def __init__(self, *known: Any, words: str, lazy: bool = False) -> None:
        super().__init__()
        self.known = known
        self.words = words
        self.lazy = lazy

    def __call__(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Refuse a level that is not known."""
        said: list[Any] = []
        super().__call__(environ, lambda *head: said.append(head))  # type: ignore[arg-type,return-value]
        good = self.calls[-1].json["think"] in self.known
        error = json.dumps({"error": self.words}).encode()
        # An error in two blocks: the second is read as well.
        body = Body([CHAT] if good else [error[:9], error[9:]])
        self.bodies[-1] = body
        status = "200 OK" if good else "400 Bad Request"
        headers = [*NDJSON] if good else [*JSON]
        if not self.lazy:
            start_response(status, headers)
            return body
        return Lazy(body, status, headers, start_response)


class Lazy:
    """A body that starts its response with its first item."""

    def __init__(self, body: Body, status: str, headers: Any, start: Any) -> None:
        self.body, self.start = body, (start, status, headers)

    def __iter__(self) -> "Lazy":
        return self

    def __next__(self) -> bytes:
        if self.start:
            start, status, headers = self.start
            self.start = ()  # type: ignore[assignment]
            start(status, headers)
        return next(self.body)

    def close(self) -> None:
        """Let go."""
        self.body.close()


NEWER = 'invalid think value: "max" (must be "high", "medium", "low", true, or false)'
OLDEST = (
    "json: cannot unmarshal string into Go struct field ChatRequest.think of type bool"
)
OLD = {
    "max": (("high", True), NEWER, "max", ["max", "high"], "think=high"),
    "max-levels": (
        (True,),
        NEWER,
        "max",
        ["max", "high", True],
        "think=true",
    ),
    "low": ((True,), OLDEST, "low", ["low", True], "think=true"),
}


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("name", OLD)
def test_older_ollama(name: str, n: int, stream: bool, lazy: bool) -> None:
    """A level that Ollama does not know is lowered until it does, and that is said."""
    known, words, level, levels, said = OLD[name]
    ollama = Older(*known, words=words, lazy=lazy)
    app = linted(ollama, control=Able())
    body = {"model": "switched", "messages": HI, "n": n, "stream": stream}
    answer = ask(app, body={**body, "reasoning_effort": level})
    assert answer.status == 200
    assert answer.headers["X-Pannier-Adjusted"] == said
    sent = [call.json["think"] for call in ollama.calls]
    assert sorted(map(str, sent)) == sorted(map(str, levels * n))
    assert [body.closed for body in ollama.bodies] == [1] * len(sent)
    assert answer.body.count(b"Hello") == n


@pytest.mark.parametrize("level", ["low", "medium", "max"])
def test_a_forced_level_that_is_lowered(level: str) -> None:
    """Only the level is said that was sent at last, whoever chose the first."""
    forced = {"think": {"value": level, "mode": "force"}}
    ollama = Older(True, words=OLDEST)
    now = installed(snapshot(overrides=forced))
    app = linted(ollama, control=Able(), installation=now)
    body = {"model": "switched", "messages": HI, "reasoning_effort": "high"}
    answer = ask(app, body=body)
    assert ollama.calls[-1].json["think"] is True
    assert answer.headers["X-Pannier-Adjusted"] == "think=true"


@pytest.mark.parametrize(
    ("think", "words", "calls"),
    [
        ("max", '"switched" does not support thinking', 1),
        ("max", "invalid options", 1),
        (True, NEWER, 1),
        ("max", NEWER, 3),
        ("low", NEWER, 2),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_other_refusals(think: Any, words: str, calls: int, stream: bool) -> None:
    """Only a refused level is lowered; what is refused at last keeps Ollama's words."""
    ollama = Older(words=words)
    answer, _, _ = chat({"think": think, "stream": stream}, "switched", ollama)
    assert (answer.status, answer.error["message"]) == (400, words)
    assert [body.closed for body in ollama.bodies] == [1] * calls


def test_a_refusal_that_breaks() -> None:
    """A refusal that cannot be read to its end is let go of, and is a failure."""
    broken = UpstreamBroken("cut")
    ollama = Ollama(b'{"error":', broken, status="400 Bad Request")
    answer, _, _ = chat({"think": "max"}, "switched", ollama)
    assert (answer.status, answer.error["message"]) == (502, "cut")
    assert ollama.body.closed == 1
