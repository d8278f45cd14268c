"""Rows of what requests have used, as handlers of the administration find them."""

from pathlib import Path
from typing import Any

from app.gateway.usage import BATCH, Row
from app.storage.storage import Storage


def row(number: int, at: int, **more: Any) -> Row:
    """The row of a request at that time, one of many; ``more`` are fields of it."""
    known: dict[str, Any] = dict.fromkeys(Row.__struct_fields__)
    texts = ("request_id", "key_name", "requested_model", "error_code", "protocol")
    texts += ("finish_reason", "think", "client_ip", "user_agent", "end_user")
    known |= dict.fromkeys(texts, "")
    known |= {"id": f"{at:012x}7{number:03x}8{0:015x}", "at": at, "endpoint": "chat"}
    known |= {"status": "ok", "stream": number % 2 == 0, "estimated": False}
    known |= {"duration_ms": 100, "bytes_in": 1, "bytes_out": 2, "key_id": ""}
    known |= {"resolved_model": "a:latest", "prompt_tokens": 3, "completion_tokens": 4}
    return Row(**{**known, **more})


def keep(directory: Path, rows: list[Row]) -> None:
    """Have a state directory know of rows, as if there had been their requests."""
    storage = Storage("", str(directory))
    for start in range(0, len(rows), BATCH):
        storage.usage.add(rows[start : start + BATCH], {})
    storage.close()
