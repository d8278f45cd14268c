"""Go's JSON, numbers and durations, as its own library writes and reads them."""

import math
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.simulator import golang


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (
            "<a href='x'>&\u2028\u2029é\x01\x7f",
            "\"\\u003ca href='x'\\u003e\\u0026\\u2028\\u2029é\\u0001\x7f\"",
        ),
        ({"b": [1, 2.0, None, True], "a": {}}, '{"b":[1,2,null,true],"a":{}}'),
        (1e-7, "1e-7"),
        (0.000001, "0.000001"),
        (0.00001234, "0.00001234"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (-0.5, "-0.5"),
    ],
)
def test_encode(value: object, text: str) -> None:
    """Escapes and numbers are Go's."""
    assert golang.encode(value) == text


@settings(max_examples=200)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float32_is_the_shortest_that_reads_back(value: float) -> None:
    """A float32's text reads back as the same float32, in at most 9 digits."""
    text = golang.float32(value)
    assert struct.pack("f", float(text)) == struct.pack("f", value) or value == 0
    if value and 1e-6 <= abs(value) < 1e21:
        digits = text.replace("-", "").replace(".", "").strip("0")
        assert len(digits) <= 9


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("5m", 300e9), ("1h30m", 5400e9), ("-1.5s", -1.5e9), ("0", 0), ("2µs", 2000)],
)
def test_duration(text: str, nanoseconds: float) -> None:
    """Durations are read as ``time.ParseDuration`` reads them."""
    assert golang.duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("soon", 'time: invalid duration "soon"'),
        ("", 'time: invalid duration ""'),
        ("-1", 'time: missing unit in duration "-1"'),
        ("5 m", 'time: unknown unit " m" in duration "5 m"'),
    ],
)
def test_no_duration(text: str, reason: str) -> None:
    """What is none gets Go's words."""
    with pytest.raises(golang.GoError, match=f"^{reason}$"):
        golang.duration(text)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "unexpected EOF"),
        (b'{"a":', "unexpected EOF"),
        (b"[1,", "unexpected EOF"),
        (b'"abc', "unexpected EOF"),
        (b"hello", "invalid character 'h' looking for beginning of value"),
        (b"NaN", "invalid character 'N' looking for beginning of value"),
        (b"nul1", "invalid character '1' in literal null (expecting 'l')"),
        (b"{a}", "invalid character 'a' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 2}', "invalid character '2' after object key:value pair"),
        (
            b'{"a":1,}',
            "invalid character '}' looking for beginning of object key string",
        ),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b'"a\nb"', "invalid character '\\n' in string literal"),
        (b'"\\x"', "invalid character 'x' in string escape code"),
        (b'"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        (b"-a", "invalid character 'a' in numeric literal"),
        (b"[1.a]", "invalid character 'a' after decimal point in numeric literal"),
        (b"[1ex]", "invalid character 'x' in exponent of numeric literal"),
        (b"[01]", "invalid character '1' after array element"),
        (b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value"),
    ],
)
def test_complaints(body: bytes, reason: str) -> None:
    """A broken document gets the words of Go's scanner."""
    with pytest.raises(golang.GoError) as caught:
        golang.decode(body)
    assert str(caught.value) == reason


def test_what_follows_a_document_is_ignored() -> None:
    """Only the first value counts; surrogates and bad bytes become U+FFFD."""
    assert golang.decode(b' {"a":"\\ud83d\xff"} trailing') == {"a": "\ufffd\ufffd"}


def test_timestamps_drop_zeros() -> None:
    """Up to nine digits, trailing zeros cut."""
    assert golang.timestamp(1_500_000_000) == "1970-01-01T00:00:01.5Z"
    assert golang.timestamp(2_000_000_000) == "1970-01-01T00:00:02Z"
    assert golang.timestamp(1) == "1970-01-01T00:00:00.000000001Z"


def test_single_is_float32() -> None:
    """Doubles of float32 values, as the older embeddings route prints them."""
    assert golang.single(0.1) == 0.10000000149011612
    assert math.isclose(golang.single(1 / 3), 1 / 3, rel_tol=1e-7)
