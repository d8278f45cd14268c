"""Pages that offer names of models, which there may be many of."""

from pathlib import Path

import pytest
from support.handling import MODELS, handlers

from app.admin.asked import Asked
from app.admin.pages import aliases, playground
from app.admin.pages.page import Handler


@pytest.mark.parametrize(
    "handler", [aliases.new, playground.shown], ids=["alias", "playground"]
)
def test_ollama_is_not_asked_what_each_is(tmp_path: Path, handler: Handler) -> None:
    """All names are there, for one question: the list."""
    with handlers(tmp_path, default_model="qwen3:4b") as here:
        values = handler(here.admin, Asked())
        assert set(values["models"]) == set(MODELS)
        assert here.asked == ["/api/tags"]
