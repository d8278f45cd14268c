"""Everything an upstream can do wrong, one small function each, chosen by name.

A model named ``fault-<name>`` behaves so on chat, generate and embed, a model named
``fault-<name>-<n>`` after ``n`` good lines (2 unless given; an answer that does not
stream is one line).  ``POST /simulator/fault?path=…&name=…`` does the same to any
route.  ``FAULTS`` is the table; the first line of each docstring is its description.
Those called valid are correct HTTP and JSON in an unusual dress.
"""

import gzip
import json
from collections.abc import Callable

from .wire import JSON, NDJSON, Wire

Fault = Callable[[Wire], None]
FAULTS: dict[str, Fault] = {}


def fault(function: Fault) -> Fault:
    """Enter a function into the table; its name gives the fault's."""
    FAULTS[function.__name__.strip("_").replace("_", "-")] = function
    return function


def describe(name: str) -> str:
    """What a fault does, in a line."""
    return (FAULTS[name].__doc__ or "").partition("\n")[0]


# Before and in the head


@fault
def drop(wire: Wire) -> None:
    """Close the connection without a byte."""
    wire.close()


@fault
def reset(wire: Wire) -> None:
    """Reset the connection without a byte."""
    wire.reset()


@fault
def never(wire: Wire) -> None:
    """Never answer."""
    wire.pause(None)


@fault
def truncated_head(wire: Wire) -> None:
    """Close in the middle of the head."""
    wire.raw(b"HTTP/1.1 200 OK\r\nContent-Type: applica")
    wire.close()


@fault
def garbage_status(wire: Wire) -> None:
    """A status line that is none."""
    wire.raw(b"HTTP/1.1 abc Fine\r\nContent-Length: 2\r\n\r\n{}")
    wire.close()


@fault
def http09(wire: Wire) -> None:
    """A body without any head, as HTTP/0.9 had it."""
    wire.raw(b"".join(wire.lines))
    wire.close()


@fault
def tls(wire: Wire) -> None:
    """A TLS alert instead of HTTP."""
    wire.raw(b"\x15\x03\x01\x00\x02\x02\x28")
    wire.close()


@fault
def huge_head(wire: Wire) -> None:
    """One header of 1 MiB."""
    wire.raw(wire.head(("X-Huge", "x" * (1 << 20)), ("Content-Length", "2")) + b"{}")


@fault
def many_headers(wire: Wire) -> None:
    """5,000 headers."""
    many = [(f"X-Header-{i}", str(i)) for i in range(5000)]
    wire.raw(wire.head(*many, ("Content-Length", "2")) + b"{}")


@fault
def endless_1xx(wire: Wire) -> None:
    """100 Continue, again and again."""
    wire.forever(lambda: wire.raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 20), 0.01)


@fault
def interim(wire: Wire) -> None:
    """Two 100 Continue before the good answer (valid)."""
    wire.raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 2)
    wire.whole(wire.lines)


def _early(status: str) -> Fault:
    def early(wire: Wire) -> None:
        wire.raw(f"HTTP/1.1 {status}\r\n\r\n".encode())
        wire.whole(wire.lines)

    early.__doc__ = f"{status} before the good answer (valid)."
    return early


FAULTS["status-102"] = _early("102 Processing")
FAULTS["status-103"] = _early("103 Early Hints")


@fault
def status_101(wire: Wire) -> None:
    """101 Switching Protocols, then silence."""
    wire.raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\n\r\n")
    wire.pause(None)


@fault
def status_204(wire: Wire) -> None:
    """204 No Content."""
    wire.exchange.answer(204)


def _moved(status: int, where: str, words: str) -> Fault:
    def moved(wire: Wire) -> None:
        target = where or wire.exchange.target
        wire.answer(status, "text/html", b"", ("Location", target))

    moved.__doc__ = f"{status} to {words}."
    return moved


FAULTS["status-302"] = _moved(302, "/api/version", "another route")
FAULTS["status-307"] = _moved(307, "", "itself")


@fault
def slow_head(wire: Wire) -> None:
    """The head byte by byte, 50 ms (or n ms) apart, then the good answer."""
    for byte in wire.head(("Transfer-Encoding", "chunked")):
        wire.raw(bytes([byte]))
        wire.pause((wire.asked or 50) / 1000)
    wire.chunk(*wire.lines)
    wire.last()


# Framing of the body


@fault
def cut_line(wire: Wire) -> None:
    """Close in the middle of a line."""
    wire.good()
    line = wire.lines[wire.after]
    wire.chunk(line[: len(line) // 2])
    wire.close()


@fault
def cut_line_clean(wire: Wire) -> None:
    """A proper end of the chunks in the middle of a line."""
    wire.good()
    line = wire.lines[wire.after]
    wire.chunk(line[: len(line) // 2])
    wire.last()


@fault
def cut(wire: Wire) -> None:
    """A proper end after n lines, without done."""
    wire.good()
    wire.last()


@fault
def cut_close(wire: Wire) -> None:
    """Close after n lines, without done or a last chunk."""
    wire.good()
    wire.close()


@fault
def reset_body(wire: Wire) -> None:
    """Reset the connection after n lines."""
    wire.good()
    wire.pause(0.05)
    wire.reset()


@fault
def stall(wire: Wire) -> None:
    """Silence for ever after n lines."""
    wire.good()
    wire.pause(None)


@fault
def drip_blank(wire: Wire) -> None:
    """After n lines a blank line every 0.2 s, for ever."""
    wire.good()
    wire.forever(lambda: wire.chunk(b"\n"), 0.2)


@fault
def drip(wire: Wire) -> None:
    """The good answer one byte every 20 ms (or n ms)."""
    wire.open()
    for byte in b"".join(wire.lines):
        wire.chunk(bytes([byte]))
        wire.pause((wire.asked or 20) / 1000)
    wire.last()


@fault
def bad_chunk(wire: Wire) -> None:
    """A chunk size that is no number."""
    wire.good()
    wire.raw(b"zz\r\n{}\r\n0\r\n\r\n")
    wire.close()


@fault
def no_last_chunk(wire: Wire) -> None:
    """Everything, done too, but close without the last chunk."""
    wire.good(len(wire.lines))
    wire.close()


@fault
def short_length(wire: Wire) -> None:
    """A Content-Length that is 100 more than what comes."""
    body = b"".join(wire.lines)
    wire.raw(wire.head(("Content-Length", str(len(body) + 100))) + body)
    wire.close()


@fault
def cut_length(wire: Wire) -> None:
    """A true Content-Length, but close after half of the body."""
    body = b"".join(wire.lines)
    framed = wire.head(("Content-Length", str(len(body))))
    wire.raw(framed + body[: len(body) // 2])
    wire.close()


@fault
def extra_bytes(wire: Wire) -> None:
    """Bytes after the end of a whole answer (valid up to there)."""
    wire.open()
    wire.chunk(*wire.lines)
    wire.raw(b"0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL")


@fault
def eof_body(wire: Wire) -> None:
    """A body that ends where the connection does (valid)."""
    wire.exchange.keep = False
    wire.raw(wire.head() + b"".join(wire.lines))
    wire.close()


@fault
def with_length(wire: Wire) -> None:
    """A stream with a Content-Length (valid)."""
    body = b"".join(wire.lines)
    wire.raw(wire.head(("Content-Length", str(len(body)))) + body)


@fault
def no_newline(wire: Wire) -> None:
    """No newline after the last line (valid)."""
    wire.whole([*wire.lines[:-1], wire.lines[-1].rstrip(b"\n")])


@fault
def crlf(wire: Wire) -> None:
    """Lines that end in CRLF (valid)."""
    wire.whole([line.rstrip(b"\n") + b"\r\n" for line in wire.lines])


@fault
def blank_lines(wire: Wire) -> None:
    """Blank lines and blanks between the lines (valid)."""
    wire.whole([b"\n \n\r\n" + line.replace(b"{", b"{ ", 1) for line in wire.lines])


@fault
def one_segment(wire: Wire) -> None:
    """The whole answer in one chunk and one segment (valid)."""
    body = b"".join(wire.lines)
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    wire.raw(wire.head(("Transfer-Encoding", "chunked")) + framed)


@fault
def byte_chunks(wire: Wire) -> None:
    """Each byte a chunk of its own (valid)."""
    wire.whole(bytes([byte]) for byte in b"".join(wire.lines))


@fault
def byte_segments(wire: Wire) -> None:
    """Each byte of head, framing and body a segment of its own (valid)."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(line), line) for line in wire.lines)
    head = wire.head(("Transfer-Encoding", "chunked"))
    for byte in head + body + b"0\r\n\r\n":
        wire.raw(bytes([byte]))
        wire.pause(0)


@fault
def gzipped(wire: Wire) -> None:
    """The good answer compressed, though nobody asked for it."""
    body = gzip.compress(b"".join(wire.lines))
    coding = ("Content-Encoding", "gzip")
    wire.raw(wire.head(coding, ("Content-Length", str(len(body)))) + body)


@fault
def gzip_bomb(wire: Wire) -> None:
    """64 MiB of blanks, compressed to 64 KiB."""
    body = gzip.compress(b" " * (64 << 20), 9)
    coding = ("Content-Encoding", "gzip")
    wire.raw(wire.head(coding, ("Content-Length", str(len(body)))) + body)


# Lines that are none


def _line(data: bytes, words: str) -> Fault:
    def line(wire: Wire) -> None:
        wire.good()
        wire.chunk(data)
        wire.rest()

    line.__doc__ = f"{words} after n lines, then the rest."
    return line


def _changed(words: str, **fields: str) -> Fault:
    """A line like the good one at its place, but with other raw JSON values."""

    def changed(wire: Wire) -> None:
        place = wire.after
        given = json.loads(wire.lines[place])
        kept = {key: json.dumps(value) for key, value in given.items()}
        items = (f"{json.dumps(k)}:{v}" for k, v in {**kept, **fields}.items())
        wire.good()
        wire.chunk(("{" + ",".join(items) + "}\n").encode("utf-8", "surrogateescape"))
        wire.chunk(*wire.lines[place + 1 :])
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
    "wrong-types": _changed("Wrong types", message="[1]", response="{}", done='"no"'),
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
        message=json.dumps(
            {
                "role": "assistant",
                "content": "data: [DONE]\n\nevent: error\r\n\r\n\u2028\u0085\x00: x\n",
            }
        ),
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
    wire.forever(lambda: wire.chunk(wire.lines[0]), 0)


@fault
def big_line(wire: Wire) -> None:
    """A line of 8 MiB (valid)."""
    text = json.dumps("x" * (8 << 20))
    message = '{"role":"assistant","content":' + text + "}"
    _changed("", message=message, response=text)(wire)


# The end of the answer


@fault
def error_line(wire: Wire) -> None:
    """The runner dies after n lines: an error line, and no done."""
    reason = "an error was encountered while running the model: unexpected EOF"
    if not wire.streams:
        wire.refuse(500, _said(reason))
        return
    wire.good()
    wire.chunk(f'{{"error":"{reason}"}}\n'.encode())
    wire.last()


@fault
def two_done(wire: Wire) -> None:
    """The done line twice."""
    wire.whole([*wire.lines, wire.lines[-1]])


@fault
def after_done(wire: Wire) -> None:
    """More content lines after done."""
    wire.whole([*wire.lines, *wire.lines[:2], b"garbage\n"])


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


# Other answers


def _error(status: int, body: str, words: str) -> Fault:
    def error(wire: Wire) -> None:
        wire.refuse(status, body)

    error.__doc__ = f"{status}: {words}."
    return error


_SIGNIN = "https://ollama.com/connect?name=simulator&key=c2ltdWxhdG9y"
_MEMORY = "model requires more system memory (48.1 GiB) than is available (7.5 GiB)"
_BUSY = "server busy, please try again.  maximum pending requests exceeded"
_STOPPED = "llama runner process has terminated: signal: killed"
_LOADING = "timed out waiting for llama runner to start - progress 0.00 - "
_OVERFLOW = {
    "error": {
        "code": 400,
        "message": "the request exceeds the available context size, try increasing it",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 1407,
        "n_ctx": 256,
    }
}


def _said(text: str) -> str:
    return json.dumps({"error": text}, separators=(",", ":"))


FAULTS |= {
    "error-400": _error(400, _said("invalid options: num_ctx"), "a refusal"),
    "error-401": _error(
        401,
        json.dumps({"error": "unauthorized", "signin_url": _SIGNIN}),
        "not signed in, with signin_url",
    ),
    "error-403": _error(
        403,
        _said("ollama cloud is disabled: remote inference is unavailable"),
        "cloud is disabled",
    ),
    "error-404": _error(404, _said("model 'gone' not found"), "the model is gone"),
    "error-429": _error(
        429,
        json.dumps(
            {
                "StatusCode": 429,
                "Status": "429 Too Many Requests",
                "error": "you've reached your hourly usage limit",
            }
        ),
        "a relayed rate limit",
    ),
    "error-500": _error(500, _said(_STOPPED), "the runner died"),
    "error-503": _error(503, _said(_BUSY), "the queue is full"),
    "busy": _error(503, _said(_BUSY), "the queue is full"),
    "out-of-memory": _error(500, _said(_MEMORY), "not enough memory"),
    "load-timeout": _error(500, _said(_LOADING), "loading took too long"),
    "overflow": _error(
        400, _said(json.dumps(_OVERFLOW, separators=(",", ":"))), "a nested overflow"
    ),
    "huge-error": _error(500, _said("x" * (1 << 20)), "an error of 1 MiB"),
    "odd-error": _error(500, '{"error":{"code":1}}', "an error that is no string"),
    "text-500": _error(500, "Internal Server Error", "an error that is no JSON"),
    "status-418": _error(418, _said("I'm a teapot"), "an unusual status"),
    "status-507": _error(507, _said("disk is full"), "an unusual status"),
}


@fault
def html_200(wire: Wire) -> None:
    """A login page with status 200."""
    wire.answer(200, "text/html", b"<html><body>Please sign in</body></html>")


@fault
def html_502(wire: Wire) -> None:
    """A reverse proxy's HTML error."""
    page = b"<html><h1>502 Bad Gateway</h1><hr>nginx</html>"
    wire.answer(502, "text/html", page, ("Server", "nginx"))


@fault
def empty_200(wire: Wire) -> None:
    """200 with an empty body."""
    wire.answer(200, NDJSON if wire.streams else JSON, b"")


@fault
def text_404(wire: Wire) -> None:
    """The plain text of an unknown route: not an Ollama."""
    wire.answer(404, "text/plain", b"404 page not found")


@fault
def wrong_list(wire: Wire) -> None:
    """JSON that is not what the route promises: models is a string."""
    wire.answer(200, JSON, b'{"models":"none"}')


@fault
def odd_list(wire: Wire) -> None:
    """A model list with missing, null and odd entries."""
    good = '{"name":"tiny:latest","model":"tiny:latest","size":1,"digest":"d"}'
    odd = '{"models":[null,1,"x",{},{"name":null},{"name":7},' + good + "]}"
    wire.answer(200, JSON, odd.encode())


@fault
def null_list(wire: Wire) -> None:
    """A model list that is null."""
    wire.answer(200, JSON, b'{"models":null}')


@fault
def proxy_headers(wire: Wire) -> None:
    """The good answer with hop-by-hop and cookie headers (valid)."""
    more = [("Keep-Alive", "timeout=5"), ("Set-Cookie", "a=b"), ("X-Powered-By", "x")]
    wire.raw(wire.head(*more, ("Transfer-Encoding", "chunked")))
    wire.chunk(*wire.lines)
    wire.last()
