"""Requests that are wrong, through all layers and endpoints, a WSGI linter in each gap.

Every one gets a 4xx in its dialect's envelope that names the field, and nothing is sent
to Ollama.
"""

import sys
from typing import Any

import msgspec
import pytest
from support import messages
from support.ollama import Answer, Ollama, ask
from support.pictures import PNG
from support.recordings import FORM, form, wav
from support.stack import linted
from support.wrong_responses import LATER
from support.wrong_types import CHAT, EMBED, GOOD, INNER, MESSAGES, MISTYPED, STRUCTS
from support.wrong_values import BOTH, MISSING, VERBATIM, WRONG, declared

AUDIO = "/v1/audio/transcriptions"


@pytest.fixture(autouse=True)
def _without_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Token arrays are refused, whether tiktoken is there or not."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)


def asked(path: str, body: Any, headers: Any = None, **settings: Any) -> Answer:
    """The answer to a request that must not reach Ollama."""
    ollama = Ollama()
    answer = ask(linted(ollama, **settings), "POST", path, body, **headers or {})
    assert ollama.calls == []
    assert 400 <= answer.status < 500
    assert answer.headers["x-request-id"]
    assert len(answer.body) <= 8 * 1024
    return answer


def told(answer: Answer) -> dict[str, Any]:
    """The error in the envelope of its dialect; Anthropic's and Ollama's only speak."""
    if isinstance(answer.json["error"], str):
        assert list(answer.json) == ["error"]
        return {"message": answer.json["error"]}
    if "request_id" not in answer.json:
        return answer.error
    kinds = {404: "not_found_error", 413: "request_too_large"}
    kind = kinds.get(answer.status, "invalid_request_error")
    return {"message": messages.error(answer, answer.status, kind)}


def is_refused(answer: Answer, status: int, code: str) -> bool:
    """Whether a request was refused so; some clients see no code of ours."""
    return (answer.status, told(answer).get("code", code)) == (status, code)


def test_there_are_enough() -> None:
    """The tables are long."""
    assert len(WRONG) >= 400
    assert len(MISTYPED) >= 1000


def test_every_struct_is_fed() -> None:
    """What a request may hold has a place in the tables, however deep."""
    seen = {*STRUCTS.values(), *LATER}
    waiting = list(seen)
    while waiting:
        for field in msgspec.structs.fields(waiting.pop()):
            for found in _structs(msgspec.inspect.type_info(field.type)) - seen:
                seen.add(found)
                waiting.append(found)
    assert seen == {*STRUCTS.values(), *(inner[1] for inner in INNER)}


def _structs(kind: Any) -> set[type[msgspec.Struct]]:
    if isinstance(kind, msgspec.inspect.StructType):
        return {kind.cls}
    inner = getattr(kind, "types", None) or [getattr(kind, "item_type", None)]
    return {found for one in inner if one for found in _structs(one)}


@pytest.mark.parametrize(("path", "body", "param"), MISTYPED)
def test_b5_a_wrong_type(path: str, body: dict[str, Any], param: str) -> None:
    """Every known field has its type, and a 400 names the one that has not."""
    error = told(asked(path, body))
    if "param" not in error:
        assert param[:64] in error["message"]
        return
    assert error["type"] == "invalid_request_error"
    assert error["param"].startswith(param)
    if error["message"] != "invalid message format":
        assert f"'{error['param']}'" in error["message"]
    # A list of the right kind may hold, or lack, what is wrong.
    assert error["code"] in ("invalid_type", MISSING)


@pytest.mark.parametrize(
    ("path", "fields", "param", "code"),
    WRONG,
    ids=lambda value: str(value)[:60],
)
def test_b5_b6_a_wrong_value(path: str, fields: Any, param: str, code: str) -> None:
    """Each wrong value gets its param and code, and a message that names the field."""
    error = told(asked(path, GOOD[path] | fields))
    if "param" not in error:
        assert param in error["message"]
        return
    assert (error["param"], error["code"]) == (param, code)
    assert error["type"] == "invalid_request_error"
    if not error["message"].startswith(VERBATIM):
        assert param in error["message"]


@pytest.mark.parametrize(
    ("path", "fields", "param", "code"), WRONG, ids=lambda value: str(value)[:60]
)
def test_in_any_mode(path: str, fields: Any, param: str, code: str) -> None:
    """Streamed, explained or without /v1: what is wrong is wrong all the same."""
    body = GOOD[path] | fields
    plain = told(asked(path, body))
    other = f"/anthropic{path}" if path == MESSAGES else path.removeprefix("/v1")
    assert told(asked(path, body, {"X_Pannier_Explain": "1"})) == plain
    assert told(asked(f"{path}?explain=1", body)) == plain
    assert told(asked(other, body)) == plain
    if path != EMBED:
        assert told(asked(path, body | {"stream": True})) == plain


@pytest.mark.parametrize("path", BOTH)
@pytest.mark.parametrize("name", ["frequency_penalty", "presence_penalty"])
@pytest.mark.parametrize("value", [-2.5, 3])
def test_penalties(path: str, name: str, value: float) -> None:
    """Outside -2 to 2 they are brought there, and refused in strict mode."""
    body = GOOD[path] | {name: value}
    error = asked(path, body, strict=True).error
    assert (error["param"], error["code"]) == (name, "invalid_value")
    assert name in error["message"]
    answer = ask(linted(Ollama()), "POST", path, body)
    assert answer.headers["X-Pannier-Adjusted"] == f"{name}={max(-2, min(2, value))}"


WAV = wav()
#: What is in a form, param, code.
FORMS: dict[str, tuple[list[tuple[str, Any]], str, str]] = {
    "nothing": ([], "model", MISSING),
    "no model": ([("file", WAV)], "model", MISSING),
    "blank model": ([("model", " "), ("file", WAV)], "model", MISSING),
    "odd model": ([("model", "a\tb"), ("file", WAV)], "model", "invalid_value"),
    "no file": ([("model", "m")], "file", MISSING),
    "a text as file": ([("model", "m"), ("file", "x")], "file", MISSING),
    "empty file": ([("model", "m"), ("file", b"")], "file", "invalid_value"),
    "a picture": ([("model", "m"), ("file", PNG)], "file", "invalid_value"),
    "noise": ([("model", "m"), ("file", b"\0" * 99)], "file", "invalid_value"),
    **{
        f"{name}={value}": ([("model", "m"), ("file", WAV), (name, value)], name, code)
        for name, value, code in (
            ("temperature", "hot", "invalid_type"),
            ("temperature", "2", "invalid_value"),
            ("temperature", "-1", "invalid_value"),
            ("temperature", "nan", "invalid_value"),
            ("temperature", "inf", "invalid_value"),
            ("response_format", "srt", "unsupported_value"),
            ("response_format", "vtt", "unsupported_value"),
            ("response_format", "diarized_json", "unsupported_value"),
            ("response_format", "xml", "invalid_value"),
            ("response_format", "JSON", "invalid_value"),
            ("stream", "perhaps", "invalid_type"),
        )
    },
}


@pytest.mark.parametrize(("parts", "param", "code"), FORMS.values(), ids=FORMS)
def test_a_wrong_form(parts: Any, param: str, code: str) -> None:
    """A form that is wrong is a 400 that names its part."""
    error = asked(AUDIO, form(*parts), {"Content_Type": FORM}).error
    assert (error["param"], error["code"]) == (param, code)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("body", "type_", "status", "code"),
    [
        (b"{}", "application/json", 400, "invalid_body"),
        (b"", "", 400, "invalid_body"),
        (b"", FORM, 400, MISSING),
        (b"x", "multipart/form-data", 400, "invalid_body"),
        (b"no boundary at all", FORM, 400, "invalid_body"),
        (form(("model", "m"))[:-8], FORM, 400, "invalid_body"),
    ],
)
def test_what_is_no_form(body: bytes, type_: str, status: int, code: str) -> None:
    """It is refused before anything is read out of it."""
    answer = asked(AUDIO, body, {"Content_Type": type_})
    assert (answer.status, answer.error["code"]) == (status, code)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    "name",
    [
        "%20",
        "..",
        "a%2F..%2Fb",
        "a%2F%2Fb",
        "a%5Cb",
        "a%00b",
        "a%0D%0Ab",
        "x" * 600,
    ],
    ids=lambda name: name[:10],
)
def test_a_wrong_name_of_a_model(method: str, name: str) -> None:
    """Such a model does not exist, and Ollama is not asked for it."""
    ollama = Ollama()
    app = linted(ollama, model_delete=True)
    answer = ask(app, method, f"/v1/models/{name}")
    assert (answer.status, answer.error["code"]) == (404, "model_not_found")
    assert answer.error["param"] == "model"
    assert ollama.calls == []


@pytest.mark.parametrize("path", GOOD)
def test_good_requests_are_good(path: str) -> None:
    """What the tables put their mistakes into is without one."""
    ollama = Ollama()
    assert ask(linted(ollama), "POST", path, GOOD[path]).status == 200
    assert len(ollama.calls) == 1


@pytest.mark.parametrize(
    ("path", "field"),
    [
        (path, field.encode_name)
        for path, struct in STRUCTS.items()
        for field in msgspec.structs.fields(struct)
        if field.encode_name not in GOOD[path]
    ],
)
def test_b5_null_is_absent(path: str, field: str) -> None:
    """null in any field is as if it were not there."""
    calls = []
    for body in (GOOD[path], GOOD[path] | {field: None}):
        ollama = Ollama()
        answer = ask(linted(ollama), "POST", path, body)
        assert answer.status == 200
        assert "X-Pannier-Ignored" not in answer.headers
        calls.append(ollama.calls[0].json)
    assert calls[0] == calls[1]


@pytest.mark.parametrize("path", GOOD)
def test_unknown_fields_are_named(path: str) -> None:
    """A field that nobody knows does no harm and is named to the client."""
    fields = {"api_base": "http://evil", "a\r\nX-Evil: 1": 1, "\U0001f600": 2}
    ollama = Ollama()
    answer = ask(linted(ollama), "POST", path, GOOD[path] | fields)
    assert answer.status == 200
    assert answer.headers["X-Pannier-Ignored"] == "api_base, a__X-Evil__1, _"
    assert b"evil" not in ollama.calls[0].body


@pytest.mark.parametrize("path", GOOD)
def test_ten_thousand_unknown_fields(path: str) -> None:
    """However many, the answer is whole and its header short."""
    fields = {f"field_{number}": number for number in range(10_000)}
    answer = ask(linted(Ollama()), "POST", path, GOOD[path] | fields)
    assert answer.status == 200
    assert len(answer.headers["X-Pannier-Ignored"]) <= 1024


def test_a_very_long_place_is_cut() -> None:
    """An error is small, whatever the client named its property."""
    schema = {"properties": {"\x01" * 80_000: 5}}
    error = asked(
        CHAT, GOOD[CHAT] | declared({"name": "f", "parameters": schema})
    ).error
    assert error["param"].startswith("tools[0].function.parameters.properties")


@pytest.mark.parametrize("path", GOOD)
@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "multipart/form-data; boundary=x"},
        {"Content_Type": "Multipart/Mixed"},
        {"Content_Encoding": "br"},
        {"Content_Encoding": "gzip, gzip"},
    ],
    ids=str,
)
def test_b2_b9_media_that_are_not_read(path: str, headers: Any) -> None:
    """Forms and unknown codings are refused before they are read."""
    answer = ask(linted(Ollama()), "POST", path, b"not read", **headers)
    assert is_refused(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("path", GOOD)
def test_a_body_that_is_too_large(path: str) -> None:
    """Beyond the setting it is a 413."""
    app = linted(Ollama(), max_body_bytes=1024)
    answer = ask(app, "POST", path, b" " * 1025)
    assert is_refused(answer, 413, "request_too_large")
    assert ask(app, "POST", path, GOOD[path]).status == 200


@pytest.mark.parametrize(
    "type_", ["", "text/plain", "application/x-www-form-urlencoded"]
)
def test_the_content_type_is_not_looked_at(type_: str) -> None:
    """curl -d sends a form's type; the body is JSON all the same."""
    answer = ask(linted(Ollama()), "POST", CHAT, GOOD[CHAT], Content_Type=type_)
    assert answer.status == 200
