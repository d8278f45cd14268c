import sys
from pathlib import Path
from typing import Any

import gevent
import pytest
import tiktoken
import tiktoken.load
import tiktoken.registry
from gevent.event import Event
from support.vocabulary import END, tiny, tokens

from app import vocabulary
from app.errors import BadRequest
from app.vocabulary import is_tokens, text_of


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a vocabulary."""
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, "cl100k_base", tiny())


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize(
    ("given", "text"),
    [
        (tokens("Hello, wörld 🦙"), "Hello, wörld 🦙"),
        (tokens("a\0b"), "a\0b"),
        ([], ""),
        (tokens("wör")[:2], "w\ufffd"),
        (tokens("wör")[2:], "\ufffdr"),
        ([*tokens("x"), END], "x<|endoftext|>"),
    ],
)
def test_tokens_are_text(given: list[int], text: str) -> None:
    """Ids give their text; half a character is a mark in its place, not an error."""
    assert text_of(given) == text


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("token", [256, 299, 301, -1, 2**31, 2**32, 2**63, 10**30])
def test_ids_that_there_are_not(token: int) -> None:
    """An id outside the vocabulary is the client's mistake, and the field is named."""
    with pytest.raises(BadRequest) as caught:
        text_of([65, token], "input")
    assert (caught.value.status, caught.value.code) == (400, "invalid_value")
    assert caught.value.param == "input"
    assert "'input'" in caught.value.message


def refused() -> BadRequest:
    """How a token array is refused where it cannot be read."""
    with pytest.raises(BadRequest) as caught:
        text_of([65])
    error = caught.value
    assert (error.status, error.code) == (400, "unsupported_value")
    assert error.param == "prompt"
    assert error.message.endswith("; send text")
    return error


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tiktoken a token array is refused in the specification's words."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    assert refused().message == (
        "token array input is not supported by this server; send text"
    )


def test_without_its_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vocabulary that cannot be fetched is said; the reason is for the log."""

    def unreachable(*_: Any) -> bytes:
        raise OSError("no route to the vocabulary")

    monkeypatch.setattr(tiktoken.load, "read_file_cached", unreachable)
    error = refused()
    assert "cl100k_base" in error.message
    assert "no route" not in error.message
    assert "no route" in error.detail


def test_a_vocabulary_that_is_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file in the cache that is not the vocabulary does not count as one."""
    name = "9b5ad71b2ce5302211f9c61530b329a4922fc6a4"  # tiktoken's, of its address
    (tmp_path / name).write_bytes(b"QQ== 0\n")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(tiktoken.load, "read_file_cached", READ_FILE_CACHED)
    monkeypatch.setattr(tiktoken.load, "read_file", lambda _: b"<html>")
    assert "Hash mismatch" in refused().detail


def test_a_vocabulary_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request waits only so long for it, and what else there is to do goes on."""
    asked, others = Event(), Event()

    def endless(*_: Any) -> bytes:
        asked.set()
        Event().wait()
        return b""

    def other() -> None:
        asked.wait()
        others.set()

    monkeypatch.setattr(vocabulary, "PATIENCE", 0.05)
    monkeypatch.setattr(tiktoken.load, "read_file_cached", endless)
    gevent.spawn(other)
    assert "Timeout" in refused().detail
    assert others.is_set()


def test_a_limit_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another limit that is reached meanwhile is not taken for ours."""
    monkeypatch.setattr(tiktoken.load, "read_file_cached", lambda *_: Event().wait())
    with pytest.raises(gevent.Timeout) as caught, gevent.Timeout(0.05) as outer:
        text_of([65])
    assert caught.value is outer


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1], True),
        ([0, -1, 2**70], True),
        ([], False),
        ([1.0], False),
        ([True], False),
        ([1, True], False),
        ([1, "a"], False),
        ([[1]], False),
        ("1", False),
        (1, False),
        (None, False),
        ({"1": 1}, False),
    ],
)
def test_what_a_token_array_is(value: object, expected: bool) -> None:
    """Integers in a list, at least one; a float or a boolean is none."""
    assert is_tokens(value) is expected


#: The real one: all other tests run without (see conftest).
READ_FILE_CACHED = tiktoken.load.read_file_cached
