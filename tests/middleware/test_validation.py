import contextlib
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import BadRequest
from middleware.bounds import MAX_CONTAINERS, MAX_VALUES
from middleware.validation import MAX_NAME, model_name, parse


class Small(msgspec.Struct):
    """A request for these tests."""

    text: str | None = None
    number: float | None = None
    anything: Any = None


def refused(body: bytes) -> BadRequest:
    """Why a body is refused."""
    with pytest.raises(BadRequest) as caught:
        parse(Small, body)
    return caught.value


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"text":"a"}', "a"),
        (b'\xef\xbb\xbf{"text":"a"}', "a"),
        (b' \r\n\t{"text":"a"} \n', "a"),
        (b'{"text":"a","text":"b"}', "b"),
        (b'{"text":"a","text":null}', None),
        (b'{"text":null}', None),
        (b"{}", None),
        (rb'{"text":"a\ud800b"}', "a\ufffdb"),
        (rb'{"text":"\udc00\ud800"}', "\ufffd\ufffd"),
        (rb'{"text":"\ud83d\ude00"}', "\U0001f600"),
        (rb'{"text":"\\ud800"}', "\\ud800"),
        (rb'{"text":"\\\ud800"}', "\\\ufffd"),
        (rb'{"text":"\"\ud800\n"}', '"\ufffd\n'),
        (rb'{"text":"\u0000"}', "\x00"),
        ('{"text":"\u2028\U0001f600"}'.encode(), "\u2028\U0001f600"),
        (b'{"text":"[[[{{{"}', "[[[{{{"),
        (b'{"text":"' + b"[" * 1000 + b'"}', "[" * 1000),
        (rb'{"text":"' + rb"\"[" * 1000 + b'"}', '"[' * 1000),
        (b'{"text":"' + b"1" * 100 + b'"}', "1" * 100),
    ],
    ids=range(19),
)
def test_bodies_that_are_json(body: bytes, text: str | None) -> None:
    """Any JSON is read; the last of two keys counts; half a character is U+FFFD."""
    request, unknown = parse(Small, body)
    assert (request.text, unknown) == (text, [])


NOT_JSON = {
    "nothing": b"",
    "blank": b" \r\n",
    "bom-only": b"\xef\xbb\xbf",
    "two-boms": b"\xef\xbb\xbf\xef\xbb\xbf{}",
    "text": b"hello",
    "form": b"model=x&prompt=y",
    "cut": b'{"text":"a"',
    "cut-string": b'{"text":"a',
    "cut-escape": b'{"text":"\\',
    "trailing": b'{"text":"a"} x',
    "two": b"{}{}",
    "trailing-comma": b'{"text":"a",}',
    "single-quotes": b"{'text':'a'}",
    "comment": b"{} // x",
    "nan": b'{"number":NaN}',
    "infinity": b'{"number":Infinity}',
    "-infinity": b'{"anything":-Infinity}',
    "leading-zero": b'{"number":01}',
    "plus": b'{"number":+1}',
    "hex": b'{"number":0x1}',
    "control": b'{"text":"\x01"}',
    "line-break": b'{"text":"a\nb"}',
    "nul": b'{"text":"a"}\x00',
    "utf-16": '{"text":"a"}'.encode("utf-16"),
    "utf-16-le": '{"text":"a"}'.encode("utf-16-le"),
    "utf-32": '{"text":"a"}'.encode("utf-32"),
    "latin-1": b'{"text":"\xe9"}',
    "overlong": b'{"text":"\xc0\xaf"}',
    "raw-surrogate": b'{"text":"\xed\xa0\x80"}',
    "cut-character": b'{"text":"\xe2\x82"}',
    "invalid-in-unknown": b'{"unknown":"\xff"}',
    "invalid-in-any": b'{"anything":"\xff"}',
    "invalid-in-key": b'{"\xff":1}',
    "bad-escape": rb'{"text":"\x41"}',
    "bad-hex": rb'{"text":"\u12g4"}',
    "unknown-cut": b'{"unknown":[1,}',
    "unknown-nan": b'{"unknown":NaN}',
    "surrogate-and-cut": rb'{"text":"\ud800"',
}


@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON.keys())
def test_b3_bodies_that_are_not_json(body: bytes) -> None:
    """One stable text, whatever is wrong."""
    error = refused(body)
    assert (error.status, error.code, error.param) == (400, "invalid_json", None)
    assert error.message.startswith("We could not parse the JSON body of your request")


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"x"', b"true", b"[{}]"])
def test_bodies_that_are_no_object(body: bytes) -> None:
    """The top level is an object."""
    error = refused(body)
    assert (error.code, error.message) == (
        "invalid_type",
        "The body of the request must be a JSON object.",
    )


def nested(depth: int, opening: bytes, closing: bytes) -> bytes:
    """A body that nests so deep, the object around it counted."""
    middle = opening * (depth - 1) + b"1" + closing * (depth - 1)
    return b'{"anything":' + middle + b"}"


@pytest.mark.parametrize("key", [b"anything", b"unknown"])
@pytest.mark.parametrize(
    ("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"]":', b"}]")]
)
def test_b3_depth(opening: bytes, closing: bytes, key: bytes) -> None:
    """128 levels pass, 129 do not, in known and unknown fields."""
    levels = len(closing)
    for depth in (128, 129, 130, 1000, 100_000):
        body = nested((depth - 1) // levels + 1, opening, closing)
        body = body.replace(b"anything", key)
        deep = ((depth - 1) // levels) * levels + 1
        if deep <= 128:
            assert parse(Small, body)
        else:
            error = refused(body)
            assert error.code == "invalid_json"
            assert "nested too deeply" in error.message


@pytest.mark.parametrize(
    "body",
    [b"[" * 129, b"{" * 129, b"[{" * 100_000, b'{"a":' * 200, b"[]" * 200 + b"[" * 129],
    ids=range(5),
)
def test_depth_of_what_does_not_end(body: bytes) -> None:
    """Brackets without end are refused as well, for whatever reason comes first."""
    assert refused(body).status == 400


def test_width_is_no_depth() -> None:
    """Many brackets beside each other are not deep."""
    assert parse(Small, b'{"anything":[' + b"[]," * 5000 + b"[]]}")


@pytest.mark.parametrize(
    "number",
    ["1e999", "-1e999", "1" * 21, "-" + "9" * 21, "1" * 400, "1" * 5000],
    ids=lambda text: text[:8],
)
@pytest.mark.parametrize("key", ["number", "anything", "unknown", "text"])
def test_numbers_that_are_too_large(number: str, key: str) -> None:
    """More than 20 digits, or more than a double holds, is a 400 anywhere."""
    error = refused(f'{{"{key}":{number}}}'.encode())
    assert error.status == 400
    nested = refused(f'{{"anything":{{"a":[1,{number}]}}}}'.encode())
    assert nested.status == 400


@pytest.mark.parametrize(
    "number", ["1" * 20, "-" + "1" * 20, "0." + "1" * 50, "1e308", "1.5e-400", "1E2"]
)
def test_numbers_that_pass(number: str) -> None:
    """20 digits do; so does any fraction."""
    assert parse(Small, f'{{"anything":{number}}}'.encode())


@pytest.mark.parametrize(
    "digits", [b'"' + b"1" * 30 + b'"', b'"\\"' + b"1" * 30 + b'"', b"1." + b"1" * 30]
)
def test_digits_that_are_no_integer(digits: bytes) -> None:
    """Long digits in a text or after a point are nobody's integer."""
    assert parse(Small, b'{"anything":' + digits + b"}")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 129 + b'"' + rb"\"" * 500_000,
        b"[" * 129 + b'"' + rb"\\" * 500_000,
        b"[" * 129 + b'"' * 1_000_000,
        b'{"text":"' + rb"\"" * 500_000,
        b'{"text":"' + rb"\ud800" * 200_000,
        b'{"text":' + b"1" * 1_000_000 + b"}",
        b"1 " * 500_000,
    ],
    ids=range(7),
)
def test_refusing_is_quick(body: bytes) -> None:
    """A megabyte of anything is refused in a moment: each byte is looked at once."""
    began = time.process_time()
    assert refused(body).status == 400
    assert time.process_time() - began < 1.5


def test_unknown_fields_are_reported() -> None:
    """They do no harm, and their names come back in order."""
    request, unknown = parse(Small, b'{"b":1,"text":"x","a":{"c":[1]},"":null}')
    assert (request.text, unknown) == ("x", ["b", "a", ""])


def test_names_are_case_sensitive() -> None:
    """Another spelling of a field is another field."""
    request, unknown = parse(Small, b'{"text":"x","Text":"y","TEXT":5}')
    assert (request.text, unknown) == ("x", ["Text", "TEXT"])


@pytest.mark.parametrize(
    ("body", "message", "param"),
    [
        (
            b'{"text":5}',
            "Invalid type for 'text': expected a string, but got an integer instead.",
            "text",
        ),
        (
            b'{"text":[],"unknown":1}',
            "Invalid type for 'text': expected a string, but got an array instead.",
            "text",
        ),
        (
            b'{"number":true}',
            "Invalid type for 'number': expected a number, but got a boolean instead.",
            "number",
        ),
    ],
)
def test_wrong_types(body: bytes, message: str, param: str) -> None:
    """OpenAI's words, the field by name; also beside unknown fields."""
    error = refused(body)
    assert (error.message, error.param, error.code) == (message, param, "invalid_type")


@pytest.mark.parametrize("name", [None, "", " ", "\n"])
def test_no_model(name: str | None) -> None:
    """Ollama's own words."""
    with pytest.raises(BadRequest, match="model is required") as caught:
        model_name(name)
    assert caught.value.code == "missing_required_parameter"


@pytest.mark.parametrize("name", ["a\nb", "a\x00", "\x7f", "x" * (MAX_NAME + 1), "\r"])
def test_model_names_that_cannot_be(name: str) -> None:
    """Control characters and endless names are refused."""
    with pytest.raises(BadRequest) as caught:
        model_name(name)
    assert caught.value.param == "model"


@pytest.mark.parametrize("name", ["a", "hf.co/a/b:Q4", "x" * MAX_NAME, "\u00e9 \u4e2d"])
def test_model_names(name: str) -> None:
    """Any other name is as the client sent it."""
    assert model_name(name) == name


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_any_bytes(body: bytes) -> None:
    """Bytes are a request or a 400, nothing else."""
    with contextlib.suppress(BadRequest):
        parse(Small, body)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
@settings(max_examples=200)
def test_any_json_in_an_untyped_field(value: Any) -> None:
    """What a field of any type holds arrives as it was."""
    try:
        body = msgspec.json.encode({"anything": value})
    except UnicodeEncodeError:
        return  # a lone surrogate of Python's, which no client can send like this
    request, unknown = parse(Small, body)
    assert unknown == []
    assert msgspec.json.encode(request.anything) == msgspec.json.encode(value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"anything":[' + b"{}," * MAX_CONTAINERS + b"{}]}",
        b'{"nobody":[' + b"[]," * MAX_CONTAINERS + b"[]]}",
        b'{"anything":[' + b"0," * MAX_VALUES + b"0,0]}",
        b'{"nobody":{' + b'"a":0,' * MAX_VALUES + b'"a":0,"a":0}}',
    ],
)
def test_a_body_of_too_many_values(body: bytes) -> None:
    """Few bytes that would become much memory are refused before they do."""
    error = refused(body)
    assert (error.status, error.code) == (400, "invalid_json")
    assert "too many values" in error.message


def test_values_in_strings_do_not_count() -> None:
    """A text of code may hold any number of brackets and commas."""
    text = "[{,}]" * MAX_VALUES
    found, _ = parse(Small, msgspec.json.encode({"text": text}))
    assert found.text == text


def test_a_number_out_of_range_in_an_unknown_field() -> None:
    """The message speaks of the number, not of the whole."""
    error = refused(b'{"nobody":1e999}')
    assert (error.code, "out of range" in error.message) == ("invalid_json", True)


def extra(**members: Any) -> dict[str, Any]:
    """A body's ``extra_body``."""
    return {"extra_body": members}


class Wide(Small):
    """A request with options."""

    options: dict[str, Any] | None = None


@pytest.mark.parametrize(
    ("body", "request_", "lost"),
    [
        (extra(), Wide(), []),
        (extra(text="a", number=5), Wide("a", 5), []),
        ({"text": "a", **extra(number=5)}, Wide("a", 5), []),
        ({"text": None, **extra(text="b")}, Wide("b"), []),
        ({"text": "a", **extra(text="b")}, Wide("a"), ["extra_body.text"]),
        ({"text": "a", **extra(text=None)}, Wide("a"), []),
        (extra(what=1, text="a"), Wide("a"), ["extra_body.what"]),
        ({"what": 1, **extra(what=2)}, Wide(), ["what", "extra_body.what"]),
        (extra(what=None), Wide(), []),
        (extra(extra_body={"text": "a"}), Wide(), ["extra_body.extra_body"]),
        (extra(options={"a": 1}), Wide(options={"a": 1}), []),
        (
            {"options": {"a": 1, "b": 2}, **extra(options={"b": 3, "c": 4})},
            Wide(options={"a": 1, "b": 2, "c": 4}),
            [],
        ),
        (
            {"anything": {"a": 1}, **extra(anything={"b": 2})},
            Wide(anything={"a": 1}),
            ["extra_body.anything"],
        ),
        ({"extra_body": 5}, Wide(), ["extra_body"]),
        ({"extra_body": [{"text": "a"}]}, Wide(), ["extra_body"]),
    ],
    ids=str,
)
def test_extra_body(body: Any, request_: Wide, lost: list[str]) -> None:
    """Members of extra_body count where the body is silent; what is lost is named."""
    assert parse(Wide, msgspec.json.encode(body)) == (request_, lost)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (extra(number="x"), "number"),
        ({"number": "x", **extra(text="a")}, "number"),
        (extra(options=[1]), "options"),
        ({"options": [1], **extra(options={})}, "options"),
    ],
    ids=str,
)
def test_extra_body_of_wrong_types(body: Any, param: str) -> None:
    """Types are checked inside extra_body as outside, in the same words."""
    encoded = msgspec.json.encode(body)
    with pytest.raises(BadRequest) as caught:
        parse(Wide, encoded)
    assert (caught.value.code, caught.value.param) == ("invalid_type", param)
    assert caught.value.message.startswith(f"Invalid type for '{param}': expected")


def test_extra_body_has_the_same_bounds() -> None:
    """Depth, digits and characters are bounded inside extra_body too."""
    deep = b'{"extra_body":{"anything":' + b"[" * 127 + b"]" * 127 + b"}}"
    assert "nested too deeply" in refused(deep).message
    assert "digits" in refused(b'{"extra_body":{"number":' + b"1" * 21 + b"}}").message
    assert parse(Small, rb'{"extra_body":{"text":"\ud800"}}')[0].text == "\ufffd"
    assert "not valid UTF-8" in refused(b'{"extra_body":{"text":"\xff"}}').message
