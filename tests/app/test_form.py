from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ollama import environ_of
from support.recordings import BOUNDARY, FORM, form

from app.errors import BadRequest
from app.form import MAX_FIELD, MAX_PARTS, Form, read_form

LIMIT = 2**20


def read(body: bytes, kind: str = FORM, limit: int = LIMIT) -> Form:
    """The form that a body is."""
    return read_form(environ_of(body=body, CONTENT_TYPE=kind), limit, 5)


def test_texts_and_files() -> None:
    """Texts and files come by their names, bytes as they were."""
    data = bytes(range(256)) * 5000 + b"\r\n--b0undarx\r\n"
    found = read(form(("model", "müller"), ("file", data), ("empty", "")), limit=2**21)
    assert found == Form({"model": "müller", "empty": ""}, {"file": data})


def test_the_last_of_a_name_counts() -> None:
    """Of two parts with one name the last counts, as of two keys in JSON."""
    found = read(form(("a", "1"), ("f", b"1"), ("a", "2"), ("f", b"2")))
    assert found == Form({"a": "2"}, {"f": b"2"})


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/mixed; boundary=b",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary="ü"',
        "multipart/form-data; boundary=" + "b" * 201,
        "multipart/form-data; boundary=other",
    ],
)
def test_what_is_no_form(kind: str) -> None:
    """A body of another kind, or without its boundary, is a 400 that says so."""
    with pytest.raises(BadRequest, match="failed to parse multipart form") as caught:
        read(form(("model", "m")), kind)
    assert (caught.value.status, caught.value.code) == (400, "invalid_body")


START = f"--{BOUNDARY}\r\n".encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no boundary at all",
        form(("a", "b"))[:-6],
        START,
        START + b"X: y\r\n\r\nvalue\r\n" + START,
        START + b"Content-Disposition: form-data\r\n\r\nv\r\n" + START[:-2] + b"--",
        START + b"Content-Disposition: x; filename=f\r\n\r\nv\r\n" + START[:-2] + b"--",
        START + b"Content-Disposition: \xff\r\n\r\nv\r\n" + START[:-2] + b"--",
        START + b"Content-Disposition: form-data; name=a\r\nvalue",
    ],
    ids=range(9),
)
def test_malformed(body: bytes) -> None:
    """A form that is cut, nameless or no form inside is a 400."""
    with pytest.raises(BadRequest, match="failed to parse multipart form") as caught:
        read(body)
    assert (caught.value.status, caught.value.code) == (400, "invalid_body")


@pytest.mark.parametrize(
    "body",
    [
        form(*[("a", "1")] * (MAX_PARTS + 1)),
        form(*[("a", b"1")] * (MAX_PARTS + 1)),
        form(("a", "x" * (MAX_FIELD + 1))),
        form(("a", "x" * (5 * MAX_FIELD))),
        b"x" * (5 * MAX_FIELD),
        START + b"X: " + b"y" * (5 * MAX_FIELD),
    ],
    ids=["texts", "files", "a little", "much", "preamble", "header"],
)
def test_b9_too_large(body: bytes) -> None:
    """Too many parts, or a text that is too long, are a 413."""
    with pytest.raises(BadRequest) as caught:
        read(body)
    assert (caught.value.status, caught.value.code) == (413, "request_too_large")


def test_as_much_as_allowed() -> None:
    """Fifty parts pass, one of them with 64 KiB of text."""
    parts = [(str(n), "1") for n in range(MAX_PARTS - 1)]
    found = read(form(("a", "x" * MAX_FIELD), *parts))
    assert len(found.fields) == MAX_PARTS


def test_larger_than_a_body_may_be() -> None:
    """The limit of every body holds, whatever is inside."""
    with pytest.raises(BadRequest) as caught:
        read(form(("file", b"x" * 3000)), limit=2048)
    assert (caught.value.status, caught.value.code) == (413, "request_too_large")


PIECES = st.sampled_from(
    [
        START,
        START[:-2],
        b"--",
        b"\r\n",
        b"\n",
        b"\r",
        b"Content-Disposition: form-data",
        b'; name="a"',
        b'; filename="b"',
        b"; name*=utf-8''%ff",
        b"\r\n\r\n",
        b"Content-Type: text/plain; charset=utf-16",
        b"\xff",
        b"\0",
    ]
)


@given(st.lists(PIECES, max_size=30).map(b"".join))
def test_any_body(body: bytes) -> None:
    """Whatever arrives is a form or the fault of the client."""
    with suppress(BadRequest):
        found = read(body)
        assert all(isinstance(name, str) for name in [*found.fields, *found.files])
