"""Fields without effect: named, refused in strict mode, refused always."""

from typing import Any

import msgspec
import pytest
from support.ollama import Ollama, ask
from support.stack import linted

from app.errors import BadRequest
from app.wire import anthropic, code, openai, responses
from middleware.effects import (
    CODELESS,
    EFFECTLESS,
    Effect,
    without_effect,
    without_effect_on_code,
)

TYPES = (
    openai.ChatCompletionRequest,
    openai.CompletionRequest,
    openai.EmbeddingRequest,
    openai.TranscriptionRequest,
    anthropic.MessagesRequest,
    responses.ResponsesRequest,
    code.GenerateRequest,
    code.FimRequest,
    code.TabbyRequest,
    code.InfillRequest,
    code.CompletionRequest,
)
HI = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
CHAT = "/v1/chat/completions"


def asking(holder: Any, name: str) -> list[Any]:
    """Values of a field that fit its type and ask for something."""
    return [
        value
        for value in ("something", {"a": 1}, ["x"], 7, True, False)
        if fits(holder, name, value)
        and value not in (EFFECTLESS.get(name) or CODELESS[name]).harmless
    ]


def fits(holder: Any, name: str, value: Any) -> bool:
    """Whether a field takes this value."""
    try:
        msgspec.convert({name: value}, holder)
    except msgspec.ValidationError:
        return False
    return True


HELD = [
    pytest.param(holder, name, effect, id=f"{holder.__name__}-{name}")
    for name, effect in EFFECTLESS.items()
    for holder in TYPES
    if name in holder.__struct_fields__
]


def test_every_entry_is_a_field() -> None:
    """The table names nothing that no request has."""
    assert {param.values[1] for param in HELD} == set(EFFECTLESS)


@pytest.mark.parametrize(("holder", "name", "effect"), HELD)
def test_a_field_without_effect(holder: Any, name: str, effect: Effect) -> None:
    """It is named, or refused, when it asks for something, and only then."""
    for value in (*effect.harmless, None):
        assert without_effect(msgspec.convert({name: value}, holder)) == []
    values = asking(holder, name)
    assert values
    for value in values:
        request = msgspec.convert({name: value}, holder)
        if effect.kind == "E":
            with pytest.raises(BadRequest) as caught:
                without_effect(request)
            assert (caught.value.code, caught.value.param) == (
                "unsupported_parameter",
                name,
            )
        else:
            assert without_effect(request) == [name]


@pytest.mark.parametrize("name", CODELESS)
def test_a_field_without_effect_on_code(name: str) -> None:
    """What counts elsewhere is named where it asks code for something."""
    holder = code.GenerateRequest
    for value in (*CODELESS[name].harmless, None):
        assert without_effect_on_code(msgspec.convert({name: value}, holder)) == []
    for value in asking(holder, name):
        request = msgspec.convert({name: value}, holder)
        assert without_effect_on_code(request) == [name]
        assert without_effect(request) == []


#: Fields of which nobody is told: nothing is lost where they have no effect.
SILENT = {
    code.GenerateRequest: {"raw"},
    code.FimRequest: {"stream_options"},
    code.TabbyRequest: set(),
    code.InfillRequest: {"t_max_prompt_ms"},
}


@pytest.mark.parametrize(
    "type_",
    [
        openai.ChatCompletionRequest,
        openai.CompletionRequest,
        openai.EmbeddingRequest,
        *SILENT,
    ],
)
def test_untyped_fields_are_all_accounted_for(type_: type[msgspec.Struct]) -> None:
    """A field of any type is either checked by hand or named as without effect."""
    by_hand = {"prompt", "input", "top_logprobs"}
    untyped = {
        field.name for field in msgspec.structs.fields(type_) if field.type is Any
    }
    codeless = CODELESS.keys() if type_ is code.GenerateRequest else set()
    known = by_hand | SILENT.get(type_, set()) | codeless
    assert untyped <= known | EFFECTLESS.keys()
    assert SILENT.get(type_, set()) <= untyped


def test_speech_is_refused() -> None:
    """``modalities`` with audio asks for what no model here can do."""
    answer = ask(linted(Ollama()), "POST", CHAT, HI | {"modalities": ["audio", "text"]})
    assert answer.status == 400
    assert answer.error["code"] == "unsupported_parameter"
    assert answer.error["param"] == "modalities"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"no_such_field": 1}, "no_such_field"),
        ({"cache_control": {"type": "ephemeral"}}, "cache_control"),  # Anthropic's
        ({"max_tool_calls": 3}, "max_tool_calls"),  # of Responses
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"user": "ann", "logit_bias": {"5": 1}}, "logit_bias"),
    ],
)
def test_strict(fields: dict[str, Any], param: str) -> None:
    """Strict mode refuses by name what would be ignored; else it is named."""
    ollama = Ollama()
    answer = ask(linted(ollama, strict=True), "POST", CHAT, HI | fields)
    assert answer.status == 400
    assert (answer.error["code"], answer.error["param"]) == (
        "unsupported_parameter",
        param,
    )
    assert ollama.calls == []
    answer = ask(linted(ollama), "POST", CHAT, HI | fields)
    assert answer.status == 200
    assert param in answer.headers["X-Pannier-Ignored"].split(", ")


def test_a_field_of_another_dialect() -> None:
    """Explain says that this endpoint does not know the field, or where it belongs."""
    body = HI | {"prompt": "x", "system": "x", "num_gpu": 1, "num_thread": 2}
    answer = ask(linted(Ollama()), "POST", f"{CHAT}?explain=1", body)
    reasons = {one["field"]: one["reason"] for one in answer.json["ignored"]}
    unknown, option = "Pannier does not know this field", "within `options` alone"
    assert {reasons.pop("prompt"), reasons.pop("system")} == {unknown}
    assert [option in why for why in reasons.values()] == [True, True]


CODE, INFILL, FIM = "/code/generate", "/infill", "/v1/fim/completions"
COMPLETIONS = "/v1/completions"


@pytest.mark.parametrize(
    ("path", "fields", "named", "strict"),
    [
        # What editors send with every key: they are served, and nothing is named.
        (
            INFILL,
            {
                "cache_prompt": True,
                "samplers": ["top_k", "top_p", "infill"],
                "t_max_prompt_ms": 500,
                "n_cmpl": 1,
                "id_slot": 0,
            },
            None,
            200,
        ),
        (INFILL, {"samplers": []}, None, 200),
        (CODE, {"raw": True}, None, 200),
        (FIM, {"stream_options": {"include_usage": True}}, None, 200),
        (
            COMPLETIONS,
            {"segments": {"prefix": "x", "clipboard": "c", "edit_history": {}}},
            None,
            200,
        ),
        (COMPLETIONS, {"segments": {}, "mode": "standard", "user": "u"}, "user", 200),
        # What asks for something that they do not get.
        (INFILL, {"n_cmpl": 3}, "n_cmpl", 200),
        (INFILL, {"samplers": ["temperature"]}, "samplers", 200),
        (INFILL, {"grammar": "root ::= x"}, "grammar", 400),
        (INFILL, {"lora": [{"id": 0, "scale": 0.5}]}, "lora", 400),
        (INFILL, {"mirostat": 2}, "mirostat", 400),
        (COMPLETIONS, {"segments": {}, "mode": "next_edit"}, "mode", 400),
        (FIM, {"min_tokens": 5, "metadata": {"a": 1}}, "metadata, min_tokens", 400),
        (CODE, {"system": "Be kind.", "logprobs": True}, "logprobs, system", 400),
        (CODE, {"top_logprobs": 2}, "top_logprobs", 400),
        (FIM, {"_debug_render_only": True}, "_debug_render_only", 400),
    ],
)
def test_code(path: str, fields: dict[str, Any], named: Any, strict: int) -> None:
    """Editors are told what they do not get, and not what they do not miss."""
    request = {"model": "m", **fields}
    answer = ask(linted(Ollama()), "POST", path, request)
    assert answer.status == 200
    assert answer.headers.get("X-Pannier-Ignored") == named
    assert ask(linted(Ollama(), strict=True), "POST", path, request).status == strict
    explained = ask(linted(Ollama()), "POST", f"{path}?explain=1", request).json
    reasons = {one["field"]: one["reason"] for one in explained["ignored"]}
    assert ", ".join(reasons) == (named or "")
    unknown = [n for n, why in reasons.items() if "does not know" in why]
    assert unknown == [name for name in unknown if name == "mirostat"]


@pytest.mark.parametrize("fields", [{"user": "ann"}, {"store": True}, {"metadata": {}}])
def test_strict_lets_labels_pass(fields: dict[str, Any]) -> None:
    """What changes no answer is no offence in strict mode either."""
    ollama = Ollama()
    assert ask(linted(ollama, strict=True), "POST", CHAT, HI | fields).status == 200


@pytest.mark.parametrize(
    ("path", "fields", "named"),
    [
        (CHAT, {"options": {"num_ctxx": 8192, "top_k": 5}}, "options.num_ctxx"),
        (CHAT, {"top_logprobs": 3}, "top_logprobs"),
        (CHAT, {"top_logprobs": 0}, None),
        (CHAT, {"top_logprobs": 3, "logprobs": True}, None),
        ("/v1/completions", {"raw": True, "suffix": "x"}, None),
        ("/v1/completions", {"suffix": "x"}, None),
        ("/v1/embeddings", {"options": {"numctx": 1}}, "options.numctx"),
    ],
)
def test_what_is_lost_for_a_reason(
    path: str, fields: dict[str, Any], named: Any
) -> None:
    """A field that is lost because of another, or of a typo, is named too."""
    good = {"model": "m", "prompt": "hi", "input": "hi", "messages": HI["messages"]}
    taken = {"model"} | {
        CHAT: {"messages"},
        "/v1/completions": {"prompt"},
        "/v1/embeddings": {"input"},
    }[path]
    request = {k: v for k, v in good.items() if k in taken} | fields
    answer = ask(linted(Ollama()), "POST", path, request)
    assert answer.status == 200
    assert answer.headers.get("X-Pannier-Ignored") == named
    assert ask(linted(Ollama(), strict=True), "POST", path, request).status == (
        400 if named else 200
    )
