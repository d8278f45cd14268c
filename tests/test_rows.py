"""Every row of the specification's tables of fields, in its own words, with its class.

The classes: H is honoured, I accepted without effect, W the same but refused in strict
mode, E always refused.  This is the index; ``tests/rows`` has a table an endpoint, and
finer tests are with what they test.
"""

import sys

import pytest
from rows import chat, completions, embeddings, messages, models, responses
from rows.seen import Row, is_unsupported

TABLES = {
    "chat": chat,
    "completions": completions,
    "models": models,
    "embeddings": embeddings,
    "messages": messages,
    "responses": responses,
}
ROWS = [
    pytest.param(endpoint, one, id=f"{endpoint}-{one.name}".replace(" ", "-"))
    for endpoint, table in TABLES.items()
    for one in table.ROWS
]
WITHOUT_EFFECT = [param for param in ROWS if param.values[1].kind in "IWE"]


@pytest.fixture(autouse=True)
def _without_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether tiktoken is installed makes no difference here: nothing is fetched."""
    monkeypatch.setitem(sys.modules, "tiktoken", None)


@pytest.mark.parametrize("endpoint", TABLES)
def test_every_row_is_here(endpoint: str) -> None:
    """A table has each row of the specification once, with its class, and no more."""
    table = TABLES[endpoint]
    specified = [tuple(line.split(" ", 1)) for line in table.SPECIFIED.split("\n")]
    here = [(one.kind, one.name) for one in table.ROWS]
    assert sorted(here) == sorted(specified[1:-1])
    assert all(one.cases for one in table.ROWS)
    assert all(case.checks for one in table.ROWS for case in one.cases)


@pytest.mark.parametrize(("endpoint", "row"), ROWS)
def test_a_row(endpoint: str, row: Row) -> None:
    """What a row of the specification promises is so."""
    for case in row.cases:
        case.look(case.ask(endpoint))


@pytest.mark.parametrize(("endpoint", "row"), WITHOUT_EFFECT)
def test_strict(endpoint: str, row: Row) -> None:
    """In strict mode W is a 400 that names the field; I and E are as they were."""
    for case in row.cases:
        seen = case.ask(endpoint, strict=True)
        if row.kind == "W" and case.named:
            assert is_unsupported(seen, case.named[0]), seen.answer.body
        else:
            case.look(seen)
