"""The doors of code mode: to whom a body goes, and what it costs to find out."""

import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest
from support.ollama import Started, environ_of

from app.settings import Settings
from middleware.aliases import Aliases
from middleware.code.doors import CodeDoor, FormDoor
from middleware.code.families import Families
from middleware.code.ways import Ways

#: Values enough to cost a hundred times their bytes, once they are objects.
MANY = b"[" + b"[]," * 300_000 + b"[]]"
MEMBERS = b",".join(b'"%x":1' % number for number in range(200_000))


def gone_to(path: str, body: bytes) -> str:
    """Who gets a body: a door's names for them."""
    went: list[str] = []

    def to(name: str) -> Any:
        def app(environ: Any, start: Any) -> list[bytes]:
            assert environ["wsgi.input"].read() == body
            went.append(name)
            return []

        return app

    catalog: Any = SimpleNamespace(facts=lambda name: None)
    settings = Settings()
    door: Any
    if path == "/api/generate":
        ways, aliases = Ways(Families.load(), settings), Aliases(catalog, settings)
        door = CodeDoor(to("native"), to("code"), settings, catalog, ways, aliases)
    else:
        door = FormDoor(to("openai"), to("tabby"), to("llama"), settings)
    door(environ_of("POST", path, body), Started())
    (name,) = went
    return name


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"prompt":"x"}', "code"),
        (b'{"model":"","prompt":"x"}', "code"),
        (b'{"model":" Default ","prompt":7}', "code"),
        (b'{"model":null,"prompt":"x"}', "code"),
        (b'{"model":null,"Model":"tiny","prompt":"x"}', "native"),
        (b'{"Model":"tiny","prompt":"x"}', "native"),
        (b'{"model":7}', "native"),
        (b'{"model":{}}', "native"),
        (b'{"prompt":["x"]}', "native"),
        (b'{"model":"tiny","prompt":"x","suffix":["y"]}', "native"),
        (b'{"model":"tiny","prompt":"a <SUF> b <MID>","raw":1.5}', "code"),
        (b'{"model":"tiny","prompt":"","suffix":"y"}', "code"),
        (b"no JSON", "native"),
    ],
)
def test_whose_affair_a_native_request_is(body: bytes, name: str) -> None:
    """What names no model, or is an editor's, is code; what is odd is Ollama's."""
    assert gone_to("/api/generate", body) == name


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"prompt":"x"}', "openai"),
        (b'{"segments":{},"prompt":"x"}', "tabby"),
        (b'{"segments":null}', "openai"),
        (b'{"n_predict":3}', "llama"),
        (b'{"n_predict":3,"max_tokens":3}', "openai"),
        (b'{"n_predict":3,"max_tokens":null}', "llama"),
        (b'{"n_predict":null}', "openai"),
        (b'{"prompt":"\\"segments\\""}', "openai"),
        (b'{"segments"', "openai"),
    ],
)
def test_whose_form_a_completion_has(body: bytes, name: str) -> None:
    """The fields that only one form has decide; ``null`` is as if it were absent."""
    assert gone_to("/completions", body) == name


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/generate", b'{"model":"tiny","prompt":"x","suffix":%b}'),
        ("/api/generate", b'{"model":"tiny","prompt":%b}'),
        ("/api/generate", b'{"model":"tiny","raw":%b}'),
        ("/api/generate", b'{"model":%b}'),
        ("/completions", b'{"segments":%b}'),
        ("/completions", b'{"n_predict":%b}'),
    ],
)
def test_a_look_makes_no_objects(path: str, body: bytes) -> None:
    """What only has to be known for what it is costs no more than its bytes."""
    assert cost(path, body % MANY) < 2 * len(MANY)


def test_a_look_at_many_members() -> None:
    """Of more members than a request may have none is looked at."""
    body = b"{" + b",".join([MEMBERS] * 6) + b"}"
    assert cost("/api/generate", body) < 3 * len(body)
    assert gone_to("/api/generate", body) == "native"


def cost(path: str, body: bytes) -> int:
    """The most memory, in bytes, that finding out takes."""
    gone_to(path, b"{}")  # what is made once
    tracemalloc.start()
    try:
        gone_to(path, body)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
