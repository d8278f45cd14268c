from typing import Any

import pytest
from support.ollama import ask

from app.later import Later


def test_loaded_once_it_works() -> None:
    """It is loaded by the first request; if that fails it is tried again, then kept."""
    loads = iter([ImportError("broken"), None])
    loaded: list[Any] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"one"]

    def load() -> Any:
        loaded.append(fault := next(loads))
        if fault:
            raise fault
        return application

    later = Later(load)
    assert loaded == []
    with pytest.raises(ImportError):
        ask(later, "GET", "/")
    for _ in range(2):
        assert ask(later, "GET", "/").body == b"one"
    assert len(loaded) == 2
