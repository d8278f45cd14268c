from pathlib import Path

import pytest
from support import examples
from support.server import ROOT, Server

pytestmark = [pytest.mark.compat, pytest.mark.live]

ADDRESS = "http://127.0.0.1:8080"
BLOCKS = examples.blocks(ROOT / "docs" / "clients.md", "python", "javascript")


@pytest.mark.parametrize(
    "block",
    BLOCKS,
    ids=[f"{block.title}-{number}" for number, block in enumerate(BLOCKS)],
)
def test_example(block: examples.Block, server: Server, tmp_path: Path) -> None:
    """Every example of docs/clients.md works as it is pasted, but for the address."""
    assert ADDRESS in block.code
    code = block.code.replace(ADDRESS, server.url)
    if block.language == "python":
        printed = examples.python(code, tmp_path)
    else:
        printed = examples.javascript(code)
    assert "sky blue" in printed or "Paris" in printed or printed == "384\n"


def test_all_clients_have_one() -> None:
    """Each client that these tests know has an example."""
    shown = "".join(block.code for block in BLOCKS)
    for name in ("openai", "anthropic", "langchain_openai", "litellm", "instructor"):
        assert f"import {name}" in shown or f"from {name} import" in shown
    assert {block.language for block in BLOCKS} == {"python", "javascript"}
