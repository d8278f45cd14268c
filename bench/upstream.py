"""The upstream of the benchmark: an Ollama that costs nearly nothing.

One epoll loop and bytes that were made beforehand, so that it is never what limits a
measurement.  It is Ollama where that matters: HTTP/1.1 on kept connections, and every
line of a stream in a chunk and a write of its own.  The same answers lie under
``/v1/`` in OpenAI's form, for a proxy that only passes bytes.

The model's name says what is answered: ``chat`` one line or a whole answer, ``flat-N``
a stream of N words as fast as it is taken, ``paced-R-N`` one of N words at R a second,
``embed-N`` N vectors, ``embed`` one for each input.

Started as ``python -m bench.upstream PORT [MODELS]``.
"""

import heapq
import json
import re
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator
from functools import cache

DIMENSIONS = 1024
SENTENCE = "Hello! I know a good many words, and this is how some of them look."
MOMENT = "2026-01-02T03:04:05.123456789Z"

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)
_MODEL = re.compile(rb'"(?:model|name)": *"([^"]+)"')
_STREAM = re.compile(rb'"stream": *(true|false)')
_INPUT = re.compile(rb'"input": *\[([^]]*)')
_BASE64 = re.compile(rb'"encoding_format": *"base64"')


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
        spoken = words(int(numbers[-1])) if numbers else [SENTENCE]
        if stream:
            frames = _lines(model, spoken) if native else _events(model, spoken)
            *writes, last = _chunked(frames, native)
            return Script([*writes, last + b"0\r\n\r\n"], pace)
        return Script([_whole(_answer(model, spoken, native))])
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


def _end(tokens: int) -> dict[str, object]:
    return {
        "done": True,
        "done_reason": "stop",
        "total_duration": 4883583458,
        "load_duration": 1334875,
        "prompt_eval_count": 26,
        "prompt_eval_duration": 342546000,
        "eval_count": tokens,
        "eval_duration": 4535599000,
    }


def _lines(model: str, spoken: list[str]) -> Iterator[bytes]:
    for text in spoken:
        yield _json(_line(model, text, done=False)) + b"\n"
    yield _json(_line(model, "", **_end(len(spoken)))) + b"\n"


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


def _answer(model: str, spoken: list[str], native: bool) -> object:
    text = "".join(spoken)
    if native:
        return _line(model, text, **_end(len(spoken)))
    message = {"role": "assistant", "content": text}
    usage = {"prompt_tokens": 26, "completion_tokens": 5, "total_tokens": 31}
    return {**_openai(model, message=message, finish_reason="stop"), "usage": usage}


def _inputs(body: bytes) -> int:
    """How many texts there are, in which neither a quote nor a bracket is."""
    found = _INPUT.search(body)
    return found[1].count(b'"') // 2 if found else 1


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
    import base64
    import struct

    form = f"<{DIMENSIONS}f"
    return [
        base64.b64encode(struct.pack(form, *vector(number))).decode()
        for number in range(count)
    ]


def _about(path: str, models: int) -> object:
    if path == "/api/version":
        return {"version": "0.13.0"}
    if path == "/api/show":
        return {"details": {}, "model_info": {}, "capabilities": ["completion"]}
    if path == "/api/ps":
        return {"models": []}
    names = [f"model-{number}:latest" for number in range(models)]
    if path == "/api/tags":
        return {"models": [_listed(*model) for model in enumerate(names)]}
    data = [
        {"id": name, "object": "model", "created": 1767323045, "owned_by": "library"}
        for name in names
    ]
    return {"object": "list", "data": data}


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


class Connection:
    """One client: bytes of a request that come, writes of an answer that go."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.received = b""
        self.wanted = 0  # bytes of a request that is not complete
        self.script: Script | None = None
        self.at = 0  # the next write
        self.due = 0.0
        self.rest = b""  # of a write that was not taken whole
        self.open = True


class Upstream:
    """Answers on one listening socket until the process is ended."""

    def __init__(self, listener: socket.socket, models: int = 37) -> None:
        self._listener = listener
        self._models = models
        self._epoll = select.epoll()
        self._epoll.register(listener, select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self._flat: deque[Connection] = deque()
        self._paced: list[tuple[float, int, Connection]] = []
        self._script = cache(script)

    def serve(self) -> None:
        """Loop for ever."""
        while True:
            for descriptor, events in self._events():
                if descriptor == self._listener.fileno():
                    self._accept()
                else:
                    self._serve(self._connections[descriptor], events)
            for _ in range(len(self._flat)):  # a write each, as each were a thread
                connection = self._flat.popleft()
                if self._write(connection):
                    self._flat.append(connection)
            self._keep_pace()

    def _events(self) -> list[tuple[int, int]]:
        """What there is to do; waits for it while no answer is under way."""
        if self._paced and not self._flat:
            # To the microsecond: epoll knows milliseconds, and streams that are not in
            # step would come in bunches, which no proxy deserves to be spared.
            left = self._paced[0][0] - time.monotonic()
            if left > 0 and not select.select([self._epoll], [], [], left)[0]:
                return []
        return self._epoll.poll(0 if self._flat or self._paced else -1)

    def _keep_pace(self) -> None:
        now = time.monotonic()
        while self._paced and self._paced[0][0] <= now:
            connection = self._paced[0][2]
            if self._write(connection) and connection.script is not None:
                connection.due += 1 / connection.script.pace
                heapq.heapreplace(
                    self._paced,
                    (connection.due, connection.socket.fileno(), connection),
                )
            else:
                heapq.heappop(self._paced)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connections[sock.fileno()] = Connection(sock)
        self._epoll.register(sock, select.EPOLLIN)

    def _serve(self, connection: Connection, events: int) -> None:
        if events & select.EPOLLOUT:
            self._resume(connection)
            return
        try:
            data = connection.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._close(connection)
            return
        connection.received += data
        if len(connection.received) >= connection.wanted:
            self._read(connection)

    def _close(self, connection: Connection) -> None:
        if connection.open:
            connection.open = False
            self._epoll.unregister(connection.socket)
            del self._connections[connection.socket.fileno()]
            connection.socket.close()

    def _read(self, connection: Connection) -> None:
        """Begin to answer, if the request is complete."""
        head, found, body = connection.received.partition(b"\r\n\r\n")
        if not found:
            return
        length = _LENGTH.search(head)
        missing = (int(length[1]) if length else 0) - len(body)
        if missing > 0:
            connection.wanted = len(connection.received) + missing
            return
        connection.received, connection.wanted = b"", 0
        path = head.split(b" ", 2)[1].decode()
        said = body[:200] + body[-200:]  # where all who ask have these
        model, stream = _MODEL.search(said), _STREAM.search(said)
        name = model[1].decode() if model else ""
        connection.script = self._script(
            path.partition("?")[0],
            f"embed-{_inputs(body)}" if name == "embed" else name,
            # Ollama's own routes stream unless told not to.
            stream=stream[1] == b"true" if stream else path.startswith("/api/"),
            base64=_BASE64.search(said) is not None,
            models=self._models,
        )
        connection.at = 0
        self._begin(connection, connection.script)

    def _begin(self, connection: Connection, script: Script) -> None:
        if not self._write(connection):
            return
        if script.pace:
            connection.due = time.monotonic() + 1 / script.pace
            entry = (connection.due, connection.socket.fileno(), connection)
            heapq.heappush(self._paced, entry)
        else:
            self._flat.append(connection)

    def _write(self, connection: Connection) -> bool:
        """Make the next write; whether there is one after it to make now."""
        script = connection.script
        if script is None or not connection.open:
            return False
        data = script.writes[connection.at]
        try:
            sent = connection.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close(connection)
            return False
        connection.at += 1
        if sent < len(data):
            connection.rest = data[sent:]
            self._epoll.modify(connection.socket, select.EPOLLOUT)
            return False
        return self._more(connection, script)

    def _more(self, connection: Connection, script: Script) -> bool:
        if connection.at < len(script.writes):
            return True
        connection.script = None
        return False

    def _resume(self, connection: Connection) -> None:
        """The client takes bytes again."""
        try:
            sent = connection.socket.send(connection.rest)
        except OSError:
            self._close(connection)
            return
        connection.rest = connection.rest[sent:]
        if connection.rest:
            return
        self._epoll.modify(connection.socket, select.EPOLLIN)
        script = connection.script
        if script is not None and self._more(connection, script):
            self._begin(connection, script)


def main() -> None:
    """Serve on loopback."""
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
    Upstream(listener, int(sys.argv[2]) if len(sys.argv) > 2 else 37).serve()


if __name__ == "__main__":
    main()
