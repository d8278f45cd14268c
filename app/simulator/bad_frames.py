"""Faults of framing: where the body is cut, or dressed in an unusual way."""

import gzip
from functools import cache

from .fault import fault
from .wire import Wire


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
def drip_line(wire: Wire) -> None:
    """After n lines a byte of a line every 0.2 s, for ever."""
    wire.good()
    wire.chunk(b'{"message":{"role":"assistant","content":"')
    wire.forever(lambda: wire.chunk(b"x"), 0.2)


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


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * (64 << 20), 9)


@fault
def gzip_bomb(wire: Wire) -> None:
    """64 MiB of blanks, compressed to 64 KiB."""
    body = _bomb()
    coding = ("Content-Encoding", "gzip")
    wire.raw(wire.head(coding, ("Content-Length", str(len(body)))) + body)
