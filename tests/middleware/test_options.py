import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.ollama import Ollama, ask
from support.stack import linted

from app.errors import BadRequest
from app.exchange import Exchange
from app.gateway.parameters import KNOWN
from app.settings import Settings
from app.wire import anthropic, code, openai, responses
from middleware.formats import native, response_format
from middleware.generation import GenerationMiddleware
from middleware.options import keep_alive, options
from middleware.validation import MAX_INTEGER


def request(**fields: Any) -> openai.ChatCompletionRequest:
    """A request for a chat with these fields."""
    return msgspec.convert(fields, openai.ChatCompletionRequest)


def chosen(defaults: bool = False, **fields: Any) -> dict[str, Any]:
    """Ollama's options for these fields."""
    common = GenerationMiddleware.defaults if defaults else {}
    return {**common, **options(request(**fields), Settings(), Exchange())}


def refused(**fields: Any) -> BadRequest:
    """Why these fields are refused."""
    with pytest.raises(BadRequest) as caught:
        chosen(**fields)
    return caught.value


@pytest.mark.parametrize(
    ("fields", "want"),
    [
        ({}, {}),
        ({"max_tokens": 5}, {"num_predict": 5}),
        ({"max_tokens": 5.0}, {"num_predict": 5}),
        ({"max_completion_tokens": 9, "max_tokens": 5}, {"num_predict": 9}),
        ({"max_completion_tokens": 9}, {"num_predict": 9}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"temperature": 2}, {"temperature": 2}),
        ({"top_p": 0}, {"top_p": 0}),
        ({"frequency_penalty": -2}, {"frequency_penalty": -2}),
        ({"presence_penalty": 2}, {"presence_penalty": 2}),
        ({"seed": -1}, {"seed": -1}),
        ({"seed": MAX_INTEGER}, {"seed": MAX_INTEGER}),
        ({"top_k": 0, "min_p": 0.5}, {"top_k": 0, "min_p": 0.5}),
        ({"top_k": -1}, {"top_k": -1}),
        ({"repetition_penalty": 1.1}, {"repeat_penalty": 1.1}),
        ({"num_ctx": 4096}, {"num_ctx": 4096}),
        ({"num_keep": 5, "repeat_last_n": -1}, {"num_keep": 5, "repeat_last_n": -1}),
        ({"num_keep": -1.0}, {"num_keep": -1}),
        ({"num_predict": 7}, {"num_predict": 7}),
        ({"num_predict": -1, "max_tokens": 5}, {"num_predict": -1}),
        ({"num_predict": 7, "max_completion_tokens": 5}, {"num_predict": 7}),
        ({"num_predict": 7, "options": {"num_predict": 9}}, {"num_predict": 7}),
        ({"max_tokens": 7, "options": {"num_predict": 9}}, {"num_predict": 7}),
        ({"typical_p": 0.5}, {"typical_p": 0.5}),
        ({"repetition_penalty": 1.5}, {"repeat_penalty": 1.5}),
        ({"repetition_penalty": 1.5, "repeat_penalty": 1}, {"repeat_penalty": 1}),
        ({"stop": "a"}, {"stop": ["a"]}),
        ({"stop": ["a", "", "b"]}, {"stop": ["a", "b"]}),
        ({"stop": ""}, {}),
        ({"stop": []}, {}),
        ({"stop": [""]}, {}),
        ({"stop": ["a"] * 9}, {"stop": ["a"] * 9}),
        ({"options": {"num_ctx": 5, "temperature": None}}, {"num_ctx": 5}),
        ({"temperature": 1, "options": {"temperature": 0.5}}, {"temperature": 1}),
        ({"stop": "", "options": {"stop": "a"}}, {"stop": ["a"]}),
        ({"ollama_options": {"seed": 5}}, {"seed": 5}),
        ({"ollama": {"options": {"seed": 5}}}, {"seed": 5}),
        ({"ollama": {"model": "x"}}, {}),
        ({"options": {"seed": 1}, "ollama_options": {"seed": 5}}, {"seed": 1}),
        (
            {"ollama_options": {"seed": 1}, "ollama": {"options": {"seed": 5}}},
            {"seed": 1},
        ),
        ({"options": {"num_ctx": 5.0}}, {"num_ctx": 5}),
        ({"options": {"stop": "a"}}, {"stop": ["a"]}),
        ({"options": {"stop": []}}, {"stop": []}),
        ({"options": {"use_mmap": False}}, {"use_mmap": False}),
        ({"options": {"new": [1, {"x": 2}]}}, {"new": [1, {"x": 2}]}),
    ],
)
def test_options(fields: dict[str, Any], want: dict[str, Any]) -> None:
    """Each field has its option; the objects of Ollama's own come after them."""
    found = chosen(**fields)
    assert found == want
    assert {k: type(v) for k, v in found.items() if k == "num_predict"} in (
        {},
        {"num_predict": int},
    )


def test_defaults() -> None:
    """OpenAI's defaults are sent where a request is silent, if so configured."""
    assert chosen(True) == {"temperature": 1.0, "top_p": 1.0}
    assert chosen(True, temperature=0, top_p=0) == {"temperature": 0, "top_p": 0}
    assert chosen(True, options={"top_p": 0.5}) == {"temperature": 1.0, "top_p": 0.5}


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("max_tokens", 0, "integer_below_min_value"),
        ("max_tokens", -1, "integer_below_min_value"),
        ("max_tokens", 1.5, "invalid_type"),
        ("max_tokens", 2**63, "invalid_type"),
        ("max_tokens", 1e300, "invalid_type"),
        ("max_completion_tokens", 0, "integer_below_min_value"),
        ("temperature", -0.1, "invalid_value"),
        ("temperature", 2.1, "invalid_value"),
        ("temperature", 1e308, "invalid_value"),
        ("top_p", 1.1, "invalid_value"),
        ("top_p", -1, "invalid_value"),
        ("seed", 0.5, "invalid_type"),
        ("seed", 10**19, "invalid_type"),
        ("num_ctx", 0, "integer_below_min_value"),
        ("min_p", 2, "invalid_value"),
        ("typical_p", -0.1, "invalid_value"),
        ("num_keep", -2, "integer_below_min_value"),
        ("num_keep", 1.5, "invalid_type"),
        ("num_predict", -3, "integer_below_min_value"),
        ("num_predict", 2**63, "invalid_type"),
        ("repeat_last_n", -2, "integer_below_min_value"),
        ("repeat_last_n", 0.5, "invalid_type"),
    ],
)
def test_out_of_range(field: str, value: float, code: str) -> None:
    """A number outside its range is refused by name."""
    error = refused(**{field: value})
    assert (error.param, error.code) == (field, code)
    assert f"'{field}'" in error.message
    assert len(error.message) < 500


@pytest.mark.parametrize("name", ["frequency_penalty", "presence_penalty"])
@pytest.mark.parametrize(
    ("value", "want"),
    [(2.5, 2), (-2.5, -2), (1e308, 2), (-3, -2), (2, 2), (-2, -2), (0, 0), (1.5, 1.5)],
)
def test_penalties(name: str, value: float, want: float) -> None:
    """A penalty outside is brought to the nearest and named; in strict mode refused."""
    exchange, strict = Exchange(), Settings(strict=True)
    adjusted = exchange.adjusted
    found = options(request(**{name: value}), Settings(), exchange)
    assert found[name] == want
    assert adjusted == ([] if want == value else [f"{name}={want}"])
    if want == value:
        assert options(request(**{name: value}), strict, exchange)[name] == want
    else:
        with pytest.raises(BadRequest) as caught:
            options(request(**{name: value}), strict, exchange)
        assert (caught.value.param, caught.value.code) == (name, "invalid_value")


#: Ollama's options (``api/types.go``), and a value of a wrong type.
OPTIONS = {
    **dict.fromkeys(
        ("num_keep", "seed", "num_predict", "top_k", "repeat_last_n", "num_ctx"), "5"
    ),
    **dict.fromkeys(
        ("num_batch", "num_gpu", "main_gpu", "num_thread", "draft_num_predict"), 1.5
    ),
    **dict.fromkeys(("top_p", "min_p", "typical_p", "temperature"), "0.5"),
    **dict.fromkeys(("repeat_penalty", "presence_penalty", "frequency_penalty"), True),
    "use_mmap": "yes",
    "stop": 5,
}


@pytest.mark.parametrize(("name", "value"), OPTIONS.items())
def test_every_option_has_its_type(name: str, value: Any) -> None:
    """Each option of Ollama's is checked, so that a wrong one is named."""
    error = refused(options={name: value})
    assert (error.param, error.code) == (f"options.{name}", "invalid_type")


def test_openais_words_for_a_small_integer() -> None:
    """The text is the one that clients of OpenAI know."""
    assert refused(max_tokens=0).message == (
        "Invalid 'max_tokens': integer below minimum value. Expected a value >= 1,"
        " but got 0 instead."
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_ctx", "5"),
        ("num_ctx", 5.5),
        ("num_ctx", True),
        ("num_ctx", 1e300),
        ("num_ctx", 2**63),
        ("seed", []),
        ("temperature", "hot"),
        ("temperature", False),
        ("top_p", {}),
        ("use_mmap", 1),
        ("stop", 5),
        ("stop", ["a", 5]),
        ("stop", {}),
    ],
)
def test_native_options_of_a_wrong_type(name: str, value: Any) -> None:
    """What would be a 500 of Ollama's is a 400 by name."""
    error = refused(options={name: value})
    assert (error.param, error.code) == (f"options.{name}", "invalid_type")


SECONDS = [None, 0, -1, 300, 1.5]
DURATIONS = [
    "5m",
    "1h30m",
    "-1m",
    "0",
    "+5s",
    "1.5h",
    ".5s",
    "100ms",
    "5us",
    "5\u00b5s",
]


@pytest.mark.parametrize("value", [*SECONDS, *DURATIONS, "5ns", "1h2m3s4ms"])
def test_keep_alive(value: Any) -> None:
    """Seconds, or a duration as Go reads it."""
    assert keep_alive(request(keep_alive=value)) == value
    assert keep_alive(request(keepAlive=value)) == value
    assert keep_alive(request(metadata={"keep_alive": value})) == value


@pytest.mark.parametrize(
    "value", ["", "5", "five", "5 m", "m", "5d", "1h30", "-", "5m\n", "-1", "\u0665m"]
)
def test_bad_keep_alive(value: str) -> None:
    """What Go would not read is refused by name."""
    with pytest.raises(BadRequest) as caught:
        keep_alive(request(keep_alive=value))
    assert caught.value.param == "keep_alive"
    assert keep_alive(request(metadata={"keep_alive": value})) is None


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("given", "want"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": " TEXT "}, None),
        ({"type": "json_object"}, "json"),
        ({"type": " JSON_Object "}, "json"),
        ({"type": "json_schema", "json_schema": {"schema": SCHEMA}}, SCHEMA),
        ({"type": "json_schema", "json_schema": {"schema": {}}}, {}),
        ({"type": "json_schema", "json_schema": {"schema": True}}, {}),
    ],
)
def test_formats(given: Any, want: Any) -> None:
    """Each kind of format has its own of Ollama's."""
    found = response_format(request(response_format=given).response_format)
    assert native(found) == want


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"type": "xml"}, "type", "invalid_value"),
        ({"type": ""}, "type", "invalid_value"),
        ({"type": "grammar"}, "type", "invalid_value"),
        ({"type": "x" * 10_000}, "type", "invalid_value"),
        ({"type": "json_schema"}, "json_schema", "missing_required_parameter"),
        (
            {"type": "json_schema", "json_schema": {}},
            "json_schema",
            "missing_required_parameter",
        ),
        (
            {"type": "json_schema", "json_schema": {"schema": None}},
            "json_schema",
            "missing_required_parameter",
        ),
    ],
)
def test_bad_formats(given: Any, param: str, code: str) -> None:
    """What would constrain nothing is refused."""
    with pytest.raises(BadRequest) as caught:
        response_format(request(response_format=given).response_format)
    assert (caught.value.param, caught.value.code) == (f"response_format.{param}", code)
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"repeat_penalty": 0}, "repeat_penalty"),
        ({"repetition_penalty": -1}, "repetition_penalty"),
        ({"repeat_penalty": 1e308}, "repeat_penalty"),
        ({"options": {"repeat_penalty": 0}}, "options.repeat_penalty"),
        ({"options": {"temperature": 1e308}}, "options.temperature"),
    ],
)
def test_what_would_end_the_runner(fields: dict[str, Any], param: str) -> None:
    """Numbers that crash Ollama's runner are refused before they get there."""
    error = refused(**fields)
    assert (error.status, error.param) == (400, param)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/messages",
        "/v1/responses",
        "/v1/completions",
        "/v1/embeddings",
        "/infill",
    ],
)
@pytest.mark.parametrize(
    ("name", "wrong", "right"),
    [("temperature", (2.1, -0.1, 99), (0, 2)), ("num_ctx", (0, 0.0, -5), (1, 4096))],
)
def test_ranges_hold_wherever_a_request_says_it(
    path: str, name: str, wrong: tuple[float, ...], right: tuple[float, ...]
) -> None:
    """In objects of options too; what else Ollama takes there it may have."""
    hi = [{"role": "user", "content": "hi"}]
    given = {"/v1/chat/completions": "messages", "/v1/messages": "messages"}
    given |= {"/v1/completions": "prompt", "/infill": "input_prefix"}
    field = given.get(path, "input")
    said = {"model": "m", field: hi if field == "messages" else "x = "}
    for value in (*wrong, *right):
        for place, said_there in (
            ("options", {"options": {name: value}}),
            ("ollama_options", {"ollama_options": {name: value}}),
            ("ollama.options", {"ollama": {"options": {name: value}}}),
            ("options", {"extra_body": {"options": {name: value}}}),
        ):
            upstream = Ollama()
            answer = ask(
                linted(upstream, responses_ttl=0), path=path, body=said | said_there
            )
            assert answer.status == (400 if value in wrong else 200)
            assert bool(upstream.calls) == (value in right)
            if value in wrong:
                told = answer.json["error"]
                assert f"{place}.{name}" in (told.get("param") or told["message"])
    upstream = Ollama()
    free = {"top_p": -5, "num_predict": -2, "top_k": -1}
    body = said | {"options": free}
    answer = ask(linted(upstream, responses_ttl=0), path=path, body=body)
    assert answer.status == 200
    assert free.items() <= upstream.calls[0].json["options"].items()


def test_the_fields_that_are_documented() -> None:
    """docs/parameters.md says which of Ollama's options are fields of a request."""
    page = Path(__file__).parents[2].joinpath("docs/parameters.md").read_text()
    told = page.partition("### Which names are fields")[2].partition("## Overrides")[0]
    rows = [line.split("|")[1:3] for line in told.splitlines() if line.startswith("| ")]
    by_request = {kind.strip(): {*re.findall("`(.*?)`", names)} for kind, names in rows}
    (chat,) = (names for kind, names in by_request.items() if kind.startswith("chat"))
    without = {"seed", "stop", "frequency_penalty", "presence_penalty"}
    for kinds, fields in (
        ((openai.ChatCompletionRequest, openai.CompletionRequest), chat),
        ((code.FimRequest, code.InfillRequest, code.CompletionRequest), chat),
        ((responses.ResponsesRequest, anthropic.MessagesRequest), chat - without),
        ((openai.EmbeddingRequest,), by_request["embeddings"]),
        ((openai.TranscriptionRequest,), by_request["transcriptions"]),
    ):
        for kind in kinds:
            assert KNOWN & {*kind.__struct_fields__} == fields, kind
