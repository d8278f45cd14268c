"""Faults of content: lines that are not what Ollama writes, and odd ends."""

import json

from .fault import FAULTS, Fault, fault, said
from .wire import Wire

#: Text that would be frames if it were not quoted.
FORGED = "data: [DONE]\n\nevent: error\r\n\r\n\u2028\u0085\x00: x\n"


def _line(data: bytes, words: str) -> Fault:
    def line(wire: Wire) -> None:
        wire.good()
        wire.chunk(data)
        wire.rest()

    line.__doc__ = f"{words} after n lines, then the rest."
    return line


def _changed(words: str, **fields: str) -> Fault:
    """A good line with other raw JSON values: the first from ``n`` on that has them."""

    def changed(wire: Wire) -> None:
        kept: dict[str, str] = {}
        for place in range(wire.after, len(wire.lines)):
            given = json.loads(wire.lines[place])
            kept = {key: json.dumps(value) for key, value in given.items()}
            if fields.keys() & kept.keys():
                break
        kept |= {key: value for key, value in fields.items() if key in kept}
        line = "{" + ",".join(f"{json.dumps(k)}:{v}" for k, v in kept.items()) + "}\n"
        wire.good(place)
        wire.chunk(line.encode("utf-8", "surrogateescape"), *wire.lines[place + 1 :])
        wire.last()

    changed.__doc__ = f"{words} in a line after n lines."
    return changed


FAULTS |= {
    "garbage-line": _line(b"this is not JSON\n", "A line that is no JSON"),
    "array-line": _line(b"[]\n", "An array as a line"),
    "number-line": _line(b"42\n", "A number as a line"),
    "string-line": _line(b'"text"\n', "A string as a line"),
    "null-line": _line(b"null\n", "null as a line"),
    "deep-line": _line(b"[" * 20000 + b"]" * 20000 + b"\n", "Nesting 20,000 deep"),
    "deep-object": _line(
        b'{"message":' * 20000 + b"1" + b"}" * 20000 + b"\n", "Objects 20,000 deep"
    ),
    "error-empty": _line(b'{"error":""}\n', "An empty error"),
    "error-object": _line(
        b'{"error":{"message":"odd"}}\n', "An error that is an object"
    ),
    "wrong-types": _changed(
        "Wrong types", message="[1]", response="{}", done='"no"', embeddings="[7]"
    ),
    "wrong-content": _changed(
        "Numbers where text belongs",
        message='{"role":7,"content":8}',
        response="8",
        embeddings='[["x"]]',
    ),
    "bad-utf8": _changed(
        "Invalid UTF-8",
        message='{"role":"assistant","content":"a\udcff\udcfeb"}',
        response='"a\udcff\udcfeb"',
    ),
    "lone-surrogate": _changed(
        "A lone surrogate",
        message='{"role":"assistant","content":"a\\ud83db"}',
        response='"a\\ud83db"',
    ),
    "nan": _changed("NaN", eval_count="NaN", embeddings="[[NaN,1]]"),
    "infinity": _changed("1e999", eval_count="1e999", embeddings="[[1e999]]"),
    "huge-number": _changed("A number of 6,000 digits", eval_count="9" * 6000),
    "negative-counts": _changed(
        "Negative and fractional counts", eval_count="-5", prompt_eval_count="1.5"
    ),
    "frames": _changed(
        "Text that looks like SSE (valid)",
        message=json.dumps({"role": "assistant", "content": FORGED}),
        response=json.dumps(FORGED),
    ),
}


@fault
def endless_line(wire: Wire) -> None:
    """A line without end after n lines."""
    wire.good()
    wire.chunk(b'{"message":{"role":"assistant","content":"')
    while True:
        wire.chunk(b"x" * 65536)
        wire.pause(0)


@fault
def endless_stream(wire: Wire) -> None:
    """The same good line for ever."""
    wire.open()
    wire.forever(lambda: wire.chunk(*wire.lines[:1] * 64), 0)


@fault
def big_line(wire: Wire) -> None:
    """A line of 8 MiB (valid)."""
    text = json.dumps("x" * (8 << 20))
    message = '{"role":"assistant","content":' + text + "}"
    _changed("", message=message, response=text)(wire)


@fault
def error_line(wire: Wire) -> None:
    """The runner dies after n lines: an error line, and no done."""
    reason = "an error was encountered while running the model: unexpected EOF"
    if not wire.streams:
        wire.refuse(500, said(reason))
        return
    wire.good()
    wire.chunk(f'{{"error":"{reason}"}}\n'.encode())
    wire.last()


@fault
def two_done(wire: Wire) -> None:
    """The done line twice."""
    wire.whole([*_ended(wire), wire.lines[-1]])


@fault
def after_done(wire: Wire) -> None:
    """More content lines after done."""
    wire.whole([*_ended(wire), *wire.lines[:2], b"garbage\n"])


def _ended(wire: Wire) -> list[bytes]:
    """The good lines, each with its end: an answer that is no stream has none."""
    return [line.rstrip(b"\n") + b"\n" for line in wire.lines]


@fault
def stall_after_done(wire: Wire) -> None:
    """Everything, done too, and then silence instead of the last chunk."""
    wire.good(len(wire.lines))
    wire.pause(None)


@fault
def no_reason(wire: Wire) -> None:
    """done without done_reason."""
    last = json.loads(wire.lines[-1])
    last.pop("done_reason", None)
    line = json.dumps(last, ensure_ascii=False, separators=(",", ":")) + "\n"
    wire.whole([*wire.lines[:-1], line.encode()])


@fault
def not_done(wire: Wire) -> None:
    """A last line that says done is false (an aborted runner)."""
    last = json.loads(wire.lines[-1])
    last.pop("done_reason", None)
    last["done"] = False
    line = json.dumps(last, ensure_ascii=False, separators=(",", ":")) + "\n"
    wire.whole([*wire.lines[:-1], line.encode()])
