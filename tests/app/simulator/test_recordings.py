"""The simulator beside a real Ollama: every recorded exchange, replayed in order."""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from support.recorded import FOLDER as RECORDINGS
from support.recorded import INDEX, request_bytes
from support.simulator import Simulator

NAMES = [entry["name"] for entry in INDEX["fixtures"]]

#: Recordings that a simulator without weights cannot repeat, each with the reason.
#: Their status, headers and field names are compared all the same.
_WEIGHTS = "the text depends on the weights of a random transformer"
_GRAMMAR = "the text is sampled under a grammar; ours is another instance"
_BY_HAND = "the runner was killed by hand; faults do this by name"
_QUEUE = "the queue was filled by other clients; a fault does this by name"
DIFFERENT = {
    "generate-seed-a": _WEIGHTS,
    "generate-seed-b": _WEIGHTS,
    "generate-seed-c": _WEIGHTS,
    "chat-format-schema-nonstream": _GRAMMAR,
    "chat-format-schema-stream": _GRAMMAR,
    "chat-think-schema-nonstream": _GRAMMAR,
    "chat-think-schema-stream": _GRAMMAR,
    "generate-format-schema-stream": _GRAMMAR,
}
#: Recordings of another situation: a fault of this name, after so many lines.
DRIVEN = {
    "chat-stream-midstream-error": ("error-line", 50, _BY_HAND),
    "chat-nonstream-runner-error": ("error-line", None, _BY_HAND),
    "chat-busy-503": ("busy", None, _QUEUE),
    "generate-busy-503": ("busy", None, _QUEUE),
    "embed-busy-503": ("busy", None, _QUEUE),
}


@pytest.fixture(scope="module")
def ollama() -> Iterator[Simulator]:
    """One simulator for all recordings: they build on each other, as recorded."""
    with Simulator() as simulator:
        yield simulator


def exchange(port: int, data: bytes) -> tuple[str, list[list[str]], list[bytes]]:
    """Send bytes; returns status line, headers and the body's chunks."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(data)
        received = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = [line.split(": ", 1) for line in lines]
    if ["Transfer-Encoding", "chunked"] not in headers:
        return status, headers, [body]
    chunks = []
    while size := int(body.partition(b"\r\n")[0], 16):
        start = body.index(b"\r\n") + 2
        chunks.append(body[start : start + size])
        body = body[start + size + 2 :]
    assert body == b"0\r\n\r\n", "the body must end with its last chunk"
    return status, headers, chunks


_VOLATILE = (
    (rb'"(created_at|modified_at|expires_at)":"[^"]*"', rb'"\1":"T"'),
    (rb'"(\w+_duration)":[1-9]\d*', rb'"\1":0'),
    (rb'"id":"call_[a-z0-9]{8}"', rb'"id":"call_"'),
    (rb'"creating new layer sha256:[0-9a-f]{64}', rb'"creating new layer'),
    (rb'"version":"[^"]*"', rb'"version":"V"'),
)


def steady(name: str, body: bytes) -> bytes:
    """``body`` without what changes from run to run."""
    for pattern, replacement in _VOLATILE:
        body = re.sub(pattern, replacement, body)
    if '"arguments":{' in body.decode("utf-8", "replace"):
        # Go's maps come in random order: any order of argument keys is right.
        body = re.sub(rb'"arguments":\{[^{}]*\}', _sorted, body)
    if name.startswith("show"):
        # The order of parameters in a Modelfile is a Go map's too.
        parameters = rb"(PARAMETER [^\\]*(?:\\u[^\\]*)*\\n)+"
        body = re.sub(parameters, lambda m: b"".join(sorted(_lines(m[0]))), body)
    if name.startswith("create-from"):
        body = re.sub(rb'{"status":"(using|creating)[^}]*}\n', b"", body)
    if name.startswith("embed") and b'"error"' not in body:
        body = re.sub(rb"-?\d+\.\d+(e-\d+)?", b"0.1", body)
    return body


def _lines(text: bytes) -> list[bytes]:
    return re.findall(rb".*?\\n", text)


def _sorted(match: "re.Match[bytes]") -> bytes:
    arguments = json.loads(match[0].partition(b":")[2])
    return b'"arguments":' + json.dumps(arguments, sort_keys=True).encode()


def family(body: bytes) -> bytes:
    """A list of models, only those of the recordings, in the order of their names."""
    models = [m for m in json.loads(body)["models"] if "tiny" in m["name"]]
    models.sort(key=lambda model: str(model["name"]))
    return json.dumps(models, separators=(",", ":")).encode()


def chances(body: bytes) -> tuple[bytes, list[float]]:
    """``body`` without its log probabilities, and these."""
    pattern = rb'"logprob":(-[\d.e-]+)'
    found = [float(match) for match in re.findall(pattern, body)]
    return re.sub(pattern, b'"logprob":0', body), found


def shape(body: bytes) -> Any:
    """Only the names of the fields, in order, with equal neighbours once."""
    shapes: list[Any] = []
    for line in body.splitlines():
        found = json.loads(line, object_pairs_hook=lambda pairs: [k for k, _ in pairs])
        if not shapes or shapes[-1] != found:
            shapes.append(found)
    return shapes


def steady_headers(headers: list[list[str]], volatile: bool) -> list[list[str]]:
    """Headers without the values that depend on the moment or on counts of digits."""
    fixed = []
    for name, value in headers:
        changes = name == "Date" or (name == "Content-Length" and volatile)
        fixed.append([name, "…" if changes else value])
    return fixed


@pytest.mark.parametrize("name", NAMES)
def test_recording(ollama: Simulator, name: str) -> None:
    """Status line, headers in order and body bytes are those of a real Ollama."""
    folder = RECORDINGS / name
    recording = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    recorded = json.loads((folder / "response.json").read_text(encoding="utf-8"))
    if name in DRIVEN:
        ollama.fault(recording["path"], *DRIVEN[name][:2])
    closes = "Connection" in recording["headers"]
    status, headers, chunks = exchange(ollama.port, request_bytes(recording))
    ollama.mend()

    expected_body = next(folder.glob("body.*")).read_bytes()
    body = b"".join(chunks)
    assert status == f"HTTP/1.1 {recorded['status']} {recorded['reason']}"
    if not closes:
        assert headers.count(["Connection", "close"]) == 1
        headers.remove(["Connection", "close"])
    volatile = chances(steady(name, expected_body))[0] != expected_body
    volatile = volatile or name in DIFFERENT
    volatile = volatile or name.startswith("version")
    assert steady_headers(headers, volatile) == steady_headers(
        recorded["headers"], volatile
    )
    if name in DIFFERENT:
        assert shape(body) == shape(expected_body)
    elif name.startswith(("tags", "ps")) and expected_body:
        assert steady(name, family(body)) == steady(name, family(expected_body))
    else:
        body_text, probable = chances(steady(name, body))
        expected_text, expected = chances(steady(name, expected_body))
        assert body_text == expected_text
        # Float32 sums on the recording machine differ in the last digits.
        assert probable == pytest.approx(expected, rel=1e-4)
    if recorded["transfer_chunk_sizes"] and body.endswith(b"\n"):
        assert chunks == body.splitlines(keepends=True), "a chunk is not one line"
    else:
        assert len(chunks) <= 1


def test_every_recording_is_there() -> None:
    """Each folder of recordings is in the index, and no exception names a stranger."""
    folders = {path.name for path in RECORDINGS.iterdir() if path.is_dir()}
    assert folders == set(NAMES)
    assert DIFFERENT.keys() | DRIVEN.keys() <= folders
