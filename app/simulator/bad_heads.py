"""Faults before the body: no answer, or a head that is none or odd."""

from .fault import FAULTS, Fault, fault
from .wire import Wire


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
def stall_head(wire: Wire) -> None:
    """Half a head, and then silence."""
    wire.raw(b"HTTP/1.1 200 OK\r\nContent-Type: applica")
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


@fault
def status_304(wire: Wire) -> None:
    """304 Not Modified, though nobody asked under a condition."""
    wire.raw(wire.head(status=304))


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
