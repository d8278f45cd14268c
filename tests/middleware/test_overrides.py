"""Overrides: how their JSON is read, and what becomes of calls, of keys' too."""

import json
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from support.able import Able
from support.gateway import installed, key, snapshot
from support.ollama import EMBED, GENERATE, Answer, FakeUpstream, Ollama, ask
from support.stack import linted

from app.catalog import Catalog
from app.errors import BadRequest
from app.exchange import Exchange
from app.gateway.current import Current
from app.gateway.entries import AliasEntry, ModelEntry
from app.gateway.keys import Key
from app.gateway.overrides import Layers, effective
from app.gateway.parameters import KNOWN
from app.gateway.requested import INSTEAD, REQUESTED
from app.gateway.rules import SPECIAL, SPELLINGS, OverrideError, Rule, check, read
from app.gateway.snapshot import NOTHING, Snapshot
from app.settings import Settings
from app.wire import anthropic, code, openai, responses
from app.wire import ollama as wire
from middleware.overrides import Overrides
from middleware.stack import build_stack

SECRET = "sk-test-key-of-thirty-two-characters"
HI = [{"role": "user", "content": "hi"}]
CHAT = "/v1/chat/completions"
#: The longest time that can be set, in milliseconds.
TEN_YEARS = 3660 * 86_400_000
THOUGHT = (
    b'{"message":{"content":"Hello","thinking":"hmm"},"done":true,'
    b'"prompt_eval_count":1,"eval_count":8}'
)
#: As in the README of Ollama2OpenAI.
REFERENCE = {
    "deepseek-r1": {
        "think": "high",
        "num_ctx": 32768,
        "temperature": 0.8,
        "request_timeout": 600000,
    },
    "llama3.2:3b": {"num_ctx": 8192, "num_predict": 1000},
    "qwen3-coder": {
        "num_ctx": 163840,
        "request_timeout": 99999999,
        "exclude_reasoning": True,
        "think": True,
    },
}


def models(**overrides: Any) -> Snapshot:
    """One model, ``m``, with these overrides."""
    return snapshot(models=[ModelEntry(name="m", overrides=overrides)])


def asked(
    now: Snapshot,
    path: str = CHAT,
    answer: bytes | None = None,
    control: Any = None,
    settings: dict[str, Any] | None = None,
    **fields: Any,
) -> tuple[Answer, Any]:
    """An answer, and the call that brought it (``None`` where there was none)."""
    ollama = Ollama(*([answer] if answer else []))
    app = linted(
        ollama,
        control=control,
        installation=installed(now),
        **{"responses_ttl": 0, **(settings or {})},
    )
    body = {"model": "m", **fields}
    kept = {"/v1/completions": "prompt", "/v1/responses": "input"}
    kept["/v1/embeddings"] = "input"
    body.setdefault(kept.get(path, "messages"), "hi" if path in kept else HI)
    got = ask(app, path=path, body=body, Authorization=f"Bearer {SECRET}")
    return got, ollama.calls[0].json if ollama.calls else None


def options(now: Snapshot, **fields: Any) -> tuple[dict[str, Any], str]:
    """The options that reach Ollama for a chat, and what the answer says of them."""
    answer, call = asked(now, **fields)
    assert answer.status == 200, answer.body
    found = call.get("options", {})
    for name in ("temperature", "top_p"):
        if found.get(name) == 1.0:  # what is usual
            del found[name]
    return found, answer.headers.get("X-Pannier-Adjusted", "")


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("given", "rules"),
    [
        ({}, {}),
        ({"temperature": 0.5}, {"temperature": (0.5, "default")}),
        ({"temperature": None}, {}),
        ({"num_ctx": 8192.0}, {"num_ctx": (8192, "default")}),
        ({"stop": "a"}, {"stop": (["a"], "default")}),
        ({"top_k": {"value": 5}}, {"top_k": (5, "default")}),
        ({"top_k": {"value": 5, "mode": "force"}}, {"top_k": (5, "force")}),
        ({"top_k": {"value": 5, "mode": "max"}}, {"top_k": (5, "max")}),
        ({"seed": {"mode": "remove"}}, {"seed": (None, "remove")}),
        ({"seed": {"value": 5, "mode": "remove"}}, {"seed": (None, "remove")}),
        ({"new": {"value": "x", "mode": "force"}}, {"new": ("x", "force")}),
        ({"think": "high"}, {"think": ("high", "default")}),
        ({"keepAlive": 5}, {"keep_alive": (5, "default")}),
        ({"keep_alive": "5m"}, {"keep_alive": ("5m", "default")}),
        ({"max_tokens": 5}, {"num_predict": (5, "default")}),
        ({"stop_sequences": ["a"]}, {"stop": (["a"], "default")}),
        ({"repetition_penalty": 1.5}, {"repeat_penalty": (1.5, "default")}),
        ({"hide_reasoning": True}, {"exclude_reasoning": (True, "default")}),
        ({"format": "json"}, {"format": ("json", "default")}),
        (
            {"format": {"type": "object"}},
            {"format": ({"type": "object"}, "default")},
        ),
        (
            {"system": {"value": "x", "mode": "prepend"}},
            {"system": ("x", "prepend")},
        ),
        *[
            ({name: 1500}, {"request_timeout": (1.5, "default")})
            for name in (
                "request_timeout",
                "timeout_ms",
                "timeout",
                "timeoutMs",
                "requestTimeout",
            )
        ],
        ({"request_timeout": 0}, {"request_timeout": (float("inf"), "default")}),
        ({"timeout": TEN_YEARS}, {"request_timeout": (TEN_YEARS / 1000, "default")}),
        ({"idle_timeout": 5}, {"idle_timeout": (0.005, "default")}),
        ({"temperature": 0}, {"temperature": (0, "default")}),
        ({"num_predict": -2}, {"num_predict": (-2, "default")}),
        ({"top_p": 1}, {"top_p": (1, "default")}),
    ],
)
def test_what_is_read(given: Any, rules: dict[str, Any]) -> None:
    """A value is a default, an object says more; every spelling is known."""
    check(given)
    found = read(given, "model")
    assert {name: rule[:2] for name, rule in found.items()} == rules
    assert {rule.origin for rule in found.values()} <= {"model"}


WRONG = [
    ([], "", "an object"),
    ("x", "", "an object"),
    ({"temperature": "hot"}, "temperature", "a number"),
    ({"temperature": True}, "temperature", "a number"),
    ({"temperature": 2.5}, "temperature", "0 to 2"),
    ({"num_ctx": 0}, "num_ctx", "1 or more"),
    ({"num_ctx": 1.5}, "num_ctx", "an integer"),
    ({"num_predict": -3}, "num_predict", "-2 or more"),
    ({"seed": 1e300}, "seed", "an integer"),
    ({"stop": [1]}, "stop", "an array of strings"),
    ({"use_mmap": 1}, "use_mmap", "a boolean"),
    ({"think": "much"}, "think", "one of"),
    ({"think": 1}, "think", "one of"),
    ({"exclude_reasoning": "yes"}, "exclude_reasoning", "true or false"),
    ({"reasoning_field": "x"}, "reasoning_field", "think_tags"),
    ({"reasoning_field": ["both"]}, "reasoning_field", "think_tags"),
    ({"keep_alive": "soon"}, "keep_alive", "a duration"),
    ({"keep_alive": False}, "keep_alive", "a duration"),
    ({"request_timeout": "5m"}, "request_timeout", "milliseconds"),
    ({"timeout": -1}, "timeout", "milliseconds"),
    ({"timeout": 1e300}, "timeout", "milliseconds"),
    ({"timeout": TEN_YEARS + 1}, "timeout", "milliseconds"),
    ({"format": "xml"}, "format", "json"),
    ({"system": 5}, "system", "a text"),
    ({"system": {"value": "x", "mode": "max"}}, "system", "only a number"),
    ({"tools_mode": "on"}, "tools_mode", "native, off"),
    ({"truncate": 1}, "truncate", "true or false"),
    ({"model": "x"}, "model", "cannot be set"),
    ({"max_concurrent": 3}, "max_concurrent", "cannot be set"),
    ({"options": {}}, "options", "cannot be set"),
    ({"": 1}, "", "cannot be set"),
    ({"x" * 65: 1}, "x" * 65, "cannot be set"),
    ({"x\r\ny": {"value": 1, "mode": "force"}}, "x\r\ny", "cannot be set"),
    ({"é": 1}, "é", "cannot be set"),
    ({"top_k": {"value": 1, "mode": "often"}}, "top_k", "a mode is one of default"),
    ({"top_k": {"value": 1, "mode": ["max"]}}, "top_k", "a mode is"),
    ({"top_k": {"value": 1, "mode": "append"}}, "top_k", "a mode is"),
    ({"top_k": {"mode": "max"}}, "top_k", "a value is wanted"),
    ({"top_k": {"value": "x", "mode": "max"}}, "top_k", "an integer"),
    ({"top_k": {"worth": 1}}, "top_k", "an integer"),
    ({"top_k": {}}, "top_k", "an integer"),
    ({"new": {"a": 1}}, "new", "a value"),
    ({"use_mmap": {"value": True, "mode": "min"}}, "use_mmap", "only a number"),
    ({"timeout": {"value": 5, "mode": "min"}}, "timeout", "only a number"),
    ({"max_tokens": 1, "num_predict": 2}, "num_predict", "max_tokens says the same"),
    ({"reasoning_effort": 1}, "reasoning_effort", "set here, but 'think' can"),
    ({"response_format": "json"}, "response_format", "set here, but 'format' can"),
    ({"n_predict": 1}, "n_predict", "set here, but 'num_predict' can"),
    ({"user": 1}, "user", "this cannot be set here"),
]


@pytest.mark.parametrize(("given", "path", "text"), WRONG)
def test_what_is_wrong(given: Any, path: str, text: str) -> None:
    """What is wrong is refused with its path, and said what is wanted."""
    with pytest.raises(OverrideError) as caught:
        check(given)
    assert caught.value.path == path
    assert text in str(caught.value)
    with pytest.raises(OverrideError) as caught:
        check(given, "models.m")
    assert caught.value.path.startswith("models.m")
    assert caught.value.path.endswith(path)


@pytest.mark.parametrize(
    "given", [wrong for wrong, _, _ in WRONG if isinstance(wrong, dict)]
)
def test_what_cannot_be_read_is_left_out(given: dict[str, Any]) -> None:
    """What a newer Pannier wrote costs no request its answer; the rest counts."""
    found, _ = options(models(**given, mirostat=1), num_predict=5)
    expected = {"num_predict": 5, "mirostat": 1}
    assert found == expected


@pytest.mark.parametrize(
    "request_type",
    [
        anthropic.MessagesRequest,
        code.CompletionRequest,
        code.FimRequest,
        code.GenerateRequest,
        code.InfillRequest,
        code.TabbyRequest,
        openai.ChatCompletionRequest,
        openai.CompletionRequest,
        openai.EmbeddingRequest,
        openai.TranscriptionRequest,
        responses.ResponsesRequest,
    ],
)
def test_fields_of_requests_are_no_options(request_type: type[msgspec.Struct]) -> None:
    """What a request says in a field of its own cannot be set as if Ollama knew it."""
    known = {*KNOWN, *SPECIAL, *SPELLINGS}
    fields = {field.encode_name for field in msgspec.structs.fields(request_type)}
    for name in fields - known:
        with pytest.raises(OverrideError):
            check({name: 1})
    assert not REQUESTED & known
    assert INSTEAD.keys() <= REQUESTED
    assert set(INSTEAD.values()) <= known - SPELLINGS.keys()


@pytest.mark.parametrize("name", REFERENCE)
def test_the_references_examples(name: str) -> None:
    """Those of its README work as pasted; what is no option is never sent as one."""
    given = REFERENCE[name]
    check(given)
    now = snapshot(models=[ModelEntry(name=name, overrides=given)])
    answer, call = asked(now, answer=THOUGHT, model=name)
    beside = {"think", "request_timeout", "exclude_reasoning"}
    assert call["options"] == {"temperature": 1.0, "top_p": 1.0} | {
        option: value for option, value in given.items() if option not in beside
    }
    assert call.get("think") == given.get("think")
    hidden = "reasoning" not in answer.json["choices"][0]["message"]
    assert hidden == given.get("exclude_reasoning", False)


# ------------------------------------------------------------------ modes

FORCED = {"top_k": {"value": 5, "mode": "force"}}
REMOVED = {"seed": {"mode": "remove"}}


@pytest.mark.parametrize(
    ("overrides", "fields", "sent", "adjusted"),
    [
        ({"top_k": 5}, {}, {"top_k": 5}, ""),
        ({"top_k": 5}, {"top_k": 6}, {"top_k": 6}, ""),
        (FORCED, {}, {"top_k": 5}, ""),
        (FORCED, {"top_k": 5}, {"top_k": 5}, ""),
        (FORCED, {"top_k": 6}, {"top_k": 5}, "top_k=5"),
        (REMOVED, {}, {}, ""),
        (REMOVED, {"seed": 7}, {}, "seed=removed"),
        (
            {"stop": {"value": "é\r\n", "mode": "force"}},
            {"stop": "x"},
            {"stop": ["é\r\n"]},
            "stop=set",
        ),
        ({"temperature": {"mode": "remove"}}, {}, {}, ""),
        *[
            (
                {"top_k": {"value": 5, "mode": mode}},
                {"top_k": given},
                {"top_k": sent},
                f"top_k={sent}" if sent != given else "",
            )
            for mode, given, sent in (
                ("min", 4, 5),
                ("min", 5, 5),
                ("min", 6, 6),
                ("max", 4, 4),
                ("max", 6, 5),
                ("max", -1, -1),
            )
        ],
        ({"top_k": {"value": 5, "mode": "max"}}, {}, {}, ""),
        ({"top_k": {"value": 5, "mode": "min"}}, {}, {}, ""),
        # A cap: it holds where nothing was asked for, and for what has no end.
        *[
            (
                {"num_predict": {"value": 50, "mode": "max"}},
                fields,
                {"num_predict": sent},
                adjusted,
            )
            for fields, sent, adjusted in (
                ({}, 50, ""),
                ({"max_tokens": 60}, 50, "num_predict=50"),
                ({"num_predict": -1}, 50, "num_predict=50"),
                ({"num_predict": -2}, 50, "num_predict=50"),
                ({"options": {"num_predict": 0}}, 50, "num_predict=50"),
                ({"max_tokens": 40}, 40, ""),
            )
        ],
        (
            {"num_predict": {"value": 50, "mode": "min"}},
            {"num_predict": -1},
            {"num_predict": -1},
            "",
        ),
    ],
)
def test_modes(
    overrides: Any, fields: dict[str, Any], sent: dict[str, Any], adjusted: str
) -> None:
    """What each mode makes of an option, and that a change is told, and only that."""
    assert options(models(**overrides), **fields) == (sent, adjusted)


def test_bounds_of_all_layers_hold() -> None:
    """The strictest of several bounds counts; the upper one where both cannot hold."""
    now = snapshot(
        models=[ModelEntry(name="m", overrides={"top_k": {"value": 9, "mode": "max"}})],
        overrides={"top_k": {"value": 5, "mode": "max"}},
    )
    assert options(now, top_k=7) == ({"top_k": 5}, "top_k=5")
    now = snapshot(
        models=[ModelEntry(name="m", overrides={"top_k": {"value": 9, "mode": "min"}})],
        overrides={"top_k": {"value": 5, "mode": "max"}},
    )
    assert options(now, top_k=7)[0] == {"top_k": 5}


def test_a_default_is_bounded_too() -> None:
    """What is set for a model stays within what is set for all."""
    now = snapshot(
        models=[ModelEntry(name="m", overrides={"num_ctx": 9000})],
        overrides={"num_ctx": {"value": 5000, "mode": "max"}},
    )
    assert options(now)[0] == {"num_ctx": 5000}


SYSTEM = [{"role": "system", "content": "Be brief."}, *HI]


@pytest.mark.parametrize(
    ("rule", "alone", "beside"),
    [
        ("Be kind.", "Be kind.", "Be brief."),
        ({"value": "Be kind.", "mode": "default"}, "Be kind.", "Be brief."),
        ({"value": "Be kind.", "mode": "force"}, "Be kind.", "Be kind."),
        ({"value": "Be kind.", "mode": "replace"}, "Be kind.", "Be kind."),
        (
            {"value": "Be kind.", "mode": "prepend"},
            "Be kind.",
            "Be kind.\n\nBe brief.",
        ),
        (
            {"value": "Be kind.", "mode": "append"},
            "Be kind.",
            "Be brief.\n\nBe kind.",
        ),
        ({"mode": "remove"}, "", ""),
    ],
)
@pytest.mark.parametrize(
    ("path", "with_system"),
    [
        (CHAT, {"messages": SYSTEM}),
        ("/v1/messages", {"system": "Be brief."}),
        ("/v1/responses", {"instructions": "Be brief."}),
        ("/v1/completions", {"system": "Be brief."}),
    ],
)
def test_system(
    rule: Any, alone: str, beside: str, path: str, with_system: dict[str, Any]
) -> None:
    """Instructions of an installation, alone and beside a client's, which are named."""
    now = models(system=rule)
    changed = {"": "system=removed", "Be brief.": None}.get(beside, "system=set")
    for fields, wanted, said in (({}, alone, None), (with_system, beside, changed)):
        answer, call = asked(now, path, **fields)
        assert answer.headers.get("X-Pannier-Adjusted") == said
        if "messages" in call:
            first, *rest = call["messages"]
            found = first["content"] if first["role"] == "system" else ""
            assert [one["role"] for one in rest] == ["user"] * (1 if found else 0)
        else:
            found = call.get("system", "")
        assert found == wanted


def test_system_keeps_the_conversation() -> None:
    """What a client tells the model later on stays where it is."""
    said = [*HI, {"role": "system", "content": "Now be long."}, *HI]
    now = models(system={"value": "K", "mode": "prepend"})
    answer, call = asked(now, messages=said)
    assert answer.headers["X-Pannier-Adjusted"] == "system=set"
    assert [one["content"] for one in call["messages"]] == [
        "K",
        "hi",
        "Now be long.",
        "hi",
    ]
    _, call = asked(models(system="K"), messages=said)
    assert call["messages"][0]["content"] == "hi"


def test_raw_text_has_no_system() -> None:
    """A prompt that is continued as it is has no place for instructions."""
    _, call = asked(models(system="K"), "/v1/completions", raw=True)
    assert "system" not in call


TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


def test_tools_mode() -> None:
    """``off`` leaves the tools out and says so; ``native`` is as ever."""
    answer, call = asked(models(tools_mode="off"), tools=[TOOL])
    assert "tools" not in call
    assert answer.headers["X-Pannier-Adjusted"] == "tools=removed"
    answer, call = asked(models(tools_mode="off"))
    assert "X-Pannier-Adjusted" not in answer.headers
    _, call = asked(models(tools_mode="native"), tools=[TOOL])
    assert len(call["tools"]) == 1


def test_a_forced_call_keeps_its_form() -> None:
    """Neither a format nor the lack of tools comes between a call that must come."""
    now = models(format={"value": "json", "mode": "force"}, tools_mode="off")
    ollama_answer = b'{"message":{"content":"{}"},"done":true}'
    _, call = asked(now, answer=ollama_answer, tools=[TOOL], tool_choice="required")
    assert call["format"]["type"] == "object"


@pytest.mark.parametrize(
    ("overrides", "fields", "want", "adjusted"),
    [
        ({"keep_alive": 60}, {}, {"keep_alive": 60}, ""),
        ({"keep_alive": 60}, {"keep_alive": "5m"}, {"keep_alive": "5m"}, ""),
        ({"keep_alive": 60}, {"keepAlive": "5m"}, {"keep_alive": "5m"}, ""),
        (
            {"keep_alive": 60},
            {"metadata": {"keep_alive": "5m"}},
            {"keep_alive": "5m"},
            "",
        ),
        (
            {"keep_alive": {"value": 60, "mode": "force"}},
            {"keep_alive": 0},
            {"keep_alive": 60},
            "keep_alive=60",
        ),
        (
            {"keep_alive": {"mode": "remove"}},
            {"keep_alive": 0},
            {},
            "keep_alive=removed",
        ),
        (
            {"format": {"value": {"type": "array"}, "mode": "force"}},
            {"response_format": {"type": "json_object"}},
            {"format": {"type": "array"}},
            "format=set",
        ),
        (
            {"truncate": {"value": False, "mode": "force"}},
            {"truncate": True},
            {"truncate": False},
            "truncate=false",
        ),
        ({"shift": False}, {}, {"shift": False}, ""),
        (
            {"think": {"value": False, "mode": "force"}},
            {"think": True},
            {"think": False},
            "think=false",
        ),
        (
            {"think": {"value": False, "mode": "force"}},
            {"think": False},
            {"think": False},
            "",
        ),
        ({"think": {"mode": "remove"}}, {"think": True}, {}, "think=removed"),
        ({"think": {"value": True, "mode": "force"}}, {}, {"think": True}, ""),
    ],
)
def test_what_is_no_option(
    overrides: Any, fields: dict[str, Any], want: dict[str, Any], adjusted: str
) -> None:
    """What stands beside options: set, forced, taken away, and said so."""
    answer, call = asked(models(**overrides), **fields)
    names = ("keep_alive", "format", "truncate", "shift", "think")
    assert {n: call[n] for n in names if n in call} == want
    assert answer.headers.get("X-Pannier-Adjusted", "") == adjusted


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (CHAT, {"response_format": {"type": "text"}}),
        ("/v1/completions", {"response_format": {"type": "text"}}),
        ("/v1/responses", {"text": {"format": {"type": "text"}}}),
        ("/v1/messages", {"output_config": {"format": {"type": "text"}}}),
    ],
)
def test_text_is_a_format(path: str, fields: dict[str, Any]) -> None:
    """Who asks for text gets no default in its place; what is forced, and named."""
    answer, call = asked(models(format="json"), path, **fields)
    assert (answer.status, call.get("format")) == (200, None)
    assert "X-Pannier-Adjusted" not in answer.headers
    _, call = asked(models(format="json"), path)
    assert call["format"] == "json"
    forced = models(format={"value": "json", "mode": "force"})
    answer, call = asked(forced, path, **fields)
    assert call["format"] == "json"
    assert answer.headers["X-Pannier-Adjusted"] == "format=json"


# ----------------------------------------------------------------- reasoning

FORCED_HIDING = {"exclude_reasoning": {"value": True, "mode": "force"}}


@pytest.mark.parametrize(
    ("overrides", "fields", "settings", "keys"),
    [
        ({}, {}, {}, {"reasoning", "reasoning_content"}),
        ({"reasoning_field": "reasoning"}, {}, {}, {"reasoning"}),
        ({"reasoning_field": "none"}, {}, {}, set()),
        (
            {"reasoning_field": "both"},
            {},
            {"reasoning_field": "none"},
            {"reasoning", "reasoning_content"},
        ),
        ({"exclude_reasoning": True}, {}, {}, set()),
        (
            {"exclude_reasoning": True},
            {"exclude_reasoning": False},
            {},
            {"reasoning", "reasoning_content"},
        ),
        (
            {"exclude_reasoning": True},
            {"include_reasoning": True},
            {},
            {"reasoning", "reasoning_content"},
        ),
        (
            {"exclude_reasoning": {"value": True, "mode": "force"}},
            {"exclude_reasoning": False},
            {},
            set(),
        ),
        (
            {"exclude_reasoning": False},
            {},
            {"exclude_reasoning": True},
            {"reasoning", "reasoning_content"},
        ),
        ({"exclude_reasoning": False}, {}, {"reasoning_field": "none"}, set()),
    ],
)
def test_where_the_reasoning_goes(
    overrides: Any, fields: Any, settings: Any, keys: set[str]
) -> None:
    """Overrides say where it goes and who sees it; a request's word counts first."""
    answer, _ = asked(models(**overrides), answer=THOUGHT, settings=settings, **fields)
    message = answer.json["choices"][0]["message"]
    assert message.keys() & {"reasoning", "reasoning_content"} == keys


@pytest.mark.parametrize(
    ("rule", "said", "adjusted"),
    [
        (FORCED_HIDING, {"include_reasoning": True}, "exclude_reasoning=true"),
        (FORCED_HIDING, {"reasoning": {"exclude": False}}, "exclude_reasoning=true"),
        (FORCED_HIDING, {"exclude_reasoning": True}, None),
        (FORCED_HIDING, {}, None),
        (
            {"exclude_reasoning": {"value": False, "mode": "force"}},
            {"exclude_reasoning": True},
            "exclude_reasoning=false",
        ),
        (
            {"exclude_reasoning": {"mode": "remove"}},
            {"exclude_reasoning": True},
            "exclude_reasoning=false",
        ),
        (
            {"reasoning_field": "none"},
            {"include_reasoning": True},
            "exclude_reasoning=true",
        ),
        ({"exclude_reasoning": True}, {"include_reasoning": True}, None),
    ],
)
def test_what_is_hidden_against_a_wish_is_named(
    rule: Any, said: Any, adjusted: str | None
) -> None:
    """Who asked to see the reasoning, or not to, is told that it is otherwise."""
    answer, _ = asked(models(**rule), answer=THOUGHT, **said)
    assert answer.headers.get("X-Pannier-Adjusted") == adjusted


@pytest.mark.parametrize(
    "rule", [{"exclude_reasoning": True}, {"reasoning_field": "none"}]
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
def test_hidden_in_every_dialect(rule: Any, path: str) -> None:
    """What an override hides is hidden in Anthropic's messages and in responses."""
    for now, hidden in ((models(**rule), True), (models(), False)):
        answer, _ = asked(now, path, answer=THOUGHT)
        parts = answer.json.get("content") or answer.json["output"]
        kinds = {part["type"] for part in parts}
        assert bool(kinds & {"thinking", "reasoning"}) != hidden


#: What is set, and what is sent to a model with levels, one that can do either, one
#: that cannot, and one of which nobody knows (specification: gateway, 5.1).
THINKING = [
    (True, "medium", True, None, True),
    (False, "low", False, None, False),
    ("low", "low", "low", None, "low"),
    ("medium", "medium", "medium", None, "medium"),
    ("high", "high", "high", None, "high"),
    ("max", "high", "max", None, "max"),
]


@pytest.mark.parametrize("row", THINKING)
@pytest.mark.parametrize(
    ("place", "model"), [(1, "levelled"), (2, "switched"), (3, "plain"), (4, "unknown")]
)
@pytest.mark.parametrize("path", [CHAT, "/v1/messages", "/v1/responses"])
@pytest.mark.parametrize("settings", [{}, {"strict": True}, {"think": "off"}])
def test_thinking(row: Any, place: int, model: str, path: str, settings: Any) -> None:
    """An override is sent as the model can take it; what it cannot is no fault."""
    now = snapshot(overrides={"think": row[0]})
    answer, call = asked(now, path, THOUGHT, Able(), settings, model=model)
    assert answer.status == 200
    assert call.get("think") == row[place]
    assert "X-Pannier-Ignored" not in answer.headers
    assert "X-Pannier-Adjusted" not in answer.headers
    other = {"think": "low"} if row[0] is not True else {"think": False}
    _, call = asked(now, path, THOUGHT, Able(), model="switched", **other)
    assert call["think"] == other["think"]


# --------------------------------------------------------------------- code

FIM = "/v1/fim/completions"


@pytest.mark.parametrize(
    ("overrides", "fields", "want"),
    [
        ({}, {}, {"num_predict": 128, "temperature": 0.1, "top_p": 0.95}),
        ({"num_predict": 9}, {}, {"num_predict": 9, "temperature": 0.1, "top_p": 0.95}),
        ({"num_predict": 9}, {"max_tokens": 7}, {"num_predict": 7}),
        ({"top_p": {"mode": "remove"}}, {}, {"num_predict": 128, "temperature": 0.1}),
        ({"num_ctx": 4096}, {}, {"num_ctx": 4096}),
        ({"num_predict": {"value": 50, "mode": "max"}}, {}, {"num_predict": 50}),
    ],
)
def test_code(overrides: Any, fields: Any, want: dict[str, Any]) -> None:
    """What is usual for code comes after what is set."""
    _, call = asked(models(**overrides), FIM, GENERATE, prompt="a", **fields)
    found = call["options"]
    assert {name: found.get(name) for name in want} == want
    removed = [n for n, rule in overrides.items() if rule == {"mode": "remove"}]
    assert not [name for name in removed if name in found]


def test_code_stops_and_thinks() -> None:
    """Stop texts join the family's; only what is forced makes a model of code think."""
    family = asked(models(), FIM, GENERATE, prompt="a", model="qwen2.5-coder")[1]
    now = snapshot(overrides={"stop": "X", "think": True, "system": "S"})
    call = asked(now, FIM, GENERATE, prompt="a", model="qwen2.5-coder")[1]
    assert call["options"]["stop"] == ["X", *family["options"]["stop"]]
    assert "think" not in call
    assert "system" not in call
    now = snapshot(overrides={"think": {"value": True, "mode": "force"}})
    assert asked(now, FIM, GENERATE, prompt="a")[1]["think"] is True


def test_embeddings_and_their_caps() -> None:
    """Embeddings have options, ``keep_alive``, ``truncate``, and no answer to cap."""
    holder = key(secret=SECRET, max_output_tokens=5, max_num_ctx=512)
    now = snapshot(
        holder,
        overrides={"num_ctx": 4096, "keep_alive": 5, "truncate": False, "think": True}
        | {"system": "S", "format": "json"},
    )
    answer, call = asked(now, "/v1/embeddings", EMBED)
    assert call == {
        "model": "m",
        "input": "hi",
        "options": {"num_ctx": 512},
        "keep_alive": 5,
        "truncate": False,
    }
    assert answer.headers["X-Pannier-Adjusted"] == "num_ctx=512"


# --------------------------------------------------------------------- keys


class Loaded:
    """A catalogue's Ollama with one model, ``m``, and the context that it has."""

    def __init__(self, parameter: int = 0, loaded: int = 0) -> None:
        self.parameter, self.loaded = parameter, loaded
        self.asked: list[str] = []

    def __call__(self, method: str, path: str, payload: Any, timeout: float) -> bytes:
        """One call."""
        self.asked.append(path)
        if path == "/api/show":
            said = f"num_ctx {self.parameter}" if self.parameter else ""
            return json.dumps({"parameters": said, "capabilities": []}).encode()
        one: dict[str, Any] = {"name": "m:latest", "digest": "m"}
        if path == "/api/ps":
            one["context_length"] = self.loaded
            return json.dumps({"models": [one] if self.loaded else []}).encode()
        return json.dumps({"models": [one]}).encode()


@pytest.mark.parametrize(
    ("fields", "control", "sent", "adjusted"),
    [
        ({"num_ctx": 4096}, Loaded(), 4096, ""),
        ({"num_ctx": 8192}, Loaded(), 8192, ""),
        ({"num_ctx": 8193}, Loaded(), 8192, "num_ctx=8192"),
        ({"options": {"num_ctx": 99999}}, Loaded(), 8192, "num_ctx=8192"),
        ({"num_ctx": None}, Loaded(), 8192, "num_ctx=8192"),
        ({}, Loaded(), 8192, "num_ctx=8192"),
        ({}, Loaded(loaded=4096), 4096, ""),
        ({}, Loaded(parameter=2048), 2048, ""),
        ({}, Loaded(parameter=2048, loaded=4096), 4096, ""),
        ({}, Loaded(parameter=4096, loaded=2048), 4096, ""),
        ({}, Loaded(parameter=8192, loaded=8192), 8192, ""),
        ({}, Loaded(parameter=32768), 8192, "num_ctx=8192"),
        ({}, Loaded(parameter=32768, loaded=4096), 8192, "num_ctx=8192"),
        ({}, Loaded(parameter=2048, loaded=32768), 2048, ""),
        ({}, Loaded(loaded=32768), 8192, "num_ctx=8192"),
    ],
)
def test_the_largest_context(
    fields: Any, control: Loaded, sent: int, adjusted: str
) -> None:
    """A key's cap lowers what is above, and what a model would have by itself.

    What is in memory is not loaded again where it is within the cap.
    """
    now = snapshot(key(secret=SECRET, max_num_ctx=8192))
    answer, call = asked(now, control=control, **fields)
    assert call["options"].get("num_ctx") == sent
    assert answer.headers.get("X-Pannier-Adjusted", "") == adjusted


@pytest.mark.parametrize(
    ("control", "sent"),
    [
        (Loaded(), 8192),
        (Loaded(loaded=4096), 4096),
        (Loaded(loaded=65536), 8192),
        (Loaded(parameter=65536), 8192),
    ],
)
def test_a_choice_for_a_short_prompt_keeps_to_the_cap(
    control: Loaded, sent: int
) -> None:
    """Where a context is chosen by the prompt, a cap holds for a short one as well."""
    now = snapshot(key(secret=SECRET, max_num_ctx=8192))
    _, call = asked(now, control=control, settings={"context": "auto"})
    assert call["options"]["num_ctx"] == sent


def test_the_context_that_is_chosen() -> None:
    """A context that Pannier makes large enough stays within the cap."""
    long = [{"role": "user", "content": "word " * 20_000}]
    found = []
    for cap in (None, 8192):
        now = snapshot(key(secret=SECRET, max_num_ctx=cap))
        _, call = asked(
            now,
            control=Loaded(loaded=4096),
            settings={"context": "auto", "max_num_ctx": 65536},
            messages=long,
        )
        found.append(call["options"]["num_ctx"])
    assert found == [32768, 8192]


def test_nothing_is_looked_up_without_a_cap() -> None:
    """Only a key that is bound to a context has Ollama asked for a model's own."""
    control = Loaded(loaded=32768)
    asked(snapshot(key(secret=SECRET), overrides={"top_k": 5}), control=control)
    assert "/api/ps" not in control.asked
    asked(snapshot(key(secret=SECRET, max_num_ctx=5)), control=control)
    assert "/api/ps" in control.asked


@pytest.mark.parametrize("cap", ["max_output_tokens", "max_num_ctx"])
def test_a_cap_of_nothing(cap: str) -> None:
    """A key that may have no token is told so; Ollama would take 0 for no limit."""
    answer, call = asked(snapshot(key(secret=SECRET, **{cap: 0})))
    assert (answer.status, answer.error["code"]) == (403, "endpoint_not_allowed")
    assert call is None


RUNNER = {
    "num_batch": 8,
    "num_gpu": 1,
    "main_gpu": 1,
    "use_mmap": True,
    "num_thread": 2,
    "draft_num_predict": 3,
}


@pytest.mark.parametrize("place", ["options", "ollama_options"])
def test_runner_options(place: str) -> None:
    """A key needs a right to change how models load; what is set counts instead."""
    given = {place: {**RUNNER, "num_ctx": 512, "top_k": 5}}
    found, _ = options(NOTHING, **given)
    assert found == {**RUNNER, "num_ctx": 512, "top_k": 5}
    allowed = snapshot(key(secret=SECRET, allow_runner_options=True))
    assert options(allowed, **given)[0] == found
    now = snapshot(key(secret=SECRET), overrides={"num_gpu": 7})
    answer, call = asked(now, **given)
    sampling = {"temperature": 1.0, "top_p": 1.0}
    assert call["options"] == sampling | {"num_ctx": 512, "top_k": 5, "num_gpu": 7}
    ignored = answer.headers["X-Pannier-Ignored"].split(", ")
    assert sorted(ignored) == sorted(f"options.{name}" for name in RUNNER)


@pytest.mark.parametrize("value", [0, -1, "0", "-1m", "5m", 300])
def test_keep_alive_of_keys(value: Any) -> None:
    """A key needs a right to say how long models stay; what is set counts instead."""
    for allowed, want in ((True, value), (False, "1h")):
        holder = key(secret=SECRET, allow_keep_alive=allowed)
        now = snapshot(holder, overrides={"keep_alive": "1h"})
        answer, call = asked(now, keep_alive=value)
        assert call["keep_alive"] == want
        ignored = answer.headers.get("X-Pannier-Ignored")
        assert ignored == (None if allowed else "keep_alive")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"keep_alive": 0}, "keep_alive"),
        ({"options": {"num_gpu": 1}}, "options.num_gpu"),
    ],
)
def test_strict(fields: dict[str, Any], param: str) -> None:
    """In strict mode what a key may not say is a 400 that says why."""
    now = snapshot(key(secret=SECRET))
    answer, call = asked(now, settings={"strict": True}, **fields)
    assert (answer.status, call) == (400, None)
    assert (answer.error["code"], answer.error["param"]) == (
        "unsupported_parameter",
        param,
    )
    assert "API key" in answer.error["message"]


@pytest.mark.parametrize("path", [CHAT, "/v1/embeddings"])
@pytest.mark.parametrize("place", ["options", "ollama_options"])
def test_unknown_options(path: str, place: str) -> None:
    """Unknown options are sent and named, named alone, or refused, by setting."""
    fields = {place: {"mirostat": 1, "num_ctx": 5}}
    for policy, sent in (("allow", True), ("drop", False)):
        setting = {"unknown_options": policy}
        answer, call = asked(NOTHING, path, settings=setting, **fields)
        assert ("mirostat" in call["options"]) == sent
        assert call["options"]["num_ctx"] == 5
        assert answer.headers["X-Pannier-Ignored"] == "options.mirostat"
    setting = {"unknown_options": "reject"}
    answer, call = asked(NOTHING, path, settings=setting, **fields)
    assert (answer.status, call) == (400, None)
    assert answer.error["param"] == "options.mirostat"


# -------------------------------------------------------------------- native


def native(
    now: Snapshot,
    members: Any,
    holder: Key | None = None,
    path: str = "/api/generate",
    **settings: Any,
) -> tuple[Any, Exchange]:
    """Members of a native request after what is set, and what is said of it."""
    current = installed(now).current
    exchange = Exchange(model="m", resolved="m", key=holder)
    policy = Overrides(current, Settings(**settings), Catalog(Loaded(loaded=32768)))
    raw = {name: msgspec.Raw(json.dumps(one).encode()) for name, one in members.items()}
    found = policy.native(exchange, raw, path)
    return {name: json.loads(bytes(one)) for name, one in found.items()}, exchange


BOUND = key(max_output_tokens=50, max_num_ctx=8192)


@pytest.mark.parametrize(
    ("overrides", "holder", "given", "want", "said"),
    [
        ({}, None, {"options": {"num_gpu": 1}}, {"options": {"num_gpu": 1}}, []),
        ({"top_k": 5}, None, {}, {}, []),
        (FORCED, None, {}, {"options": {"top_k": 5}}, []),
        (
            FORCED,
            None,
            {"Options": {"seed": 1}},
            {"options": {"seed": 1, "top_k": 5}},
            [],
        ),
        (
            FORCED,
            None,
            {"options": {"top_k": 1}, "OPTIONS": {"top_k": 2, "a": 1}},
            {"options": {"top_k": 5, "a": 1}},
            ["top_k=5"],
        ),
        (REMOVED, None, {"options": {"seed": 1}}, {"options": {}}, ["seed=removed"]),
        (
            FORCED,
            None,
            {"options": {"a": 1}, "Options": {"top_k": 5}},
            {"options": {"a": 1, "top_k": 5}},
            [],
        ),
        *[
            (
                {"num_predict": {"value": most, "mode": "max"}},
                BOUND,
                {"options": {"num_ctx": 1}},
                {"options": {"num_ctx": 1, "num_predict": min(most, 50)}},
                [],
            )
            for most in (40, 60)
        ],
        ({}, BOUND, {"options": 5}, {"options": 5}, []),
        (
            {},
            BOUND,
            {"options": {"num_ctx": 9999, "num_predict": -1}},
            {"options": {"num_ctx": 8192, "num_predict": 50}},
            ["num_predict=50", "num_ctx=8192"],
        ),
        (
            {},
            BOUND,
            {"options": {"num_ctx": 512.9, "num_predict": 0.5, "seed": -1.5}},
            {"options": {"num_ctx": 512, "num_predict": 50, "seed": -1}},
            ["num_predict=50"],
        ),
        (
            {},
            BOUND,
            {"options": {"num_ctx": 1e30, "num_predict": -1e30, "top_p": 0.5}},
            {"options": {"num_ctx": 8192, "num_predict": 50, "top_p": 0.5}},
            ["num_predict=50", "num_ctx=8192"],
        ),
        (
            {"num_predict": {"value": 50, "mode": "max"}},
            None,
            {"options": {"num_predict": -0.5}},
            {"options": {"num_predict": 50}},
            ["num_predict=50"],
        ),
        (
            {},
            BOUND,
            {},
            {"options": {"num_ctx": 8192, "num_predict": 50}},
            ["num_ctx=8192"],
        ),
        (
            {},
            key(),
            {"options": {"num_gpu": 1, "seed": 2}},
            {"options": {"seed": 2}},
            ["options.num_gpu"],
        ),
        ({}, key(), {"options": {"Num_GPU": 1}}, {"options": {}}, ["options.Num_GPU"]),
        ({}, key(), {"Keep_Alive": 5}, {}, ["keep_alive"]),
        ({}, key(), {"keep_alive": None}, {}, []),
        (
            {},
            key(),
            {"\u212aeep_alive": 0, "prompt": "x"},
            {"prompt": "x"},
            ["keep_alive"],
        ),
        ({}, key(allow_keep_alive=True), {"keep_alive": 0}, {"keep_alive": 0}, []),
        ({"keep_alive": 5}, None, {}, {}, []),
        (
            {"keep_alive": {"value": 5, "mode": "force"}},
            None,
            {"KEEP_ALIVE": 0},
            {"keep_alive": 5},
            ["keep_alive=5"],
        ),
        ({"think": {"value": False, "mode": "force"}}, None, {}, {"think": False}, []),
        ({"think": {"mode": "remove"}}, None, {"Think": True}, {}, ["think=removed"]),
        (
            {"system": {"value": "S", "mode": "force"}},
            None,
            {"system": "T"},
            {"system": "T"},
            [],
        ),
    ],
)
def test_native(
    overrides: Any, holder: Key | None, given: Any, want: Any, said: list[str]
) -> None:
    """On Ollama's routes caps hold, what is forced counts, defaults are not put in."""
    found, exchange = native(models(**overrides), {"model": "m", **given}, holder)
    assert found == {"model": "m", **want}
    assert exchange.ignored + exchange.adjusted == said


@pytest.mark.parametrize(
    ("policy", "strict"),
    [("allow", False), ("drop", False), ("reject", False), ("allow", True)],
)
def test_unknown_native_options(policy: str, strict: bool) -> None:
    """With a key they are as they are elsewhere; without, they are Ollama's affair."""
    options = {"mirostat": 2, "a\u00e9\n": 1, "top_k": 5, "Top_K": 1}
    asked = {"model": "m", "prompt": "x", "options": options}
    setting = {"unknown_options": policy, "strict": strict}
    found, exchange = native(NOTHING, asked, **setting)
    assert (found, exchange.ignored) == (asked, [])
    if policy == "reject" or strict:
        with pytest.raises(BadRequest) as refused:
            native(NOTHING, asked, key(), **setting)
        assert refused.value.param == "options.Top_K"
        return
    found, exchange = native(NOTHING, asked, key(), **setting)
    assert found["options"] == (options if policy == "allow" else {"top_k": 5})
    names = ["options.Top_K", "options.a\u00e9\n", "options.mirostat"]
    assert exchange.ignored == names
    chosen = Settings(access_log=False, responses_ttl=0, **setting)
    with patch("middleware.stack.Upstream.of", lambda settings: FakeUpstream()):
        app = build_stack(chosen, installed(snapshot(key())))
    answer = ask(
        app, path="/api/generate", body=asked, Authorization=f"Bearer {SECRET}"
    )
    said = "options.Top_K, options.a__, options.mirostat"
    assert answer.headers["X-Pannier-Ignored"] == said


#: What is answered on each of Ollama's routes, and what is not.
ASKING = {
    "/api/chat": ({"Messages": HI}, {"messages": [], "prompt": "x", "input": "x"}),
    "/api/generate": (
        {"prompt": "x"},
        {"Prompt": "", "messages": HI, "suffix": "x", "images": ["x" * 99]},
    ),
    "/api/embed": ({"input": ["x"]}, {"input": None, "prompt": "x", "messages": HI}),
    "/api/embeddings": ({"prompt": "x" * 99}, {"prompt": "", "input": "x"}),
}


@pytest.mark.parametrize("kept", [0, -0.0, 0e9, 1e-12, "0", "0s", "-0h0.0m", "+0"])
@pytest.mark.parametrize("path", ASKING)
def test_unloading(path: str, kept: Any) -> None:
    """A key needs a right to unload; without, it is told so and no model is loaded."""
    asks, nothing = ASKING[path]
    said = {"model": "m", "Keep_Alive": kept}
    for asked in (said, said | nothing):
        for strict in (False, True):
            with pytest.raises(BadRequest, match="unload") as refused:
                native(NOTHING, asked, key(), path, strict=strict)
            error = refused.value
            assert (error.status, error.code) == (403, "endpoint_not_allowed")
        for holder in (None, key(allow_keep_alive=True)):
            assert native(NOTHING, asked, holder, path)[0] == asked
    for asked in (nothing | {"keep_alive": "5m"}, {"keep_alive": kept, **asks}):
        found, exchange = native(NOTHING, asked, key(), path)
        assert "keep_alive" not in found
        assert exchange.ignored == ["keep_alive"]


def test_unloading_with_much_of_nothing() -> None:
    """A list that is long, and empty, asks for nothing."""
    members = {
        "keep_alive": msgspec.Raw(b"0"),
        "messages": msgspec.Raw(b"[" + b" " * 999 + b"]"),
    }
    exchange = Exchange(model="m", resolved="m", key=key())
    policy = Overrides(installed(NOTHING).current, Settings())
    with pytest.raises(BadRequest, match="unload"):
        policy.native(exchange, members, "/api/chat")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keep_alive", "1e999"),
        ("keep_alive", "[-1e999]"),
        ("options", "1e999"),
        ("options", '{"seed": 1e999}'),
        ("Options", '{"stop": [1, 1e400]}'),
    ],
)
def test_native_numbers_out_of_range(name: str, value: str) -> None:
    """A number that nobody can read is a 400 that names its field, and is not sent."""
    upstream = FakeUpstream()
    with patch("middleware.stack.Upstream.of", lambda settings: upstream):
        app = build_stack(Settings(access_log=False), installed(snapshot(key())))
    body = f'{{"model": "m", "prompt": "x", "{name}": {value}}}'.encode()
    sent = {"body": body, "Authorization": f"Bearer {SECRET}"}
    answer = ask(app, path="/api/generate", **sent)
    assert answer.status == 400
    assert answer.json["error"].startswith(f"{name.lower()}: ")
    assert not upstream.requests


def test_native_half_of_a_pair() -> None:
    """Half of a pair of surrogates, which is JSON, is left to Ollama to read."""
    options = {"options": {"stop": ["\ud800"]}}
    assert native(NOTHING, {**options, "keep_alive": 5}, key())[0] == options


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate", "/api/embed"])
def test_native_routes(path: str) -> None:
    """Ollama's own routes keep to what is set, and their answers say so."""
    upstream = FakeUpstream()
    now = snapshot(
        key(secret=SECRET, max_output_tokens=50),
        aliases=[AliasEntry(name="a", target="m", overrides=FORCED | {"seed": 1})],
    )
    chosen = Settings(access_log=False, responses_ttl=0)
    with patch("middleware.stack.Upstream.of", lambda settings: upstream):
        app = build_stack(chosen, installed(now))
    body = {"model": "a", "keep_alive": 5, "options": {"num_gpu": 1, "top_k": 2}}
    answer = ask(app, path=path, body=body, Authorization=f"Bearer {SECRET}")
    assert json.loads(upstream.requests[0].body) == {  # type: ignore[arg-type]
        "model": "m",
        "options": {"top_k": 5, "num_predict": 50},
    }
    said = answer.headers["X-Pannier-Ignored"], answer.headers["X-Pannier-Adjusted"]
    assert said == ("keep_alive, options.num_gpu", "top_k=5")


@pytest.mark.parametrize(
    "now",
    [
        snapshot(aliases=[AliasEntry(name="a", target="m", overrides=FORCED)]),
        snapshot(overrides=FORCED),
    ],
    ids=["an alias", "all models"],
)
def test_native_routes_without_keys(now: Snapshot) -> None:
    """What is set counts where it is all that is set, too."""
    upstream = FakeUpstream()
    with patch("middleware.stack.Upstream.of", lambda settings: upstream):
        app = build_stack(Settings(access_log=False, responses_ttl=0), installed(now))
    ask(app, path="/api/chat", body={"model": "a"})
    assert json.loads(upstream.requests[0].body) == {  # type: ignore[arg-type]
        "model": "m" if now.aliases else "a",
        "options": {"top_k": 5},
    }


# -------------------------------------------------------------- what is in force


def test_effective() -> None:
    """What is in force is told with the layer that says so; times are milliseconds."""
    now = snapshot(
        models=[
            ModelEntry(name="m", overrides={"num_ctx": 8192, "request_timeout": 1500})
        ],
        aliases=[AliasEntry(name="A", target="m", overrides={"num_ctx": 4096})],
        overrides={"top_k": {"value": 3, "mode": "force"}, "request_timeout": 0}
        | {"num_ctx": {"value": 9000, "mode": "max"}},
    )
    holder = key(max_output_tokens=7, overrides={"top_k": 4, "seed": 5})
    found = effective(now, Settings(), "m:latest", "a", holder)
    assert found == [
        ("exclude_reasoning", False, "default", "settings"),
        ("first_token_timeout", 600_000, "default", "settings"),
        ("idle_timeout", 120_000, "default", "settings"),
        ("num_ctx", 4096, "default", "alias"),
        ("num_ctx", 9000, "max", "global"),
        ("num_predict", 7, "max", "key"),
        ("reasoning_field", "both", "default", "settings"),
        ("request_timeout", 1500, "default", "model"),
        ("seed", 5, "default", "key"),
        ("temperature", 1.0, "default", "settings"),
        ("top_k", 3, "force", "global"),
        ("top_p", 1.0, "default", "settings"),
    ]
    plain = effective(now, Settings(openai_defaults=False), "other")
    assert {(name, origin) for name, _, _, origin in plain if origin != "settings"} == {
        ("num_ctx", "global"),
        ("request_timeout", "global"),
        ("top_k", "global"),
    }
    assert ("request_timeout", 0, "default", "global") in plain


def test_read_once() -> None:
    """For as long as a snapshot is in force, what is set is put together once."""
    layers = Layers(models(top_k=5))
    first = layers.of("", "registry.ollama.ai/library/m:latest", None)
    assert layers.of("", "registry.ollama.ai/library/m:latest", key()) is first
    assert first["top_k"].rule == Rule(5, "default", "model")
    assert layers.of("", "registry.ollama.ai/library/other:latest", None) == {}


def test_a_request_from_before_leaves_no_rules_behind() -> None:
    """What a key had before it was changed counts for no request after that."""
    old, new = (key(overrides={"top_k": number}) for number in (5, 7))
    layers = Layers(snapshot(new))
    found = [layers.of("", "m", one)["top_k"].rule for one in (old, new, new)]
    assert found == [Rule(number, "default", "key") for number in (5, 7, 7)]
    assert layers.of("", "m", new) is layers.of("", "m", new)


def test_what_is_put_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many keys with rules of their own fill no memory, and get what is theirs."""
    monkeypatch.setattr("app.gateway.overrides.MOST", 3)
    owners = [
        key(f"k{number}", f"a secret {number}", overrides={"top_k": number})
        for number in range(10)
    ]
    layers = Layers(snapshot(*owners))
    for number, owner in enumerate(owners):
        found = layers.of("", "m", owner)["top_k"]
        assert found.rule == Rule(number, "default", "key")
        assert 1 <= len(layers._merged) <= 3


def test_a_change_is_felt() -> None:
    """Another snapshot's overrides count from the next request on."""

    class Source:
        now = models(top_k=5)

        def version(self) -> int:
            return self.now.version

        def snapshot(self) -> Snapshot:
            return self.now

    source = Source()
    current = Current(source)
    current.renew()
    policy = Overrides(current, Settings())

    def sent() -> Any:
        call = wire.ChatRequest(model="m", stream=False, messages=[])
        policy(Exchange(stream=False), call)
        return call.options

    assert sent() == {"top_k": 5}
    source.now = snapshot(version=2)
    current.renew()
    assert sent() is None
