"""Requests with nothing to fill in: no model is asked, and nothing counted for one."""

from typing import Any

import pytest
from support.gateway import installed, key, snapshot
from support.keyed import SECRET
from support.ollama import ask
from support.shelves import Shelves
from support.stack import linted

from app.gateway.usage import Row
from app.storage.usage_sums import model_of


@pytest.mark.parametrize("named", [{}, {"model": "default"}, {"model": "made-up"}])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/generate", {}),
        ("/v1/fim/completions", {"prompt": ""}),
        ("/infill", {"input_prefix": "", "input_suffix": ""}),
        ("/code/generate", {"prompt": ""}),
        ("/v1/completions", {"prompt": "<PRE> <SUF> <MID>"}),
    ],
)
@pytest.mark.parametrize("keyed", [False, True])
def test_no_model_is_counted(path: str, body: Any, named: Any, keyed: bool) -> None:
    """A name that comes with nothing to answer may be nobody's: it makes no sum."""
    if path == "/api/generate" and named:
        named = {"model": "default"}  # with another one Ollama is asked
    shelves, rows = Shelves("a"), list[Row]()
    installation = installed(snapshot(*([key()] if keyed else [])), usage="on")
    installation.usage.add = rows.append  # type: ignore[method-assign]
    app = linted(
        shelves, control=shelves.control, installation=installation, usage="on"
    )
    answer = ask(app, "POST", path, body | named, Authorization=f"Bearer {SECRET}")
    assert (answer.status, shelves.asked) == (200, [])
    (row,) = rows
    assert (row.requested_model, row.resolved_model) == ("", "")
    assert model_of(row) == ""
    if "model" in answer.json:
        assert answer.json["model"] == named.get("model", "default")
