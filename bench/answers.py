"""What the upstream of the benchmark says: whole answers, as the bytes that are sent.

The model's name says what is answered: ``chat`` one line or a whole answer, ``read-N``
one to a prompt of N tokens, ``fill-N-M`` M words that are filled into one of N,
``flat-N`` a stream of N words as fast as it is taken, ``paced-R-N`` one of N words at R
a second, ``embed-N`` N vectors.  Under ``/v1/`` the same answers are in OpenAI's form.
"""

import json
import struct
from base64 import b64encode
from collections.abc import Iterator

DIMENSIONS = 1024
PROMPT = 26  # tokens
#: Models that are in memory, as those are that answer.
LOADED = ("chat", "flat-64")
SENTENCE = "Hello! I know a good many words, and this is how some of them look."
MOMENT = "2026-01-02T03:04:05.123456789Z"


def words(count: int) -> list[str]:
    """The words of a stream: each tells its place."""
    return [f" word{number}" for number in range(count)]


def vector(number: int) -> list[float]:
    """One of the vectors: as many digits as Ollama writes, and all different."""
    return [
        round((at * 37 + number) % 1009 / 1009 - 0.5, 8) for at in range(DIMENSIONS)
    ]


class Script:
    """An answer: the writes that make it, and how many a second (0 for at once)."""

    def __init__(self, writes: list[bytes], pace: float = 0.0) -> None:
        self.writes = writes
        self.pace = pace


def script(path: str, model: str, *, stream: bool, base64: bool, models: int) -> Script:
    """What is answered to a request."""
    native = path.startswith("/api/")
    kind, *numbers = model.split("-")
    if path.endswith(("/chat", "/chat/completions")):
        pace = int(numbers[0]) if kind == "paced" else 0
        count = int(numbers[-1]) if numbers else PROMPT
        spoken = words(count) if kind in ("flat", "paced") else [SENTENCE]
        if stream:
            frames = _lines(model, spoken) if native else _events(model, spoken)
            *writes, last = _chunked(frames, native)
            return Script([*writes, last + b"0\r\n\r\n"], pace)
        prompt = count if kind == "read" else PROMPT
        return Script([_whole(_answer(model, spoken, native, prompt))])
    if path == "/api/generate":
        prompt, count = map(int, numbers)
        pieces = _pieces(model, words(count), prompt)
        return Script([*_chunked(pieces, native), b"0\r\n\r\n"])
    if path.endswith(("/embed", "/embeddings")):
        return Script([_whole(_embeddings(model, int(numbers[-1]), native, base64))])
    return Script([_whole(_about(path, models))])


def _chunked(frames: Iterator[bytes], native: bool) -> Iterator[bytes]:
    """Each frame in a chunk of its own, the first one behind the head."""
    kind = b"application/x-ndjson" if native else b"text/event-stream"
    yield (
        b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n"
        b"Date: Fri, 02 Jan 2026 03:04:05 GMT\r\nTransfer-Encoding: chunked\r\n\r\n"
        + _chunk(next(frames))
    )
    for frame in frames:
        yield _chunk(frame)


def _chunk(frame: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(frame), frame)


def _whole(answer: object) -> bytes:
    body = _json(answer)
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        b"Date: Fri, 02 Jan 2026 03:04:05 GMT\r\nContent-Length: %d\r\n\r\n%b"
        % (len(body), body)
    )


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _line(model: str, text: str, **more: object) -> dict[str, object]:
    message = {"role": "assistant", "content": text}
    return {"model": model, "created_at": MOMENT, "message": message, **more}


def _end(tokens: int, prompt: int = PROMPT) -> dict[str, object]:
    return {
        "done": True,
        "done_reason": "stop",
        "total_duration": 4883583458,
        "load_duration": 1334875,
        "prompt_eval_count": prompt,
        "prompt_eval_duration": 342546000,
        "eval_count": tokens,
        "eval_duration": 4535599000,
    }


def _lines(model: str, spoken: list[str]) -> Iterator[bytes]:
    for text in spoken:
        yield _json(_line(model, text, done=False)) + b"\n"
    yield _json(_line(model, "", **_end(len(spoken)))) + b"\n"


def _pieces(model: str, spoken: list[str], prompt: int) -> Iterator[bytes]:
    said = {"model": model, "created_at": MOMENT}
    for text in spoken:
        yield _json({**said, "response": text, "done": False}) + b"\n"
    yield _json({**said, "response": "", **_end(len(spoken), prompt)}) + b"\n"


def _events(model: str, spoken: list[str]) -> Iterator[bytes]:
    for text in spoken:
        delta = {"role": "assistant", "content": text}
        yield (
            b"data: " + _json(_openai(model, delta=delta, finish_reason=None)) + b"\n\n"
        )
    end = _openai(
        model, delta={"role": "assistant", "content": ""}, finish_reason="stop"
    )
    yield b"data: " + _json(end) + b"\n\n"
    yield b"data: [DONE]\n\n"


def _openai(model: str, **choice: object) -> dict[str, object]:
    whole = "message" in choice
    return {
        "id": "chatcmpl-417",
        "object": "chat.completion" if whole else "chat.completion.chunk",
        "created": 1767323045,
        "model": model,
        "system_fingerprint": "fp_ollama",
        "choices": [{"index": 0, **choice}],
    }


def _answer(model: str, spoken: list[str], native: bool, prompt: int) -> object:
    text = "".join(spoken)
    if native:
        return _line(model, text, **_end(len(spoken), prompt))
    message = {"role": "assistant", "content": text}
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": 5,
        "total_tokens": prompt + 5,
    }
    return {**_openai(model, message=message, finish_reason="stop"), "usage": usage}


def _embeddings(model: str, count: int, native: bool, base64: bool) -> object:
    vectors: list[object] = [vector(number) for number in range(count)]
    if native:
        return {"model": model, "embeddings": vectors, "prompt_eval_count": 64}
    data = [
        {"object": "embedding", "index": number, "embedding": one}
        for number, one in enumerate(_packed(count) if base64 else vectors)
    ]
    usage = {"prompt_tokens": 64, "total_tokens": 64}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def _packed(count: int) -> list[object]:
    form = f"<{DIMENSIONS}f"
    return [
        b64encode(struct.pack(form, *vector(number))).decode()
        for number in range(count)
    ]


def _about(path: str, models: int) -> object:
    if path == "/api/version":
        return {"version": "0.13.0"}
    if path == "/api/show":
        return {"details": {}, "model_info": {}, "capabilities": ["completion"]}
    if path == "/api/ps":
        return {"models": [_loaded(name) for name in LOADED]}
    names = [f"model-{number}:latest" for number in range(models)]
    if path == "/api/tags":
        return {"models": [_listed(*model) for model in enumerate(names)]}
    data = [
        {"id": name, "object": "model", "created": 1767323045, "owned_by": "library"}
        for name in names
    ]
    return {"object": "list", "data": data}


def _loaded(name: str) -> object:
    return {"name": name, "model": name, "context_length": 4096}


def _listed(number: int, name: str) -> object:
    details = {
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "3.2B",
        "quantization_level": "Q4_K_M",
    }
    return {
        "name": name,
        "model": name,
        "modified_at": MOMENT,
        "size": 2019393189,
        "digest": f"{number:064x}",
        "details": details,
    }
