"""What a real Ollama was asked and answered once, as it went over the wire."""

import base64
import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "fixtures" / "ollama"
INDEX = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))


def of(name: str, part: str) -> dict[str, Any]:
    """One recording's ``request`` or ``response``."""
    read: dict[str, Any] = json.loads((FOLDER / name / f"{part}.json").read_text())
    return read


def request_body(recording: dict[str, Any]) -> bytes:
    """The body of a recorded request."""
    if "body" in recording:
        return json.dumps(recording["body"]).encode()
    if "body_text" in recording:
        return str(recording["body_text"]).encode()
    return base64.b64decode(recording.get("body_base64", ""))


def request_bytes(recording: dict[str, Any], **more: str) -> bytes:
    """The recorded request as it goes on the wire, with ``more`` headers."""
    headers = {"Host": "127.0.0.1", "Connection": "close"} | recording["headers"]
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    body = request_body(recording)
    if recording["method"] not in ("GET", "HEAD", "OPTIONS"):
        headers["Content-Length"] = str(len(body))
    lines = [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"{recording['method']} {recording['path']} HTTP/1.1", *lines])
    return head.encode() + b"\r\n\r\n" + body


def response_bytes(name: str) -> bytes:
    """The recorded answer as it came over the wire, chunk by chunk."""
    response = of(name, "response")
    (file,) = (FOLDER / name).glob("body.*")
    body = file.read_bytes()
    lines = [f"HTTP/1.1 {response['status']} {response['reason']}"]
    lines += [f"{field}: {value}" for field, value in response["headers"]]
    head = "\r\n".join([*lines, "", ""]).encode()
    if ["Transfer-Encoding", "chunked"] not in response["headers"]:
        return head + body
    return head + _chunked(body, response["transfer_chunk_sizes"])


def _chunked(body: bytes, sizes: list[int]) -> bytes:
    framed = b""
    for size in [*sizes, len(body) - sum(sizes)]:
        if size > 0:
            framed += b"%x\r\n%b\r\n" % (size, body[:size])
            body = body[size:]
    return framed + b"0\r\n\r\n"
